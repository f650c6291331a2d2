"""Real files for the demo: old ones that a janitor would delete, and a log with errors in it."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

DAY = 86400
MEGABYTE = 1_000_000
OLD_FILES = (
    ("core.8412", 90, 4 * MEGABYTE),
    ("downloads/build-cache.tar", 45, 2_500_000),
    ("downloads/last-year/export.csv", 400, MEGABYTE),
)
RECENT_FILES = (("notes.txt", 2, 20_000),)
LOG_LINES = 120_000
LOG_TIME = timedelta(days=1)
ERROR_EVERY = 400
TROUBLES = (
    "ERROR shop.payment: card refused by the bank, order={number}",
    "ERROR shop.stock: timed out after 30 s asking warehouse-{small}.example",
    "ERROR shop.mail: cannot deliver to customer {number}: mailbox full",
    "CRITICAL shop.db: deadlock detected, transaction {number} was rolled back",
)
TRACEBACK = (
    "ERROR shop.web: request {number} failed\n"
    "Traceback (most recent call last):\n"
    '  File "/srv/shop/cart.py", line {small}, in total\n'
    "    return sum(item.price for item in items)\n"
    "AttributeError: 'NoneType' object has no attribute 'price'"
)


def folder_to_clean(within: Path) -> Path:
    """A new folder with three files that were not changed for a long time and one that was."""
    within.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="files-", dir=within))
    for name, days, size in (*OLD_FILES, *RECENT_FILES):
        _write(folder / name, days, size)
    return folder


def log_to_read(within: Path) -> Path:
    """A log of a web shop, about 10 MB; written once."""
    log = within / "shop.log"
    if not log.exists():
        within.mkdir(parents=True, exist_ok=True)
        aside = log.with_suffix(f".{os.getpid()}")
        aside.write_text("".join(f"{line}\n" for line in _lines()))
        aside.rename(log)
    return log


def _write(file: Path, days: int, size: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(os.urandom(size))
    then = file.stat().st_mtime - days * DAY
    os.utime(file, (then, then))


def _lines() -> Iterator[str]:
    dice = random.Random(7)  # noqa: S311
    now = datetime.now(UTC) - LOG_TIME
    for number in range(LOG_LINES):
        now += LOG_TIME / LOG_LINES
        said = f"INFO shop.web: GET /article/{dice.randrange(9999)} 200 in {dice.randrange(3, 80)} ms"
        if number % ERROR_EVERY == ERROR_EVERY - 1:
            said = dice.choice((*TROUBLES, TRACEBACK)).format(number=number, small=dice.randrange(1, 9))
        yield f"{now:%Y-%m-%d %H:%M:%S} {said}"

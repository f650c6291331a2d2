"""Lines for a terminal. What agents wrote is hostile: control characters never reach the terminal as such."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

CELL_WIDTH = 60
UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def clean(value: object) -> str:
    """One line of printable characters; anything else is written as an escape."""
    text = "" if value is None else str(value)
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def cut(value: object, width: int = CELL_WIDTH) -> str:
    """`clean`, at most `width` characters long."""
    text = clean(value)
    return text if len(text) <= width else text[: width - 1] + "…"


def payload(value: Any, width: int = CELL_WIDTH) -> str:
    """A JSON value on one line; a text as it is, nothing for nothing."""
    if value is None or value in ("", {}, []):
        return ""
    return cut(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str), width)


def age(since: datetime | None, now: datetime) -> str:
    """How long ago, in its largest unit ("3 min ago"), or how long until then ("in 5 d")."""
    if since is None:
        return "-"
    seconds = (now - since).total_seconds()
    return f"{duration(seconds)} ago" if seconds >= 0 else f"in {duration(-seconds)}"


def duration(seconds: float) -> str:
    for size, unit in UNITS:
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{round(seconds * 1000)} ms"


def size(count: int) -> str:
    """Bytes in the unit a person would choose (1 kB = 1000 bytes)."""
    amount, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"


def table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    """Aligned columns as wide as what is in them; numbers to the right."""
    cells = [[clean(cell) for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(headers, *cells, strict=True)]
    right = [bool(rows) and all(isinstance(row[n], int) for row in rows) for n in range(len(headers))]
    for line in (list(headers), *cells):
        padded = (
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(line, widths, right, strict=True)
        )
        yield "  ".join(padded).rstrip()


def facts(pairs: Sequence[tuple[str, object]]) -> Iterator[str]:
    """Names and values below each other; what has no value is left out."""
    shown = [(name, clean(value)) for name, value in pairs if value not in (None, "", "-")]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        yield f"  {name.ljust(width)}  {value}"

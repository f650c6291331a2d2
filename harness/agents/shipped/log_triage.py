"""log-triage: reads log files piece by piece, groups their errors, and writes a report."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from harness.agents import RunContext, agent, tool
from harness.agents.shipped.log_report import Totals, as_markdown
from harness.agents.shipped.log_scan import CONTINUES, Scanner

PIECE = 4 << 20
OVERLAP_AT_MOST = 256 << 10
FILES_AT_MOST = 500
LOOK = 8192
PACKED: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


class Triage(BaseModel):
    model_config = ConfigDict(extra="forbid")

    path: str = Field(description="A log file, or a folder of them; .gz, .bz2 and .xz are read as well.")

    @field_validator("path")
    @classmethod
    def _is_absolute(cls, path: str) -> str:
        if not os.path.isabs(path):
            raise ValueError(f"{path or 'an empty path'} should be an absolute path")
        return path


@tool(retryable=True)
def find_logs(path: str) -> list[dict[str, Any]]:
    """List the text files at or below a path: [{"path", "size"}]."""
    root = Path(path)
    if not root.exists():
        raise FileNotFoundError(f"there is no file or folder {path}")
    if root.is_dir():
        files = [file for file in _below(root) if _is_text(file)]
    else:
        files = [root] if stat.S_ISREG(root.stat().st_mode) else []
    if not files:
        raise FileNotFoundError(f"there is no log in {path}")
    return [{"path": str(file), "size": file.stat().st_size} for file in files[:FILES_AT_MOST]]


def _below(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder, followlinks=False):
        folders.sort()
        for name in sorted(names):
            path = Path(parent, name)
            if path.is_file() and not path.is_symlink() and str(path).isprintable():
                yield path


def _is_text(path: Path) -> bool:
    try:
        with _open(str(path)) as file:
            return b"\0" not in file.read(LOOK)
    except (OSError, EOFError, lzma.LZMAError):
        return False


def _open(path: str) -> IO[bytes]:
    return PACKED.get(Path(path).suffix, open)(path, "rb")


@tool(retryable=True)
def scan_piece(path: str, start: int, size: int) -> dict[str, Any]:
    """Read about `size` bytes from `start` and group the errors in them; "end" is where the next piece begins."""
    with _open(path) as file:
        file.seek(start)
        piece = _whole_lines(file, size)
        scanned = Scanner(piece).scan().as_json()
        return scanned | {"end": start + len(piece), "last": len(piece) < size, "read": _position(file)}


def _whole_lines(file: IO[bytes], size: int) -> bytes:
    """`size` bytes and on to the end of a line after which something new begins."""
    parts = [file.read(size)]
    if len(parts[0]) == size:
        parts.append(file.readline(OVERLAP_AT_MOST))
        end = b"".join(parts)[-OVERLAP_AT_MOST:].rstrip(b"\n")
        left, after_frame = OVERLAP_AT_MOST, _is_frame(end[end.rfind(b"\n") + 1 :])
        while left > 0 and (line := file.readline(left)):
            belongs = CONTINUES.match(line) is not None
            if not belongs and not after_frame:
                break
            after_frame = _is_frame(line)
            parts.append(line)
            left -= len(line)
    return b"".join(parts)


def _is_frame(line: bytes) -> bool:
    """Part of a traceback after which the exception may follow, which looks like any other line."""
    return line.startswith((b" ", b"Traceback"))


def _position(file: IO[bytes]) -> int:
    """How far it is read on disk, in bytes: of a packed file that is less than what came out of it."""
    raw = getattr(file, "fileobj", None) or getattr(file, "_fp", None) or file
    return int(raw.tell())


@agent(
    "log-triage",
    tools=[find_logs, scan_piece],
    description="Reads log files, groups their errors, and writes a report.",
    input=Triage,
    routes=[lambda input: isinstance(input, dict) and set(input) == {"path"}],
    example={"path": "/var/log"},
)
def log_triage(ctx: RunContext, request: Triage) -> dict[str, Any]:
    files = ctx.call(find_logs, path=request.path)
    totals = Totals(path=request.path)
    size, before = sum(file["size"] for file in files), 0
    for file in files:
        for found in _pieces(ctx, file):
            totals.add(file["path"], found)
            done = before + min(found["read"], file["size"])
            ctx.progress(done, size, f"{file['path']}: {totals.errors:,} errors in {totals.lines:,} lines")
        before += file["size"]
    return _report(ctx, totals)


def _pieces(ctx: RunContext, file: dict[str, Any]) -> Iterator[dict[str, Any]]:
    at, packed = 0, Path(file["path"]).suffix in PACKED
    while packed or at < file["size"]:
        found = ctx.call(scan_piece, path=file["path"], start=at, size=PIECE)
        at = found["end"]
        yield found
        if found["last"]:
            break


def _report(ctx: RunContext, totals: Totals) -> dict[str, Any]:
    written = as_markdown(totals)
    markdown = ctx.save_artifact("log-triage.md", written, "text/markdown; charset=utf-8")
    ctx.save_artifact("log-triage.json", totals.as_text(), "application/json")
    return totals.summary() | {"report": markdown["id"]}

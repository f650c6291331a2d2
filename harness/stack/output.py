"""What the processes of `up` print, line by line, each line behind the name of its process."""

import sys
from typing import Any

COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
LONGEST_LINE = 64 * 1024


class Prefixed:
    """A stream for circus: takes pieces of output, writes whole lines."""

    def __init__(self, name: str, number: int, width: int) -> None:
        self.prefix = f"{name:<{width}} | "
        if sys.stdout.isatty():
            self.prefix = f"\x1b[{COLOURS[number % len(COLOURS)]}m{self.prefix}\x1b[0m"
        self.unfinished: dict[tuple[int, str], bytes] = {}

    def __call__(self, piece: dict[str, Any]) -> None:
        source = (piece["pid"], piece["name"])
        *lines, rest = (self.unfinished.pop(source, b"") + piece["data"]).split(b"\n")
        if len(rest) > LONGEST_LINE:
            lines, rest = [*lines, rest], b""
        if rest:
            self.unfinished[source] = rest
        self._write(lines)

    def close(self) -> None:
        self._write(list(self.unfinished.values()))
        self.unfinished.clear()

    def _write(self, lines: list[bytes]) -> None:
        text = "".join(f"{self.prefix}{line.decode(errors='replace')}\n" for line in lines)
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except BrokenPipeError:
            return

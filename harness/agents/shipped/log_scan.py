"""Find what went wrong in a piece of a log: error lines and tracebacks, grouped by what they have in common."""

from __future__ import annotations

import calendar
import hashlib
import re
from dataclasses import dataclass, field
from typing import Any

GROUPS_AT_MOST = 400
SAMPLE_CHARS, TEXT_CHARS = 300, 200
LINE_BYTES = 2000  # more of a line is not looked at

LEVELS = {
    "critical": b"CRITICAL CRIT FATAL SEVERE EMERG EMERGENCY ALERT PANIC critical crit fatal emerg alert panic",
    "error": b"ERROR ERR Error error err",
    "warning": b"WARN WARNING Warning warning warn",
}
LEVEL_OF = {word: level for level, words in LEVELS.items() for word in words.split()}

HINTS = (
    b"ERR CRIT FATAL SEVERE EMERG ALERT PANIC WARN error crit fatal emerg alert panic err] err: warn "
    b"Error Exception Traceback Warn"
).split()
"""What a suspect line contains at least one of. Looked for by find(), which is ten times as fast as a pattern."""

_UPPER = rb"ERROR|CRITICAL|FATAL|SEVERE|EMERG(?:ENCY)?|ALERT|PANIC|CRIT|ERR|WARN(?:ING)?"
_LOWER = rb"error|crit(?:ical)?|fatal|emerg|alert|panic|err|warn(?:ing)?"
SUSPECT = re.compile(
    rb"\b(?P<upper>" + _UPPER + rb")\b"
    rb"|[\[<(|=\"](?P<lower>" + _LOWER + rb")[\]>)|\"\s,}]"
    rb"|(?P<trace>Traceback \(most recent call last\))"
    rb"|(?:^|[\s.])(?P<raised>[A-Z]\w*(?:Error|Exception))(?=: |\s*$)"
    rb"|(?:^|\s)(?P<begins>panic|fatal|error|err|Error|warning|Warning): "
)
CONTINUES = re.compile(rb"[ \t]|Traceback \(most|Caused by|During handling|The above exception|\r?\n")
HEADS = (b"Traceback", b"During handling", b"The above exception")

TIME = re.compile(
    rb"(?P<iso>\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d)"
    rb"|(?P<apache>\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d)"
    rb"|(?P<syslog>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d)"
)
_ANY_TIME = re.sub(rb"\?P<\w+>", b"?:", TIME.pattern)
_SAME = [
    (re.compile(rb"(?:" + _ANY_TIME + rb")(?:[.,]\d+)?(?: ?Z|(?: ?[+-]\d\d:?\d\d))?"), b"<time>"),
    (re.compile(rb"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"), b"<uuid>"),
    (re.compile(rb"\"[^\"\n]*\"|(?<!\w)'[^'\n]*'(?!\w)"), b"<text>"),
    (re.compile(rb"\b0[xX][0-9a-fA-F]+\b|\b(?=[a-fA-F]*\d)[0-9a-fA-F]{7,}\b|\d+(?:[.:]\d+)*"), b"<n>"),
    (re.compile(rb"\s+"), b" "),
]
_DIGITS = bytes.maketrans(b"123456789", b"000000000")


@dataclass
class Group:
    """Occurrences that read the same but for numbers, ids, times and quoted texts."""

    level: str
    text: str
    sample: str
    count: int = 0
    first: str = ""
    last: str = ""

    def as_json(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass
class Findings:
    """What was found in a piece: errors by fingerprint, warnings as a number."""

    groups: dict[str, Group] = field(default_factory=dict)
    lines: int = 0
    errors: int = 0
    warnings: int = 0
    ungrouped: int = 0

    def as_json(self) -> dict[str, Any]:
        return vars(self) | {"groups": {key: group.as_json() for key, group in self.groups.items()}}


def fingerprint(line: bytes) -> bytes:
    """What stays of a line when numbers, ids, times and quoted texts are taken out."""
    for pattern, instead in _SAME:
        line = pattern.sub(instead, line)
    return line.strip()


def _level(match: re.Match[bytes]) -> str:
    word = match["upper"] or match["lower"] or match["begins"] or b"error"
    return LEVEL_OF.get(word, "error")


class Scanner:
    """Goes through one piece, which begins at a line's begin and ends at a line's end."""

    def __init__(self, piece: bytes) -> None:
        self.piece = piece
        self.found = Findings(lines=piece.count(b"\n") + (not piece.endswith(b"\n") and bool(piece)))
        self._known: dict[bytes, str] = {}

    def scan(self) -> Findings:
        at = 0
        for begin in self._suspects():
            if begin >= at:
                at = self._event(begin)
        return self.found

    def _suspects(self) -> list[int]:
        """Where lines with a hint begin."""
        piece, begins = self.piece, set()
        for hint in HINTS:
            at = piece.find(hint)
            while at >= 0:
                begins.add(piece.rfind(b"\n", 0, at) + 1)
                line_end = piece.find(b"\n", at)
                at = piece.find(hint, line_end) if line_end >= 0 else -1
        return sorted(begins)

    def _event(self, begin: int) -> int:
        """Count what begins at `begin`, if it is something; returns where to look on."""
        line_end = self._line_end(begin)
        line = self.piece[begin : min(line_end, begin + LINE_BYTES)].strip()
        match = SUSPECT.search(line)
        level = _level(match) if match else ""
        if level == "warning":
            self.found.warnings += 1
        if level in ("", "warning"):
            return line_end
        end, last = self._rest(line_end, traced=match is not None and match.lastgroup == "trace")
        self._count(level, line, last)
        return end

    def _line_end(self, at: int) -> int:
        end = self.piece.find(b"\n", at)
        return len(self.piece) if end < 0 else end + 1

    def _rest(self, at: int, *, traced: bool) -> tuple[int, bytes]:
        """The end of a traceback or stack that follows, and its line that says most: the exception."""
        last, in_frames = b"", traced
        while at < len(self.piece) and (in_frames or CONTINUES.match(self.piece, at)):
            end = self._line_end(at)
            line = self.piece[at:end]
            traced = traced or line.startswith(b"Traceback")
            if line[:1] in b" \t\r\n" or line.startswith(HEADS):
                in_frames = traced and line[:1] not in b"\r\n"
            else:
                last, in_frames = line.strip()[:LINE_BYTES], False
            at = end
        return at, last

    def _count(self, level: str, line: bytes, exception: bytes) -> None:
        self.found.errors += 1
        key = self._key(level, line, exception)
        group = self.found.groups.get(key)
        if group is None:
            if len(self.found.groups) >= GROUPS_AT_MOST:
                self.found.ungrouped += 1
                return
            group = self.found.groups[key] = self._group(level, line, exception)
        group.count += 1
        if when := seen_at(line):
            group.first = group.first or when
            group.last = when

    def _key(self, level: str, line: bytes, exception: bytes) -> str:
        rough = (line + b"\n" + exception).translate(_DIGITS)
        key = self._known.get(rough)
        if key is None:
            exact = fingerprint(line) + b"\n" + fingerprint(exception)
            key = self._known[rough] = hashlib.sha256(exact).hexdigest()[:12]
        return key

    def _group(self, level: str, line: bytes, exception: bytes) -> Group:
        said = b" | ".join(part for part in (line, exception) if part)
        common = b" | ".join(part for part in (fingerprint(line), fingerprint(exception)) if part)
        return Group(level, _text(common, TEXT_CHARS), _text(said, SAMPLE_CHARS))


def _text(raw: bytes, limit: int) -> str:
    return raw.decode("utf-8", "replace")[:limit]


MONTHS = {name: n for n, name in enumerate(calendar.month_abbr) if name}


def seen_at(line: bytes) -> str:
    """The first time in a line: as 2026-11-22T16:00:01 where the year is given, as it stands where not, "" if none."""
    match = TIME.search(line, 0, 200)
    if match is None:
        return ""
    text = match.group().decode()
    if match.lastgroup == "iso":
        return text.replace("/", "-").replace(" ", "T")
    if match.lastgroup == "apache":
        day, month, rest = text.split("/")
        return f"{rest[:4]}-{MONTHS.get(month, 0):02}-{day}T{rest[5:]}"
    return text

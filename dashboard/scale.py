"""The time axis itself: from moments to percent of the width, with long idle stretches folded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from dashboard.templatetags.words import span as duration

NARROWEST = 0.5
FOLD_WIDTH = 7.0
TICK_ROOM = 9.0
SHORT = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 15, 30, 60]
NICE = [*SHORT, 120, 300, 900, 1800, 3600, 7200, 14400, 43200, 86400, 604800]
Stretch = tuple[datetime, datetime]


@dataclass(frozen=True)
class Bar:
    """A stretch of time. `kind` picks its colour and pattern, `label` says it in words."""

    left: float
    width: float
    kind: str
    label: str
    href: str = ""

    @property
    def x(self) -> str:
        return f"{self.left:.3f}%"

    @property
    def middle(self) -> str:
        return f"{self.left + self.width / 2:.3f}%"

    @property
    def w(self) -> str:
        return f"{max(self.width, NARROWEST):.3f}%"


@dataclass(frozen=True)
class Mark:
    """A moment."""

    left: float
    kind: str
    label: str

    @property
    def x(self) -> str:
        return f"{self.left:.3f}%"

    @property
    def anchor(self) -> str:
        """How its text stands at it, so that none is cut at the ends of the axis."""
        return "start" if self.left < 4 else "end" if self.left > 96 else "middle"


class Scale:
    """Time to percent of the width. Long stretches in which no step ran take little room: waiting for days over
    seconds of work would leave nothing to see of the work."""

    def __init__(self, start: datetime, end: datetime, busy: Iterable[Stretch]) -> None:
        self.start, self.end = start, max(end, start + timedelta(milliseconds=1))
        self.folds = folds(self.start, self.end, busy)
        self.pieces = list(self._pieces())

    def __call__(self, moment: datetime) -> float:
        for start, end, left, right in self.pieces:
            if moment <= end:
                share = max((moment - start) / (end - start), 0)
                return left + share * (right - left)
        return 100.0

    def _pieces(self) -> Iterator[tuple[datetime, datetime, float, float]]:
        cuts = sorted({self.start, self.end, *(moment for fold in self.folds for moment in fold)})
        open_time = sum((b - a for a, b in pairwise(cuts) if (a, b) not in self.folds), timedelta())
        open_width = 100.0 - FOLD_WIDTH * len(self.folds)
        left = 0.0
        for a, b in pairwise(cuts):
            width = FOLD_WIDTH if (a, b) in self.folds else open_width * ((b - a) / open_time)
            yield a, b, left, left + width
            left += width

    def _has_room(self, left: float, ticks: list[Mark]) -> bool:
        beside = [tick.left for tick in ticks] + [(self(a) + self(b)) / 2 for a, b in self.folds]
        return all(abs(left - other) >= TICK_ROOM for other in beside)

    def bar(self, start: datetime, end: datetime, kind: str, label: str, href: str = "") -> Bar:
        left = min(self(start), 100 - NARROWEST)
        return Bar(left, self(end) - left, kind, label, href)

    def ticks(self) -> list[Mark]:
        """Round amounts of time since the start, not too close to each other."""
        open_pieces = [piece for piece in self.pieces if (piece[0], piece[1]) not in self.folds]
        visible = sum((piece[1] - piece[0]).total_seconds() for piece in open_pieces)
        interval = next((nice for nice in NICE if nice >= visible / 7), NICE[-1])
        found: list[Mark] = []
        for start, end, *_ in open_pieces:
            first = -(-(start - self.start).total_seconds() // interval)
            for n in range(int(first), int(first) + 50):
                moment = self.start + timedelta(seconds=n * interval)
                if moment > end:
                    break
                if self._has_room(self(moment), found):
                    found.append(Mark(self(moment), "tick", _elapsed(n * interval, interval)))
        return found


def _elapsed(seconds: float, interval: float) -> str:
    """With as many digits as tell one tick from the next."""
    return f"+{round(seconds, 2):g} s" if interval < 1 else f"+{duration(seconds)}"


def folds(start: datetime, end: datetime, busy: Iterable[Stretch]) -> list[Stretch]:
    """The gaps between steps that are much longer than all steps together."""
    gaps, free_from, worked = [], start, timedelta()
    for a, b in sorted(busy):
        if a > free_from:
            gaps.append((free_from, a))
        worked += max(b - max(a, free_from), timedelta())
        free_from = max(free_from, b)
    if end > free_from:
        gaps.append((free_from, end))
    long = [gap for gap in gaps if worked and gap[1] - gap[0] > 5 * worked and gap[1] - gap[0] > (end - start) / 20]
    return sorted(sorted(long, key=lambda gap: gap[0] - gap[1])[:6])

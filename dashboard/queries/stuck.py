"""Runs that do not move, each with the reason that holds it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from harness.models import Run

LIMIT = 200
"""As many are explained; a page that says "200+" has said enough."""


@dataclass(frozen=True)
class Stuck:
    runs: list[tuple[Run, Any]]
    """(run, health.Explanation)"""

    @property
    def count(self) -> int:
        return len(self.runs)

    @property
    def shown(self) -> str:
        return f"{self.count}+" if self.count >= LIMIT else str(self.count)

    @property
    def by_reason(self) -> list[tuple[str, int]]:
        """(reason in words, how many), most first."""
        return Counter(words(why.code) for _, why in self.runs).most_common()

    @property
    def groups(self) -> list[tuple[str, list[tuple[Run, Any]]]]:
        """By reason, the largest group first, within it the longest stuck first."""
        return [(reason, [pair for pair in self.runs if words(pair[1].code) == reason]) for reason, _ in self.by_reason]


def stuck() -> Stuck:
    try:
        from harness import health
    except ImportError:
        return Stuck([])
    return Stuck(health.stuck_runs(LIMIT))


def words(code: str) -> str:
    """A reason's code as words: "lease_expired" is "Lease expired"."""
    return code.replace("_", " ").replace("-", " ").capitalize()

"""Runs that do not move, each with the reason that holds it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from harness import health
from harness.health import Explanation
from harness.models import Run

LIMIT = 200
"""As many are explained; a page that says "200+" has said enough."""


@dataclass(frozen=True)
class Stuck:
    runs: list[tuple[Run, Explanation]]

    @property
    def count(self) -> int:
        return len(self.runs)

    @property
    def shown(self) -> str:
        return f"{self.count}+" if self.count >= LIMIT else str(self.count)

    @property
    def by_reason(self) -> list[tuple[str, int]]:
        """(reason in words, how many), most first."""
        return [(words(code), n) for code, n in Counter(why.code for _, why in self.runs).most_common()]

    @property
    def groups(self) -> list[tuple[str, list[tuple[Run, Explanation]]]]:
        """By reason, the largest group first."""
        return [
            (reason, [(run, why) for run, why in self.runs if words(why.code) == reason])
            for reason, _ in self.by_reason
        ]


def stuck() -> Stuck:
    """At most LIMIT of them, explained in a fixed number of queries."""
    return Stuck(health.stuck_runs(LIMIT))


def words(code: str) -> str:
    """A reason's code as words: "lease-expired" is "Lease expired"."""
    return code.replace("-", " ").replace("_", " ").capitalize()

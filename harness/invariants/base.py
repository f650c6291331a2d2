"""What a check is: a number of the list in docs/architecture.md, words, and the rows that break it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from django.db.models import QuerySet, TextField
from django.db.models.fields.json import KT
from django.db.models.functions import Cast

SHOWN = 20
"""Rows named per violation; the count says how many there are."""


def told(key: str) -> Cast:
    """A text of an event's payload. (Without the cast Django would compare it as JSON.)"""
    return Cast(KT(f"payload__{key}"), TextField())


Rows = QuerySet[Any] | Iterable[Any]


@dataclass(frozen=True)
class Violation:
    """An invariant that does not hold: its number, what is wrong, ids of at most SHOWN rows, and how many there are."""

    number: int
    words: str
    rows: list[str]
    count: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Check:
    number: int
    words: str
    broken: Callable[[], Rows]

    def run(self) -> Violation | None:
        found = self.broken()
        rows, count = _of_query(found) if isinstance(found, QuerySet) else _of_iterable(found)
        return Violation(self.number, self.words, [str(row) for row in rows], count) if count else None


CHECKS: list[Check] = []


def invariant(number: int, words: str) -> Callable[[Callable[[], Rows]], Callable[[], Rows]]:
    """Registers a function that returns the rows (or their ids) that break invariant `number`."""

    def register(broken: Callable[[], Rows]) -> Callable[[], Rows]:
        CHECKS.append(Check(number, words, broken))
        return broken

    return register


def _of_query(found: QuerySet[Any]) -> tuple[list[Any], int]:
    rows = list(found.values_list("pk", flat=True)[: SHOWN + 1])
    return rows[:SHOWN], len(rows) if len(rows) <= SHOWN else found.count()


def _of_iterable(found: Iterable[Any]) -> tuple[list[Any], int]:
    found = iter(found)
    rows = list(islice(found, SHOWN))
    return rows, len(rows) + sum(1 for _ in found)

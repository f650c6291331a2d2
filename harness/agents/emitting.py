"""Events of the agent's own."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.db.models import Count

from harness import events, signs
from harness.agents.book import Book
from harness.agents.tools import current_step
from harness.db import unit
from harness.leases import Lease
from harness.models import Event
from harness.states import State

INSIDE = "_step"
"""Key in the payload of what was emitted in a step's body."""


class Emits:
    """Appends each event once: the n-th of a type is not appended again by a replay. In a step's body each is."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._before = _counts(book.lease)

    def emit(self, type: str, payload: dict[str, Any]) -> None:
        """Append custom.<type>. Raises RunCancelled or LeaseLost."""
        self._book.check()
        info = current_step()
        if info is None:
            self._before[type] -= 1
            if self._before[type] >= 0:
                return
        with self._book.sticking():
            _append(self._book.lease, type, payload | {INSIDE: info.key} if info else payload)


@unit
def _append(lease: Lease, type: str, payload: dict[str, Any]) -> None:
    events.append_held(lease, f"custom.{type}", payload, states=(State.RUNNING,), actor="agent")
    signs.moved(lease)


def _counts(lease: Lease) -> Counter[str]:
    """How many of each type earlier executions appended."""
    rows = Event.objects.filter(run_id=lease.run_id, type__startswith="custom.")
    counts = rows.exclude(payload__has_key=INSIDE).order_by().values_list("type").annotate(Count("pk"))
    return Counter({type.removeprefix("custom."): n for type, n in counts})

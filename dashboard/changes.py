"""What changed since the last look, as names: "runs", "run:<id>", "approvals", "threads", "workers", "queues", "audit",
and "clock" now and then for what changes by time alone."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models import Max

from harness.clock import Now
from harness.models import Event, OperatorAction, Queue, RunControl, Worker

BACK = timedelta(seconds=10)
"""An event gets its time before its transaction commits, so look back this far, and remember what was seen."""
CLOCK_SECONDS = 15.0
SESSIONS_SECONDS = 5.0


class Watch:
    """Remembers what it has seen. Six small queries a look, whatever the number of pages and runs."""

    def __init__(self) -> None:
        self.events: set[Any] | None = None
        self.rest: dict[str, Any] = {}
        self.clock = time.monotonic()
        self.sessions: tuple[float, set[str], set[str]] = (0.0, set(), set())

    def look(self, session_keys: set[str]) -> tuple[set[str], set[str]]:
        """(names of what changed, the session keys that still hold)."""
        return self._from_events() | self._from_rows() | self._from_time(), self._alive(session_keys)

    def _from_events(self) -> set[str]:
        rows = list(Event.objects.filter(created_at__gt=Now() - BACK).order_by().values_list("id", "run_id", "type"))
        seen, self.events = self.events, {row[0] for row in rows}
        if seen is None:
            return set()
        return set().union(*(names_of(kind, run_id) for key, run_id, kind in rows if key not in seen))

    def _from_rows(self) -> set[str]:
        now = {
            "progress": dict(
                RunControl.objects.filter(run__queue_row__claimed_by__isnull=False).values_list("run_id", "progress_at")
            ),
            "workers": {*Worker.objects.alive().values_list("id", "draining_at")},
            "queues": {*Queue.objects.values_list("key", "paused_at", "paused_until", "max_concurrent_runs")},
            "audit": OperatorAction.objects.aggregate(last=Max("created_at"))["last"],
        }
        before, self.rest = self.rest, now
        if not before:
            return set()
        moved = {f"run:{run}" for run, at in now["progress"].items() if before["progress"].get(run) != at}
        return moved | {name for name in ("workers", "queues", "audit") if before[name] != now[name]}

    def _from_time(self) -> set[str]:
        if time.monotonic() - self.clock < CLOCK_SECONDS:
            return set()
        self.clock = time.monotonic()
        return {"clock"}

    def _alive(self, keys: set[str]) -> set[str]:
        """Sessions are looked up every few seconds, and at once for a page that is new."""
        if settings.SESSION_ENGINE != "django.contrib.sessions.backends.db":
            return keys
        at, asked, alive = self.sessions
        if keys - asked or time.monotonic() - at > SESSIONS_SECONDS:
            rows = Session.objects.filter(session_key__in=keys, expire_date__gt=Now())
            alive = {*rows.values_list("session_key", flat=True)}
            self.sessions = (time.monotonic(), set(keys), alive)
        return alive


def names_of(event: str, run_id: Any) -> set[str]:
    """What an event of a run changes on the pages."""
    names = {f"run:{run_id}"}
    if event.startswith("approval."):
        names |= {"approvals", "runs"}
    if event.startswith(("run.", "cancel.")):
        names |= {"runs", "threads"}
    return names

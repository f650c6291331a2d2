"""Queues: how deep, how old, how full, paused by whom."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Case, Count, F, Min, Q, Value, When

from harness import dispatch
from harness.clock import Now
from harness.conf import conf
from harness.models import Queue, RunQueue, Worker


@dataclass(frozen=True)
class QueueRow:
    key: str
    settings: Queue | None
    is_paused: bool
    due: int
    later: int
    holding: int
    oldest: datetime | None
    workers: int
    rings: int | None
    """Doorbell rings that wait in Redis; None while Redis is away."""

    @property
    def limit(self) -> int | None:
        return self.settings.max_concurrent_runs if self.settings else None

    @property
    def state(self) -> str:
        return "paused" if self.is_paused else "open"


def queues() -> list[QueueRow]:
    """All known queues by name. Three queries, and one question to Redis per queue."""
    counts = {row["queue_key"]: row for row in _counts()}
    settings = {queue.key: queue for queue in Queue.objects.select_related("paused_by").annotate(paused=_paused())}
    listening = [
        queue for queues in Worker.objects.workers().alive().values_list("queues", flat=True) for queue in queues
    ]
    keys = sorted({*conf.QUEUES, *settings, *counts})
    return [_row(key, settings.get(key), counts.get(key, {}), listening.count(key)) for key in keys]


def one(key: str) -> QueueRow | None:
    return next((row for row in queues() if row.key == key), None)


def _counts() -> Any:
    waiting = Q(claimed_by__isnull=True)
    due = waiting & Q(available_at__lte=Now())
    return (
        RunQueue.objects.values("queue_key")
        .annotate(
            due=Count("pk", filter=due),
            later=Count("pk", filter=waiting & Q(available_at__gt=Now())),
            holding=Count("pk", filter=~waiting),
            oldest=Min(F("available_at"), filter=due),
        )
        .order_by()
    )


def _paused() -> Any:
    holds = Q(paused_at__isnull=False) & (Q(paused_until__isnull=True) | Q(paused_until__gt=Now()))
    return Case(When(holds, then=Value(True)), default=Value(False))


def _row(key: str, settings: Any, counts: dict[str, Any], workers: int) -> QueueRow:
    return QueueRow(
        key=key,
        settings=settings,
        is_paused=bool(settings and settings.paused),
        due=counts.get("due", 0),
        later=counts.get("later", 0),
        holding=counts.get("holding", 0),
        oldest=counts.get("oldest"),
        workers=workers,
        rings=dispatch.depth(key),
    )

"""What the first page says: counts, the oldest of each, and the latest runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Min, QuerySet

from dashboard.queries import stuck, workers
from harness import dispatch
from harness.clock import Now, now
from harness.models import Approval, Run, RunQueue, Worker
from harness.states import ACTIVE, State

RECENT = 12


@dataclass(frozen=True)
class Some:
    """How many, and since when the oldest of them waits."""

    count: int
    oldest: datetime | None = None


@dataclass(frozen=True)
class Overview:
    at: datetime
    stuck: stuck.Stuck
    pending: Some
    queued: Some
    running: int
    failed: int
    workers: workers.Standing
    supervisor: Worker | None
    redis: bool
    recent: list[Run]

    @property
    def is_well(self) -> bool:
        return not (self.stuck.count or self.pending.count) and self.can_work

    @property
    def can_work(self) -> bool:
        return self.redis and self.supervisor is not None and self.workers.alive > 0


def overview() -> Overview:
    """Seven queries besides those of the stuck runs."""
    active = dict(Run.objects.filter(state__in=ACTIVE).values_list("state").annotate(Count("pk")).order_by())
    return Overview(
        at=now(),
        stuck=stuck.stuck(),
        pending=_some(Approval.objects.pending(), "created_at"),
        queued=_some(RunQueue.objects.due(), "available_at"),
        running=sum(active.get(state, 0) for state in (State.CLAIMED, State.RUNNING, State.RESUMING, State.CANCELLING)),
        failed=Run.objects.filter(state=State.FAILED, finished_at__gt=Now() - timedelta(hours=1)).count(),
        workers=workers.standing(),
        supervisor=workers.supervisor(),
        redis=dispatch.redis_alive(),
        recent=list(Run.objects.newest_first()[:RECENT]),
    )


def _some(rows: QuerySet[Any], field: str) -> Some:
    return Some(**rows.aggregate(count=Count("pk"), oldest=Min(field)))

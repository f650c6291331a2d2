"""Worker processes: which live, which are late, and what they hold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db.models import BooleanField, Case, Count, Prefetch, Q, Value, When

from harness.clock import Now
from harness.conf import conf
from harness.models import RunQueue, Worker
from harness.models.worker import WorkerQuerySet

STOPPED_SHOWN = 25


@dataclass(frozen=True)
class Standing:
    """How many workers live, beat too late, and were asked to stop."""

    alive: int
    late: int
    draining: int


def standing() -> Standing:
    late = Q(heartbeat_at__lte=Now() - timedelta(seconds=conf.HEARTBEAT_TIMEOUT_SECONDS))
    rows = Worker.objects.workers().running()
    return Standing(
        **rows.aggregate(
            alive=Count("pk", filter=~late),
            late=Count("pk", filter=late),
            draining=Count("pk", filter=~late & ~Q(draining_at=None)),
        )
    )


def supervisor() -> Worker | None:
    """A supervisor that lives, if there is one."""
    return Worker.objects.supervisors().alive().order_by("-heartbeat_at").first()


def running() -> list[Worker]:
    """Processes that are not known to have stopped, with `is_late` and the runs that each holds. Two queries."""
    return list(_marked(Worker.objects.running()).prefetch_related(_holds()).order_by("kind", "-started_at"))


def stopped() -> list[Worker]:
    """The last ones that stopped."""
    return list(Worker.objects.filter(stopped_at__isnull=False).order_by("-started_at")[:STOPPED_SHOWN])


def get(worker_id: UUID) -> Worker | None:
    """One worker as `running()` gives it."""
    return _marked(Worker.objects.filter(pk=worker_id)).prefetch_related(_holds()).first()


def state_of(worker: Worker) -> str:
    if worker.stopped_at:
        return "stopped"
    if getattr(worker, "is_late", False):
        return "late"
    return "draining" if worker.draining_at else "alive"


def _marked(rows: WorkerQuerySet) -> WorkerQuerySet:
    late = Q(heartbeat_at__lte=Now() - timedelta(seconds=conf.HEARTBEAT_TIMEOUT_SECONDS))
    return rows.annotate(is_late=Case(When(late, then=Value(True)), default=Value(False), output_field=BooleanField()))


def _holds() -> Prefetch:
    return Prefetch("claims", RunQueue.objects.select_related("run").order_by("claimed_at"), to_attr="holds")

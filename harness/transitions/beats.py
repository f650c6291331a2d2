"""A worker's sign of life, and what it learns from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Case, Value, When

from harness.clock import Now
from harness.conf import conf
from harness.db import unit
from harness.models import RunControl, RunQueue, Worker


@dataclass(frozen=True, slots=True)
class Held:
    """A run that the worker holds, as its parent process needs to see it. Ages in seconds, by the database's clock."""

    run_id: UUID
    epoch: int
    thread_id: UUID
    agent: str
    queue_key: str
    state: str
    cancel_requested: bool
    cancel_force: bool
    cancel_age: float | None
    told: bool
    overdue: bool


@unit
def beat(worker_id: UUID, *, horse_pid: int | None = None) -> list[Held]:
    """Renew every lease that the worker holds, by one UPDATE, and return what it holds with what was asked of it."""
    until = Now() + timedelta(seconds=conf.LEASE_SECONDS)
    if RunQueue.objects.of_worker(worker_id).update(lease_expires_at=until):
        mine = RunControl.objects.filter(run__queue_row__claimed_by=worker_id)
        mine.update(heartbeat_at=Now(), horse_pid=horse_pid)
    Worker.objects.filter(pk=worker_id).update(heartbeat_at=Now(), horse_pid=horse_pid)
    return [_held(row) for row in _rows(worker_id)]


def _rows(worker_id: UUID) -> Any:
    overdue = Case(When(run__control__deadline__lte=Now(), then=Value(True)), default=Value(False))
    rows = RunQueue.objects.of_worker(worker_id).select_related("run", "run__control")
    return rows.defer("run__output", "run__error").annotate(now=Now(), overdue=overdue)


def _held(row: Any) -> Held:
    run, control = row.run, row.run.control
    age = (row.now - control.cancel_at).total_seconds() if control.cancel_at else None
    return Held(
        run_id=run.pk,
        epoch=row.claim_epoch,
        thread_id=run.thread_id,
        agent=run.agent,
        queue_key=row.queue_key,
        state=run.state,
        cancel_requested=control.cancel_requested,
        cancel_force=control.cancel_force,
        cancel_age=age,
        told=control.told_at is not None,
        overdue=row.overdue,
    )


@unit
def told(run_id: UUID, epoch: int) -> None:
    """The worker knows of the cancel."""
    RunControl.objects.filter(run_id=run_id, run__epoch=epoch, told_at__isnull=True).update(told_at=Now())


@unit
def receipt(run_id: UUID, epoch: int, **facts: Any) -> bool:
    """Add facts about how a run was stopped, while it still has that epoch."""
    current = RunControl.objects.filter(run_id=run_id, run__epoch=epoch).exists()
    if current:
        merge_receipt(run_id, facts)
    return current


def merge_receipt(run_id: UUID, facts: dict[str, Any]) -> None:
    """Add to the receipt of a run; what is there already gives way."""
    control = RunControl.objects.select_for_update().only("receipt").get(run_id=run_id)
    RunControl.objects.filter(run_id=run_id).update(receipt={**(control.receipt or {}), **facts})

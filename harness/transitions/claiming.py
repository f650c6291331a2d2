"""A worker takes the next run that it may take."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db import IntegrityError
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Coalesce

from harness import events, limits, states
from harness.clock import Now
from harness.conf import conf
from harness.db import unit
from harness.leases import Lease
from harness.models import Queue, Run, RunControl, RunQueue
from harness.models.run import RunQuerySet
from harness.models.run_queue import RunQueueQuerySet
from harness.states import State
from harness.transitions.moves import move

POSITION_CAP = 1000
TRIES = 3


def claim_next(queue_key: str, worker_id: UUID) -> Lease | None:
    """Claim the best eligible run of the queue for this worker; None if there is none now.

    Order: priority, due time, age. Left out: paused queues, full limits, threads that are busy with another run.
    """
    for _ in range(TRIES):
        if not RunQueue.objects.due().filter(queue_key=queue_key).exists():
            return None
        try:
            lease = _claim(queue_key, worker_id)
        except (IntegrityError, _Overtaken):
            continue
        return lease
    return None


class _Overtaken(Exception):
    """The chosen run went to somebody else between reading and writing."""


@unit
def _claim(queue_key: str, worker_id: UUID) -> Lease | None:
    queue = limits.lock_for_claim(queue_key)
    if limits.is_full(queue):
        return None
    row = eligible(queue_key).select_related("run").select_for_update(of=("run",), skip_locked=True).first()
    return _take(row, worker_id, queue) if row else None


def eligible(queue_key: str) -> RunQueueQuerySet:
    """Rows of the queue that a worker may take now, the best first."""
    paused = Queue.objects.paused().filter(pk=queue_key)
    return (
        RunQueue.objects.due()
        .filter(~Exists(paused), queue_key=queue_key, run__state__in=states.AWAITING_WORKER)
        .exclude(run__agent__in=limits.full_agents())
        .filter(~Exists(busy_with()))
        .in_order()
    )


def busy_with() -> RunQuerySet:
    """Runs that keep the thread of the row's run: one in hand, one begun, or an older one that is due."""
    mine_at, mine = OuterRef("run__created_at"), OuterRef("run_id")
    begun = Q(state__in=states.BUSY) | Q(state=State.QUEUED, started_at__isnull=False)
    before_mine = Q(created_at__lt=mine_at) | Q(created_at=mine_at, pk__lt=mine)
    older = before_mine & Q(state=State.QUEUED, queue_row__available_at__lte=Now())
    return Run.objects.filter(begun | older, thread_id=OuterRef("run__thread_id")).exclude(pk=mine)


def _take(row: RunQueue, worker_id: UUID, queue: Queue | None) -> Lease:
    run = row.run
    epoch = run.epoch + 1
    actor = f"worker:{worker_id}"
    resuming = run.state == State.RESUMING
    position = waiting_ahead(row) + 1
    claimed = move(
        Run.objects.as_read(run),
        run.pk,
        run.thread_id,
        State.RESUMING if resuming else State.CLAIMED,
        "run.claimed",
        {"worker": str(worker_id), "attempt": run.attempt + 1, "lease_seconds": conf.LEASE_SECONDS},
        actor=actor,
        epoch=epoch,
        attempt=F("attempt") + 1,
        claimed_at=Coalesce(F("claimed_at"), Now()),
    )
    if not (claimed and _hold(row, worker_id, epoch)):
        raise _Overtaken
    RunControl.objects.filter(run_id=run.pk).update(worker_id=worker_id)
    facts = {"queue": row.queue_key, "position": position, "active": limits.holders(row.queue_key)}
    limit = queue.max_concurrent_runs if queue else None
    events.append(run.pk, "run.dequeued", {**facts, "limit": limit}, actor=actor, epoch=epoch)
    return Lease(run.pk, epoch, worker_id, row.queue_key, run.thread_id, run.agent, resuming)


def _hold(row: RunQueue, worker_id: UUID, epoch: int) -> bool:
    free = RunQueue.objects.waiting().filter(pk=row.pk)
    lease = Now() + timedelta(seconds=conf.LEASE_SECONDS)
    return bool(free.update(claimed_by=worker_id, claimed_at=Now(), lease_expires_at=lease, claim_epoch=epoch))


def waiting_ahead(row: RunQueue) -> int:
    """How many runs of the queue would be taken before this one; counted up to a cap."""
    before = (
        Q(priority__gt=row.priority)
        | Q(priority=row.priority, available_at__lt=row.available_at)
        | Q(priority=row.priority, available_at=row.available_at, run_id__lt=row.run_id)
    )
    ahead = RunQueue.objects.waiting().filter(before, queue_key=row.queue_key)
    return ahead[:POSITION_CAP].count()

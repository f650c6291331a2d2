"""Invariants of claims: who holds what, and how many at once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Count, F, Max, Q, QuerySet

from harness.clock import Now
from harness.conf import conf
from harness.invariants.base import invariant
from harness.models import OperatorAction, Queue, Run, RunQueue, Thread
from harness.states import ALWAYS_HELD, AWAITING_WORKER, BUSY, HOLDING


@invariant(5, "The claim carries another epoch than its run: two owners.")
def one_owner() -> QuerySet[RunQueue]:
    return RunQueue.objects.claimed().exclude(claim_epoch=F("run__epoch"))


@invariant(5, "More than one run of a thread is active.")
def one_busy_run_per_thread() -> QuerySet[Thread]:
    busy = Count("runs", filter=Q(runs__state__in=BUSY))
    return Thread.objects.annotate(busy=busy).filter(busy__gt=1)


@invariant(6, "The state holds a worker, yet nobody has claimed the run.")
def held_runs_are_claimed() -> QuerySet[Run]:
    return Run.objects.filter(state__in=ALWAYS_HELD, queue_row__claimed_by__isnull=True)


@invariant(6, "A worker has claimed the run, yet its state holds none.")
def claimed_runs_are_held() -> QuerySet[Run]:
    return Run.objects.filter(queue_row__claimed_by__isnull=False).exclude(state__in=HOLDING)


@invariant(6, "The run waits for a worker, yet it is in no queue.")
def waiting_runs_are_queued() -> QuerySet[Run]:
    return Run.objects.filter(state__in=AWAITING_WORKER, queue_row__isnull=True)


@invariant(19, "More runs of a queue are live than its limit allows.")
def queue_limits() -> Iterator[str]:
    live = Q(lease_expires_at__gt=Now())
    held = RunQueue.objects.claimed().filter(live).values("queue_key").annotate(n=Count("pk"), newest=Max("claimed_at"))
    limits = dict(Queue.objects.filter(max_concurrent_runs__isnull=False).values_list("key", "max_concurrent_runs"))
    for row in held.order_by("queue_key"):
        limit = limits.get(row["queue_key"])
        if limit is not None and row["n"] > limit and _claimed_under_this_limit(row["queue_key"], row["newest"]):
            yield f"{row['queue_key']}: {row['n']} > {limit}"


@invariant(19, "More runs are live than MAX_CONCURRENT_RUNS allows.")
def overall_limit() -> Iterator[str]:
    live = RunQueue.objects.claimed().filter(lease_expires_at__gt=Now()).count()
    if conf.MAX_CONCURRENT_RUNS is not None and live > conf.MAX_CONCURRENT_RUNS:
        yield f"{live} > {conf.MAX_CONCURRENT_RUNS}"


def _claimed_under_this_limit(queue_key: str, newest: datetime) -> bool:
    """False if all of them were claimed before the limit was lowered: those may end in peace."""
    changes = OperatorAction.objects.filter(action="set_queue_limit", object_id=queue_key, allowed=True)
    return not changes.filter(created_at__gte=newest).exists()

"""What the explainer looks at: everything about some runs and their surroundings, in a fixed number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Max, Q, Sum

from harness import dispatch
from harness.clock import now as database_now
from harness.conf import conf
from harness.models import Approval, Queue, Run, RunQueue, Step, Worker
from harness.states import BUSY, State, StepStatus

RECENT_STEPS = 2000
"""Finished steps that "usual" durations are taken from."""
LOOP_AFTER = 10
"""The same call with the same arguments so often, and still at it: a loop."""


@dataclass(frozen=True)
class Hold:
    run_id: UUID
    queue_key: str
    agent: str
    worker_id: UUID


@dataclass
class Facts:
    """One look at the ledger. Ages are seconds by the database's clock."""

    now: datetime
    redis: bool
    queues: dict[str, Queue]
    workers: list[Worker]
    supervisors: list[Worker]
    holds: list[Hold]
    threads: dict[UUID, list[Run]]
    steps: dict[UUID, Step]
    usual: dict[str, float]
    pending: dict[UUID, list[Approval]]
    ahead: dict[UUID, int] = field(default_factory=dict)
    loops: dict[UUID, dict[str, Any]] = field(default_factory=dict)

    def age(self, moment: datetime | None) -> float | None:
        return None if moment is None else (self.now - moment).total_seconds()

    def is_alive(self, worker: Worker) -> bool:
        beat = self.now - worker.heartbeat_at
        return worker.stopped_at is None and beat <= timedelta(seconds=conf.HEARTBEAT_TIMEOUT_SECONDS)

    def listening(self, queue_key: str) -> list[Worker]:
        """Live workers that take new runs of the queue."""
        return [w for w in self.workers if queue_key in w.queues and self.is_alive(w) and not w.draining_at]

    def idle(self, queue_key: str) -> list[Worker]:
        busy = {hold.worker_id for hold in self.holds}
        return [worker for worker in self.listening(queue_key) if worker.pk not in busy]

    @property
    def supervisor_age(self) -> float | None:
        """Since the last sign of life of any supervisor; None if there never was one."""
        return min(((self.now - each.heartbeat_at).total_seconds() for each in self.supervisors), default=None)

    @property
    def recovers(self) -> bool:
        """True while a supervisor is at work."""
        return any(self.is_alive(each) for each in self.supervisors)


def look(runs: Sequence[Run]) -> Facts:
    """Ten queries and one PING, however many runs there are."""
    ids = [run.pk for run in runs]
    steps = {step.run_id: step for step in Step.objects.filter(run_id__in=ids).in_flight().order_by("seq")}
    processes = list(Worker.objects.running())
    last = Worker.objects.supervisors().order_by("-heartbeat_at")[:1]
    return Facts(
        now=database_now(),
        redis=dispatch.redis_alive(),
        queues={queue.key: queue for queue in Queue.objects.select_related("paused_by")},
        workers=[each for each in processes if each.kind == Worker.Kind.WORKER],
        supervisors=list(last),
        holds=[Hold(*row) for row in _holds()],
        threads=_others_in_thread(runs),
        steps=steps,
        usual=_usual({step.name for step in steps.values()}),
        pending=_pending(ids),
        loops=loops(ids),
    )


def _holds() -> Any:
    return RunQueue.objects.claimed().values_list("run_id", "queue_key", "run__agent", "claimed_by")


def _others_in_thread(runs: Sequence[Run]) -> dict[UUID, list[Run]]:
    """By thread: the runs that may keep its other runs waiting, the one in hand first."""
    waiting = {run.thread_id for run in runs if run.state == State.QUEUED}
    before = Q(state__in=BUSY) | Q(state=State.QUEUED)
    found = Run.objects.filter(before, thread_id__in=waiting).select_related("queue_row").defer("output", "error")
    grouped: dict[UUID, list[Run]] = defaultdict(list)
    for run in sorted(found, key=lambda run: (run.state == State.QUEUED, run.created_at, run.pk)):
        grouped[run.thread_id].append(run)
    return grouped


def _pending(ids: list[UUID]) -> dict[UUID, list[Approval]]:
    grouped: dict[UUID, list[Approval]] = defaultdict(list)
    for approval in Approval.objects.pending().filter(run_id__in=ids).select_related("assignee").order_by("expires_at"):
        grouped[approval.run_id].append(approval)
    return grouped


def _usual(names: set[str]) -> dict[str, float]:
    """p95 of the seconds that finished steps of these names took lately."""
    recent = Step.objects.filter(status=StepStatus.FINISHED, finished_at__isnull=False).order_by("-id")
    took: dict[str, list[float]] = defaultdict(list)
    for name, began, ended in recent.values_list("name", "started_at", "finished_at")[: RECENT_STEPS if names else 0]:
        if ended and name in names:
            took[name].append((ended - began).total_seconds())
    return {name: sorted(values)[int(0.95 * (len(values) - 1))] for name, values in took.items()}


def loops(ids: Sequence[UUID] | None = None) -> dict[UUID, dict[str, Any]]:
    """Running runs that do the same again and again: name of the step, how often, and tokens it took."""
    rows = Step.objects.filter(run__state=State.RUNNING).order_by()
    rows = rows if ids is None else rows.filter(run_id__in=ids)
    latest = dict(rows.values_list("run_id").annotate(Max("seq")))
    same = rows.values("run_id", "name", "args_digest").annotate(
        times=Count("pk"), last=Max("seq"), tokens=Sum("tokens_in") + Sum("tokens_out")
    )
    found = same.filter(times__gte=LOOP_AFTER).values_list("run_id", "name", "times", "last", "tokens")
    return {
        run_id: {"step": name, "times": times, "tokens": tokens}
        for run_id, name, times, last, tokens in found
        if last >= latest[run_id] - 1
    }

"""The process that puts right what nobody else does any more: `manage.py supervise`.

Each job is safe to run twice, in several processes at once, and after a crash in its middle.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from datetime import timedelta
from time import monotonic

from django.db import DatabaseError, InterfaceError, close_old_connections

from harness import approvals, dispatch, limits, recovery, retention, transitions, workers
from harness.clock import Now
from harness.conf import conf
from harness.models import Queue, RunQueue, Worker
from harness.transitions.claiming import eligible

log = logging.getLogger(__name__)

BATCH = 100
RINGS = 50
"""Rings per queue and pass: a worker goes on by itself as long as there is work."""
PRUNE_SECONDS = 3600.0
DEAD_AFTER_LEASES = 3


class Supervisor:
    """Its jobs return how much they found to do; `pass_once` does all of them, `run` does so until `stop`."""

    def __init__(self) -> None:
        self.worker: Worker | None = None
        self._stopping = threading.Event()
        self._prune_at = 0.0
        self._failing: set[str] = set()

    @property
    def jobs(self) -> list[Callable[[], int]]:
        return [
            self.reap,
            self.close_overdue_cancels,
            self.expire_approvals,
            self.ring_again,
            self.mark_dead_workers,
            self.prune,
        ]

    def reap(self) -> int:
        """Recover runs whose lease ran out."""
        return recovery.recover_expired(BATCH)

    def close_overdue_cancels(self) -> int:
        """Close cancels that no worker is going to finish."""
        return recovery.close_overdue_cancels(BATCH)

    def expire_approvals(self) -> int:
        """Close approvals whose deadline has passed."""
        return approvals.expire_overdue(BATCH)

    def ring_again(self) -> int:
        """Ring for runs that are due and that nobody took: lost rings, runs that just woke, pauses that just ended."""
        due = RunQueue.objects.due().order_by().values_list("queue_key", flat=True).distinct()
        return sum(_ring(key) for key in list(due))

    def mark_dead_workers(self) -> int:
        """Write off processes that have not beaten for long. One that comes back sees it, and starts anew."""
        silent = Now() - timedelta(seconds=DEAD_AFTER_LEASES * max(conf.LEASE_SECONDS, conf.HEARTBEAT_TIMEOUT_SECONDS))
        rows = Worker.objects.running().filter(heartbeat_at__lt=silent).order_by("heartbeat_at")
        return sum(workers.stop(pk) for pk in list(rows.values_list("pk", flat=True)[:BATCH]))

    def prune(self) -> int:
        """Remove what is older than RETENTION_DAYS: a batch per pass until nothing is left, then again in an hour."""
        if monotonic() < self._prune_at:
            return 0
        pruned = retention.prune(limit=BATCH)
        if not pruned.runs:
            self._prune_at = monotonic() + PRUNE_SECONDS
        return pruned.runs

    def pass_once(self) -> int:
        """Every job once. What one of them raises is logged once per outage and keeps none of the others."""
        self._safely("beat", self.beat)
        return sum(self._safely(job.__name__, job) for job in self.jobs if not self._stopping.is_set())

    def beat(self) -> int:
        """Show that recovery runs; register (again) where the ledger does not know this process."""
        if self.worker is None or workers.standing(self.worker.pk) is workers.Standing.DISMISSED:
            self.worker = workers.register([], kind=Worker.Kind.SUPERVISOR)
        transitions.beat(self.worker.pk)
        return 0

    def run(self, *, once: bool = False) -> None:
        """Pass after pass, the first at once, until `stop`. A full batch is followed by the next with a short pause."""
        log.info("supervising every %g s", conf.SUPERVISOR_INTERVAL_SECONDS)
        while not self._stopping.is_set():
            pause = 0.1 if self.pass_once() >= BATCH else 1.0
            close_old_connections()
            if once:
                break
            self._stopping.wait(pause * conf.SUPERVISOR_INTERVAL_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311
        if self.worker:
            worker_id = self.worker.pk
            self._safely("stop", lambda: int(workers.stop(worker_id)))
        log.info("stopped")

    def stop(self) -> None:
        """End after the job in hand. Callable from a signal handler."""
        self._stopping.set()

    def _safely(self, name: str, job: Callable[[], int]) -> int:
        try:
            found = job()
        except Exception as error:
            self._tell(name, error)
            return 0
        if name in self._failing:
            self._failing.discard(name)
            log.info("%s works again", name)
        return found

    def _tell(self, name: str, error: Exception) -> None:
        if name in self._failing:
            return
        self._failing.add(name)
        if isinstance(error, (DatabaseError, InterfaceError)):
            log.error("%s: the database refused (%s); goes on", name, error)
        else:
            log.exception("%s failed; goes on", name)


def _ring(queue_key: str) -> int:
    """Ring as often as there are runs and workers that may take them, less the rings that still wait in Redis."""
    if limits.is_full(Queue.objects.filter(pk=queue_key).first()):
        return 0
    listening = [worker for worker in Worker.objects.workers().alive() if queue_key in worker.queues]
    due = eligible(queue_key)[: min(RINGS, max(1, len(listening)))].count()
    waiting = dispatch.depth(queue_key) if due else None
    times = due - waiting if waiting is not None else 0
    return times if times > 0 and dispatch.ring(queue_key, times) else 0

"""Remove what nobody needs any more: runs that ended long ago, their files, and threads that have become empty."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.core.files.storage import default_storage
from django.db.models import Exists, OuterRef, Q

from harness import artifacts, audit
from harness.clock import Now
from harness.conf import conf
from harness.db import unit
from harness.models import Artifact, Run, Thread, Worker
from harness.models.run import RunQuerySet

log = logging.getLogger(__name__)


@dataclass
class Pruned:
    """What was removed (or would be), and what was old enough but kept."""

    runs: int = 0
    files: int = 0
    threads: int = 0
    workers: int = 0
    skipped: dict[str, int] = field(default_factory=dict)

    def add(self, later: Pruned) -> None:
        """Count what was removed after this."""
        self.runs += later.runs
        self.files += later.files
        self.threads += later.threads
        self.workers += later.workers
        self.skipped = later.skipped


def prune(*, days: int | None = None, limit: int = 100, dry_run: bool = False, by: Any = None) -> Pruned:
    """Remove at most `limit` runs that ended more than `days` (RETENTION_DAYS) ago, oldest first, with all they left.

    Only terminal runs, only in threads without an active run. Files go before their rows: a crash in between leaves
    rows that the next call finds, never a file that nobody knows. Safe to run twice at once.
    """
    age = timedelta(days=conf.RETENTION_DAYS if days is None else days)
    old = Run.objects.ended().filter(finished_at__lt=Now() - age)
    ids = list(_free(old).order_by("finished_at", "id").values_list("pk", flat=True)[:limit])
    pruned = Pruned(skipped=_skipped(old))
    if dry_run:
        pruned.runs, pruned.files = len(ids), Artifact.objects.filter(run_id__in=ids).count()
        return pruned
    for run_id in ids:
        _remove(run_id, pruned)
    pruned.threads = _remove_empty_threads(age, limit)
    pruned.workers = _remove_stopped_workers(age, limit)
    if pruned.runs:
        log.info("pruned %s runs, %s files, %s threads", pruned.runs, pruned.files, pruned.threads)
        audit.record("prune", Run(pk=""), by=by, after=asdict(pruned) | {"older_than_days": age.days})
    return pruned


def prune_all(*, days: int, dry_run: bool, batch: int, on_batch: Callable[[Pruned], None]) -> Pruned:
    """`prune`, batch after batch until nothing is left; `on_batch` is told the sum so far. A dry run counts all."""
    if dry_run:
        return prune(days=days, limit=Run.objects.ended().count(), dry_run=True)
    total = Pruned()
    while (done := prune(days=days, limit=batch)).runs:
        total.add(done)
        on_batch(total)
    total.add(done)
    return total


def _free(old: RunQuerySet) -> RunQuerySet:
    """Those that nothing which is still active belongs to."""
    return old.exclude(_thread_is_active()).exclude(_child_is_active())


def _thread_is_active() -> Exists:
    return Exists(Run.objects.active().filter(thread_id=OuterRef("thread_id")))


def _child_is_active() -> Exists:
    children = Q(retry_of_id=OuterRef("pk")) | Q(forked_from_id=OuterRef("pk"))
    return Exists(Run.objects.active().filter(children))


def _skipped(old: RunQuerySet) -> dict[str, int]:
    """What is old enough and stays, by reason."""
    in_thread = old.filter(_thread_is_active()).count()
    continued = old.exclude(_thread_is_active()).filter(_child_is_active()).count()
    reasons = {"in a thread with an active run": in_thread, "continued by an active run": continued}
    return {reason: count for reason, count in reasons.items() if count}


def _remove(run_id: UUID, pruned: Pruned) -> None:
    for artifact in Artifact.objects.filter(run_id=run_id):
        artifact.file.delete(save=False)
        pruned.files += 1
    pruned.files += artifacts.drop_strays(run_id)
    with suppress(OSError):  # a folder of its own in file storage; elsewhere there is none
        default_storage.delete(f"artifacts/{run_id}")
    pruned.runs += _remove_rows(run_id)


@unit
def _remove_rows(run_id: UUID) -> bool:
    run = _free(Run.objects.ended().filter(pk=run_id)).first()
    if run:
        run.delete()
    return run is not None


@unit
def _remove_empty_threads(age: timedelta, limit: int) -> int:
    """Conversations of which nothing is left."""
    empty = Thread.objects.filter(runs__isnull=True, updated_at__lt=Now() - age).order_by("updated_at")
    ids = list(empty.values_list("pk", flat=True)[:limit])
    return Thread.objects.filter(pk__in=ids, runs__isnull=True).delete()[1].get("harness.Thread", 0)


@unit
def _remove_stopped_workers(age: timedelta, limit: int) -> int:
    """Processes that ended long ago and hold nothing."""
    gone = Worker.objects.filter(stopped_at__lt=Now() - age, claims__isnull=True).order_by("stopped_at")
    ids = list(gone.values_list("pk", flat=True)[:limit])
    return Worker.objects.filter(pk__in=ids, claims__isnull=True).delete()[1].get("harness.Worker", 0)

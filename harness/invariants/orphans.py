"""Invariants of what hangs together: parts of runs, files and their rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

from django.core.files.storage import default_storage
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from harness.invariants.base import invariant
from harness.models import Artifact, Run, Step
from harness.states import TERMINAL

FOLDER = "artifacts"
YOUNG = timedelta(minutes=5)
"""A file is stored before its row is committed."""


@invariant(21, "The run has lost its request or what was asked of it.")
def runs_are_whole() -> QuerySet[Run]:
    return Run.objects.filter(Q(control__isnull=True) | Q(request__isnull=True))


@invariant(21, "The run has ended, yet it is still in a queue, keeps its request or a resume.")
def ended_runs_left_everything() -> QuerySet[Run]:
    kept = Q(queue_row__isnull=False) | Q(recovery_intent__isnull=False) | Q(request__cleared_at__isnull=True)
    return Run.objects.filter(kept, state__in=TERMINAL)


@invariant(21, "A step of a run that has ended is still in flight.")
def ended_runs_leave_no_step() -> QuerySet[Step]:
    return Step.objects.in_flight().filter(run__state__in=TERMINAL)


@invariant(4, "A step or file was written under an epoch that its run never reached.")
def epochs_of_what_was_written() -> Iterator[object]:
    for model in (Step, Artifact):
        yield from model.objects.filter(epoch__gt=F("run__epoch")).values_list("pk", flat=True)


@invariant(21, "The file of an artifact is missing.")
def artifacts_have_files() -> Iterator[object]:
    stored = _stored()
    for pk, name in Artifact.objects.order_by().values_list("pk", "file").iterator():
        if name not in stored and not default_storage.exists(name):
            yield pk


@invariant(21, "A stored file belongs to no artifact.")
def files_have_artifacts() -> Iterator[str]:
    stored = _stored()
    unknown = stored - set(Artifact.objects.order_by().values_list("file", flat=True).iterator())
    for name in sorted(unknown):
        with suppress(FileNotFoundError):
            if timezone.now() - default_storage.get_modified_time(name) > YOUNG:
                yield name


def _stored() -> set[str]:
    """Names of all files of runs: one listing per run."""
    with suppress(FileNotFoundError):
        folders = default_storage.listdir(FOLDER)[0]
        return {f"{FOLDER}/{folder}/{name}" for folder in folders for name in _files(folder)}
    return set()


def _files(folder: str) -> list[str]:
    with suppress(FileNotFoundError):
        return default_storage.listdir(f"{FOLDER}/{folder}")[1]
    return []

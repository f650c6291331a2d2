"""Invariants of the audit: every change that a person made has its row."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, QuerySet

from harness.invariants.base import invariant
from harness.models import Approval, OperatorAction, Queue, RunControl


def _done(*actions: str) -> QuerySet[OperatorAction]:
    return OperatorAction.objects.filter(action__in=actions, allowed=True)


@invariant(22, "A person cancelled a run, yet the audit does not say so.")
def cancels_are_audited() -> QuerySet[RunControl]:
    told = _done("cancel_run", "force_cancel_run").filter(run_id=OuterRef("run_id"))
    return RunControl.objects.filter(cancel_requested=True, cancel_by__isnull=False).exclude(Exists(told))


@invariant(22, "A person decided an approval, yet the audit does not say so.")
def decisions_are_audited() -> QuerySet[Approval]:
    told = _done("resolve_approval").filter(run_id=OuterRef("run_id"), by_id=OuterRef("decided_by"))
    return Approval.objects.filter(decided_by__isnull=False).exclude(Exists(told))


@invariant(22, "A person paused a queue, yet the audit does not say so.")
def pauses_are_audited() -> QuerySet[Queue]:
    told = _done("pause_queue").filter(object_id=OuterRef("pk"), by_id=OuterRef("paused_by"))
    return Queue.objects.filter(paused_by__isnull=False).exclude(Exists(told))

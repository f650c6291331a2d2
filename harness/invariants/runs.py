"""Invariants of a run by itself: times, cancels, and that its parts are there."""

from __future__ import annotations

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from harness.invariants.base import invariant
from harness.models import Approval, Event, Run, RunControl, Step
from harness.states import TERMINAL, State


@invariant(12, "A cancel was requested, yet the flag is off.")
def cancel_flag_never_falls() -> QuerySet[RunControl]:
    asked = Event.objects.filter(run_id=OuterRef("run_id"), type="cancel.requested")
    return RunControl.objects.filter(Exists(asked), cancel_requested=False)


@invariant(13, "A cancel was committed before the end, yet the run did not end as cancelled.")
def committed_cancel_wins() -> QuerySet[Run]:
    return Run.objects.filter(control__cancel_requested=True, state__in=TERMINAL - {State.CANCELLED})


@invariant(20, "The times of a run are out of order.")
def times_of_a_run() -> QuerySet[Run]:
    return Run.objects.filter(
        Q(claimed_at__lt=F("created_at"))
        | Q(started_at__lt=F("claimed_at"))
        | Q(finished_at__lt=F("started_at"))
        | Q(finished_at__lt=F("claimed_at"))
        | Q(finished_at__lt=F("created_at"))
    )


@invariant(20, "A step ended before it started.")
def times_of_a_step() -> QuerySet[Step]:
    return Step.objects.filter(finished_at__lt=F("started_at"))


@invariant(20, "An approval was decided or consumed before it was asked or decided.")
def times_of_an_approval() -> QuerySet[Approval]:
    return Approval.objects.filter(Q(decided_at__lt=F("created_at")) | Q(consumed_at__lt=F("decided_at")))

"""Invariants of the journal: written ahead, executed once, never changed after."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import (
    Count,
    DurationField,
    Exists,
    ExpressionWrapper,
    F,
    IntegerField,
    OuterRef,
    QuerySet,
    Subquery,
)
from django.db.models.functions import Coalesce

from harness.conf import conf
from harness.invariants.base import invariant, told
from harness.models import Approval, Event, Step
from harness.states import ApprovalKind, ApprovalStatus, StepStatus

SLACK_SECONDS = 1.0


def _events(type: str) -> QuerySet[Any]:
    """Events of that type about the outer step."""
    keyed: QuerySet[Any] = Event.objects.filter(run_id=OuterRef("run_id"), type=type).annotate(key=told("key"))
    return keyed.filter(key=OuterRef("key")).order_by()


def _number_of(rows: QuerySet, per: str) -> Coalesce:
    return Coalesce(Subquery(rows.values(per).annotate(n=Count("pk")).values("n"), output_field=IntegerField()), 0)


@invariant(9, "A step that must not be repeated was executed again although nobody said so.")
def effects_at_most_once() -> QuerySet[Step]:
    allowed = Approval.objects.filter(
        run_id=OuterRef("run_id"),
        step_key=OuterRef("key"),
        kind=ApprovalKind.RECOVERY,
        status=ApprovalStatus.APPROVED,
    ).order_by()
    unsafe = Step.objects.filter(retryable=False, executions__gt=1)
    return unsafe.annotate(allowed=_number_of(allowed, "step_key")).filter(executions__gt=F("allowed") + 1)


@invariant(10, "A step ended more than once: its result was computed again.")
def results_never_change() -> QuerySet[Step]:
    ends = _events("step.finished").values("key").annotate(n=Count("pk")).values("n")
    return Step.objects.annotate(ends=Subquery(ends, output_field=IntegerField())).filter(ends__gt=1)


@invariant(10, "A step is finished, yet the history has no event of it.")
def results_have_an_event() -> QuerySet[Step]:
    return Step.objects.filter(status=StepStatus.FINISHED).exclude(Exists(_events("step.finished")))


@invariant(11, "A step took effect without a committed event that it starts.")
def written_ahead() -> QuerySet[Step]:
    return Step.objects.begun().exclude(Exists(_events("step.started")))


@invariant(14, "A step started after a cancel plus one beat.")
def nothing_starts_after_a_cancel() -> Iterator[object]:
    late = ExpressionWrapper(F("started_at") - F("run__control__cancel_at"), output_field=DurationField())
    after = Step.objects.filter(started_at__gt=F("run__control__cancel_at")).annotate(late=late)
    for pk, by in after.values_list("pk", "late").iterator():
        if by.total_seconds() > conf.HEARTBEAT_INTERVAL_SECONDS + SLACK_SECONDS:
            yield pk

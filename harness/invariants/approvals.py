"""Invariants of approvals: decided once, used once, and only for what was shown."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from harness.canonical import digest
from harness.invariants.base import invariant, told
from harness.models import Approval, Event, Run, Step
from harness.states import ApprovalKind, ApprovalStatus, State


@invariant(15, "The history does not tell exactly once how the approval was decided.")
def decided_exactly_once() -> Iterator[object]:
    """One pass over the decisions that were told: a join on a value inside JSON has no index."""
    resolved = Event.objects.filter(type="approval.resolved").order_by().annotate(approval=told("approval"))
    counts: dict[str, int] = {}
    for approval in resolved.values_list("approval", flat=True).iterator():
        counts[approval] = counts.get(approval, 0) + 1
    for pk, status in Approval.objects.values_list("pk", "status").iterator():
        if counts.get(str(pk), 0) != int(status != ApprovalStatus.PENDING):
            yield pk


@invariant(15, "An approval is decided without a decision, or pending with one.")
def decisions_are_whole() -> QuerySet[Approval]:
    pending, decided = Q(status=ApprovalStatus.PENDING), Q(decided_at__isnull=False) & ~Q(decision="")
    return Approval.objects.filter((pending & decided) | (~pending & ~decided))


def _guards() -> QuerySet[Approval]:
    """The approvals of kind tool of the outer step."""
    return Approval.objects.filter(run_id=OuterRef("run_id"), step_key=OuterRef("key"), kind=ApprovalKind.TOOL)


@invariant(16, "A guarded tool started without an approval that was used for it.")
def guarded_tools_are_approved() -> QuerySet[Step]:
    used = _guards().filter(status=ApprovalStatus.APPROVED, consumed_at__isnull=False)
    return Step.objects.begun().filter(Exists(_guards())).exclude(Exists(used))


@invariant(16, "A guarded tool was executed with other arguments than were approved.")
def approved_arguments() -> Iterator[object]:
    used = Approval.objects.filter(kind=ApprovalKind.TOOL, consumed_at__isnull=False)
    shown = {(run, key): approved for run, key, approved in used.values_list("run_id", "step_key", "approved_digest")}
    guarded = Step.objects.filter(Exists(_guards())).values_list("pk", "run_id", "key", "name", "args")
    for pk, run_id, key, name, args in guarded.iterator():
        approved = shown.get((run_id, key))
        if approved is not None and approved != digest([name, args]):
            yield pk


@invariant(16, "An approval was used although it was not given.")
def only_approved_ones_are_used() -> QuerySet[Approval]:
    return Approval.objects.filter(consumed_at__isnull=False).exclude(status=ApprovalStatus.APPROVED)


@invariant(17, "The run waits for a decision, yet none is pending.")
def waiting_for_something() -> QuerySet[Run]:
    pending = Approval.objects.pending().filter(run_id=OuterRef("pk"))
    return Run.objects.filter(state=State.WAITING).exclude(Exists(pending))


@invariant(17, "An approval is pending, yet its run does not wait for it.")
def pending_only_while_waiting() -> QuerySet[Approval]:
    return Approval.objects.pending().exclude(run__state=State.WAITING)


@invariant(4, "An approval was asked under an epoch that its run never reached.")
def epochs_of_approvals() -> QuerySet[Approval]:
    return Approval.objects.filter(epoch__gt=F("run__epoch"))

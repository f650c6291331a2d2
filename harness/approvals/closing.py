"""Approvals that end without a person: with their run, or at their deadline."""

from __future__ import annotations

from uuid import UUID

from harness import transitions
from harness.approvals.resolved import STATUS_AFTER, resume_if_decided, tell
from harness.canonical import digest
from harness.clock import Now
from harness.db import unit
from harness.models import Approval, Run
from harness.states import ApprovalStatus, Decision


def close_for_cancel(run: Run, *, actor: str) -> int:
    """Expire what a cancelled run still asks. The caller has locked the run. Returns how many there were."""
    pending = list(Approval.objects.pending().filter(run=run))
    for approval in pending:
        _close(approval, run, Decision.CANCEL, "the run was cancelled", actor=actor)
    return len(pending)


def _close(approval: Approval, run: Run, decision: Decision, reason: str, *, actor: str) -> None:
    status = STATUS_AFTER[decision]
    approved = digest([approval.tool, approval.args]) if status == ApprovalStatus.APPROVED else ""
    closed = Approval.objects.pending().filter(pk=approval.pk)
    if closed.update(
        status=status,
        decision=decision,
        decided_at=Now(),
        decided_by_name=actor,
        reason=reason,
        approved_digest=approved,
    ):
        tell(Approval.objects.get(pk=approval.pk), run, actor=actor)


def expire_overdue(limit: int = 100) -> int:
    """Close approvals whose deadline has passed, each as its `on_expiry` says. Returns how many."""
    overdue = list(Approval.objects.overdue().order_by("expires_at").values_list("pk", "run_id")[:limit])
    return sum(_expire(approval_id, run_id) for approval_id, run_id in overdue)


@unit
def _expire(approval_id: UUID, run_id: UUID) -> bool:
    run = transitions.lock(run_id)
    approval = Approval.objects.overdue().filter(pk=approval_id).first()
    if approval is None:
        return False
    reason = f"nobody decided before {approval.expires_at:%Y-%m-%d %H:%M} UTC"
    if approval.on_expiry == Decision.CANCEL:
        close_for_cancel(run, actor="supervisor")
        transitions.request_cancel(run, reason=reason, by_name="supervisor")
        return True
    decision = Decision.APPROVE if approval.on_expiry == Decision.APPROVE else Decision.EXPIRE
    _close(approval, run, decision, reason, actor="supervisor")
    resume_if_decided(run, actor="supervisor")
    return True

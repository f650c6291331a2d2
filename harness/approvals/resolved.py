"""What follows from a decision: the event, and the run that may go on."""

from __future__ import annotations

from harness import events, transitions
from harness.models import Approval, ResumeKind, Run
from harness.states import ApprovalKind, ApprovalStatus, Decision, State

STATUS_AFTER = {
    Decision.APPROVE: ApprovalStatus.APPROVED,
    Decision.EDIT: ApprovalStatus.APPROVED,
    Decision.REJECT: ApprovalStatus.REJECTED,
    Decision.CANCEL: ApprovalStatus.EXPIRED,
    Decision.EXPIRE: ApprovalStatus.EXPIRED,
}


def tell(approval: Approval, run: Run, *, actor: str) -> None:
    """Append approval.resolved. The caller has locked the run."""
    facts = {
        "approval": str(approval.pk),
        "tool": approval.tool,
        "decision": approval.decision,
        "reason": approval.reason,
        "edited": approval.edited_args is not None,
    }
    events.append(run.pk, "approval.resolved", facts, actor=actor, epoch=run.epoch)


def resume_if_decided(run: Run, *, actor: str) -> bool:
    """Let a waiting run go on once nothing of it is pending. The caller has locked the run."""
    if run.state != State.WAITING or Approval.objects.pending().filter(run=run).exists():
        return False
    recovered = Approval.objects.filter(run=run, kind=ApprovalKind.RECOVERY, epoch=run.epoch).exists()
    kind = ResumeKind.RECOVERY if recovered else ResumeKind.APPROVAL
    return transitions.resume(run, kind, {}, actor=actor)

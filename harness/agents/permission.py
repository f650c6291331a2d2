"""May this step start? What people decided about it, or what they have to be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from harness import approvals
from harness.agents.asked import Asked, shown
from harness.approvals import Ask
from harness.canonical import digest
from harness.errors import Interrupted, InvalidInput, ReplayMismatch, RunParked
from harness.leases import Lease
from harness.models import Approval, Step
from harness.states import ApprovalKind, ApprovalStatus


class GiveUp(Interrupted):
    """A person decided that the run fails."""


@dataclass(frozen=True)
class Permission:
    """The step may start, with `args` where a person changed them; or it was refused; or its result is known."""

    args: Any = None
    refused: str | None = None
    known: bool = False
    result: Any = None
    approval: Approval | None = None

    def use(self, lease: Lease) -> None:
        """Use the approval up, in the transaction that begins the step."""
        if self.approval is not None:
            approvals.consume(lease, self.approval, self.approval.effective_args)


def permission(run_id: UUID, asked: Asked, step: Step | None) -> Permission:
    """What may be done about a step that has no ended record. Raises RunParked, GiveUp or ReplayMismatch."""
    if step is not None:
        return Permission() if step.retryable else _after_crash(run_id, step)
    if asked.guard is None:
        return Permission()
    return _decided(run_id, asked, asked.guard)


def _decided(run_id: UUID, asked: Asked, guard: Ask) -> Permission:
    approval = approvals.find(run_id, asked.key, guard.kind)
    if approval is None:
        raise RunParked([guard])
    _compare(approval, asked, guard)
    if approval.status == ApprovalStatus.PENDING:
        raise RunParked([])
    if approval.status != ApprovalStatus.APPROVED:
        return Permission(refused=approval.reason or "rejected")
    if guard.kind == ApprovalKind.QUESTION:
        return _answer(approval, asked, guard)
    known = guard.kind == ApprovalKind.CONFIRM
    return Permission(approval.effective_args, known=known, result=approval.effective_args, approval=approval)


def _compare(approval: Approval, asked: Asked, guard: Ask) -> None:
    same_words = guard.kind != ApprovalKind.CONFIRM or approval.summary == guard.summary
    if approval.digest != digest([guard.tool, guard.args]) or not same_words:
        raise ReplayMismatch(
            f"replay mismatch at step {asked.key}: a person was asked about {approval.tool} {shown(approval.args)}, "
            f"the agent now asks for {guard.tool} {shown(guard.args)}"
        )


def _answer(approval: Approval, asked: Asked, guard: Ask) -> Permission:
    """An answer that the agent's type refuses is asked for again, with the complaint."""
    if approval.edited_args is None:
        return Permission(refused="nobody answered in time")
    answer = approval.edited_args["answer"]
    try:
        if asked.accepts:
            asked.accepts(answer)
    except InvalidInput as error:
        again = f"{guard.summary}\n\n{shown(answer)} was not accepted: {error}"
        raise RunParked([_with_summary(guard, again)]) from None
    return Permission(known=True, result=answer, approval=approval)


def _with_summary(guard: Ask, summary: str) -> Ask:
    return Ask(guard.step_key, guard.tool, guard.args, guard.kind, summary, guard.args_schema)


def _after_crash(run_id: UUID, step: Step) -> Permission:
    """A non-retryable step whose worker died in it: only a person knows what became of it."""
    approval = approvals.find(run_id, step.key, ApprovalKind.RECOVERY)
    if approval is None or approval.consumed_at is not None:
        summary = f"The worker died while {step.key} was in flight. Did it happen?"
        raise RunParked([Ask(step.key, step.name, step.args, ApprovalKind.RECOVERY, summary)])
    if approval.status == ApprovalStatus.PENDING:
        raise RunParked([])
    if approval.status != ApprovalStatus.APPROVED:
        raise GiveUp(f"{step.key} is lost, and the run was ended: {approval.reason}")
    if approval.edited_args is None:
        return Permission(step.args, approval=approval)
    return Permission(known=True, result=approval.edited_args["result"], approval=approval)

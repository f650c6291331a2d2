"""The person's side: decide once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Q

from harness import audit, transitions
from harness.answers import checked_args
from harness.approvals.resolved import STATUS_AFTER, resume_if_decided, tell
from harness.canonical import digest, through_json
from harness.clock import Now
from harness.db import unit
from harness.errors import Conflict, InvalidInput, NotFound
from harness.models import Approval
from harness.states import DECISIONS_OF_PEOPLE, ApprovalKind, ApprovalStatus, Decision, State


def resolve_approval(approval_id: Any, *, decision: str, by: Any, args: Any = None, reason: str = "") -> Approval:
    """Decide a pending approval, once. Returns it as decided; asking the same again gets the same answer.

    `decision` is approve, edit (with `args`, the whole changed arguments) or reject (with a reason, which reaches the
    agent). A question is answered by approve with `args={"answer": value}`. Of a lost step: approve runs it again, edit
    with `args={"result": value}` says that it happened, reject fails the run.

    Raises NotFound, PermissionDenied, InvalidInput (a sentence, and the field), Conflict with the approval as it is.
    """
    user = audit.user_of(by)
    approval = _get(approval_id)
    audit.require(user, "harness.resolve_approval", "resolve_approval", approval)
    wanted = _wanted(approval, decision, args, reason.strip())
    return _resolve(approval.pk, approval.run_id, wanted, user)


@dataclass(frozen=True, slots=True)
class _Wanted:
    decision: Decision
    reason: str
    edited_args: Any = None


def _get(approval_id: Any) -> Approval:
    try:
        return Approval.objects.select_related("run").get(pk=UUID(str(approval_id)))
    except (ValueError, Approval.DoesNotExist):
        raise NotFound(f"There is no approval {approval_id}.") from None


def _wanted(approval: Approval, decision: str, args: Any, reason: str) -> _Wanted:
    if decision not in DECISIONS_OF_PEOPLE:
        known = ", ".join(DECISIONS_OF_PEOPLE)
        raise InvalidInput(f"{decision!r} is not a decision: use one of {known}.", fields={"decision": "unknown"})
    if decision == Decision.REJECT:
        if not reason:
            raise InvalidInput("A rejection needs a reason.", fields={"reason": "Say why: it reaches the agent."})
        return _Wanted(Decision.REJECT, reason)
    answered = approval.kind == ApprovalKind.QUESTION
    if decision == Decision.EDIT and args is None:
        raise InvalidInput("An edit needs the changed arguments.", fields={"args": "Give the changed arguments."})
    if decision == Decision.APPROVE and args is not None and not answered:
        raise InvalidInput("Arguments go with the decision edit, not approve.", fields={"args": "Use edit."})
    if decision == Decision.APPROVE and not answered:
        return _Wanted(Decision.APPROVE, reason)
    return _Wanted(Decision(decision), reason, checked_args(approval, through_json(args)))


@unit
def _resolve(approval_id: UUID, run_id: UUID, wanted: _Wanted, user: Any | None) -> Approval:
    run = transitions.lock(run_id)
    before = Approval.objects.get(pk=approval_id)
    rows = Approval.objects.pending().filter(Q(expires_at__isnull=True) | Q(expires_at__gt=Now()), pk=approval_id)
    if run.state != State.WAITING or not _decide(rows, before, wanted, user):
        return _the_same_again(before, wanted, user)
    approval = Approval.objects.get(pk=approval_id)
    tell(approval, run, actor=audit.name_of(user))
    audit.record(
        "resolve_approval",
        approval,
        by=user,
        reason=wanted.reason,
        before={"status": before.status, "args": before.args},
        after={"status": approval.status, "decision": approval.decision, "args": approval.effective_args},
        run=run,
    )
    resume_if_decided(run, actor=audit.name_of(user))
    return approval


def _decide(rows: Any, approval: Approval, wanted: _Wanted, user: Any | None) -> bool:
    """The one UPDATE by which an approval leaves `pending`."""
    may_run = wanted.decision in (Decision.APPROVE, Decision.EDIT)
    effective = approval.args if wanted.edited_args is None else wanted.edited_args
    return bool(
        rows.update(
            status=STATUS_AFTER[wanted.decision],
            decision=wanted.decision,
            decided_by=user,
            decided_by_name=audit.name_of(user),
            decided_at=Now(),
            reason=wanted.reason,
            edited_args=wanted.edited_args,
            approved_digest=digest([approval.tool, effective]) if may_run else "",
        )
    )


def _the_same_again(approval: Approval, wanted: _Wanted, user: Any | None) -> Approval:
    """A decision that comes late: the answer of the first one where it is the same, a Conflict where it is not."""
    same = (approval.decision, approval.edited_args) == (wanted.decision, wanted.edited_args)
    if same and approval.decided_by_id == (user.pk if user else None):
        return approval
    raise Conflict(_what_became_of(approval), current=approval)


def _what_became_of(approval: Approval) -> str:
    if approval.status == ApprovalStatus.PENDING:
        return "The deadline of this approval has passed; it can no longer be decided."
    if approval.decision == Decision.CANCEL:
        return "This approval ended when its run was cancelled."
    if approval.decision == Decision.EXPIRE:
        return "The deadline of this approval passed before anyone decided."
    done = {"approve": "approved", "edit": "edited and approved", "reject": "rejected"}[approval.decision]
    because = f": {approval.reason}" if approval.reason else ""
    return f"{approval.decided_by_name} has already {done} this{because}."

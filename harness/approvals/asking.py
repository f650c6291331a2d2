"""The worker's side: ask, look up, use up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from harness import events, transitions
from harness.approvals.resolved import resume_if_decided
from harness.canonical import digest
from harness.clock import Now
from harness.conf import conf
from harness.db import unit
from harness.errors import LeaseLost
from harness.leases import Lease
from harness.models import Approval, Run, Step
from harness.states import ApprovalKind, ApprovalStatus, Decision


@dataclass(frozen=True, slots=True)
class Ask:
    """What a worker wants a person to decide. `expires_in` None: APPROVAL_TIMEOUT_SECONDS from now."""

    step_key: str
    tool: str
    args: Any
    kind: ApprovalKind = ApprovalKind.TOOL
    summary: str = ""
    args_schema: dict[str, Any] | None = None
    expires_in: timedelta | None = None
    on_expiry: Decision = Decision.REJECT


@unit
def park(lease: Lease, asks: list[Ask]) -> list[Approval]:
    """Ask, and let the run wait for the answers. Where nothing is left to ask, it resumes at once."""
    transitions.park(lease)
    asked = [_ask(lease.run_id, ask, lease.epoch, actor=f"worker:{lease.worker_id}") for ask in asks]
    resume_if_decided(transitions.lock(lease.run_id), actor="system")
    return asked


@unit
def ask_after_crash(run: Run, step: Step, *, actor: str) -> Approval:
    """Ask what became of a step whose worker died in it. The caller has taken the run over and parked it."""
    ask = Ask(
        step_key=step.key,
        tool=step.name,
        args=step.args,
        kind=ApprovalKind.RECOVERY,
        summary=f"The worker died while {step.key} was in flight. Did it happen?",
    )
    return _ask(run.pk, ask, run.epoch, actor=actor)


def _ask(run_id: UUID, ask: Ask, epoch: int, *, actor: str) -> Approval:
    approval = Approval.objects.create(
        run_id=run_id,
        step_key=ask.step_key,
        kind=ask.kind,
        tool=ask.tool,
        summary=ask.summary,
        args=ask.args,
        digest=digest([ask.tool, ask.args]),
        args_schema=ask.args_schema,
        expires_at=Now() + (ask.expires_in or timedelta(seconds=conf.APPROVAL_TIMEOUT_SECONDS)),
        on_expiry=ask.on_expiry,
        epoch=epoch,
    )
    facts = {"approval": str(approval.pk), "tool": ask.tool, "kind": ask.kind, "key": ask.step_key}
    events.append(run_id, "approval.requested", facts, actor=actor, epoch=epoch)
    return approval


def find(run_id: UUID, step_key: str, kind: ApprovalKind | None = None) -> Approval | None:
    """The latest approval of a step, of that kind where one is given."""
    rows = Approval.objects.filter(run_id=run_id, step_key=step_key)
    return (rows.filter(kind=kind) if kind else rows).order_by("-id").first()


@unit
def consume(lease: Lease, approval: Approval, args: Any) -> None:
    """Use up an approval for its one execution with `args`, in the transaction that begins the step.

    Raises LeaseLost if the lease is gone, ValueError if it was used before or was given for something else.
    """
    if not Run.objects.held_by(lease).exists():
        raise LeaseLost(lease)
    usable = Approval.objects.filter(
        pk=approval.pk,
        status=ApprovalStatus.APPROVED,
        consumed_at__isnull=True,
        approved_digest=digest([approval.tool, args]),
    )
    if not usable.update(consumed_at=Now()):
        raise ValueError(f"approval {approval.pk} was used before, or was not given for these arguments")

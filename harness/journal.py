"""The write-ahead journal of a run: the only writer of Step.

A step is committed as started before its effect begins, and once more when it ended. What is finished is never executed
again and never changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import F

from harness import events, signs
from harness.canonical import digest
from harness.clock import Now
from harness.db import unit
from harness.leases import Lease
from harness.models import Run, Step
from harness.states import State, StepKind, StepStatus

REFUSED = "Rejected"
"""Type of the error of a step that a person refused."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a step consumed: tokens, and US dollars."""

    tokens_in: int = 0
    tokens_out: int = 0
    cost: Decimal = Decimal(0)


def steps(run_id: UUID) -> dict[str, Step]:
    """The journal of a run by key."""
    return {step.key: step for step in Step.objects.of_run(run_id)}


@unit
def begin(
    lease: Lease,
    *,
    key: str,
    kind: StepKind,
    name: str,
    args: Any,
    retryable: bool,
    asked: Any = None,
    again: Step | None = None,
) -> Step:
    """Write that a step starts, or, with `again`, that it is executed once more. Commit this before the effect.

    `args` is what it is executed with, `asked` what the agent asked for where a person changed it. Only a running run
    begins steps: raises RunCancelled or LeaseLost otherwise.
    """
    seq = events.hold(lease, states=(State.RUNNING,))
    step = _again(again, lease, args) if again else _first(lease, key, kind, name, args, retryable, asked)
    events.write(lease.run_id, seq, "step.started", _facts(step), actor=_actor(lease), epoch=lease.epoch)
    signs.moved(lease)
    return step


def _first(lease: Lease, key: str, kind: StepKind, name: str, args: Any, retryable: bool, asked: Any) -> Step:
    return Step.objects.create(
        run_id=lease.run_id,
        seq=Step.objects.filter(run_id=lease.run_id).count() + 1,
        key=key,
        kind=kind,
        name=name,
        args=args,
        args_digest=digest(args if asked is None else asked),
        retryable=retryable,
        epoch=lease.epoch,
        idempotency_key=digest([str(lease.run_id), key])[:32],
    )


def _again(step: Step, lease: Lease, args: Any) -> Step:
    open_again = Step.objects.filter(pk=step.pk, status__in=(StepStatus.STARTED, StepStatus.UNKNOWN))
    if not open_again.update(
        status=StepStatus.STARTED,
        args=args,
        epoch=lease.epoch,
        executions=F("executions") + 1,
        started_at=Now(),
        finished_at=None,
    ):
        raise ValueError(f"step {step.key} has ended and is never executed again")
    return Step.objects.get(pk=step.pk)


@unit
def finish(lease: Lease, step: Step, result: Any, usage: Usage | None = None) -> Step:
    """Record the result (already JSON-able), and count what it used once. Also under a cancel: what is done is done."""
    used = usage or Usage()
    spent: dict[str, Any] = {"tokens_in": used.tokens_in, "tokens_out": used.tokens_out, "cost": used.cost}
    counted = {name: F(name) + amount for name, amount in spent.items()} if usage else {}
    return _ended(lease, step, StepStatus.FINISHED, "step.finished", counted, result=result, **spent)


@unit
def fail(lease: Lease, step: Step, *, type: str, message: str) -> Step:
    """Record that the body raised."""
    error = {"type": type, "message": message}
    return _ended(lease, step, StepStatus.FAILED, "step.failed", {}, error=error)


@unit
def refuse(lease: Lease, *, key: str, kind: StepKind, name: str, args: Any, reason: str) -> Step:
    """Record a step that a person refused: it never started, and every replay meets the same refusal."""
    seq = events.hold(lease, states=(State.RUNNING,))
    step = _first(lease, key, kind, name, args, True, None)
    step.status, step.executions, step.error = StepStatus.FAILED, 0, {"type": REFUSED, "message": reason}
    Step.objects.filter(pk=step.pk).update(
        status=step.status, executions=0, error=step.error, started_at=Now(), finished_at=Now()
    )
    events.write(
        lease.run_id, seq, "step.failed", {**_facts(step), "error": step.error}, actor=_actor(lease), epoch=lease.epoch
    )
    signs.moved(lease)
    return step


def _ended(lease: Lease, step: Step, status: StepStatus, event: str, run_fields: dict[str, Any], **fields: Any) -> Step:
    seq = events.hold(lease, **run_fields)
    rows = Step.objects.filter(pk=step.pk, status__in=(StepStatus.STARTED, StepStatus.UNKNOWN))
    if not rows.update(status=status, finished_at=Now(), epoch=lease.epoch, **fields):
        raise ValueError(f"step {step.key} has ended before")
    ended = Step.objects.get(pk=step.pk)
    error = {"error": ended.error} if ended.error else {}
    events.write(lease.run_id, seq, event, {**_facts(ended), **error}, actor=_actor(lease), epoch=lease.epoch)
    signs.moved(lease)
    return ended


def mark_unknown(run: Run, *, actor: str) -> list[Step]:
    """Say of the non-retryable steps in flight that nobody knows what became of them. Returns these.

    For recovery, which has taken the run over and holds its row.
    """
    lost = list(Step.objects.of_run(run.pk).in_flight().unsafe())
    for step in lost:
        Step.objects.filter(pk=step.pk).update(status=StepStatus.UNKNOWN, finished_at=Now())
        events.append(run.pk, "step.unknown", _facts(step), actor=actor, epoch=run.epoch)
    return lost


def close_in_flight(run_id: UUID) -> list[str]:
    """Close the steps that an ending run leaves behind; returns the keys of those whose outcome nobody knows."""
    left = Step.objects.filter(run_id=run_id).in_flight()
    unknown = list(left.unsafe().values_list("key", flat=True))
    left.unsafe().update(status=StepStatus.UNKNOWN, finished_at=Now())
    cut_off = {"type": "Interrupted", "message": "the run ended while this step was in flight"}
    left.filter(retryable=True).update(status=StepStatus.FAILED, finished_at=Now(), error=cut_off)
    return unknown


def _facts(step: Step) -> dict[str, Any]:
    return {"step": step.seq, "key": step.key, "kind": step.kind, "name": step.name, "executions": step.executions}


def _actor(lease: Lease) -> str:
    return f"worker:{lease.worker_id}"

"""The stretches of a run between two pauses, for frameworks that keep a checkpoint of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from django.utils.functional import SimpleLazyObject

from harness import approvals, journal
from harness.agents.adapters import Decided, Paused, Resume, Start
from harness.agents.asked import Asked
from harness.agents.context import RunContext
from harness.agents.values import recordable
from harness.db import unit
from harness.leases import Lease
from harness.models import Step
from harness.states import StepKind, StepStatus

NAME = "segment"


def work_of(ctx: RunContext, input: Any) -> Start | Resume:
    """What the adapter has to do now: begin, or go on from the last checkpoint with what was decided since."""
    book = ctx._book
    last = _last(ctx)
    if last is None:
        return Start(input, cast("Sequence[dict[str, Any]]", SimpleLazyObject(lambda: ctx.messages)))
    book.prefix = f"{last.key}/"  # steps of this stretch have names of their own
    kept: Any = last.result
    decided = {key: _decided(approvals.find(ctx.run_id, key)) for key in kept["asks"]}
    return Resume(kept["checkpoint"], decided)


def _last(ctx: RunContext) -> Step | None:
    found, n = None, 1
    while (step := ctx._book.record(f"{NAME}#{n}")) and step.status == StepStatus.FINISHED:
        found, n = step, n + 1
    return found


def _decided(approval: Any) -> Decided:
    args = approval.effective_args if approval.approved_digest else None
    return Decided(approval.decision, args, approval.reason)


@unit
def pause(lease: Lease, ctx: RunContext, paused: Paused) -> None:
    """Keep the checkpoint and ask the people, in one transaction. Raises RunCancelled or LeaseLost."""
    last = _last(ctx)
    n = int(last.key.partition("#")[2]) + 1 if last else 1
    kept = {"checkpoint": paused.checkpoint, "asks": [ask.step_key for ask in paused.interrupts]}
    asked = Asked(f"{NAME}#{n}", StepKind.CUSTOM, NAME, {})
    step = journal.begin(lease, key=asked.key, kind=asked.kind, name=NAME, args={}, retryable=True)
    journal.finish(lease, step, recordable(kept, "the agent's checkpoint"))
    approvals.park(lease, list(paused.interrupts))

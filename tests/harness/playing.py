"""Agents written inside a test, and their runs executed as a worker executes them, in this process."""

from __future__ import annotations

from typing import Any

import pytest

from harness import approvals, control, runner, transitions
from harness.interrupts import Interrupts
from harness.models import Approval, Run, Step
from tests.world import again, user, worker


def start(agent: str, input: Any = None, **wish: Any) -> Run:
    return control.start_run(agent=agent, input={} if input is None else input, **wish)


def execute(run: Run, interrupts: Interrupts | None = None) -> Run:
    """Claim the run and execute it until it ends, parks or is handed back."""
    lease = transitions.claim_next(run.queue_key, worker().pk)
    assert lease is not None, "nothing to claim"
    assert lease.run_id == run.pk, "another run was claimed"
    runner.run(lease, interrupts or Interrupts())
    return again(run)


def play(agent: str, input: Any = None) -> Run:
    """Start a run and execute it."""
    return execute(start(agent, input))


def crash(run: Run) -> Run:
    """What recovery does after a crash, for a journal without lost steps: back to the queue, the epoch raised."""
    taken = transitions.take_over(again(run), why="crash", actor="test", crashed=True, only_expired=False, facts={})
    assert taken is not None
    transitions.requeue(taken, reclaim_reason="expired-lease", actor="test")
    return again(run)


def pending(run: Run) -> list[Approval]:
    return list(Approval.objects.pending().filter(run=run).order_by("id"))


def decide(approval: Approval, decision: str = "approve", **more: Any) -> Approval:
    return approvals.resolve_approval(approval.pk, decision=decision, by=user(), **more)


def steps(run: Run) -> dict[str, Step]:
    return {step.key: step for step in Step.objects.of_run(run.pk)}


class Crash(BaseException):
    """The process dies here."""


def play_until_the_crash(run: Run) -> Run:
    """Execute the run until the agent raises Crash; what a recovery makes of it."""
    with pytest.raises(Crash):
        execute(run)
    return crash(run)

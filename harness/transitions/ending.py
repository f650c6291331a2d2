"""How a run ends, once and for all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from harness import events, journal, threads
from harness.canonical import clean_text
from harness.clock import Now
from harness.db import unit
from harness.leases import Lease
from harness.models import RecoveryIntent, Role, Run, RunControl, RunQueue, RunRequest, Step
from harness.models.run import RunQuerySet
from harness.states import State, StepStatus
from harness.transitions.beats import merge_receipt
from harness.transitions.moves import move

ERROR_LIMIT = 20_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an execution came out: a terminal state with its output, or a reason in a line and an error in full."""

    state: State
    output: Any = None
    reason: str = ""
    error: str = ""

    @classmethod
    def completed(cls, output: Any = None) -> Outcome:
        return cls(State.COMPLETED, output=output)

    @classmethod
    def failed(cls, reason: str, error: str = "") -> Outcome:
        return cls(State.FAILED, reason=reason, error=error or reason)

    @classmethod
    def cancelled(cls) -> Outcome:
        """The reason is that of the cancel which was asked for."""
        return cls(State.CANCELLED)


@unit
def finish(lease: Lease, outcome: Outcome, **receipt: Any) -> Run:
    """End the run. A cancel that was committed first makes it cancelled, and keeps the result in the receipt only.

    `receipt` are facts about how it was stopped. Raises LeaseLost, and then wrote nothing.
    """
    run = Run.objects.select_for_update().held_by(lease).first()
    if run is None:
        raise events.why_not_held(lease)
    if run.state == State.CANCELLING:
        late = {"late_result": outcome.output} if outcome.state == State.COMPLETED else {}
        return end_cancelled(run, actor=f"worker:{lease.worker_id}", **late, **receipt)
    if receipt:
        merge_receipt(run.pk, receipt)
    return end(run, outcome, actor=f"worker:{lease.worker_id}")


@unit
def end(run: Run, outcome: Outcome, *, actor: str, epoch: int | None = None) -> Run:
    """End a run whose row the caller has locked, whoever holds it."""
    moved = _close(Run.objects.as_read(run), run, outcome, actor=actor, epoch=run.epoch if epoch is None else epoch)
    if not moved:
        raise ValueError(f"run {run.pk} is {run.state} and cannot become {outcome.state}")
    if outcome.state == State.COMPLETED and outcome.output is not None:
        threads.say(run.thread_id, Role.ASSISTANT, outcome.output, run_id=run.pk)
    return Run.objects.get(pk=run.pk)


@unit
def end_cancelled(run: Run, *, actor: str, how: str = "cooperative", epoch: int | None = None, **receipt: Any) -> Run:
    """End a run, whose row the caller has locked, as cancelled: with the reason asked for and the receipt."""
    control = RunControl.objects.get(run_id=run.pk)
    reason = f"cancelled: {control.cancel_reason}" if control.cancel_reason else "cancelled"
    ended = end(run, Outcome(State.CANCELLED, reason=reason), actor=actor, epoch=epoch)
    counts = Step.objects.filter(run_id=run.pk)
    merge_receipt(
        run.pk,
        {
            "how": how,
            "steps_finished": counts.filter(status=StepStatus.FINISHED).count(),
            "steps_unknown": list(counts.filter(status=StepStatus.UNKNOWN).values_list("key", flat=True)),
            **receipt,
        },
    )
    return ended


def _close(rows: RunQuerySet, run: Run, outcome: Outcome, *, actor: str, epoch: int) -> bool:
    for seq_key in journal.close_in_flight(run.pk):
        events.append(run.pk, "step.unknown", {"key": seq_key}, actor=actor, epoch=run.epoch)
    payload = {"reason": outcome.reason} if outcome.reason else {}
    moved = move(
        rows,
        run.pk,
        run.thread_id,
        outcome.state,
        f"run.{outcome.state}",
        payload,
        actor=actor,
        epoch=epoch,
        output=outcome.output,
        reason=clean_text(outcome.reason)[:500],
        error=clean_text(outcome.error)[:ERROR_LIMIT],
        finished_at=Now(),
    )
    if moved:
        _leave(run.pk)
    return moved


def _leave(run_id: UUID) -> None:
    RunQueue.objects.filter(run_id=run_id).delete()
    RecoveryIntent.objects.filter(run_id=run_id).delete()
    RunRequest.objects.filter(run_id=run_id).update(input=None, invocation=None, cleared_at=Now())

"""A cancel, by the state that it finds."""

from __future__ import annotations

from typing import Any

from harness import dispatch, events, origin
from harness.clock import Now
from harness.db import unit
from harness.models import Run, RunControl, RunQueue
from harness.states import State
from harness.transitions.beats import merge_receipt
from harness.transitions.ending import end_cancelled
from harness.transitions.moves import move

AT_ONCE = frozenset({State.QUEUED, State.CLAIMED, State.WAITING, State.RESUMING})
"""States without an agent in flight. A resuming run that is claimed is the exception."""


@unit
def request_cancel(run: Run, *, reason: str = "", by: Any | None = None, by_name: str = "", force: bool = False) -> Run:
    """Persist the cancel of a run whose row the caller has locked, and end it at once where no agent is executing.

    A terminal run stays as it is. A second cancel changes nothing, but may add `force`.
    """
    if run.is_terminal:
        return run
    if run.state == State.CANCELLING:
        return _asked_again(run, force)
    _remember(run, reason, by, by_name, force)
    events.append(run.pk, "cancel.requested", {"reason": reason, "force": force}, actor=by_name, epoch=run.epoch)
    holder = RunQueue.objects.claimed().filter(run_id=run.pk).values_list("claimed_by", flat=True).first()
    if run.state in AT_ONCE and not (run.state == State.RESUMING and holder):
        return end_cancelled(run, actor=by_name, how="at once", state_before=run.state)
    return _ask_worker(run, holder, reason, by_name)


def _remember(run: Run, reason: str, by: Any | None, by_name: str, force: bool) -> None:
    RunControl.objects.filter(run_id=run.pk).update(
        cancel_requested=True,
        cancel_reason=reason[:500],
        cancel_by=by,
        cancel_by_name=by_name,
        cancel_at=Now(),
        cancel_origin=origin.current().kind,
        cancel_force=force,
    )


def _ask_worker(run: Run, holder: Any, reason: str, by_name: str) -> Run:
    text = f"cancelling: {reason}" if reason else "cancelling"
    rows = Run.objects.as_read(run)
    payload = {"reason": reason}
    moved = move(
        rows,
        run.pk,
        run.thread_id,
        State.CANCELLING,
        "run.state_changed",
        payload,
        actor=by_name,
        epoch=run.epoch,
        reason=text[:500],
    )
    assert moved, f"run {run.pk} was locked and yet moved"
    merge_receipt(run.pk, {"state_before": run.state})
    dispatch.tell_worker_after_commit(holder)
    return Run.objects.get(pk=run.pk)


def _asked_again(run: Run, force: bool) -> Run:
    control = RunControl.objects.filter(run_id=run.pk, cancel_force=False)
    if force and control.update(cancel_force=True):
        holder = RunQueue.objects.filter(run_id=run.pk).values_list("claimed_by", flat=True).first()
        dispatch.tell_worker_after_commit(holder)
    return run

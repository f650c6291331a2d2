"""What a worker does with a run that it holds, short of ending it: start, park, hand back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import F, Value
from django.db.models.functions import Coalesce

from harness import dispatch, events
from harness.clock import Now
from harness.db import unit
from harness.leases import Lease
from harness.models import RecoveryIntent, ResumeKind, Run, RunControl, RunQueue
from harness.states import State
from harness.transitions.moves import move
from harness.transitions.submitting import queue_facts


@unit
def start(lease: Lease) -> None:
    """claimed or resuming -> running. Raises LeaseLost or RunCancelled."""
    intent = RecoveryIntent.objects.filter(run_id=lease.run_id).first()
    event, facts = ("run.resumed", {"kind": intent.kind, **intent.payload}) if intent else ("run.started", {})
    _moved_or_raise(lease, State.RUNNING, event, facts, started_at=Coalesce(F("started_at"), Now()), reason="")
    RunControl.objects.filter(run_id=lease.run_id).update(progress_at=Now())
    RecoveryIntent.objects.filter(run_id=lease.run_id).delete()


@unit
def park(lease: Lease) -> None:
    """running -> waiting_for_approval; the worker is free. harness.approvals.park adds the questions to it."""
    _moved_or_raise(lease, State.WAITING, "run.state_changed", {})
    RunQueue.objects.filter(run_id=lease.run_id).delete()


@unit
def release(lease: Lease, *, reason: str, wake_in: timedelta | None = None) -> None:
    """Hand the run back to the queue with its journal ("drain", "sleep"); counts no crash.

    A resume that has not started goes back to `resuming`, its intent kept.
    """
    run = Run.objects.held_by(lease).only("state").first()
    to = State.RESUMING if run and run.state == State.RESUMING else State.QUEUED
    _moved_or_raise(lease, to, "run.requeued", {"reason": reason})
    row = back_in_queue(lease.run_id, wake_in)
    events.append(lease.run_id, "run.queued", {"state": to, **queue_facts(row)}, epoch=lease.epoch)
    if wake_in is None:
        dispatch.ring_after_commit(row.queue_key)


@unit
def resume(run: Run, kind: ResumeKind, payload: dict[str, Any], *, actor: str) -> bool:
    """waiting_for_approval -> resuming: everything is decided, a worker may go on. The caller has locked the run."""
    moved = move(
        Run.objects.as_read(run),
        run.pk,
        run.thread_id,
        State.RESUMING,
        "run.state_changed",
        {"kind": kind},
        actor=actor,
        epoch=run.epoch,
    )
    if moved:
        RunQueue.objects.create(run_id=run.pk, queue_key=run.queue_key, priority=run.priority, available_at=Now())
        RecoveryIntent.objects.update_or_create(pk=run.pk, defaults={"kind": kind, "payload": payload})
        dispatch.ring_after_commit(run.queue_key)
    return moved


def back_in_queue(run_id: Any, wake_in: timedelta | None = None) -> RunQueue:
    """Turn the hold on a worker back into the wish for one."""
    available = Now() + wake_in if wake_in else Now()
    RunQueue.objects.filter(run_id=run_id).update(
        claimed_by=None, claimed_at=None, lease_expires_at=None, claim_epoch=Value(None), available_at=available
    )
    return RunQueue.objects.get(run_id=run_id)


def _moved_or_raise(lease: Lease, to: State, event: str, payload: dict[str, Any], **fields: Any) -> None:
    actor = f"worker:{lease.worker_id}"
    rows = Run.objects.held_by(lease)
    if not move(rows, lease.run_id, lease.thread_id, to, event, payload, actor=actor, epoch=lease.epoch, **fields):
        raise events.why_not_held(lease)

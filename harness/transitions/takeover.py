"""Take a run away from a worker that no longer answers for it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Exists, F, OuterRef

from harness import dispatch, events
from harness.db import unit
from harness.models import RecoveryIntent, ResumeKind, Run, RunQueue
from harness.models.run import RunQuerySet
from harness.states import State
from harness.transitions.ending import Outcome, end, end_cancelled
from harness.transitions.executing import back_in_queue
from harness.transitions.moves import move
from harness.transitions.submitting import queue_facts


@unit
def take_over(
    run: Run, *, why: str, actor: str, crashed: bool, only_expired: bool, facts: dict[str, Any]
) -> Run | None:
    """Raise the epoch of a run as it was read, so that its former worker can write nothing. None: someone was faster.

    With `only_expired` this holds only if the lease has run out, by the database's clock, in the same statement.
    The caller then says, in the same transaction, what becomes of the run: `requeue`, `end_lost` or a question.
    """
    rows = _still_lost(Run.objects.as_read(run), run, only_expired)
    seq = events.take_number(rows, epoch=F("epoch") + 1, crashes=F("crashes") + int(crashed))
    if seq is None:
        return None
    events.write(run.pk, seq, "run.lease_lost", {"why": why, **facts}, actor=actor, epoch=run.epoch + 1)
    return Run.objects.get(pk=run.pk)


def _still_lost(rows: RunQuerySet, run: Run, only_expired: bool) -> RunQuerySet:
    claim = RunQueue.objects.claimed().filter(run_id=OuterRef("pk"), claim_epoch=run.epoch)
    return rows.filter(Exists(claim.expired() if only_expired else claim))


@unit
def requeue(run: Run, *, reclaim_reason: str, actor: str, wait: timedelta | None = None) -> None:
    """Put a run that was taken over back: to `queued`, or to `resuming` if its resume had not started."""
    resuming = run.state == State.RESUMING
    to = State.RESUMING if resuming else State.QUEUED
    facts = {"reclaim_reason": reclaim_reason}
    moved = move(
        Run.objects.as_read(run), run.pk, run.thread_id, to, "run.requeued", facts, actor=actor, epoch=run.epoch
    )
    assert moved, f"run {run.pk} was taken over and yet moved"
    row = back_in_queue(run.pk, wait)
    if resuming:
        RecoveryIntent.objects.filter(pk=run.pk).update(kind=ResumeKind.INTERRUPTED, attempts=F("attempts") + 1)
    events.append(run.pk, "run.queued", {"state": to, **facts, **queue_facts(row)}, actor=actor, epoch=run.epoch)
    if wait is None:
        dispatch.ring_after_commit(row.queue_key)


@unit
def ask_person(run: Run, *, actor: str) -> None:
    """running -> waiting_for_approval for a run that was taken over; harness.approvals adds the question."""
    move(
        Run.objects.as_read(run),
        run.pk,
        run.thread_id,
        State.WAITING,
        "run.state_changed",
        {},
        actor=actor,
        epoch=run.epoch,
    )
    RunQueue.objects.filter(run_id=run.pk).delete()


@unit
def end_lost(run: Run, outcome: Outcome, *, actor: str, how: str = "worker lost", **receipt: Any) -> Run:
    """End a run that was taken over: cancelled if that was asked for, else with `outcome`."""
    if run.state == State.CANCELLING:
        return end_cancelled(run, actor=actor, how=how, **receipt)
    return end(run, outcome, actor=actor)


__all__ = ["ask_person", "end_lost", "requeue", "take_over"]

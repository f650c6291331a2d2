"""Append to a run's history: the only writer of Event (and of Run.event_seq, which numbers it without gaps)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import F, QuerySet

from harness import states
from harness.clock import Now
from harness.db import unit, update_returning
from harness.errors import LeaseLost, RunCancelled
from harness.leases import Lease
from harness.models import Event, Run
from harness.states import State


def take_number(rows: QuerySet[Run], **fields: Any) -> int | None:
    """The next sequence number of the one run in `rows`, or None where none matched.

    One UPDATE, which is also the guard and the lock of everything that follows in the transaction.
    """
    return update_returning(rows, "event_seq", event_seq=F("event_seq") + 1, updated_at=Now(), **fields)


def write(
    run_id: UUID, seq: int, type: str, payload: dict[str, Any] | None = None, *, actor: str = "", epoch: int = 0
) -> None:
    """The event that belongs to a number taken in this transaction."""
    Event.objects.create(run_id=run_id, seq=seq, type=type, payload=payload or {}, actor=actor, epoch=epoch)


@unit
def append(run_id: UUID, type: str, payload: dict[str, Any] | None = None, *, actor: str = "", epoch: int = 0) -> int:
    """Append for a person or the supervisor. Returns the sequence number; the run's row stays locked until commit."""
    seq = take_number(Run.objects.filter(pk=run_id))
    if seq is None:
        raise Run.DoesNotExist(f"no run {run_id}")
    write(run_id, seq, type, payload, actor=actor, epoch=epoch)
    return seq


@unit
def append_held(
    lease: Lease,
    type: str,
    payload: dict[str, Any] | None = None,
    *,
    states: Iterable[str] = states.HOLDING,
    actor: str = "",
    **fields: Any,
) -> int:
    """Append for the worker that holds the lease. Raises LeaseLost or RunCancelled, and then wrote nothing."""
    seq = hold(lease, states=states, **fields)
    write(lease.run_id, seq, type, payload, actor=actor or f"worker:{lease.worker_id}", epoch=lease.epoch)
    return seq


def hold(lease: Lease, *, states: Iterable[str] = states.HOLDING, **fields: Any) -> int:
    """Take the next number under the lease; every write of a worker starts with this or with a move."""
    seq = take_number(Run.objects.held_by(lease).filter(state__in=list(states)), **fields)
    if seq is None:
        raise why_not_held(lease)
    return seq


def why_not_held(lease: Lease) -> LeaseLost | RunCancelled:
    """A cancel that was committed first, or else the loss of the lease."""
    run = Run.objects.filter(pk=lease.run_id, epoch=lease.epoch).only("state").first()
    if run and run.state in (State.CANCELLING, State.CANCELLED):
        return RunCancelled(run.state)
    return LeaseLost(lease)

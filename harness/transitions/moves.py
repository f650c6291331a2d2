"""The one way a run changes its state."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from harness import events, states, threads
from harness.clock import Now
from harness.models import Run
from harness.models.run import RunQuerySet
from harness.states import State


def move(
    rows: RunQuerySet,
    run_id: UUID,
    thread_id: UUID,
    to: State,
    event: str,
    payload: dict[str, Any] | None = None,
    *,
    actor: str = "",
    epoch: int,
    **fields: Any,
) -> bool:
    """Move the one run in `rows` to `to`, if the table allows it from where it is. False: someone was faster.

    `epoch` is what the run and the event carry from now on: raised where the owner changes, else as it was.
    """
    allowed = rows.filter(state__in=sources(to))
    seq = events.take_number(allowed, state=to, state_since=Now(), epoch=epoch, **fields)
    if seq is None:
        return False
    events.write(run_id, seq, event, {"state": str(to), **(payload or {})}, actor=actor, epoch=epoch)
    threads.mirror(thread_id)
    return True


def sources(to: State) -> list[str]:
    """The states from which `to` may be entered. An unstarted resume may be put back to where it was."""
    before = [state for state in State.values if states.may_move(state, to)]
    return [*before, to] if to == State.RESUMING else before


def lock(run_id: UUID) -> Run:
    """The run as it is now, its row locked until the transaction ends. Raises Run.DoesNotExist."""
    return Run.objects.select_for_update().get(pk=run_id)

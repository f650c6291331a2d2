"""One claimed run, from its journal to its outcome."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.db import InterfaceError, OperationalError

from harness import approvals, transitions
from harness.agents import registry, segments
from harness.agents.adapters import Done, Paused
from harness.agents.adapters.plain import PlainAdapter
from harness.agents.context import RunContext
from harness.agents.permission import GiveUp
from harness.agents.spec import AgentSpec
from harness.agents.values import close_connections, recordable, said
from harness.canonical import clean_text
from harness.conf import conf
from harness.errors import HandedBack, HarnessError, Interrupted, LeaseLost, RunCancelled, RunParked
from harness.interrupts import Interrupts
from harness.leases import Lease
from harness.models import Run, RunRequest
from harness.states import State
from harness.transitions import Outcome

log = logging.getLogger(__name__)

TRACEBACK_LIMIT = 16_000


def run(lease: Lease, interrupts: Interrupts) -> str:
    """Execute a claimed run until it ends, parks or is handed back; never raises for a fault of the agent.

    Returns its final state, or "parked", "released", or "lost" if someone else has taken the run over.
    """
    interrupts.begin(lease.run_id)
    try:
        return _run(lease, interrupts)
    except LeaseLost as lost:
        log.warning("%s", lost)
        return "lost"
    finally:
        interrupts.end()


def _run(lease: Lease, interrupts: Interrupts) -> str:
    try:
        spec, input = _prepare(lease)
    except _CannotRun as error:
        cannot = Outcome.failed(str(error))
        return _patiently(lambda: _finish(lease, cannot))
    try:
        transitions.start(lease)
        outcome = _execute(lease, interrupts, spec, input)
    except Interrupted as stop:
        interruption = stop
        if interrupts.came is not None:
            close_connections()
        return _patiently(lambda: _stopped(lease, interruption))
    return _patiently(lambda: _finish(lease, outcome))


class _CannotRun(Exception):
    """The run can never be executed as it is."""


def _prepare(lease: Lease) -> tuple[AgentSpec, Any]:
    """The agent and its input. Raises _CannotRun."""
    try:
        request = RunRequest.objects.filter(pk=lease.run_id, cleared_at__isnull=True).first()
    except ValueError as error:
        raise _CannotRun(f"request cannot be read: {error}") from error
    if request is None:
        raise _CannotRun("request cannot be read: it is gone")
    try:
        spec = registry.get(lease.agent)
        return spec, spec.load_input(request.input)
    except HarnessError as error:
        raise _CannotRun(f"request cannot be read: {error}" if lease.agent in _known() else str(error)) from error


def _known() -> set[str]:
    return {spec.name for spec in registry.all_agents()}


def _execute(lease: Lease, interrupts: Interrupts, spec: AgentSpec, input: Any) -> Outcome:
    """Let the agent run to its end. Raises what interrupts it, also if the agent swallowed that."""
    ctx = RunContext(lease, interrupts, spec)
    try:
        outcome = _call(lease, ctx, interrupts, spec, input)
    except Interrupted as stop:
        raise interrupts.came or ctx._book.ended or stop from None
    except (Exception, SystemExit) as error:
        outcome = _failed(ctx, error)
    return _unless_stopped(ctx, interrupts, outcome)


def _call(lease: Lease, ctx: RunContext, interrupts: Interrupts, spec: AgentSpec, input: Any) -> Outcome:
    adapter = spec.adapter or PlainAdapter(spec, interrupts)
    answer: Done | Paused = adapter.run(segments.work_of(ctx, input), ctx)
    if isinstance(answer, Paused):
        segments.pause(lease, ctx, answer)
        raise _Parked
    try:
        return Outcome.completed(recordable(answer.output, "the agent's output"))
    except ValueError as error:
        return Outcome.failed(str(error))


class _Parked(Interrupted):
    """The run is parked already."""


def _unless_stopped(ctx: RunContext, interrupts: Interrupts, outcome: Outcome) -> Outcome:
    """What the agent came to does not count if it was stopped before and went on regardless."""
    stop = interrupts.came or ctx._book.ended
    if isinstance(stop, RunCancelled):
        return outcome  # finishing looks at the ledger and keeps a late result in the receipt
    if isinstance(stop, Interrupted):
        raise stop
    return _failed(ctx, stop) if isinstance(stop, Exception) else outcome


def _failed(ctx: RunContext, error: BaseException) -> Outcome:
    """Why, in a line, and the traceback, of which the end says most."""
    error = ctx._book.ended if isinstance(ctx._book.ended, Exception) else error
    text = "".join(traceback.format_exception(error))
    if len(text) > TRACEBACK_LIMIT:
        text = f"... {len(text) - TRACEBACK_LIMIT:,} characters left out ...\n{text[-TRACEBACK_LIMIT:]}"
    return Outcome.failed(_reason(error), text)


def _reason(error: BaseException) -> str:
    message = " ".join(said(error).split())
    if isinstance(error, HarnessError):
        return message[:500]
    if isinstance(error, SystemExit):
        return f"the agent called sys.exit({message})"[:500]
    return f"{type(error).__name__}: {message}"[:500] if message else type(error).__name__


def _stopped(lease: Lease, stop: Interrupted) -> str:
    """What becomes of a run that was interrupted. A cancel that was committed first wins over all."""
    try:
        return _settled(lease, stop)
    except RunCancelled:
        return _finish(lease, Outcome.cancelled())


def _settled(lease: Lease, stop: Interrupted) -> str:
    match stop:
        case LeaseLost():
            raise stop
        case _Parked():
            return "parked"
        case RunParked():
            approvals.park(lease, stop.asks)
            return "parked"
        case HandedBack():
            transitions.release(lease, reason=stop.reason, wake_in=stop.wake_in)
            return "released"
        case RunCancelled():
            return _cancelled(lease)
        case GiveUp():
            return _finish(lease, Outcome.failed(str(stop)))
        case _:
            return _finish(lease, Outcome.failed(str(stop) or type(stop).__name__))


def _cancelled(lease: Lease) -> str:
    """Only a committed cancel cancels; told of one that is not there, the run goes back to the queue."""
    if Run.objects.held_by(lease).filter(state=State.RUNNING).exists():
        log.warning("%s was interrupted without a cancel", lease)
        transitions.release(lease, reason="interrupted")
        return "released"
    return _finish(lease, Outcome.cancelled())


def _finish(lease: Lease, outcome: Outcome) -> str:
    reason, error = clean_text(outcome.reason)[:500], clean_text(outcome.error)
    try:
        return transitions.finish(lease, replace(outcome, reason=reason, error=error)).state
    except RunCancelled:
        return State.CANCELLED.value


def _patiently(write: Callable[[], str]) -> str:
    """`write`, tried for as long as the lease may hold if the database is away."""
    give_up_at = time.monotonic() + conf.LEASE_SECONDS
    while True:
        try:
            return write()
        except (OperationalError, InterfaceError) as error:
            if time.monotonic() > give_up_at:
                raise
            log.warning("the database is away (%s), trying again", error)
            close_connections()
            time.sleep(min(1.0, conf.LEASE_SECONDS / 10))

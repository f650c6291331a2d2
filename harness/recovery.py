"""What becomes of a run whose worker is lost: see "Recovery" in docs/architecture.md."""

from __future__ import annotations

import logging
import signal as signals
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError
from django.db.models import Q

from harness import approvals, journal, states
from harness.agents import registry
from harness.agents.spec import AgentSpec
from harness.clock import Now
from harness.conf import conf
from harness.db import unit
from harness.errors import UnknownAgent
from harness.models import Run, RunControl, RunQueue, RunRequest, Step
from harness.states import State
from harness.transitions import Outcome, ask_person, end_lost, requeue, take_over

log = logging.getLogger(__name__)

SUPERVISOR = "supervisor"
EXPIRED, DIED, DRAINED, OVERDUE = "expired-lease", "horse-died", "drained", "cancel-overdue"
CANNOT_REPLAY = "stale running run cannot be replayed safely"


@dataclass(frozen=True, slots=True)
class Loss:
    """How a run lost its worker: the reason that events carry, who noticed, and facts for event and receipt."""

    why: str
    actor: str = SUPERVISOR
    how: str = "worker lost"
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def only_expired(self) -> bool:
        return self.why == EXPIRED

    def is_crash(self, run: Run) -> bool:
        """Whether the agent may be to blame. A claim that ran out before the agent began says nothing about it."""
        return self.why == DIED or (self.why == EXPIRED and run.state != State.CLAIMED)


def recover_expired(limit: int = 100) -> int:
    """Recover runs whose lease ran out, the oldest first, each in a transaction of its own. Returns how many.

    Safe to run in several processes at once. With RECOVERY_ENABLED off only cancelled runs are closed.
    """
    rows = RunQueue.objects.claimed().expired().filter(run__state__in=states.HOLDING)
    rows = rows if conf.RECOVERY_ENABLED else rows.filter(run__state=State.CANCELLING)
    found = rows.order_by("lease_expires_at").values_list("run_id", "claimed_by", "lease_expires_at")[:limit]
    return _each((run_id, _expired(worker, until)) for run_id, worker, until in list(found))


def _expired(worker: UUID | None, until: datetime | None) -> Loss:
    return Loss(EXPIRED, facts={"worker": str(worker), "lease_expired_at": until.isoformat() if until else None})


def horse_died(
    worker_id: UUID, *, exit_status: int | None = None, signal: int | None = None, drained: bool = False
) -> None:
    """Recover at once what a worker holds whose horse ended: by itself (a crash), or `drained` (no crash)."""
    facts = {"worker": str(worker_id), "exit_status": exit_status, "signal": signal}
    loss = Loss(DRAINED if drained else DIED, actor=f"worker:{worker_id}", how=_how(exit_status, signal), facts=facts)
    held = RunQueue.objects.of_worker(worker_id).filter(run__state__in=states.HOLDING)
    if not (conf.RECOVERY_ENABLED or drained):
        held = held.filter(run__state=State.CANCELLING)
    _each((run_id, loss) for run_id in list(held.values_list("run_id", flat=True)))


def close_overdue_cancels(limit: int = 100) -> int:
    """Close as cancelled what its worker should have stopped by now, or what has no worker to do it. Returns how many.

    The worker cannot write any more, and kills what it still runs at its next beat.
    """
    rows = Run.objects.filter(_overdue_cancel(), state=State.CANCELLING, queue_row__claimed_by__isnull=False)
    found = list(rows.order_by("control__cancel_at").values_list("pk", "queue_row__claimed_by")[:limit])
    return _each((run_id, Loss(OVERDUE, facts={"worker": str(worker)})) for run_id, worker in found)


def cancel_patience() -> timedelta:
    """After this long a cancel is overdue: grace, the ladder up to SIGKILL, and a lease for the worker to notice."""
    return timedelta(seconds=conf.CANCEL_GRACE_SECONDS * 1.5 + conf.LEASE_SECONDS)


def _overdue_cancel() -> Q:
    overdue = Q(control__cancel_at__lte=Now() - cancel_patience())
    return overdue | Q(queue_row__claimed_by__stopped_at__isnull=False)


def _each(found: Iterable[tuple[UUID, Loss]]) -> int:
    """Recover each; one that cannot be recovered is logged and does not keep the others."""
    done = 0
    for run_id, loss in found:
        try:
            done += recover(run_id, loss)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            log.exception("run %s cannot be recovered", run_id)
    return done


@unit
def recover(run_id: UUID, loss: Loss) -> bool:
    """Take the run over and decide what becomes of it, in one transaction. False: someone was faster."""
    rows = Run.objects.select_for_update(skip_locked=True).filter(pk=run_id, state__in=states.HOLDING)
    run = rows.first()
    taken = run and take_over(
        run,
        why=loss.why,
        actor=loss.actor,
        crashed=loss.is_crash(run),
        only_expired=loss.only_expired,
        facts={"state_before": run.state, **loss.facts},
    )
    if not taken:
        return False
    _settle(taken, loss)
    log.warning("run %s lost its worker (%s) while %s", run_id, loss.why, run.state if run else "?")
    return True


def _settle(run: Run, loss: Loss) -> None:
    if run.state == State.CANCELLING:
        end_lost(run, Outcome.cancelled(), actor=loss.actor, how=loss.how, **loss.facts)
    elif failure := _hopeless(run):
        end_lost(run, Outcome.failed(failure), actor=loss.actor)
    elif run.state == State.RUNNING and (lost := journal.mark_unknown(run, actor=loss.actor)):
        _after_unknown(run, lost, loss)
    else:
        requeue(run, reclaim_reason=loss.why, actor=loss.actor)


def _hopeless(run: Run) -> str:
    """Why another try makes no sense, or nothing."""
    if run.crashes >= conf.MAX_CRASHES:
        return f"poison: its worker died {run.crashes} times while executing it"
    if RunControl.objects.filter(run_id=run.pk, deadline__lte=Now()).exists():
        return "deadline exceeded"
    if not RunRequest.objects.filter(run_id=run.pk, cleared_at__isnull=True).exists():
        return "its persisted request is gone, so it cannot be executed again"
    if _spec(run.agent) is None and not registry.problems():
        return f"there is no agent {run.agent!r} any more, so it cannot be executed again"
    return ""


def _after_unknown(run: Run, lost: list[Step], loss: Loss) -> None:
    """Ask a person what became of the steps in flight, or fail the run where its agent wants that."""
    spec = _spec(run.agent)
    if spec and spec.on_unknown == "fail":
        keys = ", ".join(step.key for step in lost)
        end_lost(run, Outcome.failed(CANNOT_REPLAY, f"{CANNOT_REPLAY}: {keys} was in flight"), actor=loss.actor)
        return
    ask_person(run, actor=loss.actor)
    parked = Run.objects.get(pk=run.pk)
    for step in lost:
        approvals.ask_after_crash(parked, step, actor=loss.actor)


def _spec(agent: str) -> AgentSpec | None:
    try:
        return registry.get(agent)
    except UnknownAgent:
        return None


def _how(exit_status: int | None, signal: int | None) -> str:
    """The receipt's word for an end that the worker saw."""
    if signal is None:
        return "worker lost" if exit_status is None else f"its process exited with status {exit_status}"
    names = {each.value: each.name for each in signals.Signals}
    return f"its process was ended by {names.get(signal, f'signal {signal}')}"

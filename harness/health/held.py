"""Why a run that a worker holds does not move."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from harness import recovery
from harness.conf import conf
from harness.health.facts import Facts
from harness.health.said import Action, Explanation, command, see_run, see_workers, span
from harness.health.thresholds import stuck_after
from harness.models import Run, Worker
from harness.states import State


def held(run: Run, facts: Facts) -> Explanation:
    """The first that applies: the lease, the worker, the start, the deadline, a loop, silence; else it works."""
    reasons = (_lease_expired, _worker_gone, _never_beat, _not_started, _overdue, _looping, _silent)
    return next((said for reason in reasons if (said := reason(run, facts))), None) or _working(run, facts)


def cancelling(run: Run, facts: Facts) -> Explanation:
    """How far the ladder is, and what closes the run if its worker does not."""
    control, age = run.control, facts.age(run.control.cancel_at) or 0.0
    if lost := _lease_expired(run, facts) or _worker_gone(run, facts):
        return lost
    overdue = age > recovery.cancel_patience().total_seconds()
    evidence = {
        "asked_seconds": age,
        "told": control.told_at is not None,
        "rung": _rung(age, control.cancel_force),
        "grace_seconds": conf.CANCEL_GRACE_SECONDS,
        **_life(run, facts),
    }
    by = control.cancel_by_name or "the system"
    if overdue:
        words = f"Cancelled by {by} {span(age)} ago, but its worker has not stopped it. "
        words += (
            "The supervisor closes it at its next pass." if facts.recovers else "No supervisor is there to close it."
        )
        return Explanation("cancel-overdue", words, evidence, control.cancel_at, *_supervisor(facts), tone="bad")
    words = f"Cancelled by {by} {span(age)} ago; its worker is stopping it ({evidence['rung']})."
    return Explanation("cancelling", words, evidence, control.cancel_at, "Nobody needs to act.", _force(run))


def _rung(age: float, forced: bool) -> str:
    grace = conf.CANCEL_GRACE_SECONDS
    if forced or age > grace * 1.5:
        return "SIGKILL"
    return "SIGTERM" if age > grace else "asked"


def _force(run: Run) -> Action | None:
    if run.control.cancel_force:
        return None
    return see_run(run.pk, "Kill it now", "cancel_run --force")


def _supervisor(facts: Facts) -> tuple[str, Action | None]:
    """Who takes lost runs over, and what to press if nobody does."""
    if not conf.RECOVERY_ENABLED:
        return "Whoever set HARNESS_RECOVERY_ENABLED=false", command("Turn recovery on", "settings")
    if facts.recovers:
        return "The supervisor, by itself", None
    return "Whoever runs the supervisor", command("Start it: manage.py supervise", "supervise")


@dataclass(frozen=True)
class Claim:
    """Who holds the run, since when, and until when unless renewed."""

    worker: Worker
    at: datetime
    until: datetime


def _claim(run: Run) -> Claim:
    """A check constraint of run_queue says that a claim is whole."""
    row = run.queue_row
    assert row.claimed_by is not None
    assert row.claimed_at is not None
    assert row.lease_expires_at is not None
    return Claim(row.claimed_by, row.claimed_at, row.lease_expires_at)


def _life(run: Run, facts: Facts) -> dict[str, Any]:
    worker = _claim(run).worker
    return {
        "worker": worker.name,
        "heartbeat_age_seconds": facts.age(run.control.heartbeat_at),
        "worker_beat_age_seconds": facts.age(worker.heartbeat_at),
        "attempt": run.attempt,
    }


def _lease_expired(run: Run, facts: Facts) -> Explanation | None:
    until, worker = _claim(run).until, _claim(run).worker
    if until > facts.now:
        return None
    ago = facts.age(until) or 0.0
    words = f"Its lease ran out {span(ago)} ago: worker {worker.name} no longer renews it. "
    code = "lease-expired"
    if not conf.RECOVERY_ENABLED:
        code, words = "recovery-off", words + "Recovery is turned off, so nobody takes it over."
    elif facts.recovers:
        words += "The supervisor takes it over at its next pass."
    else:
        age = facts.supervisor_age
        seen = "No supervisor has ever run here." if age is None else f"Recovery has not run for {span(age)}."
        code, words = "supervisor-down", words + seen
    evidence = {"lease_expired_seconds": ago, "supervisor_age_seconds": facts.supervisor_age, **_life(run, facts)}
    return Explanation(code, words, evidence, until, *_supervisor(facts), tone="bad")


def _worker_gone(run: Run, facts: Facts) -> Explanation | None:
    worker = _claim(run).worker
    if facts.is_alive(worker):
        return None
    left = (_claim(run).until - facts.now).total_seconds()
    if worker.stopped_at:
        code, since = "worker-stopped", worker.stopped_at
        words = f"Its worker {worker.name} has stopped."
    else:
        age = span(facts.age(worker.heartbeat_at) or 0.0)
        words = f"Its worker {worker.name} has not beaten for {age}: dead, stopped or cut off from the database."
        code, since = "worker-late", worker.heartbeat_at
    words += f" Its lease ends in {span(left)}; then the run is taken over."
    evidence = {"lease_left_seconds": left, "host": worker.host, "pid": worker.pid, **_life(run, facts)}
    return Explanation(code, words, evidence, since, *_supervisor(facts), tone="bad")


def _never_beat(run: Run, facts: Facts) -> Explanation | None:
    claimed, beat = _claim(run).at, run.control.heartbeat_at
    last = max(claimed, beat) if beat else claimed
    age = facts.age(last) or 0.0
    if age <= conf.HEARTBEAT_TIMEOUT_SECONDS:
        return None
    never = beat is None or beat < claimed
    words = "Its worker has not beaten for it once" if never else "Its worker has not beaten for it"
    return Explanation(
        "never-beat" if never else "heartbeat-stale",
        f"{words} since {span(age)}; {span(conf.HEARTBEAT_TIMEOUT_SECONDS)} is the limit.",
        _life(run, facts) | {"timeout_seconds": conf.HEARTBEAT_TIMEOUT_SECONDS},
        last,
        *_supervisor(facts),
        tone="bad",
    )


def _not_started(run: Run, facts: Facts) -> Explanation | None:
    if run.state not in (State.CLAIMED, State.RESUMING):
        return None
    claim = _claim(run)
    age, name = facts.age(claim.at) or 0.0, claim.worker.name
    if age <= stuck_after(run.agent):
        words = f"Worker {name} took it {span(age)} ago and is about to start the agent."
        return Explanation("starting", words, _life(run, facts), claim.at, "Nobody needs to act.")
    words = f"Worker {name} took it {span(age)} ago and has not started the agent."
    who, action = "Whoever may cancel runs or drain workers", see_workers("See the worker", "drain_worker", name)
    evidence = _life(run, facts) | {"claimed_seconds": age}
    return Explanation("never-started", words, evidence, claim.at, who, action, tone="bad")


def _overdue(run: Run, facts: Facts) -> Explanation | None:
    deadline = run.control.deadline
    if deadline is None or deadline > facts.now:
        return None
    words = f"Its deadline passed {span(facts.age(deadline) or 0.0)} ago; its worker is ending it."
    return Explanation("deadline-passed", words, _life(run, facts), deadline, "Its worker, by itself", tone="warn")


def _looping(run: Run, facts: Facts) -> Explanation | None:
    loop = facts.loops.get(run.pk)
    if loop is None:
        return None
    words = f"It seems to loop: {loop['step']} was called {loop['times']} times with the same arguments"
    words += f" and took {loop['tokens']:,} tokens." if loop["tokens"] else "."
    evidence = {"same_call": loop["step"], "times": loop["times"], "tokens": loop["tokens"], **_life(run, facts)}
    return Explanation("looping", words, evidence, run.state_since, *_cancel(run), tone="bad")


def _silent(run: Run, facts: Facts) -> Explanation | None:
    moved = max(run.updated_at, run.control.progress_at or run.updated_at)
    age = facts.age(moved) or 0.0
    if age <= stuck_after(run.agent):
        return None
    step = facts.steps.get(run.pk)
    where = f" in step {step.key}" if step else " between two steps"
    usual = facts.usual.get(step.name) if step else None
    beside = f" It usually takes at most {span(usual)}." if usual is not None else ""
    evidence = _life(run, facts) | {
        "no_progress_seconds": age,
        "limit_seconds": stuck_after(run.agent),
        "step": step.key if step else None,
        "usual_p95_seconds": usual,
    }
    words = f"Its worker lives, but the agent has not moved for {span(age)}{where}.{beside}"
    return Explanation("no-progress", words, evidence, moved, *_cancel(run), tone="bad")


def _cancel(run: Run) -> tuple[str, Action]:
    return "Whoever may cancel runs", see_run(run.pk, "Cancel the run", "cancel_run")


def _working(run: Run, facts: Facts) -> Explanation:
    step = facts.steps.get(run.pk)
    doing = f"step {step.key} for {span(facts.age(step.started_at) or 0.0)}" if step else "the agent's own code"
    beat = facts.age(run.control.heartbeat_at)
    alive = f" Last heartbeat {span(beat)} ago." if beat is not None else ""
    evidence = _life(run, facts) | {"step": step.key if step else None}
    words = f"It works: {doing}.{alive}"
    return Explanation("working", words, evidence, run.state_since, "Nobody needs to act.", tone="ok")

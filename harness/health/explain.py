"""Why a run stands where it does: the predicate that holds it, evidence, who can clear it, and the button."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from harness import transitions
from harness.health.facts import Facts, look
from harness.health.held import cancelling, held
from harness.health.said import Action, Explanation, span
from harness.health.stuck import StuckQuery
from harness.health.waiting import waiting
from harness.models import Run
from harness.states import TERMINAL, State


def explain(run: Run) -> Explanation:
    """Why this run stands where it does; always a sentence, also for one that works or has ended."""
    (_, said), *_ = _explained([run], with_position=True) or [(run, _vanished())]
    return said


def explain_many(runs: Sequence[Run]) -> list[tuple[Run, Explanation]]:
    """The same for a list, in its order, in a fixed number of queries."""
    return _explained(runs)


def _explained(runs: Sequence[Run], *, with_position: bool = False) -> list[tuple[Run, Explanation]]:
    loaded = StuckQuery().marked().filter(pk__in=[run.pk for run in runs])
    found = {run.pk: run for run in loaded}
    facts = look(list(found.values()))
    if with_position:
        facts.ahead = {run.pk: transitions.waiting_ahead(run.queue_row) for run in found.values() if _waits(run)}
    return [(found[run.pk], _one(found[run.pk], facts)) for run in runs if run.pk in found]


def _one(run: Any, facts: Facts) -> Explanation:
    said = _say(run, facts)
    tone = "warn" if run.is_stuck and said.tone in ("info", "ok") else said.tone
    return replace(said, stuck=run.is_stuck, tone=tone)


def _say(run: Run, facts: Facts) -> Explanation:
    if run.state in TERMINAL:
        return _ended(run)
    if run.state == State.WAITING:
        return _undecided(run, facts)
    row = getattr(run, "queue_row", None)
    if row is None:
        return _inconsistent(run, "it is in no queue, although its state says that it waits for or holds a worker")
    if row.claimed_by_id is None:
        waits = run.state in (State.QUEUED, State.RESUMING)
        return waiting(run, facts) if waits else _inconsistent(run, "its state holds a worker, yet nobody claimed it")
    return cancelling(run, facts) if run.state == State.CANCELLING else held(run, facts)


def _waits(run: Run) -> bool:
    row = getattr(run, "queue_row", None)
    return row is not None and row.claimed_by_id is None


def _ended(run: Run) -> Explanation:
    took = (run.finished_at - (run.started_at or run.created_at)).total_seconds() if run.finished_at else 0.0
    because = f": {run.reason.removeprefix('cancelled: ')}" if run.reason not in ("", "cancelled") else ""
    words = f"{run.get_state_display()} after {span(took)}{because}."
    tone = {"completed": "ok", "failed": "bad"}.get(run.state, "info")
    return Explanation(str(run.state), words, {"seconds": took}, run.finished_at, "Nobody: it has ended.", tone=tone)  # type: ignore[arg-type]


def _undecided(run: Run, facts: Facts) -> Explanation:
    pending = facts.pending.get(run.pk, [])
    if not pending:
        return _inconsistent(run, "it waits for a decision, yet nothing is pending")
    first = pending[0]
    left = (first.expires_at - facts.now).total_seconds() if first.expires_at else None
    assignee = first.assignee.get_username() if first.assignee else None
    overdue = left is not None and left <= 0
    asked = f"{first.tool} ({first.step_key})" if first.kind != "recovery" else f"what became of {first.step_key}"
    more = f" and {len(pending) - 1} more" if len(pending) > 1 else ""
    words = f"Waits for a person to decide on {asked}{more}"
    if overdue:
        words += f"; the deadline passed {span(-(left or 0))} ago."
    else:
        words += f"; {span(left)} left." if left is not None else "."
    evidence = {"pending": len(pending), "tool": first.tool, "deadline_seconds": left, "assignee": assignee}
    return Explanation(
        "approval-overdue" if overdue else "waiting-for-approval",
        words,
        evidence | {"waiting_seconds": facts.age(first.created_at)},
        first.created_at,
        assignee or "Anyone who may decide approvals",
        Action("Decide", "resolve_approval", str(first.pk), "dashboard:approval", (str(first.pk),)),
        tone="bad" if overdue else "info",
    )


def _inconsistent(run: Run, what: str) -> Explanation:
    words = f"The ledger contradicts itself: {what}. Checked: state, queue row, claim, approvals."
    action = Action("Check the invariants: manage.py check_invariants", "check_invariants", str(run.pk))
    return Explanation(
        "inconsistent", words, {"state": run.state}, run.state_since, "An administrator", action, tone="bad"
    )


def _vanished() -> Explanation:
    return Explanation("gone", "This run no longer exists: it was pruned.", who="Nobody.")

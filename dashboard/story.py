"""What happened to a run, in sentences: the same facts as its timeline, for reading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from dashboard.templatetags.words import span as duration
from harness.models import Event, Step
from harness.states import StepStatus

Facts = dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """`tone` is good, bad, wait, stop or plain; `href` leads to the detail on the same page."""

    at: datetime
    words: str
    tone: str = "plain"
    href: str = ""


def tell(life: Sequence[Event], steps: Sequence[Step]) -> list[Entry]:
    """Both in the order of their happening; steps of one name that went well in a row are one sentence.

    A step that a person refused never began: the decision tells of it.
    """
    rows: list[Event | Step] = [*_heard(life), *(step for step in steps if step.executions)]
    happened = sorted(rows, key=_moment)
    return [_entry(list(group)) for _, group in groupby(happened, key=_alike)]


def _heard(life: Sequence[Event]) -> list[Event]:
    """Without what the sentence before or after says as well."""
    after_requeue = {event.seq + 1 for event in life if event.type == "run.requeued"}
    return [event for event in life if event.type not in UNTOLD and event.seq not in after_requeue]


def _moment(row: Event | Step) -> datetime:
    return row.created_at if isinstance(row, Event) else row.started_at


def _alike(row: Event | Step) -> object:
    """Neighbours with the same answer are told in one sentence."""
    if isinstance(row, Step) and row.status == StepStatus.FINISHED:
        return row.name
    return row.pk


def _entry(group: list[Any]) -> Entry:
    first = group[0]
    if isinstance(first, Event):
        return Entry(first.created_at, words(first), tone(first), f"#event-{first.seq}")
    if first.status == StepStatus.FINISHED:
        return _went_well(first.name, group)
    return _went_otherwise(first)


def words(event: Event) -> str:
    """One event as a sentence; of an unknown type, its type."""
    facts = event.payload if isinstance(event.payload, dict) else {}
    sentence = SENTENCES.get(event.type)
    if sentence:
        return sentence(facts, who(event.actor))
    if event.type.startswith("custom."):
        return f"The agent says: {event.type.removeprefix('custom.')}"
    return event.type


def tone(event: Event) -> str:
    facts = event.payload if isinstance(event.payload, dict) else {}
    if event.type == "approval.resolved" and facts.get("decision") not in ("approve", "edit"):
        return "stop"
    return TONES.get(event.type, "plain")


def who(actor: str) -> str:
    """An actor by the name people know: workers and the system are not persons."""
    if actor.startswith("worker:"):
        return "a worker"
    return {"": "the system", "agent": "the agent", "system": "the system", "supervisor": "the supervisor"}.get(
        actor, actor
    )


def _because(facts: Facts, *keys: str) -> str:
    reason = str(next((facts[key] for key in (*keys, "reason") if facts.get(key)), ""))
    return f": {REASONS.get(reason, reason)}" if reason else ""


def _queued(facts: Facts, by: str) -> str:
    where = f"Queued in {facts.get('queue', 'its queue')}"
    place = f", number {facts['position']} in line" if facts.get("position") else ""
    limit = facts.get("limit") or facts.get("overall_limit")
    holders = f", {facts['active']} of {limit} slots taken" if limit else ""
    return where + place + holders + _because(facts, "reclaim_reason")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _resolved(facts: Facts, by: str) -> str:
    what = {
        "approve": "Approved",
        "edit": "Approved with changed arguments",
        "reject": "Rejected",
        "cancel": "Closed with the cancel",
        "expire": "Deadline passed",
    }.get(str(facts.get("decision", "")), "Decided")
    return f"{what}{_tool(facts)} by {by}{_because(facts)}"


def _tool(facts: Facts) -> str:
    return f" {facts['tool']}" if facts.get("tool") else ""


SENTENCES: dict[str, Callable[[Facts, str], str]] = {
    "run.created": lambda facts, by: f"Asked for by {by}",
    "run.queued": _queued,
    "run.requeued": lambda facts, by: f"Put back in the queue{_because(facts, 'reclaim_reason')}",
    "run.dequeued": lambda facts, by: "Taken by a worker",
    "run.claimed": lambda facts, by: "Claimed by a worker",
    "run.started": lambda facts, by: "The agent started",
    "run.resumed": lambda facts, by: RESUMED.get(facts.get("kind", ""), "The agent went on"),
    "run.state_changed": lambda facts, by: f"Now {str(facts.get('state')).replace('_', ' ')}{_because(facts)}",
    "run.lease_lost": lambda facts, by: f"Its worker was lost{_because(facts, 'why')}",
    "run.completed": lambda facts, by: "Completed",
    "run.failed": lambda facts, by: f"Failed{_because(facts)}",
    "run.cancelled": lambda facts, by: _sentence(facts.get("reason") or "cancelled"),
    "cancel.requested": lambda facts, by: f"{by} asked to cancel it{_because(facts)}",
    "approval.requested": lambda facts, by: f"Asked a person{_tool(facts) and ' about' + _tool(facts)}",
    "approval.resolved": _resolved,
    "artifact.saved": lambda facts, by: f"Saved the file {facts.get('name', '')}",
    "step.started": lambda facts, by: f"{facts.get('key', 'A step')} began",
    "step.finished": lambda facts, by: f"{facts.get('key', 'A step')} finished",
    "step.failed": lambda facts, by: f"{facts.get('key', 'A step')} failed{_because(facts, 'message')}",
    "step.unknown": lambda facts, by: f"Nobody knows whether {facts.get('key', 'a step')} happened",
}

REASONS = {
    "expired-lease": "its lease ran out",
    "horse-died": "the process that executed it died",
    "drained": "its worker is shutting down",
    "drain": "its worker is shutting down",
    "sleep": "it sleeps",
    "cancel-overdue": "it did not stop in time",
}
UNTOLD = {"run.claimed", "run.created", "run.state_changed"}
"""What the sentence of the next or the former event says as well."""
RESUMED: dict[str, str] = {
    "approval": "The agent went on with what was decided",
    "recovery": "The agent went on with what a person said of the lost step",
    "interrupted-resume": "The interrupted resume was taken up again",
}
TONES = {
    "run.completed": "good",
    "run.failed": "bad",
    "run.cancelled": "stop",
    "cancel.requested": "stop",
    "run.lease_lost": "bad",
    "step.failed": "bad",
    "step.unknown": "bad",
    "approval.requested": "wait",
    "approval.resolved": "good",
}


def _went_well(name: str, group: list[Step]) -> Entry:
    took = sum((_took(step) for step in group), 0.0)
    often = f", {len(group)} times" if len(group) > 1 else ""
    return Entry(group[0].started_at, f"{name} done{often} in {duration(took)}", "plain", f"#step-{group[0].seq}")


def _went_otherwise(step: Step) -> Entry:
    href = f"#step-{step.seq}"
    if step.status == StepStatus.STARTED:
        return Entry(step.started_at, f"{step.name} is being executed", "wait", href)
    if step.status == StepStatus.UNKNOWN:
        return Entry(step.started_at, f"{step.name} was cut off: nobody knows whether it happened", "bad", href)
    error = step.error if isinstance(step.error, dict) else {}
    why = ": ".join(str(error[key]) for key in ("type", "message") if error.get(key)) or "no reason given"
    return Entry(step.started_at, f"{step.name} failed after {duration(_took(step))}: {why[:300]}", "bad", href)


def _took(step: Step) -> float:
    return (step.finished_at - step.started_at).total_seconds() if step.finished_at else 0.0

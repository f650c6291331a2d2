"""One time axis for a run: what it was doing when. Drawn by the server; positions are percent of the width."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from dashboard.scale import Bar, Mark, Scale
from dashboard.templatetags.words import span as duration
from harness.models import Approval, Event, Run, Step
from harness.states import TERMINAL, ApprovalStatus, State, StepStatus

MAX_STEP_LANES = 8
MARKS = {
    "run.dequeued": ("claim", "Taken by a worker"),
    "run.lease_lost": ("recovery", "The worker was lost"),
    "run.requeued": ("recovery", "Put back in the queue"),
    "cancel.requested": ("cancel", "Cancel requested"),
}


@dataclass
class Lane:
    name: str
    bars: list[Bar] = field(default_factory=list)


@dataclass(frozen=True)
class Timeline:
    lanes: list[Lane]
    marks: list[Mark]
    folds: list[Bar]
    ticks: list[Mark]
    total: str


def draw(
    run: Run, life: Sequence[Event], steps: Sequence[Step], approvals: Sequence[Approval], now: datetime
) -> Timeline:
    """The picture of a run from its events (in order), steps and approvals; `now` ends what still goes on."""
    steps = [step for step in steps if step.executions]
    end = run.finished_at or now
    scale = Scale(run.created_at, end, [(step.started_at, step.finished_at or end) for step in steps])
    lanes = [_states(scale, life, end), _approvals(scale, approvals, end), *_steps(scale, steps, end)]
    return Timeline(
        lanes=[lane for lane in lanes if lane.bars],
        marks=[_mark(scale, event) for event in life if event.type in MARKS],
        folds=[scale.bar(a, b, "fold", duration(b - a)) for a, b in scale.folds],
        ticks=scale.ticks(),
        total=duration(end - run.created_at),
    )


def _mark(scale: Scale, event: Event) -> Mark:
    kind, words = MARKS[event.type]
    return Mark(scale(event.created_at), kind, f"{words}, {duration(event.created_at - scale.start)} after the start")


def _states(scale: Scale, life: Sequence[Event], end: datetime) -> Lane:
    moves = [(event.created_at, event.payload["state"]) for event in life if _state_of(event)]
    if moves and moves[0][1] == State.QUEUED:
        moves[0] = (scale.start, State.QUEUED)
    entered = [move for before, move in pairwise([(end, ""), *moves]) if before[1] != move[1]]
    lane = Lane("State")
    for (start, state), (until, _) in pairwise([*entered, (end, "")]):
        if state not in TERMINAL:
            label = f"{State(state).label} for {duration(until - start)}"
            lane.bars.append(scale.bar(start, until, f"state-{state}", label))
    return lane


def _state_of(event: Event) -> bool:
    return isinstance(event.payload, dict) and event.payload.get("state") in State.values


def _approvals(scale: Scale, approvals: Sequence[Approval], end: datetime) -> Lane:
    return Lane("Approvals", [_asked(scale, each, end) for each in approvals])


def _asked(scale: Scale, asked: Approval, end: datetime) -> Bar:
    until = asked.decided_at or end
    took = duration(until - asked.created_at)
    said = "waiting" if asked.status == ApprovalStatus.PENDING else asked.get_status_display().lower()
    by = f" by {asked.decided_by_name}" if asked.decided_by_name else ""
    label = f"{asked.tool or asked.get_kind_display()}: {said}{by} after {took}"
    return scale.bar(asked.created_at, until, f"approval-{asked.status}", label, f"#approval-{asked.pk}")


def _steps(scale: Scale, steps: Sequence[Step], end: datetime) -> list[Lane]:
    """One lane for each of the commonest names, in order of appearance, and one for all the others."""
    named = {name for name, _ in Counter(step.name for step in steps).most_common(MAX_STEP_LANES)}
    lanes: dict[str, Lane] = {}
    for step in steps:
        name = step.name if step.name in named else "other steps"
        lanes.setdefault(name, Lane(name)).bars.append(_step(scale, step, end))
    return list(lanes.values())


def _step(scale: Scale, step: Step, end: datetime) -> Bar:
    until = step.finished_at or end
    running = step.status == StepStatus.STARTED
    said = f"running for {duration(until - step.started_at)}" if running else _ended(step, until)
    return scale.bar(step.started_at, until, f"step-{step.status}", f"{step.key}: {said}", f"#step-{step.seq}")


def _ended(step: Step, until: datetime) -> str:
    return f"{step.get_status_display().lower()} after {duration(until - step.started_at)}"

"""One run with everything that its page shows: a fixed number of queries, and never more than the beginning of a
huge value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404

from dashboard import payload
from dashboard.payload import Payload, previews
from harness.models import Approval, Artifact, Event, Role, Run, Step, ThreadMessage
from harness.states import State

STEPS = EVENTS = 100
LIFE = 300
SMALL, LARGE = 2_000, 50_000
HEAVY = ["output", "error"]
OTHERS = [f"{other}__{field}" for other in ("retry_of", "forked_from") for field in HEAVY]


@dataclass(frozen=True)
class StepView:
    """A step with what it was given and what came of it."""

    step: Step
    args: Payload | None
    result: Payload | None


@dataclass(frozen=True)
class EventView:
    event: Event
    payload: Payload | None


@dataclass(frozen=True)
class MessageView:
    message: ThreadMessage
    content: Payload | None


@dataclass(frozen=True)
class RunPage:
    """Lists are in the order of their happening; `earlier_*` is the number from which an earlier page goes back."""

    run: Run
    steps: list[StepView]
    earlier_steps: int | None
    approvals: list[Approval]
    life: list[Event]
    events: list[EventView]
    earlier_events: int | None
    artifacts: list[Artifact]
    messages: list[MessageView]
    retries: list[Run]

    @cached_property
    def input(self) -> Payload | None:
        """What the person asked for: it stays in the thread when the request is cleared."""
        asked = (view.content for view in self.messages if view.message.role == Role.USER)
        return next(asked, None)

    @property
    def talk(self) -> bool:
        """True if more was said than the question and its answer."""
        return len(self.messages) > 2

    @cached_property
    def output(self) -> Payload | None:
        return payload.of(self.run, "output", LARGE)

    @cached_property
    def error(self) -> Payload | None:
        return payload.plain(self.run, "error", LARGE)


def page(run_id: UUID, *, steps_before: int | None = None, events_before: int | None = None) -> RunPage:
    """Raises Http404. Eight queries."""
    run = header(run_id)
    steps, earlier_steps = _last(steps_of(run_id), STEPS, steps_before)
    events, earlier_events = _last(events_of(run_id), EVENTS, events_before)
    life = Event.objects.filter(run=run_id).exclude(type__startswith="step.").order_by("-seq")[:LIFE]
    return RunPage(
        run=run,
        steps=[StepView(each, payload.of(each, "args", SMALL), payload.of(each, "result", SMALL)) for each in steps],
        earlier_steps=earlier_steps,
        approvals=list(Approval.objects.of_run(run_id)),
        life=list(life)[::-1],
        events=[EventView(each, payload.of(each, "payload", SMALL)) for each in events],
        earlier_events=earlier_events,
        artifacts=list(Artifact.objects.filter(run=run_id).order_by("id")),
        messages=messages_of(Q(run=run_id)),
        retries=list(Run.objects.filter(Q(retry_of=run_id) | Q(forked_from=run_id)).defer(*HEAVY)),
    )


def header(run_id: UUID) -> Run:
    """The run with what its head line and its buttons show. Raises Http404. One query."""
    related = ("thread", "control__worker", "queue_row", "retry_of", "forked_from", "created_by")
    runs = Run.objects.select_related(*related).defer(*HEAVY, *OTHERS)
    return get_object_or_404(runs.annotate(**previews(LARGE, output="output", error="error")), pk=run_id)


def pending(run: Run) -> list[Approval]:
    """The questions that it waits for."""
    return list(Approval.objects.of_run(run.pk).pending()) if run.state == State.WAITING else []


def complete(run_id: UUID) -> Run:
    """With its whole output and error. Raises Http404."""
    return get_object_or_404(Run, pk=run_id)


def steps_of(run_id: UUID) -> QuerySet[Step]:
    return (
        Step.objects.filter(run=run_id)
        .defer("args", "result")
        .annotate(**previews(SMALL, args="args", result="result"))
    )


def events_of(run_id: UUID) -> QuerySet[Event]:
    return Event.objects.filter(run=run_id).defer("payload").annotate(**previews(SMALL, payload="payload"))


def messages_of(which: Q, limit: int = 200) -> list[MessageView]:
    """The last messages, the oldest first."""
    rows = ThreadMessage.objects.filter(which).defer("content").annotate(**previews(LARGE, content="content"))
    return [MessageView(row, payload.of(row, "content", LARGE)) for row in list(rows.order_by("-id")[:limit])[::-1]]


def _last(rows: QuerySet[Any], size: int, before: int | None) -> tuple[list[Any], int | None]:
    """The last `size` rows before a number, and the number from which the page before them goes back."""
    wanted = rows.filter(seq__lt=before) if before else rows
    found = list(wanted.order_by("-seq")[: size + 1])
    earlier = found[size - 1].seq if len(found) > size else None
    return found[:size][::-1], earlier


# --- One value, whole ------------------------------------------------------------------------------------------------


PARTS: dict[str, Callable[[UUID, int], QuerySet[Any]]] = {
    "output": lambda run, n: Run.objects.filter(pk=run).values_list("output", flat=True),
    "error": lambda run, n: Run.objects.filter(pk=run).values_list("error", flat=True),
    "input": lambda run, n: _said(run).values_list("content", flat=True),
    "args": lambda run, n: Step.objects.filter(run=run, seq=n).values_list("args", flat=True),
    "result": lambda run, n: Step.objects.filter(run=run, seq=n).values_list("result", flat=True),
    "event": lambda run, n: Event.objects.filter(run=run, seq=n).values_list("payload", flat=True),
}


def whole(run_id: UUID, part: str, number: int) -> Any:
    """A value that the page shows cut. Raises Http404."""
    found = list(PARTS[part](run_id, number)[:1]) if part in PARTS else []
    if not found:
        raise Http404("There is no such value.")
    return found[0]


def _said(run_id: UUID) -> QuerySet[ThreadMessage]:
    return ThreadMessage.objects.filter(run=run_id, role=Role.USER).order_by("id")

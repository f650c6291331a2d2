"""Invariants of the event history: it has no gap, tells only allowed moves, and folds to the state."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, F, Max, Min, OuterRef, Q, QuerySet, Subquery, TextField, Value, Window
from django.db.models.functions import Concat, Lag

from harness.invariants.base import invariant, told
from harness.models import Event, Run
from harness.states import MOVES, TERMINAL, State


def moves() -> QuerySet[Any]:
    """Events that carry a state, each with the state before it (`old`, None for the first) and its own (`new`)."""
    return (
        Event.objects.filter(payload__has_key="state")
        .order_by()
        .annotate(new=told("state"))
        .annotate(old=Window(Lag("new"), partition_by="run_id", order_by="seq"))
    )


@invariant(1, "Something changed the state of a run after its end.")
def terminal_is_final() -> QuerySet[Event]:
    return moves().filter(old__in=sorted(TERMINAL))


@invariant(2, "The run made a move that the table of moves does not allow.")
def only_allowed_moves() -> QuerySet[Event]:
    allowed = [f"{old}>{new}" for old, targets in MOVES.items() for new in targets]
    changed = moves().filter(old__isnull=False).exclude(old=F("new"))
    return changed.annotate(move=Concat("old", Value(">"), "new", output_field=TextField())).exclude(move__in=allowed)


@invariant(2, "The run did not begin its life queued.")
def begins_queued() -> QuerySet[Run]:
    return Run.objects.annotate(first=_state_told("seq")).exclude(first=State.QUEUED)


@invariant(3, "A claim did not raise the epoch.")
def claims_raise_the_epoch() -> QuerySet[Event]:
    before = Window(Lag("epoch"), partition_by="run_id", order_by="seq")
    claims = Event.objects.filter(type="run.claimed").order_by().annotate(before=before)
    return claims.filter(before__gte=F("epoch"))


@invariant(3, "The run's epoch is lower than one of its events.")
def epoch_never_falls() -> QuerySet[Run]:
    return Run.objects.annotate(highest=Max("events__epoch")).filter(highest__gt=F("epoch"))


@invariant(4, "A worker wrote to the history after its epoch had passed.")
def no_late_writes() -> QuerySet[Event]:
    before = Window(Max("epoch"), partition_by="run_id", order_by="seq")
    return Event.objects.filter(epoch__gt=0).order_by().annotate(reached=before).filter(reached__gt=F("epoch"))


@invariant(18, "The history has a gap, or does not end at the run's last event.")
def no_gap() -> QuerySet[Run]:
    counted = Run.objects.annotate(n=Count("events"), first=Min("events__seq"), last=Max("events__seq"))
    return counted.filter(~Q(n=F("event_seq")) | ~Q(last=F("event_seq")) | ~Q(first=1) | Q(event_seq=0))


@invariant(18, "The history does not fold to the state of the run.")
def folds_to_the_state() -> QuerySet[Run]:
    return Run.objects.annotate(folded=_state_told("-seq")).exclude(folded=F("state"))


def _state_told(order: str) -> Subquery:
    """The state that the first event (by `order`) of the outer run tells which tells one."""
    moved = Event.objects.filter(run_id=OuterRef("pk"), payload__has_key="state").order_by(order)
    return Subquery(moved.annotate(new=told("state")).values("new")[:1])

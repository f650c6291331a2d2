"""Which runs are stuck: one predicate in SQL, by the database's clock, so that lists, counts and pages agree."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property

from django.db.models import BooleanField, Case, Exists, OuterRef, Q, Value, When
from django.db.models.expressions import Combinable

from harness import recovery
from harness.clock import Now
from harness.conf import conf
from harness.health.facts import loops
from harness.health.thresholds import overrides
from harness.models import Approval, Run, RunQueue, Worker
from harness.models.run import RunQuerySet
from harness.states import AWAITING_WORKER, HOLDING, State


class StuckQuery:
    """The predicate with what it needs to know first (three queries): queues that nobody serves, runs that loop."""

    @cached_property
    def predicate(self) -> Q:
        """A run that waits for later, sleeps, or waits for a person in time is not stuck."""
        return (
            self._quiet() | _late_heartbeat() | _late_cancel() | _late_approval() | self._unserved() | self._looping()
        )

    def rows(self) -> RunQuerySet:
        """The stuck ones, the longest without an update first."""
        return Run.objects.active().filter(self.predicate).order_by("updated_at", "id")

    def marked(self) -> RunQuerySet:
        """Runs with `is_stuck` and everything of theirs that an explanation needs."""
        mark = Case(When(self.predicate, then=Value(True)), default=Value(False), output_field=BooleanField())
        rows = Run.objects.select_related("control", "queue_row", "queue_row__claimed_by").annotate(is_stuck=mark)
        return rows.defer("output", "error")

    def _quiet(self) -> Q:
        """No update for STUCK_AFTER_SECONDS, or for as long as its agent allows."""
        own = overrides()
        quiet = _quiet_for(conf.STUCK_AFTER_SECONDS) & ~Q(agent__in=sorted(own))
        for agent, seconds in own.items():
            quiet |= _quiet_for(seconds) & Q(agent=agent)
        return quiet

    def _unserved(self) -> Q:
        """Due, and no live worker takes runs of its queue."""
        waiting = set(RunQueue.objects.due().order_by().values_list("queue_key", flat=True).distinct())
        alive = Worker.objects.workers().alive().filter(draining_at__isnull=True).values_list("queues", flat=True)
        unserved = waiting - {key for queues in alive for key in queues}
        return Q(
            state__in=AWAITING_WORKER,
            queue_row__claimed_by__isnull=True,
            queue_row__queue_key__in=sorted(unserved),
            queue_row__available_at__lte=_ago(conf.HEARTBEAT_TIMEOUT_SECONDS),
        )

    def _looping(self) -> Q:
        return Q(pk__in=sorted(loops()))


def _ago(seconds: float) -> Combinable:
    return Now() - timedelta(seconds=seconds)


def _quiet_for(seconds: float) -> Q:
    since = _ago(seconds)
    due = Q(queue_row__claimed_by__isnull=False) | Q(queue_row__available_at__lte=since)
    return Q(state__in=HOLDING | AWAITING_WORKER, updated_at__lte=since) & due


def _late_heartbeat() -> Q:
    """Its lease ran out, or nobody has beaten for it since the claim or for the timeout."""
    since = _ago(conf.HEARTBEAT_TIMEOUT_SECONDS)
    unbeaten = Q(control__heartbeat_at__isnull=True) | Q(control__heartbeat_at__lte=since)
    late = Q(queue_row__claimed_at__lte=since) & unbeaten
    return Q(queue_row__claimed_by__isnull=False) & (late | Q(queue_row__lease_expires_at__lte=Now()))


def _late_cancel() -> Q:
    return Q(state=State.CANCELLING, control__cancel_at__lte=Now() - recovery.cancel_patience())


def _late_approval() -> Q:
    return Q(Exists(Approval.objects.overdue().filter(run_id=OuterRef("pk"))), state=State.WAITING)

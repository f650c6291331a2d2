from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from harness import states
from harness.clock import Now
from harness.models.base import Identified
from harness.states import State

if TYPE_CHECKING:
    from harness.leases import Lease


class RunQuerySet(models.QuerySet["Run"]):
    def active(self) -> RunQuerySet:
        return self.exclude(state__in=states.TERMINAL)

    def ended(self) -> RunQuerySet:
        return self.filter(state__in=states.TERMINAL)

    def held_by(self, lease: Lease) -> RunQuerySet:
        """The leased run, or nothing once someone else has taken it over."""
        return self.filter(pk=lease.run_id, epoch=lease.epoch, state__in=states.HOLDING)

    def as_read(self, run: Run) -> RunQuerySet:
        """The run if it is still in the state and epoch in which it was read."""
        return self.filter(pk=run.pk, epoch=run.epoch, state=run.state)

    def of_thread(self, thread_id: UUID) -> RunQuerySet:
        return self.filter(thread_id=thread_id)

    def newest_first(self) -> RunQuerySet:
        return self.order_by("-created_at", "-id")


class Run(Identified):
    """One execution of an agent. Only harness.transitions writes it (and events its `event_seq`)."""

    thread = models.ForeignKey("harness.Thread", models.CASCADE, related_name="runs", db_index=False)
    agent = models.CharField(max_length=200)
    title = models.CharField(max_length=200, blank=True)
    state = models.CharField(max_length=32, choices=State.choices, default=State.QUEUED)
    state_since = models.DateTimeField(db_default=Now(), editable=False)
    epoch = models.PositiveIntegerField(default=0, help_text="Fencing token: rises with every claim and take-over.")
    attempt = models.PositiveIntegerField(default=0, help_text="How often a worker has claimed it.")
    crashes = models.PositiveIntegerField(default=0)
    priority = models.SmallIntegerField(default=0, help_text="Higher goes first.")
    queue_key = models.CharField(max_length=100, default="default")
    retry_of = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="retries")
    forked_from = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="forks")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    output = models.JSONField(null=True, blank=True)
    error = models.TextField(blank=True, help_text="What went wrong, with the traceback where there is one.")
    reason = models.CharField(max_length=500, blank=True, help_text="Why it ended or stands where it does, in a line.")
    tokens_in = models.PositiveBigIntegerField(default=0)
    tokens_out = models.PositiveBigIntegerField(default=0)
    cost = models.DecimalField(max_digits=14, decimal_places=6, default=0, help_text="US dollars.")
    event_seq = models.PositiveIntegerField(default=0, help_text="Sequence number of its last event.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    claimed_at = models.DateTimeField(null=True, blank=True, help_text="First claim.")
    started_at = models.DateTimeField(null=True, blank=True, help_text="First start of the agent.")
    finished_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = RunQuerySet.as_manager()

    class Meta:
        db_table = "harness_run"
        permissions = [
            ("start_run", "Can start a run"),
            ("cancel_run", "Can cancel a run"),
            ("force_cancel_run", "Can kill a run at once"),
            ("retry_run", "Can retry or fork a run"),
            ("view_payload", "Can see inputs, outputs and arguments"),
        ]
        indexes = [
            models.Index("created_at", "id", name="run_recent"),
            models.Index("state", "created_at", "id", name="run_by_state"),
            models.Index("agent", "created_at", "id", name="run_by_agent"),
            models.Index("queue_key", "created_at", "id", name="run_by_queue"),
            models.Index("thread", "created_at", "id", name="run_of_thread"),
            models.Index("updated_at", "id", condition=~Q(state__in=sorted(states.TERMINAL)), name="run_stale"),
            models.Index("finished_at", "id", condition=Q(finished_at__isnull=False), name="run_ended"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=State.values), name="run_state_known"),
            models.CheckConstraint(
                condition=Q(state__in=sorted(states.TERMINAL), finished_at__isnull=False)
                | (~Q(state__in=sorted(states.TERMINAL)) & Q(finished_at__isnull=True)),
                name="run_finished_exactly_when_terminal",
            ),
            models.CheckConstraint(
                condition=Q(claimed_at__isnull=True) | Q(claimed_at__gte=F("created_at")),
                name="run_created_before_claimed",
            ),
            models.CheckConstraint(
                condition=Q(started_at__isnull=True) | Q(started_at__gte=F("claimed_at")),
                name="run_claimed_before_started",
            ),
            models.UniqueConstraint(
                fields=["thread"], condition=Q(state__in=sorted(states.BUSY)), name="run_one_busy_per_thread"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.agent} {self.pk}"

    @property
    def is_terminal(self) -> bool:
        return self.state in states.TERMINAL

    @property
    def tokens(self) -> int:
        return self.tokens_in + self.tokens_out

from __future__ import annotations

from uuid import UUID

from django.db import models
from django.db.models import Q

from harness.clock import Now
from harness.models.base import Identified
from harness.states import ApprovalStatus, StepKind, StepStatus


class StepQuerySet(models.QuerySet["Step"]):
    def of_run(self, run_id: UUID) -> StepQuerySet:
        return self.filter(run_id=run_id).order_by("seq")

    def in_flight(self) -> StepQuerySet:
        return self.filter(status=StepStatus.STARTED)

    def begun(self) -> StepQuerySet:
        """All but those that a person refused: these are recorded as failed and were never executed."""
        return self.exclude(executions=0, status=StepStatus.FAILED)

    def unsafe(self) -> StepQuerySet:
        """Those that must not be executed a second time."""
        return self.filter(retryable=False)


class Step(Identified):
    """One entry of the journal: written before its effect starts, and once more when it ended."""

    run = models.ForeignKey("harness.Run", models.CASCADE, related_name="steps", db_index=False)
    seq = models.PositiveIntegerField(help_text="Order of first start within the run, from 1.")
    key = models.CharField(max_length=250, help_text="name#n: the n-th step of that name in the run.")
    kind = models.CharField(max_length=16, choices=StepKind.choices)
    name = models.CharField(max_length=200)
    args = models.JSONField(default=dict, help_text="What it is executed with (after an edit: the edited values).")
    args_digest = models.CharField(max_length=64, help_text="SHA-256 of what the agent asked for, canonical JSON.")
    retryable = models.BooleanField(default=False)
    status = models.CharField(max_length=16, choices=StepStatus.choices, default=StepStatus.STARTED)
    result = models.JSONField(null=True, blank=True)
    error = models.JSONField(null=True, blank=True, help_text='{"type": name, "message": text}')
    epoch = models.PositiveIntegerField(help_text="Epoch of the claim that executed it last.")
    executions = models.PositiveIntegerField(default=1)
    idempotency_key = models.CharField(max_length=64, help_text="The same for every execution of this step.")
    tokens_in = models.PositiveBigIntegerField(default=0)
    tokens_out = models.PositiveBigIntegerField(default=0)
    cost = models.DecimalField(max_digits=14, decimal_places=6, default=0)
    started_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = StepQuerySet.as_manager()

    class Meta:
        db_table = "harness_step"
        ordering = ["run", "seq"]
        indexes = [models.Index("run", condition=Q(status="started"), name="step_in_flight")]
        constraints = [
            models.UniqueConstraint(fields=["run", "seq"], name="step_seq_once"),
            models.UniqueConstraint(fields=["run", "key"], name="step_key_once"),
            models.CheckConstraint(condition=Q(status__in=StepStatus.values), name="step_status_known"),
            models.CheckConstraint(
                condition=Q(status="started", finished_at__isnull=True)
                | (~Q(status="started") & Q(finished_at__isnull=False)),
                name="step_finished_exactly_when_ended",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key} ({self.status})"

    @property
    def outcome(self) -> str:
        """Its status, or "rejected" where a person refused it before it began."""
        return ApprovalStatus.REJECTED if self.executions == 0 else self.status

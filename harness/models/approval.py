from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import Q

from harness.clock import Now
from harness.models.base import Identified
from harness.states import ApprovalKind, ApprovalStatus, Decision


class ApprovalQuerySet(models.QuerySet["Approval"]):
    def pending(self) -> ApprovalQuerySet:
        return self.filter(status=ApprovalStatus.PENDING)

    def of_run(self, run_id: UUID) -> ApprovalQuerySet:
        return self.filter(run_id=run_id).order_by("id")

    def overdue(self) -> ApprovalQuerySet:
        return self.pending().filter(expires_at__lte=Now())

    def inbox(self) -> ApprovalQuerySet:
        """What people should look at next: oldest deadline first."""
        return self.pending().order_by("expires_at", "id")


class Approval(Identified):
    """A question to a person, bound to a digest of exactly what was shown. Only harness.approvals writes it."""

    run = models.ForeignKey("harness.Run", models.CASCADE, related_name="approvals", db_index=False)
    step_key = models.CharField(max_length=250, help_text="The step that waits for it.")
    kind = models.CharField(max_length=16, choices=ApprovalKind.choices, default=ApprovalKind.TOOL)
    tool = models.CharField(max_length=200)
    summary = models.TextField(blank=True, help_text="The question, or what the tool does, in words.")
    args = models.JSONField(default=dict)
    digest = models.CharField(max_length=64, help_text="SHA-256 of tool and args as shown, canonical JSON.")
    args_schema = models.JSONField(null=True, blank=True, help_text="JSON Schema of what may be answered or edited.")
    status = models.CharField(max_length=16, choices=ApprovalStatus.choices, default=ApprovalStatus.PENDING)
    expires_at = models.DateTimeField(null=True, blank=True)
    on_expiry = models.CharField(max_length=16, default=Decision.REJECT, help_text="reject, approve or cancel")
    assignee = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    decision = models.CharField(max_length=16, choices=Decision.choices, blank=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    decided_by_name = models.CharField(max_length=150, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    reason = models.TextField(blank=True)
    edited_args = models.JSONField(null=True, blank=True)
    approved_digest = models.CharField(max_length=64, blank=True, help_text="Digest of what may now be executed.")
    consumed_at = models.DateTimeField(null=True, blank=True, help_text="When its one execution started.")
    epoch = models.PositiveIntegerField(help_text="Epoch of the claim that asked.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = ApprovalQuerySet.as_manager()

    class Meta:
        db_table = "harness_approval"
        permissions = [("resolve_approval", "Can decide approvals")]
        indexes = [
            models.Index("run", "id", name="approval_of_run"),
            models.Index("expires_at", "id", condition=Q(status="pending"), name="approval_inbox"),
            models.Index("status", "id", name="approval_by_status"),
            models.Index("tool", "status", "id", name="approval_by_tool"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(status__in=ApprovalStatus.values), name="approval_status_known"),
            models.CheckConstraint(
                condition=Q(status="pending", decided_at__isnull=True, decision="")
                | (~Q(status="pending") & Q(decided_at__isnull=False) & ~Q(decision="")),
                name="approval_decided_exactly_when_not_pending",
            ),
            models.UniqueConstraint(
                fields=["run", "step_key"], condition=Q(status="pending"), name="approval_one_pending_per_step"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tool} ({self.status})"

    @property
    def effective_args(self) -> object:
        """What may be executed: the edited arguments where a person changed them."""
        return self.args if self.edited_args is None else self.edited_args

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q


class RunControl(models.Model):
    """What was asked of a run, and its two signs of life (heartbeat: the process; progress: the agent)."""

    run = models.OneToOneField("harness.Run", models.CASCADE, primary_key=True, related_name="control")
    cancel_requested = models.BooleanField(default=False)
    cancel_reason = models.CharField(max_length=500, blank=True)
    cancel_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    cancel_by_name = models.CharField(max_length=150, blank=True)
    cancel_at = models.DateTimeField(null=True, blank=True)
    cancel_origin = models.CharField(max_length=32, blank=True, help_text="page, command, api, system ...")
    cancel_force = models.BooleanField(default=False, help_text="Kill at once instead of asking first.")
    told_at = models.DateTimeField(null=True, blank=True, help_text="When the worker was seen to know of the cancel.")
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    progress_at = models.DateTimeField(null=True, blank=True)
    progress = models.JSONField(null=True, blank=True, help_text='{"done": n, "total": n or null, "message": text}')
    worker = models.ForeignKey("harness.Worker", models.SET_NULL, null=True, blank=True, related_name="+")
    horse_pid = models.PositiveIntegerField(null=True, blank=True)
    deadline = models.DateTimeField(null=True, blank=True, help_text="The run is ended as failed when this passes.")
    receipt = models.JSONField(null=True, blank=True, help_text="How a cancelled or killed run really ended.")

    class Meta:
        db_table = "harness_run_control"
        indexes = [
            models.Index("cancel_at", condition=Q(cancel_requested=True), name="control_cancels"),
            models.Index("deadline", condition=Q(deadline__isnull=False), name="control_deadlines"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(cancel_requested=False) | Q(cancel_at__isnull=False), name="control_cancel_has_a_time"
            ),
        ]

    def __str__(self) -> str:
        return f"control of {self.run_id}"

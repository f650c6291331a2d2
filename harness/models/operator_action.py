from __future__ import annotations

from django.conf import settings
from django.db import models

from harness.clock import Now
from harness.models.base import Identified


class OperatorAction(Identified):
    """Who did, or tried to do, what to what and why. Append-only. Only harness.audit writes it."""

    action = models.CharField(max_length=64, help_text="The verb: start_run, cancel_run, resolve_approval ...")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    by_name = models.CharField(max_length=150, blank=True)
    allowed = models.BooleanField(default=True, help_text="False: the attempt was refused.")
    object_type = models.CharField(max_length=32)
    object_id = models.CharField(max_length=100)
    run_id = models.UUIDField(null=True, blank=True)
    epoch = models.PositiveIntegerField(null=True, blank=True)
    reason = models.TextField(blank=True)
    origin = models.CharField(max_length=32, help_text="page, admin, command, api, system")
    address = models.GenericIPAddressField(null=True, blank=True)
    before = models.JSONField(null=True, blank=True)
    after = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "harness_operator_action"
        indexes = [
            models.Index("created_at", "id", name="action_recent"),
            models.Index("run_id", "id", name="action_of_run"),
        ]

    def __str__(self) -> str:
        return f"{self.by_name or 'system'}: {self.action} {self.object_id}"

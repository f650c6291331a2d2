from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from harness.clock import Now


class QueueQuerySet(models.QuerySet["Queue"]):
    def paused(self) -> QueueQuerySet:
        """Those that hand out no runs now; a pause ends by itself at `paused_until`."""
        return self.filter(paused_at__isnull=False).filter(Q(paused_until__isnull=True) | Q(paused_until__gt=Now()))


class Queue(models.Model):
    """Settings of one queue key."""

    key = models.CharField(max_length=100, primary_key=True)
    max_concurrent_runs = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: no limit.")
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_until = models.DateTimeField(null=True, blank=True, help_text="Empty: until someone resumes it.")
    paused_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    paused_reason = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = QueueQuerySet.as_manager()

    class Meta:
        db_table = "harness_queue"
        permissions = [("pause_queue", "Can pause queues and set their limits")]

    def __str__(self) -> str:
        return self.key

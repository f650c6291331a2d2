from __future__ import annotations

from django.conf import settings
from django.db import models

from harness.clock import Now
from harness.models.base import Identified
from harness.states import State

IDLE = "idle"


class Thread(Identified):
    """A conversation with one agent. Its status mirrors its latest run."""

    agent = models.CharField(max_length=200, blank=True, db_index=True)
    title = models.CharField(max_length=200, blank=True)
    status = models.CharField(max_length=32, choices=[(IDLE, "Idle"), *State.choices], default=IDLE)
    metadata = models.JSONField(default=dict, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "harness_thread"
        indexes = [
            models.Index("updated_at", "id", name="thread_recent"),
            models.Index("status", "updated_at", "id", name="thread_by_status"),
        ]

    def __str__(self) -> str:
        return self.title or f"thread {self.pk}"

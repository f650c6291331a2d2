from __future__ import annotations

from django.db import models

from harness.clock import Now
from harness.models.base import Identified


class Event(Identified):
    """Something that happened to a run. Append-only, numbered without gaps. Only harness.events writes it."""

    run = models.ForeignKey("harness.Run", models.CASCADE, related_name="events", db_index=False)
    seq = models.PositiveIntegerField()
    type = models.CharField(max_length=100)
    payload = models.JSONField(default=dict)
    actor = models.CharField(max_length=200, blank=True, help_text="Who: a user, worker:<id>, supervisor, agent.")
    epoch = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "harness_event"
        ordering = ["run", "seq"]
        constraints = [models.UniqueConstraint(fields=["run", "seq"], name="event_seq_once")]
        indexes = [models.Index("created_at", name="event_recent")]

    def __str__(self) -> str:
        return f"{self.seq} {self.type}"

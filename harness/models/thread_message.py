from __future__ import annotations

from django.db import models

from harness.clock import Now
from harness.models.base import Identified


class Role(models.TextChoices):
    USER = "user", "User"
    ASSISTANT = "assistant", "Agent"
    SYSTEM = "system", "System"


class ThreadMessage(Identified):
    """One message of a thread: what a person sent, what the agent answered."""

    thread = models.ForeignKey("harness.Thread", models.CASCADE, related_name="messages", db_index=False)
    run = models.ForeignKey("harness.Run", models.CASCADE, null=True, blank=True, related_name="messages")
    role = models.CharField(max_length=16, choices=Role.choices)
    content = models.JSONField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "harness_thread_message"
        indexes = [models.Index("thread", "id", name="message_of_thread")]

    def __str__(self) -> str:
        return f"{self.role} in {self.thread_id}"

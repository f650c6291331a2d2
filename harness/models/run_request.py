from __future__ import annotations

from django.db import models


class RunRequest(models.Model):
    """What a run was asked to do, as long as it may still be executed. Cleared when the run ends."""

    run = models.OneToOneField("harness.Run", models.CASCADE, primary_key=True, related_name="request")
    input = models.JSONField(null=True, blank=True)
    invocation = models.JSONField(null=True, blank=True, help_text="Context, state and files of the call.")
    cleared_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "harness_run_request"

    def __str__(self) -> str:
        return f"request of {self.run_id}"

from __future__ import annotations

from django.db import models

from harness.clock import Now


class ResumeKind(models.TextChoices):
    """Why a run is being resumed."""

    APPROVAL = "approval", "Every approval was decided"
    RECOVERY = "recovery", "A person said what became of a lost step"
    INTERRUPTED = "interrupted-resume", "A resume was cut off and is taken up again"


class RecoveryIntent(models.Model):
    """A resume that must not be lost: there from the decision until the agent runs again."""

    run = models.OneToOneField("harness.Run", models.CASCADE, primary_key=True, related_name="recovery_intent")
    kind = models.CharField(max_length=32, choices=ResumeKind.choices)
    payload = models.JSONField(default=dict, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "harness_recovery_intent"

    def __str__(self) -> str:
        return f"{self.kind} of {self.run_id}"

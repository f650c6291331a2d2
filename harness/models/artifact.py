from __future__ import annotations

from django.db import models

from harness.clock import Now
from harness.models.base import Identified


def stored_name(artifact: Artifact, name: str) -> str:
    """Where the file lies in storage: by ids only, so no name given by an agent reaches the file system."""
    return f"artifacts/{artifact.run_id}/{artifact.pk}"


class Artifact(Identified):
    """A file that a run produced."""

    run = models.ForeignKey("harness.Run", models.CASCADE, related_name="artifacts", db_index=False)
    name = models.CharField(max_length=255, help_text="As the agent named it; shown, never used as a path.")
    content_type = models.CharField(max_length=100)
    size = models.PositiveBigIntegerField(help_text="Bytes.")
    sha256 = models.CharField(max_length=64)
    file = models.FileField(upload_to=stored_name, max_length=200)
    step_key = models.CharField(max_length=250, blank=True)
    epoch = models.PositiveIntegerField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "harness_artifact"
        indexes = [models.Index("run", "id", name="artifact_of_run")]

    def __str__(self) -> str:
        return self.name

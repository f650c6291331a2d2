"""The agent's sign of life: when it last moved, and how far it says it is."""

from __future__ import annotations

from typing import Any

from harness.clock import Now
from harness.db import unit
from harness.leases import Lease
from harness.models import Run, RunControl


def moved(lease: Lease) -> None:
    """The agent moved. The caller holds the run's row under this lease."""
    RunControl.objects.filter(run_id=lease.run_id).update(progress_at=Now())


@unit
def progress(lease: Lease, done: float | None = None, total: float | None = None, message: str = "") -> None:
    """Store how far the agent says it is; silently nothing once the lease is gone (the next step will say so)."""
    if not Run.objects.held_by(lease).update(updated_at=Now()):
        return
    said: dict[str, Any] = {"done": done, "total": total, "message": message[:500]}
    RunControl.objects.filter(run_id=lease.run_id).update(progress=said, progress_at=Now())

from __future__ import annotations

from dataclasses import dataclass

from harness import health
from harness.models import Approval


@dataclass(frozen=True)
class Counts:
    stuck: int
    pending: int

    @property
    def title(self) -> str:
        """How the browser's tab begins: "2 stuck, 5 to decide · ", or nothing."""
        words = [f"{self.stuck} stuck"] * bool(self.stuck) + [f"{self.pending} to decide"] * bool(self.pending)
        return f"{', '.join(words)} · " if words else ""


def counts() -> Counts:
    """Two queries."""
    return Counts(stuck=health.stuck_count(), pending=Approval.objects.pending().count())

"""The right to execute a run, until it runs out or is taken over."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Lease:
    """A claim on one run. Its epoch is the fencing token: every write under it names run and epoch."""

    run_id: UUID
    epoch: int
    worker_id: UUID
    queue_key: str
    thread_id: UUID
    agent: str
    resuming: bool = False

    def __str__(self) -> str:
        return f"run {self.run_id} epoch {self.epoch}"

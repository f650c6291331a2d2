"""Worker rows: one for each start of a worker or supervisor. The only writer of Worker, besides the beat."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from enum import Enum
from uuid import UUID

import harness
from harness.clock import Now
from harness.models import Worker


class Standing(Enum):
    """What the ledger wants of a worker."""

    WELCOME = "welcome"
    DRAINING = "draining"
    DISMISSED = "dismissed"
    """Taken for dead, or its row is gone: whatever it held belongs to others. It must start anew."""


def register(queues: Iterable[str], *, kind: str = Worker.Kind.WORKER, name: str = "") -> Worker:
    """Write the row of this process; its first beat is now."""
    host, pid = socket.gethostname(), os.getpid()
    return Worker.objects.create(
        kind=kind, name=name or f"{host}:{pid}", host=host, pid=pid, version=harness.__version__, queues=list(queues)
    )


def standing(worker_id: UUID) -> Standing:
    row = Worker.objects.filter(pk=worker_id).values("draining_at", "stopped_at").first()
    if row is None or row["stopped_at"]:
        return Standing.DISMISSED
    return Standing.DRAINING if row["draining_at"] else Standing.WELCOME


def drain(worker_id: UUID) -> bool:
    """Ask it to finish what it holds and stop; False if it was asked before, has stopped or is unknown."""
    return bool(Worker.objects.running().filter(pk=worker_id, draining_at=None).update(draining_at=Now()))


def stop(worker_id: UUID) -> bool:
    """It has ended, or is taken for dead; False if that was known before."""
    rows = Worker.objects.running().filter(pk=worker_id)
    return bool(rows.update(stopped_at=Now(), horse_pid=None))

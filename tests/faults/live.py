"""Real workers on the test's own database, with a Redis that can be stopped, and short timings.

The test acts and looks through Django; the workers are processes that share its database.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
from django.db import connection

from harness import control
from harness.models import Run, Worker
from tests.infra.redis import RedisServer
from tests.infra.service import Service, wait_until
from tests.infra.stack import MANAGE, ROOT, environment

TIMINGS = {
    "HEARTBEAT_INTERVAL_SECONDS": 0.2,
    "LEASE_SECONDS": 2.0,
    "CANCEL_GRACE_SECONDS": 0.6,
    "DRAIN_SECONDS": 3.0,
}


class Live:
    """`file` is where agents note what they did."""

    def __init__(self, folder: Path, redis: RedisServer) -> None:
        self.folder, self.redis, self.file = folder, redis, folder / "effects"
        self.services: list[Service] = []

    def worker(self, *options: str, command: str = "work", **settings: Any) -> Service:
        """One that is known to the ledger."""
        before = Worker.objects.count()
        service = self.command(command, *options, **settings)
        wait_until(lambda: Worker.objects.count() > before or not service.alive, seconds=60, what="the worker to begin")
        return service

    def command(self, *words: str, **settings: Any) -> Service:
        env = environment(self.folder, database_url()) | {"REDIS_URL": self.redis.url, "PYTHONPATH": str(ROOT)}
        env |= {"HARNESS_AGENTS": "tests.faults.worker_agents"}
        env |= {f"HARNESS_{key}": str(value) for key, value in (TIMINGS | settings).items()}
        log = self.folder / f"{words[0]}-{len(self.services)}.log"
        self.services.append(Service(words[0], [*MANAGE, *words], env=env, log=log))
        return self.services[-1]

    def start(self, agent: str, **request: Any) -> Run:
        return control.start_run(agent=agent, input={"file": str(self.file), **request})

    def until(self, run: Run, *states: str, seconds: float = 20) -> Run:
        """The run once it is in one of these states."""
        wait_until(lambda: now(run).state in states, seconds=seconds, what=f"the run to be {' or '.join(states)}")
        return now(run)

    def noted(self) -> list[str]:
        return self.file.read_text().splitlines() if self.file.exists() else []

    def until_noted(self, lines: int = 1) -> list[str]:
        wait_until(lambda: len(self.noted()) >= lines, what="the agent to note something")
        return self.noted()

    def horse(self) -> int:
        """The process id of the newest worker's horse."""
        pids = Worker.objects.order_by("-started_at").values_list("horse_pid", flat=True)
        wait_until(pids.first, what="a horse")
        return pids.first() or 0

    def logged(self) -> str:
        return "\n".join(service.log() for service in self.services)

    def close(self) -> None:
        for service in self.services:
            service.stop()


def now(run: Run) -> Run:
    return Run.objects.select_related("control").get(pk=run.pk)


def receipt(run: Run, *, with_fact: str = "seconds") -> dict[str, Any]:
    """What the receipt says once the worker has added that fact."""
    wait_until(lambda: with_fact in (now(run).control.receipt or {}), what=f"{with_fact} in the receipt")
    return now(run).control.receipt or {}


def gone(pid: int | str) -> bool:
    """No such process, or only its unburied body."""
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(int(pid)).status() == psutil.STATUS_ZOMBIE
    return True


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    os.kill(pid, number)


def database_url() -> str:
    """The database of this test, for processes of their own."""
    known = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{known['NAME']}"
    secret = f":{quote(known['PASSWORD'])}" if known["PASSWORD"] else ""
    user = f"{quote(known['USER'])}{secret}@" if known["USER"] else ""
    return f"postgres://{user}{quote(known['HOST'], safe='')}:{known['PORT'] or 5432}/{known['NAME']}"

"""The processes of `up`: web, workers, supervisor and Redis, kept running together and ended together.

Circus starts them, starts them again when they end, and hands on what they print.
"""

import asyncio
import ctypes
import logging
import os
import shlex
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from circus import get_arbiter

from harness.stack.output import Prefixed

logger = logging.getLogger(__name__)

LEASH = Path(__file__).with_name("leash.py")
PR_SET_CHILD_SUBREAPER = 36
LOOK_EVERY_SECONDS = 0.5
SAME_SIGNAL_SECONDS = 0.5
"""make hands on what a whole process group was sent, so one SIGTERM may arrive twice."""


@dataclass(frozen=True)
class Program:
    """One process to keep running. Those of a later stage are ended after those of an earlier one."""

    name: str
    command: Sequence[str]
    grace: float
    """Seconds from SIGTERM to SIGKILL."""
    stage: int = 0
    env: dict[str, str] = field(default_factory=dict)


class ProcessGroup:
    """Runs programs until SIGINT or SIGTERM; a second signal makes it hurry, a third kills."""

    def __init__(self, programs: Sequence[Program]) -> None:
        self.programs = programs
        self.signals = 0
        self.last_signal = float("-inf")
        self.ended = asyncio.Event()

    def run(self, when_started: Callable[[], Awaitable[None]]) -> None:
        """Start everything, await `when_started`, and return when all has ended. Nothing is left behind."""
        _adopt_orphans()
        try:
            asyncio.run(self._run(when_started))
        finally:
            _kill_descendants()

    async def _run(self, when_started: Callable[[], Awaitable[None]]) -> None:
        width = max(len(program.name) for program in self.programs)
        watchers = [self._watcher(program, number, width) for number, program in enumerate(self.programs)]
        self.arbiter = get_arbiter(
            watchers,
            controller="inproc://runwatch-control",
            pubsub_endpoint="inproc://runwatch-events",
            loop=_current_loop(),
            check_delay=LOOK_EVERY_SECONDS,
            proc_name="runwatch",
        )
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal)
        await self.arbiter.start()
        announcing = asyncio.ensure_future(when_started())
        announcing.add_done_callback(self._end_if_failed)
        await self.ended.wait()
        announcing.cancel()
        await asyncio.gather(announcing, return_exceptions=True)
        await self._stop_all()
        if not announcing.cancelled() and (failure := announcing.exception()):
            raise failure

    def _watcher(self, program: Program, number: int, width: int) -> dict[str, Any]:
        lines = Prefixed(program.name, number, width)
        leashed = [sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), *program.command]
        return {
            "name": program.name,
            "cmd": shlex.join(leashed),
            "copy_env": True,
            "env": {"PYTHONUNBUFFERED": "1"} | program.env,
            "graceful_timeout": program.grace,
            "priority": program.stage,
            "stdout_stream": {"stream": lines},
            "stderr_stream": {"stream": lines},
            "hooks": {"after_reap": (self._ended_by_itself, True)},
        }

    def _ended_by_itself(self, *, watcher: Any, exit_code: int | None = None, **_: Any) -> bool:
        if not self.signals:
            logger.warning("%s ended (status %s); it is started again", watcher.name, exit_code)
        return True

    def _end_if_failed(self, announcing: "asyncio.Future[None]") -> None:
        if not announcing.cancelled() and announcing.exception():
            self.ended.set()

    def _on_signal(self) -> None:
        since, self.last_signal = time.monotonic() - self.last_signal, time.monotonic()
        if since < SAME_SIGNAL_SECONDS:
            return
        self.signals += 1
        self.ended.set()
        if self.signals == 2:
            logger.info("hurrying")
            self._hurry()
        elif self.signals > 2:
            _kill_descendants()

    def _hurry(self) -> None:
        """A second SIGTERM tells workers not to wait for the next step; what they need stays up meanwhile."""
        for watcher in self.arbiter.watchers:
            for process in list(watcher.processes.values()) if watcher.priority == 0 else []:
                watcher.send_signal(process.pid, signal.SIGTERM)

    async def _stop_all(self) -> None:
        self.arbiter._stopping = True  # or circus would start again what ends now
        logger.info("ending")
        for stage in sorted({program.stage for program in self.programs}):
            due = [watcher for watcher in self.arbiter.watchers if watcher.priority == stage]
            await asyncio.gather(*(watcher._stop() for watcher in due))
        self.arbiter.stop_controller_and_close_sockets()


def _current_loop() -> Any:
    from tornado.ioloop import IOLoop

    return IOLoop.current()


def _adopt_orphans() -> None:
    """Grandchildren whose parent was killed become children of this process, so that it can end them too."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def _kill_descendants() -> None:
    left = psutil.Process().children(recursive=True)
    for process in left:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(left, timeout=5)

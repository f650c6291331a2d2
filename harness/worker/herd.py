"""Several workers side by side, each a process of its own: kept running, drained together."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from functools import partial
from time import monotonic, sleep
from types import FrameType

from harness.worker import kin

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.2
RESTART_SECONDS = 1.0


class Herd:
    """Starts `count` times `work`, again where one crashes, and hands on the signals to stop."""

    def __init__(self, count: int, queues: list[str], name: str, burst: bool) -> None:
        self.queues, self.name, self.burst = queues, name, burst
        self.stopping = False
        self.statuses: list[int] = []
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._due = dict.fromkeys(range(1, count + 1), 0.0)

    def run(self) -> int:
        """Return when all have ended; the highest of the last exit statuses."""
        signal.signal(signal.SIGINT, self._pass_on)
        signal.signal(signal.SIGTERM, self._pass_on)
        while self._running or (self._due and not self.stopping):
            self._start_due()
            sleep(LOOK_SECONDS)
            for number, process in list(self._running.items()):
                if process.poll() is not None:
                    self._ended(number, self._running.pop(number).returncode)
        return max(self.statuses, default=0)

    def _start_due(self) -> None:
        for number, at in list(self._due.items()):
            if monotonic() >= at and not self.stopping:
                del self._due[number]
                self._running[number] = self._start(number)

    def _start(self, number: int) -> subprocess.Popen[bytes]:
        """In a process group of its own, so that a terminal's Ctrl-C reaches it once, through us."""
        name = [f"--name={self.name}-{number}"] if self.name else []
        manage = [sys.executable, sys.argv[0], "work", "--queues", ",".join(self.queues), *name]
        command = [*manage, *(["--burst"] if self.burst else [])]
        return subprocess.Popen(command, process_group=0, preexec_fn=partial(kin.die_with, os.getpid()))

    def _ended(self, number: int, status: int) -> None:
        if self.burst or self.stopping:
            self.statuses.append(abs(status))
            return
        log.warning("worker %s of this herd ended (status %s); it is started again", number, status)
        self._due[number] = monotonic() + RESTART_SECONDS

    def _pass_on(self, signum: int, frame: FrameType | None) -> None:
        self.stopping = True
        for process in self._running.values():
            process.send_signal(signum)

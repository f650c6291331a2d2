"""The work-horse as its worker sees it: a warm child process, forked ahead, that executes run after run.

Both talk over a socket in JSON lines. The worker writes {"go": queue}; the horse answers {"idle": true}, or
{"claimed": lease} and later {"done": how}. Once set up it says {"ready": true}. The end of the file ends it.
The worker has no threads, so a fork finds no lock that somebody else holds.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any
from uuid import UUID

from django.db import connections

from harness.conf import conf
from harness.leases import Lease
from harness.worker import horse_life, kin

log = logging.getLogger(__name__)

GROWTH_LIMIT = 256 * 2**20
"""Bytes of resident memory that a horse may gain before it is replaced."""
FAREWELL_SECONDS = 1.0


@dataclass(frozen=True)
class Death:
    """How a horse ended: one of the two is set, or neither where somebody else collected it."""

    exit_status: int | None
    signal: int | None

    def __str__(self) -> str:
        return signal.Signals(self.signal).name if self.signal else f"exit status {self.exit_status}"


class Horse:
    """One child process: what it said, whether it lives, and the ways to end it."""

    def __init__(self, pid: int, pipe: socket.socket) -> None:
        self.pid, self.pipe = pid, pipe
        self.busy = False
        """It was told to go and has not answered for good."""
        self.lease: Lease | None = None
        self.ready = False
        self.runs = 0
        self.seconds = 0.0
        """How long its last run took."""
        self.final: str | None = None
        """How its last run came out; None if there was nothing to do."""
        self.left_children = False
        self.death: Death | None = None
        self._memory: list[int] = []
        self._since = 0.0
        self._unread = b""

    @classmethod
    def fork(cls, worker_id: UUID, let_go: Callable[[], None]) -> Horse:
        """Fork a horse. `let_go` runs in the child and closes what only the worker may use."""
        connections.close_all()
        ours, theirs = socket.socketpair()
        worker = os.getpid()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, horse_life.SIGNALS)
        pid = os.fork()
        if pid == 0:
            ours.close()
            horse_life.begin(theirs, worker_id, worker, let_go, before)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        ours.setblocking(False)
        return cls(pid, ours)

    def go(self, queue_key: str) -> None:
        """Have it take the next run of the queue. If it is dead, `hear` finds out."""
        self.busy, self.final, self.lease = True, None, None
        with suppress(OSError):
            self.pipe.send(json.dumps({"go": queue_key}).encode() + b"\n")

    def hear(self) -> None:
        """Take in what it said, and whether it died; its last words come first."""
        death = self._look()
        self._read()
        if death:
            self.death, self.busy = death, False

    def send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def send_group(self, number: signal.Signals) -> None:
        """The horse leads a session and process group of its own."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    @property
    def tired(self) -> str:
        """Why it should be replaced now, or nothing."""
        if self.left_children:
            return "its run left processes behind"
        if self.runs >= conf.RUNS_PER_HORSE:
            return f"it did {self.runs} run(s)"
        grown = self._memory[-1] - self._memory[0] if self._memory else 0
        return f"its memory grew by {grown >> 20} MiB" if grown > GROWTH_LIMIT else ""

    def bury(self, spare: frozenset[int]) -> list[str]:
        """Kill it if it lives, and whatever its runs started; the names of what was killed besides it."""
        self.send(signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        killed = kin.kill_below(os.getpid(), spare=spare | {self.pid})
        self.send_group(signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)
        self.pipe.close()
        return killed

    def dismiss(self, spare: frozenset[int]) -> list[str]:
        """Let an idle horse end by itself, within a second."""
        if not self.left_children:
            self.pipe.shutdown(socket.SHUT_WR)
            end = monotonic() + FAREWELL_SECONDS
            while not self._look() and monotonic() < end:
                sleep(0.002)
        return self.bury(spare)

    def _look(self) -> Death | None:
        """How it ended, or None. It stays a zombie, so its process group cannot become anybody else's."""
        try:
            found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return Death(exit_status=None, signal=None)
        if found is None:
            return None
        exited = found.si_code == os.CLD_EXITED
        return Death(found.si_status if exited else None, None if exited else found.si_status)

    def _read(self) -> None:
        with suppress(BlockingIOError, ConnectionError):
            while chunk := self.pipe.recv(65536):
                self._unread += chunk
        *lines, self._unread = self._unread.split(b"\n")
        for line in lines:
            self._take(json.loads(line))

    def _take(self, said: dict[str, Any]) -> None:
        if "memory" in said:
            self._memory.append(said["memory"])
        if "ready" in said:
            self.ready = True
        elif "claimed" in said:
            self.lease, self._since = horse_life.read_lease(said["claimed"]), monotonic()
            log.info("claimed %s (%s)", self.lease, self.lease.agent)
        elif "done" in said:
            self.busy, self.final, self.runs = False, said["done"], self.runs + 1
            self.left_children, self.seconds = said["children"], monotonic() - self._since
        else:
            self.busy = False

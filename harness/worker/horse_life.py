"""What happens inside the work-horse: it takes a run, executes it, says how it went, and waits for the next word."""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import socket
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from types import FrameType
from typing import Any, NoReturn
from uuid import UUID

import psutil
from django.db import DatabaseError, InterfaceError, connection, connections

from harness import runner, transitions
from harness.errors import Interrupted, RunCancelled, RunOverdue
from harness.interrupts import Interrupts
from harness.leases import Lease
from harness.worker import kin

log = logging.getLogger(__name__)

DATABASE_LOST = os.EX_TEMPFAIL
"""Exit status of a horse whose connection to the ledger broke: nobody's fault, so no crash is counted."""
ENDED_BY = {signal.SIGTERM, signal.SIGHUP, signal.SIGALRM, signal.SIGCHLD}
SIGNALS = ENDED_BY | {signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU}


def begin(
    pipe: socket.socket,
    worker_id: UUID,
    worker_pid: int,
    let_go: Callable[[], None],
    mask: Iterable[int],
) -> NoReturn:
    """The child's half of a fork: become a process of its own right and work until told otherwise. Never returns."""
    status = 1
    try:
        os.setsid()
        kin.die_with(worker_pid)
        kin.adopt_orphans()
        life = Life(pipe, worker_id)
        life.heed_signals()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        _forget_the_worker(let_go)
        kin.tag()
        life.live()
        status = 0
    except (DatabaseError, InterfaceError):
        log.exception("the horse lost the ledger")
        status = DATABASE_LOST if not _usable() else 1
    except BaseException:
        log.exception("the horse fell")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _forget_the_worker(let_go: Callable[[], None]) -> None:
    """Nothing of the parent is used on: not its standard input, its sockets, or its random numbers."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    let_go()
    random.seed()
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()


class Life:
    """The horse's loop: one word from the worker, at most one run, one answer."""

    def __init__(self, pipe: socket.socket, worker_id: UUID) -> None:
        self.pipe, self.worker_id = pipe, worker_id
        self.interrupts = Interrupts()

    def heed_signals(self) -> None:
        signal.set_wakeup_fd(-1)
        for number in ENDED_BY:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGUSR1, self._on_cancel)
        signal.signal(signal.SIGXCPU, self._on_deadline)
        signal.signal(signal.SIGUSR2, self._on_drain)

    def live(self) -> None:
        _connect_ahead()
        self._say(ready=True)
        for line in self.pipe.makefile("r", encoding="utf-8"):
            self._go(json.loads(line)["go"])

    def _go(self, queue_key: str) -> None:
        lease = self._claim(queue_key)
        if lease is None:
            return self._say(idle=True)
        self._say(claimed=write_lease(lease))
        final = self._run(lease)
        return self._say(done=final, children=kin.has_children())

    def _claim(self, queue_key: str) -> Lease | None:
        try:
            drop_broken_connections()
            return transitions.claim_next(queue_key, self.worker_id)
        except (DatabaseError, InterfaceError) as error:
            log.warning("cannot claim from %s: %s", queue_key, error)
            connection.close()
            return None

    def _run(self, lease: Lease) -> str:
        try:
            return runner.run(lease, self.interrupts)
        except Interrupted as late:
            return type(late).__name__
        finally:
            drop_broken_connections()

    def _say(self, **words: Any) -> None:
        words["memory"] = psutil.Process().memory_info().rss
        self.pipe.sendall(json.dumps(words).encode() + b"\n")

    def _on_cancel(self, number: int, frame: FrameType | None) -> None:
        self.interrupts.deliver(RunCancelled())

    def _on_deadline(self, number: int, frame: FrameType | None) -> None:
        self.interrupts.deliver(RunOverdue("deadline exceeded"))

    def _on_drain(self, number: int, frame: FrameType | None) -> None:
        self.interrupts.request_drain()


def drop_broken_connections() -> None:
    """Connections are kept from run to run, unless they are broken or were left in a transaction."""
    for known in connections.all(initialized_only=True):
        left_open = known.in_atomic_block or not known.get_autocommit() if known.connection else False
        if known.connection and (left_open or not known.is_usable()):
            known.close()


def _usable() -> bool:
    return connection.connection is not None and connection.is_usable()


def _connect_ahead() -> None:
    try:
        connection.ensure_connection()
    except (DatabaseError, InterfaceError) as error:
        log.warning("no database yet: %s", error)


def write_lease(lease: Lease) -> dict[str, Any]:
    return {key: str(value) if isinstance(value, UUID) else value for key, value in asdict(lease).items()}


def read_lease(said: dict[str, Any]) -> Lease:
    ids = {key: UUID(said[key]) for key in ("run_id", "worker_id", "thread_id")}
    return Lease(**(said | ids))

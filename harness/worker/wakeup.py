"""Signals that end a wait: what arrives is readable, so a select on it cannot miss one."""

from __future__ import annotations

import signal
import socket
from contextlib import suppress
from types import FrameType


class Wakeup:
    """Readable after any signal that has a handler. SIGCHLD gets one; make it in the main thread."""

    def __init__(self) -> None:
        self._ours, self._kernels = socket.socketpair()
        self._ours.setblocking(False)
        self._kernels.setblocking(False)
        signal.set_wakeup_fd(self._kernels.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _nothing)

    def fileno(self) -> int:
        return self._ours.fileno()

    def clear(self) -> None:
        with suppress(BlockingIOError):
            while self._ours.recv(4096):
                continue

    def close(self) -> None:
        """Also in a horse: its signals are no business of the worker's."""
        self._ours.close()
        self._kernels.close()


def _nothing(number: int, frame: FrameType | None) -> None:
    """A handler must exist for the signal to be seen."""

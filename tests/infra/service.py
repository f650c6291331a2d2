"""A real process under test: started in its own session, logged to a file, ended by its id."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import psutil

from harness.stack.processes import LEASH

T = TypeVar("T")


def wait_until(look: Callable[[], T], *, seconds: float = 20, what: str = "") -> T:
    """The first true answer of `look`; fails with `what` when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (answer := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain: {what or getattr(look, '__name__', 'condition')}")
        time.sleep(0.03)
    return answer


class Service:
    """Dies with the test process. Start it from the main thread: Linux counts the thread as the parent."""

    def __init__(self, name: str, command: Sequence[str], *, env: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.log_file = log
        leashed = [sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), *command]
        with log.open("ab") as sink:
            self.process = subprocess.Popen(
                leashed, env=dict(env), stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True
            )
        self.pid = self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def children(self) -> list[psutil.Process]:
        """Children and grandchildren at this moment, for example a worker's work-horse."""
        try:
            return psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to the process alone."""
        self.process.send_signal(number)

    def wait(self, seconds: float = 20) -> int:
        """Its exit status; negative for a signal."""
        return self.process.wait(seconds)

    def stop(self, seconds: float = 15) -> int:
        """SIGTERM, after `seconds` SIGKILL; nothing of it is left."""
        family = self.children()
        if self.alive:
            self.kill(signal.SIGCONT)
            self.kill(signal.SIGTERM)
            try:
                self.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
        status = self.wait(5)
        for child in family:
            if child.is_running():
                child.kill()
        return status

    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

"""Processes that an agent leaves behind: found, named, killed.

On Linux a worker and its horse are "subreapers": whatever an agent starts stays below them in the process tree, also
what called setsid or lost its parent. Elsewhere only the tree as it is can be searched, so a daemon may slip away. What
another program starts on request (systemd, docker, cron, ssh) is nobody's child here and is not covered.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import psutil

log = logging.getLogger(__name__)

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
TAG = "RUNWATCH_WORKER"
"""Environment variable by which everything that a horse started is known, whoever its parent is now."""
GIVE_UP_SECONDS = 3.0


def adopt_orphans() -> None:
    """Descendants that lose their parent become children of this process."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with(parent: int) -> None:
    """SIGKILL for this process as soon as its parent is gone, also if that was before this call."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def children() -> frozenset[int]:
    return frozenset(child.pid for child in psutil.Process().children())


def has_children() -> bool:
    """True if a child lives; those that ended and that nobody waited for are collected. Two system calls."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            continue
        return True
    return False


def kill_below(pid: int, *, spare: Collection[int] = ()) -> list[str]:
    """SIGKILL everything below `pid`, until nothing is left but `spare` and what is below those; the names."""
    killed: dict[int, str] = {}
    give_up = time.monotonic() + GIVE_UP_SECONDS
    while (found := _below(pid, spare)) and time.monotonic() < give_up:
        for process in found:
            killed[process.pid] = _name(process)
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(found, timeout=0.2)
    return sorted(killed.values())


def kill_remains() -> list[str]:
    """SIGKILL programs started by horses of workers that are gone from this machine; the names of what it was."""
    killed: list[str] = []
    if not Path("/proc/self/stat").exists():
        return killed
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            mine = process.uids().real == os.getuid() and process.pid != os.getpid()
            if mine and _is_remains(process.environ().get(TAG)):
                killed.append(_name(process))
                process.kill()
    return killed


def tag() -> None:
    """Mark the programs that this process will start as belonging to its parent, the worker."""
    os.environ[TAG] = _identity(os.getppid())


def _is_remains(mark: str | None) -> bool:
    return mark is not None and _identity(mark.partition("@")[0]) != mark


def _identity(pid: int | str) -> str:
    """Process ids are used again; together with the time of the start, in ticks since boot, they are not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return f"{pid}@{stat.rpartition(')')[2].split()[19]}"


def _below(pid: int, spare: Collection[int]) -> list[psutil.Process]:
    """Everything alive below `pid`; one that ended and waits to be collected is not alive."""
    found = []
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(pid).children():
            if child.pid not in spare:
                found += [child, *child.children(recursive=True)]
    return [process for process in found if _alive(process)]


def _alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _name(process: psutil.Process) -> str:
    try:
        return f"{process.name()} ({process.pid})"
    except psutil.Error:
        return str(process.pid)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)

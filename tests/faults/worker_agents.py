"""Agents that workers have trouble with. Effects are lines in a file, outside of the database."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.agents import RunContext, agent


def note(file: str, line: str) -> None:
    with Path(file).open("a") as out:
        out.write(line + "\n")


@agent("quick")
def quick(ctx: RunContext, request: dict[str, Any]) -> dict[str, int]:
    return {"pid": os.getpid(), "session": os.getsid(0), "parent": os.getppid()}


@agent("stepwise")
def stepwise(ctx: RunContext, request: dict[str, Any]) -> str:
    """`count` retryable steps of `seconds` each; a line before and after each."""

    def one(number: int) -> int:
        note(request["file"], f"begin {number}")
        time.sleep(request["seconds"])
        note(request["file"], f"end {number}")
        return number

    for number in range(request["count"]):
        ctx.step("one", one, number, retryable=True)
    return "done"


@agent("once")
def once(ctx: RunContext, request: dict[str, Any]) -> str:
    """One step that must not be executed twice, and never ends."""

    def effect() -> None:
        note(request["file"], "effect")
        time.sleep(60)

    ctx.step("effect", effect)
    return "done"


@agent("patient")
def patient(ctx: RunContext, request: dict[str, Any]) -> str:
    note(request["file"], str(os.getpid()))
    time.sleep(request["seconds"])
    return "slept"


@agent("stubborn")
def stubborn(ctx: RunContext, request: dict[str, Any]) -> None:
    """Swallows whatever is thrown at it; `deaf` ignores SIGTERM too."""
    if request.get("deaf"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    note(request["file"], str(os.getpid()))
    while True:
        with suppress(BaseException):
            time.sleep(0.05)


@agent("native")
def native(ctx: RunContext, request: dict[str, Any]) -> None:
    """Busy in C with the interpreter's lock in hand: no Python code runs, no handler either."""
    note(request["file"], str(os.getpid()))
    sum(range(10**12))


@agent("brood")
def brood(ctx: RunContext, request: dict[str, Any]) -> str:
    """Starts processes: a plain one, one in a session of its own, and one whose parent is gone."""
    plain = subprocess.Popen(["sleep", "600"])
    away = subprocess.Popen(["sleep", "600"], start_new_session=True)
    orphan = subprocess.check_output(["sh", "-c", "setsid sleep 600 >/dev/null 2>&1 & echo $!"], text=True)
    note(request["file"], f"{plain.pid} {away.pid} {orphan.strip()}")
    time.sleep(request["seconds"])
    return "left them"


@agent("suicidal")
def suicidal(ctx: RunContext, request: dict[str, Any]) -> None:
    note(request["file"], "again")
    os.kill(os.getpid(), signal.SIGKILL)

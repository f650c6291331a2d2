"""drill: misbehaves on request, so that people and tests can see what the harness does about it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import repeat
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.agents import RunContext, agent, tool
from harness.conf import conf

Mode = Literal["hang", "ignore_cancel", "die", "spin", "flood", "loop", "ask", "sleep", "fail"]
FLOOD_EVENTS, FLOOD_STEPS, FLOOD_LINES = 300, 200, 2000


class Drill(BaseModel):
    model_config = ConfigDict(extra="forbid")

    mode: Mode
    seconds: float = Field(30, ge=0, le=86400)

    @model_validator(mode="after")
    def _are_on(self) -> Drill:
        if not conf.DRILLS:
            raise ValueError("drills are off; the setting HARNESS_DRILLS=1 turns them on")
        return self


@tool(retryable=True)
def tick(pause: float = 0.1) -> str:
    """Wait a moment."""
    time.sleep(pause)
    return "tock"


def hang(ctx: RunContext, seconds: float) -> str:
    """Wait where a cancel is noticed."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.1)
        ctx.check()
    return f"hung for {seconds:g} s"


def ignore_cancel(ctx: RunContext, seconds: float) -> str:
    """Swallow every interruption, SIGTERM included."""
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    until = time.monotonic() + seconds
    try:
        while time.monotonic() < until:
            with suppress(BaseException):
                time.sleep(0.1)
    finally:
        signal.signal(signal.SIGTERM, before)
    return f"ignored everything for {seconds:g} s"


def die(ctx: RunContext, seconds: float) -> str:
    """End the process at once, every time."""
    ctx.emit("drill", {"says": "about to die"})
    os.kill(os.getpid(), signal.SIGKILL)
    return "nobody gets here"


def spin(ctx: RunContext, seconds: float) -> str:
    """Keep the interpreter busy in C, where no Python signal handler gets a turn."""
    sample = 2_000_000
    began = time.perf_counter()
    sum(repeat(1, sample))
    speed = sample / (time.perf_counter() - began)
    sum(repeat(1, int(speed * seconds)))
    return f"spun for about {seconds:g} s"


def flood(ctx: RunContext, seconds: float) -> dict[str, Any]:
    """Many events and steps, and a large output full of markup."""
    for n in range(FLOOD_EVENTS):
        ctx.emit("flood", {"n": n, "text": "<script>alert(1)</script>" * 4})
    for n in range(FLOOD_STEPS):
        ctx.call(tick, pause=0)
        ctx.progress(n + 1, FLOOD_STEPS, f"step {n + 1}")
    return {"lines": [f"{n}: <img src=x onerror=alert({n})>" * 2 for n in range(FLOOD_LINES)]}


def loop(ctx: RunContext, seconds: float) -> str:
    """The same call with the same arguments, again and again."""
    times = max(10, round(seconds * 10))
    for _ in range(times):
        ctx.call(tick, pause=0.1)
    return f"did the same thing {times} times"


def ask(ctx: RunContext, seconds: float) -> dict[str, Any]:
    """A confirmation, then a question."""
    ctx.approve("The drill wants to go on.", drill="ask")
    return {"answer": ctx.ask("What is the best number?", int)}


def sleep(ctx: RunContext, seconds: float) -> str:
    """Wait without holding a worker."""
    ctx.sleep(seconds)
    return f"slept for {seconds:g} s"


def fail(ctx: RunContext, seconds: float) -> str:
    """Raise."""
    raise RuntimeError("this drill fails, as it was asked to")


MODES: dict[str, Callable[[RunContext, float], Any]] = {
    "hang": hang,
    "ignore_cancel": ignore_cancel,
    "die": die,
    "spin": spin,
    "flood": flood,
    "loop": loop,
    "ask": ask,
    "sleep": sleep,
    "fail": fail,
}


@agent(
    "drill",
    tools=[tick],
    description="Misbehaves on request, for drills and tests.",
    input=Drill,
    host_facing=False,
    example={"mode": "hang", "seconds": 60},
)
def drill(ctx: RunContext, request: Drill) -> Any:
    return MODES[request.mode](ctx, request.seconds)

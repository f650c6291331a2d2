from __future__ import annotations

import asyncio

import pytest

from harness import control
from harness.agents import AsyncRunContext, RunContext, agent, current_step, tool
from harness.models import Run, RunControl
from tests.harness.playing import (
    decide,
    execute,
    pending,
    play,
    steps,
)

pytestmark = pytest.mark.django_db


@pytest.mark.django_db(transaction=True)
def test_an_async_agent_uses_sync_and_async_tools_and_everything_else():
    import threading

    threads = []

    @tool
    def sync_tool(n: int) -> int:
        threads.append(threading.current_thread() is threading.main_thread())
        return Run.objects.count() * n

    @tool(retryable=True)
    async def async_tool(n: int) -> str:
        await asyncio.sleep(0)
        return current_step().key

    @agent("both", tools=[sync_tool, async_tool])
    async def both(ctx: AsyncRunContext, request: dict) -> dict:
        found = await asyncio.gather(*(ctx.call(async_tool, n=n) for n in range(3)))
        await ctx.emit("hello", {"n": 1})
        await ctx.progress(1, 2)
        await ctx.usage(tokens_in=3)
        await ctx.check()
        await ctx.sleep(0.01)
        kept = await ctx.save_artifact("a.txt", b"abc")
        stepped = await ctx.step("inline", lambda x: x + 1, 1)
        said = await ctx.messages
        return {
            "found": found,
            "sync": await ctx.call(sync_tool, n=5),
            "size": kept["size"],
            "stepped": stepped,
            "messages": len(said),
            "random": 0 <= await ctx.random() < 1,
            "now": (await ctx.now()).tzinfo is not None,
            "run": str(ctx.run_id),
        }

    run = play("both")
    assert run.state == "completed", run.error
    assert run.output == {
        "found": ["async_tool#1", "async_tool#2", "async_tool#3"],
        "sync": 5,
        "size": 3,
        "stepped": 2,
        "messages": 1,
        "random": True,
        "now": True,
        "run": str(run.pk),
    }
    assert threads == [True]
    assert run.tokens_in == 3


@pytest.mark.django_db(transaction=True)
def test_a_sync_agent_calls_an_async_tool():
    @tool
    async def later(n: int) -> int:
        await asyncio.sleep(0.01)
        return n + 1

    @agent("mixed", tools=[later])
    def mixed(ctx: RunContext, request: dict) -> int:
        return ctx.call(later, n=1)

    assert play("mixed").output == 2


@pytest.mark.django_db(transaction=True)
def test_branches_of_an_async_agent_ask_together_and_what_is_in_flight_ends_first():
    effects = []

    @tool(requires_approval=True)
    async def delete(path: str) -> str:
        effects.append(path)
        return path

    @tool
    async def slow() -> str:
        await asyncio.sleep(0.1)
        effects.append("slow")
        return "slow"

    @agent("parallel", tools=[delete, slow])
    async def parallel(ctx: AsyncRunContext, request: dict) -> list:
        return await asyncio.gather(ctx.call(slow), ctx.call(delete, path="a"), ctx.call(delete, path="b"))

    run = play("parallel")
    assert run.state == "waiting_for_approval", run.error
    assert [approval.args["path"] for approval in pending(run)] == ["a", "b"]
    assert effects == ["slow"]
    for approval in pending(run):
        decide(approval)
    run = execute(run)
    assert run.output == ["slow", "a", "b"]
    assert effects == ["slow", "a", "b"]


@pytest.mark.django_db(transaction=True)
def test_an_async_agent_that_stops_waiting_for_a_tool_leaves_a_failed_step():
    @tool
    async def slow() -> None:
        await asyncio.sleep(30)

    @agent("impatient", tools=[slow])
    async def impatient(ctx: AsyncRunContext, request: dict) -> str:
        try:
            await asyncio.wait_for(ctx.call(slow), 0.05)
        except TimeoutError:
            return "went on"
        return "waited"

    run = play("impatient")
    assert run.output == "went on", run.error
    assert steps(run)["slow#1"].error["type"] == "CancelledError"


def test_a_cancel_that_the_agent_swallows_meets_it_again_and_holds():
    met = []

    @agent("stubborn")
    def stubborn(ctx: RunContext, request: dict) -> str:
        ctx.step("first", lambda: None)
        control.cancel_run(ctx.run_id, reason="enough")
        for _ in range(3):
            try:
                ctx.step("next", lambda: met.append("executed"))
            except BaseException as stop:
                met.append(type(stop).__name__)
        return "I am done regardless"

    run = play("stubborn")
    assert met == ["RunCancelled"] * 3
    assert (run.state, run.reason) == ("cancelled", "cancelled: enough")
    assert run.output is None
    assert RunControl.objects.get(run=run).receipt["late_result"] == "I am done regardless"

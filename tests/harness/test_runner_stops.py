from __future__ import annotations

import asyncio
import os
import signal
import threading
import time

import pytest
from django.db import connection

from harness import control, runner
from harness.agents import AsyncRunContext, RunContext, agent, tool
from harness.errors import HandedBack, Interrupted, InvalidInput, RunCancelled, RunOverdue
from harness.interrupts import Interrupts
from harness.models import RunControl
from tests.harness.playing import crash, decide, execute, pending, play, start, steps
from tests.world import again, claim, event, story, user

pytestmark = pytest.mark.django_db


def test_a_run_that_is_cancelled_before_it_starts_is_never_executed():
    done = []

    @agent("eager")
    def eager(ctx: RunContext, request: dict) -> None:
        done.append(1)

    run = start("eager")
    lease = claim()
    control.cancel_run(run.pk, reason="no")
    assert runner.run(lease, Interrupts()) in ("cancelled", "lost")
    assert (again(run).state, done) == ("cancelled", [])


def test_a_cancel_between_two_steps_stops_before_the_second():
    done = []

    @agent("stepper")
    def stepper(ctx: RunContext, request: dict) -> None:
        ctx.step("one", lambda: done.append(1))
        control.cancel_run(ctx.run_id, reason="enough", by=user())
        ctx.step("two", lambda: done.append(2))

    run = play("stepper")
    assert (run.state, run.reason, done) == ("cancelled", "cancelled: enough", [1])


def test_a_cancel_during_a_step_keeps_its_result_and_stops_after_it():
    @agent("stepper")
    def stepper(ctx: RunContext, request: dict) -> str:
        ctx.step("one", lambda: control.cancel_run(ctx.run_id, reason="enough") and "done")
        return "not reached"

    run = play("stepper")
    assert run.state == "cancelled"
    assert (steps(run)["one#1"].status, steps(run)["one#1"].result) == ("finished", "done")
    assert "late_result" not in RunControl.objects.get(run=run).receipt


def test_a_cancel_that_is_never_looked_at_still_wins_over_the_result():
    @agent("busy")
    def busy(ctx: RunContext, request: dict) -> str:
        control.cancel_run(ctx.run_id, reason="enough")
        return "late"

    run = play("busy")
    assert (run.state, run.output) == ("cancelled", None)
    assert RunControl.objects.get(run=run).receipt["late_result"] == "late"


def interrupted_by_a_signal(interrupts, after=0.3, interruption=RunCancelled):
    """SIGUSR1 after a while, handled as a horse handles it."""
    before = signal.signal(signal.SIGUSR1, lambda *_: interrupts.deliver(interruption()))
    timer = threading.Timer(after, os.kill, (os.getpid(), signal.SIGUSR1))
    timer.start()
    return lambda: (timer.join(), signal.signal(signal.SIGUSR1, before))


def play_and_cancel(name, interrupts, cancel=True):
    run = start(name)
    tidy_up = interrupted_by_a_signal(interrupts)
    began = time.monotonic()
    try:
        run = execute(run, interrupts)
    finally:
        tidy_up()
    return run, time.monotonic() - began


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("where", ["code", "step", "query"])
def test_a_signal_stops_the_agent_wherever_its_code_is(where):
    def wait() -> None:
        while where == "query":
            list(RunControl.objects.all())
        time.sleep(30)

    @agent("slow")
    def slow(ctx: RunContext, request: dict) -> str:
        control.cancel_run(ctx.run_id, reason="stop")
        if where == "step":
            return "unreachable"
        try:
            wait()
        except Exception:
            return "swallowed"
        return "waited"

    @agent("slow-step")
    def slow_step(ctx: RunContext, request: dict) -> str:
        ctx.step("wait", lambda: control.cancel_run(ctx.run_id, reason="stop") and wait())
        return "waited"

    run, took = play_and_cancel("slow-step" if where == "step" else "slow", Interrupts())
    assert (run.state, run.reason) == ("cancelled", "cancelled: stop")
    assert took < 5
    if where == "step":
        assert steps(run)["wait#1"].status == "unknown"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("in_tool", [False, True])
def test_a_signal_stops_an_async_agent_that_awaits(in_tool):
    @tool
    async def wait() -> None:
        await asyncio.sleep(30)

    @agent("slow", tools=[wait])
    async def slow(ctx: AsyncRunContext, request: dict) -> str:
        await ctx.step("cancel", lambda: None)
        await asyncio.to_thread(cancel_in_thread, ctx.run_id)
        await (ctx.call(wait) if in_tool else asyncio.sleep(30))
        return "waited"

    def cancel_in_thread(run_id) -> None:
        if not in_tool:
            control.cancel_run(run_id, reason="stop")
            connection.close()

    interrupts = Interrupts()
    if in_tool:
        cancelled = threading.Timer(0.2, lambda: (control.cancel_run(run_ids[0], reason="stop"), connection.close()))
        run_ids: list = []
        run = start("slow")
        run_ids.append(run.pk)
        tidy_up = interrupted_by_a_signal(interrupts, after=1.5)
        cancelled.start()
        run = execute(run, interrupts)
        cancelled.join()
        tidy_up()
    else:
        run, took = play_and_cancel("slow", interrupts)
        assert took < 6
    assert run.state == "cancelled", run.error


@pytest.mark.django_db(transaction=True)
def test_a_signal_without_a_cancel_hands_the_run_back():
    @agent("slow")
    def slow(ctx: RunContext, request: dict) -> None:
        time.sleep(30)

    run, _ = play_and_cancel("slow", Interrupts())
    assert run.state == "queued"
    assert event(run, "run.requeued").payload["reason"] == "interrupted"


def test_an_interruption_of_another_kind_fails_the_run_with_its_words():
    @agent("late")
    def late(ctx: RunContext, request: dict) -> None:
        interrupts.deliver(Interrupted("it took longer than 60 s"))

    interrupts = Interrupts()
    run = execute(start("late"), interrupts)
    assert (run.state, run.reason) == ("failed", "it took longer than 60 s")


def test_a_run_that_is_overdue_fails_although_its_agent_catches_every_exception():
    @agent("late", timeout=1)
    def late(ctx: RunContext, request: dict) -> str:
        try:
            interrupts.deliver(RunOverdue("deadline exceeded"))
        except Exception:
            return "swallowed"
        return "on time"

    interrupts = Interrupts()
    run = execute(start("late"), interrupts)
    assert (run.state, run.reason) == ("failed", "deadline exceeded")


@pytest.mark.parametrize("mode", ["hang", "sleep", "loop"])
def test_drills_end_by_themselves(mode):
    assert play("drill", {"mode": mode, "seconds": 0.2}).state == "completed"


def test_the_drill_that_asks_asks_twice():
    run = play("drill", {"mode": "ask"})
    decide(pending(run)[0])
    run = execute(run)
    decide(pending(run)[0], args={"answer": 7})
    assert execute(run).output == {"answer": 7}


@pytest.mark.parametrize("input", [{"mode": "dance"}, {}, {"mode": "hang", "seconds": -1}])
def test_a_drill_that_does_not_exist_is_refused(input):
    with pytest.raises(InvalidInput, match="drill does not fit"):
        start("drill", input)


def test_drills_are_off_unless_the_setting_says_so(settings):
    settings.HARNESS = settings.HARNESS | {"DRILLS": False}
    with pytest.raises(InvalidInput, match="drills are off; the setting HARNESS_DRILLS=1 turns them on"):
        start("drill", {"mode": "hang"})


def test_interruptions_wait_for_the_end_of_a_shield_and_come_at_once_without_one():
    interrupts = Interrupts()
    run_id = user().pk
    interrupts.begin(run_id)
    reached = []

    def go_on() -> None:
        with interrupts.shielded():
            interrupts.deliver(RunCancelled())
            reached.append("the end of the shield")
        reached.append("too far")

    with pytest.raises(RunCancelled), interrupts.exposed():
        go_on()
    assert reached == ["the end of the shield"]
    with pytest.raises(RunCancelled):
        interrupts.check()
    with pytest.raises(HandedBack), interrupts.exposed():
        interrupts.deliver(HandedBack("drain"))


def test_an_interruption_for_another_run_or_for_none_is_dropped():
    interrupts = Interrupts()
    interrupts.deliver(RunCancelled())
    interrupts.begin(user().pk)
    with interrupts.exposed():
        interrupts.deliver(RunCancelled(), run_id="another")
    interrupts.check()


def test_a_lost_lease_is_no_fault_of_the_run():
    run = start("drill", {"mode": "fail"})
    lease = claim()
    crash(run)
    assert runner.run(lease, Interrupts()) == "lost"
    assert again(run).state == "queued"
    assert "run.failed" not in story(run)

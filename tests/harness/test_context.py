from __future__ import annotations

import asyncio
import datetime
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.db import transaction
from pydantic import BaseModel

from harness import control
from harness.agents import AsyncRunContext, Rejected, RunContext, ToolFailed, agent, current_step, tool
from harness.models import Artifact, Event, Run, RunControl, RunQueue, ThreadMessage
from tests.harness.playing import agents_of_the_test, crash, decide, execute, pending, play, start, steps  # noqa: F401
from tests.world import again, story

pytestmark = pytest.mark.django_db


class Crash(BaseException):
    """The process dies here."""


def play_until_the_crash(run: Run) -> Run:
    with pytest.raises(Crash):
        execute(run)
    return crash(run)


def test_an_agent_calls_a_tool_and_its_answer_is_the_output_of_the_run():
    @tool
    def double(n: int) -> int:
        return n * 2

    @agent("doubler", tools=[double])
    def doubler(ctx: RunContext, request: dict) -> int:
        return ctx.call(double, n=request["n"])

    run = play("doubler", {"n": 21})
    assert (run.state, run.output) == ("completed", 42)
    assert (steps(run)["double#1"].args, steps(run)["double#1"].result) == ({"n": 21}, 42)
    assert ThreadMessage.objects.get(run=run, role="assistant").content == 42


def test_what_was_recorded_comes_back_on_a_replay_and_is_not_executed_again():
    done, crashes = [], [True]

    @tool(retryable=True)
    def count(word: str) -> int:
        done.append(word)
        return len(done)

    @agent("counter", tools=[count])
    def counter(ctx: RunContext, request: dict) -> list:
        first = [ctx.call(count, word="a"), ctx.step("b", count, "b"), ctx.random(), ctx.now().isoformat()]
        if crashes and crashes.pop():
            heard.extend(first)
            raise Crash
        return [*first, ctx.call(count, word="c")]

    heard: list = []
    run = play_until_the_crash(start("counter"))
    run = execute(run)
    assert done == ["a", "b", "c"]
    assert run.output == [*heard, 3]
    assert run.attempt == 2


def test_values_have_the_same_types_on_the_first_run_and_on_a_replay():
    @dataclass
    class Spot:
        at: datetime.datetime
        path: Path

    class Box(BaseModel):
        size: int

    seen = []

    @tool
    def look(spot: Spot, box: Box, folder: Path, raw: bytes = b"\xff", many: tuple[int, ...] = (1,)) -> dict:
        seen.append((spot, box, folder, raw, many))
        return {"at": spot.at, "many": many}

    @agent("typed", tools=[look])
    def typed(ctx: RunContext, request: dict) -> list:
        at = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
        found = ctx.call(look, spot=Spot(at, Path("/a")), box=Box(size=3), folder="/b", many=[1, 2])
        results.append(found)
        if len(results) == 1:
            raise Crash
        return found

    results: list = []
    assert execute(play_until_the_crash(start("typed"))).state == "completed"
    assert results[0] == results[1] == {"at": "2026-01-02T00:00:00Z", "many": [1, 2]}
    ((spot, box, folder, raw, many),) = seen
    assert (spot.path, box, folder, raw, many) == (Path("/a"), Box(size=3), Path("/b"), b"\xff", (1, 2))


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ({"n": "many"}, "n: input should be a valid integer"),
        ({}, "n: is required"),
        ({"n": 1, "m": 2}, "m: is not known here"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_with_the_field_named(args, says):
    @tool
    def double(n: int) -> int:
        return n * 2

    @agent("doubler", tools=[double])
    def doubler(ctx: RunContext, request: dict) -> int:
        return ctx.call(double, **request)

    run = play("doubler", args)
    assert run.state == "failed"
    assert run.reason.startswith("The arguments of double do not fit: " + says)
    assert not steps(run)


def test_a_tool_that_raises_is_the_same_exception_on_the_first_run_and_on_a_replay():
    heard = []

    @tool
    def broken() -> None:
        raise LookupError("no\x00pe")

    @agent("unlucky", tools=[broken])
    def unlucky(ctx: RunContext, request: dict) -> str:
        try:
            ctx.call(broken)
        except ToolFailed as failure:
            heard.append((failure.step, failure.type, failure.message))
        if len(heard) == 1:
            raise Crash
        return "went on"

    run = execute(play_until_the_crash(start("unlucky")))
    assert run.output == "went on"
    assert heard == [("broken#1", "LookupError", "no\ufffdpe")] * 2
    assert steps(run)["broken#1"].executions == 1


def test_a_changed_agent_stops_with_a_replay_mismatch_that_it_cannot_swallow():
    words = iter(["old", "new"])

    @tool
    def note(word: str) -> str:
        return word

    @agent("changed", tools=[note])
    def changed(ctx: RunContext, request: dict) -> str:
        word = next(words)
        try:
            ctx.call(note, word=word)
            ctx.call(note, word="after")
        except Exception:
            return "swallowed"
        raise Crash

    run = execute(play_until_the_crash(start("changed")))
    assert run.state == "failed"
    assert run.reason.startswith("replay mismatch at step 1 (note#1)")
    assert '{"word":"old"}' in run.reason
    assert '{"word":"new"}' in run.reason


def test_fewer_steps_than_before_are_fine():
    steps_wanted = [3, 1]

    @agent("shrinking")
    def shrinking(ctx: RunContext, request: dict) -> int:
        wanted = steps_wanted.pop(0)
        for n in range(wanted):
            ctx.step("count", lambda n: n, n)
        if steps_wanted:
            raise Crash
        return wanted

    assert execute(play_until_the_crash(start("shrinking"))).output == 1


# --- approvals ---------------------------------------------------------------------------------------------------------


def guarded(effects: list):
    @tool(requires_approval=True, description="Deletes it.", risk="high")
    def delete(path: Path) -> str:
        effects.append(str(path))
        return f"deleted {path}"

    @agent("deleter", tools=[delete])
    def deleter(ctx: RunContext, request: list) -> list:
        out = []
        for path in request:
            try:
                out.append(ctx.call(delete, path=path))
            except Rejected as refusal:
                out.append(f"kept: {refusal.reason} ({refusal.approval_id is not None})")
        return out

    return delete


def test_a_guarded_tool_asks_first_and_is_executed_with_what_was_approved():
    effects: list = []
    guarded(effects)
    run = play("deleter", ["/a", "/b", "/c"])
    assert (run.state, effects) == ("waiting_for_approval", [])
    (first,) = pending(run)
    assert (first.tool, first.args, first.summary, first.step_key) == (
        "delete",
        {"path": "/a"},
        "Deletes it.",
        "delete#1",
    )
    decide(first)
    run = execute(run)
    assert effects == ["/a"]
    decide(pending(run)[0], "edit", args={"path": "/z"})
    run = execute(run)
    decide(pending(run)[0], "reject", reason="still needed")
    run = execute(run)
    assert run.output == ["deleted /a", "deleted /z", "kept: still needed (True)"]
    assert effects == ["/a", "/z"]
    refused = steps(run)["delete#3"]
    assert (refused.status, refused.executions) == ("failed", 0)
    assert story(run).count("approval.requested") == 3


def test_a_refusal_is_met_again_by_a_replay_without_its_approval():
    effects: list = []
    delete = guarded(effects)
    crashes = [True]

    @agent("twice", tools=[delete])
    def twice(ctx: RunContext, request: dict) -> str:
        try:
            ctx.call(delete, path="/a")
        except Rejected as refusal:
            if crashes and crashes.pop():
                raise Crash from None
            return refusal.reason

    run = play("twice")
    decide(pending(run)[0], "reject", reason="no")
    run = play_until_the_crash(run)
    run.approvals.all().delete()
    assert execute(run).output == "no"
    assert effects == []


def test_nothing_is_asked_twice_and_a_pending_one_keeps_the_run_waiting():
    guarded([])
    run = play("deleter", ["/a"])
    assert len(pending(run)) == 1
    decide(pending(run)[0])
    assert execute(run).state == "completed"
    assert run.approvals.count() == 1


def test_call_all_asks_for_everything_at_once_and_gives_refusals_back():
    effects: list = []
    delete = guarded(effects)

    @agent("many", tools=[delete])
    def many(ctx: RunContext, request: dict) -> list:
        answers = ctx.call_all([(delete, {"path": path}) for path in ("/a", "/b", "/c")])
        return [f"{type(one).__name__}: {one}" for one in answers]

    run = play("many")
    first, second, third = pending(run)
    decide(second, "reject", reason="mine")
    decide(first)
    assert again(run).state == "waiting_for_approval"
    decide(third)
    run = execute(run)
    assert run.output == ["str: deleted /a", "Rejected: mine", "str: deleted /c"]
    assert effects == ["/a", "/c"]


def test_a_confirmation_and_a_question_are_answered_by_people():
    class Answer(BaseModel):
        number: int

    @agent("asker")
    def asker(ctx: RunContext, request: dict) -> list:
        ctx.approve("Go on?", folder="/tmp")
        return [ctx.ask("How many?", int), ctx.ask("Which?", Answer).number, ctx.ask("Free", {"type": "string"})]

    run = play("asker")
    (confirm,) = pending(run)
    assert (confirm.kind, confirm.summary, confirm.args) == ("confirm", "Go on?", {"folder": "/tmp"})
    decide(confirm)
    for answer in (3, {"number": 4}, "text"):
        run = execute(run)
        decide(pending(run)[0], args={"answer": answer})
    assert execute(run).output == [3, 4, "text"]


def test_a_refused_confirmation_that_nobody_catches_fails_the_run_with_the_reason():
    @agent("asker")
    def asker(ctx: RunContext, request: dict) -> None:
        ctx.approve("Go on?")

    run = play("asker")
    decide(pending(run)[0], "reject", reason="not today")
    run = execute(run)
    assert (run.state, run.reason) == ("failed", "Rejected: not today")


def test_an_answer_that_the_type_refuses_is_asked_for_again_with_the_complaint():
    from typing import Annotated

    from pydantic import AfterValidator

    def even(n: int) -> int:
        if n % 2:
            raise ValueError("it has to be even")
        return n

    @agent("asker")
    def asker(ctx: RunContext, request: dict) -> int:
        return ctx.ask("Which number?", Annotated[int, AfterValidator(even)])

    run = play("asker")
    decide(pending(run)[0], args={"answer": 3})
    run = execute(run)
    assert "it has to be even" in pending(run)[0].summary
    decide(pending(run)[0], args={"answer": 4})
    assert execute(run).output == 4


# --- telling -----------------------------------------------------------------------------------------------------------


def test_events_usage_and_artifacts_are_kept_once_whatever_is_replayed():
    crashes = [True]

    @agent("teller")
    def teller(ctx: RunContext, request: dict) -> dict:
        ctx.emit("found", {"n": 1})
        ctx.usage(tokens_in=10, tokens_out=5, cost="0.25", model="m")
        ctx.step("think", lambda: ctx.usage(tokens_in=1) or ctx.emit("thought", {"inside": True}))
        kept = ctx.save_artifact("../re\x00port.txt", "hello", "text/plain")
        if crashes and crashes.pop():
            raise Crash
        ctx.emit("found", {"n": 2})
        ctx.emit("thought", 3)
        return kept

    run = execute(play_until_the_crash(start("teller")))
    assert (run.state, run.tokens_in, run.tokens_out, str(run.cost)) == ("completed", 11, 5, "0.250000")
    events = Event.objects.filter(run=run, type__startswith="custom.").order_by("seq")
    assert [(event.type, event.payload) for event in events] == [
        ("custom.found", {"n": 1}),
        ("custom.thought", {"inside": True, "_step": "think#1"}),
        ("custom.found", {"n": 2}),
        ("custom.thought", {"value": 3}),
    ]
    artifact = Artifact.objects.get(run=run)
    with artifact.file as file:
        assert (artifact.name, artifact.size, file.read()) == ("re\ufffdport.txt", 5, b"hello")
    assert run.output["sha256"] == artifact.sha256
    assert str(run.pk) in artifact.file.name


def test_progress_is_stored_and_never_jumps_back_in_a_replay():
    shown = []

    @agent("worker-bee")
    def bee(ctx: RunContext, request: dict) -> None:
        for n in range(4):
            ctx.progress(n, 4, f"{n} of 4")
            shown.append(RunControl.objects.get(pk=ctx.run_id).progress["done"])
            ctx.step("work", lambda: None)
            if n == 2 and len(shown) == 3:
                raise Crash

    execute(play_until_the_crash(start("worker-bee")))
    assert shown == [0, 1, 2, 2, 2, 2, 3]


def test_a_run_that_sleeps_frees_its_worker_and_goes_on_when_the_time_has_come():
    @agent("sleeper")
    def sleeper(ctx: RunContext, request: dict) -> str:
        ctx.sleep(3600)
        return "good morning"

    run = play("sleeper")
    assert run.state == "queued"
    wait = RunQueue.objects.get(run=run).available_at - run.created_at
    assert datetime.timedelta(minutes=59) < wait < datetime.timedelta(minutes=61)
    asleep = steps(run)["sleep#1"]
    asleep.result = {"until": run.created_at.isoformat()}  # time passes
    asleep.save()
    RunQueue.objects.filter(run=run).update(available_at=run.created_at)
    assert execute(run).output == "good morning"


def test_a_short_sleep_waits_in_place():
    @agent("napper")
    def napper(ctx: RunContext, request: dict) -> int:
        ctx.sleep(0.05)
        return ctx.attempt

    assert play("napper").output == 1


def test_the_thread_up_to_this_run_is_there():
    @agent("chatty")
    def chatty(ctx: RunContext, request: str) -> int:
        return len(ctx.messages)

    first = start("chatty", "hello")
    second = start("chatty", "again", thread=first.thread)
    assert execute(first).output == 1
    assert execute(second).output == 3


def test_a_step_knows_its_idempotency_key_and_a_retry_keeps_it():
    keys = []

    def body() -> None:
        info = current_step()
        keys.append((info.idempotency_key, info.execution))
        if len(keys) == 1:
            raise Crash

    @agent("keyed")
    def keyed(ctx: RunContext, request: dict) -> None:
        ctx.step("pay", body, retryable=True)

    run = execute(play_until_the_crash(start("keyed")))
    assert run.state == "completed"
    assert keys == [(keys[0][0], 1), (keys[0][0], 2)]
    assert current_step() is None


# --- misuse ------------------------------------------------------------------------------------------------------------


def test_a_step_inside_of_a_step_is_refused():
    @agent("nesting")
    def nesting(ctx: RunContext, request: dict) -> None:
        ctx.step("outer", lambda: ctx.step("inner", lambda: None))

    run = play("nesting")
    assert run.state == "failed"
    assert "inside of step outer#1" in run.reason


@pytest.mark.django_db(transaction=True)
def test_a_step_inside_of_a_transaction_is_refused():
    @agent("careless")
    def careless(ctx: RunContext, request: dict) -> None:
        with transaction.atomic():
            ctx.step("pay", lambda: None)

    run = play("careless")
    assert run.state == "failed"
    assert "inside transaction.atomic()" in run.reason
    assert not steps(run)


@pytest.mark.parametrize("value", [float("nan"), object(), "x" * 2000])
def test_a_result_that_cannot_be_recorded_fails_its_step_clearly(value, settings):
    settings.HARNESS = settings.HARNESS | {"MAX_RESULT_BYTES": 1000}

    @agent("strange")
    def strange(ctx: RunContext, request: dict) -> str:
        try:
            ctx.step("odd", lambda: value)
        except ToolFailed as failure:
            return failure.type
        return "recorded"

    run = play("strange")
    assert run.output == "ResultNotRecordable"
    assert "the result of odd" in steps(run)["odd#1"].error["message"]


# --- async -------------------------------------------------------------------------------------------------------------


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

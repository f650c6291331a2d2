from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.db import transaction
from pydantic import BaseModel

from harness.agents import RunContext, ToolFailed, agent, tool
from harness.models import ThreadMessage
from tests.harness.playing import (
    Crash,
    execute,
    play,
    play_until_the_crash,
    start,
    steps,
)

pytestmark = pytest.mark.django_db


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

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from harness import invariants
from harness.agents import Rejected, RunContext, agent, tool
from tests.harness.playing import (
    Crash,
    decide,
    execute,
    pending,
    play,
    play_until_the_crash,
    steps,
)
from tests.world import again, story

pytestmark = pytest.mark.django_db


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
    assert story(run).count("step.started") == 2
    assert invariants.check() == []


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
        ctx.approve("Go\x00 on?", folder="/tmp")
        return [ctx.ask("How many?", int), ctx.ask("Which?", Answer).number, ctx.ask("Free", {"type": "string"})]

    run = play("asker")
    (confirm,) = pending(run)
    assert (confirm.kind, confirm.summary, confirm.args) == ("confirm", "Go\ufffd on?", {"folder": "/tmp"})
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

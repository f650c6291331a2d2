from __future__ import annotations

import sys

import pytest
from django.db import OperationalError, connection

from harness import approvals, journal, runner, transitions
from harness.agents import RunContext, agent, registry
from harness.agents.adapters import Done, Paused, Resume, Start
from harness.agents.spec import AgentSpec
from harness.approvals import Ask
from harness.interrupts import Interrupts
from harness.models import Run, RunRequest
from harness.states import StepKind
from tests.harness.playing import crash, decide, execute, pending, play, start, steps
from tests.world import again, claim, event

pytestmark = pytest.mark.django_db


def test_a_run_whose_request_is_gone_fails_with_that_reason_at_its_first_attempt():
    run = start("drill", {"mode": "sleep"})
    RunRequest.objects.filter(run=run).delete()
    run = execute(run)
    assert (run.state, run.reason, run.attempt) == ("failed", "request cannot be read: it is gone", 1)


def test_a_run_whose_request_is_not_json_fails_with_that_reason():
    run = start("drill", {"mode": "sleep"})
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA ignore_check_constraints = ON")
            cursor.execute("UPDATE harness_run_request SET input = '{broken'")
    else:
        RunRequest.objects.filter(run=run).update(input={"mode": "nonsense"})
    run = execute(run)
    assert run.state == "failed"
    assert run.reason.startswith("request cannot be read: ")


def test_a_run_whose_agent_is_gone_fails_and_names_it():
    @agent("short-lived")
    def short_lived(ctx: RunContext, request: dict) -> None: ...

    run = start("short-lived")
    registry.unregister("short-lived")
    run = execute(run)
    assert run.state == "failed"
    assert run.reason.startswith("There is no agent 'short-lived'. Known agents: disk-janitor")


def test_an_exception_of_the_agent_fails_the_run_with_a_line_and_the_traceback():
    run = play("drill", {"mode": "fail"})
    assert (run.state, run.reason) == ("failed", "RuntimeError: this drill fails, as it was asked to")
    assert "Traceback" in run.error
    assert run.error.rstrip().endswith("RuntimeError: this drill fails, as it was asked to")


def test_a_long_traceback_keeps_its_end():
    @agent("deep")
    def deep(ctx: RunContext, request: dict) -> None:
        raise ValueError("x\x00" * 20_000 + "the end")

    run = play("deep")
    assert len(run.error) < 20_000
    assert run.error.rstrip().endswith("the end")
    assert len(run.reason) <= 500


def test_an_uncaught_tool_failure_names_the_step():
    @agent("unlucky")
    def unlucky(ctx: RunContext, request: dict) -> None:
        ctx.step("fetch", lambda: 1 / 0)

    assert play("unlucky").reason == "ToolFailed: fetch#1: ZeroDivisionError: division by zero"


def test_sys_exit_in_an_agent_fails_the_run_and_not_the_process():
    @agent("leaver")
    def leaver(ctx: RunContext, request: dict) -> None:
        sys.exit(3)

    run = play("leaver")
    assert (run.state, run.reason) == ("failed", "the agent called sys.exit(3)")


@pytest.mark.parametrize(
    ("output", "says"),
    [
        (object(), "the agent's output cannot be stored as JSON"),
        (float("inf"), "the agent's output cannot be stored as JSON"),
        ("x" * 2000, "the agent's output has 2,002 bytes as JSON, more than the 1,000 allowed"),
    ],
)
def test_an_output_that_cannot_be_stored_fails_the_run_clearly(output, says, settings):
    settings.HARNESS = settings.HARNESS | {"MAX_RESULT_BYTES": 1000}

    @agent("odd")
    def odd(ctx: RunContext, request: dict) -> object:
        return output

    run = play("odd")
    assert run.state == "failed"
    assert run.reason.startswith(says)


def test_characters_that_databases_refuse_are_replaced():
    @agent("dirty")
    def dirty(ctx: RunContext, request: dict) -> dict:
        ctx.emit("said", {"a\x00": "\ud800"})
        return {"k\x00": "v\x00\ud800"}

    run = play("dirty")
    assert run.output == {"k\ufffd": "v\ufffd?"}
    assert event(run, "custom.said").payload == {"a\ufffd": "?"}


def test_a_flood_of_events_and_steps_ends():
    run = play("drill", {"mode": "flood", "seconds": 0})
    assert run.state == "completed"
    assert len(run.output["lines"]) == 2000


def test_a_drain_hands_the_run_back_at_the_next_step_and_counts_no_crash():
    done = []

    @agent("stepper")
    def stepper(ctx: RunContext, request: dict) -> str:
        ctx.step("one", lambda: done.append(1) or interrupts.request_drain())
        ctx.step("two", lambda: done.append(2))
        return "done"

    interrupts = Interrupts()
    run = execute(start("stepper"), interrupts)
    assert (run.state, run.crashes, done) == ("queued", 0, [1])
    run = execute(run, Interrupts())
    assert (run.output, done) == ("done", [1, 2])


def test_an_agent_that_was_taken_over_writes_nothing_more():
    @agent("slow")
    def slow(ctx: RunContext, request: dict) -> str:
        crash(Run.objects.get(pk=ctx.run_id))
        ctx.step("late", lambda: None)
        return "late"

    run = start("slow")
    assert runner.run(claim(), Interrupts()) == "lost"
    assert (again(run).state, steps(run), again(run).output) == ("queued", {}, None)


def test_a_database_that_goes_away_during_a_step_hands_the_run_back(monkeypatch):
    real, failures = journal.begin, [OperationalError("the connection is gone")]

    def flaky(*args, **kwargs):
        if failures:
            raise failures.pop()
        return real(*args, **kwargs)

    @agent("stepper")
    def stepper(ctx: RunContext, request: dict) -> str:
        try:
            ctx.step("one", lambda: None)
        except Exception:
            return "swallowed"
        return "done"

    monkeypatch.setattr(journal, "begin", flaky)
    run = execute(start("stepper"))
    assert run.state == "queued"
    assert event(run, "run.requeued").payload["reason"] == "database"
    assert execute(run).output == "done"


def lost_step(effects):
    """A run whose worker died inside of a step that must not be repeated; recovery asked a person."""

    @agent("payer")
    def payer(ctx: RunContext, request: dict) -> str:
        try:
            return ctx.step("pay", lambda: effects.append("paid") or f"paid {len(effects)}")
        except Exception:
            return "swallowed"

    run = start("payer")
    lease = claim()
    transitions.start(lease)
    journal.begin(lease, key="pay#1", kind=StepKind.CUSTOM, name="pay", args={}, retryable=False)
    taken = transitions.take_over(again(run), why="crash", actor="test", crashed=True, only_expired=False, facts={})
    (step,) = journal.mark_unknown(taken, actor="test")
    transitions.ask_person(taken, actor="test")
    approvals.ask_after_crash(again(run), step, actor="test")
    return again(run)


def test_a_lost_step_is_run_again_if_a_person_says_so():
    effects: list = []
    run = lost_step(effects)
    decide(pending(run)[0])
    run = execute(run)
    assert (run.output, effects, steps(run)["pay#1"].executions) == ("paid 1", ["paid"], 2)


def test_a_lost_step_has_the_result_that_a_person_gives():
    effects: list = []
    run = lost_step(effects)
    decide(pending(run)[0], "edit", args={"result": "paid by hand"})
    assert execute(run).output == "paid by hand"
    assert effects == []


def test_a_lost_step_ends_the_run_if_a_person_says_so_whatever_the_agent_catches():
    run = lost_step([])
    decide(pending(run)[0], "reject", reason="refund first")
    run = execute(run)
    assert (run.state, run.reason) == ("failed", "pay#1 is lost, and the run was ended: refund first")


def test_a_lost_step_that_nobody_was_asked_about_is_asked_about():
    @agent("payer")
    def payer(ctx: RunContext, request: dict) -> str:
        return ctx.step("pay", lambda: "paid")

    run = start("payer")
    lease = claim()
    transitions.start(lease)
    journal.begin(lease, key="pay#1", kind=StepKind.CUSTOM, name="pay", args={}, retryable=False)
    run = execute(crash(run))
    assert run.state == "waiting_for_approval"
    assert pending(run)[0].kind == "recovery"


class Checkpointing:
    """A framework that keeps a checkpoint of its own and pauses twice."""

    def run(self, work, ctx):
        if isinstance(work, Start):
            said = [message["content"] for message in work.history]
            ctx.step("think", lambda: None)
            return Paused([Ask("t1", "tool", {"n": 1}), Ask("t2", "tool", {"n": 2})], {"said": said})
        assert isinstance(work, Resume)
        ctx.step("think", lambda: None)
        decided = {key: (one.decision, one.args, one.reason) for key, one in work.decisions.items()}
        if "again" not in work.checkpoint:
            return Paused([Ask("t3", "tool", {"n": 3})], {**work.checkpoint, "again": decided})
        return Done({**work.checkpoint, "last": decided})


def test_a_framework_with_checkpoints_pauses_and_goes_on_in_the_same_run():
    registry.register(AgentSpec("framed", lambda ctx, request: None, adapter=Checkpointing()))
    run = play("framed", {"go": 1})
    first, second = pending(run)
    decide(first)
    decide(second, "reject", reason="no")
    run = execute(run)
    decide(pending(run)[0], "edit", args={"n": 4})
    run = execute(run)
    assert run.state == "completed", run.error
    assert run.output == {
        "said": [{"go": 1}],
        "again": {"t1": ["approve", {"n": 1}, ""], "t2": ["reject", None, "no"]},
        "last": {"t3": ["edit", {"n": 4}, ""]},
    }
    assert {"think#1", "segment#1/think#1", "segment#2/think#1"} <= set(steps(run))

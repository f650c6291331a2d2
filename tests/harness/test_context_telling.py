from __future__ import annotations

import datetime

import pytest

from harness.agents import RunContext, agent, current_step
from harness.models import Artifact, Event, RunControl, RunQueue
from tests.harness.playing import (
    Crash,
    execute,
    play,
    play_until_the_crash,
    start,
    steps,
)

pytestmark = pytest.mark.django_db


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

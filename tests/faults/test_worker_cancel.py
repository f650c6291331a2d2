"""A cancel always ends, whatever the agent does, and nothing that it started is left."""

from __future__ import annotations

from datetime import timedelta

import pytest

from harness import control, transitions
from harness.models import Run
from tests.faults.live import Live, gone, now, receipt
from tests.infra.service import wait_until

pytestmark = pytest.mark.processes


def cancelled(live: Live, run: Run, **how: bool) -> Run:
    control.cancel_run(run.pk, reason="enough", **how)
    return live.until(run, "cancelled")


def test_a_cooperative_agent_stops_within_a_second(live: Live) -> None:
    live.worker(HEARTBEAT_INTERVAL_SECONDS=5, LEASE_SECONDS=30, CANCEL_GRACE_SECONDS=10)
    run = live.start("patient", seconds=60)
    (pid,) = live.until_noted()

    control.cancel_run(run.pk, reason="enough")
    run = live.until(run, "cancelled", seconds=1.0)

    assert run.reason == "cancelled: enough"
    assert receipt(run)["how"] == "cooperative"
    assert receipt(run)["seconds"] < 1.0
    assert run.control.told_at is not None
    assert not gone(pid), "a horse that stopped its run in good order is kept"


def test_an_agent_that_swallows_it_gets_sigterm_after_the_grace(live: Live) -> None:
    live.worker()
    run = live.start("stubborn")
    (pid,) = live.until_noted()

    cancelled(live, run)

    assert receipt(run)["how"] == "SIGTERM"
    assert receipt(run)["signal"] == 15
    assert 0.6 <= receipt(run)["seconds"] < 3
    assert gone(pid)


def test_an_agent_that_ignores_sigterm_is_killed(live: Live) -> None:
    live.worker()
    run = live.start("stubborn", deaf=True)
    (pid,) = live.until_noted()

    cancelled(live, run)

    assert receipt(run)["how"] == "SIGKILL"
    assert gone(pid)


def test_an_agent_that_hangs_in_c_code_is_ended_and_the_next_run_gets_a_new_horse(live: Live) -> None:
    live.worker()
    run = live.start("native")
    (pid,) = live.until_noted()

    cancelled(live, run)

    assert receipt(run)["how"] == "SIGTERM"
    assert gone(pid)
    assert live.until(live.start("quick"), "completed").output["pid"] != int(pid)


def test_force_kills_without_asking(live: Live) -> None:
    live.worker(CANCEL_GRACE_SECONDS=30)
    run = live.start("patient", seconds=60)
    live.until_noted()

    cancelled(live, run, force=True)

    assert receipt(run)["how"] == "SIGKILL"


def test_force_added_to_a_cancel_that_is_under_way_ends_its_patience(live: Live) -> None:
    live.worker(CANCEL_GRACE_SECONDS=30)
    run = live.start("stubborn")
    live.until_noted()
    control.cancel_run(run.pk, reason="enough")
    wait_until(lambda: now(run).control.told_at)

    cancelled(live, run, force=True)

    assert receipt(run)["how"] == "SIGKILL"


def test_processes_that_the_agent_started_are_gone_after_a_cancel(live: Live) -> None:
    live.worker()
    run = live.start("brood", seconds=60)
    started = live.until_noted()[0].split()

    cancelled(live, run)

    assert len(receipt(run)["killed"]) == len(started) == 3
    assert all(gone(pid) for pid in started)


def test_processes_of_a_run_that_has_to_be_killed_are_gone_too(live: Live) -> None:
    live.worker()
    run = live.start("brood", seconds=60)
    started = live.until_noted()[0].split()

    cancelled(live, run, force=True)

    wait_until(lambda: all(gone(pid) for pid in started))


def test_what_a_completed_run_left_running_is_killed_and_named_in_the_log(live: Live) -> None:
    live.worker()
    live.until(live.start("brood", seconds=0), "completed")

    wait_until(lambda: all(gone(pid) for pid in live.noted()[0].split()))
    wait_until(lambda: "killed what was left of" in live.logged())
    live.until(live.start("quick"), "completed")


def test_a_cancel_is_seen_at_the_next_beat_when_the_command_channel_is_dead(live: Live) -> None:
    live.worker()
    run = live.start("patient", seconds=60)
    live.until_noted()
    live.redis.kill()

    cancelled(live, run)

    assert receipt(run)["how"] == "cooperative"


@pytest.mark.parametrize("agent", ["patient", "stubborn"])
def test_a_run_whose_deadline_passes_fails_with_that_reason(live: Live, agent: str) -> None:
    live.worker()
    given = {"file": str(live.file), "seconds": 60}

    run = transitions.submit(agent=agent, input=given, deadline_in=timedelta(seconds=1))

    assert live.until(run, "failed").reason == "deadline exceeded"

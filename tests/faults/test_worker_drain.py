"""A worker that is asked to stop takes nothing new, hands back what it holds, and counts no crash."""

from __future__ import annotations

import signal
import time

import pytest

from harness import control
from harness.models import Run, RunQueue, Worker
from tests.faults.live import Live, gone, now
from tests.infra.service import wait_until

pytestmark = pytest.mark.processes


def test_the_run_goes_back_at_its_next_step_with_its_journal(live: Live) -> None:
    worker = live.worker()
    run = live.start("stepwise", count=4, seconds=0.5)
    live.until_noted(3)

    worker.kill(signal.SIGTERM)

    assert worker.wait() == 0
    assert now(run).state == "queued"
    assert (now(run).crashes, RunQueue.objects.get(run=run).claimed_by) == (0, None)
    live.worker()
    live.until(run, "completed")
    assert [line for line in live.noted() if line.startswith("end")] == [f"end {number}" for number in range(4)]


def test_it_beats_until_the_last_write_and_takes_nothing_new(live: Live) -> None:
    worker = live.worker(DRAIN_SECONDS=10)
    run = live.start("stepwise", count=2, seconds=4)
    live.until_noted()
    waiting = live.start("quick")

    worker.kill(signal.SIGTERM)
    time.sleep(2.5)  # longer than a lease

    assert (now(run).state, now(run).epoch) == ("running", 1)
    assert worker.wait() == 0
    assert (now(run).state, now(run).epoch, now(waiting).state) == ("queued", 1, "queued")


def test_a_run_without_a_step_boundary_in_time_is_cut_off_and_queued_without_a_crash(live: Live) -> None:
    worker = live.worker(DRAIN_SECONDS=1)
    run = live.start("patient", seconds=60)
    (pid,) = live.until_noted()

    worker.kill(signal.SIGTERM)

    assert worker.wait() == 0
    assert gone(pid)
    assert (now(run).state, now(run).crashes) == ("queued", 0)


def test_a_second_signal_makes_it_hurry(live: Live) -> None:
    worker = live.worker(DRAIN_SECONDS=60)
    run = live.start("patient", seconds=60)
    live.until_noted()

    worker.kill(signal.SIGTERM)
    time.sleep(0.5)
    worker.kill(signal.SIGTERM)

    assert worker.wait(5) == 0
    assert now(run).state == "queued"


def test_an_idle_worker_ends_at_once(live: Live) -> None:
    worker = live.worker()
    horse = live.horse()

    worker.kill(signal.SIGINT)

    assert worker.wait(3) == 0
    assert gone(horse)
    assert Worker.objects.get().stopped_at is not None


def test_a_person_drains_a_worker(live: Live) -> None:
    worker = live.worker()
    run = live.start("stepwise", count=20, seconds=0.3)
    live.until_noted()

    control.drain_worker(Worker.objects.get().pk)

    assert worker.wait() == 0
    wait_until(lambda: Run.objects.get(pk=run.pk).state == "queued")


def test_a_cancel_during_a_drain_still_wins(live: Live) -> None:
    worker = live.worker(DRAIN_SECONDS=8)
    run = live.start("patient", seconds=60)
    live.until_noted()
    worker.kill(signal.SIGTERM)

    control.cancel_run(run.pk, reason="enough")

    assert worker.wait() == 0
    assert now(run).state == "cancelled"

"""Horses and workers that die, freeze, or are replaced."""

from __future__ import annotations

import os
import signal

import psutil
import pytest

from harness import recovery
from harness.models import Approval, Event, Run, Worker
from tests.faults.live import Live, gone, kill, now
from tests.infra.service import wait_until

pytestmark = pytest.mark.processes


def effects(live: Live, word: str) -> list[str]:
    return [line for line in live.noted() if line.startswith(word)]


def test_a_horse_killed_inside_a_retryable_step_is_noticed_at_once_and_finished_steps_are_kept(live: Live) -> None:
    live.worker()
    run = live.start("stepwise", count=3, seconds=0.5)
    live.until_noted(3)

    kill(live.horse())
    run = live.until(run, "completed")

    assert (run.epoch, run.attempt, run.crashes) == (3, 2, 1)
    assert effects(live, "begin") == ["begin 0", "begin 1", "begin 1", "begin 2"]
    assert effects(live, "end") == ["end 0", "end 1", "end 2"]


def test_a_step_that_must_not_be_repeated_becomes_a_question(live: Live) -> None:
    live.worker()
    run = live.start("once")
    live.until_noted()

    kill(live.horse())
    live.until(run, "waiting_for_approval")

    assert Approval.objects.get(run=run).kind == "recovery"
    assert live.noted() == ["effect"]


def test_a_run_that_kills_its_horse_every_time_is_given_up_and_the_others_go_on(live: Live) -> None:
    live.worker()
    poison, good = live.start("suicidal"), live.start("quick")

    assert "poison" in live.until(poison, "failed").reason
    assert live.noted() == ["again"] * 3
    live.until(good, "completed")


def test_an_idle_horse_that_dies_is_replaced(live: Live) -> None:
    live.worker()
    first = live.horse()

    kill(first)

    wait_until(lambda: live.horse() != first)
    live.until(live.start("quick"), "completed")


def test_a_horse_and_what_it_started_die_with_a_worker_that_is_killed_and_the_run_goes_on_elsewhere(live: Live) -> None:
    worker = live.worker()
    run = live.start("stepwise", count=3, seconds=0.5)
    live.until_noted(3)
    horse = live.horse()

    worker.kill()
    wait_until(lambda: gone(horse), seconds=1)
    wait_until(recovery.recover_expired, what="the lease to expire")
    live.worker()
    live.until(run, "completed")

    assert effects(live, "end") == ["end 0", "end 1", "end 2"]


def test_programs_left_by_a_killed_worker_are_killed_when_the_next_one_starts(live: Live) -> None:
    worker = live.worker()
    live.start("brood", seconds=60)
    started = live.until_noted()[0].split()
    worker.kill()
    worker.wait()

    live.worker()

    wait_until(lambda: all(gone(pid) for pid in started))


def test_a_frozen_worker_that_wakes_up_after_its_lease_writes_nothing(live: Live) -> None:
    frozen = live.worker()
    run = live.start("stepwise", count=2, seconds=1.0)
    live.until_noted()
    horse = live.horse()
    for pid in (frozen.pid, horse):
        os.kill(pid, signal.SIGSTOP)

    wait_until(recovery.recover_expired, what="the lease to expire")
    live.worker()
    finished = live.until(run, "completed")
    for pid in (frozen.pid, horse):
        os.kill(pid, signal.SIGCONT)

    wait_until(lambda: "lease lost" in frozen.log() or "no longer ours" in frozen.log())
    assert (now(run).epoch, now(run).event_seq) == (finished.epoch, finished.event_seq)
    assert Event.objects.filter(run=run, type="run.lease_lost").count() == 1
    assert frozen.alive


def test_the_horse_of_a_run_that_was_taken_over_is_killed_at_the_next_beat(live: Live) -> None:
    live.worker()
    run = live.start("patient", seconds=60)
    (pid,) = live.until_noted()

    recovery.recover(run.pk, recovery.Loss(recovery.DIED))

    wait_until(lambda: gone(pid), seconds=5)
    assert len(live.until_noted(2)) == 2, "it is executed again"


def test_a_worker_taken_for_dead_ends_so_that_it_can_start_anew(live: Live) -> None:
    worker = live.worker()
    Worker.objects.update(stopped_at=Worker.objects.get().heartbeat_at)

    assert worker.wait() == 0


def test_a_horse_does_run_after_run_on_one_connection(live: Live) -> None:
    live.worker()

    done = [live.until(live.start("quick"), "completed").output for _ in range(3)]

    assert len({each["pid"] for each in done}) == 1
    assert done[0]["session"] == done[0]["pid"], "a session and process group of its own"


def test_each_run_gets_a_fresh_process_where_that_is_asked_for(live: Live) -> None:
    live.worker(RUNS_PER_HORSE=1)

    runs = [live.start("quick") for _ in range(3)]

    assert len({live.until(run, "completed").output["pid"] for run in runs}) == 3


def test_many_runs_and_many_horses_leave_no_open_files_and_no_zombies_behind(live: Live) -> None:
    worker = live.worker(RUNS_PER_HORSE=20)

    def after(count: int) -> tuple[int, int]:
        runs = [live.start("quick") for _ in range(count)]
        for run in runs:
            live.until(run, "completed", seconds=60)
        wait_until(lambda: len(worker.children()) == 1)
        return psutil.Process(worker.pid).num_fds(), psutil.Process(worker.pid).memory_info().rss

    files, memory = after(25)
    later_files, later_memory = after(100)

    assert later_files <= files + 1
    assert later_memory < memory + 10 * 2**20
    assert {now(run).state for run in Run.objects.all()} == {"completed"}


def test_rqworker_uses_the_same_worker_and_serializer(live: Live) -> None:
    live.worker(command="rqworker")

    live.until(live.start("quick"), "completed")

    assert "DeserializationError" not in live.logged()


def test_burst_does_what_is_due_and_ends_however_long_that_takes(live: Live) -> None:
    runs = [live.start("patient", seconds=seconds) for seconds in (3, 3, 0, 0)]
    live.redis.client().flushall()

    assert live.command("work", "--burst").wait() == 0

    assert {now(run).state for run in runs} == {"completed"}
    assert Worker.objects.get().stopped_at is not None


def test_several_processes_under_one_command_end_together_and_one_that_crashes_is_started_again(live: Live) -> None:
    herd = live.command("work", "--processes", "2", "--name", "w")
    wait_until(lambda: Worker.objects.count() == 2, seconds=60)
    victim = Worker.objects.earliest("started_at")
    kill(victim.pid)
    wait_until(lambda: Worker.objects.count() == 3, seconds=60)
    live.until(live.start("quick"), "completed")

    herd.kill(signal.SIGTERM)

    assert herd.wait() == 0
    assert Worker.objects.exclude(pk=victim.pk).filter(stopped_at=None).count() == 0


def test_a_queue_that_does_not_exist_is_refused_with_a_sentence(live: Live) -> None:
    refused = live.command("work", "--queues", "default,nowhere")

    assert refused.wait() == 2
    assert "There is no queue nowhere" in live.logged()
    assert Run.objects.count() == 0

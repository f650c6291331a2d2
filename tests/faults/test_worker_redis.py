"""Redis comes and goes; the ledger's work is done."""

from __future__ import annotations

import time

import pytest

from harness.models import Worker
from tests.faults.live import Live, now
from tests.infra.service import wait_until

pytestmark = pytest.mark.processes


def test_an_outage_during_a_run_does_not_disturb_it(live: Live) -> None:
    worker = live.worker()
    run = live.start("patient", seconds=4)
    live.until_noted()

    live.redis.kill()
    run = live.until(run, "completed")

    assert run.epoch == 1
    assert worker.alive
    live.redis.start()
    live.until(live.start("quick"), "completed")


def test_runs_that_were_submitted_without_redis_run(live: Live) -> None:
    live.worker()
    live.redis.kill()
    runs = [live.start("quick") for _ in range(3)]

    live.redis.start()

    for run in runs:
        live.until(run, "completed")


def test_an_idle_worker_looks_into_the_ledger_while_redis_is_away_and_goes_on_beating(live: Live) -> None:
    worker = live.worker()
    live.redis.kill()

    live.until(live.start("quick"), "completed")

    before = Worker.objects.get().heartbeat_at
    wait_until(lambda: Worker.objects.get().heartbeat_at > before, seconds=2)
    assert worker.alive


def test_a_worker_starts_without_redis(live: Live) -> None:
    live.redis.kill()
    live.worker()

    live.until(live.start("quick"), "completed")
    live.redis.start()
    live.until(live.start("quick"), "completed")


def test_a_worker_is_known_to_rq_again_after_redis_lost_everything(live: Live) -> None:
    live.worker()
    run = live.start("patient", seconds=2)
    live.until_noted()

    live.redis.client().flushall()

    assert live.until(run, "completed").epoch == 1
    live.until(live.start("quick"), "completed")
    key = f"rq:worker:{Worker.objects.get().pk}"
    wait_until(lambda: live.redis.client().sismember("rq:workers", key), what="its registration")
    wait_until(lambda: live.redis.client().ttl(key) > 0)


def test_a_frozen_redis_costs_no_lease(live: Live) -> None:
    live.worker(LEASE_SECONDS=4)
    run = live.start("patient", seconds=7)
    live.until_noted()

    live.redis.kill(19)  # SIGSTOP
    time.sleep(6)
    held = now(run).control
    live.redis.kill(18)  # SIGCONT

    assert (held.run.state, held.run.epoch) == ("running", 1)
    assert held.run.queue_row.lease_expires_at > held.heartbeat_at
    live.until(run, "completed")


def test_a_ring_for_nothing_and_a_ring_many_times_over_do_no_harm(live: Live) -> None:
    from harness import dispatch

    live.worker()
    run = live.start("stepwise", count=1, seconds=0)
    dispatch.ring("default", times=100)

    live.until(run, "completed")

    wait_until(lambda: dispatch.depth("default") == 0)
    assert (now(run).epoch, live.noted()) == (1, ["begin 0", "end 0"])

import os
import signal
import subprocess
import sys
from datetime import timedelta

import pytest
from django.db import OperationalError

from harness import control, dispatch, recovery, supervisor, workers
from harness.clock import Now
from harness.models import Approval, Queue, RunControl, RunQueue, Worker
from harness.supervisor import Supervisor
from tests.world import (
    again,
    cancelling_run,
    claim,
    expire,
    queued_run,
    running_run,
    waiting_run,
    worker,
)

pytestmark = pytest.mark.django_db


class Bell:
    """Stands where Redis would: counts the rings, and how many are still waiting there."""

    def __init__(self):
        self.waiting, self.rings = {}, {}

    def depth(self, key):
        return self.waiting.get(key, 0) if self.waiting is not None else None

    def ring(self, key, times=1):
        self.rings[key] = self.rings.get(key, 0) + times
        return True


@pytest.fixture(autouse=True)
def bell(monkeypatch):
    bell = Bell()
    monkeypatch.setattr(dispatch, "depth", bell.depth)
    monkeypatch.setattr(dispatch, "ring", bell.ring)
    return bell


@pytest.fixture
def one():
    return Supervisor()


def test_a_run_that_nobody_took_is_rung_for_again(one, bell):
    queued_run()

    assert one.ring_again() == 1
    assert bell.rings == {"default": 1}


def test_there_are_as_many_rings_as_workers_and_runs_need(one, bell):
    for n in range(3):
        worker(f"w{n}")
    for _ in range(5):
        queued_run()

    bell.waiting = {"default": 1}
    assert one.ring_again() == 2


def test_rings_that_wait_in_redis_are_not_doubled(one, bell):
    queued_run()
    bell.waiting = {"default": 1}

    assert one.ring_again() == 0


def test_nothing_is_rung_while_redis_is_away(one, bell):
    queued_run()
    bell.waiting = None

    assert one.ring_again() == 0
    assert bell.rings == {}


def test_a_run_for_later_is_rung_for_when_it_is_due(one, bell):
    run = queued_run(available_at=None)
    RunQueue.objects.filter(run=run).update(available_at=Now() + timedelta(hours=1))
    assert one.ring_again() == 0

    RunQueue.objects.filter(run=run).update(available_at=Now())
    assert one.ring_again() == 1


def test_a_paused_queue_is_rung_for_when_its_pause_ends(one, bell):
    queued_run()
    control.pause_queue("default", reason="maintenance")
    assert one.ring_again() == 0

    Queue.objects.update(paused_until=Now())
    assert one.ring_again() == 1


def test_a_full_queue_is_not_rung_for(one, bell):
    running_run()
    queued_run()
    Queue.objects.update(max_concurrent_runs=1)

    assert one.ring_again() == 0


def test_a_pass_reaps_closes_expires_and_shows_that_recovery_runs(one):
    lost = running_run()
    expire(lost)
    cancelled, _ = cancelling_run()
    RunControl.objects.filter(run=cancelled).update(cancel_at=Now() - recovery.cancel_patience())
    waiting, (approval,) = waiting_run()
    Approval.objects.filter(pk=approval.pk).update(expires_at=Now() - timedelta(seconds=1))

    one.pass_once()

    assert (again(lost).state, again(cancelled).state, again(waiting).state) == ("queued", "cancelled", "resuming")
    row = Worker.objects.get(pk=one.worker.pk)
    assert (row.kind, row.stopped_at) == ("supervisor", None)


def test_a_supervisor_keeps_one_row_and_takes_a_new_one_only_if_it_was_written_off(one):
    one.pass_once()
    first = one.worker.pk
    one.pass_once()
    assert one.worker.pk == first

    workers.stop(first)
    one.pass_once()
    assert one.worker.pk != first


def test_processes_that_have_not_beaten_for_long_are_written_off(one):
    silent, late, alive = worker("silent"), worker("late"), worker("alive")
    Worker.objects.filter(pk=silent.pk).update(heartbeat_at=Now() - timedelta(seconds=91))
    Worker.objects.filter(pk=late.pk).update(heartbeat_at=Now() - timedelta(seconds=60))

    assert one.mark_dead_workers() == 1
    assert set(Worker.objects.running()) == {late, alive}


def test_a_job_that_fails_is_logged_once_and_keeps_none_of_the_others(one, monkeypatch, caplog):
    lost = running_run()
    expire(lost)

    def broken(limit):
        raise RuntimeError("a bug")

    monkeypatch.setattr(supervisor.approvals, "expire_overdue", broken)
    one.pass_once()
    one.pass_once()

    assert again(lost).state == "queued"
    assert [r.message for r in caplog.records if "expire_approvals" in r.message] == [
        "expire_approvals failed; goes on"
    ]


def test_a_database_that_is_away_is_said_once_in_a_line(one, monkeypatch, caplog):
    def away(limit):
        raise OperationalError("server closed the connection")

    reap = recovery.recover_expired
    monkeypatch.setattr(recovery, "recover_expired", away)
    one.pass_once()
    one.pass_once()
    monkeypatch.setattr(recovery, "recover_expired", reap)
    with caplog.at_level("INFO"):
        one.pass_once()

    said = [record for record in caplog.records if record.message.startswith("reap")]
    assert [record.message for record in said] == [
        "reap: the database refused (server closed the connection); goes on",
        "reap works again",
    ]
    assert said[0].exc_info is None


@pytest.mark.django_db(transaction=True)
def test_a_supervisor_that_is_asked_to_stop_ends_between_two_jobs(one, monkeypatch):
    lost = running_run()
    expire(lost)
    monkeypatch.setattr(Supervisor, "reap", lambda self: self.stop() or 0)
    monkeypatch.setattr(Supervisor, "close_overdue_cancels", lambda self: pytest.fail("went on"))

    one.run()

    assert Worker.objects.get(pk=one.worker.pk).stopped_at is not None


def test_old_runs_are_pruned_in_batches_and_then_not_for_an_hour(one, monkeypatch):
    calls = []

    def prune(*, limit):
        calls.append(limit)
        return supervisor.retention.Pruned(runs=1 if len(calls) == 1 else 0)

    monkeypatch.setattr(supervisor.retention, "prune", prune)
    assert [one.prune(), one.prune(), one.prune()] == [1, 0, 0]
    assert len(calls) == 2


def test_a_recovered_run_is_claimed_and_runs_on(one):
    lost = running_run()
    expire(lost)
    one.pass_once()

    assert claim(by=worker("w2")).run_id == lost.run_id


@pytest.mark.processes
def test_the_command_ends_cleanly_on_sigterm(tmp_path):
    env = os.environ | {
        "HARNESS_DATA_DIR": str(tmp_path),
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
        "DJANGO_SETTINGS_MODULE": "harness.config.settings",
    }
    subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], env=env, check=True, timeout=60)
    process = subprocess.Popen(
        [sys.executable, "-u", "manage.py", "supervise"], env=env, stdout=subprocess.PIPE, text=True
    )
    try:
        assert "supervising" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0
    assert rest.splitlines()[-1].endswith("stopped")

"""The parts of a worker that can be looked at without a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any
from uuid import uuid4

import pytest
from django.db import OperationalError

from harness import worker, workers
from harness.leases import Lease
from harness.models import Worker
from harness.worker import kin
from harness.worker.debts import Debts
from harness.worker.horse import Death, Horse
from harness.worker.horse_life import read_lease, write_lease
from harness.worker.ladder import Ladder, Rung, Why
from harness.workers import Standing

LEASE = Lease(uuid4(), 3, uuid4(), "default", uuid4(), "drill", resuming=True)


@pytest.fixture
def horse(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A horse that is asked nothing; what is sent to it is written down."""
    sent: list[tuple[str, int]] = []
    monkeypatch.setattr(Horse, "send", lambda self, number: sent.append(("horse", number)))
    monkeypatch.setattr(Horse, "send_group", lambda self, number: sent.append(("group", number)))
    tame = Horse.__new__(Horse)
    tame.sent = sent  # type: ignore[attr-defined]
    return tame


def climbed_at(ladder: Ladder, horse: Any, *seconds: float) -> list[Rung | None]:
    """The rung after each look, so many seconds after it began."""
    taken = []
    began = ladder.began
    for second in seconds:
        ladder.began = began - second
        ladder.climb(horse)
        taken.append(ladder.rung)
    return taken


def test_it_asks_waits_for_the_grace_then_ends_the_group_then_kills_it(horse: Any, settings: Any) -> None:
    settings.HARNESS = settings.HARNESS | {"CANCEL_GRACE_SECONDS": 10}

    rungs = climbed_at(Ladder(LEASE, Why.CANCEL), horse, 0, 9.5, 10, 11.5, 12, 60)

    assert rungs == [Rung.ASKED, Rung.ASKED, Rung.TERM, Rung.TERM, Rung.KILL, Rung.KILL]
    assert horse.sent == [("horse", signal.SIGUSR1), ("group", signal.SIGTERM), ("group", signal.SIGKILL)]


def test_force_goes_straight_to_the_last_rung(horse: Any) -> None:
    assert climbed_at(Ladder(LEASE, Why.CANCEL, forced=True), horse, 0) == [Rung.KILL]
    assert horse.sent == [("group", signal.SIGKILL)]


def test_a_passed_deadline_is_asked_for_by_a_signal_of_its_own(horse: Any) -> None:
    climbed_at(Ladder(LEASE, Why.DEADLINE), horse, 0)

    assert horse.sent == [("horse", signal.SIGXCPU)]


def test_the_receipt_tells_a_crash_from_what_we_did(horse: Any) -> None:
    ladder = Ladder(LEASE, Why.CANCEL, age=2.0)
    climbed_at(ladder, horse, 0)

    crashed = ladder.facts(Death(exit_status=None, signal=signal.SIGSEGV), [])

    assert crashed["how"] == "worker lost"
    assert crashed["seconds"] >= 2.0
    assert ladder.facts(None, ["sleep (7)"])["killed"] == ["sleep (7)"]


def test_a_lease_comes_through_the_pipe_as_it_was() -> None:
    assert read_lease(write_lease(LEASE)) == LEASE


@pytest.mark.django_db
def test_what_the_database_refuses_is_owed_and_paid_in_order() -> None:
    debts, paid, away = Debts(), [], [True]

    def write(what: str) -> None:
        if away[0]:
            raise OperationalError("away")
        paid.append(what)

    debts.owe(lambda: write("first"))
    debts.owe(lambda: write("second"))
    debts.pay()
    assert debts
    assert debts.attempt(lambda: write("third")) is None

    away[0] = False
    debts.pay()
    assert paid == ["first", "second"]
    assert not debts


@pytest.mark.django_db
def test_a_write_that_can_never_succeed_does_not_block_those_behind_it() -> None:
    debts, paid = Debts(), []

    debts.owe(lambda: 1 / 0)
    debts.owe(lambda: paid.append("behind"))
    debts.pay()

    assert paid == ["behind"]


@pytest.mark.django_db
def test_a_worker_is_welcome_until_it_is_drained_stopped_or_forgotten() -> None:
    row = workers.register(["default"], name="w")
    assert (workers.standing(row.pk), row.pid) == (Standing.WELCOME, os.getpid())

    assert workers.drain(row.pk)
    assert not workers.drain(row.pk)
    assert workers.standing(row.pk) is Standing.DRAINING

    assert workers.stop(row.pk)
    assert workers.standing(row.pk) is Standing.DISMISSED
    assert not workers.drain(row.pk)
    Worker.objects.all().delete()
    assert workers.standing(row.pk) is Standing.DISMISSED


def test_an_ordinary_rq_worker_refuses_the_job_with_a_sentence() -> None:
    with pytest.raises(RuntimeError, match=r"start one with `manage.py work`"):
        worker.work("default")


def test_everything_below_a_process_is_found_and_killed_and_what_is_spared_is_not() -> None:
    spared = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    sleeper = subprocess.Popen(["sh", "-c", "sleep 61 & sleep 62"])

    killed = kin.kill_below(os.getpid(), spare=kin.children() - {sleeper.pid})

    sleeper.wait()
    assert spared.poll() is None
    assert any(name.startswith(("sh", "sleep")) for name in killed)
    spared.kill()
    spared.wait()

"""The database goes away for less than a lease: nothing is lost, nothing is doubled."""

from __future__ import annotations

import sqlite3
import time

import pytest
from django.db import connection, connections

from tests.conftest import DATABASE
from tests.faults.live import Live
from tests.infra import postgres
from tests.infra.service import wait_until

pytestmark = pytest.mark.processes

TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid != "


def finished(live: Live) -> list[str]:
    """Steps that ended; one whose record was cut off may have been executed again."""
    return sorted({line for line in live.noted() if line.startswith("end")})


@pytest.mark.skipif(DATABASE != "postgres", reason="SQLite has no server")
def test_a_restart_of_postgresql_during_a_run_loses_nothing(live: Live) -> None:
    worker = live.worker(LEASE_SECONDS=15)
    run = live.start("stepwise", count=8, seconds=0.5)
    live.until_noted()

    connections.close_all()
    postgres.cluster().restart()
    run = live.until(run, "completed", seconds=40)

    assert run.crashes == 0
    assert finished(live) == [f"end {number}" for number in range(8)]
    assert worker.alive
    live.until(live.start("quick"), "completed")


@pytest.mark.skipif(DATABASE != "postgres", reason="SQLite has no connections to terminate")
def test_connections_that_the_server_ends_again_and_again_are_made_anew(live: Live) -> None:
    live.worker(LEASE_SECONDS=15)
    run = live.start("stepwise", count=10, seconds=0.3)
    live.until_noted()

    for _ in range(6):
        with connection.cursor() as cursor:
            cursor.execute(TERMINATE + "pg_backend_pid()")
        time.sleep(0.7)

    assert live.until(run, "completed", seconds=40).crashes == 0
    assert finished(live) == [f"end {number}" for number in range(10)]


@pytest.mark.skipif(DATABASE != "sqlite", reason="PostgreSQL has no lock on the whole database")
def test_a_write_lock_held_by_another_process_for_seconds_is_waited_for(live: Live) -> None:
    live.worker(LEASE_SECONDS=15)
    run = live.start("stepwise", count=4, seconds=0.3)
    live.until_noted()

    other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    time.sleep(4)
    other.execute("COMMIT")
    other.close()

    assert live.until(run, "completed").epoch == 1
    wait_until(lambda: "completed in" in live.logged())
    assert "database is locked" not in live.logged()

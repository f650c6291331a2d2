"""What a long backlog costs: submit, claim and finish with many runs waiting, as ratios to an empty queue.

`python -m bench.ledger [BACKLOG]` measures on the database of DATABASE_URL, or on a throw-away SQLite file, and prints
the statements and the time of each verb, and of the pages' lists, relative to the same with an empty backlog.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from statistics import median
from time import perf_counter
from typing import Any

ROUNDS = 50


def main(backlog: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("HARNESS_DATA_DIR", folder)
        os.environ["DJANGO_SETTINGS_MODULE"] = "harness.config.settings"
        import django

        django.setup()
        compare(backlog)


def compare(backlog: int) -> None:
    from django.db import connections
    from django.test.runner import DiscoverRunner

    runner = DiscoverRunner(verbosity=0, interactive=False)
    databases = runner.setup_databases()
    try:
        before = measured()
        fill(backlog)
        after = measured()
        for verb, (statements, seconds) in after.items():
            first_statements, first_seconds = before[verb]
            more = f"{statements} statements (empty: {first_statements})"
            print(f"{verb}: {seconds / first_seconds:.2f} x the time with {backlog:,} runs waiting, {more}")
    finally:
        connections.close_all()
        runner.teardown_databases(databases)


def fill(backlog: int) -> None:
    """Rows as `submit` makes them, in bulk; in threads of their own."""
    from harness.clock import now
    from harness.models import Run, RunControl, RunQueue, RunRequest, Thread

    due, made = now(), 0
    while made < backlog:
        size = min(2_000, backlog - made)
        threads = Thread.objects.bulk_create(Thread(agent="nothing") for _ in range(size))
        runs = Run.objects.bulk_create(Run(thread=thread, agent="nothing") for thread in threads)
        RunRequest.objects.bulk_create(RunRequest(run=run, input={}) for run in runs)
        RunControl.objects.bulk_create(RunControl(run=run) for run in runs)
        RunQueue.objects.bulk_create(RunQueue(run=run, queue_key="default", available_at=due) for run in runs)
        made += size
    analyze()


def analyze() -> None:
    """Let PostgreSQL know the sizes, as its autovacuum does; nobody does so for SQLite."""
    from django.db import connection

    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")


def measured() -> dict[str, tuple[int, float]]:
    """Statements and median seconds of each verb."""
    from harness import transitions, workers
    from harness.transitions import Outcome

    me = workers.register(["default"]).pk
    times: dict[str, list[tuple[int, float]]] = {}

    def timed(verb: str, call: Callable[[], Any]) -> Any:
        answer, statements, seconds = counted(call)
        times.setdefault(verb, []).append((statements, seconds))
        return answer

    for _ in range(ROUNDS):
        timed("submit", lambda: transitions.submit(agent="nothing", input={}))
        lease = timed("claim", lambda: transitions.claim_next("default", me))
        timed("start", partial(transitions.start, lease))
        timed("beat", lambda: transitions.beat(me))
        timed("finish", partial(transitions.finish, lease, Outcome.completed({})))
    return {verb: (rows[0][0], median(seconds for _, seconds in rows)) for verb, rows in times.items()}


def counted(call: Callable[[], Any]) -> tuple[Any, int, float]:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as statements:
        began = perf_counter()
        answer = call()
        return answer, len(statements), perf_counter() - began


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 50_000)

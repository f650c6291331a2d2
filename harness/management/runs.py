"""What the commands about runs share: how one reads in a terminal, and waiting for its end."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.db import InterfaceError, OperationalError, connection

from harness import clock, serialize
from harness.management import given
from harness.management.base import Error, JsonCommand
from harness.management.text import age, clean, cut, facts, payload, table
from harness.models import Approval, Run, Worker
from harness.states import State

EXIT_STATUS = {State.COMPLETED: 0, State.FAILED: 3, State.CANCELLED: 4}
TIMED_OUT = 5
FIRST_POLL, LAST_POLL = 0.1, 1.0
FAILED_POLLS = 30
"""So many reads in a row may fail (a database that restarts) before waiting ends with the error."""


class RunCommand(JsonCommand):
    """A command whose answer is one run."""

    def as_json(self, answer: Run) -> serialize.Json:
        return serialize.run(answer)

    def as_text(self, answer: Run) -> Iterable[str]:
        return summary(answer)

    def wait(self, run: Run, timeout: float | None) -> Run:
        """Wait until `run` ended; each change is said on stderr. The exit status becomes that of its outcome."""
        run = wait_for_end(run, timeout, self.note)
        self.exit_status = EXIT_STATUS.get(State(run.state), TIMED_OUT)
        if not run.is_terminal:
            self.note(f"Not ended after {timeout:g} s; the run goes on.")
        return run


def add_wait_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--wait",
        action="store_true",
        help="Wait until the run ended: exit status 0 completed, 3 failed, 4 cancelled, 5 not within --timeout.",
    )
    parser.add_argument(
        "--timeout", type=given.seconds, metavar="SECONDS", help="How long to wait (default: until it ended)."
    )


def note_if_no_worker_is_alive(say: Callable[[str], None]) -> None:
    if not Worker.objects.workers().alive().exists():
        say("No worker is alive: runs wait until one is started (`make up`, or `manage.py work`).")


def wait_for_end(run: Run, timeout: float | None, say: Callable[[str], None]) -> Run:
    """The run as it is when it ended, or when `timeout` seconds passed."""
    until = time.monotonic() + timeout if timeout is not None else float("inf")
    pause = FIRST_POLL
    said = None
    while True:
        run = _read_again(run)
        if said != (said := _standing(run)):
            say(said)
        left = until - time.monotonic()
        if run.is_terminal or left <= 0:
            return run
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, LAST_POLL)


def summary(run: Run) -> Iterator[str]:
    """The run in a few lines."""
    now = clock.now()
    yield f"{clean(run.agent)} {run.pk}"
    yield from facts(
        [
            ("title", run.title),
            ("state", f"{run.state}, since {age(run.state_since, now)}"),
            ("reason", run.reason),
            ("queue", f"{run.queue_key}, priority {run.priority}"),
            ("thread", run.thread_id),
            ("attempt", run.attempt),
            ("created", age(run.created_at, now)),
            ("started", age(run.started_at, now)),
            ("finished", age(run.finished_at, now)),
            ("tokens", f"{run.tokens:,}, {run.cost:.4f} US dollars" if run.tokens else ""),
            ("output", payload(run.output, width=1000)),
            ("error", cut(_last_line(run.error), width=1000)),
        ]
    )


def run_table(runs: Iterable[Run]) -> Iterator[str]:
    now = clock.now()
    rows = [
        (
            run.pk,
            run.state,
            run.agent,
            run.queue_key,
            run.attempt,
            age(run.created_at, now),
            cut(run.reason or run.title),
        )
        for run in runs
    ]
    return table(("id", "state", "agent", "queue", "attempt", "created", "reason or title"), rows)


def _read_again(run: Run) -> Run:
    for attempt in range(FAILED_POLLS):
        try:
            return Run.objects.get(pk=run.pk)
        except Run.DoesNotExist as error:
            raise Error(f"Run {run.pk} is no longer there.") from error
        except (OperationalError, InterfaceError):
            if attempt == FAILED_POLLS - 1:
                raise
            connection.close()
            time.sleep(LAST_POLL)
    raise AssertionError("unreachable")


def _standing(run: Run) -> str:
    if run.state == State.WAITING:
        pending = Approval.objects.pending().filter(run=run.pk).count()
        return f"{run.state}: {pending} to decide, see `manage.py list_approvals --run {run.pk}`"
    if not run.reason or run.reason.startswith(run.state):
        return clean(run.reason or run.state)
    return f"{run.state}: {clean(run.reason)}"


def _last_line(error: Any) -> str:
    """Of a traceback, the line that says what it was."""
    return error.strip().rsplit("\n", 1)[-1] if error else ""

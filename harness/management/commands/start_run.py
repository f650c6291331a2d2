"""Start a run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.management.base import CommandParser

from harness import clock, control
from harness.management import given
from harness.management.runs import RunCommand, add_wait_arguments, note_if_no_worker_is_alive
from harness.models import Run


class Command(RunCommand):
    help = "Start a run of an agent, and with --wait see how it ends."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--agent", default="auto", help="Its name (see list_agents); default: auto, let it be chosen."
        )
        parser.add_argument("--input", default="{}", metavar="JSON|@FILE|-", help="What the agent is asked to do.")
        parser.add_argument("--thread", metavar="ID", help="Go on with this conversation (default: a new one).")
        parser.add_argument("--title", default="", help="A name for people.")
        parser.add_argument("--queue", default="default", metavar="KEY", help="Which queue (default: default).")
        parser.add_argument("--priority", type=int, default=0, help="-100 to 100; higher goes first (default: 0).")
        when = parser.add_mutually_exclusive_group()
        when.add_argument("--at", type=given.moment, metavar="TIME", help="Not before this time, ISO 8601.")
        when.add_argument("--in", type=given.delay, dest="delay", metavar="SECONDS", help="Not before so many seconds.")
        parser.add_argument(
            "--if-busy",
            default="enqueue",
            choices=control.IF_BUSY,
            help="What to do while the thread has an active run.",
        )
        parser.add_argument("--by", metavar="USER", help="In whose name (default: the system itself).")
        add_wait_arguments(parser)

    def perform(self, **options: Any) -> Run:
        run = control.start_run(
            agent=options["agent"],
            input=given.json_value(options["input"], "--input"),
            thread=options["thread"] and given.identifier(options["thread"], "thread"),
            title=options["title"],
            queue=options["queue"],
            priority=options["priority"],
            available_at=options["at"] or (options["delay"] and clock.now() + options["delay"]),
            if_busy=options["if_busy"],
            by=options["by"],
        )
        note_if_no_worker_is_alive(self.note)
        return self.wait(run, options["timeout"]) if options["wait"] else run

    def as_text(self, answer: Run) -> Iterable[str]:
        yield from super().as_text(answer)
        if not answer.is_terminal:
            yield f"See `manage.py show_run {answer.pk}`."

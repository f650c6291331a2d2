"""Cancel a run."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from harness import control
from harness.management import given
from harness.management.base import Error
from harness.management.runs import RunCommand, add_wait_arguments
from harness.models import Run


class Command(RunCommand):
    help = "Cancel a run. One that has ended stays as it is, and the answer says what it is."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("run", metavar="ID")
        parser.add_argument("--reason", help="Why; it is kept and shown.")
        parser.add_argument("--force", action="store_true", help="Kill it at once instead of asking it to stop first.")
        parser.add_argument("--by", metavar="USER", help="In whose name (default: the system itself).")
        add_wait_arguments(parser)

    def perform(self, **options: Any) -> Run:
        run = given.find(Run.objects.all(), options["run"], "run")
        if run.is_terminal:
            self.note(f"The run is already {run.state}.")
        run = control.cancel_run(run.pk, reason=_reason(options["reason"]), by=options["by"], force=options["force"])
        return self._see_it_end(run, options["timeout"]) if options["wait"] else run

    def _see_it_end(self, run: Run, timeout: float | None) -> Run:
        """The wish was that it ends, so every end is a success here."""
        run = self.wait(run, timeout)
        self.exit_status = 0 if run.is_terminal else self.exit_status
        return run


def _reason(text: str | None) -> str:
    if text is not None and not text.strip():
        raise Error("The reason is empty: say why, or leave --reason out.")
    return (text or "").strip()

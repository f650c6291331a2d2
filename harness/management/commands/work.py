"""Take runs and execute them: one worker, or several side by side."""

from __future__ import annotations

import argparse
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError

from harness.conf import conf
from harness.worker import HarnessWorker, connect
from harness.worker.herd import Herd


class Command(BaseCommand):
    help = "Take runs and execute them. SIGTERM or Ctrl-C drains: the run in hand goes back at its next step."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--queues", type=_queues, default=None, help="Comma-separated; default: all queues.")
        parser.add_argument("--processes", type=_count, default=1, help="How many workers (default: 1).")
        parser.add_argument("--burst", action="store_true", help="Execute what is due, then end.")
        parser.add_argument("--name", default="", help="What people see; default: host and process id.")

    def handle(self, *args: Any, **options: Any) -> None:
        queues = options["queues"] or conf.QUEUES
        if options["processes"] > 1:
            raise SystemExit(Herd(options["processes"], queues, options["name"], options["burst"]).run())
        self._work(queues, options["name"], options["burst"])

    def _work(self, queues: list[str], name: str, burst: bool) -> None:
        try:
            HarnessWorker(queues, name, connection=connect()).work(burst=burst)
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from None
        except (DatabaseError, InterfaceError) as error:
            raise CommandError(f"The worker cannot start without its database: {str(error).strip()}") from None


def _queues(text: str) -> list[str]:
    names = [name for part in text.split(",") if (name := part.strip())]
    if unknown := [name for name in names if name not in conf.QUEUES]:
        known = ", ".join(conf.QUEUES)
        raise argparse.ArgumentTypeError(f"There is no queue {', '.join(unknown)}; HARNESS_QUEUES names {known}.")
    return names


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1.")
    return int(text)

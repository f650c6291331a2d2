from __future__ import annotations

import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from harness import origin
from harness.agents import registry
from harness.supervisor import Supervisor


class Command(BaseCommand):
    help = "Recover lost runs, ring for waiting ones, close what is overdue. Ends after the job in hand on SIGTERM."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="One pass over every job, then end.")

    def handle(self, *args: Any, **options: Any) -> None:
        registry.all_agents()
        supervisor = Supervisor()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: supervisor.stop())
        with origin.of("system"):
            supervisor.run(once=options["once"])

"""List runs, the newest first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.management.base import CommandParser

from harness import serialize
from harness.management import given
from harness.management.base import Error, JsonCommand
from harness.management.runs import run_table
from harness.models import Run, Thread
from harness.models.run import RunQuerySet
from harness.states import State


class Command(JsonCommand):
    help = "List runs, the newest first."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--state", nargs="+", action="extend", metavar="STATE", help=", ".join(State.values))
        parser.add_argument("--agent", help="Only runs of this agent.")
        parser.add_argument("--queue", metavar="KEY", help="Only runs of this queue.")
        parser.add_argument("--thread", metavar="ID", help="Only runs of this thread.")
        parser.add_argument(
            "--limit", type=given.at_least_one, default=50, metavar="N", help="At most N (default: 50)."
        )

    def perform(self, **options: Any) -> list[Run]:
        return list(_matching(**options).newest_first()[: options["limit"]])

    def as_json(self, answer: list[Run]) -> list[serialize.Json]:
        return [serialize.run(run) for run in answer]

    def as_text(self, answer: list[Run]) -> Iterable[str]:
        return run_table(answer) if answer else ["No such runs."]


def _matching(**options: Any) -> RunQuerySet:
    runs = Run.objects.all()
    if options["state"]:
        runs = runs.filter(state__in=_states(options["state"]))
    if options["agent"]:
        runs = runs.filter(agent=options["agent"])
    if options["queue"]:
        runs = runs.filter(queue_key=options["queue"])
    if options["thread"]:
        runs = runs.of_thread(given.find(Thread.objects.all(), options["thread"], "thread").pk)
    return runs


def _states(words: list[str]) -> list[str]:
    states = [state for word in words for state in word.split(",") if state]
    if unknown := [state for state in states if state not in State.values]:
        raise Error(f"There is no state {unknown[0]!r}; the states are {', '.join(State.values)}.")
    return states

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.management.base import CommandParser

from harness import control, health
from harness.health import Explanation
from harness.management.base import JsonCommand
from harness.management.text import clean


class Command(JsonCommand):
    help = "Say why a run stands where it does: what holds it, evidence, who can clear it, and what to press."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("id", help="The run.")

    def perform(self, **options: Any) -> tuple[Any, Explanation]:
        run = control.get_run(options["id"])
        return run, health.explain(run)

    def as_json(self, answer: tuple[Any, Explanation]) -> dict[str, Any]:
        run, said = answer
        return {"run": str(run.pk), "state": str(run.state), **said.as_dict()}

    def as_text(self, answer: tuple[Any, Explanation]) -> Iterable[str]:
        _, said = answer
        yield clean(said.sentence)
        for name, value in said.as_dict()["evidence"].items():
            yield f"  {clean(name.replace('_', ' '))}: {clean(value)}"
        yield f"Who can clear it: {clean(said.who)}"
        if said.action:
            yield f"What to do: {clean(said.action.label)}"

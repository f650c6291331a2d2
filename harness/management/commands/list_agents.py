"""List the agents there are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from harness.agents import registry
from harness.agents.spec import AgentSpec
from harness.management.base import JsonCommand
from harness.management.text import payload, table
from harness.serialize import Json


class Command(JsonCommand):
    help = "List the agents there are, with an input that each takes."

    def perform(self, **options: Any) -> list[AgentSpec]:
        agents = registry.all_agents()
        for problem in registry.problems():
            self.note(problem)
        return agents

    def as_json(self, answer: list[AgentSpec]) -> list[Json]:
        return [_described(spec) for spec in answer]

    def as_text(self, answer: list[AgentSpec]) -> Iterable[str]:
        rows = [(spec.name, spec.description, payload(spec.example_input, width=120)) for spec in answer]
        return table(("agent", "what it does", "example input"), rows) if rows else ["No agents."]


def _described(spec: AgentSpec) -> Json:
    return {
        "name": spec.name,
        "description": spec.description,
        "tools": [tool.name for tool in spec.tools.values()],
        "host_facing": spec.host_facing,
        "default": spec.default,
        "example_input": spec.example_input,
        "input_schema": spec.input_schema,
    }

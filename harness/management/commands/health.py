from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from harness import health
from harness.management.base import JsonCommand
from harness.management.text import clean


class Command(JsonCommand):
    help = "Say whether all is well and what is not. Status 1 when unhealthy; healthy and degraded are status 0."

    def perform(self, **options: Any) -> dict[str, Any]:
        found = health.summary()
        self.exit_status = 1 if found["status"] == "unhealthy" else 0
        return found

    def as_text(self, answer: dict[str, Any]) -> Iterable[str]:
        yield answer["status"]
        yield from (f"- {clean(symptom)}" for symptom in answer["symptoms"])
        for state, count in answer.get("counts", {}).items():
            if count:
                yield f"{state}: {count}"

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from harness import invariants
from harness.invariants import Violation
from harness.management.base import JsonCommand
from harness.management.text import clean


class Command(JsonCommand):
    help = "Look for rows that break what must always hold. Status 1 if there are any."

    def perform(self, **options: Any) -> list[Violation]:
        broken = invariants.check()
        self.exit_status = 1 if broken else 0
        return broken

    def as_json(self, answer: list[Violation]) -> dict[str, Any]:
        return {"ok": not answer, "checks": len(invariants.CHECKS), "violations": [each.as_dict() for each in answer]}

    def as_text(self, answer: list[Violation]) -> Iterable[str]:
        for each in answer:
            more = f" and {each.count - len(each.rows)} more" if each.count > len(each.rows) else ""
            yield f"{each.number}. {each.words} {', '.join(clean(row) for row in each.rows)}{more}"
        yield f"{len(invariants.CHECKS)} checks, {len(answer)} broken." if answer else "All invariants hold."

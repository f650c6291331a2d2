"""`manage.py check --deploy` loads every agent. Other commands do not: a broken one must not stop them."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, register

from harness.agents import registry


@register(deploy=True)
def agents_load(**given: Any) -> list[CheckMessage]:
    return [Error(problem, id="harness.E001") for problem in registry.problems()]

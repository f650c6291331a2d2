"""What a run's page says in words: evidence of the explainer, the receipt of a cancel."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.template import Library

from dashboard.templatetags.words import one_line, relative
from harness.models import Run

register = Library()

HOW = {
    "at once": "at once: no agent was executing",
    "cooperative": "the agent stopped by itself",
    "worker lost": "its worker was lost",
}


@register.filter
def thousands(value: int) -> str:
    return f"{value:,}"


@register.filter
def spaced(name: str) -> str:
    """ "heartbeat_age" -> "heartbeat age"."""
    return str(name).replace("_", " ")


@register.filter
def evidence(value: Any) -> str:
    """A value of the explainer's evidence, short enough for a line."""
    if isinstance(value, datetime):
        return relative(value)
    if isinstance(value, float):
        return f"{value:,.1f}".removesuffix(".0")
    if isinstance(value, list | tuple):
        return ", ".join(evidence(item) for item in value[:10]) or "none"
    return "none" if value is None else one_line(value)[:300]


@register.filter
def receipt(run: Run) -> list[tuple[str, str]]:
    """How a cancelled run really ended: (what, in words), in the order of reading."""
    facts = run.control.receipt
    return list(_receipt(run, facts if isinstance(facts, dict) else {}))


def _receipt(run: Run, facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if run.is_terminal:
        how = str(facts.get("how", "not recorded"))
        yield "How it stopped", HOW.get(how, how)
    for key, label in (("signal", "Signal"), ("exit_status", "Exit status"), ("state_before", "State before")):
        if facts.get(key) is not None:
            yield label, spaced(facts[key])
    if "steps_finished" in facts:
        yield "Steps finished", str(facts["steps_finished"])
        yield "Outcome unknown", ", ".join(map(str, facts.get("steps_unknown") or [])) or "no step"
    if "late_result" in facts:
        yield "Late result", "came after the cancel, does not count: " + one_line(facts["late_result"])[:200]

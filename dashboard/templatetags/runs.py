"""What a run's page says in words: evidence of the explainer, the receipt of a cancel."""

from __future__ import annotations

import signal as signals
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.template import Library

from dashboard.templatetags.words import one_line, relative, span
from harness.agents import registry
from harness.models import Run
from harness.states import HOLDING

register = Library()

HOW = {
    "at once": "at once: no agent was executing",
    "cooperative": "the agent stopped by itself when asked",
    "SIGTERM": "ended by SIGTERM: the agent did not stop by itself",
    "SIGKILL": "killed by SIGKILL, with its process group",
    "worker lost": "its worker was lost",
}
PLAIN = [("exit_status", "Exit status"), ("killed", "Killed besides"), ("state_before", "State before")]
SIGNALS = {each.value: each.name for each in signals.Signals}


@register.filter
def thousands(value: int) -> str:
    return f"{value:,}"


@register.simple_tag
def risk_of(agent: str, tool: str) -> str:
    """The tool's own word, "low", "medium" or "high"; empty where this process knows no such agent or tool."""
    spec = next((spec for spec in registry.all_agents() if spec.name == agent), None)
    found = spec.tools.get(tool) if spec else None
    return found.risk if found else ""


@register.filter
def shown(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """The explainer's evidence as (what, how much); seconds as people say them, what is not known left out."""
    return [_shown(name, value) for name, value in facts.items() if value not in (None, "", [], {})]


def _shown(name: str, value: Any) -> tuple[str, str]:
    if name.endswith("seconds") and isinstance(value, int | float):
        return spaced(name.removesuffix("_seconds")), span(float(value))
    return spaced(name), evidence(value)


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
def holds_worker(run: Run) -> bool:
    """True if a worker has it in hand now, as far as the state says; a resuming run may."""
    return run.state in HOLDING


@register.filter
def receipt(run: Run) -> list[tuple[str, str]]:
    """How a cancelled run really ended: (what, in words), in the order of reading."""
    facts = run.control.receipt
    return list(_receipt(run, facts if isinstance(facts, dict) else {}))


def _receipt(run: Run, facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if run.is_terminal:
        how = str(facts.get("how", "not recorded"))
        yield "How it stopped", HOW.get(how, how)
    if facts.get("seconds") is not None:
        yield "Took", span(float(facts["seconds"]))
    for key, label in PLAIN:
        if facts.get(key) is not None:
            yield label, evidence(facts[key]).replace("_", " ")
    if facts.get("signal") is not None:
        yield "Signal", SIGNALS.get(facts["signal"], str(facts["signal"]))
    if "steps_finished" in facts:
        yield "Steps finished", str(facts["steps_finished"])
        yield "Outcome unknown", ", ".join(map(str, facts.get("steps_unknown") or [])) or "no step"
    if "late_result" in facts:
        yield "Late result", "came after the cancel, does not count: " + one_line(facts["late_result"])[:200]

"""From when on something counts as too long, in seconds."""

from __future__ import annotations

from harness.agents import registry
from harness.conf import conf


def overrides() -> dict[str, float]:
    """What agents say of themselves: seconds without progress after which a run of theirs is stuck."""
    own = {spec.name: spec.stuck_after_seconds for spec in registry.all_agents()}
    return {name: seconds for name, seconds in own.items() if seconds is not None}


def stuck_after(agent: str) -> float:
    return overrides().get(agent, conf.STUCK_AFTER_SECONDS)

"""The health page: what is wrong, and by which thresholds it is judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dashboard.queries.stuck import Stuck, stuck
from dashboard.templatetags.words import span
from harness import health
from harness.conf import conf
from harness.health.thresholds import overrides


@dataclass(frozen=True)
class Health:
    summary: dict[str, Any]
    stuck: Stuck
    thresholds: list[tuple[str, str, str]]
    """(what, value, the setting that says so)"""


def page() -> Health:
    """Never raises because the database is down: then only the summary says something."""
    summary = health.summary()
    works = summary["database"]["up"]
    return Health(summary, stuck() if works else Stuck([]), thresholds())


def thresholds() -> list[tuple[str, str, str]]:
    in_force = [
        ("A run without progress is stuck after", conf.STUCK_AFTER_SECONDS, "STUCK_AFTER_SECONDS"),
        ("A claim holds, unless renewed, for", conf.LEASE_SECONDS, "LEASE_SECONDS"),
        ("A worker beats every", conf.HEARTBEAT_INTERVAL_SECONDS, "HEARTBEAT_INTERVAL_SECONDS"),
        ("A worker or run is late after", conf.HEARTBEAT_TIMEOUT_SECONDS, "HEARTBEAT_TIMEOUT_SECONDS"),
        ("The supervisor looks every", conf.SUPERVISOR_INTERVAL_SECONDS, "SUPERVISOR_INTERVAL_SECONDS"),
        ("A cancelled agent has this long before it is killed", conf.CANCEL_GRACE_SECONDS, "CANCEL_GRACE_SECONDS"),
    ]
    rows = [(what, span(seconds), f"HARNESS_{key}") for what, seconds, key in in_force]
    rows += [(f"… a run of {agent}", span(seconds), "the agent") for agent, seconds in sorted(overrides().items())]
    limit = conf.MAX_CONCURRENT_RUNS
    rows.append(("A run fails for good after so many crashes", str(conf.MAX_CRASHES), "HARNESS_MAX_CRASHES"))
    rows.append(("Runs at once, over all queues", str(limit or "no limit"), "HARNESS_MAX_CONCURRENT_RUNS"))
    return rows

"""How the whole is: healthy, degraded or unhealthy, and why, in words."""

from __future__ import annotations

from collections import Counter
from time import perf_counter
from typing import Any

from django.db import DatabaseError, InterfaceError, connection
from django.db.models import Count, Min, Q

from harness import dispatch
from harness.clock import Now, now
from harness.conf import conf
from harness.health.explain import explain_many
from harness.health.facts import Facts, look
from harness.health.said import Explanation, span
from harness.health.stuck import StuckQuery
from harness.models import Approval, Run, RunQueue
from harness.states import ACTIVE

HEALTHY, DEGRADED, UNHEALTHY = "healthy", "degraded", "unhealthy"
EXPLAINED = 200
MANY_STUCK = 10


def stuck_runs(limit: int = EXPLAINED) -> list[tuple[Run, Explanation]]:
    """At most `limit` stuck runs with their reasons, the longest without an update first. A fixed number of queries."""
    return explain_many(list(StuckQuery().rows().only("pk")[:limit]))


def stuck_count() -> int:
    """How many runs are stuck."""
    return StuckQuery().rows().count()


def summary() -> dict[str, Any]:
    """Everything that the health page, /metrics, /readyz and `manage.py health --json` say. JSON-able but for times.

    Never raises because something is down: that is what it says.
    """
    began = perf_counter()
    try:
        now()
        latency = perf_counter() - began
        return _summary(latency)
    except (DatabaseError, InterfaceError) as error:
        said = f"The database does not answer: {' '.join(str(error).split())}"
        database = {"up": False, "kind": connection.vendor}
        return {"status": UNHEALTHY, "symptoms": [said], "database": database, "redis": {"up": dispatch.redis_alive()}}


def _summary(latency: float) -> dict[str, Any]:
    facts, stuck = look([]), stuck_runs()
    figures: dict[str, Any] = {
        "counts": _counts(),
        "stuck": {"count": _more(stuck), "by_reason": dict(Counter(why.code for _, why in stuck).most_common())},
        "approvals": _approvals(facts),
        "workers": _workers(facts),
        "supervisor": {"up": facts.recovers, "age_seconds": facts.supervisor_age, "recovery": conf.RECOVERY_ENABLED},
        "redis": {"up": facts.redis},
        "database": {"up": True, "kind": connection.vendor, "latency_ms": round(latency * 1000, 2)},
        "queues": _queues(facts),
    }
    grave, other = _grave(figures, facts), _other(figures)
    status = UNHEALTHY if grave else DEGRADED if other else HEALTHY
    return {"status": status, "symptoms": grave + other, "at": facts.now, **figures}


def _more(stuck: list[tuple[Run, Explanation]]) -> int:
    return len(stuck) if len(stuck) < EXPLAINED else stuck_count()


def _counts() -> dict[str, int]:
    rows = dict(Run.objects.active().values_list("state").annotate(Count("pk")).order_by())
    return {str(state): rows.get(state, 0) for state in sorted(ACTIVE)}


def _approvals(facts: Facts) -> dict[str, Any]:
    found = Approval.objects.pending().aggregate(
        pending=Count("pk"), oldest=Min("created_at"), overdue=Count("pk", filter=Q(expires_at__lte=Now()))
    )
    return found | {"oldest_age_seconds": facts.age(found["oldest"])}


def _workers(facts: Facts) -> dict[str, int]:
    alive = [worker for worker in facts.workers if facts.is_alive(worker)]
    return {
        "alive": len(alive),
        "draining": sum(worker.draining_at is not None for worker in alive),
        "late": len(facts.workers) - len(alive),
    }


def _queues(facts: Facts) -> dict[str, dict[str, Any]]:
    waiting = RunQueue.objects.due().order_by().values("queue_key").annotate(n=Count("pk"), oldest=Min("available_at"))
    due: dict[str, dict[str, Any]] = {row["queue_key"]: dict(row) for row in waiting}
    return {key: _queue(key, due.get(key), facts) for key in sorted({*conf.QUEUES, *facts.queues, *due})}


def _queue(key: str, due: dict[str, Any] | None, facts: Facts) -> dict[str, Any]:
    row = facts.queues.get(key)
    until = row.paused_until if row else None
    return {
        "due": due["n"] if due else 0,
        "oldest_age_seconds": facts.age(due["oldest"]) if due else None,
        "running": sum(hold.queue_key == key for hold in facts.holds),
        "limit": row.max_concurrent_runs if row else None,
        "paused": bool(row and row.paused_at and not (until and until <= facts.now)),
        "workers": len(facts.listening(key)),
        "rings": dispatch.depth(key) if facts.redis else None,
    }


def _grave(figures: dict[str, Any], facts: Facts) -> list[str]:
    """Nothing moves, or nothing would be recovered."""
    said = []
    age = facts.supervisor_age
    if not facts.recovers:
        said.append("No supervisor has run yet." if age is None else f"Recovery has not run for {span(age)}.")
    if not figures["workers"]["alive"]:
        said.append("No worker is alive.")
    if not facts.redis:
        said.append("Redis does not answer: new work waits until it is back.")
    stuck, active = figures["stuck"]["count"], sum(figures["counts"].values())
    if stuck >= MANY_STUCK and stuck * 2 >= active:
        said.append(f"{stuck} of {active} active runs are stuck.")
    return said


def _other(figures: dict[str, Any]) -> list[str]:
    said = []
    reasons = ", ".join(f"{n} {code.replace('-', ' ')}" for code, n in figures["stuck"]["by_reason"].items())
    if stuck := figures["stuck"]["count"]:
        said.append(f"{stuck} {_runs(stuck)} stuck: {reasons}.")
    if overdue := figures["approvals"]["overdue"]:
        said.append(f"{overdue} approvals are past their deadline.")
    if late := figures["workers"]["late"]:
        said.append(f"{late} workers have not beaten for {span(conf.HEARTBEAT_TIMEOUT_SECONDS)}.")
    for key, queue in figures["queues"].items():
        if queue["paused"] and queue["due"]:
            said.append(f"Queue {key} is paused while {queue['due']} {_runs(queue['due'])} waiting.")
    if not conf.RECOVERY_ENABLED:
        said.append("Recovery is turned off (HARNESS_RECOVERY_ENABLED).")
    return said


def _runs(count: int) -> str:
    return "run is" if count == 1 else "runs are"

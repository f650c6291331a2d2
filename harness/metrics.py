"""Figures for Prometheus, in its text format (version 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness import health

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
STATUSES = ("healthy", "degraded", "unhealthy")
Sample = tuple[dict[str, str], float | int | bool | None]


def text() -> str:
    """What health.summary() knows, as gauges; those that cannot be read now are left out."""
    return "".join(f"{line}\n" for line in _lines(health.summary()))


def _lines(found: dict[str, Any]) -> Iterator[str]:
    for name, words, samples in _gauges(found):
        known = [(labels, value) for labels, value in samples if value is not None]
        if known:
            yield f"# HELP runwatch_{name} {words}"
            yield f"# TYPE runwatch_{name} gauge"
            yield from (f"runwatch_{name}{_labels(labels)} {float(value):g}" for labels, value in known)


def _gauges(found: dict[str, Any]) -> Iterator[tuple[str, str, list[Sample]]]:
    yield "health", "1 for the status in force.", [({"status": s}, s == found["status"]) for s in STATUSES]
    yield "database_up", "1 if the database answers.", [({}, found["database"]["up"])]
    yield "redis_up", "1 if Redis answers.", [({}, found["redis"]["up"])]
    if not found["database"]["up"]:
        return
    yield "runs", "Active runs by state.", _by("state", found["counts"])
    yield "stuck_runs", "Stuck runs.", [({}, found["stuck"]["count"])]
    yield "stuck_runs_by_reason", "Stuck runs by what holds them.", _by("reason", found["stuck"]["by_reason"])
    yield "approvals_pending", "Approvals that wait for a person.", [({}, found["approvals"]["pending"])]
    yield "approvals_overdue", "Approvals past their deadline.", [({}, found["approvals"]["overdue"])]
    yield "approvals_oldest_seconds", "Age of the oldest.", [({}, found["approvals"]["oldest_age_seconds"])]
    yield "workers", "Worker processes by standing.", _by("standing", found["workers"])
    yield "supervisor_age_seconds", "Since the last beat of a supervisor.", [({}, found["supervisor"]["age_seconds"])]
    yield "database_latency_seconds", "Of one small query.", [({}, found["database"]["latency_ms"] / 1000)]
    for name, words in (
        ("due", "Runs that are due and wait."),
        ("oldest_age_seconds", "How long the oldest of them has been due."),
        ("running", "Runs that hold a worker."),
        ("limit", "At most so many may."),
        ("paused", "1 while the queue is paused."),
        ("rings", "Doorbells that wait in Redis."),
    ):
        yield f"queue_{name}", words, _by("queue", {key: queue[name] for key, queue in found["queues"].items()})


def _by(label: str, values: dict[str, Any]) -> list[Sample]:
    return [({label: key}, value) for key, value in values.items()]


def _labels(labels: dict[str, str]) -> str:
    inside = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{inside}}}" if inside else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

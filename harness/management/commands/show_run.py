"""Show one run with its steps, events, approvals and control."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.core.management.base import CommandParser

from harness import clock, serialize
from harness.management import given
from harness.management.approvals import approval_table
from harness.management.base import JsonCommand
from harness.management.runs import summary
from harness.management.text import age, cut, duration, facts, payload, size, table
from harness.models import Approval, Artifact, Event, Run, Step


class Command(JsonCommand):
    help = "Show one run with its steps, events, approvals and control."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("run", metavar="ID")

    def perform(self, **options: Any) -> Run:
        return given.find(Run.objects.all(), options["run"], "run")

    def as_json(self, answer: Run) -> serialize.Json:
        return serialize.run_detail(answer)

    def as_text(self, answer: Run) -> Iterable[str]:
        yield from summary(answer)
        yield from _section("Control", _control(answer))
        yield from _section("Steps", _steps(answer))
        yield from _section("Approvals", _approvals(answer))
        yield from _section("Artifacts", _artifacts(answer))
        yield from _section("Events", _events(answer))


def _section(title: str, lines: Iterator[str]) -> Iterator[str]:
    found = list(lines)
    if found:
        yield from ("", title, *found)


def _control(run: Run) -> Iterator[str]:
    now = clock.now()
    asked = serialize.control_of(run) or {}
    row = getattr(run, "control", None)
    if row is None:
        return
    yield from facts(
        [
            ("heartbeat", age(row.heartbeat_at, now)),
            ("progress", f"{age(row.progress_at, now)} {payload(row.progress)}".strip()),
            ("worker", row.worker_id),
            ("deadline", age(row.deadline, now)),
            ("lease until", asked["lease_expires_at"]),
            (
                "cancel",
                f"{age(row.cancel_at, now)} by {row.cancel_by_name or 'system'}" if row.cancel_requested else "",
            ),
            ("cancel reason", row.cancel_reason),
            ("receipt", payload(row.receipt, width=1000)),
        ]
    )


def _steps(run: Run) -> Iterator[str]:
    steps = list(Step.objects.of_run(run.pk))
    rows = [
        (s.seq, cut(s.key), s.kind, s.status, _took(s), payload(s.args), payload(s.error or s.result)) for s in steps
    ]
    return table(("seq", "step", "kind", "status", "took", "arguments", "result"), rows) if rows else iter(())


def _took(step: Step) -> str:
    return duration((step.finished_at - step.started_at).total_seconds()) if step.finished_at else "-"


def _approvals(run: Run) -> Iterator[str]:
    approvals = list(Approval.objects.of_run(run.pk))
    return approval_table(approvals) if approvals else iter(())


def _artifacts(run: Run) -> Iterator[str]:
    artifacts = Artifact.objects.filter(run=run.pk).order_by("id")
    rows = [(a.pk, cut(a.name), a.content_type, size(a.size)) for a in artifacts]
    return table(("id", "name", "type", "size"), rows) if rows else iter(())


def _events(run: Run) -> Iterator[str]:
    events = Event.objects.filter(run=run.pk).order_by("seq")
    rows = [(e.seq, serialize.time(e.created_at), cut(e.type), e.actor, payload(e.payload)) for e in events]
    return table(("seq", "at", "event", "actor", "payload"), rows) if rows else iter(())

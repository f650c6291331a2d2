"""The runs list: what matches the filters, a page of it, and how many there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import DurationField, ExpressionWrapper, F, Q, QuerySet
from django.db.models.functions import Coalesce

from dashboard.queries.keyset import COUNT_CAP, Count, Cursor, Page, capped_count, page_of
from harness.clock import Now
from harness.conf import conf
from harness.health.stuck import StuckQuery
from harness.models import Queue, Run

PAGE_SIZE = 50
LONGEST = 100

ROW_FIELDS = [
    *("thread_id", "agent", "title", "state", "state_since", "attempt", "epoch", "crashes", "priority", "queue_key"),
    *("reason", "created_at", "started_at", "finished_at", "updated_at", "thread__title"),
    *("control__cancel_requested", "control__heartbeat_at", "control__progress_at", "control__progress"),
    *("control__worker__name", "control__worker__host"),
]


@dataclass(frozen=True)
class RunsPage:
    page: Page[Run]
    count: Count

    @property
    def runs(self) -> list[Run]:
        return self.page.rows


def listing(wanted: Mapping[str, Any], cursor: Cursor) -> RunsPage:
    """What the list shows for these filters. Two queries, and three more to know what is stuck."""
    matching = matching_runs(wanted)
    return RunsPage(_page(rows_of(matching), wanted.get("sort", "newest"), cursor), capped_count(matching))


def rows_of(runs: QuerySet[Run]) -> QuerySet[Run]:
    """With what a row shows, and without inputs, outputs and errors."""
    return runs.select_related("thread", "control__worker").only(*ROW_FIELDS)


def row(run_id: UUID) -> Run:
    return rows_of(Run.objects.all()).get(pk=run_id)


def queue_keys() -> list[str]:
    """Every queue that can be asked for."""
    return sorted({*conf.QUEUES, *Queue.objects.values_list("key", flat=True)})


def matching_runs(wanted: Mapping[str, Any]) -> QuerySet[Run]:
    """The runs that fit every filter; see RunFilter for their names."""
    runs = StuckQuery().rows() if "stuck" in wanted else Run.objects.all()
    plain = {"state": "state__in", "agent": "agent", "queue": "queue_key", "thread": "thread_id"}
    plain |= {"since": "created_at__gte", "until": "created_at__lt"}
    runs = runs.filter(**{lookup: wanted[name] for name, lookup in plain.items() if name in wanted})
    return runs.filter(_says(wanted["q"])) if "q" in wanted else runs


def _page(runs: QuerySet[Run], sort: str, cursor: Cursor) -> Page[Run]:
    if sort == "longest":
        return Page(_longest(runs))
    return page_of(runs, cursor, newest_first=sort != "oldest", size=PAGE_SIZE)


def _longest(runs: QuerySet[Run]) -> list[Run]:
    """The longest of the newest COUNT_CAP that match: no index knows how long a run takes that still goes on."""
    newest = runs.order_by("-created_at", "-id").values("pk")[:COUNT_CAP]
    took = ExpressionWrapper(Coalesce("finished_at", Now()) - F("started_at"), output_field=DurationField())
    started = rows_of(Run.objects.filter(pk__in=newest, started_at__isnull=False))
    return list(started.annotate(took=took).order_by("-took", "-id")[:LONGEST])


def _says(text: str) -> Q:
    """In a title, reason or error, or the beginning of an id."""
    said = Q(title__icontains=text) | Q(reason__icontains=text) | Q(error__icontains=text)
    digits = text.replace("-", "").strip().lower()
    if len(digits) in range(4, 33) and set(digits) <= set("0123456789abcdef"):
        said |= Q(pk__range=(UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))))
    return said

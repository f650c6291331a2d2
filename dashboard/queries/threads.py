"""Conversations: the list of them, and one with its runs between its messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from uuid import UUID

from django.db.models import Count, Q, QuerySet
from django.shortcuts import get_object_or_404

from dashboard.queries import run as one_run
from dashboard.queries import runs as many_runs
from dashboard.queries.keyset import Count as CappedCount
from dashboard.queries.keyset import Cursor, Page, capped_count, page_of
from harness.models import Run, Thread

SHOWN_RUNS = 50


@dataclass(frozen=True)
class ThreadRow:
    thread: Thread
    runs: int


@dataclass(frozen=True)
class ThreadsPage:
    page: Page[Thread]
    rows: list[ThreadRow]
    count: CappedCount


@dataclass(frozen=True)
class Turn:
    """A run (None: said outside of any) with the messages that belong to it."""

    run: Run | None
    messages: list[one_run.MessageView]


@dataclass(frozen=True)
class ThreadPage:
    thread: Thread
    turns: list[Turn]
    busy: Run | None
    has_earlier: bool


def listing(wanted: Mapping[str, str], cursor: Cursor) -> ThreadsPage:
    """Threads by their last activity. Three queries."""
    matching = matching_threads(wanted)
    page = page_of(matching.select_related("created_by"), cursor, time="updated_at")
    counts = dict(
        Run.objects.filter(thread__in=[row.pk for row in page.rows]).values_list("thread").annotate(Count("pk"))
    )
    rows = [ThreadRow(thread, counts.get(thread.pk, 0)) for thread in page.rows]
    return ThreadsPage(page, rows, capped_count(matching))


def matching_threads(wanted: Mapping[str, str]) -> QuerySet[Thread]:
    """Filters: status, agent, q (in the title)."""
    threads: QuerySet[Thread] = Thread.objects.all()
    lookups = {"status": "status", "agent": "agent", "q": "title__icontains"}
    return threads.filter(**{lookup: wanted[name] for name, lookup in lookups.items() if wanted.get(name)})


def page(thread_id: UUID) -> ThreadPage:
    """The last SHOWN_RUNS runs of the thread and what was said in them. Raises Http404. Three queries."""
    thread = get_object_or_404(Thread.objects.select_related("created_by"), pk=thread_id)
    newest = many_runs.rows_of(Run.objects.of_thread(thread_id).newest_first())
    found = list(newest[: SHOWN_RUNS + 1])
    runs = {run.pk: run for run in found[:SHOWN_RUNS]}
    messages = one_run.messages_of(Q(thread=thread_id) & (Q(run__in=list(runs)) | Q(run=None)))
    return ThreadPage(
        thread=thread,
        turns=_turns(runs, messages),
        busy=next((run for run in runs.values() if not run.is_terminal), None),
        has_earlier=len(found) > SHOWN_RUNS,
    )


def _turns(runs: dict[UUID, Run], messages: list[one_run.MessageView]) -> list[Turn]:
    """In the order of their messages; runs in which nothing was said come last."""
    turns = [
        Turn(runs.get(run_id) if run_id else None, list(said))
        for run_id, said in groupby(messages, key=lambda view: view.message.run_id)
    ]
    spoken = {turn.run.pk for turn in turns if turn.run}
    silent = sorted((run for run in runs.values() if run.pk not in spoken), key=lambda run: run.pk)
    return [*turns, *(Turn(run, []) for run in silent)]

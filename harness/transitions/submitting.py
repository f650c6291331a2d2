"""A wish becomes a queued run."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Value

from harness import audit, dispatch, events, limits, threads
from harness.clock import Now
from harness.conf import conf
from harness.db import unit
from harness.models import Queue, Role, Run, RunControl, RunQueue, RunRequest, Thread
from harness.transitions.claiming import waiting_ahead


@unit
def submit(
    *,
    agent: str,
    input: Any,
    thread: Thread | None = None,
    invocation: dict[str, Any] | None = None,
    title: str = "",
    priority: int = 0,
    queue_key: str = "default",
    available_at: datetime | None = None,
    retry_of: Run | None = None,
    forked_from: Run | None = None,
    by: Any | None = None,
    deadline_in: timedelta | None = None,
) -> Run:
    """Persist the request and queue it. The doorbell rings after the commit; without Redis the supervisor finds it.

    `available_at` (aware) is the earliest start, `deadline_in` the longest time it may take from now.
    """
    thread = thread or threads.open_thread(agent=agent, title=title, by=by)
    threads.assign(thread.pk, agent)
    run = Run.objects.create(
        thread=thread,
        agent=agent,
        title=title[:200],
        priority=priority,
        queue_key=queue_key,
        retry_of=retry_of,
        forked_from=forked_from,
        created_by=by,
    )
    RunRequest.objects.create(run=run, input=input, invocation=invocation)
    RunControl.objects.create(run=run, deadline=Now() + deadline_in if deadline_in else None)
    threads.say(thread.pk, Role.USER, input, run_id=run.pk)
    _queue(run, available_at, actor=audit.name_of(by))
    threads.mirror(thread.pk)
    dispatch.ring_after_commit(queue_key)
    run.refresh_from_db()
    return run


def _queue(run: Run, available_at: datetime | None, *, actor: str) -> None:
    events.append(run.pk, "run.created", {"agent": run.agent, "priority": run.priority}, actor=actor)
    Queue.objects.get_or_create(pk=run.queue_key)
    row = RunQueue.objects.create(
        run=run,
        queue_key=run.queue_key,
        priority=run.priority,
        available_at=Value(available_at) if available_at else Now(),
    )
    row.refresh_from_db()
    events.append(run.pk, "run.queued", {"state": run.state, **queue_facts(row)}, actor=actor)


def queue_facts(row: RunQueue) -> dict[str, Any]:
    """Where a run stands in its queue: position (from 1, capped), active holders and the limits in force."""
    settings = Queue.objects.filter(pk=row.queue_key).only("max_concurrent_runs").first()
    return {
        "queue": row.queue_key,
        "position": waiting_ahead(row) + 1,
        "active": limits.holders(row.queue_key),
        "limit": settings.max_concurrent_runs if settings else None,
        "overall_limit": conf.MAX_CONCURRENT_RUNS,
        "available_at": row.available_at.isoformat(),
    }

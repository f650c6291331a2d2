"""What a person or script may ask for. Each verb checks the permission, changes rows and records who did it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from harness import approvals, audit, dispatch, transitions
from harness.agents import registry, routing
from harness.canonical import clean_text, dumps, through_json
from harness.clock import Now
from harness.conf import conf
from harness.db import unit
from harness.errors import Conflict, InvalidInput, NotFound, ThreadBusy, UnknownQueue
from harness.models import Queue, Run, Thread, ThreadMessage, Worker
from harness.models.thread_message import Role

IF_BUSY = ("enqueue", "reject", "interrupt")
PRIORITIES = range(-100, 101)


def start_run(
    *,
    input: Any,
    agent: str = "auto",
    thread: Any = None,
    priority: int = 0,
    queue: str = "default",
    available_at: datetime | None = None,
    if_busy: str = "enqueue",
    by: Any = None,
    context: dict[str, Any] | None = None,
    title: str = "",
) -> Run:
    """Queue a run of `agent` on `input` (JSON-able) and return it; nothing is written if anything does not fit.

    `agent` "auto": the thread's agent, or the one that the router picks. `thread`: a Thread or its id; None opens a
    new one. `priority` -100..100, higher first. `available_at`: earliest start, aware. `if_busy`, for a thread with an
    active run: enqueue behind it, reject (ThreadBusy), or interrupt (cancel that one). `context`: extra JSON for the
    agent. `by`: a user, a user name, or None for the system.

    Raises UnknownAgent, UnknownQueue, InvalidInput, NotFound, ThreadBusy, PermissionDenied.
    """
    user = audit.user_of(by)
    audit.require(user, "harness.start_run", "start_run", Run())
    in_thread = _thread(thread)
    _check_wish(priority, queue, available_at, if_busy)
    plain = _plain_input(input)
    spec = registry.get(routing.choose(plain, in_thread, agent))
    valid = spec.validate_input(plain)
    limit = timedelta(seconds=spec.timeout_seconds) if spec.timeout_seconds else None
    return _start(
        in_thread,
        if_busy,
        user,
        agent=spec.name,
        input=valid,
        invocation={"context": through_json(context or {})},
        title=clean_text(title.strip()) or _title(spec.name, valid),
        priority=priority,
        queue_key=queue,
        available_at=available_at,
        deadline_in=limit,
    )


@unit
def _start(thread: Thread | None, if_busy: str, user: Any, **wish: Any) -> Run:
    if thread:
        _make_room(thread, if_busy, user)
    run = transitions.submit(thread=thread, by=user, **wish)
    audit.record("start_run", run, by=user, run=run, after={"agent": run.agent, "priority": run.priority})
    return run


def _make_room(thread: Thread, if_busy: str, user: Any) -> None:
    active = list(Run.objects.of_thread(thread.pk).active())
    if active and if_busy == "reject":
        raise ThreadBusy(f"The thread is busy with run {active[0].pk} ({active[0].state}).", current=active[0])
    if if_busy == "interrupt":
        for run in active:
            _cancel(run.pk, "interrupted by a newer run of its thread", user, force=False)


def _check_wish(priority: int, queue: str, available_at: datetime | None, if_busy: str) -> None:
    if if_busy not in IF_BUSY:
        raise InvalidInput(f"if_busy must be one of {', '.join(IF_BUSY)}, not {if_busy!r}.")
    if not isinstance(priority, int) or priority not in PRIORITIES:
        raise InvalidInput(
            f"The priority must be a whole number from {PRIORITIES[0]} to {PRIORITIES[-1]}, not {priority!r}.",
            fields={"priority": "out of range"},
        )
    if available_at is not None and available_at.tzinfo is None:
        raise InvalidInput("available_at needs a time zone.", fields={"available_at": "needs a time zone"})
    check_queue(queue)


def check_queue(key: str) -> None:
    """Raise UnknownQueue, naming the known ones, unless workers may know this queue."""
    if key in conf.QUEUES or Queue.objects.filter(pk=key).exists():
        return
    known = sorted({*conf.QUEUES, *Queue.objects.values_list("key", flat=True)})
    raise UnknownQueue(f"There is no queue {key!r}. Known queues: {', '.join(known)}.", fields={"queue": "unknown"})


def _thread(thread: Any) -> Thread | None:
    if thread is None or isinstance(thread, Thread):
        return thread
    try:
        return Thread.objects.get(pk=UUID(str(thread)))
    except (ValueError, Thread.DoesNotExist):
        raise NotFound(f"There is no thread {thread}.") from None


def _plain_input(input: Any) -> Any:
    try:
        text = dumps(input)
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidInput(f"The input is not JSON: {error}.", fields={"input": "not JSON"}) from error
    size = len(text.encode())
    if size > conf.MAX_INPUT_BYTES:
        said = f"The input has {size:,} bytes as JSON; the limit is {conf.MAX_INPUT_BYTES:,} (HARNESS_MAX_INPUT_BYTES)."
        raise InvalidInput(said, fields={"input": "too large"})
    return through_json(input)


def _title(agent: str, input: Any) -> str:
    """What a list shows for a run that nobody named: the input in a line."""
    if isinstance(input, dict):
        input = ", ".join(f"{key}={value}" for key, value in input.items() if value not in (None, "", [], {}))
    text = " ".join(str(input).split())
    return f"{agent}: {text}"[:200] if text else agent


def get_run(run_id: Any) -> Run:
    """The run, or NotFound with a sentence."""
    try:
        return Run.objects.get(pk=UUID(str(run_id)))
    except (ValueError, Run.DoesNotExist):
        raise NotFound(f"There is no run {run_id}.") from None


def cancel_run(run_id: Any, *, reason: str = "", by: Any = None, force: bool = False) -> Run:
    """Ask a run to stop, and return it as it then is: cancelled, cancelling, or already ended (unchanged).

    `force` kills at once what is executing. Raises NotFound, PermissionDenied.
    """
    user = audit.user_of(by)
    run = get_run(run_id)
    audit.require(user, "harness.cancel_run", "cancel_run", run)
    if force:
        audit.require(user, "harness.force_cancel_run", "force_cancel_run", run)
    return _cancel(run.pk, clean_text(reason.strip()), user, force=force)


@unit
def _cancel(run_id: UUID, reason: str, user: Any, *, force: bool) -> Run:
    run = transitions.lock(run_id)
    if run.is_terminal:
        return run
    name = audit.name_of(user)
    approvals.close_for_cancel(run, actor=name)
    after = transitions.request_cancel(run, reason=reason, by=user, by_name=name, force=force)
    action = "force_cancel_run" if force else "cancel_run"
    audit.record(
        action, after, by=user, reason=reason, run=after, before={"state": run.state}, after={"state": after.state}
    )
    return after


def retry_run(run_id: Any, *, by: Any = None) -> Run:
    """A new run of the same agent on the same input, that points back. Raises NotFound, Conflict, PermissionDenied."""
    user = audit.user_of(by)
    old = get_run(run_id)
    audit.require(user, "harness.retry_run", "retry_run", old)
    if not old.is_terminal:
        raise Conflict(f"Run {old.pk} is {old.state}; only a run that has ended can be retried.", current=old)
    asked = ThreadMessage.objects.filter(run=old, role=Role.USER).order_by("id").first()
    if asked is None:
        raise Conflict(f"The input of run {old.pk} is no longer kept.", current=old)
    return _retry(old, registry.get(old.agent), asked.content, user)


@unit
def _retry(old: Run, spec: Any, content: Any, user: Any) -> Run:
    run = transitions.submit(
        agent=old.agent,
        input=spec.validate_input(content),
        thread=old.thread,
        title=old.title,
        priority=old.priority,
        queue_key=old.queue_key,
        retry_of=old,
        by=user,
        deadline_in=timedelta(seconds=spec.timeout_seconds) if spec.timeout_seconds else None,
    )
    audit.record("retry_run", old, by=user, run=old, after={"run": str(run.pk)})
    return run


def pause_queue(key: str, *, reason: str = "", until: datetime | None = None, by: Any = None) -> Queue:
    """Hand out no run of the queue until `until` (aware; None: until it is resumed). What runs goes on."""
    fields = {"paused_at": Now(), "paused_until": until, "paused_reason": clean_text(reason.strip())[:500]}
    return _change_queue(key, "pause_queue", by, reason, **fields)


def resume_queue(key: str, *, by: Any = None) -> Queue:
    """End a pause."""
    fields = {"paused_at": None, "paused_until": None, "paused_reason": ""}
    queue = _change_queue(key, "resume_queue", by, "", **fields)
    dispatch.ring(key)
    return queue


def set_queue_limit(key: str, limit: int | None, *, by: Any = None) -> Queue:
    """Let at most `limit` runs of the queue hold a worker at once; None: no limit."""
    if limit is not None and (not isinstance(limit, int) or limit < 0):
        raise InvalidInput(f"The limit must be a whole number from 0, or empty, not {limit!r}.", fields={"limit": ""})
    queue = _change_queue(key, "set_queue_limit", by, "", max_concurrent_runs=limit)
    dispatch.ring(key)
    return queue


def _change_queue(key: str, action: str, by: Any, reason: str, **fields: Any) -> Queue:
    check_queue(key)
    user = audit.user_of(by)
    audit.require(user, "harness.pause_queue", action, Queue(pk=key))
    return _write_queue(key, action, user, reason, fields)


@unit
def _write_queue(key: str, action: str, user: Any, reason: str, fields: dict[str, Any]) -> Queue:
    Queue.objects.get_or_create(pk=key)
    before = Queue.objects.select_for_update().get(pk=key)
    if "paused_at" in fields:
        fields["paused_by"] = user if fields["paused_at"] is not None else None
    Queue.objects.filter(pk=key).update(**fields)
    after = Queue.objects.get(pk=key)
    audit.record(action, after, by=user, reason=reason, before=_shown(before), after=_shown(after))
    return after


def _shown(queue: Queue) -> dict[str, Any]:
    kept = ("max_concurrent_runs", "paused_at", "paused_until", "paused_reason")
    return through_json({name: getattr(queue, name) for name in kept})


def drain_worker(worker_id: Any, *, by: Any = None) -> Worker:
    """Ask a worker to hand back what it holds and to stop. It is told at once, and sees it at its next beat anyway."""
    user = audit.user_of(by)
    try:
        worker = Worker.objects.get(pk=UUID(str(worker_id)))
    except (ValueError, Worker.DoesNotExist):
        raise NotFound(f"There is no worker {worker_id}.") from None
    audit.require(user, "harness.drain_worker", "drain_worker", worker)
    return _drain(worker, user)


@unit
def _drain(worker: Worker, user: Any) -> Worker:
    asked = Worker.objects.running().filter(pk=worker.pk, draining_at__isnull=True).update(draining_at=Now())
    if asked:
        audit.record("drain_worker", worker, by=user)
        dispatch.tell_worker_after_commit(worker.pk)
    return Worker.objects.get(pk=worker.pk)


__all__ = [
    "cancel_run",
    "check_queue",
    "drain_worker",
    "get_run",
    "pause_queue",
    "resume_queue",
    "retry_run",
    "set_queue_limit",
    "start_run",
]

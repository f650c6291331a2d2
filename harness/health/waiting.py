"""Why a run that waits for a worker has none. The predicates are those of transitions.claiming, asked in its order."""

from __future__ import annotations

from harness import limits
from harness.conf import conf
from harness.health.facts import Facts
from harness.health.said import Explanation, command, see_queues, see_run, see_workers, span
from harness.models import Run
from harness.states import State


def waiting(run: Run, facts: Facts) -> Explanation:
    """The first predicate that keeps workers from taking it."""
    reasons = (_later, _paused, _thread_busy, _limit, _no_worker, _no_redis, _workers_busy, _not_rung)
    return next(said for reason in reasons if (said := reason(run, facts)))


def _due(run: Run, facts: Facts) -> float:
    """Seconds since it could have been taken."""
    return facts.age(run.queue_row.available_at) or 0.0


def _later(run: Run, facts: Facts) -> Explanation | None:
    until = run.queue_row.available_at
    if until <= facts.now:
        return None
    left = (until - facts.now).total_seconds()
    slept = run.started_at is not None
    words = f"The agent sleeps and goes on in {span(left)}." if slept else f"Scheduled: it is due in {span(left)}."
    code = "sleeping" if slept else "scheduled"
    return Explanation(code, words, {"due_at": until, "due_in_seconds": left}, run.state_since, "Nobody needs to act.")


def _paused(run: Run, facts: Facts) -> Explanation | None:
    queue = facts.queues.get(run.queue_key)
    if not queue or queue.paused_at is None or (queue.paused_until and queue.paused_until <= facts.now):
        return None
    by = queue.paused_by.get_username() if queue.paused_by else "the system"
    because = f": {queue.paused_reason}" if queue.paused_reason else ""
    left = f" It ends by itself in {span(-(facts.age(queue.paused_until) or 0))}." if queue.paused_until else ""
    return Explanation(
        "queue-paused",
        f"Queue {queue.key} was paused by {by}{because}.{left}",
        {"queue": queue.key, "paused_by": by, "paused_until": queue.paused_until, "due_seconds": _due(run, facts)},
        queue.paused_at,
        f"{by}, or anyone who may pause queues",
        see_queues(f"Resume queue {queue.key}", "resume_queue", queue.key),
        tone="warn",
    )


def _thread_busy(run: Run, facts: Facts) -> Explanation | None:
    if run.state != State.QUEUED:
        return None
    first = next((other for other in facts.threads.get(run.thread_id, []) if _goes_before(other, run, facts)), None)
    if first is None:
        return None
    return Explanation(
        "thread-busy",
        f"Its thread is busy with run {first.pk} ({first.get_state_display().lower()}): one run of a thread at a time.",
        {"busy_with": str(first.pk), "its_state": first.state, "due_seconds": _due(run, facts)},
        max(first.created_at, run.queue_row.available_at),
        "Whoever may cancel or unblock that run",
        see_run(first.pk, "See that run"),
    )


def _goes_before(other: Run, run: Run, facts: Facts) -> bool:
    if other.pk == run.pk:
        return False
    if other.state != State.QUEUED or other.started_at is not None:
        return True
    due = getattr(other, "queue_row", None) and other.queue_row.available_at <= facts.now
    return bool(due) and (other.created_at, other.pk) < (run.created_at, run.pk)


def _limit(run: Run, facts: Facts) -> Explanation | None:
    queue = facts.queues.get(run.queue_key)
    tried = (
        (
            f"queue {run.queue_key}",
            queue.max_concurrent_runs if queue else None,
            lambda h: h.queue_key == run.queue_key,
        ),
        (f"agent {run.agent}", limits.AGENT_LIMITS.get(run.agent), lambda h: h.agent == run.agent),
        ("all queues together", conf.MAX_CONCURRENT_RUNS, lambda h: True),
    )
    for what, limit, counts in tried:
        holders = [str(hold.run_id) for hold in facts.holds if counts(hold)]
        if limit is not None and len(holders) >= limit:
            return _limit_reached(run, facts, what, limit, holders)
    return None


def _limit_reached(run: Run, facts: Facts, what: str, limit: int, holders: list[str]) -> Explanation:
    place = f" It is number {facts.ahead[run.pk] + 1} in its queue." if run.pk in facts.ahead else ""
    evidence = {"limit": limit, "running": len(holders), "held_by": holders[:10], "due_seconds": _due(run, facts)}
    return Explanation(
        "limit-reached",
        f"The limit of {limit} for {what} is reached.{place}",
        evidence | _position(run, facts),
        run.queue_row.available_at,
        "It goes on when one of them ends; who may pause queues can raise the limit",
        see_queues("Change the limit", "set_queue_limit", run.queue_key),
    )


def _no_worker(run: Run, facts: Facts) -> Explanation | None:
    key = run.queue_key
    if facts.listening(key):
        return None
    known = [worker for worker in facts.workers if key in worker.queues]
    late = [worker for worker in known if not facts.is_alive(worker)]
    draining = [worker for worker in known if worker.draining_at and facts.is_alive(worker)]
    states = {"without a heartbeat": len(late), "draining": len(draining)}
    parts = [f"{count} {state}" for state, count in states.items() if count]
    words = f"No worker takes runs of queue {key}: {', '.join(parts) or 'none listens to it'}."
    evidence = {"queue": key, "late": len(late), "draining": len(draining), "alive_elsewhere": _alive(facts)}
    return Explanation(
        "no-worker",
        words,
        evidence | {"due_seconds": _due(run, facts)},
        run.queue_row.available_at,
        "Whoever runs the workers",
        command(f"Start a worker: manage.py work {key}", "work"),
        tone="bad",
    )


def _no_redis(run: Run, facts: Facts) -> Explanation | None:
    if facts.redis:
        return None
    return Explanation(
        "redis-down",
        "Redis does not answer, so idle workers cannot be rung. Nothing is lost: it runs when Redis is back.",
        {"idle_workers": len(facts.idle(run.queue_key)), "due_seconds": _due(run, facts)},
        run.queue_row.available_at,
        "Whoever runs Redis",
        command("Start Redis, or see REDIS_URL", "redis"),
        tone="bad",
    )


def _workers_busy(run: Run, facts: Facts) -> Explanation | None:
    listening = facts.listening(run.queue_key)
    if facts.idle(run.queue_key):
        return None
    place = f" It is number {facts.ahead[run.pk] + 1} in its queue." if run.pk in facts.ahead else ""
    return Explanation(
        "workers-busy",
        f"All {len(listening)} workers of queue {run.queue_key} are busy.{place}",
        {"workers": len(listening), "due_seconds": _due(run, facts)} | _position(run, facts),
        run.queue_row.available_at,
        "It goes on when one of them is free; more workers help",
        see_workers("See the workers", "work"),
    )


def _not_rung(run: Run, facts: Facts) -> Explanation:
    due, idle = _due(run, facts), len(facts.idle(run.queue_key))
    evidence = {"idle_workers": idle, "due_seconds": due, "supervisor_age_seconds": facts.supervisor_age}
    if due <= 2 * conf.SUPERVISOR_INTERVAL_SECONDS:
        words = f"Due for {span(due)}; {idle} idle workers are about to take it."
        return Explanation("about-to-start", words, evidence, run.queue_row.available_at, "Nobody needs to act.")
    words = f"{idle} workers of its queue are idle, yet none took it: the doorbell was lost."
    if facts.recovers:
        who, action = "The supervisor rings again by itself", see_workers("See the workers", "work")
    else:
        words += " No supervisor is there to ring again."
        who, action = "Whoever runs the supervisor", command("Start it: manage.py supervise", "supervise")
    return Explanation("not-rung", words, evidence, run.queue_row.available_at, who, action, tone="warn")


def _alive(facts: Facts) -> int:
    return sum(facts.is_alive(worker) for worker in facts.workers)


def _position(run: Run, facts: Facts) -> dict[str, int]:
    return {"position": facts.ahead[run.pk] + 1} if run.pk in facts.ahead else {}

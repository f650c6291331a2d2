"""How many runs may hold a worker at once: per queue, per agent, overall."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from django.db.models import Count

from harness.conf import conf
from harness.models import Queue, RunQueue

_agent_limits: dict[str, int] = {}
AGENT_LIMITS: Mapping[str, int] = MappingProxyType(_agent_limits)


def set_agent_limit(agent: str, limit: int | None) -> None:
    """At most `limit` runs of `agent` hold a worker at once; None takes the limit away."""
    if limit is None:
        _agent_limits.pop(agent, None)
    else:
        _agent_limits[agent] = limit


def lock_for_claim(queue_key: str) -> Queue | None:
    """The queue's settings. Where a limit has to be counted, no other claim counts until this transaction ends.

    A limit over several queues is counted under the locks of all of them, taken in the order of their keys.
    """
    everywhere = conf.MAX_CONCURRENT_RUNS is not None or bool(_agent_limits)
    queue = Queue.objects.filter(pk=queue_key).first()
    if everywhere:
        list(Queue.objects.select_for_update().order_by("key").values_list("key"))
    elif queue and queue.max_concurrent_runs is not None:
        queue = Queue.objects.select_for_update().get(pk=queue_key)
    return queue


def holders(queue_key: str) -> int:
    """Runs of the queue that hold a worker now."""
    return RunQueue.objects.claimed().filter(queue_key=queue_key).count()


def is_full(queue: Queue | None) -> bool:
    """True if the queue's own limit or the overall one is reached."""
    if conf.MAX_CONCURRENT_RUNS is not None and RunQueue.objects.claimed().count() >= conf.MAX_CONCURRENT_RUNS:
        return True
    limit = queue.max_concurrent_runs if queue else None
    return limit is not None and queue is not None and holders(queue.key) >= limit


def full_agents() -> list[str]:
    """Agents that hold as many workers as they may."""
    if not _agent_limits:
        return []
    rows = RunQueue.objects.claimed().filter(run__agent__in=_agent_limits)
    counts = dict(rows.values_list("run__agent").annotate(Count("pk")))
    return [agent for agent, limit in _agent_limits.items() if counts.get(agent, 0) >= limit]

"""Ring the doorbell: the only code that enqueues in RQ or talks to its command channel.

A ring says "there may be work for this queue". It may be lost, late or doubled without harm: the ledger decides.
Nothing here raises when Redis is away; it answers False or None, and the supervisor rings again.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from django.conf import settings
from django.db import transaction
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from rq import Queue
from rq.command import send_command
from rq.serializers import JSONSerializer

log = logging.getLogger(__name__)
T = TypeVar("T")

JOB = "harness.worker.work"
LOOK = "look"
"""The command that makes a worker look at the ledger at once."""
PATIENCE_SECONDS = 1.0


def ring(queue_key: str, times: int = 1) -> bool:
    """Tell the workers of a queue that there may be work. False if Redis is away."""

    def enqueue() -> bool:
        queue = _queue(queue_key)
        for _ in range(times):
            queue.enqueue_call(JOB, args=(queue_key,), timeout=-1, result_ttl=0, failure_ttl=0)
        return True

    return _tried(enqueue) or False


def ring_after_commit(queue_key: str) -> None:
    """Ring once the transaction is committed, so that no worker comes before the row."""
    transaction.on_commit(functools.partial(ring, queue_key), robust=True)


def depth(queue_key: str) -> int | None:
    """How many rings wait in Redis for this queue; None if Redis is away."""
    return _tried(lambda: _queue(queue_key).count)


def tell_worker(worker_id: UUID) -> bool:
    """Ask a worker to look at the ledger now, over RQ's command channel. Unacknowledged: its next beat looks anyway."""

    def publish() -> bool:
        send_command(connection(), str(worker_id), LOOK)
        return True

    return _tried(publish) or False


def tell_worker_after_commit(worker_id: UUID | None) -> None:
    """The same, once the transaction is committed; nothing where there is no worker."""
    if worker_id:
        transaction.on_commit(functools.partial(tell_worker, worker_id), robust=True)


def redis_alive() -> bool:
    """True if Redis answers a PING within a second."""
    return bool(_tried(lambda: connection().ping()))


def connection() -> Redis:
    """The connection for rings: short timeouts and no retries, since nobody waits for a doorbell."""
    return _connection(settings.REDIS_URL)


@functools.lru_cache(maxsize=4)
def _connection(url: str) -> Redis:
    return Redis.from_url(
        url,
        socket_timeout=PATIENCE_SECONDS,
        socket_connect_timeout=PATIENCE_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


def _queue(queue_key: str) -> Queue:
    return Queue(queue_key, connection=connection(), serializer=JSONSerializer)


_away = False


def _tried(call: Callable[[], T]) -> T | None:
    """The call's answer, or None while Redis is away; each outage and each return is logged once."""
    global _away
    try:
        answer = call()
    except (RedisError, OSError) as error:
        if not _away:
            log.warning("Redis is away (%s): work waits in the ledger until it is back", error)
        _away = True
        return None
    if _away:
        log.info("Redis is back")
    _away = False
    return answer

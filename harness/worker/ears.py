"""A worker's RQ command channel, read between other things and not by a thread: so a fork finds no lock held."""

from __future__ import annotations

import json
import logging
import socket
from contextlib import suppress
from time import monotonic
from typing import Any

from redis import Redis
from redis.client import PubSub
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

DEAF_SECONDS = 2.0
"""Between two attempts to subscribe while Redis is away."""


class Ears:
    """Subscribed whenever Redis is there. A command may be lost: the next beat sees what the ledger says."""

    def __init__(self, connection: Redis, channel: str) -> None:
        self._connection, self._channel = connection, channel
        self._pubsub: PubSub | None = None
        self._try_at = 0.0

    def fileno(self) -> int | None:
        """What becomes readable when a command comes; None while Redis is away."""
        connection = self._pubsub.connection if self._pubsub else None
        found: socket.socket | None = getattr(connection, "_sock", None)
        return found.fileno() if found else None

    def hear(self) -> list[str]:
        """The commands that came since the last time. Does not wait; subscribes (again) where that is needed."""
        commands: list[str] = []
        try:
            pubsub = self._subscribed()
            while pubsub and (message := _next_message(pubsub)):
                commands += _commands(message)
        except (RedisError, OSError) as error:
            log.debug("command channel lost: %s", error)
            self.close()
            self._try_at = monotonic() + DEAF_SECONDS
        return commands

    def close(self) -> None:
        if self._pubsub:
            with suppress(RedisError, OSError):
                self._pubsub.close()
        self._pubsub = None

    def _subscribed(self) -> PubSub | None:
        if self._pubsub is None and monotonic() >= self._try_at:
            pubsub = self._connection.pubsub()
            pubsub.subscribe(self._channel)
            self._pubsub = pubsub
        return self._pubsub


def _next_message(pubsub: PubSub) -> dict[str, Any] | None:
    message: dict[str, Any] | None = pubsub.get_message(timeout=0)
    return message


def _commands(message: dict[str, Any]) -> list[str]:
    if message["type"] != "message":
        return []
    try:
        return [str(json.loads(message["data"])["command"])]
    except (ValueError, TypeError, KeyError):
        log.warning("not a command: %r", message["data"])
        return []

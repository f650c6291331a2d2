"""Run a coroutine from the main thread so that its ORM work stays there and a signal cancels it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import async_to_sync

from harness.errors import Interrupted
from harness.interrupts import Interrupts

AGAIN_SECONDS = 1.0


def run_async(interrupts: Interrupts, start: Callable[[], Awaitable[Any]]) -> Any:
    """The result of `await start()`. An interruption cancels the task, again each second until it has ended."""
    leash = _Leash()
    with interrupts.exposed(leash.pull):
        return async_to_sync(leash.hold)(start)


class _Leash:
    """Holds the task of an event loop in another thread, to be pulled from a signal handler."""

    def __init__(self) -> None:
        self._pulled: Interrupted | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None

    def pull(self, interruption: Interrupted) -> None:
        self._pulled = interruption
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._cancel)

    async def hold(self, start: Callable[[], Awaitable[Any]]) -> Any:
        self._task, self._loop = asyncio.current_task(), asyncio.get_running_loop()
        try:
            if self._pulled is not None:
                raise self._pulled
            return await start()
        except asyncio.CancelledError:
            if self._pulled is not None:
                raise self._pulled from None
            raise
        finally:
            self._task = self._loop = None

    def _cancel(self) -> None:
        if self._task is not None and self._loop is not None:
            self._task.cancel()
            self._loop.call_later(AGAIN_SECONDS, self._cancel)

"""Hints: which parts of the data changed, told to every open page of this process by one look a second."""

from __future__ import annotations

import asyncio
import functools
import logging
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from django.db import connections

from dashboard import changes

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
HEARTBEAT_SECONDS = 15.0
LIFETIME_SECONDS = 300.0
"""A stream ends after this long and the browser opens a new one, which checks the person's rights anew."""


@dataclass(eq=False)
class Listener:
    """One open page. `ended` once its session is gone or the server stops."""

    session_key: str
    names: set[str] = field(default_factory=set)
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    ended: bool = False

    def tell(self, names: set[str]) -> None:
        self.names |= names
        self.woken.set()

    def end(self) -> None:
        self.ended = True
        self.woken.set()


class Hub:
    """The listeners of one event loop, and the task that looks for them. It looks only while somebody listens."""

    def __init__(self) -> None:
        self.listeners: set[Listener] = set()
        self.task: asyncio.Task[None] | None = None
        self.stopping = False

    async def stream(self, session_key: str) -> AsyncIterator[bytes]:
        """Server-sent events: the names that changed, separated by blanks; a comment where nothing happens."""
        with self._listening(session_key) as listener:
            yield b": hello\n\n"
            async for line in self._lines(listener):
                yield line

    async def _lines(self, listener: Listener) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        until = loop.time() + LIFETIME_SECONDS
        while loop.time() < until and not self.stopping:
            try:
                await asyncio.wait_for(listener.woken.wait(), HEARTBEAT_SECONDS)
            except TimeoutError:
                yield b": still here\n\n"
                continue
            if listener.ended:
                return
            listener.woken.clear()
            names, listener.names = sorted(listener.names), set()
            yield f"data: {' '.join(names)}\n\n".encode()

    @contextmanager
    def _listening(self, session_key: str) -> Iterator[Listener]:
        listener = Listener(session_key)
        self.listeners.add(listener)
        if self.task is None or self.task.done():
            self.task = asyncio.get_running_loop().create_task(self._look())
        try:
            yield listener
        finally:
            self.listeners.discard(listener)

    async def _look(self) -> None:
        """One look a second, in a thread with a database connection of its own that ends with it."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, thread_name_prefix="live") as thread:
            try:
                await self._look_on(functools.partial(loop.run_in_executor, thread))
            finally:
                thread.submit(connections.close_all)

    async def _look_on(self, in_thread: Callable[..., Awaitable[Any]]) -> None:
        watch = changes.Watch()
        while self.listeners and not self.stopping:
            keys = {listener.session_key for listener in self.listeners}
            try:
                self._tell(*await in_thread(watch.look, keys))
            except Exception:
                log.warning("Live updates cannot read the database; trying again.", exc_info=True)
                await in_thread(connections.close_all)
            await asyncio.sleep(LOOK_SECONDS)

    def _tell(self, names: set[str], alive: set[str]) -> None:
        for listener in list(self.listeners):
            if listener.session_key not in alive:
                listener.end()
            elif names:
                listener.tell(names)

    def stop(self) -> None:
        """End every stream now: the server is going down and would wait for them."""
        self.stopping = True
        for listener in list(self.listeners):
            listener.end()


_hubs: dict[int, Hub] = {}


def hub() -> Hub:
    """The hub of the running event loop."""
    loop = asyncio.get_running_loop()
    if id(loop) not in _hubs:
        _hubs[id(loop)] = Hub()
        _stop_with_the_server(loop, _hubs[id(loop)])
    return _hubs[id(loop)]


def _stop_with_the_server(loop: asyncio.AbstractEventLoop, hub: Hub) -> None:
    """A server waits for open connections before it tells the application that it stops; so hear the signal too."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        before = signal.getsignal(number)

        def stop(received: int, frame: FrameType | None, before: object = before) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(hub.stop)
            if callable(before):
                before(received, frame)

        signal.signal(number, stop)

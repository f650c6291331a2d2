"""The context of agents written as `async def`: the same names, as coroutines."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any

from asgiref.sync import sync_to_async

from harness.agents import saving
from harness.agents.asked import Asked, confirmation
from harness.agents.context import NAP_SECONDS, Named, RunContext, _nothing
from harness.agents.tools import Tool, _current_step
from harness.artifacts import Data
from harness.conf import conf
from harness.errors import HandedBack, Rejected, RunParked, ToolFailed
from harness.models import Step
from harness.states import StepStatus

LOOK_SECONDS = 0.02


class AsyncRunContext(Named):
    """For agents written as `async def`. Branches that run at once should name their steps differently from each other.

    The ledger is written on the main thread, the agent runs on a loop of its own. Where one branch has to wait for a
    person or gives way to a drain, the steps in flight in the others end first.
    """

    def __init__(self, inner: RunContext) -> None:
        self._inner = inner
        self._book, self._facts = inner._book, inner._facts
        self._branches = _Branches()

    async def _ledger(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        def shielded() -> Any:
            with self._inner._shielded():
                return work(*args, **kwargs)

        answer = await _to_its_end(sync_to_async(shielded)())
        self._raise_if_stopped()
        return answer

    def _raise_if_stopped(self) -> None:
        """A cancel that came while the ledger was written was swallowed there; it counts now."""
        if self._book.interrupts.came is not None:
            raise self._book.interrupts.came

    # --- steps -----------------------------------------------------------------------------------------------------

    async def call(self, tool: Tool[..., Any] | Callable[..., Any] | str, /, **args: Any) -> Any:
        """Call a tool; its arguments and result are JSON. Raises InvalidInput, Rejected or ToolFailed."""
        return await self._call(*self._facts.tool_call(tool, args))

    async def _call(self, asked: Asked, tool: Tool[..., Any]) -> Any:
        return await self._execute(asked, lambda step: tool.fn(**tool.load(step.args)), tool.is_async)

    async def call_all(self, calls: Iterable[tuple[Tool[..., Any], Mapping[str, Any]]], /) -> list[Any]:
        """As RunContext.call_all: all approvals at once, then in order; a Rejected where a person said no."""
        wanted = [self._facts.tool_call(tool, args) for tool, args in calls]
        async with self._branches:
            await self._ledger(self._book.park_for, [asked for asked, _ in wanted])
        return [await self._or_rejected(asked, tool) for asked, tool in wanted]

    async def _or_rejected(self, asked: Asked, tool: Tool[..., Any]) -> Any:
        try:
            return await self._call(asked, tool)
        except Rejected as refusal:
            return refusal

    async def step(
        self, name: str, fn: Callable[..., Any], /, *args: Any, retryable: bool = False, **kwargs: Any
    ) -> Any:
        """Execute `fn(*args, **kwargs)`, sync or async, once and record its result. Raises ToolFailed."""
        asked = self._facts.custom(name, {**({"args": args} if args else {}), **kwargs}, retryable)
        return await self._execute(asked, lambda step: fn(*args, **kwargs), inspect.iscoroutinefunction(fn))

    async def _execute(self, asked: Asked, body: Callable[[Step], Any], is_async: bool = False) -> Any:
        async with self._branches:
            try:
                step = await self._ledger(self._book.open, asked)
                if step.status != StepStatus.STARTED:
                    return await self._ledger(self._book.outcome, step)
                value = await self._body(step, body, is_async)
            except _Raised as raised:
                return await self._ledger(self._book.failed, step, raised.error)
            except asyncio.CancelledError:
                await self._given_up(asked.key)
                raise
            return await self._ledger(self._book.finish, step, value)

    async def _body(self, step: Step, body: Callable[[Step], Any], is_async: bool) -> Any:
        try:
            return await (self._await(step, body) if is_async else self._on_main_thread(step, body))
        except Exception as error:
            raise _Raised(error) from error

    async def _await(self, step: Step, body: Callable[[Step], Awaitable[Any]]) -> Any:
        token = _current_step.set(self._book.info(step))
        try:
            return await body(step)
        finally:
            _current_step.reset(token)

    async def _on_main_thread(self, step: Step, body: Callable[[Step], Any]) -> Any:
        value = await _to_its_end(sync_to_async(self._inner._body)(step, body, False))
        self._raise_if_stopped()
        return value

    async def _given_up(self, key: str) -> None:
        """The agent itself stopped waiting (a timeout, a cancelled task): the step has failed."""
        step = self._book.record(key)
        if self._book.interrupts.came is None and step is not None and step.status == StepStatus.STARTED:
            with suppress(ToolFailed):
                said = "the agent stopped waiting for it"
                await self._ledger(self._book.fail, step, type="CancelledError", message=said)

    # --- people ----------------------------------------------------------------------------------------------------

    async def approve(self, summary: str, **details: Any) -> None:
        """Ask a person whether to go on. Raises Rejected."""
        await self._execute(confirmation(self._book.key("approve"), summary, self._facts.plain(details)), _nothing)

    async def ask(self, question: str, schema: Any = str) -> Any:
        """Ask a person; returns the answer as `schema` says. Raises Rejected."""
        asked, read = self._facts.question(question, schema)
        return read(await self._execute(asked, _nothing))

    # --- time ------------------------------------------------------------------------------------------------------

    async def sleep(self, seconds: float) -> None:
        """Wait, without holding a worker where it takes longer than a beat."""
        left = await self._ledger(self._facts.time_left, seconds)
        if (rest := await self._ledger(left)) > conf.HEARTBEAT_INTERVAL_SECONDS:
            async with self._branches:
                await self._ledger(self._book.stop, HandedBack("sleep", timedelta(seconds=rest)))
        while (rest := await self._ledger(left)) > 0:
            await asyncio.sleep(min(rest, NAP_SECONDS))
            await self.check()

    async def now(self) -> datetime:
        """The database's time (aware, UTC), the same on every replay."""
        return await self._ledger(self._facts.now)

    async def random(self) -> float:
        """From 0 to 1, the same on every replay."""
        return self._facts.random()

    # --- telling ---------------------------------------------------------------------------------------------------

    async def emit(self, type: str, payload: Any = None) -> None:
        """Append an event custom.<type> to the run's history, once."""
        await self._ledger(self._facts.emit, type, payload)

    async def progress(self, done: float | None = None, total: float | None = None, message: str = "") -> None:
        """Say how far it is."""
        await self._ledger(self._facts.progress, done, total, message)

    async def usage(self, *, tokens_in: int = 0, tokens_out: int = 0, cost: Any = 0, model: str = "") -> None:
        """Count tokens and US dollars, once. In a step's body they are counted to that step."""
        await self._ledger(self._facts.usage, tokens_in, tokens_out, cost, model)

    async def save_artifact(self, name: str, data: Data, content_type: str | None = None) -> dict[str, Any]:
        """Keep a file. Returns {"id", "name", "size", "sha256"}. Raises ToolFailed."""
        return await self._ledger(saving.save, self._facts, name, data, content_type)

    async def check(self) -> None:
        """A cancel point: raises here if the run is to stop."""
        await self._ledger(self._facts.check)

    @property
    def messages(self) -> Awaitable[list[dict[str, Any]]]:
        """The thread up to this run, oldest first: `await ctx.messages`."""
        return self._ledger(self._facts.messages)

    @property
    def context(self) -> Awaitable[dict[str, Any]]:
        """What start_run was given as `context`: `await ctx.context`."""
        return self._ledger(self._facts.context)


class _Raised(Exception):
    """The body of a step raised `error`."""

    def __init__(self, error: Exception) -> None:
        self.error = error


async def _to_its_end(work: Awaitable[Any]) -> Any:
    """Wait for work on the main thread, which cannot be cut off; a cancel that comes meanwhile counts afterwards."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        if not task.cancelled():
            task.exception()
        raise


class _Branches:
    """How many branches of the agent are in a step. One that parks or hands back leaves after the others did."""

    def __init__(self) -> None:
        self._busy = 0

    async def __aenter__(self) -> None:
        self._busy += 1

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._busy -= 1
        if isinstance(error, RunParked | HandedBack):
            while self._busy:
                await asyncio.sleep(LOOK_SECONDS)

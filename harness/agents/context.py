"""What an agent gets to work with. Everything that it does through here is recorded and comes back on a replay."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from harness.agents import saving
from harness.agents.asked import Asked, confirmation
from harness.agents.book import Book
from harness.agents.bridge import run_async
from harness.agents.facts import Facts
from harness.agents.spec import AgentSpec
from harness.agents.tools import Tool, _current_step
from harness.artifacts import Data
from harness.conf import conf
from harness.errors import HandedBack, Rejected
from harness.interrupts import Interrupts
from harness.leases import Lease
from harness.models import Step
from harness.states import StepStatus

P = ParamSpec("P")
R = TypeVar("R")
NAP_SECONDS = 0.2


class Named:
    """The facts of the run, by the names that agents use."""

    _facts: Facts

    @property
    def run_id(self) -> UUID:
        return self._facts.run.pk

    @property
    def thread_id(self) -> UUID:
        return self._facts.run.thread_id

    @property
    def agent(self) -> str:
        return self._facts.spec.name

    @property
    def attempt(self) -> int:
        """1 for the first claim of the run by a worker; more after a pause or a crash."""
        return self._facts.run.attempt

    @property
    def replaying(self) -> bool:
        """True while steps recorded by an earlier attempt are still to come."""
        return self._facts.book.replaying


class RunContext(Named):
    """For agents written as `def`. Use it from the agent's own thread, outside of transactions and step bodies."""

    def __init__(self, lease: Lease, interrupts: Interrupts, spec: AgentSpec) -> None:
        self._book = Book(lease, interrupts)
        self._facts = Facts(self._book, spec)
        self._shielded = interrupts.shielded

    # --- steps -----------------------------------------------------------------------------------------------------

    def call(self, tool: Tool[..., Any] | Callable[..., Any] | str, /, **args: Any) -> Any:
        """Call a tool; its arguments and result are JSON. Raises InvalidInput, Rejected or ToolFailed."""
        with self._shielded():
            asked, known = self._facts.tool_call(tool, args)
            return self._execute(asked, lambda step: known.fn(**known.load(step.args)), known.is_async)

    def call_all(self, calls: Iterable[tuple[Tool[..., Any], Mapping[str, Any]]], /) -> list[Any]:
        """Call several tools, [(tool, {"argument": value}), ...]: every approval that they need is asked for at once.

        Then they are executed in order. Returns a list of results, with a Rejected where a person said no.
        """
        with self._shielded():
            wanted = [self._facts.tool_call(tool, args) for tool, args in calls]
            self._book.park_for([asked for asked, _ in wanted])
            return [self._or_rejected(asked, tool) for asked, tool in wanted]

    def _or_rejected(self, asked: Asked, tool: Tool[..., Any]) -> Any:
        try:
            return self._execute(asked, lambda step: tool.fn(**tool.load(step.args)), tool.is_async)
        except Rejected as refusal:
            return refusal

    def step(self, name: str, fn: Callable[..., Any], /, *args: Any, retryable: bool = False, **kwargs: Any) -> Any:
        """Execute `fn(*args, **kwargs)` once and record its result. Raises ToolFailed."""
        with self._shielded():
            given = {**({"args": args} if args else {}), **kwargs}
            asked = self._facts.custom(name, given, retryable)
            return self._execute(asked, lambda step: fn(*args, **kwargs), inspect.iscoroutinefunction(fn))

    def _execute(self, asked: Asked, body: Callable[[Step], Any], is_async: bool = False) -> Any:
        step = self._book.open(asked)
        if step.status != StepStatus.STARTED:
            return self._book.outcome(step)
        try:
            value = self._body(step, body, is_async)
        except Exception as error:
            return self._book.failed(step, error)
        return self._book.finish(step, value)

    def _body(self, step: Step, body: Callable[[Step], Any], is_async: bool) -> Any:
        token = _current_step.set(self._book.info(step))
        try:
            if is_async:
                return run_async(self._book.interrupts, lambda: body(step))
            with self._book.interrupts.exposed():
                return body(step)
        finally:
            _current_step.reset(token)

    # --- people ----------------------------------------------------------------------------------------------------

    def approve(self, summary: str, **details: Any) -> None:
        """Ask a person whether to go on. Raises Rejected."""
        with self._shielded():
            self._execute(confirmation(self._book.key("approve"), summary, self._facts.plain(details)), _nothing)

    def ask(self, question: str, schema: Any = str) -> Any:
        """Ask a person; returns the answer as `schema` says: a type, pydantic model or JSON Schema. Raises Rejected."""
        with self._shielded():
            asked, read = self._facts.question(question, schema)
            return read(self._execute(asked, _nothing))

    # --- time ------------------------------------------------------------------------------------------------------

    def sleep(self, seconds: float) -> None:
        """Wait, without holding a worker where it takes longer than a beat. A replay goes on when the time has come."""
        with self._shielded():
            left = self._facts.time_left(seconds)
            if (rest := left()) > conf.HEARTBEAT_INTERVAL_SECONDS:
                self._book.stop(HandedBack("sleep", timedelta(seconds=rest)))
        while (rest := left()) > 0:
            time.sleep(min(rest, NAP_SECONDS))
            self.check()

    def now(self) -> datetime:
        """The database's time (aware, UTC), the same on every replay."""
        with self._shielded():
            return self._facts.now()

    def random(self) -> float:
        """From 0 to 1, the same on every replay."""
        return self._facts.random()

    # --- telling ---------------------------------------------------------------------------------------------------

    def emit(self, type: str, payload: Any = None) -> None:
        """Append an event custom.<type> to the run's history, once."""
        with self._shielded():
            self._facts.emit(type, payload)

    def progress(self, done: float | None = None, total: float | None = None, message: str = "") -> None:
        """Say how far it is."""
        with self._shielded():
            self._facts.progress(done, total, message)

    def usage(self, *, tokens_in: int = 0, tokens_out: int = 0, cost: Any = 0, model: str = "") -> None:
        """Count tokens and US dollars, once. In a step's body they are counted to that step."""
        with self._shielded():
            self._facts.usage(tokens_in, tokens_out, cost, model)

    def save_artifact(self, name: str, data: Data, content_type: str | None = None) -> dict[str, Any]:
        """Keep text, bytes, a Path or an open file. Returns {"id", "name", "size", "sha256"}. Raises ToolFailed."""
        with self._shielded():
            return saving.save(self._facts, name, data, content_type)

    def check(self) -> None:
        """A cancel point: raises here if the run is to stop."""
        with self._shielded():
            self._facts.check()

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The thread up to this run, oldest first: {"role": "user" | "assistant" | "system", "content": JSON}."""
        with self._shielded():
            return self._facts.messages()

    @property
    def context(self) -> dict[str, Any]:
        """What start_run was given as `context`."""
        with self._shielded():
            return self._facts.context()


def _nothing(step: Step) -> None:
    raise AssertionError(f"{step.key} has no body: people decide it")

"""What both contexts share: who and what the run is, and steps as the agent names them."""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Q
from pydantic import TypeAdapter, ValidationError

from harness import clock, signs
from harness.agents.asked import Asked, custom, question, tool_call
from harness.agents.book import Book
from harness.agents.emitting import Emits
from harness.agents.signatures import adapter_of, complaints, sentence
from harness.agents.spec import AgentSpec
from harness.agents.tools import Tool, current_step
from harness.agents.values import recordable
from harness.canonical import clean_text, dumps
from harness.errors import InvalidInput
from harness.journal import Usage
from harness.models import Run, RunControl, RunRequest, ThreadMessage

EMIT_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,80}")
CHECK_EVERY_SECONDS = 0.2


class Facts:
    """A run as its agent sees it. Everything here is for the contexts; agents use what these make of it."""

    def __init__(self, book: Book, spec: AgentSpec) -> None:
        self.book = book
        self.spec = spec
        self.run = Run.objects.defer("output", "error").get(pk=book.lease.run_id)
        self._emits = Emits(book)
        self._randoms: Counter[str] = Counter()
        self._checked_at = 0.0
        self._messages: list[dict[str, Any]] | None = None

    def tool(self, given: Any) -> Tool[..., Any]:
        """A tool, or the agent's tool of that name or made from that function."""
        if isinstance(given, Tool):
            return given
        for tool in self.spec.tools.values():
            if given == tool.name or given is tool.fn:
                return tool
        known = ", ".join(self.spec.tools) or "none"
        raise InvalidInput(
            f"{getattr(given, '__name__', given)!r} is not a tool of {self.spec.name} (it has: {known})."
        )

    def tool_call(self, given: Any, args: Mapping[str, Any]) -> tuple[Asked, Tool[..., Any]]:
        tool = self.tool(given)
        return tool_call(self.book.key(tool.name), tool, dict(args)), tool

    def custom(self, name: str, args: Any, retryable: bool = True) -> Asked:
        name = clean_text(name).strip()[:200]
        if not name:
            raise InvalidInput("A step needs a name.")
        return custom(self.book.key(name), name, args, retryable)

    def plain(self, given: Any) -> Any:
        """What people will read, as JSON. Raises InvalidInput."""
        try:
            return recordable(given, "what is shown to people")
        except ValueError as error:
            raise InvalidInput(f"{error}.") from None

    def question(self, text: str, schema: Any) -> tuple[Asked, Callable[[Any], Any]]:
        read, json_schema = reader(schema)
        return question(self.book.key("ask"), clean_text(text), json_schema, read), read

    def usage(self, tokens_in: int, tokens_out: int, cost: Any, model: str) -> None:
        """In a step's body it belongs to that step, else it is a record of its own."""
        used = Usage(int(tokens_in), int(tokens_out), Decimal(str(cost)))
        if used.tokens_in < 0 or used.tokens_out < 0 or used.cost < 0:
            raise InvalidInput("Tokens and costs are counted up, never down.")
        if info := current_step():
            sofar = self.book.used.get(info.key, Usage())
            self.book.used[info.key] = Usage(
                sofar.tokens_in + used.tokens_in, sofar.tokens_out + used.tokens_out, sofar.cost + used.cost
            )
        else:
            self.book.at_once(self.custom("usage", {"model": model}), _as_json(used), used)

    def now(self) -> datetime:
        """The database's time, the same on every replay."""
        recorded = self.book.at_once(self.custom("now", {}), lambda: clock.now().isoformat())
        return datetime.fromisoformat(recorded)

    def random(self) -> float:
        """From 0 to 1, the same on every replay; nothing has to be recorded for it."""
        info = current_step()
        scope = f"{info.key}:{info.execution}" if info else ""
        self._randoms[scope] += 1
        return random.Random(f"{self.run.pk}:{scope}:{self._randoms[scope]}").random()  # noqa: S311

    def time_left(self, seconds: float) -> Callable[[], float]:
        """Record when to wake up, by the database's clock; returns how many seconds that is from now."""
        asked = self.custom("sleep", {"seconds": seconds})
        ends = self.book.at_once(asked, lambda: {"until": (clock.now() + timedelta(seconds=seconds)).isoformat()})
        until = datetime.fromisoformat(ends["until"])
        return lambda: (until - clock.now()).total_seconds()

    def emit(self, type: str, payload: Any) -> None:
        if not EMIT_TYPE.fullmatch(type):
            raise InvalidInput(f"{type!r} is not an event type: use letters, digits and _ . : - (at most 80).")
        plain = self.plain({} if payload is None else payload)
        self._emits.emit(type, plain if isinstance(plain, dict) else {"value": plain})

    def progress(self, done: float | None, total: float | None, message: str) -> None:
        """What a replay passes again is not shown again: the bar never jumps back."""
        self.book.check()
        if self.book.replaying and current_step() is None and not self._is_further(done):
            return
        with self.book.sticking():
            signs.progress(self.book.lease, done, total, clean_text(str(message)))

    def _is_further(self, done: float | None) -> bool:
        shown = RunControl.objects.filter(pk=self.run.pk).values_list("progress", flat=True).first()
        return shown is not None and (shown.get("done") or 0) < (done or 0)

    def check(self) -> None:
        """A cancel point. Asks the database five times a second at most."""
        if current_step() is None:
            self.book.check()
        elif self.book.interrupts.came is not None:
            raise self.book.interrupts.came
        if time.monotonic() - self._checked_at >= CHECK_EVERY_SECONDS:
            self._checked_at = time.monotonic()
            self.book.check_ledger()

    def messages(self) -> list[dict[str, Any]]:
        """The thread up to this run, oldest first, as {"role", "content"}. What comes later is for later runs."""
        if self._messages is None:
            earlier = Q(run_id__lt=self.run.pk) | Q(run_id=self.run.pk, role="user")
            loose = Q(run__isnull=True, created_at__lte=self.run.created_at)
            rows = ThreadMessage.objects.filter(earlier | loose, thread_id=self.run.thread_id).order_by("id")
            self._messages = [{"role": row.role, "content": row.content} for row in rows]
        return [dict(message) for message in self._messages]

    def context(self) -> dict[str, Any]:
        """What start_run was given as `context`."""
        invocation = RunRequest.objects.filter(pk=self.run.pk).values_list("invocation", flat=True).first()
        return (invocation or {}).get("context") or {}

    @property
    def run_id(self) -> UUID:
        return self.run.pk


def reader(schema: Any) -> tuple[Callable[[Any], Any], dict[str, Any]]:
    """How to read an answer, and its JSON Schema. `schema` is a type, a pydantic model or a JSON Schema (a dict)."""
    if isinstance(schema, dict):
        return (lambda answer: answer), schema
    adapter: TypeAdapter[Any] = adapter_of(schema)

    def read(answer: Any) -> Any:
        try:
            return adapter.validate_json(dumps(answer))
        except ValidationError as error:
            wrong = complaints(error)
            raise InvalidInput(f"{sentence(wrong)}.", fields=wrong) from None

    return read, adapter.json_schema()


def _as_json(used: Usage) -> dict[str, Any]:
    return {"tokens_in": used.tokens_in, "tokens_out": used.tokens_out, "cost": str(used.cost)}

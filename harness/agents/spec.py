"""What the harness knows about an agent."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from harness.agents.signatures import DefinitionError, adapter_of, complaints, hint, sentence
from harness.agents.tools import Tool
from harness.canonical import dumps, through_json
from harness.errors import InvalidInput

if TYPE_CHECKING:
    from harness.agents.adapters import Adapter

Rule = Callable[[Any], bool] | str | re.Pattern[str]
"""When an agent is the right one for an input: a test of the input, a word in its text, or a pattern in its text."""


@dataclass(eq=False)
class AgentSpec:
    """One registered agent. `fn(ctx, request)` is its code, unless an `adapter` runs it in another way."""

    name: str
    fn: Callable[..., Any]
    description: str = ""
    tools: dict[str, Tool[..., Any]] = field(default_factory=dict)
    input_type: Any = None
    """Type of the input; None: the annotation of the function's second parameter."""
    host_facing: bool = True
    """A thread that talks to it stays with it when the next run asks for the agent "auto"."""
    default: bool = False
    routes: Sequence[Rule] = ()
    stuck_after_seconds: float | None = None
    timeout_seconds: float | None = None
    max_concurrent_runs: int | None = None
    on_unknown: str = "ask"
    """After a crash inside a non-retryable step: "ask" a person what became of it, or "fail" the run."""
    example_input: Any = field(default_factory=dict)
    adapter: Adapter | None = None
    names: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def where(self) -> str:
        return f"{self.fn.__module__}.{self.fn.__qualname__}"

    @property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.fn)

    @functools.cached_property
    def takes_input(self) -> bool:
        """False for an agent that is written as `fn(ctx)`."""
        parameters = list(inspect.signature(self.fn).parameters.values())
        needed = [p for p in parameters if p.default is p.empty and p.kind is not p.KEYWORD_ONLY]
        if not parameters or len(needed) > 2:
            raise DefinitionError(f"{self.where}: an agent is a function of (ctx) or (ctx, request).")
        return len(parameters) > 1

    @functools.cached_property
    def input_model(self) -> TypeAdapter[Any]:
        """Reads and writes the input. Raises DefinitionError if its annotation cannot be read."""
        try:
            return adapter_of(self._input_type())
        except DefinitionError:
            raise
        except Exception as error:
            raise DefinitionError(f"{self.where}: the type of its input cannot be read from JSON: {error}") from error

    def _input_type(self) -> Any:
        if self.input_type is not None:
            return self.input_type
        if not self.takes_input:
            return Any
        parameter = list(inspect.signature(self.fn).parameters.values())[1]
        return hint(self.fn, parameter, self.names)

    @property
    def input_schema(self) -> dict[str, Any]:
        """JSON Schema of the input."""
        return self.input_model.json_schema()

    def validate_input(self, value: Any) -> Any:
        """The input as it is stored: JSON, defaults filled in. Raises InvalidInput, which names the fields."""
        try:
            return through_json(self.input_model.dump_python(self._read(through_json(value)), mode="json"))
        except ValueError as error:
            raise InvalidInput(f"The input of {self.name} cannot be written as JSON: {error}") from None

    def load_input(self, stored: Any) -> Any:
        """The stored input as the agent's function wants it. Raises InvalidInput."""
        return self._read(stored)

    def _read(self, value: Any) -> Any:
        try:
            return self.input_model.validate_json(dumps(value))
        except ValidationError as error:
            wrong = complaints(error)
            raise InvalidInput(f"The input of {self.name} does not fit: {sentence(wrong)}.", fields=wrong) from None

    def check(self) -> None:
        """Raise DefinitionError now for what would fail at the first run."""
        _ = self.input_model
        for tool in self.tools.values():
            _ = tool.schema

"""Tools: functions that an agent calls through its context, with arguments that are checked and recorded."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, ParamSpec, TypeVar, overload
from uuid import UUID

from pydantic import BaseModel, ValidationError

from harness.agents.signatures import DefinitionError, arguments_model, complaints, sentence
from harness.canonical import dumps, through_json
from harness.errors import InvalidInput

P = ParamSpec("P")
R = TypeVar("R")

RISKS = ("low", "medium", "high")
ON_EXPIRY = ("reject", "approve", "cancel")


@dataclass(frozen=True, slots=True)
class StepInfo:
    """The step whose body is running: pass `idempotency_key` to services that take one."""

    run_id: UUID
    key: str
    idempotency_key: str
    execution: int
    """1 for the first time; more after a crash, for retryable steps only."""


_current_step: ContextVar[StepInfo | None] = ContextVar("current_step", default=None)


def current_step() -> StepInfo | None:
    """The step that this code runs in, or None outside of a tool or step body."""
    return _current_step.get()


class Tool(Generic[P, R]):
    """A function with what the harness has to know about it. Calling it is calling the function."""

    def __init__(
        self,
        fn: Callable[P, R],
        *,
        name: str,
        description: str,
        retryable: bool,
        requires_approval: bool,
        risk: str,
        approval_timeout_seconds: float | None,
        on_expiry: str,
        names: Mapping[str, Any] | None = None,
    ) -> None:
        functools.update_wrapper(self, fn)
        self.fn = fn
        self.name = name
        self.description = description
        self.retryable = retryable
        self.requires_approval = requires_approval
        self.risk = risk
        self.approval_timeout_seconds = approval_timeout_seconds
        self.on_expiry = on_expiry
        self.is_async = inspect.iscoroutinefunction(fn)
        self._names = names

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.fn(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<tool {self.name}>"

    @functools.cached_property
    def model(self) -> type[BaseModel]:
        """The arguments as a pydantic model. Raises DefinitionError."""
        return arguments_model(self.fn, self._names)

    @functools.cached_property
    def schema(self) -> dict[str, Any]:
        """JSON Schema of the arguments; the form to edit them is made from it."""
        return self.model.model_json_schema()

    @property
    def expires_in(self) -> timedelta | None:
        """How long its approvals wait; None: as long as the settings say."""
        seconds = self.approval_timeout_seconds
        return None if seconds is None else timedelta(seconds=seconds)

    def validate(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments as they are recorded: JSON, defaults filled in. Raises InvalidInput, which names the fields."""
        checked = self._checked(lambda: self.model.model_validate(dict(args)))
        try:
            recorded: dict[str, Any] = through_json(checked.model_dump(mode="json", by_alias=True, warnings=False))
        except ValueError as error:
            raise InvalidInput(f"The arguments of {self.name} cannot be recorded as JSON: {error}") from None
        self.load(recorded)
        return recorded

    def load(self, recorded: Mapping[str, Any]) -> dict[str, Any]:
        """The recorded arguments as the Python objects of the signature. Raises InvalidInput."""
        model = self._checked(lambda: self.model.model_validate_json(dumps(recorded)))
        named = {field.alias or name: getattr(model, name) for name, field in type(model).model_fields.items()}
        return named | (model.model_extra or {})

    def _checked(self, read: Callable[[], BaseModel]) -> BaseModel:
        try:
            return read()
        except ValidationError as error:
            wrong = complaints(error)
            raise InvalidInput(f"The arguments of {self.name} do not fit: {sentence(wrong)}.", fields=wrong) from None


@overload
def tool(fn: Callable[P, R], /) -> Tool[P, R]: ...


@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    retryable: bool = False,
    requires_approval: bool = False,
    risk: str | None = None,
    approval_timeout: float | timedelta | None = None,
    on_expiry: str = "reject",
) -> Callable[[Callable[P, R]], Tool[P, R]]: ...


def tool(fn: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a function (`def` or `async def`) a tool; works bare and with options.

    retryable: executing it twice does no harm, so after a crash it is simply executed again. Without it: at most once.
    requires_approval: a person has to agree to the exact arguments first.
    risk: "low", "medium" or "high", shown to that person. approval_timeout: seconds or timedelta; then `on_expiry`:
    "reject", "approve" or "cancel". description: the first line of the docstring unless given.
    """
    names = dict(sys._getframe(1).f_locals)
    if fn is not None:
        return _made(fn, names)
    return functools.partial(_made, names=names, **options)


def _made(
    fn: Callable[..., Any],
    names: Mapping[str, Any],
    *,
    name: str | None = None,
    description: str | None = None,
    retryable: bool = False,
    requires_approval: bool = False,
    risk: str | None = None,
    approval_timeout: float | timedelta | None = None,
    on_expiry: str = "reject",
) -> Tool[..., Any]:
    where = f"{fn.__module__}.{fn.__qualname__}"
    if risk not in (None, *RISKS):
        raise DefinitionError(f"{where}: risk is {risk!r}, but should be one of {', '.join(RISKS)}.")
    if on_expiry not in ON_EXPIRY:
        raise DefinitionError(f"{where}: on_expiry is {on_expiry!r}, but should be one of {', '.join(ON_EXPIRY)}.")
    timeout = approval_timeout.total_seconds() if isinstance(approval_timeout, timedelta) else approval_timeout
    return Tool(
        fn,
        name=name or fn.__name__,
        description=description if description is not None else _first_line(fn),
        retryable=retryable,
        requires_approval=requires_approval,
        risk=risk or ("high" if requires_approval and not retryable else "low"),
        approval_timeout_seconds=timeout,
        on_expiry=on_expiry,
        names=names if "<locals>" in fn.__qualname__ else None,
    )


def _first_line(fn: Callable[..., Any]) -> str:
    return (inspect.getdoc(fn) or "").partition("\n")[0]

"""What a function's annotations say about values that come in as JSON."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from pydantic_core import ErrorDetails
from typing_extensions import is_typeddict

EXACT = ConfigDict(
    extra="forbid", ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="constants", title=None
)


class DefinitionError(TypeError):
    """An agent or a tool is written in a way that cannot work; the message names it and says what to change."""


def hint(fn: Callable[..., Any], parameter: inspect.Parameter, names: Mapping[str, Any] | None = None) -> Any:
    """The annotation of one parameter, evaluated; Any where there is none. Raises DefinitionError."""
    if parameter.annotation is inspect.Parameter.empty:
        return Any
    alone = SimpleNamespace(__annotations__={"it": parameter.annotation})
    try:
        return get_type_hints(alone, globalns=_globals(fn), localns=dict(names or {}), include_extras=True)["it"]
    except NameError as error:
        raise DefinitionError(
            f"{fn.__module__}.{fn.__qualname__}: the annotation of {parameter.name!r} cannot be read: {error}."
        ) from error


def _globals(fn: Callable[..., Any]) -> dict[str, Any]:
    return getattr(inspect.unwrap(fn), "__globals__", {})


def arguments_model(fn: Callable[..., Any], names: Mapping[str, Any] | None = None) -> type[BaseModel]:
    """A pydantic model with one field for each parameter of `fn`; unknown arguments are errors."""
    fields: dict[str, Any] = {}
    extra: str = "forbid"
    for n, parameter in enumerate(inspect.signature(fn).parameters.values()):
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY):
            raise DefinitionError(f"{fn.__module__}.{fn.__qualname__}: {parameter.name!r} cannot be given by name.")
        if parameter.kind is parameter.VAR_KEYWORD:
            extra = "allow"
            continue
        default = ... if parameter.default is parameter.empty else parameter.default
        alias = {"alias": parameter.name, "title": parameter.name.replace("_", " ").capitalize()}
        fields[f"arg_{n}"] = (hint(fn, parameter, names), Field(default, **alias))  # type: ignore[call-overload]
    config = EXACT | {"extra": extra}
    try:
        return create_model(fn.__name__, __config__=config, **fields)  # type: ignore[call-overload]
    except Exception as error:
        raise DefinitionError(
            f"{fn.__module__}.{fn.__qualname__}: its arguments cannot be read from JSON: {error}"
        ) from error


def adapter_of(type_: Any) -> TypeAdapter[Any]:
    """Reads and writes values of a type as JSON. A TypedDict that does not say otherwise refuses unknown keys."""
    if is_typeddict(type_) and not hasattr(type_, "__pydantic_config__"):
        type_.__pydantic_config__ = ConfigDict(extra="forbid")
    return TypeAdapter(type_)


def complaints(error: ValidationError) -> dict[str, str]:
    """What is wrong, by field: {"older_than_days": "Input should be a valid integer"}. "" is the value as a whole."""
    return {_where(detail): _what(detail) for detail in error.errors(include_url=False, include_context=True)}


def sentence(wrong: Mapping[str, str]) -> str:
    """`complaints` in one line."""
    return "; ".join(f"{field}: {text}" if field else text for field, text in wrong.items())


def _where(detail: ErrorDetails) -> str:
    return ".".join(str(part) for part in detail["loc"])


def _what(detail: ErrorDetails) -> str:
    if detail["type"] == "extra_forbidden":
        return "is not known here"
    if detail["type"] == "missing":
        return "is required"
    text = detail["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return text[:1].lower() + text[1:] if text.startswith("Input ") else text

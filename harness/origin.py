"""Where a request came from, for the audit: set once at the edge, read where a change is recorded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    """`kind` is page, admin, command, api or system; `address` the client's IP address where there is one."""

    kind: str = "api"
    address: str | None = None


UNSAID = Origin()
_current: ContextVar[Origin] = ContextVar("runwatch_origin", default=UNSAID)


def current() -> Origin:
    """The origin of what is being done now."""
    return _current.get()


@contextmanager
def of(kind: str, address: str | None = None) -> Iterator[None]:
    """Everything within comes from there."""
    token = _current.set(Origin(kind, address))
    try:
        yield
    finally:
        _current.reset(token)

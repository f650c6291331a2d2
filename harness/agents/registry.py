"""The agents there are: how they are declared, found and looked up."""

from __future__ import annotations

import importlib
import logging
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import module_has_submodule

from harness.agents.signatures import DefinitionError
from harness.agents.spec import AgentSpec, Rule
from harness.agents.tools import Tool, _made
from harness.conf import conf
from harness.errors import UnknownAgent

F = TypeVar("F", bound=Callable[..., Any])
log = logging.getLogger(__name__)

SHIPPED = "harness.agents.shipped"

_specs: dict[str, AgentSpec] = {}
_problems: dict[str, str] = {}
_tried: set[str] = set()
_lock = threading.RLock()


def agent(
    name: str,
    *,
    tools: Iterable[Tool[..., Any] | Callable[..., Any]] = (),
    description: str = "",
    input: Any = None,
    host_facing: bool = True,
    default: bool = False,
    routes: Sequence[Rule] = (),
    stuck_after: float | timedelta | None = None,
    timeout: float | timedelta | None = None,
    max_concurrent_runs: int | None = None,
    on_unknown: str = "ask",
    example: Any = None,
) -> Callable[[F], F]:
    """Register a function `fn(ctx, request)`, `def` or `async def`, as the agent `name`. The function stays as it is.

    input: type of the request, if it is not the annotation of the second parameter. timeout: seconds or timedelta of
    wall time after which a run is ended; stuck_after: without progress for so long, a run counts as stuck.
    routes: when `auto` should choose it. example: an input that the start form offers. Raises DefinitionError.
    """
    names = dict(sys._getframe(1).f_locals)

    def declare(fn: F) -> F:
        if on_unknown not in ("ask", "fail"):
            raise DefinitionError(f'{fn.__module__}.{fn.__qualname__}: on_unknown should be "ask" or "fail".')
        register(
            AgentSpec(
                name=name,
                fn=fn,
                description=description or (fn.__doc__ or "").strip().partition("\n")[0],
                tools=_by_name(tools, fn),
                input_type=input,
                host_facing=host_facing,
                default=default,
                routes=tuple(routes),
                stuck_after_seconds=_seconds(stuck_after),
                timeout_seconds=_seconds(timeout),
                max_concurrent_runs=max_concurrent_runs,
                on_unknown=on_unknown,
                example_input={} if example is None else example,
                names=names if "<locals>" in fn.__qualname__ else {},
            )
        )
        return fn

    return declare


def _by_name(tools: Iterable[Tool[..., Any] | Callable[..., Any]], fn: Callable[..., Any]) -> dict[str, Tool[..., Any]]:
    named: dict[str, Tool[..., Any]] = {}
    for given in tools:
        made = given if isinstance(given, Tool) else _made(given, {})
        if named.setdefault(made.name, made) is not made:
            raise DefinitionError(f"{fn.__module__}.{fn.__qualname__}: two of its tools are named {made.name!r}.")
    return named


def _seconds(given: float | timedelta | None) -> float | None:
    return given.total_seconds() if isinstance(given, timedelta) else given


def register(spec: AgentSpec) -> AgentSpec:
    """Add an agent; the same function may come again, another of the same name raises DefinitionError."""
    known = _specs.get(spec.name)
    if known and known.where != spec.where:
        raise DefinitionError(f"Two agents are named {spec.name!r}: {known.where} and {spec.where}.")
    others = [other for other in _specs.values() if other.default and other.name != spec.name]
    if spec.default and others:
        raise DefinitionError(f"Two agents say default=True: {others[0].where} and {spec.where}. One has to give way.")
    _specs[spec.name] = spec
    _limit(spec.name, spec.max_concurrent_runs)
    return spec


def unregister(name: str) -> None:
    """Forget an agent; nothing happens if there is none."""
    _specs.pop(name, None)
    _limit(name, None)


def _limit(name: str, limit: int | None) -> None:
    from harness import limits  # its tables exist once the apps are loaded, which is when agents are

    limits.set_agent_limit(name, limit)


def get(name: str) -> AgentSpec:
    """The agent of that name. Raises UnknownAgent, which lists those there are."""
    _discover()
    if name not in _specs:
        known = ", ".join(sorted(_specs)) or "none"
        broken = "".join(f" {text}" for text in _problems.values())
        raise UnknownAgent(f"There is no agent {name!r}. Known agents: {known}.{broken}")
    return _specs[name]


def all_agents() -> list[AgentSpec]:
    """Every agent that could be loaded, by name."""
    _discover()
    return [_specs[name] for name in sorted(_specs)]


def problems() -> list[str]:
    """A sentence for each module of agents that could not be loaded."""
    _discover()
    return list(_problems.values())


def autodiscover() -> list[AgentSpec]:
    """Load every agent, or raise ImproperlyConfigured with a sentence for each module that cannot be loaded."""
    _discover()
    if _problems:
        raise ImproperlyConfigured(" ".join(_problems.values()))
    return all_agents()


def _discover() -> None:
    with _lock:
        for module in _modules():
            if module not in _tried:
                _tried.add(module)
                _load(module)


def _modules() -> list[str]:
    """`agents` modules of installed apps, then those of HARNESS_AGENTS."""
    own = [
        f"{app.name}.agents"
        for app in apps.get_app_configs()
        if app.name != "harness" and module_has_submodule(app.module, "agents")
    ]
    return [SHIPPED, *own, *conf.AGENTS]


def _load(module: str) -> None:
    before = dict(_specs)
    try:
        importlib.import_module(module)
        for name, spec in _specs.items():
            if before.get(name) is not spec:
                spec.check()
    except Exception as error:
        log.exception("cannot load the agents in %s", module)
        _forget_since(before)
        _problems[module] = f"The agents in {module} could not be loaded: {type(error).__name__}: {error}"


def _forget_since(before: dict[str, AgentSpec]) -> None:
    for name in set(_specs) - set(before):
        unregister(name)

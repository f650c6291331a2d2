"""Which agent a run goes to."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.utils.module_loading import import_string

from harness.agents import registry
from harness.agents.spec import AgentSpec, Rule
from harness.conf import conf
from harness.errors import HarnessError, InvalidInput, UnknownAgent
from harness.models import Thread

AUTO = "auto"


def choose(input: Any, thread: Thread | None = None, requested: str = AUTO) -> str:
    """The name of the agent that should take `input`.

    A named one is taken as it is. "auto" stays with the thread's agent if that one is host-facing; else the router
    decides: HARNESS_ROUTER, or the rules that agents declare. What nobody claims goes to the default agent.
    Raises UnknownAgent or InvalidInput.
    """
    if requested and requested != AUTO:
        return registry.get(requested).name
    return _of_thread(thread) or _by_router(input, thread) or _default()


def _of_thread(thread: Thread | None) -> str | None:
    known = {spec.name: spec for spec in registry.all_agents()}
    spec = known.get(thread.agent) if thread else None
    return spec.name if spec and spec.host_facing else None


def _by_router(input: Any, thread: Thread | None) -> str | None:
    if not conf.ROUTER:
        return by_rules(input)
    try:
        router: Callable[[Any, Thread | None], str | None] = import_string(conf.ROUTER)
        chosen = router(input, thread)
    except Exception as error:
        raise HarnessError(f"The router {conf.ROUTER} (HARNESS_ROUTER) failed: {error}") from error
    return registry.get(chosen).name if chosen else None


def by_rules(input: Any) -> str | None:
    """The first host-facing agent, by name, that declares a rule which holds for `input`."""
    text = _text(input)
    fitting = (spec for spec in registry.all_agents() if spec.host_facing and _fits(spec, input, text))
    return next((spec.name for spec in fitting), None)


def _fits(spec: AgentSpec, input: Any, text: str) -> bool:
    return any(_holds(rule, input, text) for rule in spec.routes)


def _holds(rule: Rule, input: Any, text: str) -> bool:
    if isinstance(rule, str):
        return re.search(rf"\b{re.escape(rule)}\b", text, re.IGNORECASE) is not None
    if isinstance(rule, re.Pattern):
        return rule.search(text) is not None
    return bool(rule(input))


def _text(input: Any) -> str:
    """What a person wrote in the input, wherever in it that is."""
    if isinstance(input, str):
        return input
    if isinstance(input, dict):
        return "\n".join(_text(value) for value in input.values())
    return "\n".join(_text(value) for value in input) if isinstance(input, (list, tuple)) else ""


def _default() -> str:
    if conf.DEFAULT_AGENT:
        try:
            return registry.get(conf.DEFAULT_AGENT).name
        except UnknownAgent as error:
            raise UnknownAgent(f"The default agent (HARNESS_DEFAULT_AGENT) is not there. {error}") from None
    for spec in registry.all_agents():
        if spec.default:
            return spec.name
    known = ", ".join(spec.name for spec in registry.all_agents()) or "none"
    raise InvalidInput(
        f"No agent claims this input, and there is no default agent (HARNESS_DEFAULT_AGENT). Name one of: {known}."
    )

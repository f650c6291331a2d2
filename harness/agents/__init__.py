"""Write agents: `from harness.agents import RunContext, agent, tool`. See docs/agents.md."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from harness.agents.registry import agent, all_agents, autodiscover, get, problems
from harness.agents.tools import StepInfo, Tool, current_step, tool
from harness.errors import Rejected, ToolFailed

if TYPE_CHECKING:
    from harness.agents.async_context import AsyncRunContext
    from harness.agents.context import RunContext

__all__ = [
    "AsyncRunContext",
    "Rejected",
    "RunContext",
    "StepInfo",
    "Tool",
    "ToolFailed",
    "agent",
    "all_agents",
    "autodiscover",
    "current_step",
    "get",
    "problems",
    "tool",
]

_NEED_MODELS = {"RunContext": "harness.agents.context", "AsyncRunContext": "harness.agents.async_context"}


def __getattr__(name: str) -> Any:
    """The contexts use the ledger's tables; they are imported when asked for, so that the rest needs no tables."""
    if name not in _NEED_MODELS:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(_NEED_MODELS[name]), name)

"""A step as the agent asks for it, before the journal is looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from harness.agents.tools import Tool
from harness.approvals import Ask
from harness.canonical import clean_text, digest, dumps, through_json
from harness.errors import InvalidInput
from harness.states import ApprovalKind, Decision, StepKind


@dataclass(frozen=True)
class Asked:
    """`args` are JSON. `guard` is what a person has to agree to first, if anything."""

    key: str
    kind: StepKind
    name: str
    args: Any
    retryable: bool = True
    guard: Ask | None = None
    accepts: Callable[[Any], Any] | None = None
    """For questions: reads the answer, or raises InvalidInput, and then the person is asked again."""

    @property
    def digest(self) -> str:
        return digest(self.args)


def shown(args: Any, limit: int = 300) -> str:
    """Arguments as a sentence shows them."""
    text = dumps(args)
    return text if len(text) <= limit else f"{text[:limit]}…"


def tool_call(key: str, tool: Tool[..., Any], args: dict[str, Any]) -> Asked:
    """A call of a tool, its arguments checked. Raises InvalidInput."""
    recorded = tool.validate(args)
    guard = _guard(key, tool, recorded) if tool.requires_approval else None
    return Asked(key, StepKind.TOOL, tool.name, recorded, tool.retryable, guard)


def _guard(key: str, tool: Tool[..., Any], args: dict[str, Any]) -> Ask:
    return Ask(
        step_key=key,
        tool=tool.name,
        args=args,
        summary=tool.description,
        args_schema=tool.schema,
        expires_in=tool.expires_in,
        on_expiry=Decision(tool.on_expiry),
    )


def confirmation(key: str, summary: str, details: dict[str, Any], expires_in: timedelta | None = None) -> Asked:
    """Whether the agent may go on."""
    summary = clean_text(summary)
    guard = Ask(key, "approve", details, kind=ApprovalKind.CONFIRM, summary=summary, expires_in=expires_in)
    return Asked(key, StepKind.CUSTOM, "approve", {"summary": summary, "details": details}, guard=guard)


def question(key: str, text: str, schema: dict[str, Any], accepts: Callable[[Any], Any]) -> Asked:
    """A question whose answer fits `schema`."""
    args = {"question": text}
    guard = Ask(key, "ask", args, kind=ApprovalKind.QUESTION, summary=text, args_schema=schema)
    return Asked(key, StepKind.CUSTOM, "ask", args, guard=guard, accepts=accepts)


def custom(key: str, name: str, args: Any, retryable: bool = True) -> Asked:
    """A step of the agent's own. Raises InvalidInput if its arguments are not JSON-able."""
    try:
        return Asked(key, StepKind.CUSTOM, name, through_json(args), retryable)
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidInput(
            f"The arguments of step {name!r} cannot be recorded as JSON ({error}); bind them to the function instead."
        ) from None

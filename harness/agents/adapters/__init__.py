"""What runs an agent's code: plain functions here, one file for each agent framework beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from harness.agents.context import RunContext
    from harness.approvals import Ask


@dataclass(frozen=True)
class Start:
    """Begin with this input. `history` are the messages of the thread so far, the one of this run last."""

    input: Any
    history: Sequence[dict[str, Any]] = ()


@dataclass(frozen=True)
class Resume:
    """Go on from a checkpoint that was returned with Paused, with what people decided, by the asks' step keys."""

    checkpoint: Any
    decisions: Mapping[str, Decided]


@dataclass(frozen=True)
class Decided:
    """What a person decided: "approve", "edit" (with the arguments that hold now) or "reject" (with the reason)."""

    decision: str
    args: Any = None
    reason: str = ""


@dataclass(frozen=True)
class Done:
    """The agent's answer, JSON-able."""

    output: Any
    checkpoint: Any = None


@dataclass(frozen=True)
class Paused:
    """The agent cannot go on before people decide these."""

    interrupts: Sequence[Ask]
    checkpoint: Any = field(default=None)


class Adapter(Protocol):
    """Runs one stretch of an agent. After a crash it is called again with the same work; the journal knows."""

    def run(self, work: Start | Resume, ctx: RunContext) -> Done | Paused: ...

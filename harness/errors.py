"""What may go wrong, by who has to know: the runtime (Interrupted), the agent, or a person or script (HarnessError)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from harness.approvals import Ask
    from harness.leases import Lease


class Interrupted(BaseException):
    """The runtime ends this execution. Not an Exception, so an agent's `except Exception` cannot swallow it."""


class RunCancelled(Interrupted):
    """A cancel was committed for the run."""


class RunOverdue(Interrupted):
    """The run's deadline has passed: it ends as failed."""


class LeaseLost(Interrupted):
    """Someone else has taken the run over: nothing may be written for it any more."""

    def __init__(self, lease: Lease) -> None:
        super().__init__(f"lease lost: {lease}")
        self.lease = lease


class RunParked(Interrupted):
    """The run cannot go on before people decide these."""

    def __init__(self, asks: list[Ask]) -> None:
        super().__init__(f"waiting for {len(asks)} decision(s)")
        self.asks = asks


class HandedBack(Interrupted):
    """The run goes back to the queue with its journal: `reason` is "sleep" or "drain"."""

    def __init__(self, reason: str, wake_in: timedelta | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wake_in = wake_in


class Rejected(Exception):
    """A person (or a deadline) said no. Raised into the agent, which may go on without."""

    def __init__(self, reason: str, approval_id: UUID | None = None) -> None:
        super().__init__(reason or "rejected")
        self.reason = reason
        self.approval_id = approval_id


class ToolFailed(Exception):
    """The body of a tool or step raised. The same exception on the first run and on every replay."""

    def __init__(self, step: str, type: str, message: str) -> None:
        super().__init__(f"{step}: {type}: {message}" if message else f"{step}: {type}")
        self.step = step
        self.type = type
        self.message = message


class HarnessError(Exception):
    """Something a person or script asked for cannot be done; `str(error)` is a sentence that says why."""

    code = "error"
    http_status = 400


class InvalidInput(HarnessError):
    code = "invalid_input"
    http_status = 422

    def __init__(self, message: str, *, fields: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.fields = fields or {}


class UnknownAgent(InvalidInput):
    code = "unknown_agent"


class UnknownQueue(InvalidInput):
    code = "unknown_queue"


class NotFound(HarnessError):
    code = "not_found"
    http_status = 404


class Conflict(HarnessError):
    """Someone was faster, or the thing is no longer in a state that allows it. `current` is the row as it is now."""

    code = "conflict"
    http_status = 409

    def __init__(self, message: str, current: Any = None) -> None:
        super().__init__(message)
        self.current = current


class ThreadBusy(Conflict):
    code = "thread_busy"


class ReplayMismatch(HarnessError):
    """The agent's code no longer does what its journal says; see docs/agents.md."""

    code = "replay_mismatch"

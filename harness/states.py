"""The states of a run, what each means, and the moves between them. Everything else obeys this table."""

from __future__ import annotations

from django.db.models import TextChoices


class State(TextChoices):
    """Where a run is in its life. The label is what a person reads."""

    QUEUED = "queued", "Queued"
    CLAIMED = "claimed", "Claimed"
    RUNNING = "running", "Running"
    WAITING = "waiting_for_approval", "Waiting for approval"
    RESUMING = "resuming", "Resuming"
    CANCELLING = "cancelling", "Cancelling"
    COMPLETED = "completed", "Completed"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


MEANING: dict[str, str] = {
    State.QUEUED: "Waiting for a worker.",
    State.CLAIMED: "A worker took it; the agent has not started.",
    State.RUNNING: "The agent is executing.",
    State.WAITING: "Parked until a person decides; no process is held.",
    State.RESUMING: "Decided; waiting for, or being picked up by, a worker.",
    State.CANCELLING: "Asked to stop; its worker is stopping it.",
    State.COMPLETED: "Ended with a result.",
    State.FAILED: "Ended with an error.",
    State.CANCELLED: "Ended because a person or a rule cancelled it.",
}

MOVES: dict[str, frozenset[str]] = {
    State.QUEUED: frozenset({State.CLAIMED, State.CANCELLED, State.FAILED}),
    State.CLAIMED: frozenset({State.RUNNING, State.QUEUED, State.CANCELLED, State.FAILED}),
    State.RUNNING: frozenset({State.WAITING, State.QUEUED, State.CANCELLING, State.COMPLETED, State.FAILED}),
    State.WAITING: frozenset({State.RESUMING, State.CANCELLED, State.FAILED}),
    State.RESUMING: frozenset({State.RUNNING, State.CANCELLING, State.CANCELLED, State.FAILED}),
    State.CANCELLING: frozenset({State.CANCELLED}),
    State.COMPLETED: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
}

TERMINAL: frozenset[str] = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED})
ACTIVE: frozenset[str] = frozenset(State.values) - TERMINAL
ALWAYS_HELD: frozenset[str] = frozenset({State.CLAIMED, State.RUNNING, State.CANCELLING})
"""States that always hold a worker."""
HOLDING: frozenset[str] = ALWAYS_HELD | {State.RESUMING}
"""States that may hold a worker: a resuming run does once it is claimed."""
AWAITING_WORKER: frozenset[str] = frozenset({State.QUEUED, State.RESUMING})
"""States in which an unclaimed row of run_queue is the wish for a worker."""
BUSY: frozenset[str] = ACTIVE - {State.QUEUED}
"""States that keep the thread for this run: at most one run of a thread is in them."""


def may_move(old: str, new: str) -> bool:
    """True if the table allows `old` -> `new`."""
    return new in MOVES[old]


class StepStatus(TextChoices):
    STARTED = "started", "Started"
    FINISHED = "finished", "Finished"
    FAILED = "failed", "Failed"
    UNKNOWN = "unknown", "Outcome unknown"


class StepKind(TextChoices):
    MODEL = "model", "Model request"
    TOOL = "tool", "Tool call"
    CUSTOM = "custom", "Step"


class ApprovalStatus(TextChoices):
    PENDING = "pending", "Pending"
    APPROVED = "approved", "Approved"
    REJECTED = "rejected", "Rejected"
    EXPIRED = "expired", "Expired"


class ApprovalKind(TextChoices):
    """What is asked: may this tool run, may the agent go on, a question, or what became of a lost step."""

    TOOL = "tool", "Tool call"
    CONFIRM = "confirm", "Confirmation"
    QUESTION = "question", "Question"
    RECOVERY = "recovery", "Recovery"


class Decision(TextChoices):
    APPROVE = "approve", "Approve"
    EDIT = "edit", "Edit"
    REJECT = "reject", "Reject"
    CANCEL = "cancel", "Cancelled with its run"
    EXPIRE = "expire", "Deadline passed"


DECISIONS_OF_PEOPLE: tuple[str, ...] = (Decision.APPROVE, Decision.EDIT, Decision.REJECT)

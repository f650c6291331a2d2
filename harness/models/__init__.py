"""One table per file. Only the module named in a table's docstring writes it."""

from harness.models.approval import Approval
from harness.models.artifact import Artifact
from harness.models.event import Event
from harness.models.operator_action import OperatorAction
from harness.models.queue import Queue
from harness.models.recovery_intent import RecoveryIntent, ResumeKind
from harness.models.run import Run
from harness.models.run_control import RunControl
from harness.models.run_queue import RunQueue
from harness.models.run_request import RunRequest
from harness.models.step import Step
from harness.models.thread import IDLE, Thread
from harness.models.thread_message import Role, ThreadMessage
from harness.models.worker import Worker

__all__ = [
    "IDLE",
    "Approval",
    "Artifact",
    "Event",
    "OperatorAction",
    "Queue",
    "RecoveryIntent",
    "ResumeKind",
    "Role",
    "Run",
    "RunControl",
    "RunQueue",
    "RunRequest",
    "Step",
    "Thread",
    "ThreadMessage",
    "Worker",
]

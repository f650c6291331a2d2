"""The moves of a run's life: the only writer of Run, RunQueue, RunRequest, RunControl and RecoveryIntent.

Every move is one conditional UPDATE with state and epoch in its WHERE and its event in the same transaction; the row
count decides who won. Locks are taken in one order: queue, run, run_queue, run_control, thread, the rest.
"""

from harness.transitions.beats import Held, beat, receipt, told
from harness.transitions.cancelling import request_cancel
from harness.transitions.claiming import claim_next, waiting_ahead
from harness.transitions.ending import Outcome, end, end_cancelled, finish
from harness.transitions.executing import park, release, resume, start
from harness.transitions.moves import lock
from harness.transitions.submitting import queue_facts, submit
from harness.transitions.takeover import ask_person, end_lost, requeue, take_over

__all__ = [
    "Held",
    "Outcome",
    "ask_person",
    "beat",
    "claim_next",
    "end",
    "end_cancelled",
    "end_lost",
    "finish",
    "lock",
    "park",
    "queue_facts",
    "receipt",
    "release",
    "request_cancel",
    "requeue",
    "resume",
    "start",
    "submit",
    "take_over",
    "told",
    "waiting_ahead",
]

"""A run's journal as an execution sees it: what is recorded comes back, the rest is executed."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from django.db import DatabaseError, InterfaceError, OperationalError

from harness import approvals, events, journal
from harness.agents.asked import Asked, shown
from harness.agents.permission import Permission, permission
from harness.agents.tools import StepInfo, current_step
from harness.agents.values import close_connections, in_transaction, recordable, said
from harness.canonical import clean_text, through_json
from harness.db import unit
from harness.errors import HandedBack, Interrupted, Rejected, ReplayMismatch, RunCancelled, RunParked, ToolFailed
from harness.interrupts import Interrupts
from harness.leases import Lease
from harness.models import Run, Step
from harness.states import State, StepStatus

MESSAGE_LIMIT = 4000


class Book:
    """Reads and writes the journal of one execution. Use from the thread that executes the agent only."""

    def __init__(self, lease: Lease, interrupts: Interrupts) -> None:
        self.lease = lease
        self.interrupts = interrupts
        self.ended: BaseException | None = None
        """What ended this execution. It stays: an agent that swallows it meets it again at its next call."""
        self.prefix = ""
        self.used: dict[str, journal.Usage] = {}
        self._steps = journal.steps(lease.run_id)
        self._unvisited = {key for key, step in self._steps.items() if step.status != StepStatus.STARTED}
        self._named: Counter[str] = Counter()
        self._thread = threading.get_ident()

    @property
    def replaying(self) -> bool:
        """True while records of an earlier execution are still to come."""
        return bool(self._unvisited)

    def key(self, name: str) -> str:
        """name#n for the n-th step of that name."""
        self._named[name] += 1
        return f"{self.prefix}{name[:200]}#{self._named[name]}"

    # --- stopping --------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise what ended this execution before, or what was delivered meanwhile."""
        if self.ended is not None:
            raise self.ended
        with self.sticking():
            self.interrupts.check()

    @contextmanager
    def sticking(self) -> Iterator[None]:
        """What ends the execution inside ends it for good. A database that went away hands the run back."""
        try:
            yield
        except (Interrupted, ReplayMismatch) as stop:
            self.ended = self.ended or stop
            raise
        except (OperationalError, InterfaceError) as error:
            close_connections()
            self.ended = self.ended or HandedBack("database")
            raise self.ended from error

    def check_ledger(self) -> None:
        """Raise RunCancelled or LeaseLost if that is what the database says."""
        with self.sticking():
            state = Run.objects.held_by(self.lease).values_list("state", flat=True).first()
            if state != State.RUNNING:
                raise events.why_not_held(self.lease) if state != State.CANCELLING else RunCancelled(state)

    def refuse_misuse(self, doing: str) -> None:
        """Raise RuntimeError where the journal could not be right: in a step's body, a transaction, another thread."""
        if info := current_step():
            raise RuntimeError(f"{doing} inside of step {info.key}: a step's body is not replayed; do it outside.")
        if threading.get_ident() != self._thread:
            raise RuntimeError(
                f"{doing} from another thread than the agent's; make the agent async to do things at once."
            )
        if in_transaction():
            raise RuntimeError(
                f"{doing} inside transaction.atomic(): the journal has to be committed before the effect."
            )

    # --- steps -----------------------------------------------------------------------------------------------------

    def open(self, asked: Asked) -> Step:
        """The step: ended, as recorded, or started now, committed, for the caller to execute.

        Raises RunParked where people have to decide first, ReplayMismatch, RunCancelled, LeaseLost, HandedBack.
        """
        self.refuse_misuse(f"ctx call {asked.key}")
        if not (isinstance(self.ended, RunParked) and asked.guard):
            self.check()
        with self.sticking():
            step = self._steps.get(asked.key)
            if step is not None:
                self._unvisited.discard(asked.key)
                self._compare(step, asked)
                if step.status in (StepStatus.FINISHED, StepStatus.FAILED):
                    return step
            return self._begin(asked, step)

    def _compare(self, step: Step, asked: Asked) -> None:
        if (step.kind, step.name, step.args_digest) != (asked.kind, asked.name, asked.digest):
            raise ReplayMismatch(
                f"replay mismatch at step {step.seq} ({step.key}): the journal has {step.kind} "
                f"{step.name} {shown(step.args)}, the agent now asks for {asked.kind} {asked.name} {shown(asked.args)}"
            )

    def _begin(self, asked: Asked, step: Step | None) -> Step:
        allowed = self._permission(asked, step)
        if isinstance(self.ended, RunParked):
            raise self.ended
        if allowed.refused is not None:
            return self.keep(self._refuse(asked, allowed))
        if allowed.known:
            return self.keep(self._settle(asked, step, allowed))
        return self.keep(self._start(asked, step, allowed))

    def _permission(self, asked: Asked, step: Step | None) -> Permission:
        try:
            return permission(self.lease.run_id, asked, step)
        except RunParked as parked:
            if isinstance(self.ended, RunParked):
                self.ended.asks.extend(parked.asks)
                raise self.ended from None
            raise

    def park_for(self, wanted: list[Asked]) -> None:
        """Raise one RunParked with everything that people still have to decide before these steps."""
        self.refuse_misuse("ctx.call_all")
        self.check()
        asks, waiting = [], False
        with self.sticking():
            for asked in wanted:
                if asked.key not in self._steps:
                    try:
                        permission(self.lease.run_id, asked, None)
                    except RunParked as parked:
                        waiting = True
                        asks.extend(parked.asks)
            if waiting:
                raise RunParked(asks)

    @unit
    def _start(self, asked: Asked, step: Step | None, allowed: Permission) -> Step:
        args = asked.args if allowed.args is None else allowed.args
        if step is not None and allowed.args is None:
            args = step.args
        begun = journal.begin(
            self.lease,
            key=asked.key,
            kind=asked.kind,
            name=asked.name,
            args=args,
            retryable=asked.retryable,
            asked=asked.args,
            again=step,
        )
        allowed.use(self.lease)
        return begun

    @unit
    def _refuse(self, asked: Asked, allowed: Permission) -> Step:
        return journal.refuse(
            self.lease,
            key=asked.key,
            kind=asked.kind,
            name=asked.name,
            args=asked.args,
            reason=allowed.refused or "",
        )

    @unit
    def _settle(self, asked: Asked, step: Step | None, allowed: Permission) -> Step:
        """A person said what the result is: an answer to a question, or what a lost step did."""
        if step is None:
            step = journal.begin(
                self.lease, key=asked.key, kind=asked.kind, name=asked.name, args=asked.args, retryable=True
            )
        allowed.use(self.lease)
        return journal.finish(self.lease, step, allowed.result)

    def at_once(self, asked: Asked, value: Any, usage: journal.Usage | None = None) -> Any:
        """Begin and finish a step that has no effect but its record; what was recorded before wins. `value` may be a
        function, called only if there is no record."""
        self.refuse_misuse(f"ctx call {asked.key}")
        self.check()
        with self.sticking():
            step = self._steps.get(asked.key)
            if step is not None and step.status == StepStatus.FINISHED:
                self._unvisited.discard(asked.key)
                self._compare(step, asked)
                return step.result
            return self.keep(self._note(asked, step, value, usage)).result

    @unit
    def _note(self, asked: Asked, step: Step | None, value: Any, usage: journal.Usage | None) -> Step:
        begun = self._start(asked, step, Permission())
        return journal.finish(self.lease, begun, through_json(value() if callable(value) else value), usage)

    def finish(self, step: Step, value: Any) -> Any:
        """Record what the body returned and return what every replay will return. What cannot be recorded fails."""
        try:
            result = recordable(value, f"the result of {step.name}")
        except ValueError as error:
            return self.fail(step, type="ResultNotRecordable", message=str(error))
        with self.sticking():
            self.keep(journal.finish(self.lease, step, result, self.used.pop(step.key, None)))
        self.check_ledger()
        return result

    def fail(self, step: Step, *, type: str, message: str) -> Any:
        """Record that the body raised, and raise what every replay will raise."""
        with self.sticking():
            ended = journal.fail(self.lease, step, type=type, message=clean_text(message)[:MESSAGE_LIMIT])
        self.check_ledger()
        return self.outcome(self.keep(ended))

    def failed(self, step: Step, error: Exception) -> Any:
        """The same for an exception of the body. A connection that it broke is replaced first."""
        if isinstance(error, DatabaseError | InterfaceError):
            close_connections()
        return self.fail(step, type=type(error).__name__, message=said(error))

    def stop(self, stop: Interrupted) -> NoReturn:
        """End this execution."""
        with self.sticking():
            raise stop

    def outcome(self, step: Step) -> Any:
        """The recorded result, or the recorded error, raised. Rejected and ToolFailed are what agents may catch."""
        if step.status == StepStatus.FINISHED:
            return step.result
        error = step.error or {}
        if error.get("type") == journal.REFUSED and step.executions == 0:
            raise Rejected(error.get("message", ""), self._approval_of(step))
        raise ToolFailed(step.key, error.get("type", "Error"), error.get("message", ""))

    def _approval_of(self, step: Step) -> Any:
        approval = approvals.find(step.run_id, step.key)
        return approval.pk if approval else None

    def keep(self, step: Step) -> Step:
        self._steps[step.key] = step
        return step

    def info(self, step: Step) -> StepInfo:
        return StepInfo(self.lease.run_id, step.key, step.idempotency_key, step.executions)

    def record(self, key: str) -> Step | None:
        """The step of that key as far as it got, or None."""
        self._unvisited.discard(key)
        return self._steps.get(key)

"""Stop an agent from a signal handler: at once in the agent's own code, never in the middle of a ledger write.

A process executes one run at a time and has one Interrupts. It is shielded by default; the runner and the contexts
expose it exactly while code of the agent or of a tool runs. A handler calls `deliver`; what comes while the shield is
up is raised when the shield is left.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from uuid import UUID

from harness.errors import HandedBack, Interrupted

Deliver = Callable[[Interrupted], None]


def _raise(interruption: Interrupted) -> None:
    raise interruption


class Interrupts:
    """The interruptions of the run that this process executes. Use from the main thread only, as handlers do."""

    def __init__(self) -> None:
        self.run_id: UUID | None = None
        self.came: Interrupted | None = None
        """The interruption that was delivered to this run. It stays: an agent that swallows it meets it again."""
        self.drain_requested = False
        self._pending: Interrupted | None = None
        self._way: Deliver | None = None

    def begin(self, run_id: UUID) -> None:
        """A new run: what was meant for the one before is gone."""
        self._way = None
        self.came = self._pending = None
        self.run_id = run_id

    def end(self) -> None:
        """The run is over; what comes for it now is too late."""
        self._way = self.run_id = None
        self.came = self._pending = None

    def deliver(self, interruption: Interrupted, run_id: UUID | None = None) -> None:
        """Called from a signal handler. With `run_id` it holds for that run only and is dropped for any other."""
        if self.run_id is None or run_id not in (None, self.run_id):
            return
        self.came = interruption
        if self._way is None:
            self._pending = interruption
        else:
            self._send(interruption)

    def request_drain(self) -> None:
        """Called from a signal handler: hand the run back at its next step boundary."""
        self.drain_requested = True

    def check(self) -> None:
        """Raise what was delivered before, or HandedBack("drain") if this process should end. Call between steps."""
        if self.came is not None:
            raise self.came
        if self.drain_requested:
            raise HandedBack("drain")

    def shielded(self) -> _Switch:
        """Nothing is raised inside; what came is raised at its end."""
        return _Switch(self, None)

    def exposed(self, way: Deliver = _raise) -> _Switch:
        """Code that may be cut off anywhere. `way` says how; the default is to raise in the main thread."""
        return _Switch(self, way)

    def _send(self, interruption: Interrupted) -> None:
        way, self._pending = self._way, None
        if way is _raise:
            self._way = None  # whoever catches this one is shielded until the blocks around it say otherwise
        if way is not None:
            way(interruption)

    def _turn(self, way: Deliver | None) -> None:
        self._way = way
        if way is not None and self._pending is not None:
            self._send(self._pending)


class _Switch:
    """A block with its own way of delivery. A class of its own and not a generator: fewer places to be cut off in."""

    def __init__(self, interrupts: Interrupts, way: Deliver | None) -> None:
        self._interrupts, self._inside, self._outside = interrupts, way, interrupts._way

    def __enter__(self) -> None:
        self._outside = self._interrupts._way
        try:
            self._interrupts._turn(self._inside)
        except BaseException:
            self._interrupts._way = self._outside
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if isinstance(error, Interrupted):
            self._interrupts._way = self._outside
        else:
            self._interrupts._turn(self._outside)

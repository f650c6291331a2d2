"""The half of a worker that does not know RQ: keeps a horse at work, beats for what it holds, ends what must end.

Everything happens on one thread, in turns: wait for the horse, a command or a signal, at most until the next beat or
rung; take in what came; act. Writes that the database refuses are owed, and paid before new work is taken.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import wait
from time import monotonic
from uuid import UUID

from harness import dispatch, recovery, transitions, workers
from harness.conf import conf
from harness.errors import LeaseLost
from harness.leases import Lease
from harness.models import Run
from harness.transitions import Held, Outcome
from harness.worker import kin
from harness.worker.debts import Debts
from harness.worker.ears import Ears
from harness.worker.horse import Death, Horse
from harness.worker.horse_life import DATABASE_LOST
from harness.worker.ladder import Ladder, Why
from harness.worker.wakeup import Wakeup
from harness.workers import Standing

log = logging.getLogger(__name__)

SOON = 0.1
RETRY_SECONDS = 0.5
"""Until the next beat is tried after the database refused one."""
LAST_WRITES_SECONDS = 5.0
LONGEST_REST = 5.0
"""Between forks, when horse after horse dies before its first run."""


class Keeper:
    """One worker's horse and its duties. `on_beat` is called after each beat, `let_go` in each new horse."""

    def __init__(
        self, worker_id: UUID, ears: Ears, wakeup: Wakeup, *, on_beat: Callable[[], None], let_go: Callable[[], None]
    ) -> None:
        self.worker_id, self.ears, self.wakeup = worker_id, ears, wakeup
        self.on_beat, self.let_go = on_beat, let_go
        self.stops = 0
        """How often this process was asked to stop; a signal handler counts, the next turn acts."""
        self.debts = Debts()
        self._horse: Horse | None = None
        self._ladder: Ladder | None = None
        self._drain_at: float | None = None
        self._drained = False
        self._missing: Lease | None = None
        self._spare = kin.children()
        self._beat_at = self._fork_at = 0.0
        self._early_deaths = 0

    @property
    def draining(self) -> bool:
        """True once no more work is taken."""
        return self._drain_at is not None

    def saddle(self) -> Horse | None:
        """A live horse, with nothing owed; None if the worker drains instead."""
        self.turn(0)
        while not self.draining and (self.debts or monotonic() < self._fork_at):
            self.turn(SOON)
        if self._horse is None and not self.draining:
            self._horse = Horse.fork(self.worker_id, self.let_go)
        return None if self.draining else self._horse

    def work_next(self, queue_key: str) -> bool:
        """Have one due run of the queue executed. False: none was due, or no more is taken."""
        horse = self.saddle()
        if horse is None:
            return False
        horse.go(queue_key)
        while horse.busy:
            self.turn()
        return horse.final is not None or horse.death is not None

    def turn(self, patience: float | None = None) -> None:
        """Wait for news, at most `patience` seconds, take it in and do what is due."""
        self._wait(patience)
        self._listen()
        if monotonic() >= self._beat_at:
            self.beat()
        self._mind_the_drain()
        if self._horse:
            self._see_to(self._horse)
        self.debts.pay()

    def drain(self) -> None:
        """Take nothing new; the run in hand goes back at its next step boundary. A second call makes that now."""
        if self._drain_at is not None:
            self._drain_at = monotonic()
            return
        self._drain_at = monotonic() + conf.DRAIN_SECONDS
        if self._horse and self._horse.busy:
            log.info("draining: %s goes back to the queue at its next step", self._horse.lease or "the run in hand")
            self._horse.send(signal.SIGUSR2)

    def retire(self) -> None:
        """End the horse and write what is owed, within seconds. Nothing is left behind."""
        if self._horse:
            self._horse.dismiss(self._spare)
            self._horse = None
        self._drain_at = self._drain_at or monotonic()
        self.debts.owe(partial(workers.stop, self.worker_id))
        end = monotonic() + LAST_WRITES_SECONDS
        while self.debts and monotonic() < end:
            self.debts.pay()
            self._wait(SOON if self.debts else 0)

    def beat(self) -> None:
        """Renew what is held, and learn what is wanted."""
        self._beat_at = monotonic() + conf.HEARTBEAT_INTERVAL_SECONDS
        horse = self._horse
        watched = horse.lease if horse and horse.busy else None
        idle = not (horse and horse.busy)
        beat = partial(transitions.beat, self.worker_id, horse_pid=horse.pid if horse else None)
        held = self.debts.attempt(beat)
        if held is None:
            self._beat_at = monotonic() + min(RETRY_SECONDS, conf.HEARTBEAT_INTERVAL_SECONDS)
            return
        if horse and watched:
            self._judge(horse, watched, held)
        elif idle and held and not self.debts:
            self.debts.owe(self._recovery(None))
        self._heed(self.debts.attempt(partial(workers.standing, self.worker_id)))
        self.on_beat()

    # --- news ----------------------------------------------------------------------------------------------------

    def _wait(self, patience: float | None) -> None:
        now = monotonic()
        ends = [self._beat_at - now]
        if patience is not None:
            ends.append(patience)
        if self._drain_at is not None and self._horse and self._horse.busy:
            ends.append(self._drain_at - now)
        if self._ladder and (due := self._ladder.due_in()) is not None:
            ends.append(due)
        sources: list[int] = [self.wakeup.fileno()]
        sources += [self._horse.pipe.fileno()] if self._horse else []
        ears = self.ears.fileno()
        wait(sources + ([ears] if ears is not None else []), max(0.0, min(ends)))

    def _listen(self) -> None:
        self.wakeup.clear()
        for command in self.ears.hear():
            self._obey(command)
        while self.stops:
            self.stops -= 1
            self.drain()

    def _obey(self, command: str) -> None:
        if command == dispatch.LOOK:
            self._beat_at = 0.0
        elif command == "shutdown":
            self.drain()
        else:
            log.warning("command %r ignored: runs are cancelled through the ledger", command)

    def _heed(self, standing: Standing | None) -> None:
        if standing in (Standing.DISMISSED, Standing.DRAINING) and not self.draining:
            log.info("this worker was %s: it ends", "taken for dead" if standing is Standing.DISMISSED else "drained")
            self.drain()

    # --- the run in hand -----------------------------------------------------------------------------------------

    def _judge(self, horse: Horse, lease: Lease, held: list[Held]) -> None:
        horse.hear()
        if not horse.busy or horse.lease != lease:
            return
        row = next((row for row in held if (row.run_id, row.epoch) == (lease.run_id, lease.epoch)), None)
        if row is None:
            self._perhaps_lost(horse, lease)
        elif row.cancel_requested:
            self._begin_ladder(horse, lease, Why.CANCEL, row)
        elif row.overdue:
            self._begin_ladder(horse, lease, Why.DEADLINE, row)

    def _perhaps_lost(self, horse: Horse, lease: Lease) -> None:
        """Not ours any more: taken over (kill at once), or just ended and the horse is about to say so."""
        epochs = self.debts.attempt(lambda: list(Run.objects.filter(pk=lease.run_id).values_list("epoch", flat=True)))
        if epochs is None or (epochs == [lease.epoch] and self._missing != lease):
            self._missing = lease
            return
        log.warning("%s is no longer ours: the horse is killed, nothing is written", lease)
        self._ladder = None
        horse.send_group(signal.SIGKILL)

    def _begin_ladder(self, horse: Horse, lease: Lease, why: Why, row: Held) -> None:
        if self._ladder is None:
            log.info("%s: %s", "cancel seen" if why is Why.CANCEL else "deadline passed", lease)
            self._ladder = Ladder(lease, why, age=row.cancel_age or 0.0)
        self._ladder.forced = self._ladder.forced or row.cancel_force
        self._ladder.climb(horse)
        if why is Why.CANCEL and not row.told:
            self.debts.attempt(partial(transitions.told, lease.run_id, lease.epoch))

    def _mind_the_drain(self) -> None:
        horse = self._horse
        if self._drain_at is not None and horse and horse.busy and monotonic() >= self._drain_at and not self._drained:
            log.warning("no step boundary within the time to drain: the horse is killed")
            self._drained = True
            horse.send_group(signal.SIGKILL)

    # --- the horse -----------------------------------------------------------------------------------------------

    def _see_to(self, horse: Horse) -> None:
        horse.hear()
        if horse.death:
            self._after_death(horse, horse.death)
        elif horse.busy:
            if self._ladder:
                self._ladder.climb(horse)
        elif horse.lease:
            self._after_run(horse, horse.lease)

    def _after_run(self, horse: Horse, lease: Lease) -> None:
        log.info("%s: %s in %.2f s", lease, horse.final, horse.seconds)
        killed = self._replace(horse, horse.tired) if horse.tired else []
        if self._ladder:
            facts = self._ladder.facts(None, killed)
            self.debts.owe(partial(transitions.receipt, lease.run_id, lease.epoch, **facts))
        horse.lease = self._ladder = self._missing = None
        self._early_deaths = 0

    def _after_death(self, horse: Horse, death: Death) -> None:
        log.warning("the horse died (%s)%s", death, f" with {horse.lease}" if horse.lease else "")
        killed = horse.bury(self._spare)
        if self._ladder and horse.lease:
            self.debts.owe(partial(_end, horse.lease, self._ladder.why, self._ladder.facts(death, killed)))
        self.debts.owe(self._recovery(death))
        self._horse = self._ladder = self._missing = None
        self._early_deaths = 0 if horse.runs or horse.lease else self._early_deaths + 1
        if self._early_deaths:
            self._fork_at = monotonic() + min(SOON * 2**self._early_deaths, LONGEST_REST)

    def _replace(self, horse: Horse, reason: str) -> list[str]:
        """End a horse between two runs and fork the next ahead of its work."""
        killed = horse.dismiss(self._spare)
        log.info("horse %s replaced: %s", horse.pid, reason)
        if killed:
            log.warning("killed what was left of %s: %s", horse.lease, ", ".join(killed))
        self._horse = None if self.draining else Horse.fork(self.worker_id, self.let_go)
        return killed

    def _recovery(self, death: Death | None) -> Callable[[], None]:
        """The write that puts right whatever this worker still holds."""
        status, number = (death.exit_status, death.signal) if death else (None, None)
        blameless = self._drained or status == DATABASE_LOST
        return partial(recovery.horse_died, self.worker_id, exit_status=status, signal=number, drained=blameless)


def _end(lease: Lease, why: Why, facts: dict[str, object]) -> None:
    outcome = Outcome.cancelled() if why is Why.CANCEL else Outcome.failed(str(why))
    try:
        transitions.finish(lease, outcome, **facts)
    except LeaseLost:
        log.warning("%s was taken over before it could be closed", lease)

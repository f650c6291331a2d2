"""How a run is made to end: its horse is asked, then SIGTERM to the process group, then SIGKILL. It always ends."""

from __future__ import annotations

import logging
import signal
from dataclasses import dataclass, field
from enum import StrEnum
from time import monotonic
from typing import Any

from harness.conf import conf
from harness.leases import Lease
from harness.worker.horse import Death, Horse

log = logging.getLogger(__name__)

TERM_SECONDS = 2.0
"""From SIGTERM to SIGKILL at most; half the grace where that is shorter."""


class Why(StrEnum):
    CANCEL = "cancel"
    DEADLINE = "deadline exceeded"


class Rung(StrEnum):
    """What was done last; the word that the receipt shows."""

    ASKED = "cooperative"
    TERM = "SIGTERM"
    KILL = "SIGKILL"


ASK_BY = {Why.CANCEL: signal.SIGUSR1, Why.DEADLINE: signal.SIGXCPU}
"""The signal by which the horse is asked, for each reason."""


@dataclass
class Ladder:
    """One run on its way out. Times are seconds of this process' monotonic clock."""

    lease: Lease
    why: Why
    age: float = 0.0
    """How long ago it was asked for when the worker came to know, by the database's clock."""
    forced: bool = False
    began: float = field(default_factory=monotonic)
    rung: Rung | None = None

    def due_in(self) -> float | None:
        """Seconds until the next rung; None after the last."""
        following = self._next_rung()
        return None if following is None else max(0.0, self.began + self._after(following) - monotonic())

    def climb(self, horse: Horse) -> None:
        """Take the next rung if it is due."""
        if self.due_in() != 0.0:
            return
        self.rung = self._next_rung()
        if self.rung is Rung.ASKED:
            horse.send(ASK_BY[self.why])
            return
        log.warning("%s has not ended: %s to its process group", self.lease, self.rung)
        horse.send_group(signal.SIGTERM if self.rung is Rung.TERM else signal.SIGKILL)

    def facts(self, death: Death | None, killed: list[str]) -> dict[str, Any]:
        """What the receipt says: how it ended, how long that took, and what was killed besides the horse."""
        by_us = death is None or (death.signal is not None and self.rung in (Rung.TERM, Rung.KILL))
        facts: dict[str, Any] = {"how": str(self.rung) if by_us else "worker lost"}
        facts["seconds"] = round(self.age + monotonic() - self.began, 3)
        if death:
            facts |= {"exit_status": death.exit_status, "signal": death.signal}
        return facts | ({"killed": killed} if killed else {})

    def _next_rung(self) -> Rung | None:
        if self.rung is Rung.KILL:
            return None
        if self.forced or self.rung is Rung.TERM:
            return Rung.KILL
        return Rung.TERM if self.rung else Rung.ASKED

    def _after(self, rung: Rung) -> float:
        grace = conf.CANCEL_GRACE_SECONDS
        if self.forced or rung is Rung.ASKED:
            return 0.0
        return grace if rung is Rung.TERM else grace + min(TERM_SECONDS, grace / 2)

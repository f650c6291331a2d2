"""Database calls of a process that must outlive the database: tried again on a new connection, owed, paid later."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from django.db import DatabaseError, InterfaceError, connection

from harness.errors import Interrupted

log = logging.getLogger(__name__)
T = TypeVar("T")


class Debts:
    """Writes that were refused, in order. True while there are any."""

    def __init__(self) -> None:
        self._owed: deque[Callable[[], Any]] = deque()
        self._away = False

    def __bool__(self) -> bool:
        return bool(self._owed)

    def owe(self, write: Callable[[], Any]) -> None:
        self._owed.append(write)

    def pay(self) -> None:
        """Write what is owed, until the database refuses again. What fails otherwise is logged and dropped."""
        while self._owed:
            try:
                if not self._reach(self._owed[0]):
                    return
            except (Exception, Interrupted):
                log.exception("cannot write what was owed: %s", self._owed[0])
            self._owed.popleft()

    def attempt(self, call: Callable[[], T]) -> T | None:
        """The call's answer, or None while the database is away. One retry, as the connection may just be old."""
        answers: list[T] = []
        return answers[0] if self._reach(lambda: answers.append(call())) else None

    def _reach(self, call: Callable[[], Any]) -> bool:
        for last in (False, True):
            try:
                call()
            except (DatabaseError, InterfaceError) as error:
                with suppress(DatabaseError, InterfaceError):
                    connection.close()
                if last:
                    self._note(error)
            else:
                self._note(None)
                return True
        return False

    def _note(self, error: Exception | None) -> None:
        """Each outage and each return is logged once."""
        if error and not self._away:
            log.error("the database is away: %s", str(error).strip())
        elif self._away and not error:
            log.info("the database is back")
        self._away = error is not None

"""Units of work: one transaction each, tried again where the database says that trying again is right."""

from __future__ import annotations

import functools
import logging
import random
import time
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from django.db import OperationalError, connection, router, transaction
from django.db.models import QuerySet, sql

P = ParamSpec("P")
R = TypeVar("R")
log = logging.getLogger(__name__)

TRIES = 3
SERIALIZATION_FAILURE, DEADLOCK_DETECTED = "40001", "40P01"  # SQLSTATE, PostgreSQL appendix A


def unit(work: Callable[P, R]) -> Callable[P, R]:
    """Run `work` in one transaction; after a deadlock, serialization failure or busy SQLite try the whole of it again.

    At most three tries, with jitter. Inside an outer transaction it is a plain part of that one.
    """

    @functools.wraps(work)
    def in_one_transaction(*args: P.args, **kwargs: P.kwargs) -> R:
        if connection.in_atomic_block:
            with transaction.atomic():
                return work(*args, **kwargs)
        for attempt in range(1, TRIES + 1):
            try:
                with transaction.atomic():
                    return work(*args, **kwargs)
            except OperationalError as error:
                if attempt == TRIES or not worth_another_try(error):
                    raise
                log.info("%s: try %s failed (%s), once more", work.__qualname__, attempt, error)
                time.sleep(random.uniform(0.01, 0.1) * attempt)  # noqa: S311
        raise AssertionError("unreachable")

    return in_one_transaction


def worth_another_try(error: OperationalError) -> bool:
    """True for failures that leave nothing behind and may pass."""
    sqlstate = getattr(error.__cause__, "sqlstate", None)
    return sqlstate in (SERIALIZATION_FAILURE, DEADLOCK_DETECTED) or "database is locked" in str(error)


def update_returning(rows: QuerySet, field: str, **values: Any) -> Any | None:
    """UPDATE ... RETURNING `field` of the one row that matched, or None where none did."""
    query: Any = rows.query.chain(sql.UpdateQuery)
    query.add_update_values(values)
    using = router.db_for_write(rows.model)
    statement, params = query.get_compiler(using).as_sql()
    column = connection.ops.quote_name(rows.model._meta.get_field(field).column)
    with connection.cursor() as cursor:
        cursor.execute(f"{statement} RETURNING {column}", params)
        row = cursor.fetchone()
    return row[0] if row else None

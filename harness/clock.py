"""The database's clock: the only one by which leases, deadlines and ages are judged."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.models import functions, sql


class Now(functions.Now):
    """The start of the statement. Use this one, not Django's, wherever a time is written or compared.

    SQLite keeps times as text and compares them as text. Django's own Now() writes milliseconds there and its
    parameters microseconds, so that a row would come out earlier than itself; this one writes as parameters are.
    """

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        text = "REPLACE(STRFTIME('%%%%Y-%%%%m-%%%%d %%%%H:%%%%M:%%%%f000', 'NOW'), '.000000', '')"
        return self.as_sql(compiler, connection, template=text, **extra)


def now() -> datetime:
    """The database's time in this moment. UTC, aware."""
    query = sql.Query(None)
    query.add_annotation(Now(), "now")
    return next(iter(query.get_compiler(DEFAULT_DB_ALIAS).results_iter()))[0]

"""Pages of a list by the key of the last row seen: page 1,000 costs what page 1 costs, and no row comes twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet

Row = TypeVar("Row", bound=Model)
COUNT_CAP = 10_000


@dataclass(frozen=True)
class Cursor:
    """The id of the row after (or before) which the page begins; neither is the first page."""

    after: UUID | None = None
    before: UUID | None = None

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Cursor:
        """From the address; what is no id is the first page."""
        return cls(after=_uuid(query.get("after")), before=_uuid(query.get("before")))


@dataclass(frozen=True)
class Page(Generic[Row]):
    """The rows, and the ids from which the pages beside it begin (None: there is no such page)."""

    rows: list[Row]
    after: UUID | None = None
    before: UUID | None = None


@dataclass(frozen=True)
class Count:
    """How many match; counted only as far as COUNT_CAP."""

    number: int

    @property
    def capped(self) -> bool:
        return self.number > COUNT_CAP

    def __str__(self) -> str:
        return f"{COUNT_CAP:,}+" if self.capped else f"{self.number:,}"


def capped_count(rows: QuerySet[Row]) -> Count:
    return Count(rows.order_by()[: COUNT_CAP + 1].count())


def page_of(
    rows: QuerySet[Row], cursor: Cursor, *, time: str = "created_at", newest_first: bool = True, size: int = 50
) -> Page[Row]:
    """One page of `rows` in order of (`time`, id). Needs an index that ends in these two columns."""
    backwards = cursor.before is not None
    downwards = newest_first != backwards
    anchor = cursor.before or cursor.after
    wanted = rows.filter(_beyond(rows.model, anchor, time, downwards)) if anchor else rows
    sign = "-" if downwards else ""
    found = list(wanted.order_by(f"{sign}{time}", f"{sign}id")[: size + 1])
    if anchor and not found:
        return page_of(rows, Cursor(), time=time, newest_first=newest_first, size=size)
    more, found = len(found) > size, found[:size]
    if backwards:
        return Page(found[::-1], after=found[0].pk, before=found[-1].pk if more else None)
    return Page(found, after=found[-1].pk if more else None, before=found[0].pk if anchor else None)


def _beyond(model: type[Model], anchor: UUID, time: str, downwards: bool) -> Q:
    """The anchor's time is read by the database: SQLite compares times as text, with as many digits as were stored."""
    moment = model._default_manager.filter(pk=anchor).values(time)
    less = "lt" if downwards else "gt"
    strictly: dict[str, Any] = {f"{time}__{less}": moment}
    return Q(**{f"{time}__{less}e": moment}) & (Q(**strictly) | Q(**{f"id__{less}": anchor}))


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None

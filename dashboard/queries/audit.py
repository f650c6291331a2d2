"""Who did what to what, newest first."""

from __future__ import annotations

from uuid import UUID

from dashboard.queries.keyset import Cursor, Page, page_of
from harness.models import OperatorAction

PAGE_SIZE = 100


def actions(
    cursor: Cursor, *, who: str = "", action: str = "", denied: bool = False, run: UUID | None = None
) -> Page[OperatorAction]:
    """A page of actions: by whom (exact name), which verb, only refused ones, only of one run. One query."""
    wanted = {name: value for name, value in {"by_name": who, "action": action, "run_id": run}.items() if value}
    rows = OperatorAction.objects.filter(**wanted)
    return page_of(rows.filter(allowed=False) if denied else rows, cursor, size=PAGE_SIZE)


def verbs() -> list[str]:
    return sorted(OperatorAction.objects.order_by().values_list("action", flat=True).distinct())

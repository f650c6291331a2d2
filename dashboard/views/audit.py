"""Who did what, to what, and why."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.views.decorators.http import require_GET

from dashboard.htmx import HtmxHttpRequest, show
from dashboard.queries import audit as queries
from dashboard.queries.keyset import Cursor


@require_GET
@permission_required("harness.view_operatoraction", raise_exception=True)
def index(request: HtmxHttpRequest) -> HttpResponse:
    chosen = {name: request.GET.get(name, "").strip() for name in ("who", "action", "denied", "run")}
    page = queries.actions(
        Cursor.read(request.GET),
        who=chosen["who"],
        action=chosen["action"],
        denied=bool(chosen["denied"]),
        run=_uuid(chosen["run"]),
    )
    context = {"page": page, "verbs": queries.verbs(), "chosen": chosen}
    return show(request, "dashboard/audit/index.html", context, {"actions": "dashboard/audit/_table.html"})


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None

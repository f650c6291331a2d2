"""The runs list, and cancelling what is ticked in it."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_POST

from dashboard.forms.runs import BulkCancelForm, RunFilter
from dashboard.htmx import HtmxHttpRequest, show, target_id
from dashboard.queries import runs as queries
from dashboard.queries.keyset import Cursor
from harness import control
from harness.agents import all_agents
from harness.errors import HarnessError

PAGE, LIST = "dashboard/runs/index.html", "dashboard/runs/_list.html"


@require_GET
@permission_required("harness.view_run", raise_exception=True)
def index(request: HtmxHttpRequest) -> HttpResponse:
    return show(request, PAGE, _listing(request), {"runs-list": LIST})


@require_POST
def cancel(request: HtmxHttpRequest) -> HttpResponse:
    """Cancel the ticked runs, each by itself; the answer says of each what became of it."""
    form = BulkCancelForm(request.POST)
    results = _cancel_each(form, request) if form.is_valid() else []
    context = _listing(request) | {"bulk": form if form.errors else BulkCancelForm(), "results": results}
    page = LIST if target_id(request) == "runs-list" else PAGE
    return render(request, page, context, status=422 if form.errors else 200)


def _listing(request: HtmxHttpRequest) -> dict[str, Any]:
    filters = RunFilter(request.GET)
    found = queries.listing(filters.wanted(), Cursor.read(request.GET))
    return {
        "filters": filters,
        "found": found,
        "agents": sorted(spec.name for spec in all_agents()),
        "queues": queries.queue_keys(),
        "bulk": BulkCancelForm(),
    }


def _cancel_each(form: BulkCancelForm, request: HtmxHttpRequest) -> list[dict[str, Any]]:
    return [_cancel_one(run_id, form.cleaned_data["reason"], request) for run_id in form.cleaned_data["run"]]


def _cancel_one(run_id: Any, reason: str, request: HtmxHttpRequest) -> dict[str, Any]:
    try:
        run = control.cancel_run(run_id, reason=reason, by=request.user)
    except HarnessError as error:
        return {"id": run_id, "said": str(error), "tone": "bad"}
    return {"id": run_id, "run": run, "said": f"is now {run.get_state_display().lower()}", "tone": "ok"}

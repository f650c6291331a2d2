"""Conversations: all of them, and one with its runs."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.views.decorators.http import require_GET

from dashboard.forms import start as forms
from dashboard.htmx import HtmxHttpRequest, show
from dashboard.queries import threads as queries
from dashboard.queries.keyset import Cursor
from harness.agents import all_agents
from harness.models import IDLE
from harness.states import State


@require_GET
@permission_required("harness.view_thread", raise_exception=True)
def index(request: HtmxHttpRequest) -> HttpResponse:
    found = queries.listing(request.GET, Cursor.read(request.GET))
    context = {
        "found": found,
        "statuses": [(IDLE, "Idle"), *State.choices],
        "agents": sorted(spec.name for spec in all_agents()),
        "narrows": any(request.GET.get(name) for name in ("status", "agent", "q")),
    }
    return show(request, "dashboard/threads/index.html", context, {"threads-list": "dashboard/threads/_list.html"})


@require_GET
@permission_required(["harness.view_thread", "harness.view_run"], raise_exception=True)
def page(request: HtmxHttpRequest, thread_id: UUID) -> HttpResponse:
    found = queries.page(thread_id)
    form = forms.StartForm(initial={"agent": forms.AUTO, "input": forms.example(found.thread.agent)})
    context = {"page": found, "thread": found.thread, "form": form}
    return show(request, "dashboard/threads/show.html", context, {"thread-turns": "dashboard/threads/_turns.html"})

"""Start a run."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from dashboard.forms import start as forms
from dashboard.htmx import HtmxHttpRequest, go
from dashboard.queries.runs import queue_keys
from harness import control
from harness.errors import HarnessError

PAGE = "dashboard/runs/start.html"


@require_http_methods(["GET", "POST"])
@permission_required("harness.start_run", raise_exception=True)
def start(request: HtmxHttpRequest) -> HttpResponse:
    if request.method == "GET":
        return _form(request, forms.StartForm(initial=forms.suggested(request.GET)))
    form = forms.StartForm(request.POST)
    if form.is_valid():
        try:
            run = control.start_run(**form.request(), by=request.user)
        except HarnessError as refusal:
            form.complain(refusal)
        else:
            return go(request, reverse("dashboard:run", args=[run.pk]))
    return _form(request, form, status=422)


@require_POST
@permission_required("harness.start_run", raise_exception=True)
def agent(request: HtmxHttpRequest) -> HttpResponse:
    """The fields again after another agent was chosen: its description, and its example unless something was typed.
    Changes nothing; a POST because the input may be longer than an address."""
    chosen = request.POST.get("agent") or forms.AUTO
    typed = forms.input_for(chosen, request.POST.get("input", ""))
    given: dict[str, Any] = request.POST.dict() | {"agent": chosen, "input": typed}
    return _form(request, forms.StartForm(initial=given), "dashboard/runs/_start_agent.html")


def _form(request: HtmxHttpRequest, form: forms.StartForm, template: str = PAGE, status: int = 200) -> HttpResponse:
    agents = forms.choices()
    chosen = next((spec for spec in agents if spec.name == form["agent"].value()), None)
    context = {"form": form, "agents": agents, "chosen": chosen, "queues": queue_keys(), "clock": forms.now_is()}
    return render(request, template, context, status=status)

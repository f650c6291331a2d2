"""One run: what it does, why it does not, and the buttons."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from dashboard import payload, story, timeline
from dashboard.forms.runs import CancelForm
from dashboard.htmx import HtmxHttpRequest, answer_with, go, say, show, target_id
from dashboard.queries import run as queries
from dashboard.queries import runs as list_queries
from dashboard.templatetags.words import pretty
from dashboard.views.downloads import inert
from harness import control, health, serialize
from harness.errors import Conflict, HarnessError
from harness.models import Run

PAGE, HEAD, BODY, ROW = (f"dashboard/runs/{name}.html" for name in ("show", "_head", "_body", "_row"))
RAW_LIMIT = 200_000


@require_GET
@permission_required("harness.view_run", raise_exception=True)
def page(request: HtmxHttpRequest, run_id: UUID) -> HttpResponse:
    wanted = target_id(request)
    context = {} if wanted == "run-body" else _head(run_id)
    context |= {} if wanted == "run-head" else _body(run_id, request)
    return show(request, PAGE, context, {"run-head": HEAD, "run-body": BODY})


@require_POST
def cancel(request: HtmxHttpRequest, run_id: UUID) -> HttpResponse:
    form = CancelForm(request.POST)
    before = queries.header(run_id)
    if not form.is_valid():
        return _again(request, run_id, form)
    run = control.cancel_run(run_id, by=request.user, **form.cleaned_data)
    if before.is_terminal or run.state in ("completed", "failed"):
        return _done(request, run_id, f"Nothing to cancel: the run has already {_ended(run)}.", status=409)
    return _done(request, run_id, f"The run is now {run.get_state_display().lower()}.")


@require_POST
def retry(request: HtmxHttpRequest, run_id: UUID) -> HttpResponse:
    queries.header(run_id)
    try:
        new = control.retry_run(run_id, by=request.user)
    except Conflict as refusal:
        return _done(request, run_id, str(refusal), status=409)
    except HarnessError as refusal:
        return say(request, str(refusal), back=_url(run_id), status=refusal.http_status)
    return go(request, _url(new.pk), "This is the retry: a new run of the same agent on the same input.")


@require_GET
@permission_required(["harness.view_run", "harness.view_payload"], raise_exception=True)
def part(request: HtmxHttpRequest, run_id: UUID, part: str, number: int = 0) -> HttpResponse:
    """A value that the page shows cut, whole, as a file."""
    value = queries.whole(run_id, part, number)
    name = f"{part}-{number}" if number else part
    if isinstance(value, str):
        return inert(value, f"{run_id}-{name}.txt", "text/plain; charset=utf-8")
    return inert(pretty(value), f"{run_id}-{name}.json", "application/json")


@require_GET
@permission_required(["harness.view_run", "harness.view_payload"], raise_exception=True)
def raw(request: HtmxHttpRequest, run_id: UUID) -> HttpResponse:
    """Everything about a run as JSON: to read in the page, or as a file."""
    text = pretty(serialize.run_detail(queries.complete(run_id)))
    if not request.htmx:
        return inert(text, f"run-{run_id}.json", "application/json")
    shown = payload.Payload(text[:RAW_LIMIT], len(text), whole=len(text) <= RAW_LIMIT)
    return render(request, "dashboard/runs/_raw.html", {"payload": shown, "run_id": run_id})


def _head(run_id: UUID, form: CancelForm | None = None) -> dict[str, Any]:
    run = queries.header(run_id)
    return {
        "run": run,
        "pending": queries.pending(run),
        "why": None if run.is_terminal else health.explain(run),
        "cancel_form": form or CancelForm(),
    }


def _body(run_id: UUID, request: HtmxHttpRequest) -> dict[str, Any]:
    found = queries.page(
        run_id, steps_before=_number(request, "steps_before"), events_before=_number(request, "events_before")
    )
    steps = [view.step for view in found.steps]
    return {
        "page": found,
        "run": found.run,
        "timeline": timeline.draw(found.run, found.life, steps, found.approvals, timezone.now()),
        "story": story.tell(found.life, steps),
    }


def _number(request: HtmxHttpRequest, name: str) -> int | None:
    given = request.GET.get(name, "")
    return int(given) if given.isdecimal() and len(given) < 10 else None


def _again(request: HtmxHttpRequest, run_id: UUID, form: CancelForm) -> HttpResponse:
    """The same piece with the complaint beside the field, and what was typed."""
    if target_id(request) == _row_id(run_id):
        context = {"run": list_queries.row(run_id), "cancel_form": form}
        return render(request, ROW, context, status=422)
    template = HEAD if request.htmx else PAGE
    context = _head(run_id, form) | ({} if request.htmx else _body(run_id, request))
    return render(request, template, context, status=422)


def _done(request: HtmxHttpRequest, run_id: UUID, said: str, status: int = 200) -> HttpResponse:
    """The head or the row that was acted on, as it is now."""
    if target_id(request) == _row_id(run_id):
        row = list_queries.row(run_id)
        return answer_with(request, ROW, back=_url(run_id), said=said, status=status, run=row)
    return answer_with(request, HEAD, back=_url(run_id), said=said, status=status, **_head(run_id))


def _row_id(run_id: UUID) -> str:
    return f"run-{run_id}"


def _url(run_id: UUID) -> str:
    return reverse("dashboard:run", args=[run_id])


def _ended(run: Run) -> str:
    return {"cancelled": "been cancelled"}.get(run.state, run.state)

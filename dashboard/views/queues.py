"""Queues: pause, resume, limit."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from dashboard import htmx
from dashboard.forms.queues import LimitForm, PauseForm
from dashboard.htmx import HtmxHttpRequest
from dashboard.queries import queues as queries
from harness import control
from harness.errors import HarnessError, UnknownQueue


@require_GET
@permission_required("harness.view_queue", raise_exception=True)
def index(request: HtmxHttpRequest) -> HttpResponse:
    context = {"queues": queries.queues(), "pause": PauseForm()}
    return htmx.show(request, "dashboard/queues/index.html", context, {"queues": "dashboard/queues/_table.html"})


@require_POST
def pause(request: HtmxHttpRequest, key: str) -> HttpResponse:
    form = PauseForm(request.POST)
    if not form.is_valid():
        return _refuse(request, form.sentence())
    reason, until = form.cleaned_data["reason"], form.until()
    return _do(request, key, lambda: control.pause_queue(key, reason=reason, until=until, by=request.user))


@require_POST
def resume(request: HtmxHttpRequest, key: str) -> HttpResponse:
    return _do(request, key, lambda: control.resume_queue(key, by=request.user))


@require_POST
def limit(request: HtmxHttpRequest, key: str) -> HttpResponse:
    form = LimitForm(request.POST)
    if not form.is_valid():
        return _refuse(request, form.sentence())
    return _do(request, key, lambda: control.set_queue_limit(key, form.cleaned_data["limit"], by=request.user))


def _do(request: HtmxHttpRequest, key: str, change: Callable[[], object]) -> HttpResponse:
    try:
        change()
    except UnknownQueue as error:
        raise Http404(str(error)) from None
    except HarnessError as error:
        return _refuse(request, str(error))
    row, back = queries.one(key), htmx.came_from(request, reverse("dashboard:queues"))
    said = f"{key} is {'paused' if row and row.is_paused else 'open'}."
    return htmx.answer_with(request, "dashboard/queues/_row.html", back=back, said=said, row=row, pause=PauseForm())


def _refuse(request: HtmxHttpRequest, sentence: str) -> HttpResponse:
    return htmx.say(request, sentence, back=reverse("dashboard:queues"), status=422)

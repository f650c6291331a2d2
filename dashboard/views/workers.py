"""Workers: who lives, who is late, what each holds; drain."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from dashboard import htmx
from dashboard.htmx import HtmxHttpRequest
from dashboard.queries import workers as queries
from harness import control
from harness.conf import conf
from harness.errors import NotFound


@require_GET
@permission_required("harness.view_worker", raise_exception=True)
def index(request: HtmxHttpRequest) -> HttpResponse:
    context = {"workers": queries.running(), "stopped": queries.stopped(), "conf": conf}
    return htmx.show(request, "dashboard/workers/index.html", context, {"workers": "dashboard/workers/_table.html"})


@require_POST
def drain(request: HtmxHttpRequest, worker_id: UUID) -> HttpResponse:
    try:
        worker = control.drain_worker(worker_id, by=request.user)
    except NotFound as error:
        raise Http404(str(error)) from None
    said = f"{worker.name} hands back what it holds and stops."
    shown = queries.get(worker_id)
    return htmx.answer_with(
        request, "dashboard/workers/_row.html", back=reverse("dashboard:workers"), said=said, worker=shown
    )

from __future__ import annotations

from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.views.decorators.http import require_GET

from dashboard.htmx import HtmxHttpRequest, show
from dashboard.queries import overview as queries


@require_GET
@permission_required("harness.view_run", raise_exception=True)
def overview(request: HtmxHttpRequest) -> HttpResponse:
    context = {"now": queries.overview()}
    return show(request, "dashboard/overview/index.html", context, {"now": "dashboard/overview/_now.html"})

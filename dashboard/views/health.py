from __future__ import annotations

from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.views.decorators.http import require_GET

from dashboard.htmx import HtmxHttpRequest, show
from dashboard.queries import health as queries


@require_GET
@permission_required("harness.view_run", raise_exception=True)
def index(request: HtmxHttpRequest) -> HttpResponse:
    context = {"health": queries.page()}
    return show(request, "dashboard/health/index.html", context, {"health": "dashboard/health/_now.html"})

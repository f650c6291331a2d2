"""For machines: is it up, is it ready, what does it measure."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from dashboard.queries import workers
from harness import clock, dispatch, metrics


@require_safe
@login_not_required
def healthz(request: HttpRequest) -> HttpResponse:
    """200 while this process answers. Asks no database and no Redis."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
@login_not_required
def readyz(request: HttpRequest) -> HttpResponse:
    """200 if runs can be started and executed, else 503; either names each part: "ok", or what is wrong."""
    parts = {
        "database": _state(lambda: clock.now() is not None, "does not answer"),
        "redis": _state(dispatch.redis_alive, "does not answer"),
        "supervisor": _state(lambda: workers.supervisor() is not None, "no supervisor beats"),
    }
    ready = set(parts.values()) == {"ok"}
    return JsonResponse({"ready": ready, **parts}, status=200 if ready else 503, headers={"Cache-Control": "no-store"})


@require_safe
@login_not_required
def figures(request: HttpRequest) -> HttpResponse:
    """Figures for Prometheus: counts and ages, nothing that an agent wrote."""
    return HttpResponse(metrics.text(), content_type=metrics.CONTENT_TYPE, headers={"Cache-Control": "no-store"})


def _state(works: Callable[[], bool], otherwise: str) -> str:
    try:
        return "ok" if works() else otherwise
    except (DatabaseError, OSError):
        return "the database does not answer"

from __future__ import annotations

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from dashboard import htmx, live


async def stream(request: HttpRequest) -> HttpResponseBase:
    """The page's one event stream. Without ASGI: 204, which tells the browser not to ask again; the page then polls."""
    session_key = request.session.session_key
    if not isinstance(request, ASGIRequest) or not session_key:
        return HttpResponse(status=204)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingHttpResponse(live.hub().stream(session_key), content_type="text/event-stream", headers=headers)


def nav(request: HttpRequest) -> HttpResponse:
    """The navigation with its counts, as it stands on the page `at`."""
    context = {"at": request.GET.get("at", "/")}
    return htmx.conditional(request, render(request, "dashboard/shared/_nav.html", context))

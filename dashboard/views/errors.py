"""Errors: a page in our own look, or for htmx one sentence that leaves the page as it is."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django_htmx.http import reswap, retarget

MAY_NOT = "You may not do this with your account."
NOT_THERE = "This does not exist, or not any more."
OUR_FAULT = "Something went wrong on the server; it is in the log. Nothing was changed."
NOT_READ = "The server could not read this request."
STALE_FORM = "This form is too old or came from another site. Reload the page and send it again."


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _answer(request, 403, str(exception or "") or MAY_NOT)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _answer(request, 404, NOT_THERE)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _answer(request, 400, NOT_READ)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return _answer(request, 403, STALE_FORM)


def server_error(request: HttpRequest) -> HttpResponse:
    """Touches neither the database nor the session: either may be what failed."""
    if _is_htmx(request):
        return _sentence(500, OUR_FAULT)
    return HttpResponse(render_to_string("500.html", {"sentence": OUR_FAULT}), status=500)


def _answer(request: HttpRequest, status: int, sentence: str) -> HttpResponse:
    if _is_htmx(request):
        return _sentence(status, sentence)
    return render(request, f"{status}.html", {"sentence": sentence}, status=status)


def _sentence(status: int, sentence: str) -> HttpResponse:
    html = render_to_string("dashboard/shared/_notice.html", {"text": sentence, "tone": "bad"})
    return reswap(retarget(HttpResponse(html, status=status), "#notices"), "innerHTML")


def _is_htmx(request: HttpRequest) -> bool:
    return request.headers.get("HX-Request") == "true"

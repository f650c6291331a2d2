"""One answer for a browser with and without htmx: the whole page, or the piece of it that was asked for."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.utils.http import parse_etags, url_has_allowed_host_and_scheme
from django_htmx.http import HttpResponseClientRedirect, reswap, retarget
from django_htmx.middleware import HtmxDetails

VOLATILE = re.compile(
    rb'name="csrfmiddlewaretoken" value="[^"]*"'  # masked anew for every response
    rb'|<span class="rel">[^<]*</span>'  # "3 min ago": the page keeps these going by itself
)


class HtmxHttpRequest(HttpRequest):
    htmx: HtmxDetails
    user: User


def show(
    request: HtmxHttpRequest, page: str, context: Mapping[str, Any], parts: Mapping[str, str] | None = None
) -> HttpResponse:
    """The page; or, for htmx with one of `parts` (element id -> template) as its target, only that part.

    Either has an ETag, so that a part that did not change costs the server its queries and the network nothing.
    """
    template = (parts or {}).get(target_id(request), page)
    return conditional(request, render(request, template, context))


def target_id(request: HtmxHttpRequest) -> str:
    """The id of the element that htmx wants to fill, "" for a whole page. (HX-Target is like "section#runs".)"""
    if not request.htmx or request.htmx.boosted:
        return ""
    return (request.htmx.target or "").rpartition("#")[2]


def conditional(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """With its ETag; 304 if the client has it already. What differs in every response does not count."""
    etag = f'"{hashlib.blake2b(VOLATILE.sub(b"", response.content), digest_size=12).hexdigest()}"'
    known = {tag.removeprefix("W/") for tag in parse_etags(request.headers.get("If-None-Match", ""))}
    if response.status_code == 200 and etag in known:
        response = HttpResponseNotModified()
    response["ETag"] = f"W/{etag}"
    patch_cache_control(response, private=True, no_cache=True)
    patch_vary_headers(response, ["HX-Request", "HX-Target", "Cookie"])
    return response


def answer_with(
    request: HtmxHttpRequest, part: str, *, back: str, said: str = "", status: int = 200, **context: Any
) -> HttpResponse:
    """The answer to an action: the piece of the page that it changed, and a sentence where one helps.

    Without htmx: the sentence is kept for the next page, and the browser goes `back` to it.
    """
    if not request.htmx:
        if said:
            messages.add_message(request, messages.SUCCESS if status < 400 else messages.ERROR, said)
        return redirect(back)
    response = HttpResponse(render_to_string(part, context, request), status=status)
    return with_notice(response, said, "ok" if status < 400 else "bad") if said else response


def say(request: HtmxHttpRequest, sentence: str, *, back: str, status: int = 200) -> HttpResponse:
    """Only a sentence; the page stays as it is."""
    if not request.htmx:
        messages.add_message(request, messages.SUCCESS if status < 400 else messages.ERROR, sentence)
        return redirect(back)
    html = render_to_string(
        "dashboard/shared/_notice.html", {"text": sentence, "tone": "ok" if status < 400 else "bad"}
    )
    return reswap(retarget(HttpResponse(html, status=status), "#notices"), "innerHTML")


def go(request: HtmxHttpRequest, url: str, said: str = "") -> HttpResponse:
    """On to another page."""
    if said:
        messages.success(request, said)
    return HttpResponseClientRedirect(url) if request.htmx else redirect(url)


def with_notice(response: HttpResponse, text: str, tone: str = "ok") -> HttpResponse:
    """A fragment, and a sentence for the corner of the page that travels along."""
    body = render_to_string("dashboard/shared/_notice.html", {"text": text, "tone": tone})
    response.write(f'<hx-partial hx-target="#notices" hx-swap="innerHTML">{body}</hx-partial>')
    return response


def came_from(request: HtmxHttpRequest, default: str) -> str:
    """The page on which a form stood, if it is one of ours; for going back to it."""
    url = request.POST.get("next") or (request.htmx.current_url_abs_path if request.htmx else "") or default
    ours = url_has_allowed_host_and_scheme(url, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    return url if ours else default

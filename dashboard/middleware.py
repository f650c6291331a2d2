"""What holds for every page: where a change came from, and where an ended session leads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

from asgiref.sync import iscoroutinefunction
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url
from django.utils.decorators import sync_and_async_middleware
from django_htmx.middleware import HtmxDetails

from harness import origin

Handler = Callable[[HttpRequest], Any]


@sync_and_async_middleware
def from_a_page(get_response: Handler) -> Handler:
    """Changes made while a request is answered come from a page (or the admin), and from the client's address."""
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> Any:
            with origin.of(_kind(request), request.META.get("REMOTE_ADDR")):
                return await _awaited(get_response, request)

        return answer_async

    def answer(request: HttpRequest) -> Any:
        with origin.of(_kind(request), request.META.get("REMOTE_ADDR")):
            return get_response(request)

    return answer


async def _awaited(get_response: Callable[[HttpRequest], Awaitable[Any]], request: HttpRequest) -> Any:
    return await get_response(request)


def _kind(request: HttpRequest) -> str:
    return "admin" if request.path_info.startswith("/admin/") else "page"


class SignInMiddleware(LoginRequiredMiddleware):
    """A fragment never becomes the sign-in page: the whole window goes there, and comes back."""

    def handle_no_permission(self, request: HttpRequest, view_func: Any) -> Any:
        if request.headers.get("HX-Request") != "true":
            return super().handle_no_permission(request, view_func)
        page = HtmxDetails(request).current_url_abs_path or "/"
        to = f"{resolve_url(self.get_login_url(view_func))}?{urlencode({'next': page})}"
        return HttpResponse("Your session has ended.", status=401, headers={"HX-Redirect": to})

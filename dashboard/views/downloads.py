"""Files for people: whatever is in them, a browser only ever saves them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from asgiref.sync import sync_to_async
from django.core.files import File
from django.core.handlers.asgi import ASGIRequest
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header

CHUNK = 256 * 1024


def inert(text: str, name: str, content_type: str) -> HttpResponse:
    response = HttpResponse(text, content_type=content_type)
    _disarm(response, name)
    return response


def streamed(request: HttpRequest, file: File[Any], name: str, size: int) -> HttpResponseBase:
    """In chunks, so that a file of any size takes no memory, whichever kind of server asks."""
    kind = "application/octet-stream"
    response: HttpResponseBase
    if isinstance(request, ASGIRequest):
        response = StreamingHttpResponse(_chunks(file), content_type=kind)
        response["Content-Length"] = str(size)
    else:
        response = FileResponse(file, content_type=kind)
    _disarm(response, name)
    return response


def safe_name(name: str) -> str:
    """Only letters that belong into a header and into the name of one file, never a path."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(letter for letter in last if letter.isprintable()).strip(". ")[:150] or "file"


def _disarm(response: HttpResponseBase, name: str) -> None:
    response["Content-Disposition"] = content_disposition_header(True, safe_name(name)) or "attachment"
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-store"


async def _chunks(file: File[Any]) -> AsyncIterator[bytes]:
    try:
        while data := await sync_to_async(file.read)(CHUNK):
            yield data
    finally:
        await sync_to_async(file.close)()

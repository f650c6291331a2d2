"""For machines: is it up, is it ready, what does it measure."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse


@login_not_required
def healthz(request: HttpRequest) -> HttpResponse:
    """200 while this process answers. Asks no database and no Redis."""
    return HttpResponse("ok\n", content_type="text/plain")

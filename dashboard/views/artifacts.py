"""What runs produced, to download and never to look at here."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.decorators import permission_required
from django.http import Http404
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET

from dashboard.htmx import HtmxHttpRequest
from dashboard.views.downloads import streamed
from harness.models import Artifact


@require_GET
@permission_required(["harness.view_run", "harness.view_payload"], raise_exception=True)
def download(request: HtmxHttpRequest, run_id: UUID, artifact_id: UUID) -> HttpResponseBase:
    artifact = get_object_or_404(Artifact, pk=artifact_id, run=run_id)
    try:
        file = artifact.file.open("rb")
    except FileNotFoundError:
        raise Http404("The file is no longer there.") from None
    return streamed(request, file, artifact.name, artifact.size)

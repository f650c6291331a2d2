"""What every page shows around its own content: what is stuck, and how many decisions wait."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from dashboard.queries import shell as queries


def shell(request: HttpRequest) -> dict[str, Any]:
    """`shell.stuck`, `shell.pending`: counts. Read at first use, so a fragment without navigation asks nothing."""
    return {"shell": SimpleLazyObject(queries.counts)}

"""How approvals read in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from harness import clock
from harness.management.text import age, payload, table
from harness.models import Approval


def approval_table(approvals: Iterable[Approval]) -> Iterator[str]:
    now = clock.now()
    rows = [
        (a.pk, a.status, a.kind, a.tool, payload(a.effective_args), age(a.expires_at, now), a.decided_by_name, a.run_id)
        for a in approvals
    ]
    return table(("id", "status", "kind", "tool", "arguments", "deadline", "decided by", "run"), rows)

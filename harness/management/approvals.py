"""How approvals read in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from harness import clock
from harness.management.text import age, clean, cut, facts, payload, table
from harness.models import Approval

ALL_OF_IT = 1_000_000


def approval_table(approvals: Iterable[Approval]) -> Iterator[str]:
    """A line for each, arguments cut."""
    now = clock.now()
    rows = [
        (
            approval.pk,
            approval.status,
            approval.kind,
            cut(approval.tool),
            payload(approval.effective_args),
            age(approval.expires_at, now),
            approval.decided_by_name,
        )
        for approval in approvals
    ]
    return table(("id", "status", "kind", "tool", "arguments", "deadline", "decided by"), rows)


def approval_cards(approvals: Iterable[Approval]) -> Iterator[str]:
    """All that a person has to know to decide: every argument, in full."""
    now = clock.now()
    for approval in approvals:
        yield f"{clean(approval.tool)} {approval.pk}"
        yield from facts(
            [
                ("status", approval.status),
                ("kind", approval.kind),
                ("asks", approval.summary),
                ("arguments", payload(approval.args, ALL_OF_IT)),
                ("edited to", payload(approval.edited_args, ALL_OF_IT)),
                ("deadline", age(approval.expires_at, now)),
                ("run", approval.run_id),
                ("decision", approval.decision),
                ("decided by", approval.decided_by_name),
                ("decided", age(approval.decided_at, now)),
                ("reason", approval.reason),
            ]
        )

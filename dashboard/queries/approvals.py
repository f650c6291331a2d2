"""The inbox of decisions, and one of them."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.http import Http404

from harness.models import Approval
from harness.models.approval import ApprovalQuerySet

SHOWN = 50
LATELY = 10


@dataclass(frozen=True)
class Inbox:
    cards: list[Approval]
    more: bool
    lately: list[Approval]
    agents: list[str]
    tools: list[str]


def inbox(agent: str = "", tool: str = "") -> Inbox:
    """Pending approvals, oldest deadline first, and what was decided last. Four queries."""
    wanted = {name: value for name, value in {"run__agent": agent, "tool": tool}.items() if value}
    cards = list(_with_run(Approval.objects.inbox().filter(**wanted))[: SHOWN + 1])
    lately = _with_run(Approval.objects.filter(decided_at__isnull=False)).order_by("-decided_at")[:LATELY]
    pending = Approval.objects.pending()
    return Inbox(
        cards=cards[:SHOWN],
        more=len(cards) > SHOWN,
        lately=list(lately),
        agents=sorted(pending.order_by().values_list("run__agent", flat=True).distinct()),
        tools=sorted(pending.order_by().values_list("tool", flat=True).distinct()),
    )


def get(approval_id: UUID) -> Approval:
    """The approval with its run and thread, or a 404."""
    approval = _with_run(Approval.objects.filter(pk=approval_id)).first()
    if approval is None:
        raise Http404
    return approval


def _with_run(rows: ApprovalQuerySet) -> ApprovalQuerySet:
    return rows.select_related("run__thread", "assignee", "decided_by")

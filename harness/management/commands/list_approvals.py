"""List approvals: those that wait for a decision, the nearest deadline first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.management.base import CommandParser

from harness import serialize
from harness.management import given
from harness.management.approvals import approval_cards
from harness.management.base import JsonCommand
from harness.models import Approval, Run
from harness.states import ApprovalStatus

ALL = "all"


class Command(JsonCommand):
    help = "List approvals: those that wait for a decision (the nearest deadline first), or others (the newest first)."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--status",
            choices=[*ApprovalStatus.values, ALL],
            default=ApprovalStatus.PENDING.value,
            help="Default: pending.",
        )
        parser.add_argument("--run", metavar="ID", help="Only those of this run.")
        parser.add_argument(
            "--limit", type=given.at_least_one, default=200, metavar="N", help="At most N (default: 200)."
        )

    def perform(self, **options: Any) -> list[Approval]:
        status = options["status"]
        found = Approval.objects.inbox() if status == ApprovalStatus.PENDING else Approval.objects.order_by("-id")
        if status != ALL:
            found = found.filter(status=status)
        if options["run"]:
            found = found.filter(run=given.find(Run.objects.all(), options["run"], "run"))
        return list(found[: options["limit"]])

    def as_json(self, answer: list[Approval]) -> list[serialize.Json]:
        return [serialize.approval(approval) for approval in answer]

    def as_text(self, answer: list[Approval]) -> Iterable[str]:
        return approval_cards(answer) if answer else ["No such approvals."]

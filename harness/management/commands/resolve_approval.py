"""Decide an approval."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.management.base import CommandParser

from harness import approvals, serialize
from harness.management import given
from harness.management.approvals import approval_cards
from harness.management.base import JsonCommand
from harness.models import Approval
from harness.states import DECISIONS_OF_PEOPLE


class Command(JsonCommand):
    help = "Decide an approval: approve it, approve it with edited arguments, or reject it with a reason."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("approval", metavar="ID")
        parser.add_argument("--decision", required=True, choices=[str(choice) for choice in DECISIONS_OF_PEOPLE])
        parser.add_argument("--by", required=True, metavar="USER", help="Who decides.")
        parser.add_argument(
            "--args",
            dest="edited",
            metavar="JSON|@FILE|-",
            help='The edited arguments; for a question {"answer": ...}; for a lost step that happened {"result": ...}.',
        )
        parser.add_argument("--reason", default="", help="Why; needed to reject, and told to the agent.")

    def perform(self, **options: Any) -> Approval:
        edited = options["edited"]
        return approvals.resolve_approval(
            given.identifier(options["approval"], "approval"),
            decision=options["decision"],
            by=options["by"],
            args=None if edited is None else given.json_value(edited, "--args"),
            reason=options["reason"],
        )

    def as_json(self, answer: Approval) -> serialize.Json:
        return serialize.approval(answer)

    def as_text(self, answer: Approval) -> Iterable[str]:
        return approval_cards([answer])

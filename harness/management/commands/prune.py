from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser

from harness import retention
from harness.conf import conf
from harness.management.base import JsonCommand
from harness.retention import Pruned

BATCH = 500


class Command(JsonCommand):
    help = "Remove runs that ended long ago, with their files, and threads that have become empty."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--days", type=int, help="Older than this; HARNESS_RETENTION_DAYS if not given.")
        parser.add_argument("--dry-run", action="store_true", help="Remove nothing, say what would be removed.")

    def perform(self, **options: Any) -> dict[str, Any]:
        days = conf.RETENTION_DAYS if options["days"] is None else options["days"]
        if days < 0:
            raise CommandError("--days must be 0 or more.")
        done = retention.prune_all(days=days, dry_run=options["dry_run"], batch=BATCH, on_batch=self._progress)
        return {"days": days, "dry_run": options["dry_run"], **asdict(done)}

    def as_text(self, answer: dict[str, Any]) -> Iterable[str]:
        verb = "Would remove" if answer["dry_run"] else "Removed"
        counts = ", ".join(f"{answer[what]} {what}" for what in ("runs", "files", "threads", "workers"))
        yield f"{verb} {counts} older than {answer['days']} days."
        yield from (f"Kept {count} {reason}." for reason, count in answer["skipped"].items())

    def _progress(self, done: Pruned) -> None:
        self.note(f"{done.runs} runs removed ...")

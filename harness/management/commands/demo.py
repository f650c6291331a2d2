"""Show what Runwatch does, on files made for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from harness import control, serialize
from harness.conf import conf
from harness.management import samples
from harness.management.base import JsonCommand
from harness.management.runs import note_if_no_worker_is_alive, run_table
from harness.models import Run
from harness.stack.up import Wanted

FOLDER = "demo"


@dataclass(frozen=True)
class Demo:
    url: str
    folder: Path
    log: Path
    janitor: Run
    triage: Run
    drill: Run | None

    @property
    def runs(self) -> list[Run]:
        return [run for run in (self.janitor, self.triage, self.drill) if run]


class Command(JsonCommand):
    help = "Make sample files and start agents on them: one asks before it deletes, one reads a log, one hangs."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--by", metavar="USER", help="In whose name (default: the system itself).")

    def perform(self, **options: Any) -> Demo:
        place = conf.DATA_DIR / FOLDER
        folder, log = samples.folder_to_clean(place), samples.log_to_read(place)
        demo = Demo(
            url=Wanted.from_settings().url.rstrip("/"),
            folder=folder,
            log=log,
            janitor=_start("disk-janitor", {"folder": str(folder), "dry_run": False}, "Clean up old files", options),
            triage=_start("log-triage", {"path": str(log)}, "What went wrong in the shop?", options),
            drill=_start("drill", {"mode": "hang", "seconds": 600}, "Hangs: cancel me", options)
            if conf.DRILLS
            else None,
        )
        note_if_no_worker_is_alive(self.note)
        return demo

    def as_json(self, answer: Demo) -> serialize.Json:
        return {
            "url": answer.url,
            "folder": str(answer.folder),
            "log": str(answer.log),
            "runs": [serialize.run(run) for run in answer.runs],
        }

    def as_text(self, answer: Demo) -> Iterable[str]:
        yield from run_table(answer.runs)
        yield from ("", "What to do now:", *_tour(answer))


def _start(agent: str, input: dict[str, Any], title: str, options: dict[str, Any]) -> Run:
    return control.start_run(agent=agent, input=input, title=title, by=options["by"])


def _tour(demo: Demo) -> Iterator[str]:
    yield f"- Three old files lie in {demo.folder}. The janitor asks before it deletes each:"
    yield f"    {demo.url}/approvals/"
    yield f"    or: manage.py list_approvals --run {demo.janitor.pk}"
    yield "        manage.py resolve_approval ID --decision approve --by admin"
    yield "        manage.py resolve_approval ID --decision reject --reason 'still needed' --by admin"
    yield f"- See how it went:  {demo.url}/runs/{demo.janitor.pk}/"
    yield f"- The report on the log, with the progress until then:  {demo.url}/runs/{demo.triage.pk}/"
    if demo.drill:
        yield f"- This one hangs. Cancel it:  {demo.url}/runs/{demo.drill.pk}/"
        yield f"    or: manage.py cancel_run {demo.drill.pk} --reason 'seen enough' --wait"
    else:
        yield "- With HARNESS_DRILLS=1 there is also a run that hangs, to be cancelled."

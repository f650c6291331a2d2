"""Artifacts as steps: a file is kept once, whatever is replayed."""

from __future__ import annotations

from typing import Any

from harness import artifacts, journal
from harness.agents.book import Book
from harness.agents.facts import Facts
from harness.artifacts import Data, Stored
from harness.db import unit
from harness.models import Step
from harness.states import StepStatus


def save(facts: Facts, name: str, data: Data, content_type: str | None) -> Any:
    """Store the file, then row, event and journal in one transaction. Raises ToolFailed."""
    book = facts.book
    asked = facts.custom("save_artifact", {"name": artifacts.shown_name(name), "content_type": content_type})
    step = book.open(asked)
    if step.status != StepStatus.STARTED:
        return book.outcome(step)
    if step.executions > 1:
        artifacts.drop_strays(step.run_id)
    try:
        stored = artifacts.store(book.lease, name, data, content_type, step_key=step.key)
    except Exception as error:
        return book.failed(step, error)
    return _record(book, step, stored)


def _record(book: Book, step: Step, stored: Stored) -> Any:
    try:
        with book.sticking():
            ended = _in_one(book, step, stored)
    except BaseException:
        stored.drop()
        raise
    return book.outcome(book.keep(ended))


@unit
def _in_one(book: Book, step: Step, stored: Stored) -> Step:
    artifact = artifacts.record(book.lease, stored)
    facts = {"id": str(artifact.pk), "name": artifact.name, "size": artifact.size, "sha256": artifact.sha256}
    return journal.finish(book.lease, step, facts)

"""Conversations: the only writer of Thread and ThreadMessage."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import OuterRef, Subquery

from harness import audit
from harness.canonical import clean_text, through_json
from harness.clock import Now
from harness.db import unit
from harness.models import Role, Run, Thread, ThreadMessage


def open_thread(*, agent: str, title: str = "", by: Any = None, metadata: dict[str, Any] | None = None) -> Thread:
    """A new, empty conversation with `agent`."""
    return Thread.objects.create(agent=agent, title=title[:200], created_by=by, metadata=metadata or {})


def assign(thread_id: UUID, agent: str) -> None:
    """From now on the thread talks to `agent`."""
    Thread.objects.filter(pk=thread_id).exclude(agent=agent).update(agent=agent)


@unit
def describe(thread_id: UUID, *, title: str, metadata: dict[str, Any], by: Any = None) -> Thread:
    """Change what people call a thread and note about it, with its audit row; nothing else of it is touched."""
    before = Thread.objects.select_for_update().get(pk=thread_id)
    after = {"title": clean_text(title)[:200], "metadata": through_json(metadata)}
    Thread.objects.filter(pk=thread_id).update(**after)
    shown = {"title": before.title, "metadata": before.metadata}
    audit.record("describe_thread", before, by=by, before=shown, after=after)
    return Thread.objects.get(pk=thread_id)


def say(thread_id: UUID, role: Role, content: Any, *, run_id: UUID | None = None) -> ThreadMessage:
    """Add a message."""
    return ThreadMessage.objects.create(thread_id=thread_id, run_id=run_id, role=role, content=content)


def mirror(thread_id: UUID) -> None:
    """Let the thread's status be that of its latest run."""
    latest = Run.objects.filter(thread_id=OuterRef("pk")).order_by("-created_at", "-id").values("state")[:1]
    Thread.objects.filter(pk=thread_id).update(status=Subquery(latest), updated_at=Now())

"""Rows as JSON-able dicts. The keys of runs and approvals are public: docs/architecture.md names them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from harness.models import Approval, Artifact, Event, Run, RunControl, RunQueue, Step, Thread, ThreadMessage

Json = dict[str, Any]


def time(moment: datetime | None) -> str | None:
    """ISO 8601 in UTC to the microsecond, as 2025-01-31T08:15:00.000000Z."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def key(value: UUID | None) -> str | None:
    return None if value is None else str(value)


def run(row: Run) -> Json:
    return {
        "id": key(row.pk),
        "thread": key(row.thread_id),
        "agent": row.agent,
        "state": str(row.state),
        "attempt": row.attempt,
        "epoch": row.epoch,
        "priority": row.priority,
        "queue": row.queue_key,
        "created_at": time(row.created_at),
        "started_at": time(row.started_at),
        "finished_at": time(row.finished_at),
        "output": row.output,
        "error": row.error,
        "reason": row.reason,
    }


def run_detail(row: Run) -> Json:
    """A run with everything that belongs to it; six queries."""
    return run(row) | {
        "steps": [step(each) for each in Step.objects.of_run(row.pk)],
        "events": [event(each) for each in Event.objects.filter(run=row.pk).order_by("seq")],
        "approvals": [approval(each) for each in Approval.objects.of_run(row.pk)],
        "control": control_of(row),
        "artifacts": [artifact(each) for each in Artifact.objects.filter(run=row.pk).order_by("id")],
        "messages": [message(each) for each in ThreadMessage.objects.filter(run=row.pk).order_by("id")],
    }


def approval(row: Approval) -> Json:
    return {
        "id": key(row.pk),
        "run": key(row.run_id),
        "tool": row.tool,
        "args": row.args,
        "status": str(row.status),
        "kind": str(row.kind),
        "expires_at": time(row.expires_at),
        "decided_by": row.decided_by_name or None,
    }


def step(row: Step) -> Json:
    return {
        "seq": row.seq,
        "key": row.key,
        "kind": str(row.kind),
        "name": row.name,
        "args": row.args,
        "status": str(row.status),
        "retryable": row.retryable,
        "executions": row.executions,
        "epoch": row.epoch,
        "result": row.result,
        "error": row.error,
        "tokens_in": row.tokens_in,
        "tokens_out": row.tokens_out,
        "cost": float(row.cost),
        "started_at": time(row.started_at),
        "finished_at": time(row.finished_at),
    }


def event(row: Event) -> Json:
    return {
        "seq": row.seq,
        "type": row.type,
        "payload": row.payload,
        "actor": row.actor,
        "epoch": row.epoch,
        "created_at": time(row.created_at),
    }


def control_of(row: Run) -> Json | None:
    """What was asked of the run and how it lives; with the claim, as long as there is one."""
    asked = RunControl.objects.filter(run=row.pk).first()
    if asked is None:
        return None
    return control(asked) | claim(RunQueue.objects.filter(run=row.pk).first())


def control(row: RunControl) -> Json:
    return {
        "cancel_requested": row.cancel_requested,
        "cancel_reason": row.cancel_reason,
        "cancel_by": row.cancel_by_name or None,
        "cancel_at": time(row.cancel_at),
        "cancel_origin": row.cancel_origin,
        "cancel_force": row.cancel_force,
        "told_at": time(row.told_at),
        "heartbeat_at": time(row.heartbeat_at),
        "progress_at": time(row.progress_at),
        "progress": row.progress,
        "worker": key(row.worker_id),
        "horse_pid": row.horse_pid,
        "deadline": time(row.deadline),
        "receipt": row.receipt,
    }


def claim(row: RunQueue | None) -> Json:
    """When the run may be taken and until when it is; all None for a run that neither waits for nor holds a worker."""
    return {
        "available_at": time(row.available_at) if row else None,
        "claimed_at": time(row.claimed_at) if row else None,
        "lease_expires_at": time(row.lease_expires_at) if row else None,
    }


def artifact(row: Artifact) -> Json:
    return {
        "id": key(row.pk),
        "run": key(row.run_id),
        "name": row.name,
        "content_type": row.content_type,
        "size": row.size,
        "sha256": row.sha256,
        "created_at": time(row.created_at),
    }


def message(row: ThreadMessage) -> Json:
    return {
        "id": key(row.pk),
        "run": key(row.run_id),
        "role": str(row.role),
        "content": row.content,
        "created_at": time(row.created_at),
    }


def thread(row: Thread) -> Json:
    return {
        "id": key(row.pk),
        "agent": row.agent,
        "title": row.title,
        "status": str(row.status),
        "metadata": row.metadata,
        "created_at": time(row.created_at),
        "updated_at": time(row.updated_at),
    }

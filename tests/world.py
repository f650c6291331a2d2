"""The world of a test, built by the real verbs: runs in every state, workers, expired leases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model

from harness import approvals, control, transitions
from harness.approvals import Ask
from harness.clock import Now
from harness.leases import Lease
from harness.models import Approval, Event, Run, RunQueue, Worker

AGENT = "drill"


def user(name: str = "ada", **fields: Any) -> Any:
    found = get_user_model().objects.filter(username=name).first()
    return found or get_user_model().objects.create_superuser(name, password="pw-of-ada", **fields)


def worker(name: str = "w1") -> Worker:
    return Worker.objects.create(name=name, host="test", pid=1, version="test", queues=["default"])


def queued_run(**wish: Any) -> Run:
    return transitions.submit(**{"agent": AGENT, "input": {"mode": "sleep"}, **wish})


def claim(queue_key: str = "default", by: Worker | None = None) -> Lease:
    lease = transitions.claim_next(queue_key, (by or worker()).pk)
    assert lease is not None, "nothing to claim"
    return lease


def claimed_run(**wish: Any) -> Lease:
    queued_run(**wish)
    return claim(wish.get("queue_key", "default"))


def running_run(**wish: Any) -> Lease:
    lease = claimed_run(**wish)
    transitions.start(lease)
    return lease


def ask(key: str = "delete_file#1", path: str = "/tmp/a", **fields: Any) -> Ask:
    schema = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
    return Ask(step_key=key, tool="delete_file", args={"path": path}, args_schema=schema, **fields)


def waiting_run(*asks: Ask, **wish: Any) -> tuple[Run, list[Approval]]:
    lease = running_run(**wish)
    asked = approvals.park(lease, list(asks) or [ask()])
    return Run.objects.get(pk=lease.run_id), asked


def resuming_run(**wish: Any) -> Run:
    run, (approval,) = waiting_run(**wish)
    approvals.resolve_approval(approval.pk, decision="approve", by=user())
    return again(run)


def cancelling_run(**wish: Any) -> tuple[Run, Lease]:
    lease = running_run(**wish)
    return control.cancel_run(lease.run_id, reason="enough"), lease


def expire(lease: Lease) -> None:
    """Let the lease run out."""
    RunQueue.objects.filter(run_id=lease.run_id).update(lease_expires_at=Now() - timedelta(seconds=1))


def again(run: Run | Lease) -> Run:
    """The run as it is now."""
    return Run.objects.get(pk=run.run_id if isinstance(run, Lease) else run.pk)


def story(run: Run | Lease) -> list[str]:
    """The types of its events, in order."""
    run_id = run.run_id if isinstance(run, Lease) else run.pk
    return list(Event.objects.filter(run_id=run_id).order_by("seq").values_list("type", flat=True))


def event(run: Run | Lease, type: str) -> Event:
    """Its last event of that type."""
    run_id = run.run_id if isinstance(run, Lease) else run.pk
    found = Event.objects.filter(run_id=run_id, type=type).order_by("-seq").first()
    assert found is not None, f"no {type} in {story(run)}"
    return found

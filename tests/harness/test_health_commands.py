import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command

from harness import dispatch, transitions, workers
from harness.clock import Now
from harness.models import Run, RunQueue, Worker
from harness.transitions import Outcome
from tests.world import queued_run, running_run, worker

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def redis(monkeypatch):
    monkeypatch.setattr(dispatch, "redis_alive", lambda: True)
    monkeypatch.setattr(dispatch, "depth", lambda key: 0)


def said(name, *args):
    """What the command printed, and its exit status."""
    out = StringIO()
    try:
        call_command(name, *args, stdout=out, stderr=StringIO())
    except SystemExit as end:
        return out.getvalue(), end.code
    return out.getvalue(), 0


def said_json(name, *args):
    text, status = said(name, *args, "--json")
    return json.loads(text), status


def test_health_ends_with_1_only_when_unhealthy():
    found, status = said_json("health")
    assert (found["status"], status) == ("unhealthy", 1)
    assert "No worker is alive." in found["symptoms"]

    worker()
    workers.register([], kind=Worker.Kind.SUPERVISOR)
    assert said("health") == ("healthy\n", 0)
    queued_run(queue_key="reports")
    RunQueue.objects.update(available_at=Now() - timedelta(hours=1))
    found, status = said_json("health")
    assert (found["status"], found["stuck"], status) == (
        "degraded",
        {"count": 1, "by_reason": {"no-worker": 1}},
        0,
    )


def test_explain_run_names_what_holds_it_and_what_to_press():
    run = queued_run()
    found, status = said_json("explain_run", str(run.pk))

    assert status == 0
    assert (found["run"], found["state"], found["code"]) == (str(run.pk), "queued", "no-worker")
    assert found["action"]["verb"] == "work"
    text, _ = said("explain_run", str(run.pk))
    assert "What to do: Start a worker: manage.py work default" in text


def test_check_invariants_ends_with_1_when_one_is_broken():
    queued_run()
    assert said("check_invariants") == ("All invariants hold.\n", 0)

    RunQueue.objects.all().delete()
    found, status = said_json("check_invariants")
    assert (found["ok"], status, [each["number"] for each in found["violations"]]) == (False, 1, [6])
    assert found["violations"][0]["rows"] == [str(Run.objects.get().pk)]


def test_prune_says_what_it_would_do_and_does_it():
    lease = running_run()
    transitions.finish(lease, Outcome.completed())

    found, _ = said_json("prune", "--days", "0", "--dry-run")
    assert (found["runs"], Run.objects.count()) == (1, 1)
    found, _ = said_json("prune", "--days", "0")
    assert (found["runs"], found["threads"], Run.objects.count()) == (1, 1, 0)

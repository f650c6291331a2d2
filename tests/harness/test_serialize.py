"""Scripts rely on exactly these keys."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from harness import approvals, control, serialize, transitions
from harness.models import Artifact, Run
from harness.transitions import Outcome
from tests.world import again, claim, queued_run, running_run, user, waiting_run

pytestmark = pytest.mark.django_db

RUN_KEYS = {
    *("id", "thread", "agent", "state", "attempt", "epoch", "priority", "queue"),
    *("created_at", "started_at", "finished_at", "output", "error", "reason"),
}
APPROVAL_KEYS = {"id", "run", "tool", "args", "status", "kind", "expires_at", "decided_by"}


def test_a_run_has_exactly_the_public_keys():
    lease = running_run(priority=7)
    transitions.finish(lease, Outcome.completed({"freed": 12}))

    shown = serialize.run(again(lease))

    assert set(shown) == RUN_KEYS
    assert shown["id"] == str(lease.run_id)
    assert shown["thread"] == str(lease.thread_id)
    assert (shown["state"], shown["priority"], shown["queue"]) == ("completed", 7, "default")
    assert shown["output"] == {"freed": 12}


def test_a_run_that_was_not_started_has_none_for_its_times():
    shown = serialize.run(queued_run())

    assert shown["created_at"].endswith("Z")
    assert (shown["started_at"], shown["finished_at"], shown["output"]) == (None, None, None)


def test_times_are_iso_8601_in_utc():
    two_hours_east = timezone(timedelta(hours=2))

    assert serialize.time(datetime(2031, 5, 4, 12, 30, tzinfo=two_hours_east)) == "2031-05-04T10:30:00.000000Z"
    assert serialize.time(datetime(2031, 5, 4, tzinfo=UTC)) == "2031-05-04T00:00:00.000000Z"
    assert serialize.time(None) is None


def test_an_approval_has_exactly_the_public_keys_before_and_after_it_is_decided():
    run, (approval,) = waiting_run()
    approval.refresh_from_db()
    pending = serialize.approval(approval)
    decided = serialize.approval(approvals.resolve_approval(approval.pk, decision="approve", by=user("grace")))

    assert set(pending) == set(decided) == APPROVAL_KEYS
    assert (pending["run"], pending["status"], pending["decided_by"]) == (str(run.pk), "pending", None)
    assert (pending["tool"], pending["args"], pending["kind"]) == ("delete_file", {"path": "/tmp/a"}, "tool")
    assert (decided["status"], decided["decided_by"]) == ("approved", "grace")


def test_a_run_in_detail_adds_its_history_and_its_control():
    run, (approval,) = waiting_run()
    control.cancel_run(run.pk, reason="enough", by=user())

    shown = serialize.run_detail(again(run))

    assert set(shown) >= RUN_KEYS | {"steps", "events", "approvals", "control"}
    assert [event["seq"] for event in shown["events"]] == list(range(1, len(shown["events"]) + 1))
    assert [each["id"] for each in shown["approvals"]] == [str(approval.pk)]
    assert shown["control"]["cancel_requested"] is True
    assert (shown["control"]["cancel_reason"], shown["control"]["cancel_by"]) == ("enough", "ada")


def test_the_control_of_a_claimed_run_says_how_long_its_lease_holds():
    queued_run()
    lease = claim()

    shown = serialize.control_of(again(lease))

    assert shown is not None
    assert shown["worker"] == str(lease.worker_id)
    assert shown["lease_expires_at"] > shown["claimed_at"]


def test_a_run_in_detail_takes_the_same_few_queries_however_much_happened(django_assert_num_queries):
    run, _ = waiting_run()
    Artifact.objects.bulk_create(
        Artifact(run=run, name=f"{n}.txt", content_type="text/plain", size=1, sha256="0", file=f"{n}", epoch=1)
        for n in range(20)
    )

    with django_assert_num_queries(7):
        shown = serialize.run_detail(run)
    assert len(shown["artifacts"]) == 20


@pytest.mark.parametrize("make", [queued_run, lambda: again(running_run()), lambda: waiting_run()[0]])
def test_everything_can_be_written_as_json(make):
    run: Run = make()

    json.dumps(serialize.run_detail(run), allow_nan=False)
    json.dumps(serialize.thread(run.thread), allow_nan=False)

import uuid

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied

from harness import control, journal, transitions
from harness.errors import NotFound, RunCancelled
from harness.models import Approval, OperatorAction, RunControl, RunQueue, RunRequest
from harness.states import StepKind
from harness.transitions import Outcome
from tests.world import (
    again,
    cancelling_run,
    claim,
    claimed_run,
    event,
    queued_run,
    resuming_run,
    running_run,
    story,
    user,
    waiting_run,
    worker,
)

pytestmark = pytest.mark.django_db


def receipt(run):
    return RunControl.objects.get(run=run).receipt


def queued():
    return queued_run()


def claimed():
    return again(claimed_run())


def waiting():
    return waiting_run()[0]


@pytest.mark.parametrize("make", [queued, claimed, waiting, resuming_run], ids=lambda make: make.__name__)
def test_where_no_agent_executes_a_cancel_ends_the_run_at_once(make):
    run = make()
    state = run.state
    done = control.cancel_run(run.pk, reason="not needed", by=user())

    assert (done.state, done.reason) == ("cancelled", "cancelled: not needed")
    assert (receipt(run)["how"], receipt(run)["state_before"]) == ("at once", state)
    assert not RunQueue.objects.filter(run=run).exists()
    assert RunRequest.objects.get(run=run).input is None
    assert transitions.claim_next("default", worker().pk) is None


def test_a_cancelled_wait_expires_its_approvals_and_says_that_the_decision_was_cancel():
    run, (approval,) = waiting_run()
    control.cancel_run(run.pk, by=user())

    closed = Approval.objects.get(pk=approval.pk)
    assert (closed.status, closed.decision) == ("expired", "cancel")
    assert event(run, "approval.resolved").payload["decision"] == "cancel"


def test_a_running_one_is_asked_to_stop_and_says_so_until_it_has():
    run, lease = cancelling_run()
    assert (run.state, run.reason) == ("cancelling", "cancelling: enough")

    transitions.finish(lease, Outcome.cancelled())
    assert (again(run).state, again(run).reason) == ("cancelled", "cancelled: enough")


def test_a_resume_in_a_workers_hands_is_asked_to_stop():
    run = resuming_run()
    lease = claim()
    assert control.cancel_run(run.pk).state == "cancelling"

    with pytest.raises(RunCancelled):
        transitions.start(lease)
    assert transitions.finish(lease, Outcome.cancelled()).state == "cancelled"


def test_a_claimed_run_that_was_cancelled_does_not_start():
    lease = claimed_run()
    control.cancel_run(lease.run_id)

    with pytest.raises(RunCancelled):
        transitions.start(lease)


def test_a_cancel_keeps_who_why_when_and_from_where():
    run = queued_run()
    control.cancel_run(run.pk, reason="wrong folder", by=user("eve"))

    asked = RunControl.objects.get(run=run)
    assert (asked.cancel_requested, asked.cancel_by_name, asked.cancel_reason) == (True, "eve", "wrong folder")
    assert asked.cancel_at is not None
    assert asked.cancel_origin == "api"


def test_a_second_cancel_changes_nothing():
    run, _ = cancelling_run()
    again_asked = control.cancel_run(run.pk, reason="another reason", by=user("eve"))

    assert again_asked.state == "cancelling"
    assert RunControl.objects.get(run=run).cancel_reason == "enough"
    assert story(run).count("cancel.requested") == 1


def test_a_second_cancel_may_add_force():
    run, _ = cancelling_run()
    control.cancel_run(run.pk, force=True)

    assert RunControl.objects.get(run=run).cancel_force


def test_a_run_that_has_ended_stays_as_it_is():
    lease = running_run()
    transitions.finish(lease, Outcome.completed(1))

    run = control.cancel_run(lease.run_id, reason="late")
    assert (run.state, RunControl.objects.get(run=run).cancel_requested) == ("completed", False)


@pytest.mark.parametrize("unknown", [uuid.uuid4(), "no-such-thing", "", None])
def test_an_unknown_id_is_an_error_that_says_so(unknown):
    with pytest.raises(NotFound, match=f"There is no run {unknown}"):
        control.cancel_run(unknown)


def test_who_may_not_cancel_is_refused_and_the_attempt_is_kept():
    run = queued_run()
    stranger = get_user_model().objects.create_user("mallory", password="x")

    with pytest.raises(PermissionDenied, match="mallory may not"):
        control.cancel_run(run.pk, by=stranger)
    assert again(run).state == "queued"
    denied = OperatorAction.objects.get(action="cancel_run")
    assert (denied.by_name, denied.allowed, denied.object_id) == ("mallory", False, str(run.pk))


def test_a_step_in_flight_when_a_cancelled_run_ends_has_an_unknown_outcome():
    lease = running_run()
    journal.begin(lease, key="pay#1", kind=StepKind.TOOL, name="pay", args={}, retryable=False)
    control.cancel_run(lease.run_id)
    transitions.finish(lease, Outcome.cancelled(), how="SIGKILL", exit_status=-9)

    assert journal.steps(lease.run_id)["pay#1"].status == "unknown"
    said = receipt(again(lease))
    assert (said["how"], said["exit_status"], said["steps_unknown"]) == ("SIGKILL", -9, ["pay#1"])


def test_every_cancel_has_an_audit_row():
    run = queued_run()
    control.cancel_run(run.pk, reason="wrong", by=user())

    row = OperatorAction.objects.get(action="cancel_run")
    assert (row.by_name, row.reason, row.before, row.after) == (
        "ada",
        "wrong",
        {"state": "queued"},
        {"state": "cancelled"},
    )

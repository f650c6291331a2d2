from datetime import timedelta

import pytest

from harness import events, journal, transitions
from harness.clock import now
from harness.errors import LeaseLost, RunCancelled
from harness.models import Event, RecoveryIntent, RunControl, RunQueue, RunRequest
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
    waiting_run,
)

pytestmark = pytest.mark.django_db


def test_a_run_is_queued_claimed_started_and_completed():
    run = queued_run()
    lease = claim()
    transitions.start(lease)
    transitions.finish(lease, Outcome.completed({"freed": 3}))

    done = again(run)
    assert (done.state, done.output, done.epoch, done.attempt) == ("completed", {"freed": 3}, 1, 1)
    assert story(run) == [
        "run.created",
        "run.queued",
        "run.claimed",
        "run.dequeued",
        "run.started",
        "run.completed",
    ]
    assert done.created_at <= done.claimed_at <= done.started_at <= done.finished_at


def test_the_events_of_a_run_are_numbered_without_a_gap_and_fold_to_its_state():
    run, _ = waiting_run()

    seqs = list(Event.objects.filter(run=run).order_by("seq").values_list("seq", flat=True))
    states = [e.payload["state"] for e in Event.objects.filter(run=run).order_by("seq") if "state" in e.payload]
    assert seqs == list(range(1, run.event_seq + 1))
    assert states[-1] == run.state


def test_queued_and_dequeued_say_position_active_and_limit():
    queued_run()
    second = queued_run()

    assert event(second, "run.queued").payload["position"] == 2
    lease = claim()
    facts = event(lease, "run.dequeued").payload
    assert (facts["position"], facts["active"], facts["limit"]) == (1, 1, None)


def test_the_request_is_cleared_and_the_queue_left_when_a_run_ends():
    lease = running_run(input={"secret": 1})
    transitions.finish(lease, Outcome.failed("no disk"))

    request = RunRequest.objects.get(run_id=lease.run_id)
    assert (request.input, request.cleared_at is not None) == (None, True)
    assert not RunQueue.objects.filter(run_id=lease.run_id).exists()


def test_the_answer_becomes_a_message_of_the_thread():
    lease = running_run(input="how much is free?")
    transitions.finish(lease, Outcome.completed("12 GB"))

    thread = again(lease).thread
    assert [(m.role, m.content) for m in thread.messages.order_by("id")] == [
        ("user", "how much is free?"),
        ("assistant", "12 GB"),
    ]
    assert thread.status == "completed"


def test_a_terminal_run_never_changes_again():
    lease = running_run()
    transitions.finish(lease, Outcome.completed("first"))

    with pytest.raises(LeaseLost):
        transitions.finish(lease, Outcome.failed("second"))
    assert again(lease).output == "first"


def test_a_run_cannot_be_started_twice_under_one_lease():
    lease = running_run()

    with pytest.raises(LeaseLost):
        transitions.start(lease)


def test_a_parked_run_holds_no_worker():
    run, _ = waiting_run()

    assert run.state == "waiting_for_approval"
    assert not RunQueue.objects.filter(run=run).exists()


def test_a_resumed_run_keeps_its_intent_until_it_runs_again():
    run = resuming_run()
    assert RecoveryIntent.objects.get(run=run).kind == "approval"

    lease = claim()
    assert lease.resuming
    assert again(run).state == "resuming"
    transitions.start(lease)
    assert again(run).state == "running"
    assert event(run, "run.resumed").payload["kind"] == "approval"
    assert not RecoveryIntent.objects.filter(run=run).exists()


def test_a_released_run_waits_again_and_counts_no_crash():
    lease = running_run()
    transitions.release(lease, reason="drain")

    run = again(lease)
    assert (run.state, run.crashes) == ("queued", 0)
    assert RunQueue.objects.get(run=run).claimed_by is None
    assert claim().epoch == lease.epoch + 1


def test_a_sleeping_run_is_not_claimed_before_it_wakes():
    lease = running_run()
    transitions.release(lease, reason="sleep", wake_in=timedelta(hours=1))

    assert transitions.claim_next("default", lease.worker_id) is None


def test_a_released_resume_that_had_not_started_is_still_a_resume():
    run = resuming_run()
    transitions.release(claim(), reason="drain")

    assert again(run).state == "resuming"
    assert RecoveryIntent.objects.filter(run=run).exists()


def test_a_step_is_written_before_its_effect_and_once_more_when_it_ended():
    lease = running_run()
    step = journal.begin(lease, key="ls#1", kind=StepKind.TOOL, name="ls", args={}, retryable=True)
    assert journal.steps(lease.run_id)["ls#1"].status == "started"

    journal.finish(lease, step, ["a"])
    ended = journal.steps(lease.run_id)["ls#1"]
    assert (ended.status, ended.result, ended.executions) == ("finished", ["a"], 1)


def test_a_finished_step_never_changes_and_is_never_begun_again():
    lease = running_run()
    step = journal.begin(lease, key="ls#1", kind=StepKind.TOOL, name="ls", args={}, retryable=True)
    journal.finish(lease, step, "first")

    with pytest.raises(ValueError, match="has ended"):
        journal.finish(lease, step, "second")
    with pytest.raises(ValueError, match="never executed again"):
        journal.begin(lease, key="ls#1", kind=StepKind.TOOL, name="ls", args={}, retryable=True, again=step)
    assert journal.steps(lease.run_id)["ls#1"].result == "first"


def test_tokens_are_counted_once_with_the_step_that_used_them():
    lease = running_run()
    step = journal.begin(lease, key="m#1", kind=StepKind.MODEL, name="m", args={}, retryable=True)
    journal.finish(lease, step, "hi", journal.Usage(tokens_in=10, tokens_out=5))

    assert (again(lease).tokens_in, again(lease).tokens_out) == (10, 5)


def test_no_step_starts_once_a_cancel_is_committed_but_one_in_flight_is_recorded():
    lease = running_run()
    step = journal.begin(lease, key="ls#1", kind=StepKind.TOOL, name="ls", args={}, retryable=True)
    from harness import control

    control.cancel_run(lease.run_id)
    with pytest.raises(RunCancelled):
        journal.begin(lease, key="ls#2", kind=StepKind.TOOL, name="ls", args={}, retryable=True)
    journal.finish(lease, step, "kept")
    assert [(s.key, s.status) for s in journal.steps(lease.run_id).values()] == [("ls#1", "finished")]


def test_a_result_after_a_committed_cancel_is_kept_in_the_receipt_only():
    run, lease = cancelling_run()
    transitions.finish(lease, Outcome.completed("too late"))

    ended = again(run)
    assert (ended.state, ended.output, ended.reason) == ("cancelled", None, "cancelled: enough")
    assert RunControl.objects.get(run=run).receipt["late_result"] == "too late"


def test_the_clock_of_the_database_has_a_time_zone():
    assert now().tzinfo is not None


def test_an_event_of_a_worker_that_lost_its_lease_is_refused():
    lease = claimed_run()
    transitions.release(lease, reason="drain")

    with pytest.raises(LeaseLost):
        events.append_held(lease, "custom.late")
    assert "custom.late" not in story(lease)

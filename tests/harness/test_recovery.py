from datetime import timedelta

import pytest

from harness import approvals, artifacts, control, events, journal, recovery, transitions
from harness.agents import agent, registry
from harness.clock import Now
from harness.errors import LeaseLost
from harness.models import Approval, RecoveryIntent, Run, RunControl, RunQueue, RunRequest
from harness.states import StepKind
from harness.transitions import Outcome
from tests.world import (
    again,
    cancelling_run,
    claim,
    claimed_run,
    event,
    expire,
    queued_run,
    resuming_run,
    running_run,
    story,
    user,
    worker,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def settings_of(settings):
    def change(**values):
        settings.HARNESS = settings.HARNESS | values

    return change


@pytest.fixture
def careful_agent():
    @agent("careful", on_unknown="fail")
    def careful(ctx):
        """Fails rather than asks."""

    yield "careful"
    registry.unregister("careful")


def lost(lease):
    """Its worker is gone and the lease has run out."""
    expire(lease)
    return lease


def step(lease, key="delete#1", *, retryable=False):
    return journal.begin(lease, key=key, kind=StepKind.TOOL, name="delete", args={"path": "/a"}, retryable=retryable)


def test_a_running_run_whose_lease_ran_out_is_queued_again_for_replay():
    lease = lost(running_run())

    assert recovery.recover_expired() == 1
    run = again(lease)
    assert (run.state, run.epoch, run.crashes, run.attempt) == ("queued", lease.epoch + 1, 1, 1)
    assert story(run)[-3:] == ["run.lease_lost", "run.requeued", "run.queued"]
    assert event(run, "run.lease_lost").payload["why"] == "expired-lease"
    assert event(run, "run.queued").payload["reclaim_reason"] == "expired-lease"


def test_a_lease_that_has_not_run_out_is_left_alone():
    lease = running_run()

    assert recovery.recover_expired() == 0
    assert not recovery.recover(lease.run_id, recovery.Loss(recovery.EXPIRED))
    assert again(lease).epoch == lease.epoch


def test_a_worker_that_was_taken_over_can_write_nothing():
    lease = lost(running_run())
    recovery.recover_expired()

    with pytest.raises(LeaseLost):
        transitions.finish(lease, Outcome.completed("late"))
    with pytest.raises(LeaseLost):
        step(lease)
    with pytest.raises(LeaseLost):
        events.append_held(lease, "custom.late")
    assert again(lease).state == "queued"


def test_an_expired_claim_that_never_started_counts_no_crash():
    lease = lost(claimed_run())
    recovery.recover_expired()

    run = again(lease)
    assert (run.state, run.crashes) == ("queued", 0)
    assert event(run, "run.queued").payload["reclaim_reason"] == "expired-lease"
    assert transitions.claim_next("default", worker().pk).epoch == lease.epoch + 2


def test_a_horse_that_dies_gives_its_run_back_at_once():
    lease = running_run()
    recovery.horse_died(lease.worker_id, signal=9)

    run = again(lease)
    assert (run.state, run.crashes) == ("queued", 1)
    assert event(run, "run.lease_lost").payload["signal"] == 9
    assert event(run, "run.queued").payload["reclaim_reason"] == "horse-died"


def test_a_horse_that_was_killed_to_drain_counts_no_crash():
    lease = running_run()
    recovery.horse_died(lease.worker_id, signal=9, drained=True)

    assert (again(lease).state, again(lease).crashes) == ("queued", 0)


def test_a_horse_of_another_worker_is_not_touched():
    lease = running_run()
    recovery.horse_died(worker("other").pk, signal=9)

    assert again(lease).state == "running"


def test_finished_and_retryable_steps_do_not_stand_in_the_way_of_a_replay():
    lease = running_run()
    journal.finish(lease, step(lease), "done")
    step(lease, "list#1", retryable=True)
    lost(lease)
    recovery.recover_expired()

    assert again(lease).state == "queued"
    assert journal.steps(lease.run_id)["delete#1"].result == "done"
    assert journal.steps(lease.run_id)["list#1"].status == "started"


def test_a_step_that_may_have_happened_is_unknown_and_a_person_is_asked():
    lease = running_run()
    step(lease)
    lost(lease)
    recovery.recover_expired()

    run = again(lease)
    assert run.state == "waiting_for_approval"
    assert journal.steps(run.pk)["delete#1"].status == "unknown"
    asked = Approval.objects.get(run=run)
    assert (asked.kind, asked.step_key, asked.args, asked.status) == ("recovery", "delete#1", {"path": "/a"}, "pending")
    assert story(run)[-4:] == ["run.lease_lost", "step.unknown", "run.state_changed", "approval.requested"]
    assert not RunQueue.objects.filter(run=run).exists()


def test_the_answer_about_a_lost_step_resumes_the_run_as_a_recovery():
    lease = running_run()
    step(lease)
    lost(lease)
    recovery.recover_expired()
    approvals.resolve_approval(Approval.objects.get(run_id=lease.run_id).pk, decision="approve", by=user())

    assert again(lease).state == "resuming"
    taken = claim(by=worker())
    transitions.start(taken)
    assert event(lease, "run.resumed").payload["kind"] == "recovery"


def test_an_agent_may_rather_fail_than_ask(careful_agent):
    lease = running_run(agent=careful_agent)
    step(lease)
    lost(lease)
    recovery.recover_expired()

    run = again(lease)
    assert (run.state, run.reason) == ("failed", "stale running run cannot be replayed safely")
    assert "delete#1" in run.error
    assert journal.steps(run.pk)["delete#1"].status == "unknown"
    assert "step.unknown" in story(run)


def test_a_run_that_kills_its_worker_every_time_is_failed_as_poison(settings_of):
    settings_of(MAX_CRASHES=3)
    lease = running_run()
    for _ in range(2):
        recovery.horse_died(lease.worker_id, signal=9)
        lease = claim(by=worker())
        transitions.start(lease)
    recovery.horse_died(lease.worker_id, signal=9)

    run = again(lease)
    assert (run.state, run.crashes, run.attempt) == ("failed", 3, 3)
    assert run.reason.startswith("poison")


def test_a_run_without_its_request_fails_with_that_reason():
    lease = running_run()
    RunRequest.objects.filter(run_id=lease.run_id).delete()
    lost(lease)
    recovery.recover_expired()

    run = again(lease)
    assert (run.state, run.attempt) == ("failed", 1)
    assert "request" in run.reason


def test_a_run_without_its_agent_fails_with_that_reason():
    lease = lost(running_run(agent="long-gone"))
    recovery.recover_expired()

    assert (again(lease).state, again(lease).attempt) == ("failed", 1)
    assert "'long-gone'" in again(lease).reason


def test_a_run_past_its_deadline_is_not_tried_again():
    lease = lost(running_run(deadline_in=timedelta(hours=1)))
    RunControl.objects.filter(run_id=lease.run_id).update(deadline=Now())
    recovery.recover_expired()

    assert (again(lease).state, again(lease).reason) == ("failed", "deadline exceeded")


def test_a_resume_that_was_cut_off_is_taken_up_again_from_its_intent():
    run = resuming_run()
    lost(claim(by=worker()))
    recovery.recover_expired()

    intent = RecoveryIntent.objects.get(run=run)
    assert (again(run).state, intent.kind, intent.attempts) == ("resuming", "interrupted-resume", 1)
    assert RunQueue.objects.get(run=run).claimed_by is None
    transitions.start(claim(by=worker()))
    assert event(run, "run.resumed").payload["kind"] == "interrupted-resume"


def test_a_cancelled_run_whose_worker_is_lost_is_closed_with_a_receipt():
    run, lease = cancelling_run()
    lost(lease)
    recovery.recover_expired()

    receipt = RunControl.objects.get(run=run).receipt
    assert (again(run).state, again(run).reason, again(run).epoch) == ("cancelled", "cancelled: enough", 2)
    assert receipt["how"] == "worker lost"
    assert not RunQueue.objects.filter(run=run).exists()


def test_the_receipt_says_how_the_process_of_a_cancelled_run_died():
    run, lease = cancelling_run()
    recovery.horse_died(lease.worker_id, signal=11)

    receipt = RunControl.objects.get(run=run).receipt
    assert (again(run).state, receipt["how"], receipt["signal"]) == (
        "cancelled",
        "its process was ended by SIGSEGV",
        11,
    )


def test_a_cancel_that_its_worker_should_have_finished_long_ago_is_closed():
    run, _ = cancelling_run()
    assert recovery.close_overdue_cancels() == 0

    RunControl.objects.filter(run=run).update(cancel_at=Now() - recovery.cancel_patience())
    assert recovery.close_overdue_cancels() == 1
    assert (again(run).state, again(run).epoch) == ("cancelled", 2)
    assert RunControl.objects.get(run=run).receipt["how"] == "worker lost"


def test_a_cancel_whose_worker_has_stopped_is_closed_without_waiting():
    run, lease = cancelling_run()
    type(worker()).objects.filter(pk=lease.worker_id).update(stopped_at=Now())

    assert recovery.close_overdue_cancels() == 1
    assert again(run).state == "cancelled"


def test_recovery_can_be_turned_off_but_cancels_are_closed(settings_of):
    settings_of(RECOVERY_ENABLED=False)
    left = lost(running_run())
    run, lease = cancelling_run()
    lost(lease)

    assert recovery.recover_expired() == 1
    recovery.horse_died(left.worker_id, signal=9)
    assert (again(left).state, again(run).state) == ("running", "cancelled")


def test_the_oldest_losses_are_recovered_first_and_a_batch_is_bounded():
    leases = [lost(running_run()) for _ in range(3)]
    RunQueue.objects.filter(run_id=leases[2].run_id).update(lease_expires_at=Now() - timedelta(hours=1))

    assert recovery.recover_expired(limit=1) == 1
    assert [again(lease).state for lease in leases] == ["running", "running", "queued"]


def test_one_run_that_cannot_be_recovered_does_not_keep_the_others(monkeypatch):
    broken, other = lost(running_run()), lost(running_run())
    requeue = recovery.requeue

    def refuse(run, **facts):
        if run.pk == broken.run_id:
            raise RuntimeError("broken row")
        requeue(run, **facts)

    monkeypatch.setattr(recovery, "requeue", refuse)
    assert recovery.recover_expired() == 1
    assert (again(broken).state, again(broken).epoch) == ("running", broken.epoch)
    assert again(other).state == "queued"


def test_an_artifact_of_a_worker_that_was_taken_over_is_refused():
    lease = lost(running_run())
    stored = artifacts.store(lease, "report.txt", b"late")
    recovery.recover_expired()

    with pytest.raises(LeaseLost):
        artifacts.record(lease, stored)
    stored.drop()


def test_a_queued_run_can_still_be_cancelled_after_its_recovery():
    lease = lost(running_run())
    recovery.recover_expired()
    control.cancel_run(lease.run_id, reason="no more")

    assert again(lease).reason == "cancelled: no more"
    assert Run.objects.get(pk=queued_run().pk).state == "queued"

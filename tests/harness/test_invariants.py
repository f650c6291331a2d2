"""Each check is shown to fail on a row that breaks it, and to hold on everything that the real verbs write."""

from contextlib import contextmanager
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection

from harness import approvals, artifacts, control, invariants, journal, recovery, transitions
from harness.clock import Now
from harness.models import (
    Approval,
    Artifact,
    Event,
    OperatorAction,
    Queue,
    RecoveryIntent,
    Run,
    RunControl,
    RunQueue,
    RunRequest,
    Step,
)
from harness.states import StepKind
from harness.transitions import Outcome
from tests.world import (
    again,
    ask,
    cancelling_run,
    claim,
    claimed_run,
    expire,
    queued_run,
    resuming_run,
    running_run,
    user,
    waiting_run,
    worker,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def storage(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path


@contextmanager
def unconstrained(model):
    """Let rows be written that the database's own constraints of the model would refuse."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # no table is altered while checks of it are pending
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        for constraint in model._meta.constraints:
            if connection.vendor == "postgresql":
                cursor.execute(f'ALTER TABLE "{table}" DROP CONSTRAINT IF EXISTS "{constraint.name}"')
            cursor.execute(f'DROP INDEX IF EXISTS "{constraint.name}"')
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA ignore_check_constraints = ON")
    try:
        yield
    finally:
        if connection.vendor == "sqlite":
            connection.cursor().execute("PRAGMA ignore_check_constraints = OFF")


def broken():
    """Numbers of the invariants that do not hold."""
    return {violation.number for violation in invariants.check()}


def step(lease, key="delete_file#1", *, args=None, retryable=True, end=False):
    begun = journal.begin(
        lease, key=key, kind=StepKind.TOOL, name=key.split("#")[0], args=args or {}, retryable=retryable
    )
    return journal.finish(lease, begun, "done") if end else begun


def used_approval():
    """A guarded step that ran as approved."""
    run, (approval,) = waiting_run(queue_key="guarded")
    approvals.resolve_approval(approval.pk, decision="approve", by=user())
    lease = claim("guarded", by=worker())
    transitions.start(lease)
    approvals.consume(lease, Approval.objects.get(pk=approval.pk), {"path": "/tmp/a"})
    return step(lease, args={"path": "/tmp/a"}, retryable=False, end=True), again(run)


def done_run():
    lease = running_run()
    step(lease, end=True)
    transitions.finish(lease, Outcome.completed("ok"))
    return again(lease)


def test_everything_that_the_verbs_write_holds():
    claimed_run()
    running_run()
    waiting_run()
    resuming_run(queue_key="resuming")
    cancelling_run()
    done_run()
    used_approval()
    control.cancel_run(waiting_run(ask("a#1"), ask("b#1"))[0].pk, by=user(), reason="no")
    queued_run()
    control.pause_queue("default", by=user())
    lost = claim_lost(retryable=False)
    approvals.resolve_approval(Approval.objects.get(run=lost).pk, decision="approve", by=user())

    assert invariants.check() == []


def claim_lost(*, retryable):
    """A run whose worker died inside a step."""
    Queue.objects.update(paused_at=None)
    lease = running_run(queue_key="lost")
    step(lease, "pay#1", retryable=retryable)
    expire(lease)
    recovery.recover_expired()
    return again(lease)


def test_a_step_that_a_person_said_to_run_again_is_no_violation():
    run = claim_lost(retryable=False)
    approvals.resolve_approval(Approval.objects.get(run=run).pk, decision="approve", by=user())
    lease = claim("lost", by=worker())
    transitions.start(lease)
    lost = journal.steps(run.pk)["pay#1"]
    journal.begin(lease, key="pay#1", kind=StepKind.TOOL, name="pay", args={}, retryable=False, again=lost)

    assert invariants.check() == []


def test_1_something_after_the_end():
    run = done_run()
    Event.objects.create(run=run, seq=run.event_seq + 1, type="run.state_changed", payload={"state": "completed"})
    Run.objects.filter(pk=run.pk).update(event_seq=run.event_seq + 1)

    assert broken() == {1}


def test_2_a_move_that_is_not_allowed():
    run = queued_run()
    Event.objects.create(run=run, seq=3, type="run.completed", payload={"state": "running"})
    with unconstrained(Run):
        Run.objects.filter(pk=run.pk).update(event_seq=3, state="running")

    assert 2 in broken()


def test_2_a_life_that_does_not_begin_queued():
    run = queued_run()
    Event.objects.filter(run=run, type="run.queued").update(payload={"state": "claimed"})
    RunQueue.objects.update(claimed_by=worker(), claimed_at=Now(), lease_expires_at=Now(), claim_epoch=0)
    Run.objects.update(state="claimed")

    assert broken() == {2}


def test_3_a_claim_that_did_not_raise_the_epoch():
    lease = running_run()
    transitions.release(lease, reason="drain")
    claim(by=worker())
    Event.objects.filter(type="run.claimed").update(epoch=1)

    assert broken() >= {3}


def test_3_an_epoch_that_fell():
    running_run()
    RunQueue.objects.update(claim_epoch=0)
    Run.objects.update(epoch=0)

    assert broken() == {3}


def test_4_a_worker_that_wrote_after_its_epoch():
    lease = running_run()
    transitions.release(lease, reason="drain")
    second = claim(by=worker())
    run = again(second)
    Event.objects.create(run=run, seq=run.event_seq + 1, type="custom.late", epoch=1)
    Run.objects.update(event_seq=run.event_seq + 1)

    assert broken() == {4}


def test_4_a_step_and_an_approval_of_an_epoch_that_never_was():
    lease = running_run()
    step(lease, end=True)
    Step.objects.update(epoch=9)
    assert broken() == {4}

    Step.objects.update(epoch=1)
    waiting_run()
    Approval.objects.update(epoch=9)
    assert broken() == {4}


def test_5_two_owners():
    lease = running_run()
    RunQueue.objects.filter(run_id=lease.run_id).update(claim_epoch=7)

    assert broken() == {5}


def test_5_two_busy_runs_in_a_thread():
    lease, other = running_run(), running_run()
    with unconstrained(Run):
        Run.objects.filter(pk=other.run_id).update(thread_id=lease.thread_id)
        assert broken() == {5}


def test_6_a_state_without_its_claim_and_a_claim_without_its_state():
    lease = running_run()
    RunQueue.objects.update(claimed_by=None, claimed_at=None, lease_expires_at=None, claim_epoch=None)
    assert broken() == {6}

    RunQueue.objects.update(claimed_by=lease.worker_id, claimed_at=Now(), lease_expires_at=Now(), claim_epoch=1)
    assert broken() == set()
    Run.objects.update(state="queued")
    assert 6 in broken()


def test_6_a_queued_run_in_no_queue():
    queued_run()
    RunQueue.objects.all().delete()

    assert broken() == {6}


def test_9_a_step_that_was_repeated_without_a_word():
    lease = running_run()
    step(lease, retryable=False, end=True)
    Step.objects.update(executions=2)

    assert broken() == {9}


def test_10_a_result_that_was_computed_again_or_never_told():
    run = done_run()
    told = Event.objects.get(run=run, type="step.finished")
    Event.objects.create(run=run, seq=run.event_seq + 1, type="step.finished", payload=told.payload, epoch=1)
    Run.objects.update(event_seq=run.event_seq + 1)
    assert broken() == {10}

    Event.objects.filter(type="step.finished").update(type="custom.other")
    assert broken() == {10}


def test_11_an_effect_that_was_not_written_ahead():
    step(running_run(), end=True)
    Event.objects.filter(type="step.started").update(type="custom.other")

    assert broken() == {11}


def test_12_a_cancel_flag_that_fell():
    cancelling_run()
    RunControl.objects.update(cancel_requested=False)

    assert broken() == {12}


def test_13_a_committed_cancel_that_did_not_win():
    run = done_run()
    RunControl.objects.filter(run=run).update(cancel_requested=True, cancel_at=run.created_at + timedelta(days=1))

    assert broken() == {13}


def test_14_a_step_after_a_cancel():
    lease = running_run()
    step(lease)
    control.cancel_run(lease.run_id)
    Step.objects.update(started_at=Now() + timedelta(seconds=20))

    assert broken() == {14}


def test_15_a_decision_told_twice_or_never():
    _, run = used_approval()
    told = Event.objects.get(run=run, type="approval.resolved")
    Event.objects.create(run=run, seq=run.event_seq + 1, type=told.type, payload=told.payload, epoch=run.epoch)
    Run.objects.update(event_seq=run.event_seq + 1)
    assert broken() == {15}

    Event.objects.filter(type="approval.resolved").update(type="custom.other")
    assert broken() == {15}


def test_15_a_decision_that_is_half():
    waiting_run()
    with unconstrained(Approval):
        Approval.objects.update(decision="approve", decided_at=Now())
        assert broken() == {15}


def test_16_a_guarded_tool_without_a_used_approval():
    used_approval()
    Approval.objects.update(consumed_at=None)

    assert broken() == {16}


def test_16_a_guarded_tool_with_other_arguments():
    done, _ = used_approval()
    Step.objects.filter(pk=done.pk).update(args={"path": "/etc/passwd"})

    assert broken() == {16}


def test_16_a_rejected_approval_that_was_used():
    _run, (approval,) = waiting_run()
    approvals.resolve_approval(approval.pk, decision="reject", reason="no", by=user())
    Approval.objects.update(consumed_at=Now())

    assert broken() == {16}


def test_17_a_run_that_waits_for_nothing():
    _run, _ = waiting_run()
    Approval.objects.all().delete()

    assert broken() == {17}


def test_17_a_question_that_outlives_its_run():
    run, (_approval,) = waiting_run()
    control.cancel_run(run.pk)
    Approval.objects.update(status="pending", decision="", decided_at=None)
    Event.objects.filter(type="approval.resolved").update(type="custom.other")

    assert broken() == {17}


def test_18_a_gap_in_the_history():
    run = done_run()
    Event.objects.filter(run=run, type="run.dequeued").delete()
    assert broken() == {18}


def test_18_a_history_that_ends_early():
    run = done_run()
    Run.objects.update(event_seq=run.event_seq + 1)
    assert broken() == {18}


def test_18_a_state_that_the_history_does_not_tell():
    lease = claimed_run()
    Run.objects.filter(pk=lease.run_id).update(state="running")

    assert broken() == {18}


def test_19_more_holders_than_the_limit():
    running_run()
    running_run()
    Queue.objects.update(max_concurrent_runs=1)

    assert broken() == {19}


def test_19_a_limit_that_was_lowered_since_is_no_violation():
    running_run()
    running_run()
    control.set_queue_limit("default", 1)

    assert broken() == set()


def test_19_more_holders_than_all_queues_may_have(settings):
    running_run()
    running_run()
    settings.HARNESS = settings.HARNESS | {"MAX_CONCURRENT_RUNS": 1}

    assert broken() == {19}


@pytest.mark.parametrize(
    "times",
    [
        {"claimed_at": timedelta(hours=-1)},
        {"started_at": timedelta(hours=-1)},
        {"finished_at": timedelta(hours=-1)},
    ],
)
def test_20_times_out_of_order(times):
    run = done_run()
    with unconstrained(Run):
        Run.objects.filter(pk=run.pk).update(**{name: run.created_at + by for name, by in times.items()})
        assert broken() == {20}


def test_20_steps_and_approvals_that_end_before_they_begin():
    done, _ = used_approval()
    Step.objects.update(finished_at=done.started_at - timedelta(seconds=1))
    assert broken() == {20}

    Step.objects.update(finished_at=done.finished_at)
    Approval.objects.update(consumed_at=done.started_at - timedelta(hours=1))
    assert broken() == {20}


def test_21_a_run_without_its_parts():
    RunRequest.objects.filter(run=queued_run()).delete()
    assert broken() == {21}


def test_21_what_an_ended_run_left_behind():
    run = done_run()
    RecoveryIntent.objects.create(run=run, kind="approval")
    assert broken() == {21}

    RecoveryIntent.objects.all().delete()
    Step.objects.update(status="started", finished_at=None)
    assert 21 in broken()


def test_21_an_artifact_without_its_file_and_a_file_without_its_artifact(monkeypatch):
    lease = running_run()
    artifacts.record(lease, artifacts.store(lease, "report.txt", b"hello"))
    assert broken() == set()

    default_storage.delete(Artifact.objects.get().file.name)
    assert broken() == {21}

    Artifact.objects.all().delete()
    default_storage.save(f"artifacts/{uuid4()}/{uuid4()}", ContentFile(b"nobody's"))
    assert broken() == set(), "a young file may belong to a row that is not committed yet"
    monkeypatch.setattr("harness.invariants.orphans.YOUNG", timedelta(0))
    assert broken() == {21}


@pytest.mark.parametrize("verb", ["cancel", "decide", "pause"])
def test_22_a_change_that_the_audit_does_not_tell(verb):
    run, (approval,) = waiting_run()
    if verb == "cancel":
        control.cancel_run(run.pk, by=user())
    elif verb == "decide":
        approvals.resolve_approval(approval.pk, decision="approve", by=user())
    else:
        control.pause_queue("default", by=user())
    assert broken() == set()

    OperatorAction.objects.all().delete()
    assert broken() == {22}


def test_a_violation_names_at_most_twenty_rows_and_counts_all():
    for _ in range(23):
        queued_run()
    RunQueue.objects.all().delete()

    (violation,) = invariants.check()
    assert (len(violation.rows), violation.count) == (20, 23)
    assert violation.rows[0] in {str(pk) for pk in Run.objects.values_list("pk", flat=True)}

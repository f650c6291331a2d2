from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from harness import control, dispatch, health, journal, limits, recovery, transitions, workers
from harness.agents import agent, registry
from harness.canonical import dumps
from harness.clock import Now
from harness.models import Approval, Queue, Run, RunControl, RunQueue, Worker
from harness.states import StepKind
from harness.transitions import Outcome
from tests.world import (
    again,
    cancelling_run,
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
LONG_AGO = timedelta(hours=1)


@pytest.fixture(autouse=True)
def redis(monkeypatch):
    monkeypatch.setattr(dispatch, "redis_alive", lambda: True)
    monkeypatch.setattr(dispatch, "depth", lambda key: 0)
    monkeypatch.setattr(dispatch, "ring", lambda key, times=1: True)


@pytest.fixture
def supervised():
    return workers.register([], kind=Worker.Kind.SUPERVISOR)


@pytest.fixture
def settings_of(settings):
    def change(**values):
        settings.HARNESS = settings.HARNESS | values

    return change


def quiet(run_id, age=LONG_AGO):
    """Nothing has happened to the run for so long; its worker beats on."""
    Run.objects.filter(pk=run_id).update(updated_at=Now() - age, state_since=Now() - age)
    RunControl.objects.filter(run_id=run_id).update(progress_at=Now() - age, heartbeat_at=Now())
    RunQueue.objects.filter(run_id=run_id).update(available_at=Now() - age)


def silent(worker_id, age=LONG_AGO):
    Worker.objects.filter(pk=worker_id).update(heartbeat_at=Now() - age)


def of(run):
    return health.explain(again(run))


def step(lease, key="delete#1", args=None, *, end=False):
    begun = journal.begin(lease, key=key, kind=StepKind.TOOL, name=key[:-2], args=args or {}, retryable=True)
    return journal.finish(lease, begun, None) if end else begun


# --- waiting for a worker --------------------------------------------------------------------------------------------


def test_a_run_for_later_is_scheduled_and_not_stuck():
    run = queued_run()
    Run.objects.update(updated_at=Now() - LONG_AGO)
    RunQueue.objects.update(available_at=Now() + LONG_AGO)

    assert (of(run).code, of(run).stuck) == ("scheduled", False)
    assert "due in" in of(run).sentence
    assert health.stuck_runs() == []


def test_an_agent_that_sleeps_is_not_stuck():
    lease = running_run()
    transitions.release(lease, reason="sleep", wake_in=LONG_AGO)
    Run.objects.update(updated_at=Now() - LONG_AGO)

    assert (of(lease).code, of(lease).stuck) == ("sleeping", False)


def test_a_paused_queue_is_named_with_who_and_why():
    run = queued_run()
    control.pause_queue("default", reason="disk full", by=user("ada"))

    said = of(run)
    assert said.code == "queue-paused"
    assert "paused by ada: disk full" in said.sentence
    assert (said.action.verb, said.action.target) == ("resume_queue", "default")


def test_a_pause_that_has_ended_holds_nothing():
    run = queued_run()
    control.pause_queue("default")
    Queue.objects.update(paused_until=Now())

    assert of(run).code != "queue-paused"


def test_a_busy_thread_is_named_with_the_run_that_keeps_it():
    lease = running_run()
    run = queued_run(thread=again(lease).thread)

    said = of(run)
    assert (said.code, said.evidence["busy_with"]) == ("thread-busy", str(lease.run_id))


def test_an_older_run_of_the_thread_goes_first():
    first = queued_run()
    second = queued_run(thread=first.thread)

    assert of(second).evidence["busy_with"] == str(first.pk)
    assert of(first).code != "thread-busy"


def test_a_reached_limit_is_named_with_who_holds_the_slots_and_the_place_in_the_queue():
    lease = running_run()
    control.set_queue_limit("default", 1)
    queued_run()
    run = queued_run()

    said = of(run)
    assert said.code == "limit-reached"
    assert (said.evidence["limit"], said.evidence["held_by"]) == (1, [str(lease.run_id)])
    assert said.evidence["position"] == 2
    assert "queue default" in said.sentence


def test_the_limit_of_an_agent_and_of_all_queues_are_named(settings_of):
    running_run()
    run = queued_run()
    limits.set_agent_limit("drill", 1)
    try:
        assert "agent drill" in of(run).sentence
    finally:
        limits.set_agent_limit("drill", None)
    settings_of(MAX_CONCURRENT_RUNS=1)
    assert "all queues together" in of(run).sentence


def test_a_queue_that_no_worker_listens_to_is_named():
    run = queued_run(queue_key="reports")
    worker()

    said = of(run)
    assert (said.code, said.evidence["alive_elsewhere"]) == ("no-worker", 1)
    assert "none listens to it" in said.sentence
    assert "manage.py work" in said.action.label


def test_workers_that_are_late_or_draining_do_not_count():
    run = queued_run()
    silent(worker("late").pk)
    workers.drain(worker("draining").pk)

    said = of(run)
    assert (said.code, said.evidence["late"], said.evidence["draining"]) == ("no-worker", 1, 1)


def test_a_due_run_that_no_live_worker_serves_is_stuck_before_it_is_old():
    run = queued_run()
    assert not of(run).stuck

    RunQueue.objects.update(available_at=Now() - timedelta(seconds=31))
    assert of(run).stuck
    assert [each.pk for each, _ in health.stuck_runs()] == [run.pk]


def test_redis_that_is_away_is_named(monkeypatch):
    monkeypatch.setattr(dispatch, "redis_alive", lambda: False)
    run = queued_run()
    worker()

    assert of(run).code == "redis-down"


def test_busy_workers_are_counted():
    running_run()
    run = queued_run()

    assert (of(run).code, of(run).evidence["workers"]) == ("workers-busy", 1)


def test_a_lost_doorbell_is_noticed_and_so_is_that_nobody_rings_again(supervised):
    run = queued_run()
    worker()
    assert of(run).code == "about-to-start"

    RunQueue.objects.update(available_at=Now() - timedelta(seconds=20))
    assert of(run).code == "not-rung"
    assert "by itself" in of(run).who
    workers.stop(supervised.pk)
    assert "No supervisor" in of(run).sentence


def test_a_resume_that_waits_for_a_worker_is_explained_as_one():
    run = resuming_run()
    Worker.objects.all().delete()

    assert of(run).code == "no-worker"


# --- held by a worker ------------------------------------------------------------------------------------------------


def test_a_healthy_run_works_and_says_so():
    lease = running_run()
    transitions.beat(lease.worker_id)
    step(lease)

    said = of(lease)
    assert (said.code, said.stuck, said.tone) == ("working", False, "ok")
    assert "delete#1" in said.sentence


def test_a_claim_that_never_started_is_named():
    lease = claimed_run()
    assert (of(lease).code, of(lease).stuck) == ("starting", False)

    quiet(lease.run_id)
    RunQueue.objects.update(claimed_at=Now() - LONG_AGO)
    assert (of(lease).code, of(lease).stuck) == ("never-started", True)


def test_an_expired_lease_is_named_with_who_takes_it_over(supervised):
    lease = running_run()
    expire(lease)

    said = of(lease)
    assert (said.code, said.stuck, said.action) == ("lease-expired", True, None)
    assert "next pass" in said.sentence


def test_recovery_that_does_not_run_is_named(supervised):
    lease = running_run()
    expire(lease)
    silent(supervised.pk, timedelta(seconds=90))

    said = of(lease)
    assert said.code == "supervisor-down"
    assert "Recovery has not run for 90 s" in said.sentence
    assert said.action.verb == "supervise"


def test_recovery_that_is_turned_off_is_named(settings_of):
    settings_of(RECOVERY_ENABLED=False)
    lease = running_run()
    expire(lease)

    assert of(lease).code == "recovery-off"


def test_a_worker_that_does_not_beat_and_one_that_has_stopped_are_named(supervised):
    lease = running_run()
    silent(lease.worker_id, timedelta(seconds=31))
    assert of(lease).code == "worker-late"
    assert of(lease).evidence["lease_left_seconds"] > 20

    workers.stop(lease.worker_id)
    assert of(lease).code == "worker-stopped"


def test_a_run_that_was_never_beaten_for_is_stuck():
    lease = running_run()
    RunQueue.objects.update(claimed_at=Now() - timedelta(seconds=31))

    assert (of(lease).code, of(lease).stuck) == ("never-beat", True)


def test_a_stale_heartbeat_is_stuck():
    lease = running_run()
    RunQueue.objects.update(claimed_at=Now() - timedelta(seconds=90))
    RunControl.objects.update(heartbeat_at=Now() - timedelta(seconds=40))

    assert (of(lease).code, of(lease).stuck) == ("heartbeat-stale", True)


def test_a_step_that_does_not_move_is_named_with_its_usual_duration():
    for n in range(3):
        done = running_run()
        step(done, f"delete#{n}", end=True)
        transitions.finish(done, Outcome.completed())
    lease = running_run()
    step(lease)
    quiet(lease.run_id)

    said = of(lease)
    assert (said.code, said.stuck, said.evidence["step"]) == ("no-progress", True, "delete#1")
    assert said.evidence["no_progress_seconds"] > 3000
    assert said.evidence["usual_p95_seconds"] < 5
    assert "It usually takes" in said.sentence


def test_an_agent_may_say_for_how_long_it_is_silent():
    @agent("patient", stuck_after=7200)
    def patient(ctx):
        """Takes its time."""

    try:
        lease = running_run(agent="patient")
        quiet(lease.run_id)
        assert not of(lease).stuck
        quiet(lease.run_id, timedelta(hours=3))
        assert (of(lease).stuck, of(lease).code) == (True, "no-progress")
    finally:
        registry.unregister("patient")


def test_the_same_call_again_and_again_is_a_loop():
    lease = running_run()
    transitions.beat(lease.worker_id)
    for n in range(9):
        step(lease, f"look#{n}", {"at": "/a"}, end=True)
    assert of(lease).code == "working"

    step(lease, "look#9", {"at": "/a"}, end=True)
    said = of(lease)
    assert (said.code, said.stuck, said.evidence["times"]) == ("looping", True, 10)


def test_calls_with_different_arguments_are_no_loop():
    lease = running_run()
    transitions.beat(lease.worker_id)
    for n in range(12):
        step(lease, f"look#{n}", {"at": n}, end=True)

    assert of(lease).code == "working"


def test_a_deadline_that_passed_is_named():
    lease = running_run(deadline_in=LONG_AGO)
    RunControl.objects.update(deadline=Now(), heartbeat_at=Now())

    assert of(lease).code == "deadline-passed"


# --- asked to stop, or waiting for a person --------------------------------------------------------------------------


def test_a_cancel_says_how_far_it_is_and_when_it_is_overdue(supervised):
    run, _ = cancelling_run()
    assert (of(run).code, of(run).evidence["rung"], of(run).stuck) == ("cancelling", "asked", False)

    RunControl.objects.update(cancel_at=Now() - timedelta(seconds=12))
    assert of(run).evidence["rung"] == "SIGTERM"
    RunControl.objects.update(cancel_at=Now() - recovery.cancel_patience())
    said = of(run)
    assert (said.code, said.evidence["rung"], said.stuck) == ("cancel-overdue", "SIGKILL", True)


def test_a_cancel_whose_worker_is_gone_says_so(supervised):
    run, lease = cancelling_run()
    workers.stop(lease.worker_id)

    assert of(run).code == "worker-stopped"


def test_a_waiting_run_names_the_decision_and_is_stuck_only_past_its_deadline():
    run, (approval,) = waiting_run()
    Run.objects.update(updated_at=Now() - LONG_AGO)
    said = of(run)
    assert (said.code, said.stuck, said.action.target) == ("waiting-for-approval", False, str(approval.pk))
    assert "delete_file" in said.sentence

    Approval.objects.update(expires_at=Now() - timedelta(seconds=5), assignee=user("grace"))
    assert (of(run).code, of(run).stuck, of(run).who) == ("approval-overdue", True, "grace")


def test_a_lost_step_asks_what_became_of_it():
    lease = running_run()
    journal.begin(lease, key="pay#1", kind=StepKind.TOOL, name="pay", args={}, retryable=False)
    expire(lease)
    recovery.recover_expired()

    assert "what became of pay#1" in of(lease).sentence


def test_a_run_that_has_ended_says_how():
    lease = running_run()
    transitions.finish(lease, Outcome.failed("no disk"))

    assert (of(lease).code, of(lease).tone) == ("failed", "bad")
    assert "no disk" in of(lease).sentence


def test_rows_that_contradict_each_other_are_said_to():
    run = queued_run()
    RunQueue.objects.all().delete()

    assert of(run).code == "inconsistent"
    assert "Checked:" in of(run).sentence


# --- all of them -----------------------------------------------------------------------------------------------------


def test_the_stuck_are_listed_the_longest_silent_first_by_one_predicate():
    young, old, fine = running_run(), running_run(), running_run()
    for lease in (young, old, fine):
        transitions.beat(lease.worker_id)
    quiet(young.run_id, timedelta(minutes=6))
    quiet(old.run_id)

    found = health.stuck_runs()
    assert [run.pk for run, _ in found] == [old.run_id, young.run_id]
    assert all(said.stuck for _, said in found)
    assert health.stuck_count() == 2
    assert health.stuck_runs(1)[0][0].pk == old.run_id


def test_a_list_of_stuck_runs_takes_the_same_number_of_queries_whatever_its_length():
    def quiet_runs(count):
        for _ in range(count):
            lease = running_run()
            step(lease)
            quiet(lease.run_id)
            run, _ = waiting_run()
            Approval.objects.filter(run=run).update(expires_at=Now())
            quiet(queued_run(queue_key="reports").pk)

    quiet_runs(1)
    with CaptureQueriesContext(connection) as few:
        assert len(health.stuck_runs()) == 3
    quiet_runs(4)
    with CaptureQueriesContext(connection) as many:
        assert len(health.stuck_runs()) == 15
    assert len(many) == len(few)


def test_all_is_well_with_a_supervisor_and_a_worker(supervised):
    worker()
    found = health.summary()

    assert (found["status"], found["symptoms"]) == ("healthy", [])
    assert found["workers"] == {"alive": 1, "draining": 0, "late": 0}
    assert found["supervisor"]["age_seconds"] < 5


def test_a_stuck_run_degrades_the_whole_and_is_counted_by_reason(supervised):
    lease = running_run()
    quiet(lease.run_id)
    found = health.summary()

    assert found["status"] == "degraded"
    assert found["stuck"] == {"count": 1, "by_reason": {"no-progress": 1}}
    assert found["symptoms"] == ["1 run is stuck: 1 no progress."]


def test_without_supervisor_workers_or_redis_it_is_unhealthy(supervised, monkeypatch):
    silent(supervised.pk, timedelta(seconds=90))
    monkeypatch.setattr(dispatch, "redis_alive", lambda: False)
    found = health.summary()

    assert found["status"] == "unhealthy"
    assert found["symptoms"] == [
        "Recovery has not run for 90 s.",
        "No worker is alive.",
        "Redis does not answer: new work waits until it is back.",
    ]


def test_pending_approvals_and_queues_are_summed_up(supervised):
    waiting_run()
    queued_run()
    control.pause_queue("default")
    found = health.summary()

    assert (found["approvals"]["pending"], found["approvals"]["overdue"]) == (1, 0)
    assert (found["queues"]["default"]["due"], found["queues"]["default"]["paused"]) == (1, True)
    assert "Queue default is paused while 1 run is waiting." in found["symptoms"]


def test_an_explanation_can_be_written_as_json():
    assert "no-worker" in dumps(of(queued_run()).as_dict())

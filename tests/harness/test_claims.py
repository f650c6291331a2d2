from datetime import timedelta

import pytest
from django.db import connection

from harness import control, limits, transitions
from harness.clock import now
from harness.errors import LeaseLost
from harness.models import Run, RunQueue
from harness.transitions import Outcome
from harness.transitions.claiming import _Overtaken, _take, eligible
from tests.world import again, claim, claimed_run, queued_run, resuming_run, running_run, waiting_run, worker

pytestmark = pytest.mark.django_db


def test_the_highest_priority_goes_first_then_the_due_time_then_the_age():
    an_hour_ago = now() - timedelta(hours=1)
    late = queued_run()
    later = queued_run()
    overdue = queued_run(available_at=an_hour_ago)
    urgent = queued_run(priority=5)

    assert [claim().run_id for _ in range(4)] == [urgent.pk, overdue.pk, late.pk, later.pk]


def test_nothing_is_claimed_from_an_empty_queue_or_for_another_one():
    queued_run(queue_key="slow")

    assert transitions.claim_next("default", worker().pk) is None
    assert transitions.claim_next("slow", worker().pk) is not None


def test_a_run_scheduled_for_later_is_left_alone():
    queued_run(available_at=now() + timedelta(minutes=1))

    assert transitions.claim_next("default", worker().pk) is None


def test_every_claim_raises_the_epoch_so_that_the_former_owner_can_write_nothing():
    old = running_run()
    transitions.release(old, reason="drain")
    new = claim()
    transitions.start(new)

    assert new.epoch == old.epoch + 1
    with pytest.raises(LeaseLost):
        transitions.finish(old, Outcome.completed("from the grave"))
    assert again(new).state == "running"


def test_an_old_copy_of_a_row_does_not_hand_out_the_same_epoch_twice():
    queued_run()
    row = RunQueue.objects.select_related("run").get()
    claim()

    with pytest.raises(_Overtaken):
        _take(row, worker().pk, None)


def test_a_paused_queue_hands_out_nothing_until_it_is_resumed():
    queued_run()
    control.pause_queue("default", reason="maintenance")
    assert transitions.claim_next("default", worker().pk) is None

    control.resume_queue("default")
    assert claim()


def test_a_pause_ends_by_itself():
    queued_run()
    control.pause_queue("default", until=now() - timedelta(seconds=1))

    assert claim()


def test_the_limit_of_a_queue_holds():
    for _ in range(3):
        queued_run()
    control.set_queue_limit("default", 2)

    first = claim()
    claim()
    assert transitions.claim_next("default", worker().pk) is None
    transitions.start(first)
    transitions.finish(first, Outcome.completed())
    assert claim()


def test_the_overall_limit_holds_over_all_queues(settings):
    settings.HARNESS = {**settings.HARNESS, "MAX_CONCURRENT_RUNS": 1}
    queued_run()
    queued_run(queue_key="slow")
    claim()

    assert transitions.claim_next("slow", worker().pk) is None


def test_the_limit_of_an_agent_holds_and_lets_other_agents_pass():
    limits.set_agent_limit("greedy", 1)
    try:
        for _ in range(2):
            queued_run(agent="greedy")
        other = queued_run(agent="modest")
        claim()
        assert claim().run_id == other.pk
        assert transitions.claim_next("default", worker().pk) is None
    finally:
        limits.set_agent_limit("greedy", None)


def test_a_waiting_run_takes_no_slot():
    control.set_queue_limit("default", 1)
    waiting_run()
    queued_run()

    assert claim()


def test_a_resumed_run_needs_a_slot_again():
    resuming_run()
    control.set_queue_limit("default", 1)
    claimed_run(priority=9)

    assert transitions.claim_next("default", worker().pk) is None


def test_a_thread_has_at_most_one_active_run():
    first = running_run()
    thread = again(first).thread
    second = queued_run(thread=thread, priority=50)
    assert transitions.claim_next("default", worker().pk) is None

    transitions.finish(first, Outcome.completed())
    assert claim().run_id == second.pk


def test_runs_of_a_thread_go_in_the_order_of_their_making_whatever_their_priority():
    first = queued_run()
    queued_run(thread=first.thread, priority=50)

    assert claim().run_id == first.pk


def test_a_run_scheduled_for_later_does_not_hold_up_its_thread():
    later = queued_run(available_at=now() + timedelta(days=1))
    second = queued_run(thread=later.thread)

    assert claim().run_id == second.pk


def test_a_sleeping_run_keeps_its_thread():
    lease = running_run()
    queued_run(thread=again(lease).thread)
    transitions.release(lease, reason="sleep", wake_in=timedelta(hours=1))

    assert transitions.claim_next("default", worker().pk) is None


def test_the_claim_query_has_an_index_made_for_it():
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")  # a small table is read whole otherwise

    assert "queue_next" in eligible("default").explain()


def test_beats_renew_every_lease_and_say_what_is_asked():
    lease = running_run()
    before = RunQueue.objects.get(run_id=lease.run_id).lease_expires_at
    assert [h.cancel_requested for h in transitions.beat(lease.worker_id)] == [False]
    control.cancel_run(lease.run_id, reason="enough")

    (held,) = transitions.beat(lease.worker_id)
    assert held.cancel_requested
    assert held.cancel_age >= 0
    assert RunQueue.objects.get(run_id=lease.run_id).lease_expires_at > before


def test_a_beat_does_not_renew_what_belongs_to_another_worker():
    lease = running_run()
    before = RunQueue.objects.get(run_id=lease.run_id).lease_expires_at

    assert transitions.beat(worker("w2").pk) == []
    assert RunQueue.objects.get(run_id=lease.run_id).lease_expires_at == before


def test_a_cancel_of_a_claimed_run_takes_it_from_its_worker():
    lease = claimed_run()
    assert control.cancel_run(lease.run_id).state == "cancelled"
    assert transitions.beat(lease.worker_id) == []
    assert Run.objects.get(pk=lease.run_id).finished_at is not None

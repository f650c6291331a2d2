"""What happens at the same instant: real threads with connections of their own, on a committed database."""

from collections import Counter

import pytest

from harness import approvals, control, journal, transitions
from harness.errors import Conflict, LeaseLost, RunCancelled
from harness.models import Approval, Event, OperatorAction, Run, RunQueue
from harness.states import StepKind
from harness.transitions import Outcome
from tests.races import at_once
from tests.world import again, ask, claim, expire, queued_run, running_run, user, waiting_run, worker

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 40


def test_eight_workers_claim_each_run_once_and_in_order_of_priority():
    for n in range(60):
        queued_run(priority=n % 3)
    workers = [worker(f"w{n}") for n in range(8)]
    claims = []

    def take_all(me):
        while lease := transitions.claim_next("default", me.pk):
            claims.append(lease)

    results = at_once(*(lambda me=me: take_all(me) for me in workers))

    assert results == [None] * 8
    assert Counter(Counter(lease.run_id for lease in claims).values()) == {1: 60}
    assert {lease.epoch for lease in claims} == {1}
    assert Event.objects.filter(type="run.claimed").count() == 60


def test_a_limit_holds_when_eight_workers_claim_at_once():
    control.set_queue_limit("default", 3)
    for _ in range(12):
        queued_run()
    workers = [worker(f"w{n}") for n in range(8)]

    results = at_once(*(lambda me=me: transitions.claim_next("default", me.pk) for me in workers))

    assert sum(result is not None for result in results) == 3
    assert RunQueue.objects.claimed().count() == 3


def test_the_overall_limit_holds_over_queues_claimed_at_once(settings):
    settings.HARNESS = {**settings.HARNESS, "MAX_CONCURRENT_RUNS": 2}
    for n in range(8):
        queued_run(queue_key=f"q{n % 4}")
    workers = [worker(f"w{n}") for n in range(8)]

    results = at_once(*(lambda n=n: transitions.claim_next(f"q{n % 4}", workers[n].pk) for n in range(8)))

    assert not [result for result in results if isinstance(result, BaseException)]
    assert RunQueue.objects.claimed().count() == 2


def test_two_runs_of_one_thread_are_never_claimed_together():
    for _ in range(10):
        first = queued_run()
        queued_run(thread=first.thread)
        workers = [worker(f"w{n}") for n in range(2)]
        results = at_once(*(lambda me=me: transitions.claim_next("default", me.pk) for me in workers))

        assert [result.run_id for result in results if result] == [first.pk]
        control.cancel_run(first.pk)
        control.cancel_run(Run.objects.of_thread(first.thread_id).active().get().pk)


def test_cancel_against_claim_leaves_no_run_that_starts_after_it():
    for _ in range(ROUNDS):
        run, me = queued_run(), worker()

        def work(me=me):
            lease = transitions.claim_next("default", me.pk)
            if lease is None:
                return None
            try:
                transitions.start(lease)
                journal.begin(lease, key="s#1", kind=StepKind.CUSTOM, name="s", args={}, retryable=True)
            except RunCancelled:
                pass
            return lease

        worked, cancelled = at_once(work, lambda run=run: control.cancel_run(run.pk, reason="no"))

        assert not isinstance(worked, BaseException), worked
        assert not isinstance(cancelled, BaseException), cancelled
        assert again(run).state in ("cancelled", "cancelling")
        history = list(Event.objects.filter(run=run).order_by("seq").values_list("type", flat=True))
        assert "step.started" not in history[history.index("cancel.requested") :]
        if again(run).state == "cancelling":
            transitions.finish(worked, Outcome.cancelled())
        assert not RunQueue.objects.filter(run=run).exists()


def test_cancel_against_finish_ends_one_way_or_the_other():
    ends = Counter()
    for _ in range(ROUNDS):
        lease = running_run()
        finished, cancelled = at_once(
            lambda lease=lease: transitions.finish(lease, Outcome.completed("done")),
            lambda lease=lease: control.cancel_run(lease.run_id),
        )
        assert not isinstance(finished, BaseException), finished
        assert not isinstance(cancelled, BaseException), cancelled
        ends[again(lease).state] += 1
        types = Event.objects.filter(run_id=lease.run_id, type__in=("run.completed", "run.cancelled"))
        assert types.count() == 1
    assert set(ends) <= {"completed", "cancelled"}


def test_approve_against_reject_is_decided_once_and_the_other_is_told():
    ada, eve = user("ada"), user("eve")
    for n in range(ROUNDS):
        run, (approval,) = waiting_run(queue_key=f"q{n}")
        results = at_once(
            lambda a=approval: approvals.resolve_approval(a.pk, decision="approve", by=ada),
            lambda a=approval: approvals.resolve_approval(a.pk, decision="reject", by=eve, reason="no"),
        )

        (lost,) = [result for result in results if isinstance(result, Conflict)]
        (won,) = [result for result in results if isinstance(result, Approval)]
        assert won.decided_by_name in str(lost)
        assert Event.objects.filter(run=run, type="approval.resolved").count() == 1
        assert again(run).state == "resuming"
    assert OperatorAction.objects.filter(action="resolve_approval").count() == ROUNDS


def test_two_questions_of_one_run_decided_at_once_resume_it_once():
    ada, eve = user("ada"), user("eve")
    for n in range(ROUNDS):
        run, (one, two) = waiting_run(ask("delete_file#1"), ask("delete_file#2"), queue_key=f"q{n}")
        results = at_once(
            lambda a=one: approvals.resolve_approval(a.pk, decision="approve", by=ada),
            lambda a=two: approvals.resolve_approval(a.pk, decision="approve", by=eve),
        )

        assert all(isinstance(result, Approval) for result in results), results
        assert again(run).state == "resuming"
        assert RunQueue.objects.filter(run=run).count() == 1


def test_cancel_against_approve_has_one_winner():
    ada = user("ada")
    for n in range(ROUNDS):
        run, (approval,) = waiting_run(queue_key=f"q{n}")
        decided, cancelled = at_once(
            lambda a=approval: approvals.resolve_approval(a.pk, decision="approve", by=ada),
            lambda run=run: control.cancel_run(run.pk),
        )

        assert isinstance(decided, (Approval, Conflict)), decided
        assert cancelled.state == "cancelled"
        assert again(run).state == "cancelled"
        closed = Approval.objects.get(pk=approval.pk)
        assert closed.decision == ("approve" if isinstance(decided, Approval) else "cancel")


def test_three_takers_of_one_expired_lease_take_it_once():
    for _ in range(ROUNDS):
        lease = running_run()
        expire(lease)
        run = again(lease)

        def take(run=run):
            return transitions.take_over(
                run, why="lease expired", actor="supervisor", crashed=True, only_expired=True, facts={}
            )

        results = at_once(take, take, take)

        assert sum(isinstance(result, Run) for result in results) == 1, results
        assert (again(lease).epoch, again(lease).crashes) == (lease.epoch + 1, 1)
        with pytest.raises(LeaseLost):
            transitions.finish(lease, Outcome.completed("zombie"))


def test_a_beat_against_a_reap_keeps_the_lease_or_loses_it_but_never_both():
    for _ in range(ROUNDS):
        lease = running_run()
        expire(lease)
        run = again(lease)

        @transitions.takeover.unit
        def reap(run=run):
            taken = transitions.take_over(
                run, why="lease expired", actor="supervisor", crashed=True, only_expired=True, facts={}
            )
            if taken:
                transitions.requeue(taken, reclaim_reason="expired-lease", actor="supervisor")
            return taken

        _, taken = at_once(lambda lease=lease: transitions.beat(lease.worker_id), reap)

        held = RunQueue.objects.claimed().filter(run_id=lease.run_id).exists()
        assert held == (not isinstance(taken, Run)), taken
        if taken:
            claim()


def test_events_of_three_writers_leave_no_gap():
    from harness import events

    lease = running_run()

    def write():
        for _ in range(50):
            events.append_held(lease, "custom.tick")

    assert at_once(write, write, write) == [None] * 3
    seqs = list(Event.objects.filter(run_id=lease.run_id).order_by("seq").values_list("seq", flat=True))
    assert seqs == list(range(1, len(seqs) + 1))

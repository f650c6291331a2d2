"""Supervisors and workers at the same instant: real threads, each with a connection of its own."""

from collections import Counter

import pytest

from harness import recovery, transitions
from harness.errors import LeaseLost
from harness.models import Event, Run, RunQueue
from harness.transitions import Outcome
from tests.races import at_once
from tests.world import again, cancelling_run, expire, queued_run, running_run, worker

pytestmark = pytest.mark.django_db(transaction=True)


def lost_runs(count):
    """That many running runs of one worker whose leases have run out."""
    me = worker("lost")
    for _ in range(count):
        queued_run()
    for _ in range(count):
        transitions.start(transitions.claim_next("default", me.pk))
    RunQueue.objects.update(lease_expires_at="2020-01-01T00:00:00Z")


@pytest.mark.parametrize("supervisors", [2, 3])
def test_supervisors_that_find_the_same_expired_leases_take_each_over_once(supervisors):
    lost_runs(200)

    def reap_all():
        found = 0
        while RunQueue.objects.claimed().expired().exists():
            found += recovery.recover_expired(limit=100)
        return found

    found = at_once(*[reap_all] * supervisors)

    assert sum(found) == 200
    assert Counter(Run.objects.values_list("state", "epoch", "crashes", "attempt")) == {("queued", 2, 1, 1): 200}
    told = Event.objects.filter(type__in=("run.lease_lost", "run.requeued")).values_list("type", flat=True)
    assert Counter(told) == {"run.lease_lost": 200, "run.requeued": 200}
    assert Event.objects.filter(type="run.queued", payload__reclaim_reason="expired-lease").count() == 200


def test_a_worker_that_finishes_while_its_lease_is_reaped_either_finishes_or_writes_nothing():
    for _ in range(20):
        lease = running_run()
        expire(lease)

        finished, reaped = at_once(
            lambda lease=lease: transitions.finish(lease, Outcome.completed("done")), recovery.recover_expired
        )

        run = again(lease)
        if isinstance(finished, LeaseLost):
            assert (run.state, run.output, reaped) == ("queued", None, 1)
        else:
            assert (run.state, run.output) == ("completed", "done")
            assert not isinstance(reaped, Exception)
        RunQueue.objects.all().delete()


def test_a_beat_that_meets_a_reap_keeps_the_run_or_loses_it_whole():
    for _ in range(20):
        lease = running_run()
        expire(lease)

        held, _ = at_once(lambda lease=lease: transitions.beat(lease.worker_id), recovery.recover_expired)

        run, row = again(lease), RunQueue.objects.get(run_id=lease.run_id)
        assert not isinstance(held, Exception)
        assert (run.state, run.epoch, row.claimed_by_id) in {
            ("running", 1, lease.worker_id),
            ("queued", 2, None),
        }
        RunQueue.objects.all().delete()
        Run.objects.all().delete()


def test_a_parent_and_a_supervisor_recover_a_run_once():
    for _ in range(20):
        lease = running_run()
        expire(lease)

        at_once(lambda lease=lease: recovery.horse_died(lease.worker_id, signal=9), recovery.recover_expired)

        assert (again(lease).epoch, again(lease).crashes) == (2, 1)
        Run.objects.all().delete()


def test_a_cancelled_run_is_closed_once_by_its_worker_or_by_a_supervisor():
    for _ in range(20):
        run, lease = cancelling_run()
        expire(lease)

        at_once(lambda lease=lease: transitions.finish(lease, Outcome.cancelled()), recovery.recover_expired)

        assert again(run).state == "cancelled"
        assert Event.objects.filter(run=run, type="run.cancelled").count() == 1

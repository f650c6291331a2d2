import math
from datetime import datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied

from harness import control, transitions
from harness.clock import now
from harness.errors import Conflict, InvalidInput, NotFound, ThreadBusy, UnknownAgent, UnknownQueue
from harness.models import OperatorAction, Run, RunQueue, RunRequest, Thread, Worker
from harness.transitions import Outcome
from tests.world import again, claim, queued_run, running_run, user, worker

pytestmark = pytest.mark.django_db


def start(**wish):
    return control.start_run(**{"agent": "drill", "input": {"mode": "sleep", "seconds": 1}, **wish})


def test_a_started_run_is_queued_in_a_thread_of_its_own():
    run = start(by=user(), priority=3, title="nightly")

    assert (run.state, run.priority, run.title, run.created_by.username) == ("queued", 3, "nightly", "ada")
    assert run.thread.agent == "drill"
    assert RunQueue.objects.get(run=run).priority == 3
    assert RunRequest.objects.get(run=run).input["mode"] == "sleep"
    assert OperatorAction.objects.get(action="start_run").by_name == "ada"


def test_a_run_without_a_title_is_named_after_its_input():
    assert start().title.startswith("drill: mode=sleep")


@pytest.mark.parametrize(
    ("wish", "error", "says"),
    [
        ({"agent": "nobody"}, UnknownAgent, "nobody"),
        ({"queue": "nowhere"}, UnknownQueue, "no queue 'nowhere'. Known queues: default"),
        ({"input": {"mode": "dance"}}, InvalidInput, "mode"),
        ({"input": {"mode": "sleep", "seconds": "long"}}, InvalidInput, "seconds"),
        ({"input": {"mode": math.nan}}, InvalidInput, "not JSON"),
        ({"input": {"x": object()}}, InvalidInput, "not JSON"),
        ({"input": {"mode": "x" * 5_000_000}}, InvalidInput, "limit is 1,000,000"),
        ({"priority": 1000}, InvalidInput, "from -100 to 100"),
        ({"priority": "high"}, InvalidInput, "from -100 to 100"),
        ({"if_busy": "explode"}, InvalidInput, "enqueue, reject, interrupt"),
        ({"thread": "no-such-thread"}, NotFound, "There is no thread no-such-thread"),
        ({"available_at": datetime(2030, 1, 1)}, InvalidInput, "time zone"),
        ({"by": "nobody"}, InvalidInput, "no active user named 'nobody'"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_written(wish, error, says):
    with pytest.raises(error) as refused:
        start(**wish)

    assert says in str(refused.value)
    assert (Run.objects.count(), Thread.objects.count()) == (0, 0)


def test_an_unknown_agent_is_answered_with_the_known_ones():
    with pytest.raises(UnknownAgent, match="disk-janitor"):
        start(agent="nobody")


def test_who_may_not_start_is_refused_and_the_attempt_is_kept():
    get_user_model().objects.create_user("mallory", password="x")

    with pytest.raises(PermissionDenied):
        start(by="mallory")
    assert Run.objects.count() == 0
    assert OperatorAction.objects.get(action="start_run").allowed is False


def test_a_run_for_later_waits_for_its_time():
    start(available_at=now() + timedelta(hours=1))

    assert transitions.claim_next("default", worker().pk) is None


def test_a_busy_thread_takes_the_run_behind_the_active_one():
    lease = running_run()
    run = start(thread=again(lease).thread_id)

    assert run.state == "queued"
    assert transitions.claim_next("default", lease.worker_id) is None


def test_a_busy_thread_may_refuse():
    lease = running_run()

    with pytest.raises(ThreadBusy, match=str(lease.run_id)):
        start(thread=again(lease).thread, if_busy="reject")


def test_a_busy_thread_may_be_interrupted():
    lease = running_run()
    run = start(thread=again(lease).thread, if_busy="interrupt")

    assert again(lease).state == "cancelling"
    transitions.finish(lease, Outcome.cancelled())
    assert claim().run_id == run.pk


def test_a_retry_is_a_new_run_that_points_back():
    lease = running_run(input={"mode": "fail", "seconds": 0})
    transitions.finish(lease, Outcome.failed("no luck"))

    retry = control.retry_run(lease.run_id, by=user())
    assert (retry.retry_of_id, retry.thread_id, retry.state) == (lease.run_id, again(lease).thread_id, "queued")
    assert RunRequest.objects.get(run=retry).input["mode"] == "fail"
    assert again(lease).state == "failed"


def test_only_an_ended_run_can_be_retried():
    run = queued_run()

    with pytest.raises(Conflict, match="is queued"):
        control.retry_run(run.pk)


def test_a_pause_says_who_why_and_until_when():
    until = now() + timedelta(hours=1)
    queue = control.pause_queue("default", reason="upgrade", until=until, by=user())

    assert (queue.paused_by.username, queue.paused_reason, queue.paused_until) == ("ada", "upgrade", until)
    resumed = control.resume_queue("default", by=user())
    assert (resumed.paused_at, resumed.paused_by, resumed.paused_until) == (None, None, None)
    assert list(OperatorAction.objects.order_by("id").values_list("action", flat=True)) == [
        "pause_queue",
        "resume_queue",
    ]


@pytest.mark.parametrize("limit", [-1, "two", 1.5])
def test_a_limit_is_a_whole_number(limit):
    with pytest.raises(InvalidInput, match="whole number"):
        control.set_queue_limit("default", limit)


def test_a_queue_nobody_knows_cannot_be_paused():
    with pytest.raises(UnknownQueue):
        control.pause_queue("nowhere")


def test_a_worker_is_asked_to_drain_once():
    me = worker()
    control.drain_worker(me.pk, by=user())
    control.drain_worker(me.pk, by=user())

    assert Worker.objects.get(pk=me.pk).draining_at is not None
    assert OperatorAction.objects.filter(action="drain_worker").count() == 1

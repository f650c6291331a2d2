"""Overview, health, queues, workers, audit, and the answers for machines."""

from typing import Any

import pytest
from django.test import Client

from harness import control
from harness.models import OperatorAction, Queue, Worker
from harness.workers import register
from tests import world
from tests.infra.redis import RedisServer

pytestmark = pytest.mark.django_db(transaction=True)
HTMX = {"HX-Request": "true"}


@pytest.fixture
def ada(client: Client) -> Client:
    client.force_login(world.user())
    return client


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def test_the_overview_says_first_what_is_stuck_and_what_waits(ada: Client) -> None:
    world.waiting_run()
    world.expire(world.running_run())

    page = text(ada.get("/"))

    assert "1 run is stuck" in page
    assert "1 decision waits" in page
    assert "<title>1 stuck, 1 to decide · Overview · Runwatch</title>" in page


def test_the_overview_says_that_all_is_well_only_when_it_is(ada: Client, redis: RedisServer) -> None:
    assert "Work stands still." in text(ada.get("/"))

    register(["default"])
    register([], kind=Worker.Kind.SUPERVISOR)

    assert "All is well." in text(ada.get("/"))


def test_the_health_page_groups_stuck_runs_by_what_holds_them(ada: Client) -> None:
    lost = world.running_run(title="lost run")
    world.expire(lost)

    page = text(ada.get("/health/"))

    assert f"stuck-{lost.run_id}" in page
    assert "Its lease ran out" in page
    assert "HARNESS_STUCK_AFTER_SECONDS" in page


def test_a_queue_is_paused_with_a_reason_and_resumed(ada: Client) -> None:
    answer = ada.post("/queues/default/pause/", {"reason": "deploy", "minutes": "15"}, headers=HTMX)

    queue = Queue.objects.get(pk="default")
    assert (answer.status_code, queue.paused_reason) == (200, "deploy")
    assert queue.paused_until is not None
    assert "Paused" in text(answer)
    assert "default is paused." in text(answer)

    answer = ada.post("/queues/default/resume/", headers=HTMX)

    assert Queue.objects.get(pk="default").paused_at is None
    assert "Open" in text(answer)


def test_a_pause_without_reason_is_refused(ada: Client) -> None:
    answer = ada.post("/queues/default/pause/", {"reason": ""}, headers=HTMX)

    assert answer.status_code == 422
    assert "Say why the queue pauses." in text(answer)
    assert not Queue.objects.paused().exists()


@pytest.mark.parametrize(("typed", "limit"), [("3", 3), ("0", 0), ("", None)])
def test_a_limit_is_set_and_taken_away(ada: Client, typed: str, limit: int | None) -> None:
    control.set_queue_limit("default", 7)

    ada.post("/queues/default/limit/", {"limit": typed}, headers=HTMX)

    assert Queue.objects.get(pk="default").max_concurrent_runs == limit


@pytest.mark.parametrize("typed", ["-1", "many", "1.5"])
def test_a_wrong_limit_changes_nothing(ada: Client, typed: str) -> None:
    control.set_queue_limit("default", 7)

    assert ada.post("/queues/default/limit/", {"limit": typed}, headers=HTMX).status_code == 422
    assert Queue.objects.get(pk="default").max_concurrent_runs == 7


def test_an_unknown_queue_is_not_found(ada: Client) -> None:
    assert ada.post("/queues/nowhere/resume/").status_code == 404


def test_without_scripts_an_action_leads_back_and_says_what_it_did(ada: Client) -> None:
    answer = ada.post("/queues/default/pause/", {"reason": "deploy", "minutes": ""}, follow=True)

    assert answer.redirect_chain[-1][0] == "/queues/"
    assert "default is paused." in text(answer)


def test_a_worker_is_asked_to_drain(ada: Client) -> None:
    worker = register(["default"])

    answer = ada.post(f"/workers/{worker.pk}/drain/", headers=HTMX)

    assert "Draining" in text(answer)
    worker.refresh_from_db()
    assert worker.draining_at is not None


def test_the_workers_page_says_who_is_late_and_what_is_held(ada: Client) -> None:
    lease = world.running_run(title="a run in hand")
    Worker.objects.filter(pk=lease.worker_id).update(heartbeat_at="2020-01-01T00:00Z")

    page = text(ada.get("/workers/"))

    assert "Late" in page
    assert "a run in hand" in page


def test_the_audit_tells_who_did_what_from_which_page(ada: Client) -> None:
    ada.post("/queues/default/pause/", {"reason": "because of the deploy"}, headers=HTMX, REMOTE_ADDR="10.1.2.3")

    act = OperatorAction.objects.get()
    page = text(ada.get("/audit/"))

    assert (act.origin, act.address, act.by_name) == ("page", "10.1.2.3", "ada")
    assert "because of the deploy" in page
    assert "10.1.2.3" in page


def test_the_audit_can_show_only_what_was_denied(ada: Client) -> None:
    control.pause_queue("default", reason="allowed one", by=world.user())

    assert "Nothing matches." in text(ada.get("/audit/", {"denied": "1"}))


def test_healthz_asks_nothing(client: Client, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert client.get("/healthz").content == b"ok\n"


def test_readyz_names_each_part_that_is_missing(client: Client, redis: RedisServer) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {
        "ready": False,
        "database": "ok",
        "redis": "ok",
        "supervisor": "no supervisor beats",
    }

    register([], kind=Worker.Kind.SUPERVISOR)

    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (200, True)


def test_readyz_says_that_redis_is_away(client: Client, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    register([], kind=Worker.Kind.SUPERVISOR)

    answer = client.get("/readyz")

    assert (answer.status_code, answer.json()["redis"]) == (503, "does not answer")

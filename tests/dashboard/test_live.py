"""The names of what changed, told to every open page by one look."""

import asyncio
from typing import Any

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.db import connections
from django.test import AsyncClient, Client

from dashboard import changes, live
from harness import control
from harness.approvals import resolve_approval
from harness.workers import register
from tests import world

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def watch() -> changes.Watch:
    watch = changes.Watch()
    watch.look(set())
    return watch


def named(watch: changes.Watch) -> set[str]:
    return watch.look(set())[0]


def test_nothing_is_named_while_nothing_happens(watch: changes.Watch) -> None:
    assert named(watch) == set()


def test_a_new_run_is_named_once(watch: changes.Watch) -> None:
    run = world.queued_run()

    assert {"runs", "threads", f"run:{run.pk}"} <= named(watch)
    assert named(watch) == set()


def test_a_request_and_its_decision_are_named(watch: changes.Watch) -> None:
    _, (approval,) = world.waiting_run()
    assert "approvals" in named(watch)

    resolve_approval(approval.pk, decision="approve", by=world.user())

    assert {"approvals", "runs", "audit", f"run:{approval.run_id}"} <= named(watch)


def test_a_paused_queue_and_a_new_worker_are_named(watch: changes.Watch) -> None:
    control.pause_queue("default", reason="x")
    assert {"queues", "audit"} <= named(watch)

    register(["default"])

    assert "workers" in named(watch)


def test_a_look_asks_as_often_for_a_hundred_pages_as_for_one(
    watch: changes.Watch, django_assert_num_queries: Any
) -> None:
    for _ in range(3):
        world.running_run()
    with django_assert_num_queries(6):
        watch.look({f"session-{number}" for number in range(100)})


def test_a_session_that_ended_no_longer_holds(watch: changes.Watch) -> None:
    session = SessionStore()
    session.create()
    assert watch.look({session.session_key})[1] == {session.session_key}

    session.delete()
    watch.sessions = (0.0, *watch.sessions[1:])

    assert watch.look({session.session_key})[1] == set()


def test_without_asgi_the_browser_is_told_not_to_ask_again(client: Client) -> None:
    client.force_login(world.user())

    assert client.get("/live/").status_code == 204


def test_the_stream_says_hello_then_what_changed_and_ends_with_the_session(monkeypatch: Any) -> None:
    monkeypatch.setattr(live, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(changes, "SESSIONS_SECONDS", 0.0)
    client = AsyncClient()
    client.force_login(world.user())

    heard = asyncio.run(_listen(client))

    assert heard[0] == b": hello\n\n"
    assert any(line.startswith(b"data: ") and b" runs " in line for line in heard)
    assert not any(hub.listeners for hub in live._hubs.values())


async def _listen(client: AsyncClient) -> list[bytes]:
    """All that a stream says until it ends: a run is started, then the session is ended."""
    from asgiref.sync import sync_to_async

    answer = await client.get("/live/")
    heard: list[bytes] = []
    async for line in answer.streaming_content:
        heard.append(line)
        if len(heard) == 1:
            await asyncio.sleep(0.3)
            await sync_to_async(world.queued_run)()
        else:
            await sync_to_async(SessionStore(client.cookies["runwatch_session"].value).delete)()
    await asyncio.gather(*(hub.task for hub in live._hubs.values() if hub.task and not hub.task.done()))
    await sync_to_async(connections.close_all)()
    return heard


def test_a_server_that_stops_ends_every_stream() -> None:
    async def story() -> list[bytes]:
        hub = live.Hub()
        stream = hub.stream("a session")
        first = await anext(stream)
        hub.stop()
        return [first, *[line async for line in stream]]

    assert asyncio.run(asyncio.wait_for(story(), 5)) == [b": hello\n\n"]

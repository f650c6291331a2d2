"""What holds for every page: signing in, errors, conditional fragments, the number of queries."""

import re
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from tests import world

pytestmark = pytest.mark.django_db(transaction=True)

PAGES = ["/", "/approvals/", "/health/", "/queues/", "/workers/", "/audit/"]
PARTS = {"/": "now", "/approvals/": "inbox", "/health/": "health", "/queues/": "queues", "/workers/": "workers"}
PARTS["/audit/"] = "actions"


@pytest.fixture
def ada(client: Client) -> Client:
    client.force_login(world.user())
    return client


def fragment(client: Client, path: str, etag: str = "") -> Any:
    headers = {"HX-Request": "true", "HX-Target": f"section#{PARTS[path]}", "If-None-Match": etag}
    return client.get(path, headers=headers)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_needs_a_signed_in_person(client: Client, path: str) -> None:
    answer = client.get(path)

    assert (answer.status_code, answer.url) == (302, f"/accounts/login/?next={path}")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_refused_with_a_sentence_where_rights_are_missing(client: Client, path: str) -> None:
    client.force_login(get_user_model().objects.create_user("nobody"))

    answer = client.get(path)

    assert answer.status_code == 403
    assert "You may not do this" in answer.content.decode()


def test_an_ended_session_inside_a_fragment_leads_the_whole_window_to_the_sign_in(client: Client) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/runs/?state=failed"}

    answer = client.get("/runs/", headers=headers)

    assert answer.status_code == 401
    assert answer["HX-Redirect"] == "/accounts/login/?next=%2Fruns%2F%3Fstate%3Dfailed"


def test_the_way_back_after_the_sign_in_is_never_another_site(client: Client) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": "https://evil.example/x"}

    assert client.get("/", headers=headers)["HX-Redirect"] == "/accounts/login/?next=%2F"


@pytest.mark.parametrize("path", PAGES)
def test_a_part_is_the_same_by_itself_and_within_its_page(ada: Client, path: str) -> None:
    world.waiting_run()
    page, part = ada.get(path).content.decode(), fragment(ada, path).content.decode()

    assert "<html" not in part
    assert re.search(rf'<section[^>]* id="{PARTS[path]}"|<section id="{PARTS[path]}"', part)
    assert f'id="{PARTS[path]}"' in page


@pytest.mark.parametrize("path", [path for path in PAGES if path != "/health/"])  # that one measures at every look
def test_an_unchanged_part_is_not_sent_again(ada: Client, path: str) -> None:
    world.queued_run(queue_key="elsewhere")
    etag = fragment(ada, path)["ETag"]

    again = fragment(ada, path, etag)

    assert (again.status_code, again.content) == (304, b"")


def test_a_changed_part_is_sent_again(ada: Client) -> None:
    etag = fragment(ada, "/approvals/")["ETag"]
    world.waiting_run()

    assert fragment(ada, "/approvals/", etag).status_code == 200


def test_a_cached_fragment_is_never_taken_for_the_page(ada: Client) -> None:
    vary = {word.strip() for word in ada.get("/")["Vary"].split(",")}

    assert {"HX-Request", "HX-Target", "Cookie"} <= vary


@pytest.mark.parametrize("path", PAGES)
def test_a_page_asks_the_database_as_often_for_many_rows_as_for_one(
    ada: Client, path: str, django_assert_max_num_queries: Any
) -> None:
    def queries() -> int:
        with django_assert_max_num_queries(60) as asked:
            assert ada.get(path).status_code == 200
        return len(asked)

    grow(1)
    few = queries()
    grow(8)

    assert queries() == few


def grow(times: int) -> None:
    for _ in range(times):
        world.waiting_run()
        world.running_run()
        world.queued_run()


def test_a_form_without_token_is_refused_with_a_sentence() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.user())

    answer = client.post("/queues/default/pause/", {"reason": "x"}, headers={"HX-Request": "true"})

    assert answer.status_code == 403
    assert "This form is too old or came from another site." in answer.content.decode()


def test_an_unknown_page_is_a_404_in_our_own_look(ada: Client) -> None:
    answer = ada.get("/no/such/page/")

    assert answer.status_code == 404
    assert "dashboard/css/tokens.css" in answer.content.decode()


def test_a_fault_of_the_server_is_a_page_that_needs_no_database(ada: Client, monkeypatch: Any) -> None:
    ada.raise_request_exception = False
    monkeypatch.setattr("dashboard.queries.overview.overview", lambda: 1 / 0)

    page, part = ada.get("/"), ada.get("/", headers={"HX-Request": "true"})

    assert (page.status_code, part.status_code) == (500, 500)
    assert "This went wrong" in page.content.decode()
    assert part["HX-Retarget"] == "#notices"


def test_the_policy_of_every_page_forbids_inline_scripts(ada: Client) -> None:
    answer = ada.get("/")

    assert "script-src 'self'" in answer["Content-Security-Policy"]
    assert not re.search(r"<script(?![^>]*src=)", answer.content.decode())
    assert not re.search(r"\son[a-z]+=|\sstyle=", answer.content.decode())


def test_signing_out_needs_a_post(ada: Client) -> None:
    assert ada.get("/accounts/logout/").status_code == 405
    assert ada.post("/accounts/logout/").status_code == 302
    assert ada.get("/").status_code == 302

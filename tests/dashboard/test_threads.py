import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from harness import threads, transitions
from harness.models import Role, Thread, ThreadMessage
from harness.transitions import Outcome
from tests.world import again, queued_run, running_run, user, waiting_run

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(client):
    client.force_login(user())
    return client


def test_the_list_shows_threads_by_their_last_activity_with_their_runs(ada):
    old = again(running_run(title="first")).thread
    queued_run(title="second")
    queued_run(title="again", thread=old)

    found = ada.get("/threads/").context["found"]

    assert [(row.thread.title, row.runs) for row in found.rows] == [("first", 2), ("second", 1)]


@pytest.mark.parametrize(
    ("query", "found"),
    [("status=running", ["first"]), ("q=SEC", ["second"]), ("agent=nobody", []), ("", ["second", "first"])],
)
def test_filters_narrow_the_threads(ada, query, found):
    running_run(title="first")
    queued_run(title="second")

    rows = ada.get(f"/threads/?{query}").context["found"].rows

    assert [row.thread.title for row in rows] == found


def test_a_thread_is_a_conversation_with_its_runs_in_it(ada):
    lease = running_run(title="first", input={"mode": "sleep", "seconds": 7})
    transitions.finish(lease, Outcome.completed("slept <b>well</b>"))
    thread = Thread.objects.get()
    second, _ = waiting_run(title="second", thread=thread)

    page = ada.get(f"/threads/{thread.pk}/")
    html = page.content.decode()

    assert [turn.run.title for turn in page.context["page"].turns] == ["first", "second"]
    assert html.index("&quot;seconds&quot;: 7") < html.index("slept &lt;b&gt;well&lt;/b&gt;") < html.index(">second<")
    assert page.context["page"].busy == second
    assert "Next run in this thread" in html


def test_what_was_said_outside_of_any_run_is_shown_too(ada):
    thread = threads.open_thread(agent="drill", title="talk")
    threads.say(thread.pk, Role.SYSTEM, "remember this")

    assert "remember this" in ada.get(f"/threads/{thread.pk}/").content.decode()


def test_a_thread_page_asks_the_same_queries_for_one_run_and_for_many(ada):
    thread = queued_run().thread

    def queries_of_the_page():
        ada.get(f"/threads/{thread.pk}/")
        with CaptureQueriesContext(connection) as seen:
            ada.get(f"/threads/{thread.pk}/")
        return len(seen)

    few = queries_of_the_page()
    for number in range(30):
        queued_run(thread=thread, title=str(number))

    assert queries_of_the_page() == few
    assert ThreadMessage.objects.count() == 31


def test_a_thread_that_is_not_there_is_not_found(ada):
    assert ada.get("/threads/01a20411-fa56-7653-9609-268282c0ba7f/").status_code == 404

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dashboard.queries import runs as queries
from dashboard.queries.keyset import COUNT_CAP, Count, Cursor
from harness import control
from harness.clock import Now
from harness.models import OperatorAction, Run, RunQueue
from tests.world import again, cancelling_run, queued_run, running_run, user, waiting_run

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(client):
    client.force_login(user())
    return client


def titles(response):
    return [run.title for run in response.context["found"].runs]


def listed(wanted, cursor=None):
    return [run.title for run in queries.listing(wanted, cursor or Cursor()).runs]


def test_the_list_shows_every_state_with_its_word_and_the_button_that_the_state_allows(ada):
    queued_run(title="waits")
    waiting_run(title="asks")
    cancelling_run(title="stops")
    control.cancel_run(queued_run(title="gone").pk, reason="not needed", by=user())

    page = ada.get("/runs/").content.decode()

    for word in ("Queued", "Waiting for approval", "Cancelling", "Cancelled", "cancelled: not needed"):
        assert word in page
    for button in ("Cancel the run", "Decide", "Kill now", "Retry"):
        assert button in page


def test_filters_live_in_the_address_and_narrow_the_list(ada):
    queued_run(title="one")
    lease = running_run(title="two", queue_key="slow")
    thread = again(lease).thread_id

    for query, found in [
        ("", {"one", "two"}),
        ("state=queued&state=running", {"one", "two"}),
        ("state=running", {"two"}),
        ("queue=slow", {"two"}),
        ("agent=nobody", set()),
        (f"thread={thread}", {"two"}),
        ("q=ON", {"one"}),
        (f"q={lease.run_id}", {"two"}),
        ("since=2020-01-01T00:00&until=2020-01-02T00:00", set()),
        ("since=2020-01-01T00:00", {"one", "two"}),
    ]:
        assert set(titles(ada.get(f"/runs/?{query}"))) == found, query


def test_a_filter_that_makes_no_sense_is_marked_and_the_others_hold(ada):
    queued_run(title="one")

    page = ada.get("/runs/?thread=nonsense&state=running")

    assert titles(page) == []
    assert 'aria-invalid="true"' in page.content.decode()


def test_the_beginning_of_an_id_finds_its_run():
    run = queued_run(title="mine")

    assert "mine" in listed({"q": str(run.pk)[:13]})
    assert listed({"q": "ffffffff"}) == []


def test_stuck_are_those_that_should_move_and_have_not():
    queued_run(title="fresh")
    old, asked = queued_run(title="old"), waiting_run(title="asked")[0]
    Run.objects.filter(pk__in=[old.pk, asked.pk]).update(updated_at=Now() - timedelta(hours=1))
    RunQueue.objects.filter(run=old).update(available_at=Now() - timedelta(hours=1))

    assert listed({"stuck": True}) == ["old"]


def test_pages_go_forth_and_back_by_key_and_show_every_run_once(monkeypatch):
    monkeypatch.setattr(queries, "PAGE_SIZE", 3)
    for number in range(8):
        queued_run(title=str(number))

    first = queries.listing({}, Cursor()).page
    second = queries.listing({}, Cursor(after=first.after)).page
    third = queries.listing({}, Cursor(after=second.after)).page
    back = queries.listing({}, Cursor(before=third.before)).page

    assert [run.title for page in (first, second, third) for run in page.rows] == list("76543210")
    assert (first.before, third.after) == (None, None)
    assert [run.title for run in back.rows] == [run.title for run in second.rows]


def test_runs_of_the_same_moment_are_not_lost_between_two_pages(monkeypatch):
    monkeypatch.setattr(queries, "PAGE_SIZE", 2)
    for number in range(5):
        queued_run(title=str(number))
    Run.objects.update(created_at=Now())

    seen, cursor = [], Cursor()
    while True:
        page = queries.listing({}, cursor).page
        seen += [run.title for run in page.rows]
        if page.after is None:
            break
        cursor = Cursor(after=page.after)

    assert sorted(seen) == list("01234")


def test_a_page_that_begins_after_a_deleted_run_is_the_first_page():
    queued_run(title="one")

    assert listed({}, Cursor(after=uuid4())) == ["one"]


def test_oldest_first_and_longest_first():
    first, second = running_run(title="first"), running_run(title="second")
    hour_ago = Now() - timedelta(hours=1)
    Run.objects.filter(pk=second.run_id).update(created_at=hour_ago, claimed_at=hour_ago, started_at=hour_ago)

    assert listed({"sort": "oldest"}) == ["second", "first"]
    assert listed({"sort": "longest"}) == ["second", "first"]
    assert listed({"sort": "newest"}) == ["first", "second"]
    assert again(first).state == "running"


def test_counts_stop_at_their_cap():
    assert str(Count(COUNT_CAP + 1)) == "10,000+"
    assert str(Count(1234)) == "1,234"


def test_nothing_there_and_nothing_found_are_said_differently(ada):
    assert b"There are no runs yet" in ada.get("/runs/").content
    queued_run()
    assert b"Nothing matches" in ada.get("/runs/?q=unheard-of").content


def test_what_an_agent_or_a_person_wrote_is_text_and_no_markup(ada):
    control.cancel_run(queued_run(title="<script>alert(1)</script>").pk, reason="<img src=x>", by=user())

    page = ada.get("/runs/").content.decode()

    assert "<script>alert(1)" not in page
    assert "<img" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_the_list_asks_the_same_queries_for_ten_runs_and_for_a_thousand(ada):
    thread = queued_run().thread

    def queries_of_the_page():
        ada.get("/runs/")
        with CaptureQueriesContext(connection) as seen:
            ada.get("/runs/?state=queued&agent=drill&q=nightly")
        return len(seen)

    few = queries_of_the_page()
    Run.objects.bulk_create([Run(thread=thread, agent="drill", title=f"nightly {n}") for n in range(1000)])

    assert queries_of_the_page() == few


def test_a_page_of_the_list_is_two_queries(django_assert_num_queries):
    running_run()

    with django_assert_num_queries(2):
        list(queries.listing({"state": ["running"], "q": "x"}, Cursor()).runs)


def test_the_list_reads_no_input_output_or_error(ada):
    queued_run()
    with CaptureQueriesContext(connection) as seen:
        ada.get("/runs/")

    rows = [query["sql"] for query in seen if "harness_run_control" in query["sql"]]
    assert rows
    assert not [sql for sql in rows if '"output"' in sql or '"error"' in sql or "harness_run_request" in sql]


@pytest.mark.parametrize("wanted", [{}, {"state": ["failed"]}, {"agent": "drill"}, {"queue": "default"}])
def test_the_list_is_read_by_an_index_made_for_it(wanted):
    thread = queued_run().thread
    Run.objects.bulk_create([Run(thread=thread, agent=f"a{n % 50}", queue_key=f"q{n % 50}") for n in range(3000)])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")

    page = queries.matching_runs(wanted).order_by("-created_at", "-id")[:51]
    plan = page.explain()

    assert "run_" in plan, plan
    assert "TEMP B-TREE" not in plan, plan


def test_ticked_runs_are_cancelled_with_a_reason_and_each_says_what_became_of_it(ada):
    two, one = again(running_run(title="two")), queued_run(title="one")

    page = ada.post("/runs/cancel/", {"run": [one.pk, two.pk], "reason": "wrong folder"}).content.decode()

    assert again(one).reason == "cancelled: wrong folder"
    assert again(two).state == "cancelling"
    assert "is now cancelled" in page
    assert "is now cancelling" in page
    assert OperatorAction.objects.filter(action="cancel_run", by_name="ada").count() == 2


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"reason": "because"}, "Tick the runs"),
        ({"run": "nonsense", "reason": "because"}, "nonsense is not the id of a run"),
    ],
)
def test_a_bulk_cancel_that_cannot_be_done_says_why_and_does_nothing(ada, given, says):
    run = queued_run()

    response = ada.post("/runs/cancel/", given)

    assert response.status_code == 422
    assert says in response.content.decode()
    assert again(run).state == "queued"


def test_a_bulk_cancel_without_a_reason_does_nothing(ada):
    run = queued_run()

    response = ada.post("/runs/cancel/", {"run": [run.pk], "reason": " "})

    assert response.status_code == 422
    assert "Say why" in response.content.decode()
    assert again(run).state == "queued"


def test_somebody_without_the_permission_sees_no_runs(client, django_user_model):
    client.force_login(django_user_model.objects.create_user("eve"))

    assert client.get("/runs/").status_code == 403

"""The admin shows the ledger and changes next to nothing of it."""

import json
import re
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from harness import artifacts, audit, journal, transitions
from harness.admin import MOST_COUNTED, LedgerAdmin
from harness.models import Approval, Artifact, Event, OperatorAction, Queue, Run, Thread
from harness.states import StepKind
from harness.transitions import Outcome
from tests.world import again, queued_run, resuming_run, running_run, user, waiting_run

pytestmark = pytest.mark.django_db

MODELS = list(apps.get_app_config("harness").get_models())


@pytest.fixture
def root(client: Client) -> Client:
    client.force_login(user())
    return client


@pytest.fixture
def visitor(client: Client) -> Client:
    """Staff who may see the tables, but neither payloads nor change anything."""
    person = get_user_model().objects.create_user("visitor", is_staff=True)
    person.user_permissions.set(
        Permission.objects.filter(content_type__app_label="harness", codename__startswith="view_").exclude(
            codename="view_payload"
        )
    )
    client.force_login(person)
    return client


def address(model: Any, page: str = "changelist", *args: Any) -> str:
    return reverse(f"admin:harness_{model._meta.model_name}_{page}", args=args)


def a_row_of_everything() -> None:
    """At least one row in each table, made by the real verbs."""
    lease = running_run(input={"secret": "tiger"})
    step = journal.begin(lease, key="look#1", kind=StepKind.CUSTOM, name="look", args={}, retryable=True)
    journal.finish(lease, step, "tiger")
    artifacts.record(lease, artifacts.store(lease, "report.txt", b"tiger"))
    queued_run()
    resuming_run()
    audit.record("look", again(lease), by=None)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_table_is_listed_searched_and_shown(root, model):
    a_row_of_everything()
    row = model.objects.order_by("pk").first()
    assert row is not None

    assert root.get(address(model)).status_code == 200
    found = root.get(address(model), {"q": str(row.pk)})
    assert f">{row.pk}<" in found.content.decode()
    assert root.get(address(model), {"q": "nothing of the kind"}).status_code == 200
    assert root.get(address(model, "change", row.pk)).status_code == 200


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_nothing_can_be_added_changed_or_deleted(root, model):
    a_row_of_everything()
    row = model.objects.order_by("pk").first()
    before = list(model.objects.order_by("pk").values())

    assert root.post(address(model, "add"), {}).status_code == 403
    assert root.post(address(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    if model is not Thread:
        assert root.post(address(model, "change", row.pk), {"state": "completed"}).status_code == 403
    marked = {"action": "delete_selected", "_selected_action": [str(row.pk)], "post": "yes"}
    root.post(address(model), marked)
    assert list(model.objects.order_by("pk").values()) == before


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_list_takes_the_same_few_queries_however_long_it_is(root, model):
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert root.get(address(model)).status_code == 200
        return len(captured)

    a_row_of_everything()
    queries()
    short = queries()
    for _ in range(3):
        a_row_of_everything()
        Queue.objects.create(key=f"queue-{Queue.objects.count()}")

    assert queries() == short <= 6


def test_a_list_counts_no_further_than_its_cap(root):
    queued_run()
    with CaptureQueriesContext(connection) as captured:
        root.get(address(Run))

    (counting,) = [query["sql"] for query in captured if "COUNT(" in query["sql"]]
    assert f"LIMIT {MOST_COUNTED}" in counting


def test_a_list_does_not_read_payloads(root):
    lease = running_run()
    transitions.finish(lease, Outcome.completed("tiger"))
    with CaptureQueriesContext(connection) as captured:
        root.get(address(Run))

    assert not any('"output"' in query["sql"] for query in captured)


def test_runs_are_filtered_by_state_agent_and_queue(root):
    queued_run()
    done = running_run()
    transitions.finish(done, Outcome.completed("ok"))

    def shown(**filters: str) -> list[Run]:
        return list(root.get(address(Run), filters).context["cl"].result_list)

    assert shown(state__exact="completed") == [again(done)]
    assert len(shown(queue_key="default")) == 2
    assert shown(q=str(done.thread_id)) == [again(done)]
    assert len(shown(q="drill")) == 2
    assert shown(q="drilll") == []


def test_what_is_shown_links_to_its_page_on_the_dashboard(root):
    run, (approval,) = waiting_run()

    for row, page in [
        (run, f"/runs/{run.pk}/"),
        (run.thread, f"/threads/{run.thread_id}/"),
        (approval, f"/approvals/{approval.pk}/"),
        (Event.objects.filter(run=run).first(), f"/runs/{run.pk}/"),
    ]:
        shown = root.get(address(type(row), "change", row.pk)).content.decode()
        assert re.search(rf'<a href="{re.escape(page)}"[^>]*class="viewsitelink"', shown), row


def test_payloads_are_only_for_those_who_may_see_them(visitor):
    a_row_of_everything()
    for model in MODELS:
        for row in model.objects.all():
            shown = visitor.get(address(model, "change", row.pk))
            assert shown.status_code == 200
            assert "tiger" not in shown.content.decode(), row
    assert "tiger" not in visitor.get(address(Artifact)).content.decode()


def test_text_of_an_agent_is_inert(root):
    lease = running_run(title="<script>alert(1)</script>")
    transitions.finish(lease, Outcome.failed("<img src=x onerror=alert(1)>", error="<b>x</b>"))

    for page in (address(Run), address(Run, "change", lease.run_id)):
        shown = root.get(page).content.decode()
        assert "<script>alert" not in shown
        assert "<img src=x" not in shown


def test_a_superuser_changes_title_and_metadata_of_a_thread_and_nothing_else(root):
    run = queued_run()
    form = {"title": "Weekly clean-up", "metadata": '{"team": "ops"}', "status": "completed", "agent": "other"}

    assert root.post(address(Thread, "change", run.thread_id), form).status_code == 302

    thread = Thread.objects.get(pk=run.thread_id)
    assert (thread.title, thread.metadata) == ("Weekly clean-up", {"team": "ops"})
    assert (thread.status, thread.agent) == ("queued", "drill")


def test_the_change_of_a_thread_is_audited_and_in_its_history(root):
    run = queued_run(title="old")
    root.post(address(Thread, "change", run.thread_id), {"title": "new", "metadata": "{}"})

    row = OperatorAction.objects.get(action="describe_thread")
    assert (row.by_name, row.origin, row.address) == ("ada", "admin", "127.0.0.1")
    assert (row.before["title"], row.after["title"]) == ("old", "new")
    assert "Changed Title" in root.get(address(Thread, "history", run.thread_id)).content.decode()


def test_metadata_that_is_no_json_is_refused_beside_its_field(root):
    run = queued_run(title="old")
    shown = root.post(address(Thread, "change", run.thread_id), {"title": "new", "metadata": "{team}"})

    assert "Enter a valid JSON" in shown.content.decode()
    assert Thread.objects.get(pk=run.thread_id).title == "old"


def test_staff_without_the_permission_cannot_change_a_thread(visitor):
    run = queued_run(title="old")

    assert visitor.post(address(Thread, "change", run.thread_id), {"title": "new", "metadata": "{}"}).status_code == 403
    assert Thread.objects.get(pk=run.thread_id).title == "old"


def test_every_model_is_registered_and_has_no_actions():
    for model in MODELS:
        assert isinstance(admin.site._registry[model], LedgerAdmin)
        assert admin.site._registry[model].actions is None


def test_the_admin_says_what_it_is(root):
    assert "Runwatch data" in root.get(reverse("admin:index")).content.decode()


def test_an_unfinished_search_for_an_id_finds_nothing_and_does_not_break(root):
    run, _ = waiting_run()

    shown = root.get(address(Approval), {"q": str(run.pk)[:13]})
    assert shown.status_code == 200
    assert json.loads(json.dumps(list(shown.context["cl"].result_list))) == []

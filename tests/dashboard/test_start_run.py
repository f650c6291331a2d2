import pytest

from harness.models import Run
from tests.world import queued_run, user

pytestmark = pytest.mark.django_db
GOOD = {"agent": "drill", "input": '{"mode": "sleep", "seconds": 1}', "queue": "default", "priority": "0"}


@pytest.fixture
def ada(client):
    client.force_login(user())
    return client


def test_the_form_offers_the_agents_with_an_example_that_fits(ada):
    page = ada.get("/runs/start/?agent=drill").content.decode()

    assert "Misbehaves on request" in page
    assert "&quot;mode&quot;" in page
    for name in ("drill", "disk-janitor", "log-triage"):
        assert f'<option value="{name}"' in page


def test_a_started_run_is_shown_at_once(ada):
    response = ada.post("/runs/start/", {**GOOD, "title": "nightly", "priority": "5"})

    run = Run.objects.get()
    assert response.headers["Location"] == f"/runs/{run.pk}/"
    assert (run.agent, run.title, run.priority, run.created_by.username) == ("drill", "nightly", 5, "ada")


def test_a_run_can_be_put_off_and_go_on_in_a_thread(ada):
    before = queued_run()

    ada.post("/runs/start/", {**GOOD, "thread": str(before.thread_id), "available_at": "2050-01-02T03:04"})

    run = Run.objects.exclude(pk=before.pk).get()
    assert run.thread_id == before.thread_id
    assert f"{run.queue_row.available_at:%Y-%m-%d %H:%M}" == "2050-01-02 03:04"


@pytest.mark.parametrize(
    ("wish", "field", "says"),
    [
        ({"input": '{"mode": "sleep",\n "seconds": }'}, "input", "line 2, column 13"),
        ({"input": "NaN"}, "input", "NaN is not JSON"),
        ({"input": ""}, "input", "required"),
        ({"input": "[" * 100_000}, "input", "nested too deeply"),
        ({"input": '{"mode": "dance"}'}, "input", "mode"),
        ({"input": '{"mode": "sleep", "seconds": "long"}'}, "input", "seconds"),
        ({"input": f'"{"x" * 1_000_001}"'}, "input", "too big"),
        ({"agent": "nobody"}, "agent", "no agent"),
        ({"queue": "nowhere"}, "queue", "no queue"),
        ({"priority": "1000"}, "priority", "100"),
        ({"priority": "high"}, "priority", "whole number"),
        ({"thread": "nonsense"}, "thread", "not a thread"),
        ({"thread": "01a20411-fa56-7653-9609-268282c0ba7f"}, "thread", "no thread"),
        ({"available_at": "soon"}, "available_at", "valid date"),
    ],
)
def test_a_complaint_stands_beside_its_field_and_nothing_typed_is_lost(ada, wish, field, says):
    response = ada.post("/runs/start/", {**GOOD, "title": "my <b>title</b>", **wish})

    form = response.context["form"]
    assert response.status_code == 422
    assert says in form.errors[field][0]
    assert set(form.errors) == {field}
    assert form["input"].value() == wish.get("input", GOOD["input"])
    assert "my &lt;b&gt;title&lt;/b&gt;" in response.content.decode()
    assert Run.objects.count() == 0


def test_five_megabytes_of_input_get_a_sentence(ada):
    response = ada.post("/runs/start/", {**GOOD, "input": '"' + "x" * 5_000_000 + '"'})

    assert response.status_code == 422
    assert "too big" in response.context["form"].errors["input"][0]


def test_choosing_another_agent_brings_its_example_but_keeps_what_was_typed(ada):
    untouched = ada.post("/runs/start/agent/", {**GOOD, "agent": "disk-janitor", "input": "{}"}).content.decode()
    typed = ada.post("/runs/start/agent/", {**GOOD, "agent": "disk-janitor", "input": '{"mine": 1}'}).content.decode()

    assert "older_than_days" in untouched
    assert "{&quot;mine&quot;: 1}" in typed
    assert Run.objects.count() == 0


def test_nobody_starts_a_run_without_the_permission(client, django_user_model):
    client.force_login(django_user_model.objects.create_user("eve"))

    assert client.get("/runs/start/").status_code == 403
    assert client.post("/runs/start/", GOOD).status_code == 403
    assert Run.objects.count() == 0


def test_looking_at_the_form_changes_nothing(ada):
    ada.get("/runs/start/")

    assert Run.objects.count() == 0

from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dashboard.queries import run as queries
from harness import approvals, control, events, journal, signs, transitions
from harness.models import Artifact, Event, OperatorAction, Run
from harness.states import StepKind
from harness.transitions import Outcome
from tests.world import again, ask, cancelling_run, claim, claimed_run, queued_run, running_run, user, waiting_run

pytestmark = pytest.mark.django_db
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def ada(client):
    client.force_login(user())
    return client


def html(client, run, query=""):
    response = client.get(f"/runs/{run.pk}/{query}")
    assert response.status_code == 200
    return response.content.decode()


def step(lease, number, *, args=None, result="done", retryable=True):
    begun = journal.begin(
        lease, key=f"look#{number}", kind=StepKind.TOOL, name="look", args=args or {"n": number}, retryable=retryable
    )
    return journal.finish(lease, begun, result)


def htmx(target):
    return {"HX-Request": "true", "HX-Target": target}


@pytest.mark.parametrize(
    ("make", "word", "buttons", "absent"),
    [
        (queued_run, "Queued", ["Cancel the run"], ["Retry", "Kill now"]),
        (lambda: again(claimed_run()), "Claimed", ["Cancel the run"], ["Retry", "Kill now"]),
        (lambda: again(running_run()), "Running", ["Cancel the run"], ["Retry", "Kill now"]),
        (lambda: waiting_run()[0], "Waiting for approval", ["Cancel the run", "Decide"], ["Retry"]),
        (lambda: cancelling_run()[0], "Cancelling", ["Kill now"], ["Retry", "Cancel the run"]),
        (lambda: control.cancel_run(queued_run().pk), "Cancelled", ["Retry"], ["Cancel the run", "Kill now"]),
    ],
)
def test_the_head_says_the_state_and_shows_the_buttons_that_it_allows(ada, make, word, buttons, absent):
    page = html(ada, make())

    assert f"<span>{word}</span>" in page
    assert [button for button in buttons if button not in page] == []
    assert [button for button in absent if button in page] == []


def test_a_running_run_shows_its_worker_progress_and_why_it_stands_where_it_does(ada):
    lease = running_run()
    signs.progress(lease, 42, 100, "reading")
    transitions.beat(lease.worker_id)

    page = html(ada, again(lease))

    for said in ("w1", "Heartbeat", "42 of 100", "reading", 'class="explainer'):
        assert said in page


def test_a_run_that_ended_is_not_explained(ada):
    lease = running_run()
    transitions.finish(lease, Outcome.completed({"freed": 12345678901234567890, "ratio": 0.1}))

    page = html(ada, again(lease))

    assert 'class="explainer' not in page
    assert "12345678901234567890" in page
    assert "0.1" in page


def test_the_page_tells_the_story_in_words_and_as_a_time_axis(ada):
    lease = running_run()
    step(lease, 1)
    step(lease, 2)
    asked = approvals.park(lease, [ask()])
    approvals.resolve_approval(asked[0].pk, decision="reject", by=user(), reason="keep it")
    transitions.finish(_started_again(), Outcome.completed("fine"))

    response = ada.get(f"/runs/{lease.run_id}/")
    words = [entry.words for entry in response.context["story"]]
    lanes = {lane.name: len(lane.bars) for lane in response.context["timeline"].lanes}

    assert "look done, 2 times" in " ".join(words)
    assert "Rejected delete_file by ada: keep it" in words
    assert words[-1] == "Completed"
    assert lanes == {"State": 6, "Approvals": 1, "look": 2}
    assert sum(mark.kind == "claim" for mark in response.context["timeline"].marks) == 2


def _started_again():
    lease = claim()
    transitions.start(lease)
    return lease


def test_an_error_shows_its_last_line_and_folds_the_traceback(ada):
    lease = running_run()
    trace = "Traceback (most recent call last):\n" + "  File x\n" * 60 + f"ValueError: no {SCRIPT}"
    transitions.finish(lease, Outcome.failed("ValueError: no", trace))

    page = html(ada, again(lease))

    assert "ValueError: no &lt;script&gt;" in page
    assert "All of it" in page
    assert SCRIPT not in page


def test_a_cancel_leaves_a_receipt_in_words(ada):
    run, lease = cancelling_run()
    transitions.told(lease.run_id, lease.epoch)
    transitions.finish(lease, Outcome.cancelled(), how="SIGKILL", signal=9, exit_status=-9)

    page = html(ada, run)

    for said in ("Cancel receipt", "enough", "killed by SIGKILL", "SIGKILL", "Steps finished", "Outcome unknown"):
        assert said in page


def test_everything_that_agents_and_people_write_is_inert(ada):
    lease = running_run(title=SCRIPT, input={SCRIPT: SCRIPT})
    signs.progress(lease, 1, 2, SCRIPT)
    step(lease, 1, args={SCRIPT: SCRIPT}, result=SCRIPT)
    events.append_held(lease, f"custom.{SCRIPT}", {SCRIPT: SCRIPT})
    approvals.park(lease, [ask(path=SCRIPT, summary=SCRIPT)])

    assert "<script>alert" not in html(ada, again(lease))


def test_huge_values_are_cut_with_their_size_and_a_download(ada):
    lease = running_run()
    step(lease, 1, result="x" * 300_000)
    transitions.finish(lease, Outcome.completed({"text": "y" * 300_000}))

    page = html(ada, again(lease))
    whole = ada.get(f"/runs/{lease.run_id}/values/result/1/")

    assert len(page) < 200_000
    assert "Cut here" in page
    assert whole.content == b"x" * 300_000
    assert whole.headers["Content-Disposition"].startswith("attachment")


def test_steps_and_events_are_shown_in_pages(ada, monkeypatch):
    monkeypatch.setattr(queries, "STEPS", 3)
    monkeypatch.setattr(queries, "EVENTS", 3)
    lease = running_run()
    for number in range(1, 6):
        step(lease, number)

    last = ada.get(f"/runs/{lease.run_id}/").context["page"]
    earlier = ada.get(f"/runs/{lease.run_id}/?steps_before={last.earlier_steps}").context["page"]

    assert [view.step.seq for view in last.steps] == [3, 4, 5]
    assert [view.step.seq for view in earlier.steps] == [1, 2]
    assert earlier.earlier_steps is None
    assert len(last.events) == 3
    assert last.earlier_events == last.events[0].event.seq


def test_the_page_asks_the_same_queries_for_one_step_and_for_many(ada):
    lease = running_run()
    step(lease, 1)

    def queries_of_the_page():
        ada.get(f"/runs/{lease.run_id}/")
        with CaptureQueriesContext(connection) as seen:
            ada.get(f"/runs/{lease.run_id}/")
        return len(seen)

    few = queries_of_the_page()
    for number in range(2, 42):
        step(lease, number)
    now = again(lease).created_at
    Event.objects.bulk_create(
        [Event(run_id=lease.run_id, seq=1000 + n, type="custom.n", created_at=now + timedelta(n)) for n in range(1000)]
    )

    assert queries_of_the_page() == few


def test_cancel_needs_a_reason_and_says_so_beside_the_field(ada):
    run = queued_run()

    response = ada.post(f"/runs/{run.pk}/cancel/", {"reason": "  "})

    assert response.status_code == 422
    assert "Say why" in response.content.decode()
    assert again(run).state == "queued"


def test_cancel_with_a_reason_goes_back_to_the_page_or_answers_with_the_new_head(ada):
    plain, swapped = queued_run(), queued_run()

    back = ada.post(f"/runs/{plain.pk}/cancel/", {"reason": "wrong folder"})
    head = ada.post(f"/runs/{swapped.pk}/cancel/", {"reason": "wrong folder"}, headers=htmx("section#run-head"))

    assert back.headers["Location"] == f"/runs/{plain.pk}/"
    assert again(plain).reason == "cancelled: wrong folder"
    assert "<!doctype" not in head.content.decode()
    assert 'id="run-head"' in head.content.decode()
    assert "Retry" in head.content.decode()
    assert OperatorAction.objects.get(run_id=plain.pk, action="cancel_run").origin == "page"


def test_a_row_answers_with_a_row(ada):
    run = queued_run()
    target = htmx(f"tr#run-{run.pk}")

    wrong = ada.post(f"/runs/{run.pk}/cancel/", {"reason": ""}, headers=target)
    right = ada.post(f"/runs/{run.pk}/cancel/", {"reason": "enough"}, headers=target)

    assert (wrong.status_code, right.status_code) == (422, 200)
    assert f'<tr id="run-{run.pk}"' in wrong.content.decode()
    assert "Say why" in wrong.content.decode()
    assert "cancelled: enough" in right.content.decode()


def test_cancelling_what_has_ended_answers_409_with_the_present_state(ada):
    lease = running_run()
    transitions.finish(lease, Outcome.completed("fine"))

    response = ada.post(f"/runs/{lease.run_id}/cancel/", {"reason": "too late"}, headers=htmx("section#run-head"))

    assert response.status_code == 409
    assert "already completed" in response.content.decode()
    assert "<span>Completed</span>" in response.content.decode()
    assert not again(lease).control.cancel_requested


def test_force_kills_at_once(ada):
    run, _ = cancelling_run()

    ada.post(f"/runs/{run.pk}/cancel/", {"reason": "now", "force": "on"})

    assert again(run).control.cancel_force


def test_nobody_cancels_without_the_permission_and_the_attempt_is_kept(client, django_user_model):
    run = queued_run()
    client.force_login(django_user_model.objects.create_user("eve"))

    response = client.post(f"/runs/{run.pk}/cancel/", {"reason": "because"})

    assert response.status_code == 403
    assert again(run).state == "queued"
    assert not OperatorAction.objects.get(by_name="eve").allowed


def test_a_retry_is_a_new_run_that_points_back(ada):
    run = control.cancel_run(queued_run(title="nightly").pk, reason="x")

    response = ada.post(f"/runs/{run.pk}/retry/")

    new = Run.objects.get(retry_of=run)
    assert response.headers["Location"] == f"/runs/{new.pk}/"
    assert "Retry of" in html(ada, new)
    assert "Retried as" in html(ada, run)


def test_what_still_runs_cannot_be_retried(ada):
    run = queued_run()

    response = ada.post(f"/runs/{run.pk}/retry/", headers=htmx("section#run-head"))

    assert response.status_code == 409
    assert Run.objects.count() == 1


def test_a_file_is_only_ever_saved_and_its_name_is_no_path(ada):
    lease = running_run()
    file = Artifact(
        run_id=lease.run_id, name='../../etc/"x"\r\nX: y.html', content_type="text/html", size=8, sha256="0", epoch=1
    )
    file.file.save("ignored", ContentFile(b"<script>"))

    response = ada.get(f"/runs/{lease.run_id}/artifacts/{file.pk}/")

    assert b"".join(response.streaming_content) == b"<script>"
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert "etc" not in response.headers["Content-Disposition"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"


def test_a_file_of_another_run_is_not_found(ada):
    lease = running_run()
    file = Artifact(run_id=lease.run_id, name="x", content_type="text/plain", size=1, sha256="0", epoch=1)
    file.file.save("x", ContentFile(b"x"))

    assert ada.get(f"/runs/{queued_run().pk}/artifacts/{file.pk}/").status_code == 404


def test_raw_json_is_a_document_to_download_and_text_to_read(ada):
    run = queued_run(title=SCRIPT)

    download = ada.get(f"/runs/{run.pk}/json/")
    shown = ada.get(f"/runs/{run.pk}/json/", headers=htmx("div#raw-json")).content.decode()

    assert download.json()["id"] == str(run.pk)
    assert download.headers["Content-Disposition"].startswith("attachment")
    assert str(run.pk) in shown
    assert "<script>" not in shown


def test_payloads_need_a_permission_of_their_own(client, django_user_model):
    from django.contrib.auth.models import Permission

    eve = django_user_model.objects.create_user("eve")
    eve.user_permissions.add(*Permission.objects.filter(codename__in=["view_run", "view_thread"]))
    client.force_login(eve)
    lease = running_run(input={"mode": "sleep", "secret": "hush-hush"}, title="x")
    step(lease, 1, args={"path": "hush-hush"}, result="hush-hush")

    assert "hush-hush" not in html(client, again(lease))
    assert client.get(f"/runs/{lease.run_id}/values/args/1/").status_code == 403
    assert client.get(f"/runs/{lease.run_id}/json/").status_code == 403


@pytest.mark.parametrize("path", ["", "json/", "values/input/", "values/nonsense/", "values/args/7/"])
def test_what_is_not_there_is_not_found(ada, path):
    assert ada.get(f"/runs/01a20411-fa56-7653-9609-268282c0ba7f/{path}").status_code == 404


@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_looking_changes_nothing(ada, verb):
    assert ada.get(f"/runs/{queued_run().pk}/{verb}/").status_code == 405

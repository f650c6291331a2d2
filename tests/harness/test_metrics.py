import re

import pytest

from harness import dispatch, metrics
from harness.clock import Now
from harness.models import RunQueue
from tests.world import queued_run, running_run, waiting_run

pytestmark = pytest.mark.django_db

LINE = re.compile(r'(# (HELP|TYPE) \w+ .+)|(\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? -?[0-9.e+-]+)')


@pytest.fixture(autouse=True)
def redis(monkeypatch):
    monkeypatch.setattr(dispatch, "redis_alive", lambda: True)
    monkeypatch.setattr(dispatch, "depth", lambda key: 2)


def test_the_figures_are_prometheus_text_and_count_what_there_is():
    waiting_run()
    lease = running_run()
    RunQueue.objects.filter(run_id=lease.run_id).update(lease_expires_at=Now())
    queued_run()
    lines = metrics.text().splitlines()

    assert all(LINE.fullmatch(line) for line in lines)
    assert 'runwatch_runs{state="running"} 1' in lines
    assert "runwatch_stuck_runs 1" in lines
    assert 'runwatch_stuck_runs_by_reason{reason="supervisor-down"} 1' in lines
    assert "runwatch_approvals_pending 1" in lines
    assert 'runwatch_queue_due{queue="default"} 1' in lines
    assert 'runwatch_queue_rings{queue="default"} 2' in lines
    assert 'runwatch_health{status="unhealthy"} 1' in lines


def test_a_label_cannot_break_out_of_its_line():
    queued_run(queue_key='a"b\\c\nd')

    assert r'runwatch_queue_due{queue="a\"b\\c\nd"} 1' in metrics.text().splitlines()


def test_a_figure_that_is_unknown_is_left_out():
    assert "runwatch_supervisor_age_seconds" not in metrics.text()


def test_the_figures_can_be_scraped_without_signing_in(client):
    answer = client.get("/metrics")

    assert (answer.status_code, answer["Content-Type"]) == (200, metrics.CONTENT_TYPE)
    assert "runwatch_health" in answer.content.decode()

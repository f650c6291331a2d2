from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from harness import artifacts, control, invariants, retention, transitions, workers
from harness.clock import Now
from harness.models import Artifact, Event, OperatorAction, Run, Thread, Worker
from harness.transitions import Outcome
from tests.world import again, queued_run, running_run, waiting_run, worker

pytestmark = pytest.mark.django_db
OLD = timedelta(days=31)


@pytest.fixture(autouse=True)
def storage(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path


def ended_run(age=OLD, *, file=False, **wish):
    lease = running_run(**wish)
    if file:
        artifacts.record(lease, artifacts.store(lease, "report.txt", b"hello"))
    transitions.finish(lease, Outcome.completed("ok"))
    back_date(lease.run_id, age)
    return again(lease)


def back_date(run_id, age):
    """Let a whole life have happened that long ago."""
    run = Run.objects.get(pk=run_id)
    past = {name: getattr(run, name) - age for name in ("created_at", "claimed_at", "started_at", "finished_at")}
    Run.objects.filter(pk=run_id).update(**past)
    Thread.objects.filter(pk=run.thread_id).update(updated_at=Now() - age)


def test_old_runs_go_with_everything_they_left():
    run = ended_run(file=True)
    name = Artifact.objects.get().file.name
    pruned = retention.prune()

    assert (pruned.runs, pruned.files, pruned.threads, pruned.skipped) == (1, 1, 1, {})
    assert not Run.objects.filter(pk=run.pk).exists()
    assert not Event.objects.filter(run_id=run.pk).exists()
    assert not Thread.objects.filter(pk=run.thread_id).exists()
    assert not default_storage.exists(name)
    assert not default_storage.exists(f"artifacts/{run.pk}")
    assert invariants.check() == []


def test_what_is_young_or_has_not_ended_stays():
    ended_run(timedelta(days=29))
    run, _ = waiting_run()
    Run.objects.filter(pk=run.pk).update(created_at=Now() - OLD, updated_at=Now() - OLD)

    assert retention.prune().runs == 0
    assert Run.objects.count() == 2


def test_a_thread_with_an_active_run_keeps_its_history_and_that_is_said():
    old = ended_run()
    queued_run(thread=old.thread)
    pruned = retention.prune()

    assert pruned.runs == 0
    assert pruned.skipped == {"in a thread with an active run": 1}
    assert Run.objects.filter(pk=old.pk).exists()


def test_a_run_that_an_active_one_continues_stays():
    old = ended_run()
    transitions.submit(agent="drill", input={}, forked_from=old)

    assert retention.prune().skipped == {"continued by an active run": 1}
    assert Run.objects.filter(pk=old.pk).exists()


def test_a_retry_that_has_ended_loses_only_the_pointer():
    old = ended_run()
    transitions.submit(agent="drill", input={}, retry_of=old, thread=old.thread)
    newer = Run.objects.get(retry_of=old)
    control.cancel_run(newer.pk)

    assert retention.prune().runs == 1
    assert again(newer).retry_of is None
    assert Thread.objects.filter(pk=newer.thread_id).exists()


def test_a_batch_is_bounded_and_takes_the_oldest_first():
    newer, older = ended_run(), ended_run(timedelta(days=40))

    assert retention.prune(limit=1).runs == 1
    assert not Run.objects.filter(pk=older.pk).exists()
    assert Run.objects.filter(pk=newer.pk).exists()


def test_a_prune_that_was_killed_between_file_and_row_goes_on():
    run = ended_run(file=True)
    default_storage.delete(Artifact.objects.get().file.name)

    assert retention.prune().runs == 1
    assert not Run.objects.filter(pk=run.pk).exists()


def test_a_file_that_a_crash_left_without_a_row_goes_too():
    run = ended_run()
    stray = default_storage.save(f"artifacts/{run.pk}/stray", ContentFile(b"x"))
    retention.prune()

    assert not default_storage.exists(stray)


def test_a_dry_run_says_what_would_go_and_removes_nothing():
    ended_run(file=True)
    pruned = retention.prune(dry_run=True)

    assert (pruned.runs, pruned.files) == (1, 1)
    assert Run.objects.count() == 1
    assert default_storage.exists(Artifact.objects.get().file.name)


def test_stopped_workers_go_when_they_are_old_and_hold_nothing():
    gone, holding = worker("gone"), worker("holding")
    workers.stop(gone.pk)
    Worker.objects.filter(pk=gone.pk).update(stopped_at=Now() - OLD)
    queued_run()
    transitions.claim_next("default", holding.pk)
    Worker.objects.filter(pk=holding.pk).update(stopped_at=Now() - OLD)

    assert retention.prune().workers == 1
    assert set(Worker.objects.all()) == {holding}


def test_what_was_pruned_is_in_the_audit():
    ended_run()
    retention.prune()

    done = OperatorAction.objects.get(action="prune")
    assert (done.by_name, done.after["runs"], done.after["older_than_days"]) == ("system", 1, 30)


def test_everything_goes_batch_after_batch():
    for _ in range(5):
        ended_run()
    told = []
    total = retention.prune_all(days=30, dry_run=False, batch=2, on_batch=lambda done: told.append(done.runs))

    assert (total.runs, told) == (5, [2, 4, 5])
    assert Run.objects.count() == 0

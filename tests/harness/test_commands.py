"""The commands in one process: what they answer, and the sentences with which they refuse."""

import json
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import CommandError

from harness import control, transitions
from harness.agents import registry
from harness.agents.shipped.disk_janitor import list_old_files
from harness.models import OperatorAction, Run, RunRequest
from harness.states import State
from harness.transitions import Outcome
from tests.harness import sample_agents
from tests.world import again, ask, queued_run, running_run, user, waiting_run, worker

pytestmark = pytest.mark.django_db

GREETER = registry.get("greeter")
registry.unregister("greeter")


@pytest.fixture
def greeter():
    registry.register(GREETER)
    yield sample_agents
    registry.unregister("greeter")


def said(command: str, *args: Any, **options: Any) -> str:
    """What the command prints for a person."""
    out = StringIO()
    call_command(command, *map(str, args), stdout=out, stderr=StringIO(), **options)
    return out.getvalue()


def answer(command: str, *args: Any, **options: Any) -> Any:
    """What it prints with --json."""
    return json.loads(said(command, *args, json=True, **options))


def refusal(command: str, *args: Any, **options: Any) -> str:
    """The one line with which it refuses."""
    with pytest.raises(CommandError) as refused:
        said(command, *args, **options)
    assert refused.value.returncode == 1
    assert "\n" not in str(refused.value)
    return str(refused.value)


# --- start_run


def test_start_run_queues_what_was_asked_for(greeter):
    run = answer("start_run", agent="greeter", input='{"name": "Ada"}', priority=5)

    assert (run["agent"], run["state"], run["priority"], run["queue"]) == ("greeter", "queued", 5, "default")
    assert RunRequest.objects.get(run_id=run["id"]).input["name"] == "Ada"


def test_start_run_reads_its_input_from_a_file(greeter, tmp_path: Path):
    (tmp_path / "input.json").write_text('{"name": "Grace"}')

    run = answer("start_run", agent="greeter", input=f"@{tmp_path / 'input.json'}")

    assert RunRequest.objects.get(run_id=run["id"]).input["name"] == "Grace"


def test_start_run_goes_on_with_a_thread(greeter):
    first = answer("start_run", agent="greeter", input='{"name": "Ada"}')
    second = answer("start_run", input='{"name": "Ada"}', thread=first["thread"])

    assert second["thread"] == first["thread"]
    assert second["agent"] == "greeter"


def test_start_run_in_an_hour_is_not_due_now(greeter):
    answer("start_run", "--in", "3600", agent="greeter", input='{"name": "Ada"}')

    assert transitions.claim_next("default", worker().pk) is None


def test_start_run_says_that_no_worker_is_alive(greeter):
    err = StringIO()
    call_command("start_run", agent="greeter", input='{"name": "Ada"}', stdout=StringIO(), stderr=err)

    assert "No worker is alive" in err.getvalue()


def test_start_run_is_audited_as_a_command_of_its_user(greeter):
    user("grace")
    run = answer("start_run", agent="greeter", input='{"name": "Ada"}', by="grace")

    row = OperatorAction.objects.get(action="start_run", object_id=run["id"])
    assert (row.by_name, row.origin) == ("grace", "command")


def test_start_run_tells_a_person_where_to_look_next(greeter):
    text = said("start_run", agent="greeter", input='{"name": "Ada"}')

    assert f"manage.py show_run {Run.objects.get().pk}" in text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"agent": "nobody"}, ["nobody", "greeter"]),
        ({"input": '{"name": \n  Ada}'}, ["not JSON", "line 2 column 3"]),
        ({"input": '{"name": NaN}'}, ["not JSON", "NaN"]),
        ({"input": "[" * 100_000}, ["nested too deeply"]),
        ({"input": '{"a":' * 300 + "1" + "}" * 300}, ["input"]),
        ({"input": "@/nowhere/input.json"}, ["/nowhere/input.json", "No such file"]),
        ({"input": "@/"}, ["cannot be read"]),
        ({"input": '{"name": 7}'}, ["name"]),
        ({"input": '{"name": "Ada", "times": "often"}'}, ["times"]),
        ({"input": '"' + "x" * 5_000_000 + '"'}, ["1,000,000", "HARNESS_MAX_INPUT_BYTES"]),
        ({"queue": "nowhere"}, ["nowhere", "default"]),
        ({"priority": 101}, ["-100", "100"]),
        ({"thread": "17"}, ["'17'", "thread"]),
        ({"thread": str(uuid4())}, ["no thread"]),
        ({"by": "nobody"}, ["nobody"]),
    ],
)
def test_start_run_refuses_with_a_sentence_and_writes_nothing(greeter, options, words):
    sentence = refusal("start_run", **{"agent": "greeter", "input": '{"name": "Ada"}', **options})

    assert all(word in sentence for word in words), sentence
    assert not Run.objects.exists()
    assert not OperatorAction.objects.exists()


def test_start_run_refuses_a_file_of_five_megabytes_and_one_that_is_not_text(greeter, tmp_path: Path):
    large, binary = tmp_path / "large.json", tmp_path / "binary.json"
    large.write_text(json.dumps("x" * 5_000_000))
    binary.write_bytes(b'{"name": "\xff"}')

    assert "larger than 1,000,000 bytes" in refusal("start_run", agent="greeter", input=f"@{large}")
    assert "position 10" in refusal("start_run", agent="greeter", input=f"@{binary}")


def test_start_run_refuses_a_user_who_may_not(greeter):
    get_user_model().objects.create_user("visitor")

    assert "visitor may not" in refusal("start_run", agent="greeter", input='{"name": "Ada"}', by="visitor")
    assert not Run.objects.exists()
    assert OperatorAction.objects.get().allowed is False


def test_start_run_refuses_a_busy_thread_if_asked_to(greeter):
    lease = running_run()

    sentence = refusal(
        "start_run", agent="greeter", input='{"name": "Ada"}', thread=str(lease.thread_id), if_busy="reject"
    )
    assert str(lease.run_id) in sentence


# --- list_agents, list_runs, show_run


def test_list_agents_shows_each_with_an_example(greeter):
    assert "greeter" in said("list_agents")
    (shown,) = [each for each in answer("list_agents") if each["name"] == "greeter"]
    assert shown["example_input"] == {"name": "Ada"}


def test_list_runs_shows_the_newest_first():
    old, new = queued_run(), queued_run()

    assert [run["id"] for run in answer("list_runs")] == [str(new.pk), str(old.pk)]
    assert [run["id"] for run in answer("list_runs", limit=1)] == [str(new.pk)]


def test_list_runs_filters_in_the_database():
    done, waiting = running_run(), queued_run(agent="other")
    transitions.finish(done, Outcome.failed("no disk"))

    assert [run["id"] for run in answer("list_runs", state=["failed"])] == [str(done.run_id)]
    assert [run["id"] for run in answer("list_runs", state=["completed,queued"])] == [str(waiting.pk)]
    assert [run["id"] for run in answer("list_runs", agent="other")] == [str(waiting.pk)]
    assert [run["id"] for run in answer("list_runs", thread=str(waiting.thread_id))] == [str(waiting.pk)]
    assert answer("list_runs", queue="elsewhere") == []


def test_list_runs_refuses_a_state_that_does_not_exist_and_lists_those_that_do():
    sentence = refusal("list_runs", state=["sleeping"])

    assert all(state in sentence for state in ("sleeping", *State.values))


@pytest.mark.parametrize("count", [1, 30])
def test_list_runs_asks_the_database_twice_whatever_the_number_of_runs(django_assert_num_queries, count):
    for _ in range(count):
        queued_run()

    with django_assert_num_queries(2):
        assert said("list_runs").count("drill") == count


def test_an_empty_list_says_so_and_is_an_empty_array_in_json():
    assert said("list_runs") == "No such runs.\n"
    assert answer("list_runs") == []
    assert said("list_approvals") == "No such approvals.\n"
    assert answer("list_approvals") == []


def test_what_an_agent_wrote_cannot_steer_the_terminal():
    lease = running_run(title="\x1b[2Jgone\nrun-2  completed")
    transitions.finish(lease, Outcome.completed("\x1b]0;owned\x07"))

    for text in (said("list_runs"), said("show_run", lease.run_id)):
        assert "\x1b" not in text
        assert "\x07" not in text
    assert len(said("list_runs").splitlines()) == 2


def test_show_run_tells_the_story_of_a_run():
    run, (approval,) = waiting_run()

    text = said("show_run", run.pk)
    assert all(word in text for word in ("waiting_for_approval", "run.started", "delete_file", str(approval.pk)))
    assert answer("show_run", run.pk)["approvals"][0]["id"] == str(approval.pk)


@pytest.mark.parametrize("command", ["show_run", "cancel_run"])
def test_an_id_that_is_none_and_an_id_of_nothing_are_named(command):
    unknown = uuid4()

    assert "'17' is not the id of a run" in refusal(command, "17")
    assert f"no run {unknown}" in refusal(command, unknown)


# --- cancel_run


def test_cancel_run_cancels_with_its_reason_and_origin():
    run = queued_run()

    shown = answer("cancel_run", run.pk, reason="not needed")

    assert (shown["state"], shown["reason"]) == ("cancelled", "cancelled: not needed")
    again(run).control.refresh_from_db()
    assert again(run).control.cancel_origin == "command"


def test_cancel_run_of_a_run_that_ended_says_what_it_is_and_changes_nothing():
    lease = running_run()
    transitions.finish(lease, Outcome.completed("done"))
    before = answer("show_run", lease.run_id)

    err = StringIO()
    call_command("cancel_run", str(lease.run_id), reason="late", stdout=StringIO(), stderr=err)

    assert "already completed" in err.getvalue()
    assert answer("cancel_run", lease.run_id)["state"] == "completed"
    assert answer("show_run", lease.run_id) == before


def test_cancel_run_refuses_an_empty_reason():
    run = queued_run()

    assert "reason is empty" in refusal("cancel_run", run.pk, reason="  ")
    assert again(run).state == "queued"


def test_cancel_run_keeps_the_beginning_of_a_very_long_reason():
    shown = answer("cancel_run", queued_run().pk, reason="x" * 10_000)

    assert shown["state"] == "cancelled"
    assert shown["reason"].startswith("cancelled: xxx")


def test_cancel_run_by_a_user_who_may_not_is_refused():
    get_user_model().objects.create_user("visitor")
    run = queued_run()

    assert "visitor may not" in refusal("cancel_run", run.pk, by="visitor")
    assert again(run).state == "queued"


def test_cancel_run_waits_until_the_run_has_ended():
    assert answer("cancel_run", queued_run().pk, wait=True)["state"] == "cancelled"


def test_waiting_ends_with_status_5_when_the_time_is_up():
    lease = running_run()

    with pytest.raises(SystemExit) as ended:
        answer("cancel_run", lease.run_id, wait=True, timeout=0.0)
    assert ended.value.code == 5
    assert again(lease).state == "cancelling"


# --- approvals


def test_list_approvals_shows_those_that_wait_by_default():
    run, (approval,) = waiting_run()

    (shown,) = answer("list_approvals")
    assert (shown["id"], shown["run"], shown["status"]) == (str(approval.pk), str(run.pk), "pending")
    assert answer("list_approvals", run=str(queued_run().pk)) == []
    assert answer("list_approvals", status="approved") == []


def test_list_approvals_shows_a_person_every_argument_in_full():
    path = "/srv/" + "deep/" * 60 + "file"
    waiting_run(ask(path=path))

    assert path in said("list_approvals")


def test_list_approvals_can_show_all():
    run, _ = waiting_run(ask("a#1"), ask("b#1"))
    control.cancel_run(run.pk)

    assert answer("list_approvals") == []
    assert [shown["status"] for shown in answer("list_approvals", status="all")] == ["expired", "expired"]


def test_resolve_approval_approves_in_the_name_of_a_person():
    run, (approval,) = waiting_run()
    user("grace")

    shown = answer("resolve_approval", approval.pk, decision="approve", by="grace")

    assert (shown["status"], shown["decided_by"]) == ("approved", "grace")
    assert again(run).state == "resuming"


def test_resolve_approval_edits_the_arguments(tmp_path: Path):
    _, (approval,) = waiting_run()
    (tmp_path / "args.json").write_text('{"path": "/tmp/b"}')

    answer("resolve_approval", approval.pk, "--args", f"@{tmp_path / 'args.json'}", decision="edit", by=user().username)

    approval.refresh_from_db()
    assert approval.edited_args == {"path": "/tmp/b"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--decision", "reject"], ["reason"]),
        (["--decision", "reject", "--reason", " "], ["reason"]),
        (["--decision", "edit"], ["arguments"]),
        (["--decision", "edit", "--args", '{"path": 7}'], ["path"]),
        (["--decision", "edit", "--args", "{path}"], ["--args", "not JSON", "line 1 column 2"]),
    ],
)
def test_resolve_approval_refuses_with_a_sentence_and_decides_nothing(arguments, words):
    _, (approval,) = waiting_run()

    sentence = refusal("resolve_approval", approval.pk, *arguments, by=user().username)

    assert all(word in sentence for word in words), sentence
    approval.refresh_from_db()
    assert approval.status == "pending"


def test_resolve_approval_refuses_unknown_people_and_those_who_may_not():
    get_user_model().objects.create_user("visitor")
    _, (approval,) = waiting_run()

    assert "nobody" in refusal("resolve_approval", approval.pk, decision="approve", by="nobody")
    assert "visitor may not" in refusal("resolve_approval", approval.pk, decision="approve", by="visitor")
    approval.refresh_from_db()
    assert approval.status == "pending"


def test_resolve_approval_says_who_was_faster():
    _, (approval,) = waiting_run()
    user("ada")
    user("grace")
    answer("resolve_approval", approval.pk, decision="approve", by="grace")

    assert answer("resolve_approval", approval.pk, decision="approve", by="grace")["status"] == "approved"
    sentence = refusal("resolve_approval", approval.pk, decision="reject", reason="no", by="ada")
    assert "grace" in sentence
    assert "approved" in sentence


def test_resolve_approval_of_an_unknown_id_is_refused():
    name = user().username

    assert "not the id of a" in refusal("resolve_approval", "x", decision="approve", by=name)
    assert "no approval" in refusal("resolve_approval", uuid4(), decision="approve", by=name)


# --- demo


def test_demo_starts_agents_on_real_files_that_the_janitor_may_touch():
    shown = answer("demo")

    assert [run["agent"] for run in shown["runs"]] == ["disk-janitor", "log-triage", "drill"]
    assert {run["state"] for run in shown["runs"]} == {"queued"}
    old = list_old_files(shown["folder"], older_than_days=30)
    assert [Path(file["path"]).name for file in old] == ["core.8412", "build-cache.tar", "export.csv"]
    assert sum(file["size"] for file in old) == sum(Path(file["path"]).stat().st_size for file in old) > 1_000_000
    assert "ERROR shop." in Path(shown["log"]).read_text()


def test_demo_tells_a_person_what_to_do_now():
    text = said("demo")

    janitor = Run.objects.get(agent="disk-janitor")
    assert f"list_approvals --run {janitor.pk}" in text
    assert f"/runs/{janitor.pk}/" in text
    assert "/approvals/" in text


def test_demo_leaves_the_drill_out_where_drills_are_off(settings):
    settings.HARNESS = settings.HARNESS | {"DRILLS": False}

    assert [run["agent"] for run in answer("demo")["runs"]] == ["disk-janitor", "log-triage"]


def test_demo_says_so_where_the_janitor_may_not_touch_its_folder(settings, tmp_path):
    settings.HARNESS = settings.HARNESS | {"JANITOR_ROOTS": [tmp_path]}

    assert "HARNESS_JANITOR_ROOTS" in refusal("demo")

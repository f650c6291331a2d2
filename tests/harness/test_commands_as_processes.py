"""The commands as a script sees them: what is on stdout, what on stderr, and the exit status."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

ROOT = Path(__file__).resolve().parent.parent.parent
WORK_ON_IT = """
from harness import transitions
from harness.models import Worker
worker = Worker.objects.create(name="w", host="h", pid=1, version="0", queues=["default"])
lease = transitions.claim_next("default", worker.pk)
transitions.start(lease)
transitions.finish(lease, transitions.Outcome.{outcome})
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A data folder with a migrated database of its own; there is no Redis."""
    return migrated(tmp_path_factory.mktemp("data"))


def migrated(folder: Path) -> Path:
    status, _, err = manage(folder, "migrate", "--verbosity", "0", "--skip-checks")
    assert status == 0, err
    return folder


def environment(folder: Path, **more: str) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("HARNESS_") and name not in ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE")
    }
    return kept | {"HARNESS_DATA_DIR": str(folder), "HARNESS_AGENTS": "tests.harness.sample_agents", **more}


def begin(folder: Path, *args: str, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "manage.py", *args],
        cwd=ROOT,
        env=environment(folder, **more),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def manage(folder: Path, *args: str, given: str | None = None, **more: str) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of a command."""
    process = begin(folder, *args, **more)
    out, err = process.communicate(given, timeout=60)
    return process.returncode, out, err


def start_waiting(folder: Path) -> subprocess.Popen[str]:
    """A `start_run --wait`, as soon as its run is queued."""
    process = begin(folder, "start_run", "--agent", "greeter", "--input", '{"name": "Ada"}', "--wait", "--json")
    assert process.stderr is not None
    while "queued" not in (line := process.stderr.readline()):
        assert line, process.communicate()
    return process


def test_json_is_the_only_thing_on_stdout_while_agents_print_and_redis_is_away(place):
    status, out, err = manage(
        place, "start_run", "--agent", "greeter", "--input", "-", "--json", given='{"name": "Ada"}'
    )

    assert status == 0, err
    assert out.count("\n") == 1
    assert json.loads(out)["state"] == "queued"
    assert "the sample agents are loaded" in err
    assert "Redis is away" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("command", ["list_runs", "list_agents"])
def test_every_list_is_one_json_array(place, command):
    status, out, _ = manage(place, command, "--json")

    assert status == 0
    assert isinstance(json.loads(out), list)
    assert out.count("\n") == 1


@pytest.mark.parametrize("args", [["start_run", "--agent", "nobody"], ["show_run", "17"]])
def test_a_refusal_is_a_sentence_on_stderr_and_status_1(place, args):
    status, out, err = manage(place, *args, "--json")

    assert (status, out) == (1, "")
    assert err.splitlines()[-1].startswith("Error: ")
    assert "Traceback" not in err


def test_wrong_usage_is_status_2(place):
    status, out, err = manage(place, "resolve_approval", "x", "--decision", "maybe", "--by", "ada")

    assert (status, out) == (2, "")
    assert "--decision" in err


def test_a_database_without_tables_is_a_sentence(tmp_path):
    status, out, err = manage(tmp_path, "list_runs", "--json")

    assert (status, out) == (1, "")
    assert "manage.py migrate" in err
    assert "Traceback" not in err


def test_a_database_that_is_away_is_a_sentence_without_its_password(tmp_path):
    url = "postgres://runwatch:s3cret@127.0.0.1:1/runwatch"
    status, out, err = manage(tmp_path, "list_runs", "--json", DATABASE_URL=url)

    assert (status, out) == (1, "")
    assert "The database runwatch on 127.0.0.1 cannot be reached" in err
    assert "Traceback" not in err
    assert "s3cret" not in err


def test_a_reader_that_goes_away_is_no_error(place):
    done = subprocess.run(
        f"{sys.executable} manage.py list_agents | true",
        shell=True,
        cwd=ROOT,
        env=environment(place),
        capture_output=True,
    )

    assert b"Traceback" not in done.stderr
    assert b"BrokenPipe" not in done.stderr


def test_a_terminal_of_ascii_gets_escapes_instead_of_an_error(place):
    given = '{"name": "Zoë"}'
    status, out, err = manage(
        place, "start_run", "--agent", "greeter", "--input", "-", given=given, PYTHONIOENCODING="ascii", PYTHONUTF8="0"
    )

    assert status == 0, err
    assert "Zo\\xeb" in out


@pytest.mark.parametrize(
    ("outcome", "state", "status"), [("completed('hi')", "completed", 0), ("failed('no disk')", "failed", 3)]
)
def test_waiting_ends_with_the_status_of_the_outcome(tmp_path, outcome, state, status):
    waiting = start_waiting(migrated(tmp_path))
    assert manage(tmp_path, "shell", "--no-imports", "-c", WORK_ON_IT.format(outcome=outcome))[0] == 0

    out, err = waiting.communicate(timeout=30)
    assert waiting.returncode == status
    assert json.loads(out)["state"] == state
    assert state in err


def test_waiting_for_a_run_that_is_cancelled_ends_with_status_4(place):
    waiting = start_waiting(place)
    (run, *_) = json.loads(manage(place, "list_runs", "--state", "queued", "--limit", "1", "--json")[1])
    assert manage(place, "cancel_run", run["id"], "--reason", "enough")[0] == 0

    out, _ = waiting.communicate(timeout=30)
    assert waiting.returncode == 4
    assert json.loads(out)["reason"] == "cancelled: enough"


def test_waiting_ends_with_status_5_when_the_time_is_up(place):
    began = time.monotonic()
    status, out, err = manage(
        place, "start_run", "--agent", "greeter", "--input", '{"name": "Ada"}', "--wait", "--timeout", "0.5", "--json"
    )

    assert status == 5
    assert json.loads(out)["state"] == "queued"
    assert "Not ended after 0.5 s" in err
    assert time.monotonic() - began < 30

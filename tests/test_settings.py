"""A wrong setting stops the start with one sentence; a right one arrives with its type."""

import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from harness import conf as conf_module
from harness.conf import Conf, conf
from harness.config import env
from tests.infra.stack import ROOT, environment

WRONG = [
    ({"HARNESS_LEASE_SECONDS": "soon"}, "HARNESS_LEASE_SECONDS is 'soon', but should be a number of seconds above 0."),
    ({"HARNESS_LEASE_SECONDS": "0"}, "HARNESS_LEASE_SECONDS is '0', but should be a number of seconds above 0."),
    ({"HARNESS_LEASE_SECONDS": "nan"}, "HARNESS_LEASE_SECONDS is 'nan', but should be a number of seconds above 0."),
    ({"HARNESS_LEASE_SECONDS": "inf"}, "HARNESS_LEASE_SECONDS is 'inf', but should be a number of seconds above 0."),
    ({"HARNESS_CANCEL_GRACE_SECONDS": "-1"}, "HARNESS_CANCEL_GRACE_SECONDS is '-1'"),
    ({"HARNESS_HEARTBEAT_INTERVAL_SECONDS": "20"}, "at most half of HARNESS_LEASE_SECONDS (30)"),
    ({"HARNESS_LEASE_SECONDS": "4"}, "HARNESS_HEARTBEAT_INTERVAL_SECONDS is 5"),
    ({"HARNESS_HEARTBEAT_TIMEOUT_SECONDS": "2"}, "at least twice HARNESS_HEARTBEAT_INTERVAL_SECONDS (5)"),
    ({"HARNESS_SUPERVISOR_INTERVAL_SECONDS": "60"}, "HARNESS_SUPERVISOR_INTERVAL_SECONDS is 60"),
    ({"HARNESS_RECOVERY_ENABLED": "maybe"}, "HARNESS_RECOVERY_ENABLED is 'maybe', but should be true or false."),
    ({"HARNESS_MAX_CONCURRENT_RUNS": "0"}, 'a whole number of at least 1, or "none"'),
    ({"HARNESS_MAX_CRASHES": "2.5"}, "HARNESS_MAX_CRASHES is '2.5', but should be a whole number of at least 1."),
    ({"HARNESS_RETENTION_DAYS": "0"}, "HARNESS_RETENTION_DAYS is '0'"),
    ({"HARNESS_JANITOR_ROOTS": "/no/such/folder"}, "HARNESS_JANITOR_ROOTS is '/no/such/folder'"),
    ({"HARNESS_TIME_ZONE": "Mars/Olympus"}, "HARNESS_TIME_ZONE is 'Mars/Olympus'"),
    ({"HARNESS_LOG_LEVEL": "LOUD"}, "HARNESS_LOG_LEVEL is 'LOUD'"),
    ({"HARNESS_DATA_DIR": "/proc/nowhere"}, "/proc/nowhere (HARNESS_DATA_DIR)"),
    ({"DATABASE_URL": "mysql://root:hidden@db/x"}, "DATABASE_URL is 'mysql://root:***@db/x'"),
    ({"DATABASE_URL": "nonsense"}, "DATABASE_URL is 'nonsense', but should be a URL"),
    ({"DATABASE_URL": "postgres://u:hidden@db:port/x"}, "DATABASE_URL is 'postgres://u:***@db:port/x'"),
    ({"REDIS_URL": "http://127.0.0.1"}, "REDIS_URL is 'http://127.0.0.1'"),
    ({"PORT": "70000"}, "PORT is '70000', but should be a whole number from 1 to 65535."),
    ({"WORKERS": "many"}, "WORKERS is 'many'"),
]


@pytest.mark.parametrize(("variables", "sentence"), WRONG, ids=[" ".join(map("=".join, w[0].items())) for w in WRONG])
def test_a_wrong_setting_stops_the_start_with_a_sentence_that_names_it(
    variables: dict[str, str], sentence: str, tmp_path: Path
) -> None:
    done = manage("check", tmp_path, **variables)

    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "hidden" not in done.stderr


def test_the_secret_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    show = "from django.conf import settings; print(settings.SECRET_KEY)"
    first = manage("shell", tmp_path, "--verbosity=0", "--command", show).stdout.strip()
    second = manage("shell", tmp_path, "--verbosity=0", "--command", show).stdout.strip()

    assert len(first) > 50
    assert first == second
    assert (tmp_path / "secret_key").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.glob("secret_key*")] == ["secret_key"]


def test_processes_that_start_together_agree_on_the_secret_key(tmp_path: Path) -> None:
    file = str(tmp_path / "key")
    read = f"from pathlib import Path; from harness.config import env; print(env.secret('X', Path({file!r})))"
    starting = [
        subprocess.Popen([sys.executable, "-c", read], cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(8)
    ]

    keys = {process.communicate(timeout=60)[0] for process in starting}

    assert len(keys) == 1
    assert len(keys.pop().strip()) > 50


def test_nothing_to_complain_about_when_deployed_behind_https(tmp_path: Path) -> None:
    done = manage("check", tmp_path, "--deploy", "--fail-level=INFO", HARNESS_HTTPS="1")

    assert done.returncode == 0, done.stderr


def test_every_setting_of_the_harness_can_be_given_and_has_a_default(settings: Any) -> None:
    assert set(settings.HARNESS) == {field.name for field in fields(Conf)}


def test_an_override_holds_at_once_and_the_rest_keeps_its_defaults(settings: Any) -> None:
    settings.HARNESS = {"LEASE_SECONDS": 7}

    assert conf.LEASE_SECONDS == 7
    assert conf.HEARTBEAT_TIMEOUT_SECONDS == 7, "the timeout follows the lease"
    assert conf.MAX_CRASHES == 3


def test_a_setting_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="LEASE_SECOND"):
        conf_module.check({"LEASE_SECOND": 7})
    with pytest.raises(AttributeError, match="LEASE_SECOND"):
        _ = conf.LEASE_SECOND  # type: ignore[attr-defined]


def test_values_arrive_with_their_types(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", " a, b ,,c ")
    assert env.words("X", []) == ["a", "b", "c"]
    monkeypatch.setenv("X", "Yes")
    assert env.boolean("X", False) is True
    monkeypatch.setenv("X", "0.2")
    assert env.seconds("X", 5) == 0.2
    monkeypatch.setenv("X", "none")
    assert env.limit("X", 3) is None
    monkeypatch.setenv("X", "  ")
    assert env.text("X", "default") == "default"


def test_the_embedded_database_is_sqlite_made_for_several_processes(tmp_path: Path) -> None:
    ask = (
        "from django.db import connection as c; cursor = c.cursor();"
        "print([cursor.execute(f'PRAGMA {p}').fetchone()[0] for p in ('journal_mode', 'synchronous', 'busy_timeout')])"
    )
    done = manage("shell", tmp_path, "--verbosity=0", "--command", ask)

    assert done.stdout.strip() == "['wal', 1, 30000]", done.stderr


def manage(command: str, data_dir: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    settings = environment(data_dir, "") | variables
    kept = {name: value for name, value in settings.items() if value or name in os.environ}
    called = [sys.executable, "manage.py", command, *arguments]
    return subprocess.run(called, cwd=ROOT, env=kept, capture_output=True, text=True, timeout=60, check=False)

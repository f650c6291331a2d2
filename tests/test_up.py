"""`manage.py up` as people meet it: a box with the address, a second start, a signal, and nothing left behind."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.infra.ports import free_port
from tests.infra.service import Service, wait_until
from tests.infra.stack import ROOT, environment, run

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(os.environ.get("TEST_DATABASE") == "postgres", reason="up is about the embedded default"),
]


WORDS = {"web": "uvicorn", "worker-1": "work", "supervisor": "supervise", "redis": "redis-server"}


class Up:
    """One data folder and port, and `up` runs upon them."""

    def __init__(self, folder: Path) -> None:
        self.data_dir = folder / "data"
        self.folder = folder
        self.port = free_port()
        self.env = environment(self.data_dir, "") | {"PORT": str(self.port), "WORKERS": "1"}
        del self.env["DATABASE_URL"]
        self.runs: list[Service] = []

    def start(self, **env: str) -> Service:
        command = [sys.executable, str(ROOT / "manage.py"), "up"]
        log = self.folder / f"up-{len(self.runs)}.log"
        self.runs.append(Service("up", command, env=self.env | env, log=log))
        return self.runs[-1]

    def start_and_wait(self, **env: str) -> Service:
        service = self.start(**env)
        wait_until(lambda: "Runwatch is up" in service.log() or not service.alive, seconds=90, what="the box")
        assert service.alive, service.log()
        return service

    def log(self) -> str:
        return self.runs[0].log()

    def names(self) -> set[str]:
        """Of the processes that printed something."""
        return {line.partition("|")[0].strip() for line in self.log().splitlines() if re.match(r"[\w-]+ +\| ", line)}

    def one_called(self, name: str, but: int = 0) -> psutil.Process | None:
        """The direct child that is `name`, if it runs."""
        for child in psutil.Process(self.runs[0].pid).children():
            with suppress(psutil.Error):
                command = " ".join(child.cmdline()).replace(":", " ").split()
                if child.pid != but and any(Path(word).name == WORDS[name] for word in command):
                    return child
        return None

    def manage(self, *arguments: str) -> Any:
        return json.loads(run(self.env | {"HARNESS_DRILLS": "1"}, *arguments, "--json").stdout)

    def state_of(self, run: dict[str, Any]) -> str:
        return str(self.manage("show_run", run["id"])["state"])

    def answers(self) -> bool:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5) as response:
            return bool(response.status == 200)


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    yield from ended_afterwards(Up(tmp_path))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One that is up, for the tests which leave it so."""
    world = Up(tmp_path_factory.mktemp("running"))
    world.start_and_wait(HARNESS_ADMIN_PASSWORD="a given password 1")
    yield from ended_afterwards(world)


def ended_afterwards(world: Up) -> Iterator[Up]:
    yield world
    for service in world.runs:
        service.stop(30)


def test_it_starts_everything_and_shows_where(running: Up) -> None:
    assert running.answers()
    assert f"http://127.0.0.1:{running.port}/" in running.log()
    assert {"web", "worker-1", "supervisor", "redis"} == running.names()


def test_the_password_may_be_given_and_is_not_repeated(running: Up) -> None:
    assert "as in HARNESS_ADMIN_PASSWORD" in running.log()
    assert "a given password 1" not in running.log()
    assert signs_in(running, "admin", "a given password 1")


def test_another_shell_with_the_same_data_finds_redis(running: Up) -> None:
    ask = "from django_rq import get_connection; print(get_connection().ping())"
    command = [sys.executable, str(ROOT / "manage.py"), "shell", "--verbosity=0", "--command", ask]

    done = subprocess.run(command, env=running.env, capture_output=True, text=True, timeout=60, check=False)

    assert done.stdout.strip() == "True", done.stderr


def test_a_second_one_on_the_same_data_is_refused(running: Up) -> None:
    second = running.start(PORT=str(free_port()))

    assert second.wait(60) == 1
    assert f"already up with the data in {running.data_dir} (process {running.runs[0].pid})" in second.log()
    assert running.answers()


@pytest.mark.parametrize("name", ["web", "worker-1", "supervisor", "redis"])
def test_a_process_that_crashes_is_started_again(running: Up, name: str) -> None:
    crashed = running.one_called(name)
    assert crashed is not None

    crashed.kill()

    wait_until(lambda: f"{name} ended" in running.log(), what="the crash to be noticed")
    wait_until(lambda: running.one_called(name, but=crashed.pid), what=f"another {name}")


def test_a_second_start_goes_on_where_the_first_ended_and_signals_end_both_without_remains(up: Up) -> None:
    first = up.start_and_wait()
    password = shown_password(first)
    family = first.children()
    first.kill(signal.SIGTERM)
    assert first.wait(30) == 0, first.log()
    assert left(family) == []
    assert port_is_free(up.port)

    second = up.start_and_wait()

    assert len(password) >= 12
    assert "unchanged since the first start" in second.log()
    assert password not in second.log()
    assert signs_in(up, "admin", password)
    family = second.children()
    second.kill(signal.SIGINT)
    assert second.wait(30) == 0, second.log()
    assert left(family) == []


def test_a_signal_drains_what_runs_and_another_one_hurries(up: Up) -> None:
    service = up.start_and_wait(HARNESS_DRILLS="1", HARNESS_DRAIN_SECONDS="60")
    family = service.children()
    started = up.manage("start_run", "--agent=drill", '--input={"mode": "ignore_cancel", "seconds": 300}')
    wait_until(lambda: up.state_of(started) == "running", what="the run to start")

    service.kill(signal.SIGTERM)
    service.kill(signal.SIGTERM)  # as when a process group and make both hand it on
    wait_until(lambda: "draining" in service.log(), what="the worker to drain")
    time.sleep(3)
    assert service.alive
    service.kill(signal.SIGTERM)

    assert service.wait(30) == 0, service.log()
    assert left(family) == []
    assert "Redis is away" not in service.log(), "Redis ends after those that need it"
    assert up.state_of(started) == "queued"


def test_when_it_is_killed_nothing_survives_and_it_starts_again(up: Up) -> None:
    service = up.start_and_wait()
    family = service.children()

    service.kill(signal.SIGKILL)
    service.wait()

    wait_until(lambda: not left(family), seconds=10, what="children to die with their parent")
    up.start_and_wait()
    assert up.answers()


def test_a_port_that_is_taken_gives_a_sentence_before_anything_is_started(up: Up) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", up.port))
        other.listen()
        service = up.start()
        assert service.wait(60) == 1

    assert f"Port {up.port} on 127.0.0.1 cannot be used" in service.log()
    assert "Traceback" not in service.log()
    assert not (up.data_dir / "db.sqlite3").exists()


def test_a_database_that_does_not_answer_gives_a_sentence_without_its_password(up: Up) -> None:
    service = up.start(DATABASE_URL=f"postgres://me:hidden@127.0.0.1:{free_port()}/db")

    assert service.wait(60) == 1
    assert "postgres://me:***@127.0.0.1" in service.log()
    assert "hidden" not in service.log()
    assert "Traceback" not in service.log()


def shown_password(service: Service) -> str:
    found = re.search(r"Password: (\S+)", service.log())
    assert found, service.log()
    return found[1]


def left(family: list[psutil.Process]) -> list[psutil.Process]:
    return [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def signs_in(up: Up, name: str, password: str) -> bool:
    with httpx.Client(base_url=f"http://127.0.0.1:{up.port}", timeout=10) as client:
        client.get("/accounts/login/")
        form = {"username": name, "password": password, "csrfmiddlewaretoken": client.cookies["runwatch_csrf"]}
        return bool(client.post("/accounts/login/", data=form).status_code == 302)

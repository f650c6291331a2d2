"""Real web, worker and supervisor processes around a database, a Redis server and a data folder of their own."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from tests.infra import postgres
from tests.infra.ports import free_port
from tests.infra.redis import RedisServer
from tests.infra.service import Service, wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
MANAGE = [sys.executable, str(ROOT / "manage.py")]
ADMIN, PASSWORD = "admin", "correct horse battery"
SHORT_TIMES = {
    "HARNESS_LEASE_SECONDS": "1.5",
    "HARNESS_HEARTBEAT_INTERVAL_SECONDS": "0.2",
    "HARNESS_SUPERVISOR_INTERVAL_SECONDS": "0.2",
    "HARNESS_CANCEL_GRACE_SECONDS": "1",
    "HARNESS_DRAIN_SECONDS": "3",
    "HARNESS_DRILLS": "1",
}
OURS = ("HARNESS_", "RUNWATCH_", "DATABASE_URL", "REDIS_URL", "DJANGO_", "PORT", "WORKERS", "PYTEST_")


class Template:
    """A migrated database with the user `admin`, made once and copied for each stack; static files collected once."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.folder = Path(tempfile.mkdtemp(prefix="rw-template-"))
        self.name = "template_" + uuid.uuid4().hex[:8]
        if kind == "postgres":
            postgres.cluster().create(self.name)
        env = environment(self.folder, self._url(self.name)) | {"DJANGO_SUPERUSER_PASSWORD": PASSWORD}
        run(env, "migrate", "--verbosity=0")
        run(env, "createsuperuser", "--noinput", f"--username={ADMIN}", "--email=admin@example.com")
        run(env, "collectstatic", "--noinput", "--verbosity=0")

    def copy(self, data_dir: Path) -> str:
        """A new database; returns its URL."""
        if self.kind == "postgres":
            name = "live_" + uuid.uuid4().hex[:8]
            postgres.cluster().create(name, template=self.name)
            return self._url(name)
        shutil.copy(self.folder / "db.sqlite3", data_dir / "db.sqlite3")
        return f"sqlite:///{data_dir / 'db.sqlite3'}"

    def remove(self) -> None:
        if self.kind == "postgres":
            postgres.cluster().drop(self.name)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _url(self, name: str) -> str:
        return postgres.cluster().url(name) if self.kind == "postgres" else f"sqlite:///{self.folder / 'db.sqlite3'}"


class LiveStack:
    """Building blocks of a test with real processes; everything is ended by `stop_all`.

    Nothing of it shares pytest-django's database: look through `manage`, `query` or HTTP.
    """

    def __init__(self, template: Template, **env: str) -> None:
        self.template = template
        self.data_dir = Path(tempfile.mkdtemp(prefix="rw-live-"))
        self.database_url = template.copy(self.data_dir)
        self.redis = RedisServer(self.data_dir)
        self.port = free_port()
        self.env = environment(self.data_dir, self.database_url) | SHORT_TIMES
        self.env |= {"HARNESS_STATIC_ROOT": str(template.folder / "static"), "PORT": str(self.port)} | env
        self.services: list[Service] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def web(self, **env: str) -> Service:
        """A web process that answers."""
        arguments = ["--host", "127.0.0.1", "--port", str(self.port), "--lifespan", "off"]
        arguments += ["--app-dir", str(ROOT), "--timeout-graceful-shutdown", "2", "--log-level", "warning"]
        command = [sys.executable, "-m", "uvicorn", "harness.config.asgi:application", *arguments]
        service = self.start("web", command, RUNWATCH_ROLE="web", **env)
        self._wait_for(service, lambda: self.get("/healthz") is not None)
        return service

    def worker(self, *arguments: str, **env: str) -> Service:
        """One `manage.py work` that takes runs."""
        service = self.start("worker", [*MANAGE, "work", *arguments], **env)
        self._wait_for(service, lambda: self._beats(service))
        return service

    def supervisor(self, **env: str) -> Service:
        service = self.start("supervisor", [*MANAGE, "supervise"], **env)
        self._wait_for(service, lambda: self._beats(service))
        return service

    def start(self, name: str, command: Sequence[str], **env: str) -> Service:
        log = self.data_dir / f"{name}-{len(self.services)}.log"
        service = Service(name, command, env=self.env | env, log=log)
        self.services.append(service)
        return service

    def manage(self, *arguments: str, status: int = 0) -> Any:
        """Run a command with --json: its document. With another `status`, that it ended so: what it said on stderr."""
        done = run(self.env, *arguments, "--json", status=status)
        return json.loads(done.stdout) if status == 0 else done.stderr

    def call(self, *arguments: str, status: int = 0) -> str:
        """Run a command as it is; returns what it printed."""
        return run(self.env, *arguments, status=status).stdout

    def get(self, path: str) -> str | None:
        """A page's body when it answers with 200; for those that need no sign-in."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as response:
                body: str = response.read().decode()
                return body
        except (urllib.error.URLError, OSError):
            return None

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows straight from the database, committed ones; `%s` marks a value on both databases."""
        if self.template.kind == "postgres":
            with psycopg.connect(self.database_url, autocommit=True) as connection:
                return connection.execute(statement.encode(), values).fetchall()
        plain = [value.hex if isinstance(value, uuid.UUID) else value for value in values]
        file = sqlite3.connect(self.data_dir / "db.sqlite3", timeout=10, isolation_level=None)
        try:
            return file.execute(statement.replace("%s", "?"), plain).fetchall()
        finally:
            file.close()

    def logs(self) -> dict[str, str]:
        return {f"{service.name} {service.pid}": service.log() for service in self.services}

    def stop_all(self) -> None:
        for service in reversed(self.services):
            service.stop()
        self.redis.stop()
        if self.template.kind == "postgres":
            postgres.cluster().drop(self.database_url.rpartition("/")[2])
        shutil.rmtree(self.data_dir, ignore_errors=True)

    def _wait_for(self, service: Service, ready: Any) -> None:
        def ready_or_ended() -> bool:
            return bool(ready()) or not service.alive

        wait_until(ready_or_ended, seconds=40, what=f"{service.name} to begin\n{service.log()}")
        assert service.alive, f"{service.name} ended at once:\n{service.log()}"

    def _beats(self, service: Service) -> bool:
        return bool(self.query("SELECT 1 FROM harness_worker WHERE pid = %s AND stopped_at IS NULL", service.pid))


def environment(data_dir: Path, database_url: str) -> dict[str, str]:
    """This process' environment without anything that chooses settings, then the given data."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return clean | {"HARNESS_DATA_DIR": str(data_dir), "DATABASE_URL": database_url, "PYTHONUNBUFFERED": "1"}


def run(env: dict[str, str], *arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    command = [*MANAGE, *arguments]
    done = subprocess.run(
        command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False
    )
    said = f"manage.py {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    assert done.returncode == status, said
    return done

"""Everything that `manage.py up` does, in order: look, prepare, start, announce."""

import asyncio
import os
import secrets
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import OperationalError, connections
from redis import Redis, RedisError

from harness.conf import conf
from harness.logs import without_password
from harness.stack import redis_server
from harness.stack.preflight import CannotStart, only_one, require_free_port
from harness.stack.processes import ProcessGroup, Program
from harness.stack.static_files import collect_if_changed

ADMIN = "admin"
WEB_MUST_ANSWER_SECONDS = 90


@dataclass(frozen=True)
class Wanted:
    """What the settings ask of `up`."""

    host: str
    port: int
    workers: int
    data_dir: Path
    own_redis: bool

    @classmethod
    def from_settings(cls) -> "Wanted":
        return cls(
            host=settings.UP["HOST"],
            port=settings.UP["PORT"],
            workers=settings.UP["WORKERS"],
            data_dir=settings.DATA_DIR,
            own_redis=redis_server.embedded_url(settings.DATA_DIR) == settings.REDIS_URL,
        )

    @property
    def url(self) -> str:
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104
        return f"http://{host}:{self.port}/"


def up(say: Callable[[str], None]) -> None:
    """Run Runwatch until a signal ends it; raises CannotStart with a sentence, before anything is started."""
    wanted = Wanted.from_settings()
    with only_one(wanted.data_dir):
        require_free_port(wanted.host, wanted.port)
        all_programs = programs(wanted)
        if not wanted.own_redis:
            _look_at_redis(say)
        _prepare_database()
        collect_if_changed()
        access = _admin_access()
        connections.close_all()

        async def announce() -> None:
            await asyncio.to_thread(_wait_for_web, wanted.url)
            say(box([f"Runwatch is up: {wanted.url}", *access, f"Data: {wanted.data_dir}", "Ctrl-C ends everything."]))

        ProcessGroup(all_programs).run(announce)


def programs(wanted: Wanted) -> list[Program]:
    """What has to run, in the order in which it is started from the last stage to the first."""
    manage = [sys.executable, str(settings.BASE_DIR / "manage.py")]
    web = [sys.executable, "-m", "uvicorn", "harness.config.asgi:application"]
    web += ["--host", wanted.host, "--port", str(wanted.port), "--lifespan", "off", "--no-server-header"]
    web += ["--timeout-graceful-shutdown", "2", "--log-level", "warning"]
    all_programs = [
        Program("web", [*web, "--app-dir", str(settings.BASE_DIR)], grace=5, env={"RUNWATCH_ROLE": "web"}),
        Program("supervisor", [*manage, "supervise"], grace=10),
    ]
    for number in range(1, wanted.workers + 1):
        all_programs.append(Program(f"worker-{number}", [*manage, "work"], grace=conf.DRAIN_SECONDS + 5))
    if wanted.own_redis:
        all_programs.append(Program("redis", redis_server.command(wanted.data_dir), grace=10, stage=1))
    return all_programs


def box(lines: list[str]) -> str:
    width = max(map(len, lines))
    rule = "─" * (width + 2)
    return "\n".join(["", f"┌{rule}┐", *(f"│ {line:<{width}} │" for line in lines), f"└{rule}┘", ""])


def _look_at_redis(say: Callable[[str], None]) -> None:
    try:
        with Redis.from_url(settings.REDIS_URL, socket_connect_timeout=5, socket_timeout=5) as redis:
            redis.ping()
    except RedisError as error:
        shown = without_password(settings.REDIS_URL)
        say(f"Redis at {shown} (REDIS_URL) does not answer: {error}. Runs are accepted and wait until it does.")


def _prepare_database() -> None:
    try:
        call_command("migrate", interactive=False, verbosity=0)
    except OperationalError as error:
        shown = without_password(settings.DATABASE_URL)
        raise CannotStart(f"The database {shown} (DATABASE_URL) cannot be used: {str(error).strip()}") from None


def _admin_access() -> list[str]:
    """Make the first user unless there is one; its random password is shown this once and kept nowhere."""
    users = get_user_model()._default_manager
    given = os.environ.get("HARNESS_ADMIN_PASSWORD")
    if (admin := users.filter(username=ADMIN).first()) is not None:
        fits = given is not None and admin.check_password(given)
        known = "as in HARNESS_ADMIN_PASSWORD" if fits else "unchanged since the first start"
        return [f"User: {ADMIN}", f"Password: {known} (manage.py changepassword {ADMIN} sets a new one)"]
    password = given or secrets.token_urlsafe(12)
    users.create_superuser(username=ADMIN, email="", password=password)
    shown = "as in HARNESS_ADMIN_PASSWORD" if given else f"{password}   (shown only this once)"
    return [f"User: {ADMIN}", f"Password: {shown}"]


def _wait_for_web(url: str) -> None:
    deadline = time.monotonic() + WEB_MUST_ANSWER_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}healthz", timeout=5):  # noqa: S310
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise CannotStart(f"The web process did not answer {url}healthz within {WEB_MUST_ANSWER_SECONDS} s; see above why.")

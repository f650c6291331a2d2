"""A throw-away PostgreSQL cluster behind a Unix socket, started when a test first needs it."""

import atexit
import getpass
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from urllib.parse import quote

import psycopg

from harness.stack.processes import LEASH
from tests.infra.service import wait_until

PORT = 54329  # only names the socket file: the server listens on no address
SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "log_min_messages": "error",
}


class Cluster:
    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="rw-pg-"))
        self.data = self.folder / "data"
        self.user = "postgres" if os.geteuid() == 0 else getpass.getuser()
        self.server: subprocess.Popen[bytes] | None = None
        atexit.register(self.remove)

    def url(self, database: str) -> str:
        return f"postgresql://{self.user}@{quote(str(self.folder), safe='')}:{PORT}/{database}"

    def start(self) -> None:
        """Start it from the main thread: the server dies with the thread that started it, as far as Linux can tell."""
        if not self.data.exists():
            self._create()
        options = [f"--{name}={value}" for name, value in SETTINGS.items()]
        options += [f"--unix_socket_directories={self.folder}"]
        log = self.folder / "log"
        command = [*self._leash(), find_program("postgres"), "-D", str(self.data), *options]
        with log.open("ab") as sink:
            self.server = subprocess.Popen(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True
            )
        wait_until(self._answers, what=f"PostgreSQL to answer, see {log}")

    def stop(self, number: signal.Signals = signal.SIGQUIT) -> None:
        """SIGQUIT ends it at once, SIGINT ends the connections and writes what is due."""
        if self.server is not None and self.server.poll() is None:
            self.server.send_signal(number)
            self.server.wait(30)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def restart(self) -> None:
        """Ends every connection, as a fail-over does."""
        self.stop(signal.SIGINT)
        self.start()

    def create(self, database: str, *, template: str = "template1") -> None:
        self.execute(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')

    def drop(self, database: str) -> None:
        self.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def _create(self) -> None:
        if os.geteuid() == 0:
            owner = pwd.getpwnam(self.user)
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
            self.folder.chmod(0o755)
        self._run("initdb", "-D", str(self.data), "-U", self.user, "-A", "trust", "-E", "UTF8", "--no-sync")

    def _answers(self) -> bool:
        assert self.server is not None
        if self.server.poll() is not None:
            raise RuntimeError(f"PostgreSQL ended at once: {(self.folder / 'log').read_text(errors='replace')}")
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._leash(), find_program(program), *arguments]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stdout}{done.stderr}")

    def _leash(self) -> list[str]:
        """PostgreSQL refuses to run as root; either way it must not outlive the tests."""
        if os.geteuid() == 0:
            owner = ["--reuid", self.user, "--regid", self.user, "--clear-groups"]
            return ["setpriv", *owner, "--pdeathsig", "KILL", "--"]
        return [sys.executable, "-I", "-S", str(LEASH), str(os.getpid())]


@cache
def cluster() -> Cluster:
    """The cluster of this test run; not started yet."""
    return Cluster()


def find_program(name: str) -> str:
    """On PATH, or where Debian keeps the newest version."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda found: int(found.parts[4]))
    if found := shutil.which(name) or (versions and str(versions[-1])):
        return found
    raise RuntimeError(f"PostgreSQL's {name} is not installed: scripts/install-test-deps installs it.")

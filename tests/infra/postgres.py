"""A throw-away PostgreSQL cluster behind a Unix socket, started when a test first needs it."""

import atexit
import getpass
import os
import pwd
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from urllib.parse import quote

import psycopg

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
        atexit.register(self.stop)

    def url(self, database: str) -> str:
        return f"postgresql://{self.user}@{quote(str(self.folder), safe='')}:{PORT}/{database}"

    def start(self) -> None:
        if not self.data.exists():
            self._create()
        options = " ".join(f"-c {name}={value or chr(39) * 2}" for name, value in SETTINGS.items())
        options += f" -c unix_socket_directories={self.folder}"
        self._run("pg_ctl", "-D", str(self.data), "-l", str(self.folder / "log"), "-o", options, "-w", "start")

    def stop(self, mode: str = "immediate") -> None:
        if (self.data / "postmaster.pid").exists():
            self._run("pg_ctl", "-D", str(self.data), "-m", mode, "-w", "stop")

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def restart(self) -> None:
        """Ends every connection, as a fail-over does."""
        self.stop("fast")
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

    def _run(self, program: str, *arguments: str) -> None:
        command = [find_program(program), *arguments]
        if os.geteuid() == 0:
            command = ["runuser", "-u", self.user, "--", *command]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stdout}{done.stderr}")


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

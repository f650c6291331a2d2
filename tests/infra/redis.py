"""A real Redis server behind a Unix socket in a folder of its own."""

import os
import shutil
import signal
import tempfile
from pathlib import Path

from redis import Redis, RedisError

from harness.stack import redis_server
from tests.infra.service import Service, wait_until


class RedisServer:
    """Keeps nothing on disk unless `durable`; can be stopped, killed, frozen and started again at the same place."""

    def __init__(self, folder: Path | None = None, *, durable: bool = False) -> None:
        self.own_folder = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="rw-redis-"))
        self.durable = durable
        self.url = redis_server.embedded_url(self.folder)
        self.service: Service | None = None

    def start(self) -> "RedisServer":
        command = redis_server.command(self.folder)
        if not self.durable:
            command += ["--appendonly", "no"]
        self.service = Service("redis", command, env=os.environ, log=self.folder / "redis.log")
        wait_until(self.answers, what="Redis to answer")
        return self

    def client(self) -> Redis:
        return Redis.from_url(self.url)

    def answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except RedisError:
            return False

    def kill(self, number: int = signal.SIGKILL) -> None:
        assert self.service is not None
        self.service.kill(number)
        if number in (signal.SIGKILL, signal.SIGTERM):
            self.service.wait()

    def stop(self) -> None:
        if self.service is not None:
            self.service.stop()
        if self.own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from harness.stack.preflight import CannotStart
from harness.stack.redis_server import NoRedisServer
from harness.stack.up import up


class Command(BaseCommand):
    help = "Start everything: web, workers, supervisor and, unless REDIS_URL names one, a Redis server."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            up(self._say)
        except (CannotStart, NoRedisServer) as reason:
            raise CommandError(str(reason)) from None

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()

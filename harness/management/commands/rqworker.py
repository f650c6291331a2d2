"""django-rq's `rqworker`, always with HarnessWorker and the JSON serializer of our rings."""

from __future__ import annotations

from typing import Any

from django_rq.management.commands import rqworker


class Command(rqworker.Command):
    help = "The same workers as `work`, with the options of django-rq's command of this name."

    def handle(self, *args: Any, **options: Any) -> None:
        options |= {"worker_class": "harness.worker.HarnessWorker", "serializer": "rq.serializers.JSONSerializer"}
        super().handle(*args, **options)

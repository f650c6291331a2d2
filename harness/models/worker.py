from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.db.models import Q

from harness.clock import Now
from harness.conf import conf
from harness.models.base import Identified


class WorkerQuerySet(models.QuerySet["Worker"]):
    def running(self) -> WorkerQuerySet:
        """Started and not known to have stopped."""
        return self.filter(stopped_at__isnull=True)

    def alive(self) -> WorkerQuerySet:
        """Beat within HEARTBEAT_TIMEOUT_SECONDS, by the database's clock."""
        since = Now() - timedelta(seconds=conf.HEARTBEAT_TIMEOUT_SECONDS)
        return self.running().filter(heartbeat_at__gt=since)

    def workers(self) -> WorkerQuerySet:
        return self.filter(kind=Worker.Kind.WORKER)

    def supervisors(self) -> WorkerQuerySet:
        return self.filter(kind=Worker.Kind.SUPERVISOR)


class Worker(Identified):
    """One start of a worker or supervisor process; a new row, so a new id, at every start."""

    class Kind(models.TextChoices):
        WORKER = "worker", "Worker"
        SUPERVISOR = "supervisor", "Supervisor"

    kind = models.CharField(max_length=16, choices=Kind.choices, default=Kind.WORKER)
    name = models.CharField(max_length=200)
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    version = models.CharField(max_length=50)
    queues = models.JSONField(default=list)
    horse_pid = models.PositiveIntegerField(null=True, blank=True)
    started_at = models.DateTimeField(db_default=Now())
    heartbeat_at = models.DateTimeField(db_default=Now())
    draining_at = models.DateTimeField(null=True, blank=True, help_text="Asked to finish what it holds and stop.")
    stopped_at = models.DateTimeField(null=True, blank=True)

    objects = WorkerQuerySet.as_manager()

    class Meta:
        db_table = "harness_worker"
        permissions = [("drain_worker", "Can drain workers")]
        indexes = [
            models.Index("kind", "heartbeat_at", condition=Q(stopped_at__isnull=True), name="worker_running"),
            models.Index("started_at", name="worker_recent"),
        ]

    def __str__(self) -> str:
        return self.name

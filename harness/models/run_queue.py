from __future__ import annotations

from uuid import UUID

from django.db import models
from django.db.models import F, Q

from harness.clock import Now


class RunQueueQuerySet(models.QuerySet["RunQueue"]):
    def waiting(self) -> RunQueueQuerySet:
        """Nobody has taken these."""
        return self.filter(claimed_by__isnull=True)

    def due(self) -> RunQueueQuerySet:
        return self.waiting().filter(available_at__lte=Now())

    def claimed(self) -> RunQueueQuerySet:
        return self.filter(claimed_by__isnull=False)

    def of_worker(self, worker_id: UUID) -> RunQueueQuerySet:
        return self.filter(claimed_by=worker_id)

    def expired(self) -> RunQueueQuerySet:
        """Claims whose lease ran out, by the database's clock."""
        return self.filter(lease_expires_at__lte=Now())

    def in_order(self) -> RunQueueQuerySet:
        """The order in which workers take them: priority, due time, age."""
        return self.order_by("-priority", "available_at", "run_id")


class RunQueue(models.Model):
    """The wish for a worker, or the hold on one. Only harness.transitions writes it."""

    run = models.OneToOneField("harness.Run", models.CASCADE, primary_key=True, related_name="queue_row")
    queue_key = models.CharField(max_length=100)
    priority = models.SmallIntegerField(default=0)
    available_at = models.DateTimeField()
    claimed_by = models.ForeignKey(
        "harness.Worker", models.PROTECT, null=True, blank=True, related_name="claims", db_index=False
    )
    claimed_at = models.DateTimeField(null=True, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    claim_epoch = models.PositiveIntegerField(null=True, blank=True)

    objects = RunQueueQuerySet.as_manager()

    class Meta:
        db_table = "harness_run_queue"
        indexes = [
            models.Index(
                F("queue_key"),
                F("priority").desc(),
                F("available_at"),
                F("run_id"),
                condition=Q(claimed_by__isnull=True),
                name="queue_next",
            ),
            models.Index("claimed_by", condition=Q(claimed_by__isnull=False), name="queue_by_worker"),
            models.Index("lease_expires_at", condition=Q(claimed_by__isnull=False), name="queue_leases"),
            models.Index("queue_key", condition=Q(claimed_by__isnull=False), name="queue_holders"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    claimed_by__isnull=True,
                    claimed_at__isnull=True,
                    lease_expires_at__isnull=True,
                    claim_epoch__isnull=True,
                )
                | Q(
                    claimed_by__isnull=False,
                    claimed_at__isnull=False,
                    lease_expires_at__isnull=False,
                    claim_epoch__isnull=False,
                ),
                name="queue_claim_is_whole",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.queue_key}: {self.run_id}"

"""What every table shares: time-ordered keys."""

from __future__ import annotations

import uuid

from django.db import models
from uuid_utils.compat import uuid7


def new_id() -> uuid.UUID:
    """A UUID version 7 (RFC 9562): sorts by creation time to the millisecond."""
    return uuid7()


class Identified(models.Model):
    """A row with a time-ordered UUID for a key."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)

    class Meta:
        abstract = True

from __future__ import annotations

from datetime import timedelta

from harness.clock import Now
from harness.conf import conf
from harness.models import Run
from harness.states import State


def count() -> int:
    quiet = Now() - timedelta(seconds=conf.STUCK_AFTER_SECONDS)
    return Run.objects.active().exclude(state=State.WAITING).filter(updated_at__lt=quiet).count()

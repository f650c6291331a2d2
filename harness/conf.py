"""The harness' own settings: their defaults, what they must satisfy, and how they are read at run time."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


@dataclass(frozen=True)
class Conf:
    """One field per key of settings.HARNESS; each is also the environment variable HARNESS_<KEY>."""

    LEASE_SECONDS: float = 30
    """How long a claim holds without being renewed."""
    HEARTBEAT_INTERVAL_SECONDS: float = 5
    HEARTBEAT_TIMEOUT_SECONDS: float = cast(float, None)
    """A run without a beat for so long is stale. Follows the lease unless set."""
    RECOVERY_ENABLED: bool = True
    SUPERVISOR_INTERVAL_SECONDS: float = 1
    STUCK_AFTER_SECONDS: float = 300
    CANCEL_GRACE_SECONDS: float = 10
    MAX_CONCURRENT_RUNS: int | None = None
    """Over all queues; None: as many as there are workers."""
    MAX_CRASHES: int = 3
    RETENTION_DAYS: int = 30
    DRAIN_SECONDS: float = 30
    RUNS_PER_HORSE: int = 100
    APPROVAL_TIMEOUT_SECONDS: float = 7 * 86400
    MAX_INPUT_BYTES: int = 1_000_000
    MAX_RESULT_BYTES: int = 1_000_000
    DATA_DIR: Path = Path(".data")
    QUEUES: list[str] = field(default_factory=lambda: ["default"])
    AGENTS: list[str] = field(default_factory=list)
    """Import paths of modules with agents, besides the `agents` modules of installed apps."""
    DEFAULT_AGENT: str | None = None
    ROUTER: str | None = None
    """Import path of a routing function; None: the rules that agents declare."""
    JANITOR_ROOTS: list[Path] = field(default_factory=list)
    DRILLS: bool = False


DEFAULTS: Conf = Conf()


class _Current:
    """Reads settings.HARNESS at each access, so that an override holds at once."""

    def __getattr__(self, key: str) -> Any:
        try:
            value = settings.HARNESS.get(key, getattr(DEFAULTS, key))
        except AttributeError:
            raise AttributeError(f"HARNESS has no setting {key}") from None
        if value is None and key == "HEARTBEAT_TIMEOUT_SECONDS":
            return self.LEASE_SECONDS
        return value


conf: Conf = cast(Conf, _Current())


def check(values: Mapping[str, Any]) -> None:
    """Refuse settings that contradict each other: ImproperlyConfigured, one sentence."""
    given = asdict(DEFAULTS) | dict(values)
    lease, interval = given["LEASE_SECONDS"], given["HEARTBEAT_INTERVAL_SECONDS"]
    timeout = given["HEARTBEAT_TIMEOUT_SECONDS"]
    if interval * 2 > lease:
        raise ImproperlyConfigured(
            f"HARNESS_HEARTBEAT_INTERVAL_SECONDS is {interval:g}, but should be at most half of "
            f"HARNESS_LEASE_SECONDS ({lease:g}), or one late beat loses the run."
        )
    if timeout is not None and timeout < interval * 2:
        raise ImproperlyConfigured(
            f"HARNESS_HEARTBEAT_TIMEOUT_SECONDS is {timeout:g}, but should be at least twice "
            f"HARNESS_HEARTBEAT_INTERVAL_SECONDS ({interval:g}), or healthy runs look stale."
        )
    if given["SUPERVISOR_INTERVAL_SECONDS"] > lease:
        raise ImproperlyConfigured(
            f"HARNESS_SUPERVISOR_INTERVAL_SECONDS is {given['SUPERVISOR_INTERVAL_SECONDS']:g}, but should be at most "
            f"HARNESS_LEASE_SECONDS ({lease:g}), or expired leases are found too late."
        )
    if unknown := set(values) - set(asdict(DEFAULTS)):
        raise ImproperlyConfigured(f"HARNESS has no setting {', '.join(sorted(unknown))}.")

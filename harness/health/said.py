"""What the explainer says: a reason with its evidence, who can clear it, and what to press."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

from django.urls import NoReverseMatch, reverse

Tone = Literal["ok", "info", "warn", "bad"]


@dataclass(frozen=True)
class Action:
    """What clears it: a verb of harness.control or harness.approvals, or a command, and what it acts on.

    `url_name` is the page where it is done, if there is one.
    """

    label: str
    verb: str
    target: str = ""
    url_name: str = ""
    url_args: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        try:
            return reverse(self.url_name, args=self.url_args) if self.url_name else ""
        except NoReverseMatch:
            return ""

    def as_dict(self) -> dict[str, Any]:
        return {"label": self.label, "verb": self.verb, "target": self.target, "url": self.url}


@dataclass(frozen=True)
class Explanation:
    """Why a run stands where it does. `code` is stable; times and ages are by the database's clock."""

    code: str
    sentence: str
    evidence: dict[str, Any] = field(default_factory=dict)
    since: datetime | None = None
    who: str = ""
    action: Action | None = None
    stuck: bool = False
    tone: Tone = "info"

    def as_dict(self) -> dict[str, Any]:
        plain = asdict(self) | {"action": self.action.as_dict() if self.action else None}
        plain["evidence"] = {name: _plain(value) for name, value in self.evidence.items()}
        return plain


def _plain(value: Any) -> Any:
    return round(value, 1) if isinstance(value, float) else value


def span(seconds: float) -> str:
    """A duration in its largest unit: "40 s", "14 min", "3 h", "2 d"."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, round(seconds))} s"


def see_run(run_id: Any, label: str, verb: str = "show_run") -> Action:
    return Action(label, verb, str(run_id), "dashboard:run", (str(run_id),))


def see_queues(label: str, verb: str, queue_key: str) -> Action:
    return Action(label, verb, queue_key, "dashboard:queues")


def see_workers(label: str, verb: str, target: str = "") -> Action:
    return Action(label, verb, target, "dashboard:workers")


def command(label: str, verb: str) -> Action:
    """Something to start on a host; no page does it."""
    return Action(label, verb)

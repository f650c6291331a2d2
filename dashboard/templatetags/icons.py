"""Icons; and each state's word, tone and shape."""

from __future__ import annotations

from django.template import Library
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = Library()

STATES: dict[str, tuple[str, str, str]] = {
    # word: (label, tone, icon)
    "queued": ("Queued", "quiet", "ring"),
    "claimed": ("Claimed", "info", "half"),
    "running": ("Running", "live", "going"),
    "waiting_for_approval": ("Waiting for approval", "warn", "diamond"),
    "resuming": ("Resuming", "info", "again"),
    "cancelling": ("Cancelling", "warn", "stopping"),
    "completed": ("Completed", "ok", "done"),
    "failed": ("Failed", "bad", "broken"),
    "cancelled": ("Cancelled", "quiet", "struck"),
    "idle": ("Idle", "quiet", "ring"),
    "started": ("Started", "live", "going"),
    "finished": ("Finished", "ok", "done"),
    "unknown": ("Outcome unknown", "bad", "question"),
    "pending": ("Pending", "warn", "diamond"),
    "approved": ("Approved", "ok", "done"),
    "rejected": ("Rejected", "bad", "struck"),
    "expired": ("Expired", "quiet", "late"),
    "alive": ("Alive", "ok", "dot"),
    "late": ("Late", "warn", "late"),
    "dead": ("Dead", "bad", "broken"),
    "draining": ("Draining", "info", "drain"),
    "stopped": ("Stopped", "quiet", "struck"),
    "open": ("Open", "ok", "going"),
    "paused": ("Paused", "warn", "pause"),
    "healthy": ("Healthy", "ok", "done"),
    "degraded": ("Degraded", "warn", "warning"),
    "unhealthy": ("Unhealthy", "bad", "broken"),
    "stuck": ("Stuck", "bad", "warning"),
    "allowed": ("Allowed", "quiet", "check"),
    "denied": ("Denied", "bad", "struck"),
}


@register.simple_tag
def icon(name: str, css: str = "") -> SafeString:
    """An icon of sprite.svg. It says nothing by itself: the word stands beside it, or in the control's name."""
    return format_html(
        '<svg class="icon{}" width="16" height="16" aria-hidden="true" focusable="false"><use href="{}#{}"/></svg>',
        f" {css}" if css else "",
        static("dashboard/icons/sprite.svg"),
        name,
    )


@register.simple_tag
def badge(state: str, label: str = "") -> SafeString:
    """A state as word, shape and colour. `label` replaces the word where the screen has a better one."""
    word, tone, shape = STATES.get(state, (state.replace("_", " ").capitalize(), "quiet", "dot"))
    return format_html(
        '<span class="badge tone-{} is-{}">{}<span>{}</span></span>', tone, state, icon(shape), label or word
    )

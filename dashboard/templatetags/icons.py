"""One family of icons, 16 by 16, drawn with the text's colour; and the shape, tone and word of each state."""

from __future__ import annotations

from django.template import Library
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

register = Library()

LINE: dict[str, str] = {
    # navigation
    "overview": '<path d="M2.5 13.5v-5m3.7 5v-9m3.6 9v-6m3.7 6v-11"/>',
    "runs": '<path d="M3 4h.01M3 8h.01M3 12h.01M6 4h7.5M6 8h7.5M6 12h7.5"/>',
    "threads": '<path d="M2.5 3.5h11v7h-6l-3 2.5v-2.5h-2z"/>',
    "approvals": '<path d="M8 1.8 13.2 4v4c0 3-2.2 5.2-5.2 6.2C5 13.2 2.8 11 2.8 8V4z"/><path d="m5.7 8 1.6 1.6 3-3.2"/>',
    "health": '<path d="M1.8 8.5h2.9l1.8-4.7 3 8.4 1.8-3.7h2.9"/>',
    "queues": '<path d="m8 2 6 3-6 3-6-3zm-6 6 6 3 6-3m-12 3 6 3 6-3"/>',
    "workers": '<rect x="4" y="4" width="8" height="8" rx="1.5"/><path d="M6.5 1.5V4m3-2.5V4m-3 8v2.5m3-2.5v2.5M1.5 6.5H4m-2.5 3H4m8-3h2.5m-2.5 3h2.5"/>',
    "audit": '<path d="M4 1.8h5.5L12.5 5v9.2H4z"/><path d="M9.3 2v3.2h3M6 8h4.5M6 11h4.5"/>',
    "admin": '<path d="M13.5 4.3a3.3 3.3 0 0 1-4.4 4l-4.6 4.9a1.2 1.2 0 0 1-1.8-1.7l4.7-4.8a3.3 3.3 0 0 1 4-4.4L9.5 4.2l.3 1.9 1.9.3z"/>',
    # signs
    "check": '<path d="m3 8.5 3.2 3.2L13 4.8"/>',
    "cross": '<path d="m4 4 8 8m0-8-8 8"/>',
    "chevron": '<path d="m6 3.5 4.5 4.5L6 12.5"/>',
    "down": '<path d="m3.5 6 4.5 4.5L12.5 6"/>',
    "arrow": '<path d="M3 8h10M9 4l4 4-4 4"/>',
    "plus": '<path d="M8 3v10M3 8h10"/>',
    "search": '<circle cx="7" cy="7" r="4.2"/><path d="m10.2 10.2 3.3 3.3"/>',
    "clock": '<circle cx="8" cy="8" r="6"/><path d="M8 4.5V8l2.5 1.5"/>',
    "edit": '<path d="M3 13h2.5L13 5.5 10.5 3 3 10.5zM9 4.5 11.5 7"/>',
    "user": '<circle cx="8" cy="5.5" r="2.7"/><path d="M2.8 13.5c.7-2.6 2.7-4 5.2-4s4.5 1.4 5.2 4"/>',
    "out": '<path d="M6.5 2.5h-4v11h4M6 8h8m-3-3 3 3-3 3"/>',
    "auto": '<circle cx="8" cy="8" r="5.5"/><path d="M8 2.5v11A5.5 5.5 0 0 0 8 2.5z" fill="currentColor"/>',
    "sun": '<circle cx="8" cy="8" r="3"/><path d="M8 1v1.5m0 11V15M1 8h1.5m11 0H15M3 3l1.1 1.1m7.8 7.8L13 13M3 13l1.1-1.1m7.8-7.8L13 3"/>',
    "moon": '<path d="M13.5 9.5A6 6 0 0 1 6.5 2.5a6 6 0 1 0 7 7z"/>',
    "pause": '<path d="M5.5 3.5v9m5-9v9"/>',
    "play": '<path d="M5 3.2v9.6l7.5-4.8z"/>',
    "stop": '<rect x="3.5" y="3.5" width="9" height="9" rx="1.5"/>',
    "retry": '<path d="M13 8a5 5 0 1 1-1.6-3.7M13.2 2v3h-3"/>',
    "drain": '<path d="M8 2v7m-3-3 3 3 3-3M3 13.5h10"/>',
    "warning": '<path d="M8 2 14.5 13.5h-13z"/><path d="M8 6.5v3.3m0 1.9h.01"/>',
    "link": '<path d="M6.5 9.5a2.8 2.8 0 0 0 4 0l2-2a2.8 2.8 0 0 0-4-4l-.7.7M9.5 6.5a2.8 2.8 0 0 0-4 0l-2 2a2.8 2.8 0 0 0 4 4l.7-.7"/>',
    "copy": '<rect x="5.5" y="5.5" width="8" height="8" rx="1.5"/><path d="M10.5 5.5v-3h-8v8h3"/>',
    "download": '<path d="M8 2v8m-3.2-3L8 10.2 11.2 7M2.5 13.5h11"/>',
    "file": '<path d="M4 1.8h5.5L12.5 5v9.2H4z"/><path d="M9.3 2v3.2h3"/>',
    "question": '<path d="M5.5 5.8C5.5 4.2 6.6 3.2 8 3.2s2.5 1 2.5 2.3c0 1.8-2.5 2-2.5 4m0 2.8h.01"/>',
    "keyboard": '<rect x="1.5" y="4" width="13" height="8" rx="1.5"/><path d="M4 6.5h.01M6.7 6.5h.01M9.3 6.5h.01M12 6.5h.01M5 9.5h6"/>',
    # states: every one its own shape
    "ring": '<circle cx="8" cy="8" r="5" stroke-dasharray="2.6 2.6"/>',
    "half": '<circle cx="8" cy="8" r="5"/><path d="M8 3a5 5 0 0 1 0 10z" fill="currentColor" stroke="none"/>',
    "going": '<path d="M5 3.2v9.6l7.5-4.8z" fill="currentColor"/>',
    "diamond": '<path d="M8 2 14 8l-6 6-6-6z" fill="currentColor" fill-opacity=".18"/><path d="M8 5.5v3m0 2h.01"/>',
    "again": '<path d="M13 8a5 5 0 1 1-1.6-3.7M13.2 2v3h-3"/>',
    "stopping": '<rect x="3" y="3" width="10" height="10" rx="1.5"/><path d="M6 8h4"/>',
    "done": '<circle cx="8" cy="8" r="5.7" fill="currentColor" fill-opacity=".18"/><path d="m5.3 8.2 2 2 3.5-4"/>',
    "broken": '<path d="M5.5 2.2h5l3.3 3.3v5l-3.3 3.3h-5l-3.3-3.3v-5z" fill="currentColor" fill-opacity=".18"/><path d="m6 6 4 4m0-4-4 4"/>',
    "struck": '<circle cx="8" cy="8" r="5.5"/><path d="m4.2 11.8 7.6-7.6"/>',
    "late": '<path d="M4 2.5h8M4 13.5h8M5 2.5c0 3 3 3.5 3 5.5s-3 2.5-3 5.5m6-11c0 3-3 3.5-3 5.5s3 2.5 3 5.5"/>',
    "dot": '<circle cx="8" cy="8" r="3.5" fill="currentColor" stroke="none"/>',
}

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
    """An icon that says nothing by itself: the word stands beside it, or in the control's name."""
    return format_html(
        '<svg class="icon {}" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">{}</svg>',
        css,
        mark_safe(LINE[name]),  # noqa: S308 - our own constants
    )


@register.simple_tag
def badge(state: str, label: str = "") -> SafeString:
    """A state as word, shape and colour. `label` replaces the word where the screen has a better one."""
    word, tone, shape = STATES.get(state, (state.replace("_", " ").capitalize(), "quiet", "dot"))
    return format_html(
        '<span class="badge tone-{} is-{}">{}<span>{}</span></span>', tone, state, icon(shape), label or word
    )

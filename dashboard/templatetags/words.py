"""Times, durations, counts and JSON as people read them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from django.template import Library
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from dashboard.queries import workers

register = Library()

UNITS = [(86400, "d"), (3600, "h"), (60, "min"), (1, "s")]


@register.filter
def span(value: timedelta | float | None) -> str:
    """A duration in its two largest units: "14 min", "2 h 5 min", "3 d 4 h"."""
    if value is None:
        return "–"
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if 0 < abs(seconds) < 10:
        return f"{seconds:.1f}".removesuffix(".0") + " s" if abs(seconds) >= 0.1 else f"{seconds * 1000:.0f} ms"
    left = int(abs(seconds))
    for position, (size, unit) in enumerate(UNITS):
        if left >= size:
            rest = left % size
            small, small_unit = UNITS[min(position + 1, 3)]
            more = f" {rest // small} {small_unit}" if unit in "dh" and rest >= small else ""
            return f"{left // size} {unit}{more}"
    return "0 s"


@register.filter
def between(start: datetime | None, end: datetime | None) -> str:
    """How long from one to the other; until now where there is no end."""
    return "–" if start is None else span((end or timezone.now()) - start)


@register.filter
def age(moment: datetime | None) -> str:
    """How long ago: "14 min"."""
    return "–" if moment is None else span(timezone.now() - moment)


@register.simple_tag
def when(moment: datetime | None, none: str = "–", focus: bool = False) -> SafeString | str:
    """A moment, relative; the exact one on hover (and on focus where asked), without scripts and on paper."""
    return none if moment is None else _time(moment, relative(moment), ' tabindex="0"' if focus else "")


@register.simple_tag
def since(moment: datetime | None) -> SafeString | str:
    """How long ago, without the "ago": "14 min". It goes on by itself."""
    return "–" if moment is None else _time(moment, relative(moment).removesuffix(" ago"), " data-age")


def _time(moment: datetime, words: str, more: str) -> SafeString:
    """`more`: attributes of our own."""
    utc = moment.astimezone(UTC)
    exact = utc.strftime("%Y-%m-%d %H:%M:%S UTC")
    return format_html(
        '<time datetime="{}" title="{}"{}><span class="rel">{}</span><span class="abs">{}</span></time>',
        utc.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
        exact,
        mark_safe(more),  # noqa: S308 - constants of this module
        words,
        exact,
    )


def relative(moment: datetime) -> str:
    """ "3 min ago", "in 2 h": the largest unit only, so that it seldom changes."""
    seconds = (timezone.now() - moment).total_seconds()
    if abs(seconds) < 1:
        return "now"
    size, unit = next(((size, unit) for size, unit in UNITS if abs(seconds) >= size), UNITS[-1])
    amount = f"{int(abs(seconds) // size)} {unit}"
    return f"{amount} ago" if seconds > 0 else f"in {amount}"


@register.filter
def pretty(value: Any) -> str:
    """JSON over several lines, numbers and texts exactly as they are."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


@register.filter
def one_line(value: Any) -> str:
    """A JSON value on one line; a text as itself."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


@register.filter
def kind_of(value: Any) -> str:
    """The JSON type of a value, for people."""
    names = {bool: "boolean", int: "integer", float: "number", str: "text", list: "list", dict: "object"}
    return "empty" if value is None else names.get(type(value), "value")


@register.filter
def is_long(value: Any) -> bool:
    """Better in a block of its own than in a line."""
    return isinstance(value, dict | list) or (isinstance(value, str) and (len(value) > 90 or "\n" in value))


@register.filter
def short(value: Any) -> str:
    """The last eight characters of an id: those of a time-ordered one that differ."""
    return str(value)[-8:]


@register.filter
def count(value: int, noun: str) -> str:
    """ "1 run", "5 runs"."""
    return f"{value:,} {noun}{'' if value == 1 else 's'}"


@register.simple_tag(takes_context=True)
def here(context: dict[str, Any], prefix: str) -> SafeString | str:
    """Marks the navigation's link to the section in which this page lies."""
    path = context.get("at") or context["request"].path
    within = path == prefix if prefix == "/" else path.startswith(prefix)
    return mark_safe(' aria-current="page"') if within else ""


@register.simple_tag(takes_context=True)
def with_query(context: dict[str, Any], **changes: Any) -> str:
    """This page's URL with some parameters of its query set, or taken out by an empty value."""
    query = context["request"].GET.copy()
    for key, value in changes.items():
        if value in (None, ""):
            query.pop(key, None)
        else:
            query[key] = value
    return f"{context['request'].path}?{query.urlencode()}" if query else context["request"].path


@register.filter
def standing(worker: Any) -> str:
    """alive, late, draining or stopped."""
    return workers.state_of(worker)

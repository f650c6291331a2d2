"""Values that people may want to read: pretty where they are whole, cut where they are huge, exact in every number."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.db.models import Model, TextField
from django.db.models.functions import Cast, Left, Length

from dashboard.templatetags.words import pretty

LONG_LINES = 24


@dataclass(frozen=True)
class Payload:
    """`text` as it is shown, `size` of all of it in characters; `whole` says whether they are the same thing."""

    text: str
    size: int
    whole: bool
    kind: str = "JSON"

    @property
    def is_long(self) -> bool:
        return self.text.count("\n") > LONG_LINES or len(self.text) > 2000

    @property
    def last_line(self) -> str:
        """Of a traceback: what went wrong."""
        return self.text.strip().rpartition("\n")[2]

    @property
    def first_line(self) -> str:
        """For the folded form."""
        return " ".join(self.text[:400].split())[:120]


def previews(limit: int, **columns: str) -> dict[str, Any]:
    """Annotations that read only the beginning of JSON or text columns: `<name>_text` and `<name>_size`."""
    found: dict[str, Any] = {}
    for name, column in columns.items():
        found[f"{name}_text"] = Left(Cast(column, TextField()), limit + 1)
        found[f"{name}_size"] = Length(Cast(column, TextField()))
    return found


def of(row: Model, name: str, limit: int) -> Payload | None:
    """What `previews` read for the JSON column `name`; None where there is no value."""
    text, size = getattr(row, f"{name}_text"), getattr(row, f"{name}_size")
    if text is None:
        return None
    return shown(text, size) if size <= limit else Payload(text[:limit], size, whole=False)


def plain(row: Model, name: str, limit: int) -> Payload | None:
    """The same for a text column."""
    text, size = getattr(row, f"{name}_text"), getattr(row, f"{name}_size")
    return Payload(text[:limit], size, whole=size <= limit, kind="text") if text else None


def shown(text: str, size: int | None = None) -> Payload:
    """A whole JSON document: indented, or as plain text where it is one string."""
    value = json.loads(text)
    if isinstance(value, str):
        return Payload(value, len(value), whole=True, kind="text")
    return Payload(pretty(value), size or len(text), whole=True)

"""One way to write a value as JSON, so that equal values have equal digests."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic_core import to_jsonable_python


def through_json(value: Any) -> Any:
    """The JSON form of `value` (dicts, lists, strings, numbers, booleans, None).

    Dates, paths, dataclasses and pydantic models become what pydantic's JSON mode makes of them. Characters that a
    database refuses (NUL, lone surrogates) become U+FFFD. Raises ValueError for what has no JSON form, NaN included.
    """
    return json.loads(dumps(value))


def dumps(value: Any) -> str:
    """Canonical JSON: sorted keys, no spaces, no NaN."""
    plain = _clean(to_jsonable_python(value))
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON, in hexadecimal."""
    return hashlib.sha256(dumps(value).encode()).hexdigest()


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {clean_text(str(key)): _clean(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(item) for item in value]
    return value


def clean_text(text: str) -> str:
    """`text` without the characters that PostgreSQL's text and jsonb refuse."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8") if _dirty(text) else text


def _dirty(text: str) -> bool:
    return "\x00" in text or any("\ud800" <= char <= "\udfff" for char in text if char > "\ud7ff")

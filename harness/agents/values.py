"""What may be recorded, and how errors are said."""

from __future__ import annotations

from typing import Any

from django.db import connection, connections

from harness.canonical import dumps, through_json
from harness.conf import conf


def said(error: BaseException) -> str:
    """The message of an exception, whatever its __str__ does."""
    try:
        return str(error)
    except Exception:
        return "(its message cannot be shown)"


def recordable(value: Any, what: str) -> Any:
    """`value` as JSON. Raises ValueError with a sentence if it has no JSON form or is too large."""
    try:
        plain = through_json(value)
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"{what} cannot be stored as JSON: {error}") from None
    size = len(dumps(plain).encode())
    if size > conf.MAX_RESULT_BYTES:
        raise ValueError(
            f"{what} has {size:,} bytes as JSON, more than the {conf.MAX_RESULT_BYTES:,} allowed "
            f"(HARNESS_MAX_RESULT_BYTES); save large things as artifacts"
        )
    return plain


def close_connections() -> None:
    """Drop connections that were cut off in the middle of something; the next query opens a new one."""
    for known in connections.all(initialized_only=True):
        if not known.in_atomic_block:
            known.close()


def in_transaction() -> bool:
    """True inside of transaction.atomic(), that of a test case left out, as with atomic(durable=True)."""
    return connection.in_atomic_block and not getattr(connection.atomic_blocks[-1], "_from_testcase", False)

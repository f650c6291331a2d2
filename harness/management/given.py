"""What people give to commands: JSON, ids, times. Each is read or refused with a sentence."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentTypeError
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet
from django.utils.dateparse import parse_datetime

from harness.conf import conf
from harness.management.base import Error

M = TypeVar("M", bound=Model)


def json_value(given: str, option: str) -> Any:
    """The value of `option`: JSON itself, `@file` for the content of a file, or `-` for standard input."""
    text, where = _text_of(given, option)
    try:
        return json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise Error(f"{where} is not JSON: {error.msg}, line {error.lineno} column {error.colno}.") from error
    except RecursionError as error:
        raise Error(f"{where} is nested too deeply.") from error
    except ValueError as error:
        raise Error(f"{where} is not JSON: {error}.") from error


def find(rows: QuerySet[M], given: str, what: str) -> M:
    """The row with this id, or a sentence: malformed, or no such thing."""
    row = rows.filter(pk=identifier(given, what)).first()
    if row is None:
        raise Error(f"There is no {what} {given}.")
    return row


def identifier(given: str, what: str) -> UUID:
    try:
        return UUID(given)
    except ValueError as error:
        raise Error(
            f"{given!r} is not the id of a {what}; an id looks like 0197c0de-5a1e-7bad-8f00-d15ea5ed0000."
        ) from error


def moment(given: str) -> datetime:
    """An ISO 8601 date and time, for argparse; without an offset it is UTC."""
    try:
        parsed = parse_datetime(given)
    except ValueError as error:
        raise ArgumentTypeError(f"{given!r} is not a time: {error}") from error
    if parsed is None:
        raise ArgumentTypeError(f"{given!r} is not a time like 2031-12-24T18:00:00Z")
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def delay(given: str) -> timedelta:
    """Seconds from now, for argparse."""
    try:
        return timedelta(seconds=_not_negative(float(given)))
    except (ValueError, OverflowError) as error:
        raise ArgumentTypeError(f"{given!r} is not a number of seconds from 0 up") from error


def seconds(given: str) -> float:
    """A length of time, for argparse."""
    return delay(given).total_seconds()


def at_least_one(given: str) -> int:
    """A whole number from 1 up, for argparse."""
    if not given.isdecimal() or not 1 <= int(given) < 2**31:
        raise ArgumentTypeError(f"{given!r} is not a whole number from 1 up")
    return int(given)


def _text_of(given: str, option: str) -> tuple[str, str]:
    if given == "-":
        return _decoded(sys.stdin.buffer.read(conf.MAX_INPUT_BYTES + 1), "What standard input gave")
    if given.startswith("@"):
        return _decoded(_content(Path(given[1:]).expanduser()), f"The file {given[1:]}")
    return _decoded(given.encode(errors="surrogateescape"), f"What {option} gives")


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(conf.MAX_INPUT_BYTES + 1)
    except OSError as error:
        raise Error(f"The file {file} cannot be read: {error.strerror}.") from error


def _decoded(content: bytes, where: str) -> tuple[str, str]:
    if len(content) > conf.MAX_INPUT_BYTES:
        raise Error(f"{where} is larger than {conf.MAX_INPUT_BYTES:,} bytes, the limit (HARNESS_MAX_INPUT_BYTES).")
    try:
        return content.decode("utf-8-sig"), where
    except UnicodeDecodeError as error:
        raise Error(f"{where} is not UTF-8 text: a wrong byte at position {error.start:,}.") from error


def _no_constant(name: str) -> None:
    raise ValueError(f"JSON has no {name}")


def _not_negative(number: float) -> float:
    if not number >= 0:
        raise ValueError(number)
    return number

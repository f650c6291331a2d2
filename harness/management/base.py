"""What every command for people and scripts has in common: `--json`, sentences instead of tracebacks, exit statuses."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from django.db import DatabaseError, InterfaceError, connection
from redis import RedisError

from harness import origin
from harness.errors import HarnessError

NO_TABLES = ("no such table", "no such column", "does not exist")
INTERRUPTED_STATUS = 130


class Error(CommandError):
    """A sentence for stderr; Django prints it after the name of this class."""


class JsonCommand(BaseCommand):
    """A command whose answer is data: `--json` prints it as one JSON document and nothing else on stdout.

    A subclass gives `perform(**options)`, which returns the answer; `as_json(answer)`, JSON-able data; and
    `as_text(answer)`, the lines for a person. `self.exit_status` is the status after an answer. Errors are one
    sentence on stderr and status 1; wrong usage is status 2, as argparse has it.
    """

    requires_system_checks: list[str] = []
    exit_status = 0

    def perform(self, **options: Any) -> Any:
        raise NotImplementedError

    def as_json(self, answer: Any) -> Any:
        return answer

    def as_text(self, answer: Any) -> Iterable[str]:
        raise NotImplementedError

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON document and nothing else on stdout.")

    def handle(self, *args: Any, **options: Any) -> None:
        _prepare_stdout()
        try:
            self._answer(**options)
        except KeyboardInterrupt:
            self.stderr.write("Interrupted.")
            self.exit_status = INTERRUPTED_STATUS
        except BrokenPipeError:
            _nobody_reads_on()
        if self.exit_status:
            sys.exit(self.exit_status)

    def note(self, sentence: str) -> None:
        """Something to know beside the answer: stderr, so that stdout stays the answer."""
        self.stderr.write(sentence, self.style.NOTICE)

    def _answer(self, **options: Any) -> None:
        with sentences(), origin.of("command"), contextlib.redirect_stdout(sys.stderr):
            answer = self.perform(**options)
            lines = [_document(self.as_json(answer))] if options["json"] else list(self.as_text(answer))
        for line in lines:
            self.stdout.write(line)
        self.stdout.flush()


@contextlib.contextmanager
def sentences() -> Iterator[None]:
    """Turn what may go wrong into an Error that a person understands."""
    try:
        yield
    except PermissionDenied as error:
        raise Error(str(error) or "That user may not do this.") from error
    except ValidationError as error:
        raise Error(" ".join(error.messages)) from error
    except HarnessError as error:
        raise Error(_one_line(error)) from error
    except (DatabaseError, InterfaceError) as error:
        raise Error(_about_the_database(error)) from error
    except RedisError as error:
        raise Error(f"Redis cannot be reached: {_one_line(error)}") from error
    except OSError as error:
        raise Error(f"{error.filename or 'The system'}: {error.strerror or _one_line(error)}.") from error


def _document(answer: Any) -> str:
    return json.dumps(answer, cls=DjangoJSONEncoder)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _about_the_database(error: Exception) -> str:
    said = _one_line(error)
    if connection.connection is None:
        return f"The database {_database_name()} cannot be reached: {said}"
    if any(words in said for words in NO_TABLES):
        return "The database has no tables, or those of another version: run `make up`, or `manage.py migrate`."
    return f"The database {_database_name()} refused: {said}"


def _database_name() -> str:
    """Which one, without user and password."""
    given = connection.settings_dict
    host = f" on {given['HOST']}" if given.get("HOST") else ""
    return f"{given['NAME']}{host}"


def _prepare_stdout() -> None:
    """Keep logs off it (a service logs to stdout; here it is the answer) and print what it cannot encode as escapes."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stdout:
            handler.setStream(sys.stderr)


def _nobody_reads_on() -> None:
    """The reader went away (`| head`): leave quietly, also when Python flushes stdout at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

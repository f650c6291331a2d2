"""Log lines: time, level, process role, logger, message. One line each, whatever the message contains."""

import logging
import os
import sys
import time
from urllib.parse import urlsplit

ROLES = {"work": "worker", "rqworker": "worker", "supervise": "supervisor", "up": "up"}


def role() -> str:
    """What this process is: web, worker, supervisor, up, or the name of the command."""
    if given := os.environ.get("RUNWATCH_ROLE"):
        return given
    command = sys.argv[1] if len(sys.argv) > 1 and sys.argv[0].endswith("manage.py") else "web"
    return ROLES.get(command, command)


class LineFormatter(logging.Formatter):
    """Tracebacks keep their lines; control characters of a message are escaped, so nobody can forge a line."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__(f"%(asctime)s %(levelname)-7s {role()}[%(process)d] %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = "".join(char if char.isprintable() else _escaped(char) for char in record.message)
        return super().formatMessage(record)


def without_password(raw: str) -> str:
    """A URL that may be shown."""
    try:
        password = urlsplit(raw).password
    except ValueError:
        return "unreadable"
    return raw.replace(f":{password}@", ":***@") if password else raw


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode()

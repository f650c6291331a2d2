"""Typed readings of the environment. A wrong value stops the start with one sentence that names it."""

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from django.core.exceptions import ImproperlyConfigured

from harness.logs import without_password

T = TypeVar("T")
D = TypeVar("D")

YES = {"1", "true", "yes", "on"}
NO = {"0", "false", "no", "off"}


def text(name: str, default: D) -> str | D:
    """The variable without surrounding blanks; unset and blank both mean the default."""
    return os.environ.get(name, "").strip() or default


def boolean(name: str, default: bool) -> bool:
    return _read(name, default, _boolean, "true or false")


def integer(name: str, default: int, *, minimum: int, maximum: int | None = None) -> int:
    """A whole number from `minimum` to `maximum`."""
    bounds = f"of at least {minimum}" if maximum is None else f"from {minimum} to {maximum}"
    return _read(name, default, lambda raw: _between(minimum, int(raw), maximum), f"a whole number {bounds}")


def limit(name: str, default: int | None) -> int | None:
    """A whole number of at least 1, or "none" for no limit."""
    expected = 'a whole number of at least 1, or "none"'
    return _read(name, default, lambda raw: None if raw.lower() == "none" else _between(1, int(raw)), expected)


def seconds(name: str, default: D) -> float | D:
    """A time in seconds, more than 0."""
    return _read(name, default, _positive, "a number of seconds above 0")


def words(name: str, default: list[str]) -> list[str]:
    """A comma-separated list; blanks around the words and empty words do not count."""
    raw = os.environ.get(name, "")
    return [word for part in raw.split(",") if (word := part.strip())] or list(default)


def path(name: str, default: Path) -> Path:
    """An absolute path; `~` is the home directory, a relative one starts at the working directory."""
    return Path(text(name, str(default))).expanduser().absolute()


def paths(name: str) -> list[Path]:
    """A list of existing folders, separated by commas or as PATH is."""
    listed = [part.strip() for word in words(name, []) for part in word.split(os.pathsep)]
    return [_folder(name, Path(part).expanduser()) for part in listed if part]


def url(name: str, default: str, *, schemes: set[str]) -> str:
    """A URL with one of `schemes`. Its password is never repeated in the error."""
    raw = text(name, default)
    scheme = raw.partition(":")[0].lower()
    if scheme not in schemes or ":" not in raw:
        raise wrong(name, without_password(raw), f"a URL that starts with one of: {', '.join(sorted(schemes))}")
    return raw


def secret(name: str, kept_in: Path) -> str:
    """The variable, or a random key that is made once and kept in a file only this user can read."""
    return text(name, None) or _kept_secret(name, kept_in)


def wrong(name: str, value: object, expected: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"{name} is {str(value)!r}, but should be {expected}.")


def _read(name: str, default: D, parse: Callable[[str], T], expected: str) -> T | D:
    raw = text(name, None)
    if raw is None:
        return default
    try:
        return parse(raw)
    except ValueError:
        raise wrong(name, raw, expected) from None


def _boolean(raw: str) -> bool:
    if raw.lower() not in YES | NO:
        raise ValueError
    return raw.lower() in YES


def _between(minimum: int, value: int, maximum: int | None = None) -> int:
    if value < minimum or (maximum is not None and value > maximum):
        raise ValueError
    return value


def _positive(raw: str) -> float:
    value = float(raw)
    if not 0 < value < float("inf"):
        raise ValueError
    return value


def _folder(name: str, folder: Path) -> Path:
    if not folder.is_dir():
        raise wrong(name, folder, "existing folders, separated by commas")
    return folder.resolve()


def _kept_secret(name: str, file: Path) -> str:
    try:
        return file.read_text().strip() or _new_secret(file)
    except FileNotFoundError:
        return _new_secret(file)
    except OSError as error:
        raise ImproperlyConfigured(f"{name} is not set and {file} cannot be read: {error.strerror}.") from None


def _new_secret(file: Path) -> str:
    """Written aside and linked into place, so that processes starting together end up with the same key."""
    aside = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        aside.touch(mode=0o600)
        aside.write_text(secrets.token_urlsafe(48))
        _link_unless_there(aside, file)
        aside.unlink()
    except OSError as error:
        raise ImproperlyConfigured(
            f"The data folder {file.parent} (HARNESS_DATA_DIR) cannot be written: {error.strerror}."
        ) from None
    return file.read_text().strip()


def _link_unless_there(aside: Path, file: Path) -> None:
    if file.exists() and not file.stat().st_size:
        file.unlink()
    with suppress(FileExistsError):
        os.link(aside, file)

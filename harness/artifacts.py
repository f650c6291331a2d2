"""Files that runs produce: the only writer of Artifact. The bytes go through Django's default storage."""

from __future__ import annotations

import hashlib
import mimetypes
import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from uuid import UUID

from django.core.files.base import File
from django.core.files.storage import default_storage

from harness import events
from harness.canonical import clean_text
from harness.db import unit
from harness.leases import Lease
from harness.models import Artifact
from harness.models.artifact import stored_name
from harness.states import State

CHUNK = 1 << 20
CONTENT_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+(\s*;\s*charset=[\w-]+)?", re.IGNORECASE)

Data = bytes | str | Path | IO[bytes] | IO[str]


@dataclass(frozen=True)
class Stored:
    """A file that is in storage and that no row names yet."""

    artifact: Artifact

    def drop(self) -> None:
        """Take the file away again."""
        with suppress(OSError):
            default_storage.delete(str(self.artifact.file.name))


def store(lease: Lease, name: str, data: Data, content_type: str | None = None, *, step_key: str = "") -> Stored:
    """Write the bytes to storage, in pieces; with size and SHA-256. `data` is text, bytes, a path or a file.

    Raises OSError if they cannot be read or stored, ValueError for a content type that is none.
    """
    artifact = Artifact(
        run_id=lease.run_id,
        name=shown_name(name),
        content_type=_content_type(name, data, content_type),
        step_key=step_key,
        epoch=lease.epoch,
    )
    counting = _Counting(data)
    artifact.file.name = default_storage.save(stored_name(artifact, ""), counting)
    artifact.size, artifact.sha256 = counting.count, counting.hash.hexdigest()
    return Stored(artifact)


@unit
def record(lease: Lease, stored: Stored) -> Artifact:
    """Let the run own what was stored. Raises LeaseLost or RunCancelled; then the caller drops it."""
    artifact = stored.artifact
    facts = {"artifact": str(artifact.pk), "name": artifact.name, "size": artifact.size}
    events.append_held(lease, "artifact.saved", facts, states=(State.RUNNING,))
    artifact.save(force_insert=True)
    return artifact


def drop_strays(run_id: UUID) -> int:
    """Delete files of a run that no row names: a crash left them between storing and recording. Returns how many."""
    folder = f"artifacts/{run_id}"
    try:
        files = {f"{folder}/{name}" for name in default_storage.listdir(folder)[1]}
    except FileNotFoundError:
        return 0
    strays = files - set(Artifact.objects.filter(run_id=run_id).values_list("file", flat=True))
    for name in strays:
        default_storage.delete(name)
    return len(strays)


def shown_name(name: str) -> str:
    """A name to show and to offer for a download: no folders, no control or direction characters, never empty."""
    last = re.split(r"[/\\]", clean_text(str(name)))[-1]
    printable = "".join(char for char in last if unicodedata.category(char)[0] != "C")
    return printable.strip(" .")[:255] or "artifact"


def _content_type(name: str, data: Any, given: str | None) -> str:
    if given is not None:
        if not CONTENT_TYPE.fullmatch(given) or len(given) > 100:
            raise ValueError(f"{given!r} is not a content type")
        return given
    text = "text/plain; charset=utf-8" if isinstance(data, str) else "application/octet-stream"
    return mimetypes.guess_type(name)[0] or text


class _Counting(File):
    """Reads `data` once, in pieces, and keeps its size and hash."""

    def __init__(self, data: Data) -> None:
        super().__init__(None)
        self.data, self.count, self.hash = data, 0, hashlib.sha256()

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        for piece in _pieces(self.data):
            self.count += len(piece)
            self.hash.update(piece)
            yield piece

    def multiple_chunks(self, chunk_size: int | None = None) -> bool:
        return True

    def __bool__(self) -> bool:
        return True


def _pieces(data: Data) -> Iterator[bytes]:
    if isinstance(data, str):
        data = data.encode("utf-8", "replace")
    if isinstance(data, (bytes, bytearray, memoryview)):
        yield from (bytes(data[at : at + CHUNK]) for at in range(0, len(data), CHUNK))
    elif isinstance(data, Path):
        with data.open("rb") as file:
            yield from _read(file)
    else:
        yield from _read(data)


def _read(file: IO[Any]) -> Iterator[bytes]:
    while piece := file.read(CHUNK):
        yield piece.encode("utf-8", "replace") if isinstance(piece, str) else piece

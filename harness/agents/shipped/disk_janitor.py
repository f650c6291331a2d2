"""disk-janitor: finds old files in the folders it may touch, and asks before it deletes each one."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from harness.agents import Rejected, RunContext, ToolFailed, agent, tool
from harness.conf import conf

LISTED_AT_MOST = 1000
DAY = 86400


class NotAllowed(ValueError):
    """The path is outside of the folders that the janitor may touch."""


def allowed(path: str) -> Path:
    """The real path behind `path`, symbolic links resolved, if it lies in one of HARNESS_JANITOR_ROOTS."""
    if not conf.JANITOR_ROOTS:
        raise NotAllowed("no folder may be cleaned yet: name them in the setting HARNESS_JANITOR_ROOTS")
    if not os.path.isabs(path):
        raise NotAllowed(f"{path} should be an absolute path")
    real = Path(path).resolve()
    roots = [Path(root).resolve() for root in conf.JANITOR_ROOTS]
    if not any(real.is_relative_to(root) for root in roots):
        named = ", ".join(map(str, roots))
        raise NotAllowed(f"{path} is outside of the folders that may be cleaned (HARNESS_JANITOR_ROOTS: {named})")
    return real


class CleanUp(BaseModel):
    model_config = ConfigDict(extra="forbid")

    folder: str = Field(description="Folder to look through, with all below it.")
    older_than_days: int = Field(30, ge=0, description="Days since the last change; 0 takes every file.")
    larger_than_bytes: int = Field(0, ge=0, description="Only files larger than this.")
    dry_run: bool = Field(True, description="Only list what would be deleted.")

    @field_validator("folder")
    @classmethod
    def _is_allowed(cls, folder: str) -> str:
        allowed(folder)
        return folder


@tool(retryable=True)
def list_old_files(folder: str, older_than_days: int = 30, larger_than_bytes: int = 0) -> list[dict[str, Any]]:
    """List files not changed for so many days, by path: [{"path", "size", "age_days"}]."""
    root = allowed(folder)
    if not root.is_dir():
        raise NotADirectoryError(f"{folder} is not a folder")
    now = time.time()
    found = [
        {"path": path, "size": info.st_size, "age_days": round(max(0.0, now - info.st_mtime) / DAY, 2)}
        for path, info in _files(root)
        if not larger_than_bytes or info.st_size > larger_than_bytes
        if not older_than_days or now - info.st_mtime >= older_than_days * DAY
    ]
    return sorted(found, key=lambda file: str(file["path"]))[:LISTED_AT_MOST]


def _files(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Regular files below, symbolic links left alone, what cannot be read left out."""
    for parent, _, names in os.walk(folder, followlinks=False):
        for name in names:
            path = os.path.join(parent, name)
            try:
                info = os.lstat(path)
            except OSError:
                continue
            if stat.S_ISREG(info.st_mode) and _is_text(path):
                yield path, info


def _is_text(path: str) -> bool:
    """False for names that are not valid text: they could not be shown to the person who decides."""
    return path.isprintable() and "\ufffd" not in path


@tool(requires_approval=True, risk="high")
def delete_file(path: str) -> dict[str, Any]:
    """Delete one file for good."""
    real = allowed(path)
    if os.path.islink(path):
        raise NotAllowed(f"{path} is a symbolic link; only files are deleted")
    info = real.lstat()
    if not stat.S_ISREG(info.st_mode):
        raise NotAllowed(f"{path} is not a file")
    real.unlink()
    return {"path": str(real), "freed": info.st_size}


@agent(
    "disk-janitor",
    tools=[list_old_files, delete_file],
    description="Frees disk space, asks before it deletes.",
    input=CleanUp,
    routes=[lambda input: isinstance(input, dict) and "folder" in input],
    example={"folder": "/path/to/folder", "older_than_days": 30, "larger_than_bytes": 0, "dry_run": True},
)
def disk_janitor(ctx: RunContext, request: CleanUp) -> dict[str, Any]:
    files = ctx.call(
        list_old_files,
        folder=request.folder,
        older_than_days=request.older_than_days,
        larger_than_bytes=request.larger_than_bytes,
    )
    if request.dry_run:
        return _plan(files)
    deleted, kept = [], []
    for n, file in enumerate(files):
        ctx.progress(n, len(files), file["path"])
        try:
            deleted.append(ctx.call(delete_file, path=file["path"]))
        except Rejected as refusal:
            kept.append({"path": file["path"], "because": refusal.reason})
            ctx.emit("kept", kept[-1])
        except ToolFailed as failure:
            kept.append({"path": file["path"], "because": f"{failure.type}: {failure.message}"})
            ctx.emit("kept", kept[-1])
    ctx.progress(len(files), len(files), "done")
    return _done(deleted, kept)


def _plan(files: list[dict[str, Any]]) -> dict[str, Any]:
    size = sum(file["size"] for file in files)
    summary = f"would delete {len(files)} files and free {size} bytes (dry run: nothing was deleted)"
    return {"summary": summary, "dry_run": True, "would_delete": files, "would_free": size}


def _done(deleted: list[dict[str, Any]], kept: list[dict[str, Any]]) -> dict[str, Any]:
    freed = sum(file["freed"] for file in deleted)
    summary = f"freed {freed} bytes: {len(deleted)} files deleted, {len(kept)} kept"
    return {"summary": summary, "dry_run": False, "freed": freed, "deleted": deleted, "kept": kept}

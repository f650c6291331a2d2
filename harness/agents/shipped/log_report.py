"""What log-triage found, put together and written down."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

TOP = 10
SHOWN = 200


@dataclass
class Totals:
    """Findings of all pieces so far."""

    path: str
    files: dict[str, int] = field(default_factory=dict)
    """Errors by file."""
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    lines: int = 0
    errors: int = 0
    warnings: int = 0
    ungrouped: int = 0

    def add(self, path: str, found: dict[str, Any]) -> None:
        """Add what a piece of the file at `path` gave."""
        self.files[path] = self.files.get(path, 0) + found["errors"]
        for name in ("lines", "errors", "warnings", "ungrouped"):
            setattr(self, name, getattr(self, name) + found[name])
        for key, group in found["groups"].items():
            known = self.groups.get(key)
            self.groups[key] = group if known is None else _joined(known, group)

    @property
    def ranked(self) -> list[dict[str, Any]]:
        """Groups, the most frequent first."""
        return sorted(self.groups.values(), key=lambda group: (-group["count"], group["text"]))

    def summary(self) -> dict[str, Any]:
        """The run's output."""
        said = (
            f"{self.errors:,} errors of {len(self.groups):,} kinds in {self.lines:,} lines of {len(self.files)} file(s)"
        )
        top = [{key: group[key] for key in ("count", "level", "text", "first", "last")} for group in self.ranked[:TOP]]
        counts = {"files": len(self.files), "lines": self.lines, "errors": self.errors, "warnings": self.warnings}
        return {"summary": said, **counts, "groups": len(self.groups), "top": top}

    def as_text(self) -> str:
        """Everything, as JSON."""
        return json.dumps(vars(self) | {"groups": self.ranked}, indent=1, ensure_ascii=False)


def _joined(known: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    return known | {
        "count": known["count"] + more["count"],
        "first": _earlier(known["first"], more["first"]),
        "last": _later(known["last"], more["last"]),
    }


def _earlier(known: str, other: str) -> str:
    """Times with a year compare as text; others are taken in the order in which they were read."""
    return min(known, other) if known[:2] == "20" and other[:2] == "20" else known or other


def _later(known: str, other: str) -> str:
    return max(known, other) if known[:2] == "20" and other[:2] == "20" else other or known


def as_markdown(totals: Totals) -> str:
    """The report for people. What comes out of the logs stands in code blocks only."""
    lines = [
        "# Log triage",
        "",
        f"{totals.errors:,} errors of {len(totals.groups):,} kinds and {totals.warnings:,} warnings "
        f"in {totals.lines:,} lines of {len(totals.files)} file(s).",
        "",
    ]
    if totals.ungrouped:
        lines += [f"{totals.ungrouped:,} more errors were counted but not grouped: there are too many kinds.", ""]
    lines += ["## Files", "", *(_code(f"{errors:>9,}  {path}") for path, errors in totals.files.items()), ""]
    for n, group in enumerate(totals.ranked[:SHOWN], 1):
        lines += _section(n, group)
    return "\n".join(lines) + "\n"


def _section(n: int, group: dict[str, Any]) -> list[str]:
    seen = f", first {group['first']}, last {group['last']}" if group["first"] else ""
    return [
        f"## {n}. {group['count']:,} × {group['level']}{seen}",
        "",
        _code(group["text"]),
        "",
        _code(group["sample"]),
        "",
    ]


def _code(text: str) -> str:
    return "    " + " ".join(text.split("\n"))

"""What must hold in the rows, whatever happened. The numbers are those of "Invariants" in docs/architecture.md."""

from __future__ import annotations

from harness.invariants import approvals, audit, history, holders, orphans, runs, steps
from harness.invariants.base import CHECKS, Violation, invariant

__all__ = ["CHECKS", "Violation", "check", "invariant"]

_MODULES = (runs, holders, history, steps, approvals, audit, orphans)


def check() -> list[Violation]:
    """Looks at every row once. Each check is one consistent statement, so it is right while work goes on."""
    found = (one.run() for one in sorted(CHECKS, key=lambda one: one.number))
    return [violation for violation in found if violation]

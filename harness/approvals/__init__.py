"""Questions to people: the only writer of Approval.

An approval leaves `pending` once, names who decided, and is bound to a digest of exactly what was shown.
"""

from harness.approvals.asking import Ask, ask_after_crash, consume, find, park
from harness.approvals.closing import close_for_cancel, expire_overdue
from harness.approvals.deciding import resolve_approval
from harness.approvals.resolved import resume_if_decided

__all__ = [
    "Ask",
    "ask_after_crash",
    "close_for_cancel",
    "consume",
    "expire_overdue",
    "find",
    "park",
    "resolve_approval",
    "resume_if_decided",
]

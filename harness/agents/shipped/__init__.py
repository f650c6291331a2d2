"""The agents that come with the harness."""

from harness.agents.shipped import disk_janitor, drill, log_triage

__all__ = ["disk_janitor", "drill", "log_triage"]

"""What is wrong, why, and what to press: of one run, of all stuck runs, of the whole."""

from harness.health.explain import explain, explain_many
from harness.health.said import Action, Explanation
from harness.health.summary import stuck_count, stuck_runs, summary

__all__ = ["Action", "Explanation", "explain", "explain_many", "stuck_count", "stuck_runs", "summary"]

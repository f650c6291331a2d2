"""Runwatch: runs AI agents durably. The harness is the runtime; it knows nothing of the dashboard."""

__version__ = "0.1.0"

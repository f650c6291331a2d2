"""Workers: a parent that beats (keeper), its warm child that executes (horse), and RQ around them (rq_worker)."""

from harness.worker.rq_worker import HarnessWorker, connect, work

__all__ = ["HarnessWorker", "connect", "work"]

"""One worker's speed and processor time: the warm horse, a fresh process for each run, and RQ's own forking worker.

`python -m bench.worker_throughput [RUNS]` prints both as ratios to RQ's. The same agent, ledger and Redis in all three.
Runs per second are by the database's clock, from the first claim to the last end; processor time is that of the worker
and its children less what a worker without work takes. So starting a worker counts in neither.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from harness.stack import redis_server

ROOT = Path(__file__).resolve().parent.parent
JOB_OF_RQ = "bench.worker_throughput.claim_and_run"
KINDS = {"warm horse": {}, "a fresh process for each run": {"HARNESS_RUNS_PER_HORSE": "1"}, "RQ's forking worker": {}}


def main(runs: int) -> None:
    measured = {kind: measure(kind, runs, extra) for kind, extra in KINDS.items()}
    base = measured["RQ's forking worker"]
    for kind, (rate, seconds) in measured.items():
        print(f"{kind}: {rate / base[0]:.2f} x RQ's runs per second, {seconds / base[1]:.2f} x its processor time")


def measure(kind: str, runs: int, extra: dict[str, str]) -> tuple[float, float]:
    """Runs per second, and seconds of processor time for all of them."""
    _, idle = once(kind, 0, extra)
    rate, busy = once(kind, runs, extra)
    return rate, busy - idle


def once(kind: str, runs: int, extra: dict[str, str]) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        server = subprocess.Popen([*redis_server.command(data), "--appendonly", "no"], stdout=subprocess.DEVNULL)
        env = os.environ | extra | {"HARNESS_DATA_DIR": folder, "HARNESS_AGENTS": "bench.worker_throughput"}
        env |= {"DJANGO_SETTINGS_MODULE": "harness.config.settings", "HARNESS_LOG_LEVEL": "WARNING"}
        try:
            step(env, "manage.py", "migrate", "--verbosity=0", "--skip-checks")
            with_rq = kind.startswith("RQ")
            step(env, "-m", "bench.worker_throughput", "fill", str(runs), "rq" if with_rq else "")
            before = processor_time()
            step(env, *(["-m", "bench.worker_throughput", "rq"] if with_rq else ["manage.py", "work", "--burst"]))
            taken = processor_time() - before
            return float(step(env, "-m", "bench.worker_throughput", "rate")), taken
        finally:
            server.terminate()
            server.wait()


def processor_time() -> float:
    """Seconds of all children that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def step(env: dict[str, str], *command: str) -> str:
    done = subprocess.run([sys.executable, *command], env=env, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


# --- inside the measured processes ---------------------------------------------------------------------------------


def inside(verb: str, *words: str) -> None:
    import django

    django.setup()
    {"fill": fill, "rq": work_as_rq_does, "rate": print_rate}[verb](*words)


def fill(runs: str, kind: str) -> None:
    """Submit the runs; for RQ's worker with a job each, as its users would."""
    from rq import Queue
    from rq.serializers import JSONSerializer

    from harness import dispatch, transitions

    queue = Queue("default", connection=dispatch.connection(), serializer=JSONSerializer)
    for _ in range(int(runs)):
        transitions.submit(agent="nothing", input={})
    if kind == "rq":
        queue.empty()
        for _ in range(int(runs)):
            queue.enqueue_call(JOB_OF_RQ, args=("default",), result_ttl=0)


def work_as_rq_does() -> None:
    from django.db import connections
    from rq import Worker
    from rq.serializers import JSONSerializer

    from harness import dispatch, runner, transitions, workers  # noqa: F401  (imported before the forks, as ours are)
    from harness.agents import registry

    registry.autodiscover()
    os.environ["BENCH_WORKER"] = str(workers.register(["default"]).pk)
    connections.close_all()
    Worker(["default"], connection=dispatch.connection(), serializer=JSONSerializer).work(
        burst=True, logging_level="WARNING"
    )


def claim_and_run(queue_key: str) -> None:
    """The body of the job under RQ's worker: in a process forked for it."""
    from uuid import UUID

    from harness import runner, transitions
    from harness.interrupts import Interrupts

    lease = transitions.claim_next(queue_key, UUID(os.environ["BENCH_WORKER"]))
    assert lease, "every job has its run"
    runner.run(lease, Interrupts())


def print_rate() -> None:
    from django.db.models import Max, Min

    from harness.models import Run

    done = Run.objects.filter(state="completed")
    span = done.aggregate(first=Min("claimed_at"), last=Max("finished_at"))
    print(done.count() / (span["last"] - span["first"]).total_seconds() if span["first"] else 0.0)


def _register_agent() -> None:
    from harness.agents import RunContext, agent

    @agent("nothing", description="Does nothing, so that only the runtime is measured.")
    def nothing(ctx: RunContext, request: dict) -> None:
        return None


if __name__ == "__main__":
    verb, *words = sys.argv[1:] or ["200"]
    if verb.isdigit():
        main(int(verb))
    else:
        inside(verb, *words)
elif os.environ.get("HARNESS_AGENTS") == "bench.worker_throughput":
    _register_agent()

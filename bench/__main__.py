"""`make bench`: all measurements, one after the other. Each also runs alone, see its docstring."""

import subprocess
import sys

for name in ("bench.worker_throughput", "bench.ledger"):
    print(f"\n{name}", flush=True)
    subprocess.run([sys.executable, "-m", name], check=True)

"""Every example of docs/agents.md, run as it stands there."""

from __future__ import annotations

import re
import sys
import threading
import types
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from harness.errors import InvalidInput
from harness.models import Artifact
from tests.harness.playing import decide, execute, pending, play, start, steps

pytestmark = pytest.mark.django_db
TEXT = (Path(__file__).parents[2] / "docs" / "agents.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True)
def documented():
    """The agents of the page, each block a module of its own."""
    names = [f"documented_{n}" for n in range(len(BLOCKS))]
    for name, block in zip(names, BLOCKS, strict=True):
        module = sys.modules[name] = types.ModuleType(name)
        exec(compile(block, f"docs/agents.md {name}", "exec"), module.__dict__)
    yield
    for name in names:
        del sys.modules[name]


def test_the_agent_of_the_first_ten_minutes_asks_and_removes(tmp_path):
    large, small, kept = (tmp_path / name for name in ("large", "small", "kept"))
    for folder, size in ((large, 2_000_000), (small, 10), (kept, 2_000_000)):
        folder.mkdir()
        (folder / "file").write_bytes(b"x" * size)
    run = play("tidy-up", {"folders": [str(large), str(small), str(kept)]})
    decide(pending(run)[0])
    run = execute(run)
    decide(pending(run)[0], "reject", reason="mine")
    run = execute(run)
    assert run.output == [f"{large} is gone", f"{kept} stays: mine"]
    assert [folder.exists() for folder in (large, small, kept)] == [False, True, True]


@pytest.fixture
def page():
    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *args): ...

    server = HTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_report_fetches_once_asks_and_keeps_the_page(page):
    run = play("morning-report", {"url": page})
    decide(pending(run)[0], args={"answer": "Latin"})
    run = execute(run)
    assert run.state == "completed", run.error
    assert run.output.startswith("5 characters, fetched at ")
    assert run.output.endswith("report in Latin")
    assert Artifact.objects.get(run=run).name == "page.html"
    assert steps(run)["fetch#1"].executions == 1


@pytest.mark.django_db(transaction=True)
def test_the_cashier_charges_under_a_key_that_stays():
    run = play("cashier", {"cents": 100})
    decide(pending(run)[0])
    run = execute(run)
    assert run.output == {"reference": steps(run)["charge#1"].idempotency_key}


def test_the_clerk_takes_what_fits_and_refuses_the_rest():
    assert play("clerk", {"article": "tea"}).output == "1 × tea"
    with pytest.raises(InvalidInput, match="pieces"):
        start("clerk", {"article": "tea", "pieces": 0})


def test_every_example_of_the_page_is_run_here():
    assert len(BLOCKS) == 4

from __future__ import annotations

import gzip
import json

import pytest

from harness.agents.shipped import log_triage
from harness.agents.shipped.log_scan import Scanner, fingerprint, seen_at
from harness.errors import InvalidInput
from harness.models import Artifact, RunControl
from tests.harness.playing import crash, execute, play, start, steps

pytestmark = pytest.mark.django_db

LOG = """\
2026-11-22 10:00:01,123 INFO all is well, 0 errors so far
2026-11-22 10:00:02,001 ERROR db: connection to 10.0.0.1:5432 lost after 31 ms (id 7f3a9c2e11)
2026-11-22 10:00:03,001 WARNING slow query 'select 1' took 3.1 s
2026-11-22 10:00:04,001 ERROR db: connection to 10.0.0.2:5433 lost after 7 ms (id 9bb0112a77)
2026-11-22 10:00:05,500 ERROR app: failed
Traceback (most recent call last):
  File "/app/views.py", line 10, in get
    return 1 / 0
ZeroDivisionError: division by zero

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/app/views.py", line 12, in get
KeyError: 'a'
2026-11-22 10:00:06,001 INFO user="ERROR" is only a word? it counts
2026/11/22 10:00:07 [crit] 12#12: *1 connect() failed
panic: runtime error: index out of range [5]
\tgoroutine 1 [running]:
"""


def log(tmp_path, text=LOG, name="app.log"):
    path = tmp_path / name
    path.write_text(text)
    return path


def report(run):
    artifact = Artifact.objects.get(run=run, name="log-triage.json")
    with artifact.file as file:
        return json.loads(file.read())


def test_errors_are_grouped_by_what_they_have_in_common(tmp_path):
    run = play("log-triage", {"path": str(log(tmp_path))})
    assert run.state == "completed", run.error
    found = {group["text"]: group for group in report(run)["groups"]}
    lost = found["<time> ERROR db: connection to <n> lost after <n> ms (id <n>)"]
    assert (lost["count"], lost["level"]) == (2, "error")
    assert (lost["first"], lost["last"]) == ("2026-11-22T10:00:02", "2026-11-22T10:00:04")
    assert found["<time> ERROR app: failed | KeyError: <text>"]["count"] == 1
    assert found["<time> [crit] <n>#<n>: *<n> connect() failed"]["level"] == "critical"
    assert found["panic: runtime error: index out of range [<n>]"]["level"] == "critical"
    assert run.output["lines"] == LOG.count("\n")
    assert (run.output["warnings"], run.output["groups"]) == (1, 5)


def test_the_report_is_an_artifact_to_download(tmp_path):
    run = play("log-triage", {"path": str(log(tmp_path))})
    artifact = Artifact.objects.get(pk=run.output["report"])
    with artifact.file as file:
        text = file.read().decode()
    assert (artifact.name, artifact.content_type) == ("log-triage.md", "text/markdown; charset=utf-8")
    assert text.startswith("# Log triage\n\n6 errors of 5 kinds and 1 warnings")


def test_a_folder_is_read_with_its_packed_files_and_without_binary_ones(tmp_path):
    log(tmp_path)
    (tmp_path / "old.log.gz").write_bytes(gzip.compress(LOG.encode()))
    (tmp_path / "core").write_bytes(b"\0\1ERROR\n")
    run = play("log-triage", {"path": str(tmp_path)})
    assert (run.output["files"], run.output["errors"]) == (2, 12)


def test_pieces_end_where_something_new_begins_and_add_up_to_the_whole(tmp_path, monkeypatch):
    path = log(tmp_path, LOG * 50)
    whole = Scanner(path.read_bytes()).scan()
    monkeypatch.setattr(log_triage, "PIECE", 300)
    packed = tmp_path / "app.log.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    for file in (path, packed):
        run = play("log-triage", {"path": str(file)})
        assert len(steps(run)) > 20
        assert (run.output["errors"], run.output["lines"]) == (whole.errors, whole.lines)
        assert run.output["groups"] == len(whole.groups)
    progress = RunControl.objects.get(run=run).progress
    assert progress["done"] == progress["total"] == packed.stat().st_size


def test_a_run_that_was_cut_off_does_not_read_finished_pieces_again(tmp_path, monkeypatch):
    class Crash(BaseException):
        pass

    monkeypatch.setattr(log_triage, "PIECE", 1000)
    path = log(tmp_path, LOG * 10)
    started, add = [], log_triage.Totals.add

    def dies_once(self, *found):
        started.append(1)
        if len(started) == 4:
            raise Crash
        add(self, *found)

    monkeypatch.setattr(log_triage.Totals, "add", dies_once)
    run = start("log-triage", {"path": str(path)})
    with pytest.raises(Crash):
        execute(run)
    before = set(steps(run))
    run = execute(crash(run))
    assert run.state == "completed"
    assert len(before) == 5
    assert {step.executions for step in steps(run).values()} == {1}
    assert run.output["lines"] == 10 * LOG.count("\n")


def test_a_path_that_is_not_there_fails_with_a_sentence(tmp_path):
    run = play("log-triage", {"path": str(tmp_path / "none")})
    assert run.state == "failed"
    assert run.reason.endswith(f"FileNotFoundError: there is no file or folder {tmp_path / 'none'}")


def test_an_empty_folder_has_no_log(tmp_path):
    assert "there is no log in" in play("log-triage", {"path": str(tmp_path)}).reason


@pytest.mark.parametrize("input", [{}, {"path": ""}, {"path": "relative"}, {"path": 3}, {"path": "/a", "more": 1}])
def test_input_that_does_not_fit_is_refused_before_anything_is_written(input):
    with pytest.raises(InvalidInput, match="log-triage does not fit"):
        start("log-triage", input)


def test_a_line_without_an_end_and_a_very_long_one_are_read(tmp_path):
    text = "2026-11-22 10:00:01 ERROR " + "x" * 1_000_000 + "\nERROR last"
    run = play("log-triage", {"path": str(log(tmp_path, text))})
    assert (run.output["errors"], run.output["lines"]) == (2, 2)


@pytest.mark.parametrize(
    ("line", "same"),
    [
        (b"a 3f2504e0-4f89-11d3-9a0c-0305e82c3301 b", b"a <uuid> b"),
        (b"at 0xdeadbeef and deadbee1 feedback", b"at <n> and <n> feedback"),
        (b"it's 'quoted' and \"this\" 12.5s", b"it's <text> and <text> <n>s"),
        (b"[22/Nov/2026:16:00:01 +0000] x", b"[<time>] x"),
        (b"Nov 22 16:00:01 host sshd[12]: error: y", b"<time> host sshd[<n>]: error: y"),
    ],
)
def test_numbers_ids_times_and_quotes_are_taken_out(line, same):
    assert fingerprint(line) == same


@pytest.mark.parametrize(
    ("line", "when"),
    [
        (b"2026/11/22 16:00:01 x", "2026-11-22T16:00:01"),
        (b"1.2.3.4 - - [22/Nov/2026:16:00:01 +0000]", "2026-11-22T16:00:01"),
        (b"Nov  2 16:00:01 host", "Nov  2 16:00:01"),
        (b"no time", ""),
    ],
)
def test_the_time_of_a_line_is_read_in_the_usual_forms(line, when):
    assert seen_at(line) == when

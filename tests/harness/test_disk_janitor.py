from __future__ import annotations

import os
import time

import pytest

from harness.agents.shipped.disk_janitor import NotAllowed, delete_file, list_old_files
from harness.errors import InvalidInput
from harness.models import Run
from tests.harness.playing import decide, execute, pending, play, start

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def root(settings, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    settings.HARNESS = settings.HARNESS | {"JANITOR_ROOTS": [folder]}
    return folder


def file(folder, name, size=10, days=40):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (time.time() - days * 86400,) * 2)
    return path


def test_one_is_approved_one_edited_one_rejected_and_the_files_agree(root):
    a, b, c, other = (file(root, name) for name in ("a", "b", "c", "sub/other"))
    run = play("disk-janitor", {"folder": str(root), "dry_run": False})
    assert run.state == "waiting_for_approval"
    (first,) = pending(run)
    assert (first.tool, first.args) == ("delete_file", {"path": str(a)})
    decide(first)
    run = execute(run)
    decide(pending(run)[0], "edit", args={"path": str(other)})
    run = execute(run)
    decide(pending(run)[0], "reject", reason="c is still needed")
    run = execute(run)
    decide(pending(run)[0])
    run = execute(run)

    assert run.state == "completed", run.error
    assert (a.exists(), b.exists(), c.exists(), other.exists()) == (False, True, True, False)
    assert [done["path"] for done in run.output["deleted"]] == [str(a), str(other)]
    assert run.output["freed"] == 20
    assert run.output["kept"][0] == {"path": str(c), "because": "c is still needed"}
    assert run.output["kept"][1]["because"].startswith("FileNotFoundError")
    assert run.output["summary"] == "freed 20 bytes: 2 files deleted, 2 kept"


def test_a_dry_run_lists_and_asks_nothing(root):
    old = file(root, "old", size=7)
    run = play("disk-janitor", {"folder": str(root)})
    assert run.state == "completed"
    assert (run.output["would_free"], run.output["would_delete"][0]["path"]) == (7, str(old))
    assert old.exists()
    assert not run.approvals.exists()


def test_zero_days_takes_fresh_files_too_and_the_limits_hold(root):
    fresh, big = file(root, "fresh", days=0), file(root, "big", size=100)
    file(root, "future", size=1, days=-1)
    paths = [found["path"] for found in list_old_files(str(root), 0)]
    assert paths == [str(big), str(fresh), str(root / "future")]
    assert [found["path"] for found in list_old_files(str(root), 0, 10)] == [str(big)]
    assert [found["path"] for found in list_old_files(str(root), 30)] == [str(big)]


def test_a_path_edited_to_somewhere_else_is_not_touched(root, tmp_path):
    outside = file(tmp_path, "precious")
    kept = file(root, "a")
    run = play("disk-janitor", {"folder": str(root), "dry_run": False})
    decide(pending(run)[0], "edit", args={"path": str(outside)})
    run = execute(run)
    assert run.state == "completed"
    assert outside.exists()
    assert kept.exists()
    assert "outside of the folders that may be cleaned" in run.output["kept"][0]["because"]


@pytest.mark.parametrize("path", ["{root}/../precious", "{root}/link", "{root}/linked/precious", "relative", "{root}"])
def test_nothing_outside_and_nothing_but_files_is_deleted(root, tmp_path, path):
    outside = file(tmp_path, "precious")
    (root / "link").symlink_to(outside)
    (root / "linked").symlink_to(tmp_path)
    (root / "inner").symlink_to(file(root, "a"))
    with pytest.raises(NotAllowed):
        delete_file(path.format(root=root))
    with pytest.raises(NotAllowed):
        delete_file(str(root / "inner"))
    assert outside.exists()
    assert [found["path"] for found in list_old_files(str(root), 0)] == [str(root / "a")]


@pytest.mark.parametrize(
    ("input", "says"),
    [
        ({"folder": "/etc"}, "folder: /etc is outside of the folders"),
        ({"folder": "etc"}, "folder: etc should be an absolute path"),
        ({}, "folder: is required"),
        ({"folder": "/x", "older_than_days": "soon"}, "older_than_days: input should be a valid integer"),
        ({"folder": "/x", "older_than_days": -1}, "older_than_days"),
        ({"folder": "/x", "dryrun": False}, "dryrun: is not known here"),
    ],
)
def test_input_that_does_not_fit_is_refused_before_anything_is_written(input, says):
    with pytest.raises(InvalidInput) as refused:
        start("disk-janitor", input)
    assert says in str(refused.value)
    assert not Run.objects.exists()


def test_without_roots_the_setting_is_named(settings, root):
    settings.HARNESS = settings.HARNESS | {"JANITOR_ROOTS": []}
    with pytest.raises(InvalidInput, match="HARNESS_JANITOR_ROOTS"):
        start("disk-janitor", {"folder": str(root)})


def test_a_folder_that_is_gone_fails_with_a_sentence(root):
    run = play("disk-janitor", {"folder": str(root / "none")})
    assert (run.state, "is not a folder" in run.reason) == ("failed", True)

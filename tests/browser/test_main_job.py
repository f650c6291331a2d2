"""What Runwatch is for, by the browser alone: an agent works on real files, and a person decides about each."""

import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.infra.stack import LiveStack

pytestmark = [pytest.mark.browser, pytest.mark.processes]
SignIn = Callable[..., Page]


@pytest.fixture
def folder(shared_stack: LiveStack) -> Path:
    """Three old files and a fresh one, where the janitor may clean."""
    place = shared_stack.data_dir / "demo" / "attic"
    place.mkdir(parents=True)
    long_ago = time.time() - 90 * 86400
    for name in ("a.log", "b.log", "c.log"):
        (place / name).write_text("old " * 100)
        os.utime(place / name, (long_ago, long_ago))
    (place / "fresh.log").write_text("new")
    return place


def card_for(page: Page, path: Path) -> Locator:
    """The approval that asks about this file, which appears by itself."""
    card = page.locator("article.is-pending", has_text=str(path))
    expect(card).to_be_visible(timeout=30_000)
    return card


def test_one_deletion_is_approved_another_edited_and_a_third_rejected(
    shared_stack: LiveStack, sign_in: SignIn, folder: Path
) -> None:
    page = sign_in(shared_stack)
    page.goto(f"{shared_stack.url}/runs/start/")
    page.select_option("#id_agent", "disk-janitor")
    expect(page.locator("#id_input")).to_have_value(re.compile("older_than_days"))  # its example
    page.fill("#id_input", json.dumps({"folder": str(folder), "older_than_days": 30, "dry_run": False}))
    page.get_by_role("button", name="Start the run").click()
    expect(page.locator("#run-head .badge").first).to_have_text("Waiting for approval", timeout=30_000)
    run_page = page.url

    page.goto(f"{shared_stack.url}/approvals/")
    card_for(page, folder / "a.log").get_by_role("button", name="Approve", exact=True).click()

    card = card_for(page, folder / "b.log")
    card.locator("summary", has_text="Edit").click()
    card.get_by_label("path").fill(str(folder / "fresh.log"))
    card.get_by_role("button", name="Approve with these changes").click()

    card = card_for(page, folder / "c.log")
    card.locator("summary", has_text="Reject").click()
    card.get_by_label("Reason").fill("the auditors want it")
    card.get_by_role("button", name="Reject", exact=True).click()

    page.goto(run_page)
    expect(page.locator("#run-head .badge").first).to_have_text("Completed", timeout=30_000)
    assert sorted(file.name for file in folder.iterdir()) == ["b.log", "c.log"]
    story = page.locator("#run-body")
    for sentence in (
        "Approved delete_file by admin",
        "Approved with changed arguments delete_file by admin",
        "Rejected delete_file by admin: the auditors want it",
        "Completed",
    ):
        expect(story).to_contain_text(sentence)
    shared_stack.call("check_invariants")  # its status would be 1 if one were broken


def test_a_report_is_made_shown_with_its_progress_and_downloaded(shared_stack: LiveStack, sign_in: SignIn) -> None:
    log = shared_stack.data_dir / "shop.log"
    lines = ("2026-11-20 10:00:00 INFO served in 12 ms\n" * 60 + "2026-11-20 10:00:01 ERROR no route to db-7\n") * 3000
    log.write_text(lines)
    run = shared_stack.manage("start_run", "--agent", "log-triage", "--input", json.dumps({"path": str(log)}))
    page = sign_in(shared_stack)
    page.goto(f"{shared_stack.url}/runs/{run['id']}/")
    expect(page.locator("#run-head .badge").first).to_have_text("Completed", timeout=60_000)

    with page.expect_download() as download:
        page.locator("a[download]", has_text="log-triage.md").click()

    report = Path(download.value.path()).read_text()
    assert "3,000" in report
    assert "no route to db-" in report

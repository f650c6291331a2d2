"""The whole of it runs for real, and the pages that others wrote bear the security policy too."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page

from harness.stack.static_files import collect_if_changed
from tests.infra.browser import Complaints
from tests.infra.service import wait_until
from tests.infra.stack import LiveStack

pytestmark = pytest.mark.processes


def test_a_run_goes_through_real_processes(shared_stack: LiveStack) -> None:
    started = shared_stack.manage("start_run", "--agent=drill", '--input={"mode": "sleep", "seconds": 0.1}')

    def ended() -> bool:
        return bool(shared_stack.manage("show_run", started["id"])["state"] == "completed")

    wait_until(ended, seconds=30)


@pytest.mark.browser
@pytest.mark.parametrize(
    "path", ["/admin/", "/admin/rq/", "/admin/rq/queues/0/details/", "/admin/auth/user/", "/admin/auth/user/1/change/"]
)
def test_the_admin_works_under_the_security_policy(
    shared_stack: LiveStack, sign_in: Callable[..., Page], path: str
) -> None:
    page = sign_in(shared_stack)

    answer = page.goto(shared_stack.url + path)

    assert answer is not None
    assert answer.status == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.browser
def test_a_page_that_breaks_the_policy_is_noticed(
    shared_stack: LiveStack, sign_in: Callable[..., Page], complaints: Complaints
) -> None:
    page = sign_in(shared_stack)

    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">red</p>')")
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), {textContent: '1'}))")
    page.evaluate("fetch('http://example.invalid/').catch(() => 0)")
    page.wait_for_timeout(200)

    said = "\n".join(complaints.left())
    assert "style-src" in said
    assert "script-src" in said
    assert "connect-src" in said
    complaints.allow("CSP|Content Security Policy|example.invalid|Refused")


def test_hashed_static_files_may_be_kept_for_ever_by_browsers(shared_stack: LiveStack) -> None:
    page = httpx.get(f"{shared_stack.url}/accounts/login/")
    style = next(part for part in page.text.split('"') if part.endswith(".css"))
    answer = httpx.get(shared_stack.url + style, headers={"Accept-Encoding": "gzip"})

    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_static_files_are_collected_again_only_when_one_changed(settings: Any, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "new.css").write_text("a {}")
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    settings.STATICFILES_DIRS = [tmp_path / "source"]
    settings.STATIC_ROOT = str(tmp_path / "collected")

    assert collect_if_changed()
    assert not collect_if_changed()
    (tmp_path / "source" / "new.css").write_text("a { color: red }")
    later = time.time() + 5  # collectstatic looks at whole seconds
    os.utime(tmp_path / "source" / "new.css", (later, later))
    assert collect_if_changed()
    assert (tmp_path / "collected" / "new.css").read_text() == "a { color: red }"

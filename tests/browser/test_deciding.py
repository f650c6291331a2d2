"""Deciding, watching and losing the session, in a real browser against real processes."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.conftest import DATABASE
from tests.infra.browser import Complaints
from tests.infra.stack import LiveStack

pytestmark = [pytest.mark.browser, pytest.mark.processes]

SignIn = Callable[..., Page]


@pytest.fixture(autouse=True)
def _nothing_pending_in_the_end(shared_stack: LiveStack) -> Iterator[None]:
    yield
    for approval in shared_stack.manage("list_approvals"):
        shared_stack.manage("cancel_run", approval["run"], "--reason", "the test is over")


def asking(stack: LiveStack) -> dict[str, Any]:
    """A drill that asks; returns its pending approval."""
    run = stack.manage("start_run", "--agent", "drill", "--input", '{"mode": "ask", "seconds": 0}')
    return pending(stack, run["id"])


def pending(stack: LiveStack, run_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for approval in stack.manage("list_approvals"):
            if approval["run"] == run_id:
                return approval
        time.sleep(0.1)
    raise AssertionError(f"run {run_id} asked nothing: {stack.manage('show_run', run_id)}")


def test_a_request_appears_by_itself_and_is_approved_where_it_stands(shared_stack: LiveStack, sign_in: SignIn) -> None:
    page = sign_in(shared_stack)
    page.goto(f"{shared_stack.url}/approvals/")
    expect(page.get_by_text("No decision waits.")).to_be_visible()

    approval = asking(shared_stack)

    card = page.locator(f"#approval-{approval['id']}")
    expect(card).to_be_visible()
    expect(page).to_have_title("1 to decide · Approvals · Runwatch")
    card.get_by_role("button", name="Approve").click()
    expect(page.locator("#notices")).to_contain_text("is approved.")


def test_keys_lead_to_a_rejection_but_do_not_decide(
    shared_stack: LiveStack, sign_in: SignIn, complaints: Complaints
) -> None:
    complaints.allow("answer 422")
    approval = asking(shared_stack)
    page = sign_in(shared_stack)
    page.goto(f"{shared_stack.url}/approvals/")

    page.keyboard.press("j")
    page.keyboard.press("a")
    assert pending(shared_stack, approval["run"])["id"] == approval["id"]
    page.keyboard.press("r")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("p.error")).to_have_text("Say why: the reason reaches the agent.")
    page.get_by_label("Reason").fill("not today")
    page.locator(f"#approval-{approval['id']} button.sure").click()

    expect(page.locator("#notices")).to_contain_text("is rejected.")
    expect(page.locator(f"#decided-{approval['id']}")).to_contain_text("not today")


def test_of_two_people_one_decides_and_the_other_sees_it(
    shared_stack: LiveStack, sign_in: SignIn, complaints: Complaints
) -> None:
    complaints.allow("answer 409")
    approval = asking(shared_stack)
    page = sign_in(shared_stack)
    page.goto(f"{shared_stack.url}/approvals/{approval['id']}/")
    card = page.locator(f"#approval-{approval['id']}")
    card.locator("summary", has_text="Reject").click()
    card.get_by_label("Reason").fill("I would rather not")

    shared_stack.manage("resolve_approval", approval["id"], "--decision", "approve", "--by", "admin")
    expect(page.locator(".newer.is-shown")).to_have_text("1 newer")  # the form is dirty, so the page waits
    expect(card.get_by_label("Reason")).to_have_value("I would rather not")
    card.locator("button.sure").click()

    expect(card).to_contain_text("admin has already approved this.")


def test_a_page_in_the_background_asks_nothing(shared_stack: LiveStack, sign_in: SignIn) -> None:
    page = sign_in(shared_stack)
    page.goto(f"{shared_stack.url}/")
    asked: list[str] = []
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.on("request", lambda request: asked.append(request.url))

    approval = asking(shared_stack)
    page.wait_for_timeout(2500)
    assert asked == []

    page.evaluate("Object.defineProperty(document, 'hidden', {value: false, configurable: true})")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("#headline")).to_contain_text("1 decision waits")
    assert approval


def test_an_ended_session_leads_to_the_sign_in_and_back(
    shared_stack: LiveStack, sign_in: SignIn, complaints: Complaints
) -> None:
    complaints.allow("answer 401|console error: Failed to load|EventSource|MIME")
    page = sign_in(shared_stack)
    page.goto(f"{shared_stack.url}/workers/")

    page.context.clear_cookies()
    asking(shared_stack)

    page.wait_for_url("**/accounts/login/?next=*workers*")
    page.fill("[name=username]", "admin")
    page.fill("[name=password]", "correct horse battery")
    page.press("[name=password]", "Enter")
    page.wait_for_url("**/workers/")


def test_the_theme_and_the_zone_are_remembered(shared_stack: LiveStack, sign_in: SignIn) -> None:
    page = sign_in(shared_stack)
    page.locator("#user-menu summary").click()
    page.get_by_role("button", name="Dark").click()
    page.get_by_role("button", name="UTC").click()

    page.goto(f"{shared_stack.url}/workers/")

    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.locator("time").first.get_attribute("title").endswith("UTC")  # type: ignore[union-attr]


def test_without_scripts_one_can_sign_in_and_decide(shared_stack: LiveStack, browser: Browser) -> None:
    approval = asking(shared_stack)
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{shared_stack.url}/approvals/{approval['id']}/")
    page.fill("[name=username]", "admin")
    page.fill("[name=password]", "correct horse battery")
    page.click("text=Sign in >> nth=-1")

    expect(page.locator("time .abs").first).to_be_visible()
    page.get_by_role("button", name="Approve").click()

    expect(page.locator(".notice")).to_contain_text("is approved.")
    context.close()


def test_the_server_ends_by_itself_although_pages_are_open(
    stack: LiveStack, sign_in: SignIn, complaints: Complaints
) -> None:
    complaints.allow("ERR_|answer 5|EventSource|Failed to fetch")
    web = stack.web()
    page = sign_in(stack)
    page.wait_for_function("document.documentElement.dataset.jsLive === 'on'")

    web.stop()

    assert "graceful shutdown exceeded" not in web.log()  # what uvicorn says when it gives up on an open stream


@pytest.mark.skipif(DATABASE != "sqlite", reason="the markup is the same on both databases")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_no_page_has_a_fault_that_axe_finds(
    shared_stack: LiveStack, sign_in: SignIn, page: Page, scheme: Any, width: int
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    approval = asking(shared_stack)
    page.goto(f"{shared_stack.url}/accounts/login/")
    faults = axe(page)
    sign_in(shared_stack)
    paths = ["/", "/approvals/", f"/approvals/{approval['id']}/", "/health/", "/queues/", "/workers/", "/audit/"]
    for path in paths:
        page.goto(shared_stack.url + path)
        faults |= {f"{path}: {fault}" for fault in axe(page)}
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{path} scrolls sideways"
    assert faults == set()


def axe(page: Page) -> set[str]:
    found = Axe().run(page).response["violations"]
    return {f"{fault['id']} {node['target']} {node['failureSummary']}" for fault in found for node in fault["nodes"]}

"""The runs list, a run's page and the start form in a real browser, against real processes."""

import json
import re
from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Route, expect

from tests.conftest import DATABASE
from tests.infra.browser import Complaints
from tests.infra.stack import LiveStack

pytestmark = [pytest.mark.browser, pytest.mark.processes]
expect.set_options(timeout=20_000)
SignIn = Callable[..., Page]
SCRIPT = "<script>alert(1)</script>"


def start(stack: LiveStack, **wish: object) -> str:
    mode = {"mode": "sleep", "seconds": 0} | wish
    return str(stack.manage("start_run", "--agent", "drill", "--input", json.dumps(mode))["id"])


def test_a_run_is_started_watched_and_cancelled_in_the_browser(
    shared_stack: LiveStack, sign_in: SignIn, complaints: Complaints
) -> None:
    complaints.allow("answer 422")
    page = sign_in(shared_stack)
    page.goto(f"{shared_stack.url}/runs/start/")
    page.select_option("#id_agent", "drill")
    expect(page.locator("#id_input")).to_have_value(re.compile('"mode": "hang"'))
    page.fill("#id_input", '{"mode": "hang", "seconds": 60}')
    page.get_by_role("button", name="Start the run").click()

    expect(page.locator("#run-head .badge").first).to_have_text("Running")
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel the run").click()
    expect(page.locator("#run-head .error")).to_have_text(re.compile("Say why"))
    page.get_by_label("Why?").fill("took too long")
    page.get_by_role("button", name="Cancel the run").click()

    expect(page.locator("#run-head .badge").first).to_have_text("Cancelled")
    expect(page.locator(".receipt")).to_contain_text("took too long")
    expect(page.locator(".receipt")).to_contain_text("How it stopped")


def test_what_is_typed_while_an_example_is_on_its_way_stays(shared_stack: LiveStack, sign_in: SignIn) -> None:
    page = sign_in(shared_stack)
    page.goto(f"{shared_stack.url}/runs/start/")
    held: list[Route] = []
    page.route("**/runs/start/agent/", lambda route: held.append(route))
    page.select_option("#id_agent", "drill")
    page.wait_for_timeout(300)
    page.fill("#id_input", '{"mode": "fail"}')

    held[0].continue_()

    expect(page.locator("#start-agent")).to_contain_text("Misbehaves on request")
    expect(page.locator("#id_input")).to_have_value('{"mode": "fail"}')


def test_ticked_rows_do_not_move_while_updates_arrive(shared_stack: LiveStack, sign_in: SignIn) -> None:
    held = start(shared_stack, mode="hang", seconds=60)
    page = sign_in(shared_stack)
    page.goto(f"{shared_stack.url}/runs/")
    row = page.locator(f"#run-{held}")
    row.locator("[data-tick]").check()
    before = page.locator("#runs-list tbody tr").evaluate_all("rows => rows.map(row => row.id)")

    start(shared_stack)
    expect(page.locator(".newer.is-shown")).to_contain_text("newer")

    assert page.locator("#runs-list tbody tr").evaluate_all("rows => rows.map(row => row.id)") == before
    expect(page.locator("[data-ticked]")).to_have_text("1 ticked")
    page.fill("#bulk-reason", "enough")
    page.get_by_role("button", name="Cancel 1 ticked").click()
    expect(page.locator(".bulk-results")).to_contain_text("is now cancel")
    expect(row.locator(".badge")).to_have_text("Cancelled")


def test_filters_change_the_address_and_the_back_button_undoes_them(shared_stack: LiveStack, sign_in: SignIn) -> None:
    start(shared_stack)
    page = sign_in(shared_stack)
    page.goto(f"{shared_stack.url}/runs/")
    page.fill("#q", "unheard-of")
    expect(page.locator("#runs-list")).to_contain_text("Nothing matches")
    assert "q=unheard-of" in page.url
    assert "agent=" not in page.url

    page.go_back()

    expect(page.locator("#runs-list tbody tr").first).to_be_visible()
    assert "q=" not in page.url


def test_a_step_stays_open_while_the_run_goes_on(shared_stack: LiveStack, sign_in: SignIn) -> None:
    run = start(shared_stack, mode="loop", seconds=60)
    page = sign_in(shared_stack)
    page.goto(f"{shared_stack.url}/runs/{run}/")
    first = page.locator("#step-1")
    first.locator("summary").click()
    page.locator("#raw summary").click()
    expect(page.locator("#raw pre")).to_contain_text(run)
    count = page.locator("#steps .step").count()

    page.wait_for_function("count => document.querySelectorAll('#steps .step').length > count", arg=count)

    expect(first).to_have_attribute("open", "")
    shared_stack.manage("cancel_run", run, "--reason", "seen")
    expect(page.locator("#run-head .badge").first).to_have_text("Cancelled")


@pytest.mark.skipif(DATABASE != "sqlite", reason="the markup is the same on both databases")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_nothing(shared_stack: LiveStack, sign_in: SignIn, scheme: str, width: int) -> None:
    failed = start(shared_stack, mode="fail")
    waiting = start(shared_stack, mode="ask")
    page = sign_in(shared_stack)
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{shared_stack.url}/runs/{failed}/")
    expect(page.locator("#run-head .badge").first).to_have_text("Failed")
    page.goto(f"{shared_stack.url}/runs/{waiting}/")
    expect(page.locator("#run-head .badge").first).to_have_text("Waiting for approval")
    thread = page.locator(".crumbs a").last.get_attribute("href")

    for path in ("/runs/", f"/runs/{failed}/", f"/runs/{waiting}/", "/runs/start/", "/threads/", thread):
        page.goto(f"{shared_stack.url}{path}")
        found = Axe().run(page)
        assert found.violations_count == 0, f"{path}\n{found.generate_report()}"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} is too wide"


def test_hostile_texts_stay_texts(shared_stack: LiveStack, sign_in: SignIn) -> None:
    page = sign_in(shared_stack)
    page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    page.goto(f"{shared_stack.url}/runs/start/?agent=drill")
    page.get_by_text("Title, thread, queue").click()
    page.fill("#id_title", SCRIPT)
    page.fill("#id_input", '{"mode": "sleep", "seconds": 0}')
    page.get_by_role("button", name="Start the run").click()

    expect(page.locator("h1")).to_have_text(SCRIPT)
    page.goto(f"{shared_stack.url}/runs/")
    expect(page.locator("#runs-list tbody")).to_contain_text(SCRIPT)

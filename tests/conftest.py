"""Fixtures of all tests: a database of either kind, a real Redis, real processes, a real browser."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.infra import postgres
from tests.infra.browser import Complaints, chromium
from tests.infra.redis import RedisServer
from tests.infra.stack import ADMIN, PASSWORD, LiveStack, Template

pytest_plugins = ["tests.infra.both_databases"]

DATABASE = os.environ.get("TEST_DATABASE", "sqlite")
STACKS: list[LiveStack] = []
"""Those that are up, so that a failure can show their logs."""


@pytest.fixture(scope="session")
def database_server() -> Iterator[None]:
    """The PostgreSQL server, where this run is on PostgreSQL."""
    if DATABASE != "postgres":
        yield
        return
    postgres.cluster().start()
    yield
    postgres.cluster().remove()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(database_server: None) -> None:
    """pytest-django makes its database after this."""


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """One Redis for the tests that only need some Redis; each starts with an empty one by `redis`."""
    server = RedisServer().start()
    yield server
    server.stop()


@pytest.fixture
def redis(redis_server: RedisServer, settings: Any) -> RedisServer:
    """An empty, real Redis that the code under test uses."""
    with redis_server.client() as client:
        client.flushall()
    settings.REDIS_URL = redis_server.url
    settings.RQ_QUEUES = {name: queue | {"URL": redis_server.url} for name, queue in settings.RQ_QUEUES.items()}
    return redis_server


@pytest.fixture(scope="session")
def live_template(database_server: None) -> Iterator[Template]:
    template = Template(DATABASE)
    yield template
    template.remove()


@pytest.fixture
def new_stack(live_template: Template) -> Iterator[Callable[..., LiveStack]]:
    """Make stacks with settings of their own: `new_stack(HARNESS_LEASE_SECONDS="3")`. Redis runs in each."""
    made: list[LiveStack] = []

    def make(**env: str) -> LiveStack:
        made.append(open_stack(live_template, **env))
        return made[-1]

    yield make
    for stack in made:
        close_stack(stack)


@pytest.fixture
def stack(new_stack: Callable[..., LiveStack]) -> LiveStack:
    """An empty database and a running Redis; start what the test needs: `stack.web()`, `stack.worker()` ..."""
    return new_stack()


@pytest.fixture(scope="module")
def shared_stack(live_template: Template) -> Iterator[LiveStack]:
    """One stack for the tests of a module, with web, worker and supervisor running."""
    stack = open_stack(live_template)
    try:
        stack.web()
        stack.worker()
        stack.supervisor()
        yield stack
    finally:
        close_stack(stack)


def open_stack(template: Template, **env: str) -> LiveStack:
    stack = LiveStack(template, **env)
    STACKS.append(stack)
    stack.redis.start()
    return stack


def close_stack(stack: LiveStack) -> None:
    STACKS.remove(stack)
    stack.stop_all()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def complaints() -> Complaints:
    """What the page complained about; the test fails for what is left in the end."""
    return Complaints()


@pytest.fixture
def page(browser: Browser, complaints: Complaints) -> Iterator[Page]:
    """A page in a profile of its own; nobody is signed in."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(15_000)
    page = context.new_page()
    complaints.listen_to(page)
    yield page
    context.close()
    assert not complaints.left(), "the page complained:\n" + "\n".join(complaints.left())


@pytest.fixture
def sign_in(page: Page) -> Callable[..., Page]:
    """`sign_in(stack)` signs the admin in through the form and returns the page."""

    def as_user(stack: LiveStack, name: str = ADMIN, password: str = PASSWORD) -> Page:
        page.goto(f"{stack.url}/accounts/login/")
        page.fill("[name=username]", name)
        page.fill("[name=password]", password)
        page.press("[name=password]", "Enter")
        page.wait_for_url(lambda url: "/accounts/login/" not in url)
        return page

    return as_user


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    outcome: Any = yield
    report = outcome.get_result()
    if report.failed:
        for stack in STACKS:
            report.sections += [(f"log of {name}", log[-20_000:]) for name, log in stack.logs().items()]

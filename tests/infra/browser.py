"""A real chromium, and a page that tells everything it did not like."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, sync_playwright

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
REPORT_CSP = """document.addEventListener("securitypolicyviolation", event =>
    console.error(`CSP: ${event.effectiveDirective} blocked ${event.blockedURI || "inline"} ${event.sample}`));"""


def find_chromium() -> str:
    for name in CHROMIUM:
        if found := shutil.which(name):
            return found
    raise RuntimeError("chromium is not installed: scripts/install-test-deps installs it.")


@contextmanager
def chromium() -> Iterator[Browser]:
    """While it is open, Playwright keeps an event loop on this thread, so Django's guard against that is off."""
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find_chromium(), headless=True, args=FLAGS)
            yield browser
            browser.close()
    finally:
        if before is None:
            del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


class Complaints:
    """Console errors and warnings, exceptions, CSP reports, requests to other hosts, answers of 400 and more."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.allowed: list[str] = []

    def allow(self, pattern: str) -> None:
        """A regular expression of something that this test provokes on purpose, for example "409"."""
        self.allowed.append(pattern)

    def left(self) -> list[str]:
        return [said for said in self.heard if not any(re.search(pattern, said) for pattern in self.allowed)]

    def listen_to(self, page: Page) -> None:
        page.add_init_script(REPORT_CSP)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.heard.append(f"exception: {error}"))
        page.on("request", self._request)
        page.on("response", self._response)

    def _console(self, message: ConsoleMessage) -> None:
        failed_load = message.text.startswith("Failed to load resource: the server responded")  # heard as a response
        if message.type in {"error", "warning"} and not failed_load:
            self.heard.append(f"console {message.type}: {message.text}")

    def _request(self, request: Request) -> None:
        target = urlsplit(request.url)
        if target.scheme not in {"data", "blob", "about"} and target.hostname != "127.0.0.1":
            self.heard.append(f"request to another host: {request.url}")

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self.heard.append(f"answer {response.status}: {response.request.method} {response.url}")

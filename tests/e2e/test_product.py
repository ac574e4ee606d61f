"""The product in a browser, through the front door."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.support import Instance

TEST = Instance("test")
URL = f"https://app.supercog.localhost:{TEST.port + 5}"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """A fresh browser at the front door of a deployed stack, which is gone afterwards."""
    TEST.playbook("site.yml")
    browser_path = next(path for path in map(shutil.which, NAMES) if path)
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--host-resolver-rules=MAP *.localhost 127.0.0.1"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, headless=True, args=arguments)
        context = browser.new_context(ignore_https_errors=True)
        yield context.new_page()
        browser.close()
    TEST.playbook("playbooks/down.yml", "-e", "confirm=yes")


def test_a_user_signs_in_and_sees_the_result_of_a_run(page: Page) -> None:
    page.goto(URL)
    page.get_by_label("E-mail").fill("admin@supercog.localhost")
    page.get_by_label("Password").fill((TEST.folder / "admin_password").read_text().strip())
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("What should the agent work on?").fill("count these four words")
    page.get_by_role("button", name="Start run").click()
    expect(page.locator("[data-field=prompt]")).to_have_text("count these four words")
    expect(page.locator("[data-field=status]")).to_have_text("done", timeout=30_000)
    expect(page.locator("[data-field=words]")).to_have_text("4")
    assert page.context.cookies()[0]["httpOnly"]


def test_the_session_is_known_to_every_instance(page: Page) -> None:
    session = "; ".join(f"{cookie['name']}={cookie['value']}" for cookie in page.context.cookies())
    page.close()  # its stream of events keeps one instance busier than the other until it has ended
    seen: dict[str, str] = {}
    for _ in range(200):
        answer = json.loads(TEST.get("app.supercog.localhost", "/api/me", Cookie=session)[1])
        seen[answer["instance"]] = answer["email"]
        if len(seen) == 2:
            break
    assert list(seen.values()) == ["admin@supercog.localhost"] * 2

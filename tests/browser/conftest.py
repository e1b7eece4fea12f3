"""The built book in a real browser: its pages one by one, on a local server, all other hosts cut.

    jupyter-book build book && pytest tests/browser

Needs Chromium (`apt-get install chromium`) and a built book. Where either is missing the tests
are skipped, and with DPHR_REQUIRE_BROWSER=1 they fail: nothing is skipped unseen in CI.
Screenshots and the audit's findings go to book/_build/screenshots, or $DPHR_SCREENSHOTS.
"""

import json
import os
import shutil
import threading
from collections import Counter
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.browser.pages import HTML, NAMES, OUR_HOST, SCREENSHOTS, Opened

ARGUMENTS = [
    "--no-sandbox",  # its namespaces are missing in containers
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE {OUR_HOST}",  # the network is cut
]


def missing(reason: str) -> None:
    """Skip, or fail where a browser is required."""
    (pytest.fail if os.environ.get("DPHR_REQUIRE_BROWSER") else pytest.skip)(reason)


@pytest.fixture(scope="session")
def browser():
    if not (HTML / "index.html").is_file():
        missing(f"no built book at {HTML}; run: jupyter-book build book")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        installed = next(
            filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
            playwright.chromium.executable_path,
        )
        if not Path(installed).exists():
            missing("no Chromium; run: apt-get install chromium, or playwright install chromium")
        browser = playwright.chromium.launch(executable_path=installed, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(params=[True, False], ids=["scripts", "no scripts"])
def page(request, browser, markup):
    """The module's `markup` as a page, with scripts and without: `page.scripts` says which."""
    context = browser.new_context(
        java_script_enabled=request.param, viewport={"width": 1280, "height": 900}
    )
    page = context.new_page()
    page.scripts = request.param
    page.set_content(f"<main>{markup}</main>")
    yield page
    context.close()


@pytest.fixture(scope="session")
def context(browser):
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
    context.set_default_timeout(180_000)  # a shared machine may be slow
    yield context
    context.close()


@pytest.fixture(scope="session")
def server():
    """Address of a static server of the book."""
    handler = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    server = ThreadingHTTPServer((OUR_HOST, 0), partial(handler, directory=str(HTML)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://{OUR_HOST}:{server.server_port}/"
    server.shutdown()


@pytest.fixture(scope="session", params=NAMES)
def served(request, context, server):
    """Each page of the book from the server; pytest runs all tests of one page together."""
    opened = Opened(context, request.param, server + request.param)
    yield opened
    opened.page.close()


@pytest.fixture(scope="session", params=NAMES)
def filed(request, context):
    """Each page of the book from the disk."""
    opened = Opened(context, request.param, (HTML / request.param).as_uri())
    yield opened
    opened.page.close()


@pytest.fixture(scope="session")
def findings():
    """The audit's findings by theme, rule and page; written beside the screenshots at the end."""
    found = {"light": Counter(), "dark": Counter(), "pages": 0}
    yield found
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    (SCREENSHOTS / "audit.json").write_text(json.dumps(found, indent=1), "utf-8")

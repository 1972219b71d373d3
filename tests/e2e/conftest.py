"""The demo company, its pages, and a browser."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.conftest import PROJECT_DIR


def how_to_start() -> dict[str, Any]:
    """The system's Chromium, without a screen, as Playwright starts it."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert program, "The tests of the pages need Chromium: apt-get install chromium"
    return {"executable_path": program, "args": ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(**how_to_start())
        yield started
        started.close()


@contextmanager
def serving(variables: Mapping[str, str]) -> Iterator[str]:
    """The address at which `kpi pages` serves an installation."""
    server = subprocess.Popen(
        [sys.executable, "-m", "pipelines", "pages", "--port", "0"],
        cwd=PROJECT_DIR,
        env=variables,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout
        said = re.search(r"http://127\.0\.0\.1:\d+", server.stdout.readline())
        assert said
        yield said[0]
    finally:
        server.terminate()
        assert server.wait() in (0, 130, -15)

"""Takes the pictures of docs/pages.md from the demo company's published file, with the system's Chromium.

python docs/screenshots.py
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

PROJECT_DIR = Path(__file__).resolve().parent.parent
FOLDER = PROJECT_DIR / "docs" / "_static" / "pages"
PICTURES = {
    "leaders": ("en/leaders", 1280, 1100, "light"),
    "why": ("en/why?kpi=revenue", 1280, 900, "light"),
    "explain": ("en/explain?kpi=win_rate", 1280, 900, "light"),
    "phone": ("pl/leaders", 390, 844, "dark"),
}


def main() -> None:
    """Serve the pages, take the pictures, end the server."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("Pictures need Chromium. Install it: apt-get install chromium")
    command = [sys.executable, "-m", "pipelines", "pages", "--port", "0"]
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (
        subprocess.Popen(command, cwd=PROJECT_DIR, stdout=subprocess.PIPE, text=True) as server,
        sync_playwright() as playwright,
    ):
        assert server.stdout
        said = re.search(r"http://127\.0\.0\.1:\d+", server.stdout.readline())
        assert said
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        for name, (path, width, height, scheme) in PICTURES.items():
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
            page = context.new_page()
            page.goto(f"{said[0]}/{path}")
            page.screenshot(path=FOLDER / f"{name}.png")
            context.close()
        browser.close()
        server.terminate()


if __name__ == "__main__":
    main()

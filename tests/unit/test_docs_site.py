"""The documentation as a site (`make docs`): it builds without a warning, and loads nothing from the network."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.settings import PROJECT_DIR

SPHINX_OFFLINE = """
import socket, sys
from sphinx.cmd.build import main
socket.getaddrinfo = socket.socket.connect = None
sys.exit(main(sys.argv[1:]))
"""
FROM_ELSEWHERE = re.compile(
    r"""<(?:script|link|img|iframe|source|video)\b[^>]*\b(?:src|href)=["']?(?:https?:)?//[^>]*"""
    r"""|(?:@import|url\()\s*["']?(?:https?:)?//[^;)]*"""
)


@pytest.mark.nightly
def test_the_site_builds_offline_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    options = ["--quiet", "--fail-on-warning", "--keep-going", "--conf-dir", str(PROJECT_DIR / "docs")]
    command = [sys.executable, "-c", SPHINX_OFFLINE, *options, str(PROJECT_DIR), str(tmp_path)]
    built = subprocess.run(command, capture_output=True, text=True)
    assert (built.returncode, built.stdout + built.stderr) == (0, "")

    assert (tmp_path / "index.html").exists()
    pages = [page.relative_to(PROJECT_DIR).with_suffix(".html") for page in (PROJECT_DIR / "docs").rglob("*.md")]
    assert [page for page in pages if not (tmp_path / page).exists()] == []

    files = [file for file in tmp_path.rglob("*") if file.suffix in {".html", ".css"}]
    found = {file: FROM_ELSEWHERE.findall(file.read_text(encoding="utf-8")) for file in files}
    assert {file: elsewhere for file, elsewhere in found.items() if elsewhere} == {}

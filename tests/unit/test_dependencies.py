"""What is installed in production: pinned by hash, and under licences that allow every use."""

import re
from importlib.metadata import PackageNotFoundError, distribution

import pytest

from pipelines.settings import PROJECT_DIR

PINNED = re.compile(r"^([a-z0-9._-]+)(?:\[[^]]*\])?==((?:.*\\\n)*.*)", re.MULTILINE)
# Licences that only ask to be named, and those that only ask for changes to the package itself to be published.
ACCEPTED = re.compile(r"MIT|BSD|Apache|PSF|Python Software Foundation|ISC|MPL|Mozilla|LGPL|Artistic")


def pinned(lock: str) -> dict[str, str]:
    """The packages of a lock, with the rest of their entries."""
    return dict(PINNED.findall((PROJECT_DIR / lock).read_text(encoding="utf-8")))


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock", "requirements-spark.lock"])
def test_every_package_is_pinned_by_hash(lock: str) -> None:
    packages = pinned(lock)
    assert len(packages) > 100
    assert [name for name, entry in packages.items() if "--hash=sha256:" not in entry] == []


def test_every_licence_of_production_is_an_accepted_one() -> None:
    licences = {name: _licence(name) for name in pinned("requirements.lock")}
    assert {name: text for name, text in licences.items() if text is not None and not ACCEPTED.search(text)} == {}


def _licence(name: str) -> str | None:
    """What a package says about its licence; None if it is not for this platform."""
    try:
        metadata = distribution(name).metadata
    except PackageNotFoundError:
        return None
    classifiers = [text for text in metadata.get_all("Classifier") or [] if text.startswith("License ::")]
    return metadata.get("License-Expression") or "; ".join(classifiers) or metadata.get("License", "")

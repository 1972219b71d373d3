"""The pages of the demo company, asked without a network."""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

import pytest
from starlette.testclient import TestClient

from pipelines.pages.app import PagesConfig, application
from tests.conftest import Installation


@pytest.fixture(scope="package")
def pages(untouched_demo: Installation) -> Iterator[TestClient]:
    """A client of the pages of the demo company."""
    config = PagesConfig(untouched_demo.data_dir / "published", ZoneInfo("Europe/Warsaw"))
    with TestClient(application(config), base_url="http://127.0.0.1") as client:
        yield client

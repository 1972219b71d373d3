"""`kpi sources remove` undoes `kpi sources add`, and nothing is lost."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines.config_files import ConfigError
from pipelines.onboarding.adding import Options, add_sources
from pipelines.onboarding.removing import remove_source
from pipelines.settings import Settings, load_settings

NOW = datetime(2026, 1, 9, 6, 30, tzinfo=UTC)
ORDERS = (
    "order_id,customer_id,ordered_at,total_amount\n1,C1,2025-01-30 10:00:00,10.00\n2,C2,2025-01-31 10:00:00,20.00\n"
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An installation with the drafted sources web and webshop."""
    made = load_settings().model_copy(
        update={"company_dir": tmp_path / "company", "data_dir": tmp_path / "data", "reporting_currency": "EUR"}
    )
    file = tmp_path / "orders_2025-01-31.csv"
    file.write_text(ORDERS, encoding="utf-8")
    for name in ("web", "webshop"):
        add_sources([str(file)], made, Options(name))
        suite = made.company_dir / "expectations" / "staging" / f"stg_{name}__orders.yml"
        suite.parent.mkdir(parents=True, exist_ok=True)
        suite.write_text("owner: team:data\ndescription: Ours.\n", encoding="utf-8")
    return made


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_draft_can_be_undone_and_made_again(settings: Settings, tmp_path: Path) -> None:
    before = contents(settings.company_dir)
    kept, files = remove_source(settings, "web", NOW)
    left = contents(settings.company_dir)
    assert contents(kept) == {str(file): before[str(file)] for file in files}
    assert left == {name: text for name, text in before.items() if name not in set(map(str, files))}
    assert {name for name in before if "webshop" in name} == set(left), "another source whose name begins alike stays"
    assert kept == settings.data_dir / "removed_sources" / "web-20260109T063000Z"
    assert not (settings.company_dir / "models" / "staging" / "web").exists()
    add_sources([str(tmp_path / "orders_2025-01-31.csv")], settings, Options("web"))
    assert {name for name in before if "expectations" not in name} <= set(contents(settings.company_dir))


def test_an_enabled_source_stays(settings: Settings) -> None:
    before = contents(settings.company_dir)
    enabled = settings.model_copy(update={"sources": ["shop", "web"]})
    with pytest.raises(ConfigError, match=r"web is enabled.*which leaves sources: \[shop\]\."):
        remove_source(enabled, "web", NOW)
    assert contents(settings.company_dir) == before


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("wbe", r"has no source 'wbe'\. It has: web, webshop\."),
        ("hubspot", r"has no source 'hubspot'\. hubspot is a source that the project ships\."),
        ("../web", r"has no source '\.\./web'"),
        ("..", r"has no source '\.\.'"),
        ("*", r"has no source '\*'"),
    ],
)
def test_what_is_not_a_source_of_the_company_is_refused(settings: Settings, name: str, said: str) -> None:
    before = contents(settings.company_dir)
    with pytest.raises(ConfigError, match=said):
        remove_source(settings.model_copy(update={"sources": ["shop"]}), name, NOW)
    assert contents(settings.company_dir) == before

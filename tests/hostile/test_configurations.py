"""A corpus of hostile configurations: each is refused with the sentence declared here, or does nothing that it should
not. Settings that are wrong by accident are in `tests/unit/test_settings.py` and beside the code of each file."""

from collections.abc import Callable
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from pipelines.alerts.routes import load_alerts
from pipelines.config_files import ConfigError
from pipelines.ingest.landing import land
from pipelines.pages.readers import load_readers
from pipelines.publish.events import load_events
from pipelines.settings import load_settings
from pipelines.sources import Table, load_sources
from pipelines.warehouse import sandboxed
from tests.unit.test_settings import SOURCE

SETTINGS = """\
sources: [own]
first_delivery: 2025-01-01
time_zone: UTC
reporting_currency: EUR
"""
FETCHED = SOURCE.replace("files", "rest\nbase_url: https://example.com").replace(
    "path: own/orders_{delivered_on}.csv\n    format: csv", "fetch: {path: /orders, paginator: single_page}"
)
ALERTS = "channels:\n  t: {kind: terminal}\nroutes:\n- channels: [t]\n"
READERS = "identity_header: X-User\nreaders:\n  anna: {}\n"
EVENT = "events:\n- {date: 2025-01-01, text: sale}\n"


class Case(NamedTuple):
    """A file of some kind, and what is said about it."""

    name: str
    kind: str
    text: str
    problem: str


def ten_times(first: str, each: str) -> str:
    """Ten anchors, of which each names the one before ten times."""
    names = "abcdefghij"
    lines = [f"{now}: &{now} {each.format(','.join(['*' + before] * 10))}" for before, now in pairwise(names)]
    return "\n".join([f"a: &a {first}", *lines, ""])


CASES = [
    Case("aliases of aliases", "settings", ten_times("[x]", "[{}]") + SETTINGS.replace("[own]", "*j"), "unknown key"),
    Case("merges of merges", "settings", ten_times("{k: x}", "{{<<: [{}]}}") + SETTINGS, "more than 10,000 keys are m"),
    Case("an alias of itself", "settings", SETTINGS + "kpis: &a [*a]\n", "kpis: Input should be a valid dictionary"),
    Case("brackets without end", "settings", SETTINGS + "kpis: " + "[" * 2_000, "not valid YAML"),
    Case("5,000 levels", "settings", SETTINGS + f"kpis: {'[' * 5000}{']' * 5000}\n", "kpis: Input should be a valid d"),
    Case("a Python object", "settings", SETTINGS + "kpis: !!python/object/apply:os.system [id]\n", "a constructor for"),
    Case("a tag that includes a file", "settings", SETTINGS + "kpis: !include /etc/passwd\n", "a constructor for"),
    Case("a key twice", "settings", SETTINGS + "time_zone: Europe/Warsaw\n", "kpi.yml:5: not valid YAML: 'time_"),
    Case("a nested key twice", "settings", SETTINGS + "kpis: {small_sample: 1, small_sample: 2}\n", "occurs twice"),
    Case("a number of 100,000 digits", "settings", SETTINGS + f"keep_runs: {'9' * 100_000}\n", "Exceeds the limit"),
    Case("a number that no date can have", "settings", SETTINGS + f"late_file_days: {10**20}\n", "less than or equal"),
    Case("infinity", "settings", SETTINGS + "mark_quarantine_from: .inf\n", "less than or equal to 1"),
    Case("not a number", "settings", SETTINGS + "mark_quarantine_from: .nan\n", "less than or equal to 1"),
    Case("a time zone that is a path", "settings", SETTINGS.replace("UTC", "../../../etc/passwd"), "no time zone is"),
    Case("a key that is a list", "settings", SETTINGS + "? [a]\n: b\n", "unhashable key"),
    Case("a key that is nothing", "settings", SETTINGS + "~: b\n", "Keys should be strings"),
    Case("two documents", "settings", SETTINGS + "---\n" + SETTINGS, "another document"),
    Case("NUL", "settings", SETTINGS + 'x: "\0"\n', "it contains the character 0x0"),
    Case("a script as an address", "settings", SETTINGS + "ui_url: javascript:alert(1)\n", "is not a web address"),
    Case("a header in an address", "settings", SETTINGS + 'ui_url: "https://x/\\r\\nSet-Cookie: a"\n', "not a web"),
    Case("SQL as a currency", "settings", SETTINGS.replace("EUR", "\"EU';--\""), "is not a currency code"),
    Case("a language that is a path", "settings", SETTINGS + "report_languages: [../x]\n", "Input should be 'en'"),
    Case("a path that leads out", "source", SOURCE.replace("own/", "own/../../"), "leads out of the landing folder"),
    Case("an absolute path", "source", SOURCE.replace("own/", "/etc/"), "leads out of the landing folder"),
    Case("attributes in a path", "source", SOURCE.replace("_on}", "_on.__class__}"), "the pattern is not valid"),
    Case("an endless path", "source", SOURCE.replace("_on}", "_on!r:>999999999}"), "the pattern is not valid"),
    Case("an endless year", "source", SOURCE.replace("_on}", "_on:%999999999Y}"), "the pattern is not valid"),
    Case("SQL as a table", "source", SOURCE.replace("  orders:", '  "orders; drop":', 1), "should match pattern"),
    Case("SQL that ends a condition", "source", SOURCE + '    skip_rows: "1=1); drop table x; --"\n', "not a cond"),
    Case("SQL that reads the environment", "source", SOURCE + "    skip_rows: \"id = getenv('X')\"\n", "not a cond"),
    Case("a count in another folder", "source", SOURCE + "    row_count_suffix: /../x\n", "should match pattern"),
    Case("a quote as the delimiter", "source", SOURCE + "    delimiter: '\"'\n", "should match pattern"),
    Case("an encoding that runs code", "source", SOURCE + "    encoding: unicode_escape\n", "Input should be 'utf-8'"),
    Case("a line in an owner", "source", SOURCE.replace("team:commerce", '"a@b\\nBcc: x@y"'), "should match pattern"),
    Case("a file as an API", "source", FETCHED.replace("https://example.com", "file:///etc/passwd"), "should match"),
    Case("a password in an API's address", "source", FETCHED.replace("//", "//user:password@"), "should match pattern"),
    Case("a password in a store's", "source", SOURCE.replace("files", "files\nstore: s3://u:p@h/"), "should match pat"),
    Case("a secret in alerts", "alerts", ALERTS.replace("terminal", "webhook, url: https://h/s"), "would put a secret"),
    Case("a secret as a variable", "alerts", ALERTS.replace("terminal", "apprise, url_env: mailto://u:p@h"), "the nam"),
    Case("a file out of the data folder", "alerts", ALERTS.replace("terminal", "file, path: ../x"), "leads out of the"),
    Case("a header in a channel", "alerts", ALERTS.replace("  t:", '  "t\\r\\nBcc: x":'), "should match pattern"),
    Case("a file as an endpoint", "alerts",
         ALERTS.replace("terminal", "pagerduty, routing_key_env: A, endpoint: file:///x"), "should match pattern"),
    Case("hours without end", "alerts", ALERTS + "renotify_hours: {critical: .inf}\n", "less than or equal to 100000"),
    Case("attempts without end", "alerts", ALERTS + "delivery: {attempts: 100000}\n", "less than or equal to 100"),
    Case("a header that sets another", "readers", READERS.replace("X-User", '"X-User\\r\\nX: y"'), "should match patt"),
    Case("SQL as a cut", "readers", READERS.replace("{}", "{only: {\"team'; --\": [a]}}"), "is nothing that pages can"),
    Case("SQL as an entity", "events", EVENT.replace("sale", "sale, entity: \"'; drop table x\""), "names no entity"),
    Case("SQL as a KPI", "events", EVENT.replace("sale", "sale, kpis: [\"'; drop\"]"), "is not a KPI"),
]  # fmt: skip


def load(kind: str, text: str, folder: Path) -> object:
    """Read a file of this kind as commands do."""
    loaders: dict[str, tuple[str, Callable[[Path], object]]] = {
        "settings": ("kpi.yml", load_settings),
        "source": ("sources/own.yml", lambda path: load_sources(["own"], path.parent.parent)),
        "alerts": ("alerts.yml", load_alerts),
        "readers": ("readers.yml", load_readers),
        "events": ("events.yml", load_events),
    }
    name, loader = loaders[kind]
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return loader(folder / name)


@pytest.fixture(autouse=True)
def _no_settings_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KPI_CONFIG", "KPI_SOURCES", "DATA_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_hostile_configuration_is_refused_in_a_sentence_with_its_file(tmp_path: Path, case: Case) -> None:
    with pytest.raises(ConfigError) as told:
        load(case.kind, case.text, tmp_path)
    assert case.problem in str(told.value)
    assert all(line.startswith(str(tmp_path)) and len(line) < 1_000 for line in str(told.value).splitlines())


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("settings", SETTINGS),
        ("source", SOURCE),
        ("source", FETCHED),
        ("alerts", ALERTS),
        ("readers", READERS),
        ("events", EVENT),
    ],
)
def test_what_the_corpus_is_made_of_is_accepted(tmp_path: Path, kind: str, text: str) -> None:
    load(kind, text, tmp_path)


def test_the_name_of_a_source_leads_to_no_other_folder(tmp_path: Path) -> None:
    (tmp_path / "sources").mkdir()
    (tmp_path / "own.yml").write_text(SOURCE)
    with pytest.raises(ConfigError, match=r"'\.\./own' has no file"):
        load_sources(["../own"], tmp_path)


@pytest.mark.parametrize(
    "condition",
    [
        "id in (select content from read_text('{outside}'))",
        "id in (select column0 from read_csv('{outside}'))",
        "id in (select unnest(glob) from (select list(file) as glob from glob('{outside}')))",
        "id in (select column0 from '{outside}')",
    ],
)
def test_sql_of_a_source_sees_nothing_but_the_delivery(tmp_path: Path, condition: str) -> None:
    """Such SQL is a company's own, but it comes with drafts and packs that people copy."""
    outside = tmp_path / "outside.csv"
    outside.write_text("1\n")
    landing, raw = tmp_path / "landing", tmp_path / "raw"
    landing.mkdir()
    day = date(2025, 1, 31)
    (landing / f"orders_{day}.csv").write_text("id\n1\n")
    table = Table(description="x", path="orders_{delivered_on}.csv", format="csv", columns=["id"], key=["id"])
    reading = table.model_copy(update={"skip_rows": condition.format(outside=outside)})
    problem = r"own\.yml: tables\.orders\.skip_rows: "
    with sandboxed(landing, raw) as database, pytest.raises(ConfigError, match=problem):
        land("own", "orders", reading, day, landing, raw, database)


def test_a_name_with_many_wildcards_is_compared_quickly_enough_to_be_compared(tmp_path: Path) -> None:
    """Backtracking over thirty wildcards would never end."""
    [source] = load_sources(["own"], _with(tmp_path, SOURCE + f'    further_columns: ["{"*a" * 30}"]\n'))
    assert not source.tables["orders"].expects("a" * 1_000 + "b")


def _with(folder: Path, source: str) -> Path:
    (folder / "sources").mkdir()
    (folder / "sources" / "own.yml").write_text(source)
    return folder

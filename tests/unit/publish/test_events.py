"""`events.yml`: what people write down, and what is wrong with it."""

from datetime import date
from pathlib import Path

import duckdb
import pytest

from pipelines.config_files import ConfigError
from pipelines.publish.events import Event, events_of_nobody, load_events


def events_file(folder: Path, content: str) -> Path:
    file = folder / "events.yml"
    file.write_text(content, encoding="utf-8")
    return file


def test_without_a_file_there_are_no_events(tmp_path: Path) -> None:
    assert load_events(tmp_path / "events.yml") == []


def test_a_file_without_events_has_none(tmp_path: Path) -> None:
    assert load_events(events_file(tmp_path, "# nothing yet\n")) == []
    assert load_events(events_file(tmp_path, "events:\n# nothing yet\n")) == []


def test_an_event_is_a_day_or_a_span_in_any_language(tmp_path: Path) -> None:
    day, span = load_events(
        events_file(
            tmp_path,
            """
            events:
              - date: 2025-11-28
                text: " ブラックフライデー "
              - from: 2025-12-01
                to: 2025-12-14
                text: سكّر المتجر
                kpis: [revenue, sales_growth]
                entity: channel=paid=search
            """,
        )
    )
    assert (day.span, day.text, day.kpis, day.entity) == (
        *((date(2025, 11, 28), date(2025, 11, 28)), "ブラックフライデー", (), None),
    )
    assert (span.span, span.kpis) == ((date(2025, 12, 1), date(2025, 12, 14)), ("revenue", "sales_growth"))
    assert span.entity == "channel=paid=search"


@pytest.mark.parametrize(
    ("line", "replacement", "number", "message"),
    [
        ("date: 2025-11-28", "date: 2025-02-30", 2, "not valid YAML: 2025-02-30 is not a date: day "),
        ("date: 2025-11-28", "date: 28.11.2025", 2, "events.0.date: Input should be a valid date"),
        ("date: 2025-11-28", "from: 2025-11-28", 2, "events.0: give either date, or both from and to."),
        ("date: 2025-11-28", "date: 2025-11-28\n    from: 2025-11-28\n    to: 2025-11-29", 2, "events.0: give either"),
        ("date: 2025-11-28", "from: 2025-11-28\n    to: 2025-11-27", 2, "events.0: to (2025-11-27) is before from"),
        ("text: Sale", "text: ' '", 3, "events.0.text: is empty. Say what happened, in any language."),
        ("    text: Sale\n", "", 2, "events.0.text: missing. Add it."),
        ("text: Sale", "txet: Sale", 3, "events.0.txet: unknown key. Remove it, or correct its spelling."),
        ("revenue", "revenu", 5, "events.0.kpis.1: 'revenu' is not a KPI. Did you mean revenue? The KPIs are: cac, "),
        ("channel=web", "web", 6, "events.0.entity: 'web' names no entity. Write its type and its id, as in channel="),
    ],
)
def test_what_is_wrong_is_said_with_file_line_and_what_is_possible(
    tmp_path: Path, line: str, replacement: str, number: int, message: str
) -> None:
    right = """events:
  - date: 2025-11-28
    text: Sale
    kpis: [nps,
      revenue]
    entity: channel=web
"""
    assert len(load_events(events_file(tmp_path, right))) == 1
    assert line in right
    with pytest.raises(ConfigError) as wrong:
        load_events(events_file(tmp_path, right.replace(line, replacement)))
    assert f"{tmp_path / 'events.yml'}:{number}: {message}" in str(wrong.value)


def test_an_event_of_an_entity_that_no_kpi_is_published_for_is_named(tmp_path: Path) -> None:
    def of(entity: str | None) -> Event:
        return Event.model_validate({"date": "2025-11-28", "text": "Sale", "entity": entity})

    events = [of(None), of("channel=web"), of("chanel=web"), of("rep=R-07"), of("rep=R-07")]
    assert events_of_nobody(events, tmp_path) == []  # nothing is published yet
    with duckdb.connect(str(tmp_path / "kpi.duckdb")) as connection:
        connection.execute("create schema marts")
        connection.execute(
            "create table marts.kpi_scorecard as from (values ('channel', 'web'), ('company', 'company')) "
            "as t(entity_type, entity_id)"
        )
    assert events_of_nobody(events, tmp_path) == [
        "events.yml: no KPI is published for chanel=web: its events are not shown. Did you mean channel=web?",
        "events.yml: no KPI is published for rep=R-07: its events are not shown.",
    ]

"""`kpi show`: what it prints for a small scorecard, and what it writes to files."""

import csv
import io
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import openpyxl
import pytest
from rich.console import Console

from pipelines.answers.periods import Choice, Comparison, Grain
from pipelines.answers.questions import QuestionError
from pipelines.cli.printing.show import show_kpi, show_scorecard, show_what_is_published
from pipelines.formatting import printable
from pipelines.output import Excel, Format, Result, Target, UsageError, write

WARSAW = ZoneInfo("Europe/Warsaw")

# KPI, variant, entity type, entity, month, value, numerator, denominator, prior, delta, target, attainment,
# partial, status
SCORECARD = """
    ('revenue', 'net', 'company', 'Company', date '2025-01-01', 1000, 1000, null, null, null, 900, 1.1, false, 'ok'),
    ('revenue', 'net', 'company', 'Company', date '2025-02-01', 1100, 1100, null, 1000, 100, 900, 1.2, false, 'ok'),
    ('revenue', 'net', 'company', 'Company', date '2025-03-01', 300, 300, null, 400, -100, 900, 1.3, true, 'ok'),
    ('cac', 'blended', 'company', 'Company', date '2025-01-01', 50, 500, 10, null, null, null, null, false, 'ok'),
    ('cac', 'paid', 'channel', 'search', date '2025-01-01', 60, 120, 2, null, null, null, null, false, 'ok'),
    ('cac', 'roas', 'channel', 'search', date '2025-01-01', 3, 360, 120, null, null, null, null, false, 'ok'),
    ('leads', 'cohort', 'rep', '=Ann', date '2025-01-01', 0.25, 1, 4, null, null, null, null, false, 'ok'),
    ('leads', 'cohort', 'rep', '=Ann', date '2025-02-01', null, 1, 4, null, null, null, null, false, 'immature'),
    ('leads', 'cohort', 'rep', '=Ann', date '2025-03-01', null, 0, 4, null, null, null, null, true, 'immature'),
    ('leads', 'activity', 'rep', '=Ann', date '2025-02-01', 0.5, 2, 4, null, null, null, null, false, 'ok'),
    ('leads', 'activity', 'rep', '=Ann', date '2025-03-01', 0.5, 2, 4, null, null, null, null, true, 'ok'),
    ('leads', 'days', 'rep', '=Ann', date '2025-01-01', 12.5, null, 4, null, null, null, null, false, 'ok'),
    ('cac', 'cpl', 'company', 'A', date '2025-01-01', null, null, null, null, null, null, null, false, 'no_source')
"""
COLUMNS = (
    "kpi_id, variant, entity_type, entity_name, period_start, value, numerator, denominator, prior_value, delta, "
    "target, attainment, is_partial_period, status"
)


@pytest.fixture(scope="module")
def published_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "published"
    folder.mkdir()
    numbers = "value, numerator, denominator, prior_value, delta, target, attainment"
    decimals = ", ".join(f"cast({name} as decimal(38, 12)) as {name}" for name in numbers.split(", "))
    with duckdb.connect(str(folder / "kpi.duckdb")) as connection:
        connection.execute("create schema marts; create schema meta")
        connection.execute(
            f"create table marts.kpi_scorecard as select 'month' as grain, * replace ({decimals}), "
            "entity_name as entity_id, "
            "cast(null as decimal(38, 12)) as ci_low, cast(null as decimal(38, 12)) as ci_high, "
            "case when variant = 'activity' then value > 0.5 end as is_delta_significant, "
            "case when kpi_id = 'revenue' then cast(80 as decimal(38, 12)) end as last_year_value, "
            "case when kpi_id = 'revenue' then cast(value - 80 as decimal(38, 12)) end as last_year_delta, "
            "case when variant = 'cpl' then 'ad_spend, leads' end as missing_entities, "
            "cast(null as boolean) as is_last_year_delta_significant, variant = 'days' as began_late "
            f"from (values {SCORECARD}) as t({COLUMNS})"
        )
        # The first quarter, in progress like March.
        connection.execute(
            "insert into marts.kpi_scorecard select * replace ('quarter' as grain, date '2025-01-01' as period_start, "
            "cast(2400 as decimal(38, 12)) as value, cast(500 as decimal(38, 12)) as prior_value, "
            "cast(1900 as decimal(38, 12)) as delta) "
            "from marts.kpi_scorecard where kpi_id = 'revenue' and is_partial_period"
        )
        connection.execute(
            "create table marts.dim_period as from (values "
            "('month', date '2025-01-01', date '2025-02-01', '2025-01', true, 31, 31), "
            "('month', date '2025-02-01', date '2025-03-01', '2025-02', true, 28, 28), "
            "('month', date '2025-03-01', date '2025-04-01', '2025-03', false, 31, 10), "
            "('quarter', date '2024-10-01', date '2025-01-01', '2024-Q4', true, 92, 92), "
            "('quarter', date '2025-01-01', date '2025-04-01', '2025-Q1', false, 90, 69)"
            ") as t(grain, period_start, period_end, period_label, is_complete, days, days_elapsed)"
        )
        connection.execute(
            "create table marts.kpi_catalogue as from (values "
            "('revenue', 'net', 'money'), ('cac', 'blended', 'money'), ('leads', 'cohort', 'rate')"
            ") as t(kpi_id, default_variant, unit)"
        )
        connection.execute(
            "create table marts.kpi_variants as from (values "
            "('revenue', 'net', 'money', 'Net revenue', 'gross - refunds'), "
            "('cac', 'blended', 'money', 'CAC', 'a ÷ b'), ('cac', 'paid', 'money', 'Paid CAC', 'a ÷ b'), "
            "('cac', 'roas', 'ratio', 'ROAS', 'a ÷ b'), ('cac', 'cpl', 'money', 'CPL', 'a ÷ b'), "
            "('leads', 'cohort', 'rate', 'Converted', 'a ÷ b'), "
            "('leads', 'activity', 'rate', 'Conversions', 'a ÷ b'), ('leads', 'days', 'days', 'Days', 'median'), "
            "('cac', 'quarter', 'money', 'CAC of a quarter', 'a ÷ b')"
            ") as t(kpi_id, variant, unit, name_en, formula_en)"
        )
        connection.execute(
            "create table meta.publication as select '20250311T0900' as publication_id, "
            "timestamp '2025-03-11 09:00:00' as published_at, date '2025-03-10' as as_of_date, "
            "'EUR' as reporting_currency"
        )
        connection.execute(
            """
            create table meta.deliveries_in_question as from (values
                ('shop', 'orders', date '2025-03-04', 'accepted', 'too few', 'ann', 'a storm'),
                ('shop', 'products', date '2025-03-06', 'left_out', 'too few', 'bob', 'torn'),
                ('shop', 'refunds', date '2025-03-05', 'left_out', 'too few', null, null),
                ('ads', 'spend', date '2025-03-08', 'missing', 'has not arrived', null, null),
                ('ads', 'spend', date '2025-03-09', 'missing', 'has not arrived', null, null),
                ('ads', 'spend', date '2025-03-10', 'missing', 'has not arrived', null, null),
                ('ads', 'spend', date '2025-03-11', 'missing', 'has not arrived', null, null)
            ) as t(source, table_name, delivered_on, state, problems, decided_by, reason)
            """
        )
    return folder


ANNOTATIONS = """
    ('event', date '2025-01-31', date '2025-02-02', 'revenue', null, null, 'Wyłom \u202e\x1b[2J', 1),
    ('event', date '2025-03-01', date '2025-03-01', null, null, null, 'क्\N{ZERO WIDTH JOINER}षति', 1),
    ('event', date '2025-02-10', date '2025-02-10', 'leads', 'rep', '=Ann', 'on leave', 1),
    ('event', date '2025-02-10', date '2025-02-10', 'leads', 'rep', 'Bob', 'who has no leads', 1),
    ('quarantine', date '2025-02-28', date '2025-02-28', 'cac', null, null, 'ads.spend: 9 of 10 rows', 1),
    ('restated', date '2025-01-01', date '2025-01-31', 'revenue', null, null, 'was 1, is 2', 1),
    ('restated', date '2025-01-01', date '2025-01-31', 'revenue', null, null, 'was 2, is 3', 2)
"""


Show = Callable[..., str]


@pytest.fixture
def annotated(published_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Show:
    """The same as `shown` for a publication with annotations."""
    shutil.copytree(published_dir, tmp_path / "published")
    with duckdb.connect(str(tmp_path / "published" / "kpi.duckdb")) as connection:
        connection.execute(
            f"create table meta.annotations as select *, 'p' as publication_id from (values {ANNOTATIONS}) "
            "as t(kind, starts_on, ends_on, kpi_id, entity_type, entity_id, text, published_at)"
        )

    def show(kpi_id: str, **choices: Any) -> str:
        show_kpi(tmp_path / "published", WARSAW, kpi_id, **choices)
        return capsys.readouterr().out

    return show


@pytest.fixture
def shown(published_dir: Path, capsys: pytest.CaptureFixture[str]) -> Show:
    """`show_kpi` with its arguments after the folder and the time zone; returns what it printed."""

    def show(kpi_id: str, **choices: Any) -> str:
        show_kpi(published_dir, WARSAW, kpi_id, **choices)
        return capsys.readouterr().out

    return show


def cells(printed: str, start: str) -> list[str]:
    """The cells of the row that begins with `start`."""
    [line] = [line for line in printed.splitlines() if line.startswith((f"│ {start}", f"┃ {start}"))]
    return [cell.strip() for cell in line.strip("│┃").replace("┃", "│").split("│")]


def test_under_the_title_stand_formula_as_of_publication_and_currency(shown: Show) -> None:
    assert shown("revenue").splitlines()[:3] == [
        "revenue (net) by company: Net revenue",
        "gross - refunds",
        "as of 2025-03-10, published 2025-03-11 10:00 CET (20250311T0900), money in EUR",
    ]


def test_money_has_its_currency_and_a_change_its_sign_and_share(shown: Show) -> None:
    printed = shown("revenue", choice=Choice(period="2025-02"))
    assert dict(zip(cells(printed, "month"), cells(printed, "2025-02"), strict=True)) == {
        "month": "2025-02",
        "value, EUR": "1,100.00",
        "month before, EUR": "1,000.00",
        "change": "+100.00 (+10.0 %)",
        "target": "900.00",
        "attained": "120.00 %",
    }


def test_the_target_of_a_month_in_progress_is_that_of_the_whole_month(shown: Show) -> None:
    header = cells(shown("revenue", choice=Choice(period="2025-03")), "month")
    assert header[-2:] == ["target (whole month)", "attained (to date)"]


def test_a_period_in_progress_names_what_it_is_compared_with(shown: Show) -> None:
    printed = shown("revenue", choice=Choice(last=2))
    assert [line.split()[1] for line in printed.splitlines() if line.startswith("│ 2025")] == ["2025-02", "2025-03"]
    assert "2025-03 so far is compared with as many days of the month before." in printed
    assert "so far" not in shown("revenue", choice=Choice(period="2025-02"))
    assert "so far" not in shown("leads", by="rep")  # in progress, but compared with nothing


@pytest.mark.parametrize("period", ["2025-Q1", "2025 q1"])
def test_a_period_names_its_grain(shown: Show, period: str) -> None:
    printed = shown("revenue", choice=Choice(period=period), compare=Comparison.last_year)
    assert dict(zip(cells(printed, "quarter"), cells(printed, "2025-Q1"), strict=True)) == {
        "quarter": "2025-Q1 to date",
        "value, EUR": "2,400.00",
        "quarter a year before, EUR": "80.00",
        "change": "+220.00 (+275.0 %)",
        "target (whole quarter)": "900.00",
        "attained (to date)": "130.00 %",
    }
    assert "2025-Q1 so far is compared with as many days of the quarter a year before." in printed


def test_what_no_source_delivers_is_named(shown: Show) -> None:
    assert "no_source: cac (cpl) needs ad_spend, leads, which no source delivers." in shown("cac", variant="cpl")
    assert "no_source" not in shown("cac")


def test_since_takes_a_period_of_any_grain_and_a_date(shown: Show) -> None:
    def months(since: str) -> list[str]:
        printed = shown("revenue", choice=Choice(since=since))
        return [line.split()[1] for line in printed.splitlines() if line.startswith("│ 2025")]

    assert months("2025-02") == months("2025-01-15") == ["2025-02", "2025-03"]
    assert months("2025-Q1") == ["2025-01", "2025-02", "2025-03"]


def test_a_change_says_whether_it_is_more_than_noise(shown: Show) -> None:
    printed = shown("leads", by="rep", variant="activity")
    assert cells(printed, "2025-02")[cells(printed, "month").index("more than noise")] == "no"
    assert "more than noise" not in shown("revenue")


def test_the_scorecard_shows_what_is_in_progress_beside_as_many_days_before(
    published_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show_scorecard(published_dir, WARSAW, Console(width=120))
    title, _, labels, days, _, revenue, *_ = capsys.readouterr().out.splitlines()
    assert title.strip() == "Scorecard, as of 2025-03-10"
    assert [cell.strip() for cell in revenue.strip("│").split("│")] == [
        "revenue (net), EUR", "1,000.00", "1,100.00", "400.00", "300.00", "500.00", "2,400.00",
    ]  # fmt: skip
    header = zip(*(line.strip("┃").split("┃") for line in (labels, days)), strict=True)
    assert [f"{label.strip()} {part.strip()}".strip() for label, part in header] == [
        "KPI", "2025-01", "2025-02", "first 10 days of 2025-02", "2025-03 to date",
        "first 69 days of 2024-Q4", "2025-Q1 to date",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("width", "labels"),
    [
        (72, ["2025-02", "first 10 days of 2025-02", "2025-03 to date"]),
        (52, ["first 10 days of 2025-02", "2025-03 to date"]),
    ],
)
def test_a_narrow_scorecard_keeps_the_month_in_progress(
    published_dir: Path, capsys: pytest.CaptureFixture[str], width: int, labels: list[str]
) -> None:
    show_scorecard(published_dir, WARSAW, Console(width=width))
    _, _, *header = capsys.readouterr().out.splitlines()[:4]
    found = zip(*(line.strip("┃").split("┃") for line in header), strict=True)
    assert [f"{label.strip()} {part.strip()}".strip() for label, part in found] == ["KPI", *labels]


def test_what_is_published_lists_kpis_variants_and_cuts(
    published_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show_what_is_published(published_dir, Console(width=120))
    printed = capsys.readouterr().out
    assert cells(printed, "cac") == ["cac", "blended, paid, roas", "company, channel"]


def test_a_ratio_says_what_it_is_made_of_and_a_median_how_many_cases(shown: Show) -> None:
    ratio = shown("cac")
    assert cells(ratio, "month")[2] == "numerator / denominator"
    assert cells(ratio, "2025-01")[2] == "500 / 10"
    median = shown("leads", by="rep", variant="days")
    assert (cells(median, "month")[3], cells(median, "2025-01")[3]) == ("cases", "4")


def test_a_cut_without_the_default_variant_shows_one_that_it_has(shown: Show) -> None:
    printed = shown("cac", by="channel")
    assert printed.startswith("cac (paid) by channel: Paid CAC\n")
    assert "cac (blended) is not published by channel; this is paid. Also published by channel: roas." in printed


def test_months_that_are_immature_name_the_variants_that_are_known(shown: Show) -> None:
    [line] = [line for line in shown("leads", by="rep").splitlines() if line.startswith("immature (2025-02 to")]
    assert line.endswith("Already known: --variant activity.")


def test_a_month_in_which_the_history_began_late_is_named(shown: Show) -> None:
    printed = shown("leads", by="rep", variant="days")
    assert "The delivered history does not cover all of 2025-01. No month is compared with it." in printed
    assert "The delivered history" not in shown("leads", by="rep")


def test_deliveries_that_the_numbers_lack_or_hold_by_decision_are_named(shown: Show) -> None:
    notes = shown("revenue").splitlines()[-4:]
    assert notes == [
        "Not in these numbers: ads.spend of 2025-03-08 to 2025-03-10 (missing).",  # not 03-11, after the as-of date
        "Not in these numbers: shop.products of 2025-03-06 (left out by bob: torn).",
        "Not in these numbers: shop.refunds of 2025-03-05 (left out).",
        "Accepted by ann: shop.orders of 2025-03-04 (a storm).",
    ]


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"kpi_id": "revenu"}, "KPI 'revenu' is not published. Did you mean revenue? Published: cac, leads, revenue."),
        ({"kpi_id": "cac", "by": "chanel"}, "--by 'chanel' is not published for cac. Did you mean channel?"),
        ({"kpi_id": "cac", "variant": "pad"}, "--variant 'pad' is not published for cac. Published: blended, cpl."),
        ({"kpi_id": "cac", "variant": "paid"}, "cac (paid) is not published by company, only by channel."),
        ({"kpi_id": "cac", "variant": "quarter"}, "cac (quarter) is not published for any period yet."),
        (
            {"kpi_id": "revenue", "choice": Choice(period="2030-01")},
            "--period 2030-01 is not published for revenue (net) by company. "
            "Published: 2025-01 to 2025-03, as of 2025-03-10.",
        ),
        ({"kpi_id": "revenue", "choice": Choice(period="2025-3")}, "--period '2025-3' is not a period. Write a week"),
        ({"kpi_id": "revenue", "choice": Choice(Grain.week, "2025-Q1")}, "--period 2025-Q1 is a quarter, not a week."),
        ({"kpi_id": "cac", "choice": Choice(Grain.quarter)}, "cac (blended) by company is not published by quarter."),
        ({"kpi_id": "revenue", "choice": Choice(since="spring")}, "--since 'spring' is neither a published period"),
        ({"kpi_id": "revenue", "choice": Choice(since="2025-04-01")}, "--since 2025-04-01 is not published for"),
    ],
)
def test_what_is_not_published_is_answered_with_what_is(shown: Show, choices: dict[str, object], message: str) -> None:
    with pytest.raises(QuestionError) as wrong:
        shown(**choices)
    assert str(wrong.value).startswith(message)


def test_periods_with_an_annotation_are_marked_and_it_is_listed_below(annotated: Show) -> None:
    printed = annotated("revenue")
    marked = [line[2:19].strip() for line in printed.splitlines() if line.startswith("│ 2025")]
    assert marked == ["2025-01 *", "2025-02 *", "2025-03 to date *"]
    assert [line for line in printed.splitlines() if line.startswith("*")] == [
        "* 2025-01-01 to 2025-01-31: was 2, is 3 (the last of 2 changes) (restated)",
        "* 2025-01-31 to 2025-02-02: Wyłom \N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}[2J (event)",
        "* 2025-03-01: क्\N{ZERO WIDTH JOINER}षति (event)",
    ]


def test_only_annotations_of_the_periods_the_kpi_and_the_entities_that_are_shown_count(annotated: Show) -> None:
    def listed(*arguments: str, **choices: Any) -> list[str]:
        return [line for line in annotated(*arguments, **choices).splitlines() if line.startswith("*")]

    assert listed("revenue", choice=Choice(period="2025-02")) == [
        "* 2025-01-31 to 2025-02-02: Wyłom \N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}[2J (event)"
    ]
    assert listed("leads", by="rep", choice=Choice(period="2025-02")) == ["* 2025-02-10, rep =Ann: on leave (event)"]
    assert listed("cac", choice=Choice(period="2025-01")) == []
    assert len(listed("revenue", choice=Choice(Grain.quarter))) == 3


def test_annotations_are_a_column_of_what_is_written(annotated: Show) -> None:
    rows = list(csv.DictReader(io.StringIO(annotated("leads", by="rep", target=Target(Format.csv)))))
    assert [row["annotations"] for row in rows] == ["", "event: on leave", "event: क्\N{ZERO WIDTH JOINER}षति"]


def test_of_many_annotations_those_that_people_wrote_are_listed_and_the_newest(annotated: Show, tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "published" / "kpi.duckdb")) as connection:
        connection.execute(
            "insert into meta.annotations select 'quarantine', date '2025-01-01' + i::int, date '2025-01-01' + i::int, "
            "'revenue', null, null, 'rows ' || i, 1, 'p' from range(30) as days(i)"
        )
    lines = [line for line in annotated("revenue").splitlines() if line.startswith(("*", "And"))]
    assert lines[-1] == "And 25 more in meta.annotations."
    assert [line.rpartition("(")[2] for line in lines[:-1]] == [*["quarantine)"] * 6, "event)", "event)"]
    assert "rows 29" in lines[5]


def test_csv_says_which_kpi_variant_and_cut_it_is(shown: Show) -> None:
    first, *_ = csv.DictReader(io.StringIO(shown("revenue", target=Target(Format.csv))))
    assert list(first)[:3] == ["kpi_id", "variant", "entity_type"]
    assert (first["kpi_id"], first["variant"], first["entity_type"], first["unit"], first["currency"]) == (
        *("revenue", "net", "company", "money", "EUR"),
    )


def test_csv_for_excel_has_a_mark_semicolons_decimal_commas_and_no_formulas(shown: Show) -> None:
    printed = shown("leads", by="rep", target=Target(Format.csv, None, Excel.comma))
    assert printed.startswith("\ufeffkpi_id;variant;")
    row = printed.splitlines()[1].split(";")
    assert "0,25" in row
    assert "'=Ann" in row


def test_a_workbook_has_a_frozen_bold_header_and_typed_cells(shown: Show, tmp_path: Path) -> None:
    file = tmp_path / "revenue.xlsx"
    shown("revenue", target=Target.of(None, file))
    sheet = openpyxl.load_workbook(file).active
    header = [cell.value for cell in sheet[1]]
    first = dict(zip(header, sheet[2], strict=True))
    assert sheet.freeze_panes == "A2"
    assert all(cell.font.bold for cell in sheet[1])
    assert (first["value"].value, first["value"].number_format) == (1000, "#,##0.00")
    assert (first["period_start"].value, first["period_label"].value) == (datetime(2025, 1, 1), "2025-01")
    assert first["attainment"].number_format == "0.00%"


def test_text_in_a_workbook_is_never_a_formula(shown: Show, tmp_path: Path) -> None:
    file = tmp_path / "leads.xlsx"
    shown("leads", by="rep", target=Target.of(None, file))
    cell = openpyxl.load_workbook(file).active["E2"]
    assert (cell.value, cell.data_type) == ("=Ann", "s")


def test_parquet_of_a_kpi_keeps_its_decimals(shown: Show, tmp_path: Path) -> None:
    file = tmp_path / "revenue.parquet"
    shown("revenue", target=Target.of(None, file))
    assert duckdb.sql(f"select sum(value) from '{file}'").fetchall() == [(Decimal(2400),)]


@pytest.mark.parametrize("form", [Format.csv, Format.json, Format.parquet, Format.xlsx])
def test_a_file_that_cannot_be_written_is_told(shown: Show, tmp_path: Path, form: Format) -> None:
    with pytest.raises(UsageError, match=f"no_folder/x.{form} cannot be written: No such file or directory"):
        shown("revenue", target=Target(form, tmp_path / "no_folder" / f"x.{form}"))
    with pytest.raises(UsageError, match="is not a regular file"):
        shown("revenue", target=Target(form, tmp_path))


def test_what_fails_half_way_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("before")

    def rows() -> Iterator[tuple[int]]:
        yield (1,)
        raise UsageError("stopped")

    with pytest.raises(UsageError, match="stopped"):
        write(Result(["a"], ["BIGINT"], rows()), Target(Format.csv, file))
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.csv", "before")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((Format.xlsx, None, None), r"--format xlsx needs --output FILE\."),
        ((Format.json, None, Excel.comma), r"--excel applies only to CSV, and this is json\."),
    ],
)
def test_formats_that_do_not_fit_are_told(arguments: tuple[Format, None, Excel | None], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Target.of(*arguments)


def test_what_data_brings_does_not_move_the_cursor() -> None:
    assert printable("a\x1b[2Jb\nc") == "a\N{REPLACEMENT CHARACTER}[2Jb c"

"""Files of one system that are added together: references between them, all or nothing, landing and enabling."""

import zipfile
from datetime import date, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from pipelines.cli.printing.source_draft import print_addition
from pipelines.config_files import ConfigError, load_yaml_model
from pipelines.onboarding.adding import Addition, Options, add_sources
from pipelines.onboarding.installation import change_settings, create_installation
from pipelines.onboarding.questions import Question
from pipelines.onboarding.references import Reference, references
from pipelines.onboarding.removing import remove_source
from pipelines.onboarding.sniffing import UnrecognisedError, describe_file
from pipelines.partitions import business_day
from pipelines.settings import Settings, load_settings
from pipelines.sources import SourceFile
from tests.unit.onboarding.test_removing import NOW, contents

FILES = {
    "customers.csv": "customer_id,city\nC1,Lyon\nC2,Nantes\nC3,Lille\nC4,Metz\n",
    "orders.csv": (
        "order_id,customer_id,ordered_at,total_amount\n"
        "1,C1,2019-03-01,10.00\n2,C2,2019-03-02,20.00\n3,C3,2019-03-09,30.00\n4,C9,2019-03-08,5.00\n5,C4,2019-03-01,1\n"
    ),
}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A new installation in the folder `new`, which the current process works for."""
    made = create_installation(tmp_path / "new", "EUR", "Europe/Paris")
    (made.company_dir / "events.yml").unlink()  # so that the folder contains nothing but drafts
    monkeypatch.setenv("KPI_CONFIG", str(tmp_path / "new" / "kpi.yml"))
    monkeypatch.delenv("KPI_SOURCES", raising=False)
    return made


def folder_of(tmp_path: Path, files: dict[str, str] = FILES, name: str = "webshop") -> Path:
    folder = tmp_path / name
    folder.mkdir(exist_ok=True)
    for file, content in files.items():
        (folder / file).write_text(content, encoding="utf-8")
    return folder


def entities(addition: Addition) -> dict[str, str]:
    return {added.draft.table: added.draft.proposal.entity for added in addition.tables}


def settings_now() -> Settings:
    return load_settings()


def test_a_folder_becomes_one_source_that_is_landed_and_enabled(settings: Settings, tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    (folder / "notes.pdf").write_text("-")
    added = add_sources([str(folder)], settings)
    assert added.source == "webshop"
    assert entities(added) == {"customers": "customers", "orders": "orders"}
    assert added.left_out == ("webshop/notes.pdf",)
    [orders] = [one.draft.proposal for one in added.tables if one.draft.table == "orders"]
    assert any(note.startswith("customer_id of 1 row of orders is not in customers: C9.") for note in orders.notes)
    source = load_yaml_model(settings.company_dir / "sources" / "webshop.yml", SourceFile)
    assert source.entities == ["customers", "orders"]
    landed = settings.landing_dir / "webshop"
    assert (landed / "orders_2019-03-09.csv").read_text() == FILES["orders.csv"]
    assert (landed / "customers_2019-03-09.csv").exists(), "files without dates are as old as those beside them"
    assert (folder / "orders.csv").exists()
    now = settings_now()
    assert (now.sources, now.first_delivery, now.last_delivery) == (["webshop"], date(2019, 3, 9), date(2019, 3, 9))


def test_a_zip_is_the_folder_that_it_contains(settings: Settings, tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    packed = tmp_path / "shop export.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for file in FILES:
            archive.write(folder / file, f"export/{file}")
            archive.write(folder / file, f"__MACOSX/export/._{file}")
    added = add_sources([str(packed)], settings)
    assert added.source == "shop_export"
    assert entities(added) == {"customers": "customers", "orders": "orders"}
    assert (settings.landing_dir / "shop_export" / "orders_2019-03-09.csv").read_text() == FILES["orders.csv"]


def test_files_of_several_days_are_deliveries_of_one_table(settings: Settings, tmp_path: Path) -> None:
    days = [business_day(settings) - timedelta(days=days) for days in (3, 2, 1)]
    folder = folder_of(tmp_path, {f"orders_{day}.csv": FILES["orders.csv"] for day in days})
    added = add_sources([str(folder)], settings)
    assert [placed.day for placed in added.tables[0].files] == days
    assert sorted(path.name for path in (settings.landing_dir / "webshop").iterdir()) == [
        f"orders_{day}.csv" for day in days
    ]
    now = settings_now()
    assert (now.first_delivery, now.last_delivery) == (days[0], None), "deliveries go on"


def test_a_second_source_keeps_the_first_and_moves_the_days(settings: Settings, tmp_path: Path) -> None:
    add_sources([str(folder_of(tmp_path))], settings)
    survey = tmp_path / "nps_2019-06-30.csv"
    survey.write_text("response_id,score,responded_at\n1,9,2019-06-01\n2,3,2019-06-02\n", encoding="utf-8")
    added = add_sources([str(survey)], settings_now())
    now = settings_now()
    assert now.sources == ["webshop", "nps"]
    assert (now.first_delivery, now.last_delivery) == (date(2019, 3, 9), date(2019, 6, 30))
    assert added.settings == {"sources": ["webshop", "nps"], "last_delivery": date(2019, 6, 30)}


def test_a_draft_only_moves_nothing_and_enables_nothing(settings: Settings, tmp_path: Path) -> None:
    add_sources([str(folder_of(tmp_path))], settings, Options(draft_only=True))
    assert (settings.company_dir / "sources" / "webshop.yml").exists()
    assert not (settings.landing_dir / "webshop").exists()
    assert settings_now().sources == []


def test_one_bad_file_keeps_all_from_being_written_and_each_is_named(settings: Settings, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {**FILES, "page.csv": "<!doctype html>", "empty.csv": ""})
    with pytest.raises(UnrecognisedError) as wrong:
        add_sources([str(folder)], settings)
    assert "empty.csv: the file is empty" in str(wrong.value)
    assert "page.csv: this is HTML" in str(wrong.value)
    assert contents(settings.company_dir) == {}
    assert settings_now().sources == []


def test_a_draft_that_cannot_be_written_leaves_no_half(settings: Settings, tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    mine = settings.company_dir / "models" / "staging" / "webshop" / "stg_webshop__orders.sql"
    mine.parent.mkdir(parents=True)
    mine.write_text("-- mine\n")
    with pytest.raises(ConfigError, match=r"stg_webshop__orders\.sql: already exists"):
        add_sources([str(folder)], settings)
    assert contents(settings.company_dir) == {"models/staging/webshop/stg_webshop__orders.sql": "-- mine\n"}


def test_another_file_in_its_place_keeps_all_from_being_written(settings: Settings, tmp_path: Path) -> None:
    there = settings.landing_dir / "webshop" / "orders_2019-03-09.csv"
    there.parent.mkdir()
    there.write_text("another")
    with pytest.raises(ConfigError, match=r"orders_2019-03-09\.csv: another file is there"):
        add_sources([str(folder_of(tmp_path))], settings)
    assert there.read_text() == "another"
    assert contents(settings.company_dir) == {}
    assert settings_now().sources == []


def test_a_draft_to_complete_is_landed_but_enabled_by_a_person(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "new" / "kpi.yml"
    change_settings(path, {"sources": ["hubspot"]})
    folder = folder_of(tmp_path, {"deals.csv": "deal_id,stage,amount,created_at\n1,A,5,2019-01-02\n2,B,6,2019-01-03\n"})
    added = add_sources([str(folder / "deals.csv")], settings_now(), Options("crm2", entities={"": "opportunities"}))
    assert [path.name for path in added.copied] == ["deals_2019-01-03.csv"]
    assert not added.is_enabled
    assert settings_now().sources == ["hubspot"]
    print_addition(added, Console(width=300))
    printed = capsys.readouterr().out
    assert "Switch it on in kpi.yml: sources: [hubspot, crm2]" in printed
    assert "Put the file here" not in printed


def test_settings_that_only_a_person_can_change_are_a_next_step(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "new" / "kpi.yml"
    path.write_text(path.read_text().replace("sources: []", "sources:\n  []"), encoding="utf-8")
    before = path.read_text()
    added = add_sources([str(folder_of(tmp_path))], settings_now())
    assert not added.is_enabled
    assert added.settings["sources"] == ["webshop"]
    assert len(added.copied) == 2
    assert path.read_text() == before


def test_an_open_question_is_asked_once_for_each_table(settings: Settings, tmp_path: Path) -> None:
    people = "number,full_name,phone\n1,Al Bo,1\n2,Cy Do,2\n3,Ed Fo,3\n"
    folder = folder_of(tmp_path, {**FILES, "people.csv": people})
    with pytest.raises(UnrecognisedError, match=r"people: the columns match none .* --entity people=…"):
        add_sources([str(folder)], settings)
    asked = []
    added = add_sources([str(folder)], settings, ask=lambda question: asked.append(question.table) or "skip")
    assert asked == ["people"]
    assert entities(added) == {"customers": "customers", "orders": "orders"}
    assert added.left_out == ("webshop/people.csv",)


def test_a_table_that_explains_the_others_is_kept_and_counts_nowhere(settings: Settings, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {**FILES, "dictionary.csv": "Table,Field\norders,order_id\norders,status\n"})
    added = add_sources([str(folder)], settings)
    assert entities(added) == {"customers": "customers", "orders": "orders", "dictionary": "none"}
    assert load_yaml_model(settings.company_dir / "sources" / "webshop.yml", SourceFile).entities == [
        "customers",
        "orders",
    ]


def test_a_removed_source_is_no_longer_enabled(settings: Settings, tmp_path: Path) -> None:
    before = (tmp_path / "new" / "kpi.yml").read_text()
    add_sources([str(folder_of(tmp_path))], settings)
    remove_source(settings_now(), "webshop", NOW)
    assert settings_now().sources == []
    assert contents(settings.company_dir) == {}
    assert before.splitlines()[3] == (tmp_path / "new" / "kpi.yml").read_text().splitlines()[3]


def test_a_redo_drafts_one_table_anew_and_leaves_the_others_as_they_are(settings: Settings, tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    add_sources([str(folder)], settings)
    source = settings.company_dir / "sources" / "webshop.yml"
    source.write_text("# ours\n" + source.read_text().replace("One row per order.", "Our orders."), encoding="utf-8")
    before = contents(settings.company_dir)
    file = folder / "customers.csv"
    redone = Options("webshop", ("customers",), {"": "sales_reps"}, force=True)
    add_sources([str(file)], settings_now(), redone)
    after = contents(settings.company_dir)
    assert set(before) - set(after) == {"models/staging/webshop/stg_webshop__customers.sql"}
    assert set(after) - set(before) == {
        "models/staging/webshop/stg_webshop__sales_reps.sql",
        "models/staging/webshop/stg_webshop__sales_rep_versions.sql",
    }
    redone_source = load_yaml_model(source, SourceFile)
    assert redone_source.entities == ["orders", "sales_reps", "sales_rep_versions"]
    assert list(redone_source.tables) == ["orders", "customers"]
    assert redone_source.tables["orders"].description == "Our orders."
    assert after["sources/webshop.yml"].startswith("# ours\n")
    orders = "models/staging/webshop/stg_webshop__orders.sql"
    assert after[orders] == before[orders]
    with pytest.raises(ConfigError, match="already has a table 'customers'"):
        add_sources([str(file)], settings_now(), Options("webshop", ("customers",), {"": "customers"}))
    assert contents(settings.company_dir) == after


# --- References -------------------------------------------------------------------------------------------------------


def test_a_reference_is_found_by_its_values_and_what_it_does_not_find_is_listed(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    tables = {name.removesuffix(".csv"): describe_file(folder / name) for name in FILES}
    assert references(tables) == [Reference("orders", "customer_id", "customers", "customer_id", ("C9",))]


def test_numbers_that_happen_to_be_alike_are_no_reference(tmp_path: Path) -> None:
    folder = folder_of(
        tmp_path,
        {"products.csv": "id,price\n1,9\n2,8\n3,7\n4,6\n", "lines.csv": "line,quantity\n9,1\n8,2\n7,3\n6,4\n5,1\n"},
    )
    assert references({path.stem: describe_file(path) for path in folder.iterdir()}) == []


def test_a_table_is_what_the_tables_that_refer_to_it_take_it_for(settings: Settings, tmp_path: Path) -> None:
    folder = folder_of(
        tmp_path,
        {
            "deals.csv": (
                "deal_id,owner,stage,amount,created_at,close_date,is_won,is_closed\n"
                "1,Kim,won,10,2019-01-01,2019-02-01,true,true\n2,Bo,lost,20,2019-01-01,2019-02-03,false,true\n"
                "3,Al,open,30,2019-01-05,,false,false\n4,Kim,open,30,2019-01-05,,false,false\n"
            ),
            "people.csv": "number,nick,floor\n7,Kim,1\n8,Bo,2\n9,Al,1\n",
        },
    )
    added = add_sources([str(folder)], settings)
    assert entities(added) == {"deals": "opportunities", "people": "sales_reps"}
    [people] = [one.draft.proposal for one in added.tables if one.draft.table == "people"]
    assert {mapped.name: mapped.column.name for mapped in people.columns if mapped.column}["rep_id"] == "nick"
    assert people.key == ("nick",)


def test_names_of_persons_are_hidden_in_the_same_way_where_they_are_referred_to(
    settings: Settings, tmp_path: Path
) -> None:
    folder = folder_of(
        tmp_path,
        {
            "customers.csv": "full_name,city\nAna Kim,Lyon\nBo Lind,Lille\nCy Roy,Metz\n",
            "orders.csv": (
                "order_id,customer_ref,ordered_at,total_amount\n1,Ana Kim,2019-03-01,1\n2,Bo Lind,2019-03-01,2\n"
                "3,Cy Roy,2019-03-02,3\n4,Ana Kim,2019-03-02,4\n"
            ),
        },
    )
    added = add_sources([str(folder)], settings)
    assert entities(added) == {"customers": "customers", "orders": "orders"}
    keys = {
        one.draft.table: next(mapped for mapped in one.draft.proposal.columns if mapped.name == "customer_id")
        for one in added.tables
    }
    assert {table: (key.column.name, key.sql) for table, key in keys.items() if key.column} == {
        "customers": ("full_name", "md5(lower($column))"),
        "orders": ("customer_ref", "md5(lower($column))"),
    }
    source = load_yaml_model(settings.company_dir / "sources" / "webshop.yml", SourceFile)
    assert source.tables["orders"].personal_columns == ["customer_ref"]


AMBIGUOUS = "order_id,order_date,total\n1,01/02/2025,9.50\n2,03/02/2025,1.50\n3,05/02/2025,2.25\n"


def test_the_order_of_dates_is_asked_once_or_is_an_error(settings: Settings, tmp_path: Path) -> None:
    (file := tmp_path / "orders.csv").write_text(AMBIGUOUS)
    with pytest.raises(
        UnrecognisedError, match=r"such as 01/02/2025\. Specify it: --dates dd/mm/yyyy or --dates mm/dd"
    ):
        add_sources([str(file)], settings)
    assert not settings.landing_dir.exists() or not list(settings.landing_dir.rglob("*.csv"))
    asked: list[Question] = []
    added = add_sources([str(file)], settings, ask=lambda question: asked.append(question) or "mm/dd/yyyy")
    assert [(one.option, one.choices) for one in asked] == [("dates", ("dd/mm/yyyy", "mm/dd/yyyy"))]
    assert added.tables[0].files[0].day == date(2025, 5, 2)


@pytest.mark.parametrize(
    ("content", "option", "answer", "sql"),
    [
        ('id,date,customer,total\n1,2025-01-13,a,"1,250"\n2,2025-01-14,b,"2,500"\n', "decimal", ",", "total_amount"),
        (
            "id,date,customer,total\n1,2025-01-13,a,1999\n2,2025-01-14,b,250\n3,2025-01-15,b,100\n",
            "amounts",
            "cents",
            "100",
        ),
        ("date,currency,rate\n2025-01-13,USD,0.99\n2025-01-14,USD,1.00\n", "rates", "inverse", "1 / nullif(rate, 0)"),
    ],
)
def test_what_amounts_and_rates_mean_is_asked(
    settings: Settings, tmp_path: Path, content: str, option: str, answer: str, sql: str
) -> None:
    (file := tmp_path / f"{'fx_rates' if option == 'rates' else 'orders'}.csv").write_text(content)
    with pytest.raises(UnrecognisedError, match=f"--{option} "):
        add_sources([str(file)], settings)
    asked: list[Question] = []
    added = add_sources([str(file)], settings, ask=lambda question: asked.append(question) or answer)
    assert [one.option for one in asked] == [option]
    assert sql in added.tables[0].written[-1].read_text()
    told = add_sources([str(file)], settings, Options(force=True, **{option: answer}))  # type: ignore[arg-type]
    assert told.tables[0].draft.proposal.columns == added.tables[0].draft.proposal.columns


def test_all_that_is_open_in_several_files_is_said_at_once(settings: Settings, tmp_path: Path) -> None:
    rates = "date,currency,rate\n2025-01-13,USD,0.99\n2025-01-14,USD,1.00\n"
    folder = folder_of(tmp_path, {"orders.csv": AMBIGUOUS, "fx_rates.csv": rates})
    with pytest.raises(UnrecognisedError, match=r"(?s)rates: does one USD .*--rates direct.*\norders: .*--dates"):
        add_sources([str(folder)], settings)

"""Small files as people really have them: what `kpi sources add` drafts from each, and the numbers of its draft.

Each file has one of these results:

right            the entity, the columns and the numbers of the unedited draft are right
after a question the draft stopped with one question, and is right with the option that answers it
needs an edit    the draft cannot be built, or is wrong and says so
silently wrong   the draft is wrong, and nothing says so

At least 90 % are right, if need be after a question, and none is silently wrong. The files of `corpus/unseen/` were
written without looking at the rules; what they are worth at least is asserted apart, so that it only rises.
"""

import re
from collections import Counter
from dataclasses import dataclass, field, fields
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from pipelines.ingest.gate import DeliveryError
from pipelines.onboarding.adding import Added, Options, add_sources
from pipelines.onboarding.sniffing import UnrecognisedError
from pipelines.settings import Settings, load_settings
from tests.unit.onboarding.draft_rendering import build

RIGHT, ASKED, EDIT, WRONG = "right", "after a question", "needs an edit", "silently wrong"
CORPUS = Path(__file__).with_name("corpus")

_AMOUNT = "sum(round(quantity * unit_price, 2) - discount_amount)"  # as in fct_order_items
NUMBERS = {
    "orders": {
        "orders": "count(distinct order_id)",
        "amount": "sum(total_amount)",
        "sold": "sum(total_amount) filter (where coalesce(status, '') <> 'cancelled')",
    },
    "order_items": {"lines": "count(*)", "orders": "count(distinct order_id)", "amount": _AMOUNT},
    "refunds": {
        "refunds": "count(distinct refund_id)",
        "refunded": "sum(amount)",
        "refunded_on": "cast(max(timezone('{zone}', timezone('UTC', refunded_at))) as date)",
    },
    "opportunities": {
        "deals": "count(*)",
        "won": "count(*) filter (where is_won)",
        "closed": "count(*) filter (where is_closed)",
        "won_amount": "sum(amount) filter (where is_won)",
        "dated": "count(closed_at)",
    },
    "ad_spend": {
        "rows": "count(*)",
        "spend": "sum(spend)",
        "days": "count(distinct spend_date)",
        "campaigns": "count(distinct campaign_id)",
        "clicks": "sum(clicks)",
    },
    "fx_rates": {
        "rates": "count(rate)",
        "pln_in_eur": "max_by(rate, rate_date) filter (where from_currency = 'PLN' and to_currency = 'EUR')",
    },
    "sales_rep_versions": {"versions": "count(*)", "reps": "count(distinct rep_id)"},
    "sales_reps": {"reps": "count(distinct rep_id)"},
    "customers": {"customers": "count(distinct customer_id)"},
    "leads": {"leads": "count(distinct lead_id)", "converted": "count(converted_at)"},
    "products": {"products": "count(distinct product_id)"},
    "campaigns": {"campaigns": "count(distinct campaign_id)"},
    "nps_responses": {
        "responses": "count(distinct response_id)",
        "promoters": "count(*) filter (where score >= 9)",
        "detractors": "count(*) filter (where score <= 6)",
    },
    "quotas": {"quotas": "count(*)", "target": "sum(target_value)"},
    "sales_marketing_costs": {"costs": "sum(amount)"},
}
_OF_MANY = {
    "currencies": "string_agg(distinct currency_code, ' ')",
    "customers": "count(distinct customer_id)",
    "first_day": "cast(min(timezone('{zone}', timezone('UTC', ordered_at))) as date)",
    "last_day": "cast(max(timezone('{zone}', timezone('UTC', ordered_at))) as date)",
}


@dataclass(frozen=True)
class Sample:
    """One file of the corpus and what is right for it.

    `maps` lists every entity column that is made from a delivered column; `said` is what a wrong draft says about it.
    """

    file: str
    kind: str
    entity: str
    content: str = ""
    sheet: list[list[Any]] = field(default_factory=list)
    repeat: int = 1
    tail: str = ""
    encoding: str = "utf-8"
    currency: str = "EUR"
    time_zone: str = "Europe/Warsaw"
    asks: str = ""
    answer: dict[str, Any] = field(default_factory=dict)
    also: list[str] = field(default_factory=list)
    maps: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, Any] = field(default_factory=dict)
    refunds: dict[str, Any] = field(default_factory=dict)
    says: str = ""
    said: str = ""
    never_says: str = ""
    not_personal: list[str] = field(default_factory=list)

    def write(self, folder: Path) -> Path:
        """Write the file, and return its path."""
        folder.mkdir()
        path = folder / self.file
        if self.sheet:
            from openpyxl import Workbook

            workbook = Workbook()
            for row in self.sheet:
                workbook.worksheets[0].append(row)
            workbook.save(path)
            return path
        header, *rows = self.content.splitlines(keepends=True)
        body = "".join(row.replace("{n}", str(n)) for n in range(1, self.repeat + 1) for row in rows)
        path.write_bytes((header + body + self.tail).encode(self.encoding))
        return path


def samples(folder: Path = CORPUS) -> list[Sample]:
    """All files of a folder of the corpus."""
    known = {one.name for one in fields(Sample)}
    found = [one for path in sorted(folder.glob("*.yml")) for one in yaml.safe_load(path.read_text(encoding="utf-8"))]
    assert all(set(one) <= known for one in found)
    return [Sample(**one) for one in found]


def judge(sample: Sample, folder: Path) -> tuple[str, str]:
    """The result of one file, and why it is not right."""
    folder.mkdir()
    file = sample.write(folder / "in")
    settings = load_settings().model_copy(
        update={
            "company_dir": folder / "company",
            "data_dir": folder / "data",
            "reporting_currency": sample.currency,
            "time_zone": sample.time_zone,
        }
    )
    result = RIGHT
    try:
        added = _add(file, settings, {})
        if sample.asks and _asks(added, sample):
            result = ASKED
            added = _add(file, settings, sample.answer)
    except UnrecognisedError as question:
        if not sample.asks or not re.search(sample.asks, str(question)):
            return EDIT, f"refused: {question}"
        result = ASKED
        try:
            added = _add(file, settings, sample.answer)
        except (UnrecognisedError, TypeError) as again:
            return EDIT, f"asks twice: {again}"
    proposal = added.draft.proposal
    if proposal.missing:
        return EDIT, f"not mapped: {', '.join(mapped.name for mapped in proposal.missing)}"
    problems = [*_wrong_columns(added, sample), *_wrong_numbers(added, file, settings, sample)]
    if not problems:
        return result, ""
    notes = "\n".join(proposal.notes)
    return EDIT if sample.said and re.search(sample.said, notes) else WRONG, "; ".join(problems)


def _add(file: Path, settings: Settings, answer: dict[str, str]) -> Added:
    """Draft a source from the file, with the option that answers a question."""
    options = {name: {"": value} if name == "entity" else value for name, value in answer.items()}
    entities = options.pop("entity", {})
    given = Options(name="drafted", entities=entities, force=True, draft_only=True, **options)  # type: ignore[arg-type]
    return add_sources([str(file)], settings, given).tables[0]


def _asks(added: Added, sample: Sample) -> bool:
    """True if a draft that cannot be built asks the question, instead of being refused."""
    return any(re.search(sample.asks, mapped.hint) for mapped in added.draft.proposal.missing)


def _wrong_columns(added: Added, sample: Sample) -> list[str]:
    draft = added.draft
    proposal = draft.proposal
    problems = []
    if proposal.entity != sample.entity:
        return [f"{proposal.entity} instead of {sample.entity}"]
    made_from = {mapped.name: mapped.column.name for mapped in proposal.columns if mapped.column}
    problems += [
        f"{name} from {made_from.get(name)} instead of {sample.maps.get(name)}"
        for name in sorted({*made_from, *sample.maps})
        if made_from.get(name) != sample.maps.get(name)
    ]
    notes = "\n".join(proposal.notes)
    if sample.says and not re.search(sample.says, notes):
        problems.append(f"does not say {sample.says!r}")
    if sample.never_says and re.search(sample.never_says, notes):
        problems.append(f"says {sample.never_says!r}")
    problems += [
        f"{name} is personal"
        for name in sample.not_personal
        if draft.described.column(name).is_personal and name not in proposal.not_personal
    ]
    return problems


def _wrong_numbers(added: Added, file: Path, settings: Settings, sample: Sample) -> list[str]:
    try:
        connection = build(added.draft, file, settings)
    except (ValueError, DeliveryError, duckdb.Error) as error:
        return [f"cannot be built: {error}"]
    with connection:
        problems = []
        for entity, numbers in ((sample.entity, sample.numbers), ("refunds", sample.refunds)):
            for name, right in numbers.items():
                sql = (NUMBERS[entity].get(name) or _OF_MANY[name]).format(zone=sample.time_zone)
                try:
                    [[found]] = connection.execute(f'select {sql} from "stg_drafted__{entity}"').fetchall()
                except duckdb.Error as error:
                    problems.append(f"{name}: {error}")
                    continue
                if _rounded(found) != _rounded(right):
                    problems.append(f"{name} of {entity} is {found} instead of {right}")
        return problems


def _rounded(value: Any) -> Any:
    return round(Decimal(str(value)), 4) if isinstance(value, int | float | Decimal) else str(value)


Results = dict[str, tuple[Sample, str, str]]


def _results(found: list[Sample], folder: Path) -> Results:
    return {sample.file: (sample, *judge(sample, folder / str(place))) for place, sample in enumerate(found)}


@pytest.fixture(scope="module", params=[3, pytest.param(1, marks=pytest.mark.nightly)], ids=["every third", "all"])
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """The result of every file by its name, or of one in so many."""
    return _results(samples()[:: request.param], tmp_path_factory.mktemp("corpus"))


def test_the_corpus_has_at_least_sixty_files_three_of_each_kind() -> None:
    kinds = Counter(sample.kind for sample in samples())
    assert sum(kinds.values()) >= 60
    assert min(kinds.values()) >= 3
    assert len({sample.file for sample in samples()}) == len(samples())


def test_no_draft_is_silently_wrong_and_nine_of_ten_need_no_edit(
    results: Results, capsys: pytest.CaptureFixture[str]
) -> None:
    counts, table = _table(results)
    with capsys.disabled():
        print(f"\n{table}")
    assert not counts[WRONG], table
    assert counts[RIGHT] + counts[ASKED] >= 0.9 * len(results), table


@pytest.mark.nightly
def test_unseen_files_are_as_often_right_as_they_were(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts, table = _table(_results(samples(CORPUS / "unseen"), tmp_path))
    with capsys.disabled():
        print(f"\n{table}")
    assert not counts[WRONG], table
    assert counts[RIGHT] + counts[ASKED] >= 56, table


def _table(results: Results) -> tuple[Counter[str], str]:
    """How many files have each result, and that as a table by kind with the reasons."""
    counts = Counter(result for _, result, _ in results.values())
    by_kind: dict[str, Counter[str]] = {}
    for sample, result, _ in results.values():
        by_kind.setdefault(sample.kind, Counter())[result] += 1
    lines = [f"{'kind':32}{RIGHT:>8}{ASKED:>18}{EDIT:>15}{WRONG:>16}"]
    lines += [
        f"{kind:32}{of[RIGHT]:>8}{of[ASKED]:>18}{of[EDIT]:>15}{of[WRONG]:>16}" for kind, of in sorted(by_kind.items())
    ]
    lines += [f"{'all':32}{counts[RIGHT]:>8}{counts[ASKED]:>18}{counts[EDIT]:>15}{counts[WRONG]:>16}"]
    lines += [f"{result}: {name}: {why}" for name, (_, result, why) in results.items() if why]
    return counts, "\n".join(lines)

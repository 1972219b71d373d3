"""The form of the answers of the Model Context Protocol server.

Belongs here: what programs receive, as types, from which the protocol's schemas follow. Does not belong here: the
tools (`mcp_server.py`).
"""

from datetime import date, datetime

from pydantic import BaseModel, ConfigDict

from pipelines.answers.catalogue import PublishedVariant
from pipelines.answers.explain import DeliveredFile, LeftOut, NotCounted
from pipelines.answers.quality import Checked, Delivered

_FROM_ANSWERS = ConfigDict(from_attributes=True)


class Answer(BaseModel):
    """What every answer says about itself."""

    publication_id: str
    published_at: datetime
    as_of_date: date  # the last business date that counts
    currency: str | None  # of money
    notes: list[str] = []


class Value(BaseModel):
    """A published value. `n` is the number of cases behind it; without a value, `status` says why."""

    model_config = _FROM_ANSWERS
    variant: str
    period: str
    is_partial_period: bool
    value: float | None
    unit: str
    n: int | None
    status: str


class Row(Value):
    """A value of a period and entity, with what it is compared with."""

    entity_type: str
    entity_id: str
    entity_name: str | None
    numerator: float | None
    denominator: float | None
    ci_low: float | None
    ci_high: float | None
    prior_value: float | None
    delta: float | None
    is_delta_significant: bool | None
    last_year_value: float | None
    last_year_delta: float | None
    target: float | None
    target_to_date: float | None
    attainment: float | None
    annotations: str | None


class KpiOverview(BaseModel):
    """A KPI, its newest complete month, and its variants, of which the first is its own."""

    model_config = _FROM_ANSWERS
    kpi: str
    newest: Value | None
    variants: list[PublishedVariant]


class Kpis(Answer):
    """What is published."""

    kpis: list[KpiOverview]


class Shown(Answer):
    """A KPI by period and entity."""

    kpi: str
    variant: str
    name: str
    formula: str
    by: str
    rows: list[Row]
    annotations: list[str]


class ExplainedRow(BaseModel):
    """A delivered row that counts, and what it adds."""

    model_config = _FROM_ANSWERS
    key: str
    day: date | None
    adds: float | None
    source_file: str
    row_number: int


class ExplainedTerm(BaseModel):
    """Rows of one kind that add to a part: how many, their sum, and the first ones."""

    model_config = _FROM_ANSWERS
    row_is: str
    rows: int
    total: float
    first_rows: list[ExplainedRow]


class ExplainedPart(BaseModel):
    """A number in the formula, made of rows or, by a formula, of other parts."""

    model_config = _FROM_ANSWERS
    name: str
    statistic: str
    formula: str | None
    value: float | None
    terms: list[ExplainedTerm]


class ExplainedRestatement(BaseModel):
    """An earlier published value."""

    model_config = _FROM_ANSWERS
    published_at: datetime
    value_before: float | None
    value_after: float | None


class Explained(Answer, Value):
    """A value with what it was made of; the numerator, denominator and value of `recomputed` are from the rows."""

    kpi: str
    entity_type: str
    entity_id: str
    formula: str
    numerator: str | None
    denominator: str | None
    recomputed: dict[str, float | None]
    parts: list[ExplainedPart]
    not_counted: list[NotCounted]  # of this period and entity
    left_out: list[LeftOut]  # of the same deliveries, of any period and entity
    made_by: list[str]  # from a delivered table through models to the KPI's mart
    files: list[DeliveredFile]
    checks_passed: int
    checks_failed: list[str]
    restatements: list[ExplainedRestatement]


class Contribution(BaseModel):
    """A factor, or an entity of a cut, and what it contributes to the change; `n` is its number of cases."""

    name: str
    entity_type: str | None = None
    entity_id: str | None = None
    before: float | None
    after: float | None
    contribution: float | None
    n: int | None = None
    p_value: float | None = None  # that the entity's change is noise, corrected for the number of entities


class Reasons(Answer, Value):
    """Why the company's value changed."""

    kpi: str
    against: str
    before: float
    change: float
    factors: list[Contribution]
    stands_out: list[Contribution]  # entities that changed more than noise, the most unusual first
    compared: int  # entities
    cuts: list[Contribution]  # the largest contributions of each cut


class TreeLine(BaseModel):
    """A node of the KPI tree, and what it was; `depth` is how far below a root it is."""

    depth: int
    relation: str  # root, identity (its parent is computed from it) or association
    name: str
    kpi: str | None
    variant: str | None
    unit: str
    before: float | None
    value: float | None
    status: str | None  # of nodes that are in the scorecard
    n: int | None
    driver: str | None  # the factor that contributes most to its change


class TreeAnswer(Answer):
    """The KPI tree with the company's values of two periods."""

    period: str
    against: str
    lines: list[TreeLine]


class Checks(Answer):
    """What the checks of the run that published found."""

    status: str  # passed, or the worst severity that failed
    n: int  # checks
    checks: list[Checked]


class Freshness(Answer):
    """How new the numbers are."""

    status: str  # ok, or in_question
    n: int  # sources
    sources: list[Delivered]

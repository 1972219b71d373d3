"""A Model Context Protocol server: programs ask for published KPIs as people do, and get the same answers as data.

Belongs here: the tools, what they accept, and the form of their answers. Does not belong here: how answers are found
(the other modules of this package).

The server reads the current publication at each question, in a connection that sees nothing but that file and accepts
no settings. No tool takes SQL, a file or a name of a variable: each argument is compared with what is published.
"""

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC
from fractions import Fraction
from functools import wraps
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal, ParamSpec, TypeVar

import duckdb
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools import Tool
from mcp.types import ToolAnnotations
from pydantic import Field, ValidationError

from pipelines.answers.annotations import annotations_of
from pipelines.answers.catalogue import published_kpis
from pipelines.answers.cells import SCORECARD, Cell, Published, find_cell, publication_of
from pipelines.answers.explain import Explanation
from pipelines.answers.explain import explain as explain_cell
from pipelines.answers.mcp_answers import (
    Answer,
    Checks,
    Contribution,
    Explained,
    ExplainedPart,
    ExplainedRestatement,
    Freshness,
    KpiOverview,
    Kpis,
    Reasons,
    Row,
    Shown,
    TreeAnswer,
    TreeLine,
)
from pipelines.answers.periods import Choice, Comparison, Grain
from pipelines.answers.quality import checks_of, freshness_of
from pipelines.answers.questions import QuestionError
from pipelines.answers.shown import find_rows
from pipelines.answers.tree import tree_of
from pipelines.answers.why import Driver
from pipelines.answers.why import why as why_it_changed
from pipelines.config_files import problem_in_words
from pipelines.formatting import printable
from pipelines.sql import quote_text
from pipelines.warehouse import NotPublishedError, published_sandbox

_INSTRUCTIONS = """\
Published sales KPIs, read-only. Begin with list_kpis. Quote a value together with its status, n (the number of cases
behind it) and the as-of date of the answer. A status other than ok needs to be said: small_sample (few cases),
immature (the window is not over), incomplete (a delivery is missing), no_source (nothing delivers it). A period with
is_partial_period is in progress, and is compared with as many days of the earlier period. Rates are fractions: 0.25 is
25 %. If freshness or checks report something, say so.\
"""
_MOST_ROWS = 500
_MOST_DRIVERS = 5  # of a cut
_MOST_FILES = 20  # those with the most rows
_INTERRUPTED = 130  # the exit code of every command that somebody stopped
_PERIODS_OF_COMPANY, _PERIODS_OF_CUT = 12, 3

Text = Annotated[str, Field(max_length=200)]
Kpi = Annotated[Text, Field(description="A KPI's id, as list_kpis names it, for example revenue.")]
Variant = Annotated[Text | None, Field(description="A variant of the KPI; by default, the KPI's own.")]
Period = Annotated[
    Text | None, Field(description="One period: a week 2025-W14, month 2025-06, quarter 2025-Q3, year 2025 or FY2026.")
]
OfEntity = Annotated[
    Text | None, Field(description="One entity, for example channel=web or rep=R-07; by default, the company.")
]
OfGrain = Annotated[
    Literal["week", "month", "quarter", "year"] | None,
    Field(description="By default, that of the period, or else month."),
]


class _StrictTool(Tool):
    """A tool that refuses arguments that it does not have, in words."""

    async def run(self, arguments: dict[str, Any], context: Any, convert_result: bool = False) -> Any:
        known = list(self.parameters["properties"])
        if foreign := [name for name in arguments if name not in known]:
            possible = f"Its arguments are: {', '.join(known)}." if known else "It takes none."
            raise ToolError(f"{foreign[0][:50]!r} is not an argument of {self.name}. {possible}")
        try:
            return await super().run(arguments, context, convert_result)
        except ToolError as error:
            if isinstance(error.__cause__, ValidationError):
                problems = [f"{problem['loc'][0]}: {problem_in_words(problem)}" for problem in error.__cause__.errors()]
                raise ToolError(" ".join(dict.fromkeys(problems))) from None
            if isinstance(error.__cause__, ToolError):  # ours, without the library's words before it
                raise error.__cause__ from None
            raise


def serve(published_dir: Path) -> None:
    """Answer questions about the publication in `published_dir` over standard input and output, until they end."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    server_of(published_dir).run("stdio")


def _stop(*_: object) -> None:
    """End the process at once: the thread that waits for input cannot be interrupted, and nothing is left to finish."""
    os._exit(_INTERRUPTED)


def server_of(published_dir: Path) -> MCPServer:
    """The server, with a tool for each question."""
    tools = [
        _StrictTool.from_function(
            tool,
            title=title,
            annotations=ToolAnnotations(read_only_hint=True, destructive_hint=False, open_world_hint=False),
        )
        for title, tool in _tools(published_dir).items()
    ]
    return MCPServer(
        "kpi",
        title="Sales KPIs",
        instructions=_INSTRUCTIONS,
        version=version("sales-kpi-pipeline"),
        tools=list(tools),
        log_level="WARNING",
    )


def _tools(published_dir: Path) -> dict[str, Callable[..., Answer]]:
    """The tools by their titles. Programs read names, docstrings and descriptions of arguments."""

    def list_kpis() -> Kpis:
        """List the published KPIs with their variants, cuts and grains, and the newest complete month of each."""
        with _reading(published_dir) as (connection, publication):
            return Kpis(
                **_about(publication), kpis=[KpiOverview.model_validate(kpi) for kpi in published_kpis(connection)]
            )

    def show(
        kpi: Kpi,
        by: Annotated[
            Text, Field(description="company, or a cut that list_kpis names, for example channel.")
        ] = "company",
        grain: OfGrain = None,
        period: Period = None,
        since: Annotated[Text | None, Field(description="From this period or date on, for example 2025-06.")] = None,
        last: Annotated[
            Annotated[int, Field(ge=1, le=1000)] | None,
            Field(description="Only so many of the latest periods; by default 12 of the company, 3 of another cut."),
        ] = None,
        variant: Variant = None,
    ) -> Shown:
        """Show a KPI by period, for the company or each entity of a cut, with comparisons, targets and annotations."""
        with _reading(published_dir) as (connection, publication):
            latest = last or (_PERIODS_OF_COMPANY if by == "company" else _PERIODS_OF_CUT)
            choice = Choice(Grain(grain) if grain else None, period, since, latest)
            found = find_rows(connection, kpi, by, choice, variant)
            cursor = connection.execute(found.query)
            columns = [column[0] for column in cursor.description or ()]
            records = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
            if len(records) > _MOST_ROWS:
                raise QuestionError(
                    f"That is {len(records):,} values, and an answer has at most {_MOST_ROWS}. Ask for fewer periods: "
                    "last=1, or period."
                )
            return Shown(
                **_about(publication, found.notes),
                kpi=kpi,
                variant=found.variant.variant,
                name=found.variant.name,
                formula=found.variant.formula,
                by=by,
                rows=[_row(record) for record in records],
                annotations=[one.in_words for one in annotations_of(connection, kpi, by, found.periods)],
            )

    def explain(
        kpi: Kpi, period: Period = None, grain: OfGrain = None, by: OfEntity = None, variant: Variant = None
    ) -> Explained:
        """Explain how a value was made: the formula with its numbers, and the delivered rows and files behind each."""
        with _reading(published_dir) as (connection, publication):
            cell, notes = find_cell(connection, kpi, variant, period, Grain(grain) if grain else None, by)
            return _explained(cell, explain_cell(connection, cell), _about(publication, notes))

    def why(
        kpi: Kpi,
        period: Period = None,
        against: Annotated[
            Text, Field(description="prior (the period before), last-year, or a period, for example 2025-03.")
        ] = "prior",
        by: Annotated[Text | None, Field(description="Only this cut, for example channel.")] = None,
        grain: OfGrain = None,
        variant: Variant = None,
    ) -> Reasons:
        """Say why the company's value changed: its factors, and the entities that changed more than noise."""
        with _reading(published_dir) as (connection, publication):
            found = why_it_changed(connection, kpi, period, against, by, variant, Grain(grain) if grain else None)
            of_kpi = found.variant
            cell, _ = find_cell(connection, kpi, of_kpi.variant, found.period.label, Grain(grain) if grain else None)
            return Reasons(
                **_about(publication, [*found.notes, *(cut.why_not for cut in found.cuts if cut.why_not)]),
                **_value(cell),
                kpi=kpi,
                against=found.against.label,
                before=float(found.before),
                change=float(found.change),
                factors=[
                    Contribution(
                        name=one.name,
                        before=_number(one.before),
                        after=_number(one.after),
                        contribution=_number(one.effect),
                    )
                    for one in found.factors
                ],
                stands_out=[_contribution(one.entity_type, one.driver) for one in found.named],
                compared=found.compared,
                cuts=[_contribution(cut.entity_type, one) for cut in found.cuts for one in cut.drivers[:_MOST_DRIVERS]],
            )

    def tree(
        period: Period = None,
        against: Annotated[Literal["prior", "last-year"], Field(description="Which earlier period.")] = "prior",
        grain: OfGrain = None,
    ) -> TreeAnswer:
        """Show the KPI tree: how the company's KPIs depend on each other, with values, and what drives each change."""
        with _reading(published_dir) as (connection, publication):
            found = tree_of(connection, period, Comparison(against), Grain(grain) if grain else None)
            rows = connection.execute(
                f"select kpi_id, variant, status, sample_size from {SCORECARD} where entity_type = 'company' "
                f"and grain = {quote_text(found.grain)} "
                f"and cast(period_start as varchar) = {quote_text(str(found.period.start))}"
            ).fetchall()
            known = {(kpi_id, variant): (status, n) for kpi_id, variant, status, n in rows}
            lines = []
            for line in found.lines:
                node = line.node
                status, n = known.get((node.kpi_id, node.variant), (None, None))
                lines.append(
                    TreeLine(
                        depth=line.depth, relation=line.kind, name=node.name, kpi=node.kpi_id, variant=node.variant,
                        unit=node.unit, before=_number(line.before), value=_number(line.after), status=status, n=n,
                        driver=line.driver.node.name if line.driver else None,
                    )
                )  # fmt: skip
            return TreeAnswer(
                **_about(publication), period=found.period.label, against=found.against.label, lines=lines
            )

    def checks(
        table: Annotated[Text | None, Field(description="Only of this table, for example kpi_revenue.")] = None,
        failed_only: Annotated[bool, Field(description="Leave out checks that passed.")] = True,
    ) -> Checks:
        """Say what the data quality checks of the run that published found, the worst first."""
        with _reading(published_dir) as (connection, publication):
            found = checks_of(connection, table, failed_only=False)
            worst = next((one.severity for one in found if one.status != "passed"), "passed")
            shown = [one for one in found if one.status != "passed" or not failed_only]
            notes = [f"The first {_MOST_ROWS} of {len(shown):,}; name a table."] if len(shown) > _MOST_ROWS else []
            return Checks(**_about(publication, notes), status=worst, n=len(found), checks=shown[:_MOST_ROWS])

    def freshness() -> Freshness:
        """Say how new the numbers are, by source, and which deliveries they lack or contain by a person's decision."""
        with _reading(published_dir) as (connection, publication):
            found = freshness_of(connection)
            return Freshness(
                **_about(publication),
                status="in_question" if any(one.n for one in found) else "ok",
                n=len(found),
                sources=found,
            )

    return {
        "What is published": _answering(list_kpis),
        "A KPI by period": _answering(show),
        "How a value was made": _answering(explain),
        "Why a value changed": _answering(why),
        "How KPIs depend on each other": _answering(tree),
        "What checks found": _answering(checks),
        "How new the numbers are": _answering(freshness),
    }


_Arguments = ParamSpec("_Arguments")
_Given = TypeVar("_Given", bound=Answer)


def _answering(tool: Callable[_Arguments, _Given]) -> Callable[_Arguments, _Given]:
    """`tool` with the errors that a person reads turned into those that a program does."""

    @wraps(tool)
    def answer(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Given:
        try:
            return tool(*args, **kwargs)
        except QuestionError as error:
            raise ToolError(re.sub(r"--(?=[a-z])", "", str(error))) from None  # options are arguments here
        except (NotPublishedError, duckdb.IOException):  # whose message names a folder
            raise ToolError("Nothing is published that can be read. Run `kpi run`, then ask again.") from None

    return answer


@contextmanager
def _reading(published_dir: Path) -> Iterator[tuple[duckdb.DuckDBPyConnection, Published]]:
    """A locked connection to the current publication, and which it is."""
    with published_sandbox(published_dir) as connection:
        yield connection, publication_of(connection)


def _about(publication: Published, notes: list[str] | None = None) -> dict[str, Any]:
    return {
        "publication_id": publication.publication_id,
        "published_at": publication.published_at.replace(tzinfo=UTC),
        "as_of_date": publication.as_of_date,
        "currency": publication.currency or None,
        "notes": notes or [],
    }


def _row(record: dict[str, Any]) -> Row:
    annotations = printable(record["annotations"]) if record["annotations"] else None
    return Row(**{**record, "period": record["period_label"], "n": record["sample_size"], "annotations": annotations})


def _value(cell: Cell) -> dict[str, Any]:
    return {
        "variant": cell.variant.variant,
        "period": cell.period.label,
        "is_partial_period": cell.is_partial_period,
        "value": cell.value,
        "unit": cell.variant.unit,
        "n": cell.sample_size,
        "status": cell.status,
    }


def _number(value: Fraction | None) -> float | None:
    return None if value is None else float(value)


def _contribution(entity_type: str, driver: Driver) -> Contribution:
    return Contribution(
        name=driver.name,
        entity_type=entity_type,
        entity_id=driver.entity_id,
        before=_number(driver.before),
        after=_number(driver.after),
        contribution=_number(driver.contribution),
        n=driver.cases_after,
        p_value=driver.p_value,
    )


def _explained(cell: Cell, found: Explanation, about: dict[str, Any]) -> Explained:
    return Explained(
        **about,
        **_value(cell),
        kpi=cell.variant.kpi_id,
        entity_type=cell.entity_type,
        entity_id=cell.entity_id,
        formula=found.formula,
        numerator=found.numerator_sql,
        denominator=found.denominator_sql,
        recomputed={
            name: None if number is None else float(number)
            for name, number in (
                ("numerator", found.numerator),
                ("denominator", found.denominator),
                ("value", found.value),
            )
        },
        parts=[ExplainedPart.model_validate(part) for part in found.parts],
        not_counted=list(found.not_counted),
        left_out=list(found.left_out),
        made_by=[" > ".join(chain) for chain in found.models],
        files=list(found.files[:_MOST_FILES]),
        checks_passed=found.checks.passed,
        checks_failed=list(found.checks.failed),
        restatements=[ExplainedRestatement.model_validate(one) for one in found.restatements],
    )

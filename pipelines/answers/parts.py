"""What published values are made of, as the marts `kpi_measures` and `kpi_parts` say.

Belongs here: reading both, and the days of the windows that they name. Does not belong here: what is computed from the
rows (`explain.py`, `publish/restatements.py`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from pipelines.sql import quote_text

_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_PARAMETER = re.compile(r"\$(\w+)")

# The days that `$period_start` and so on stand for, of each period of `dim_period`.
BOUNDS_OF_PERIODS = """
    select
        grain,
        period_start,
        period_end,
        period_start + cast(days_elapsed as integer) as counted_until,
        prior_period_start as prior_start,
        period_start as prior_end,
        case
            when is_complete then period_start
            else least(period_start, prior_period_start + cast(days_elapsed as integer))
        end as prior_until,
        last_year_period_start as last_year_start,
        case grain
            when 'week' then last_year_period_start + 7
            else cast(period_end - interval '1' year as date)
        end as last_year_end,
        case
            when is_complete then last_year_end
            else least(last_year_end, last_year_period_start + cast(days_elapsed as integer))
        end as last_year_until
    from marts.dim_period
"""


@dataclass(frozen=True)
class Measure:
    """A row of `kpi_measures`."""

    mart: str
    value_sql: str
    numerator_sql: str | None
    denominator_sql: str | None
    formula: str
    where_sql: str | None
    needs: str

    @property
    def is_statistic(self) -> bool:
        """Whether the value is a median or the like of rows, not a ratio."""
        return self.numerator_sql is None

    @property
    def names(self) -> list[str]:
        """The parts that the value is computed from, in order."""
        of_value = self.value_sql if self.is_statistic else self.numerator_sql
        return list(dict.fromkeys(name for sql in (of_value, self.denominator_sql) if sql for name in names_in(sql)))

    @property
    def horizon_days(self) -> int | None:
        """The days after a customer's first order that the value covers, where it covers only some."""
        found = re.search(r"horizon_days = (\d+)", self.where_sql or "")
        return int(found[1]) if found else None


@dataclass(frozen=True)
class Term:
    """A row of `kpi_parts`."""

    statistic: str
    formula: str | None
    row_is: str
    from_sql: str
    key_sql: str
    day_sql: str
    adds_sql: str
    where_sql: str
    cuts: str
    file_sql: str
    row_sql: str
    left_out_entity: str | None
    left_out_window_sql: str | None
    uncounted: str | None

    @property
    def fact(self) -> str:
        """The published fact that the rows are from."""
        return str(re.findall(r"marts\.(\w+)", self.from_sql)[0])

    @property
    def entities(self) -> dict[str, str]:
        """The expression of a row's entity, by cut."""
        return dict(line.split(": ", 1) for line in self.cuts.splitlines())

    @property
    def reasons(self) -> dict[str, str]:
        """The condition of rows that do not count, or not yet, by reason."""
        return dict(line.split(": ", 1) for line in (self.uncounted or "").splitlines())

    @property
    def is_of_one_table(self) -> bool:
        """Whether the rows are those of the fact, and no other table decides which there are."""
        return re.fullmatch(r"marts\.\w+", self.from_sql) is not None

    @property
    def sql(self) -> str:
        """All that says which rows there are, what they add, and to what."""
        return " ".join(
            (self.from_sql, self.where_sql, self.key_sql, self.adds_sql, self.cuts, self.file_sql, self.row_sql)
        )

    @property
    def tables(self) -> set[str]:
        """All published tables that decide which rows there are."""
        return set(re.findall(r"marts\.(\w+)", f"{self.from_sql} {self.where_sql}"))


def measures_of(connection: duckdb.DuckDBPyConnection, schema: str = "marts") -> dict[tuple[str, str, str], Measure]:
    """Every measure by KPI, variant and grain."""
    rows = connection.execute(
        f"select kpi_id, variant, grain, {', '.join(Measure.__annotations__)} from {schema}.kpi_measures"
    ).fetchall()
    return {(kpi_id, variant, grain): Measure(*rest) for kpi_id, variant, grain, *rest in rows}


def parts_of(connection: duckdb.DuckDBPyConnection, mart: str, schema: str = "marts") -> Mapping[str, list[Term]]:
    """The terms of each part of a mart."""
    found = connection.execute(f"from {schema}.kpi_parts where mart = {quote_text(mart)} order by part, term")
    columns = [column[0] for column in found.description or ()]
    parts: dict[str, list[Term]] = {}
    for values in found.fetchall():
        row = dict(zip(columns, values, strict=True))
        # An earlier version lacks the last columns.
        parts.setdefault(row["part"], []).append(Term(*map(row.get, Term.__annotations__)))  # type: ignore[arg-type]
    return parts


def names_in(sql: str) -> list[str]:
    """The parts that an expression names, in order. Functions are followed by a bracket."""
    return [match[0] for match in _NAME.finditer(sql) if sql[match.end() : match.end() + 1] != "("]


def entities_sql(cut: str) -> str:
    """The SQL for the list of entities to which a row belongs in a cut: mostly one, or `unassigned`."""
    return cut if cut.startswith("array(") else f"[coalesce(cast({cut} as varchar), 'unassigned')]"


def parameters_in(sql: str) -> set[str]:
    """The days and numbers that a query leaves open."""
    return set(_PARAMETER.findall(sql))


def filled_in(sql: str, values: Mapping[str, str]) -> str:
    """SQL with the days and numbers that it leaves open, as SQL. What looks like a parameter in a value is none."""
    return _PARAMETER.sub(lambda found: values[found[1]], sql)

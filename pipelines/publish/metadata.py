"""What Dagster shows about a publication: the scorecard, the newest data, and one value per KPI to plot.

Belongs here: a publication as metadata of its asset. Does not belong here: building it (`publication.py`).
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb

from pipelines.formatting import cell_text
from pipelines.publish.publication import SCORECARD, Publication
from pipelines.warehouse import published

_SHOWN_MONTHS = 4  # as many as the UI shows side by side


def publication_metadata(publication: Publication, counts: dict[str, int], published_dir: Path) -> dict[str, Any]:
    """The metadata of the materialization that made `publication`, whose tables have `counts` rows."""
    metadata: dict[str, Any] = {
        "publication": publication.publication_id,
        "as of": str(publication.as_of_date),
        "dagster/row_count": sum(counts.values()),
    }
    if SCORECARD in counts:
        try:
            with published(published_dir.resolve()) as connection:
                metadata["scorecard"] = dg.MetadataValue.md(_scorecard(connection))
                metadata |= _values(connection)
        except duckdb.Error as error:  # it is published already; a failing run would say otherwise
            metadata["scorecard"] = f"The scorecard cannot be shown: {error}"
    metadata["data through"] = dg.MetadataValue.md(
        _table(["source", "newest delivery day"], publication.data_through.items())
    )
    metadata["file"] = dg.MetadataValue.path(str(published_dir / "kpi.duckdb"))
    return metadata


def _scorecard(connection: duckdb.DuckDBPyConnection) -> str:
    """The company's headline KPIs over the last months, as a Markdown table."""
    months = connection.execute(
        f"select distinct period_month, is_partial_period from marts.{SCORECARD} order by 1 desc limit {_SHOWN_MONTHS}"
    ).fetchall()[::-1]
    headlines = connection.execute(
        "select kpi_id, name_en || ' (' || default_variant || ')', unit from marts.kpi_catalogue "
        "order by kpi_id not in ('revenue', 'sales_growth'), kpi_id"
    ).fetchall()
    cells = {
        (kpi_id, month): (value, status)
        for kpi_id, month, value, status in connection.execute(
            f"""
            select kpi_id, period_month, value, status
            from marts.{SCORECARD}
            inner join marts.kpi_catalogue using (kpi_id)
            where entity_type = 'company' and variant = default_variant
            """
        ).fetchall()
    }
    rows = [
        [name, *(_cell(cells.get((kpi_id, month), (None, "")), unit) for month, _ in months)]
        for kpi_id, name, unit in headlines
    ]
    return _table(["KPI", *(f"{month:%Y-%m}{' to date' if partial else ''}" for month, partial in months)], rows)


def _values(connection: duckdb.DuckDBPyConnection) -> dict[str, float]:
    """Each headline KPI for the newest month that is over and has a value. A jump within a month is a restatement."""
    return {
        f"{kpi_id} ({variant})": float(value)
        for kpi_id, variant, value in connection.execute(
            f"""
            select kpi_id, variant, arg_max(value, period_month)
            from marts.{SCORECARD}
            inner join marts.kpi_catalogue using (kpi_id)
            where entity_type = 'company' and variant = default_variant
                and value is not null and is_mature and not is_partial_period
            group by kpi_id, variant
            order by kpi_id
            """
        ).fetchall()
    }


def _cell(found: tuple[Decimal | None, str], unit: str) -> str:
    """A value in readable form, or why there is none."""
    value, status = found
    return cell_text(value, unit) or status


def _table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', '/') for cell in line)} |" for line in lines)

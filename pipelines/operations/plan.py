"""What the present settings, sources and SQL would change of the published numbers, before anything is published.

Belongs here: building them on a copy, from the deliveries of the current publication. Does not belong here: comparing
the result with what is published (`answers/differences.py`), and trying new deliveries (`onboarding/dry_run.py`).

Both sides have the same deliveries, the same decisions about them and the same as-of date. What is published is one
side; the other is built from nothing. So whatever differs, the settings, the sources or the SQL have changed it.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from pipelines.answers.differences import Differences, differences
from pipelines.config_files import ConfigError
from pipelines.deliveries import Delivery
from pipelines.deliveries.model_inputs import entities_of_tables, write_left_out, write_missing
from pipelines.leftovers import PLAN, temporary_folder
from pipelines.partitions import days_in_words
from pipelines.publish.basis import Delivered, basis, delivered, record
from pipelines.publish.definition_changes import PLAN_FILE, PLANNED, record_changes
from pipelines.publish.versions import Version, current_version, file_of
from pipelines.settings import Settings
from pipelines.sources import Source, each_table
from pipelines.sql import quote_name, quote_text
from pipelines.tables import raw_file
from pipelines.transform.failures import said_of_failed
from pipelines.transform.project import build_anew, ensure_manifest
from pipelines.warehouse import attach_read_only, new_file, reader

_COMPARED = ("kpi_scorecard", "kpi_variants", "kpi_catalogue", "dim_period")
_Key = tuple[str, str, date]  # source, table, delivery day


@dataclass(frozen=True)
class Plan:
    """What a publication would change.

    Attributes:
        unpublished_days: the delivery days that have landed since the publication. Neither side contains them.
        new_tables: delivered tables that the publication does not contain, and the plan does.
        failed_tests: what dbt says about tests of the models that fail, because of which nothing would be published.
    """

    published: Version
    differences: Differences
    unpublished_days: Sequence[date]
    new_tables: Sequence[str]
    failed_tests: str


@dataclass(frozen=True)
class _Deliveries:
    """The deliveries to build from, and the days and tables in which they are not those of the publication."""

    used: Sequence[_Key]
    unpublished_days: Sequence[date]
    new_tables: Sequence[str]


def plan(settings: Settings, sources: Sequence[Source], kpi_id: str | None = None) -> Plan:
    """Build everything on a copy, and compare it with the current publication, optionally only one KPI of it.

    Raises:
        NotPublishedError: nothing has been published yet.
        ConfigError: the models cannot be built, or the deliveries of the publication are not there any more.
        QuestionError: there is no such KPI.
    """
    published = current_version(settings.published_dir)
    file = file_of(settings.published_dir, published)
    recorded, in_question = _recorded(file)
    deliveries = _deliveries(recorded, delivered(settings, sources))
    _check_each_table(sources, deliveries.used)
    with temporary_folder(PLAN, settings.data_dir) as folder:
        copied = settings.with_data_dir(folder)
        for key in deliveries.used:
            target = raw_file(copied.raw_dir, *key)
            target.parent.mkdir(parents=True)
            os.link(raw_file(settings.raw_dir, *key), target)
        manifest = ensure_manifest(copied, list(sources))
        write_left_out(copied, [one for one in in_question if one.state == "left_out"])
        write_missing(copied, in_question, entities_of_tables(manifest), published.as_of_date)
        built = build_anew(copied, sources, published.as_of_date)
        failed = "" if built.succeeded else said_of_failed(built.results, built.error)
        if not built.results or any(result["status"] == "error" for result in built.results):
            raise ConfigError(f"The models cannot be built. {failed}")
        based_on = basis(copied, sources, manifest)
        planned = copied.data_dir / "planned.duckdb"
        with new_file(planned) as connection:
            attach_read_only(connection, copied.warehouse_path, "warehouse")
            attach_read_only(connection, file, "published")
            connection.execute("create schema candidate.marts; create schema candidate.meta")
            for table in map(quote_name, _COMPARED):
                connection.execute(f"create table candidate.marts.{table} as from warehouse.marts.{table}")
            connection.execute(
                "create table candidate.meta.deliveries_in_question as from published.meta.deliveries_in_question"
            )
            connection.execute("detach warehouse; detach published")
            record(connection, based_on, "candidate")
            record_changes(connection, PLANNED, datetime.now(UTC).replace(microsecond=0, tzinfo=None), file)
        _keep(planned, settings.published_dir.with_name(PLAN_FILE))
        found = differences(file, planned, kpi_id)
    return Plan(published, found, deliveries.unpublished_days, deliveries.new_tables, failed)


def _keep(planned: Path, kept: Path) -> None:
    """Keep what the plan says about definitions, if it changes any, for the publication that changes them."""
    aside = planned.with_name(PLAN_FILE)
    with new_file(aside) as connection:
        attach_read_only(connection, planned, "planned")
        connection.execute("create schema candidate.meta")
        for table in ("definition_changes", "definition_change_values"):
            connection.execute(
                f"create table candidate.meta.{table} as from planned.meta.{table} "
                f"where publication_id = {quote_text(PLANNED)}"
            )
        connection.execute("detach planned")
        [[changed]] = connection.execute("select count(*) from candidate.meta.definition_changes").fetchall()
    if changed:
        aside.replace(kept)


def _recorded(file: Path) -> tuple[list[Delivered], list[Delivery]]:
    """The deliveries that a publication was made from, and those that had not simply passed.

    Raises:
        ConfigError: an earlier version made the publication.
    """
    with reader(file) as connection:
        tables = "select table_name from duckdb_tables() where schema_name = 'meta'"
        if ("deliveries",) not in connection.execute(tables).fetchall():
            raise ConfigError(
                "An earlier version made the current publication, and did not record its deliveries. Publish again, "
                "with the settings and models as they were: kpi run. Then plan the change."
            )
        used = connection.execute("select source, table_name, delivered_on, content from meta.deliveries").fetchall()
        in_question = connection.execute(
            "select source, table_name, delivered_on, state from meta.deliveries_in_question"
        ).fetchall()
    return [Delivered(*row) for row in used], [Delivery(*row) for row in in_question]


def _deliveries(recorded: Iterable[Delivered], landed: Iterable[Delivered]) -> _Deliveries:
    """What to build from: what the publication was built from, and the deliveries of tables that are new.

    Raises:
        ConfigError: deliveries of the publication have been replaced since, or a new table has none.
    """
    before = {(one.source, one.table_name, one.delivered_on): one.content for one in recorded}
    now = {(one.source, one.table_name, one.delivered_on): one.content for one in landed}
    known, enabled = {key[:2] for key in before}, {key[:2] for key in now}
    if replaced := sorted(key for key, content in before.items() if key[:2] in enabled and now.get(key) != content):
        named = ", ".join(f"{source}.{table} of {day}" for source, table, day in replaced[:5])
        more = f" and {len(replaced) - 5:,} more" if len(replaced) > 5 else ""
        raise ConfigError(
            f"These deliveries have been replaced since the publication: {named}{more}. Then both sides would not be "
            "made from the same deliveries. Publish them first, with the settings and models as they were: kpi run."
        )
    last = max(day for _, _, day in before)
    new = {key[:2] for key in now if key[:2] not in known}
    return _Deliveries(
        [key for key in now if key in before or (key[:2] in new and key[2] <= last)],
        sorted({key[2] for key in now if key not in before and key[:2] in known}),
        sorted(f"{source}.{table}" for source, table in new),
    )


def _check_each_table(sources: Iterable[Source], used: Iterable[_Key]) -> None:
    """Check that each table has a delivery, without which its models cannot be built.

    Raises:
        ConfigError: a new table has had none by the day through which is published.
    """
    known = {key[:2] for key in used}
    lacking = [(source.name, name) for source, name, _ in each_table(sources) if (source.name, name) not in known]
    if lacking:
        named = ", ".join(f"{source}.{table}" for source, table in lacking)
        raise ConfigError(
            f"Nothing has landed of {named}, at least not by the last published day, so its models cannot be built. "
            f"To try deliveries: kpi sources check {lacking[0][0]}."
        )


def in_words(found: Plan) -> list[str]:
    """What is compared, as sentences."""
    published = found.published
    lines = [
        f"The present settings and models, compared with the publication {published.publication_id}, from its "
        f"deliveries and as of {published.as_of_date}."
    ]
    if found.unpublished_days:
        days = days_in_words(found.unpublished_days)
        lines.append(f"Delivery days that are not published yet are left out on both sides: {days}.")
    if found.new_tables:
        lines.append(f"New, and not in the publication: {', '.join(found.new_tables)}.")
    return lines

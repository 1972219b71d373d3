"""Suites as Dagster asset checks: one op per asset, one check per expectation.

Belongs here: specs, results and metadata in Dagster's terms, and the rule that every check of an op gets a result.
Does not belong here: which assets there are, or what their tables are called.

Great Expectations is imported when a check runs, not when definitions load.
"""

import datetime
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dagster as dg

from pipelines.checks.data_docs.build import store_results
from pipelines.checks.data_docs.pages import page_url
from pipelines.checks.gx.relations import Relation
from pipelines.checks.history import CheckHistory
from pipelines.checks.results import CheckResult
from pipelines.checks.suites import ExpectationSpec, Suite
from pipelines.checks.validation import failed_with_error, validate
from pipelines.runs.profiling import DATA_DOCS, measured
from pipelines.tables import check_step

UNCHANGED_SINCE = "unchanged since run"  # metadata key of what an earlier run built or found


def asset_checks(
    suite: Suite,
    asset_key: dg.AssetKey,
    checked: Callable[[dg.AssetCheckExecutionContext], Relation | list[CheckResult]],
    *,
    history: CheckHistory,
    docs_folder: Path | None = None,
    docs_url: str = "",
    partitions_def: dg.PartitionsDefinition[str] | None = None,
) -> dg.AssetChecksDefinition:
    """The checks of `suite` on the asset `asset_key`, as one op.

    `checked` returns the table's location in this run, or, if it has checked the table already, the results, one for
    each check of the suite. For a partitioned asset, it should cover all of `context.partition_keys`; a range run has
    several. A critical check is blocking: when it fails, nothing downstream runs and the run fails, unless its result
    says that it only warns. Results go to `history`, and for Data Docs to `docs_folder`, whose site is at `docs_url`.

    Every check always gets a result. The result is failed if the table cannot be read, and also if it cannot be
    recorded, because publication relies on the record.
    """
    specs = {spec.name: _check_spec(suite, spec, asset_key, docs_url, partitions_def) for spec in suite.checks}

    @dg.multi_asset_check(name=check_step(list(asset_key.path)), specs=list(specs.values()), can_subset=False)
    def check_table(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        results = _checked_and_recorded(suite, context, checked, history)
        with measured(DATA_DOCS):
            page = _store_for_docs(suite, context, docs_folder, results) if docs_folder else None
        link = f"{docs_url}/{quote(page)}" if docs_url and page else None
        for result in results:
            yield _check_result(suite, asset_key, result, link)

    return check_table


def _check_spec(
    suite: Suite,
    spec: ExpectationSpec,
    asset_key: dg.AssetKey,
    docs_url: str,
    partitions_def: dg.PartitionsDefinition[str] | None,
) -> dg.AssetCheckSpec:
    metadata: dict[str, Any] = {
        "severity": spec.severity,
        "owner": suite.owner,
        "expectation": spec.type,
        "suite": f"{suite.stage}/{suite.path.name}",
    }
    if runbook := spec.runbook or suite.runbook:
        page = page_url(docs_url, runbook) if docs_url else ""
        metadata["runbook"] = dg.MetadataValue.url(page) if page else runbook
    return dg.AssetCheckSpec(
        name=spec.name,
        asset=asset_key,
        description=f"{spec.why.strip()} Expected: {spec.expected}.",
        blocking=spec.severity == "critical",
        metadata=metadata,
        partitions_def=partitions_def,
    )


def _checked_and_recorded(
    suite: Suite,
    context: dg.AssetCheckExecutionContext,
    checked: Callable[[dg.AssetCheckExecutionContext], Relation | list[CheckResult]],
    history: CheckHistory,
) -> list[CheckResult]:
    try:
        found = checked(context)
        results = found if isinstance(found, list) else validate(suite, found)
    except Exception as error:  # any error: a check that raises would leave no evaluation
        results = [failed_with_error(suite, spec, _named(error)) for spec in suite.checks]
    checked_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    try:
        history.record(context.run.run_id, _delivered_on(context), checked_at, results)
    except Exception as error:  # any error: publication would not find the results
        reason = f"the result could not be recorded in {history.place}: {_named(error)}"
        return [failed_with_error(suite, spec, reason) for spec in suite.checks]
    return results


def _store_for_docs(
    suite: Suite, context: dg.AssetCheckExecutionContext, folder: Path, results: Sequence[CheckResult]
) -> str | None:
    """The path of the page in the site, or None if there will be no page."""
    try:
        return store_results(folder, context.run.run_id, suite, results)
    except Exception as error:  # a missing page says nothing about the data
        context.log.warning(f"{suite.stage}/{suite.name} will be missing from Data Docs: {_named(error)}")
        return None


def _delivered_on(context: dg.AssetCheckExecutionContext) -> str | None:
    """The delivery day that is checked; None for an unpartitioned table or a range of days."""
    if not context.has_partition_key and not context.has_partition_key_range:
        return None
    keys = context.partition_keys
    return keys[0] if len(keys) == 1 else None


def _check_result(suite: Suite, asset_key: dg.AssetKey, result: CheckResult, link: str | None) -> dg.AssetCheckResult:
    metadata: dict[str, Any] = {
        "observed": result.observed,
        "expected": result.expected,
        "suite": f"{suite.stage}/{suite.path.name}",
        "severity": result.severity,
    }
    if result.unexpected_count is not None:
        metadata["failed rows"] = result.unexpected_count
        metadata["rows"] = result.element_count
    if result.examples:
        metadata["examples"] = dg.MetadataValue.md(_markdown_table(result.examples))
    if result.failing_days:
        metadata["delivery days"] = ", ".join(result.failing_days)
    if result.error is not None:
        metadata["error"] = result.error
    next_step = next((spec.next_step for spec in suite.checks if spec.name == result.check), None)
    if next_step and not result.passed:
        metadata["next step"] = next_step
    if result.checked_in_run is not None:
        metadata[UNCHANGED_SINCE] = result.checked_in_run
    if link is not None:
        metadata["data docs"] = dg.MetadataValue.url(link)
    return dg.AssetCheckResult(
        asset_key=asset_key,
        check_name=result.check,
        passed=result.passed,
        severity=dg.AssetCheckSeverity.ERROR if result.severity == "critical" else dg.AssetCheckSeverity.WARN,
        description=result.message,
        metadata=metadata,
    )


def _markdown_table(rows: Sequence[dict[str, Any]]) -> str:
    columns = list(rows[0])
    lines = [[_markdown(column) for column in columns], ["---"] * len(columns)]
    lines += [[_markdown(row.get(column)) for column in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _markdown(cell: Any) -> str:
    """A cell that shows the value as it is, whatever characters it contains."""
    text = "" if cell is None else " ".join(str(cell).split())
    return "".join(f"\\{char}" if char in r"\`*_{}[]()<>#+!|~&" else char for char in text)


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"

"""Great Expectations' (GX) Data Docs: the check results of the latest runs as a website.

Belongs here: storing a table's results in GX's format, building and pruning the site.
Does not belong here: what the results say. Pages are made from `CheckResult`s, which contain no personal values.

The folder contains `results/` (GX validation results as JSON), `runs/` (how each run ended) and `site/`
(`index.html`). Results are stored as checks run. The site is built once per run, and only new pages are built, because
the cost of building all pages grows with the history.
GX's pages load styles, scripts and images from the internet, and without it GX's index is empty. Our pages load nothing
from elsewhere: the styles that they need are in `style.css`, they have no folding, and the index is our own.
"""

import datetime
import html
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pipelines.checks.data_docs.pages import page
from pipelines.checks.results import CheckResult
from pipelines.checks.suites import Suite

if TYPE_CHECKING:
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult
    from great_expectations.data_context.data_context.abstract_data_context import AbstractDataContext

_SITE = "checks"


@dataclass(frozen=True)
class Outcome:
    """How a run ended, as the first page shows it."""

    run_id: str
    ended_at: datetime.datetime
    failed: bool
    days: str  # its delivery days, in words
    reasons: tuple[str, ...] = ()  # why it failed


def store_outcome(folder: Path, outcome: Outcome) -> None:
    """Store how a run ended for the next build.

    Raises:
        OSError: `folder` cannot be written.
    """
    (folder / "runs").mkdir(parents=True, exist_ok=True)
    said = {**asdict(outcome), "ended_at": outcome.ended_at.isoformat()}
    (folder / "runs" / f"{outcome.run_id}.json").write_text(json.dumps(said), encoding="utf-8")


def store_results(folder: Path, run_id: str, suite: Suite, results: Sequence[CheckResult]) -> str:
    """Store the results of one table for the next build; return the path of their page in the site.

    Raises:
        OSError: `folder` cannot be written.
    """
    import great_expectations as gx
    from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult
    from great_expectations.core.run_identifier import RunIdentifier
    from great_expectations.data_context.types.resource_identifiers import (
        ExpectationSuiteIdentifier,
        ValidationResultIdentifier,
    )

    name = f"{suite.stage}.{suite.name}"
    run = RunIdentifier(run_name=run_id, run_time=datetime.datetime.now(datetime.UTC))
    passed = sum(result.passed for result in results)
    document = ExpectationSuiteValidationResult(
        success=all(result.passed for result in results if result.severity == "critical"),
        results=_gx_results(suite, results),
        suite_name=name,
        statistics={
            "evaluated_expectations": len(results),
            "successful_expectations": passed,
            "unsuccessful_expectations": len(results) - passed,
            "success_percent": 100 * passed / len(results) if results else None,
        },
        meta={
            "run_id": {"run_name": run_id, "run_time": run.run_time.isoformat()},
            "validation_time": run.run_time.isoformat(),
            "great_expectations_version": gx.__version__,
            "active_batch_definition": {"datasource_name": "duckdb", "data_asset_name": name},
            "batch_spec": {"data_asset_name": name},
        },
    )
    key = ValidationResultIdentifier(ExpectationSuiteIdentifier(name), run, batch_identifier=name)
    _context(folder).validation_results_store.set(key, document)
    return _page(key)


def build_data_docs(folder: Path, *, keep_runs: int = 5) -> Path:
    """Build the site from the stored results of the newest `keep_runs` runs; delete those of older runs.

    Returns the path of `index.html`.

    Raises:
        OSError: `folder` cannot be written.
    """
    context = _context(folder)
    store: Any = context.validation_results_store
    outcomes = _outcomes(folder)
    keys = sorted(store.list_keys(), key=lambda key: key.run_id.run_time, reverse=True)
    times = {key.run_id.run_name: key.run_id.run_time for key in reversed(keys)}
    times |= {run_id: outcome.ended_at for run_id, outcome in outcomes.items()}
    runs = sorted(times, key=lambda run: times[run], reverse=True)
    for run in runs[keep_runs:]:
        (folder / "runs" / f"{run}.json").unlink(missing_ok=True)
    kept = []
    for key in keys:
        if key.run_id.run_name in runs[:keep_runs]:
            kept.append(key)
        else:
            store.remove_key(key)
    site = folder / "site"
    new = [key for key in kept if not (site / _page(key)).exists()]
    # For GX, an empty list means "all pages".
    built = new or kept[:1]
    if built:
        context.build_data_docs(site_names=[_SITE], resource_identifiers=built)
    for key in built:
        _make_self_contained(site / _page(key))
    site.mkdir(parents=True, exist_ok=True)
    index = site / "index.html"
    index.write_text(_index(folder, kept, {run: times[run] for run in runs[:keep_runs]}, outcomes), encoding="utf-8")
    return index


def _outcomes(folder: Path) -> dict[str, Outcome]:
    """How runs ended, where that is known, by the run's id."""
    found = {}
    for path in (folder / "runs").glob("*.json"):
        said = json.loads(path.read_text(encoding="utf-8"))
        ended_at = datetime.datetime.fromisoformat(said["ended_at"])
        found[path.stem] = Outcome(**{**said, "ended_at": ended_at, "reasons": tuple(said["reasons"])})
    return found


def _index(
    folder: Path, kept: Sequence[Any], times: Mapping[str, datetime.datetime], outcomes: Mapping[str, Outcome]
) -> str:
    """The first page: the runs, newest first, with how each ended; within a run, failures come first."""
    rows: dict[str, list[tuple[bool, bool, str, str]]] = {}
    for key in kept:
        result = json.loads(Path(f"{folder.joinpath('results', *key.to_tuple())}.json").read_text(encoding="utf-8"))
        passed, made = (result["statistics"][f"{which}_expectations"] for which in ("successful", "evaluated"))
        stopped = "" if result["success"] else "critical ones failed"
        row = (
            f'<tr><td><a href="{quote(_page(key))}">{html.escape(result["suite_name"])}</a></td>'
            f"<td>{passed} of {made} passed</td>"
            f'<td><span class="text-danger">{stopped}</span></td></tr>'
        )
        rows.setdefault(key.run_id.run_name, []).append((result["success"], passed == made, result["suite_name"], row))
    sections = "\n".join(
        f"<h3>{time:%Y-%m-%d %H:%M} UTC, run {html.escape(run)}</h3>\n{_ended(outcomes.get(run))}"
        f"<table>{''.join(row for *_, row in sorted(rows.get(run, [])))}</table>"
        for run, time in times.items()
    )
    return page("Check results", f"<h1>Check results</h1>\n{sections or '<p>There are no check results yet.</p>'}")


def _ended(outcome: Outcome | None) -> str:
    """How a run ended, and why it failed."""
    if outcome is None:
        return ""
    if not outcome.failed:
        return f'<p><span class="text-success">Succeeded</span>: {html.escape(outcome.days)}.</p>'
    reasons = "".join(f"<li>{html.escape(reason)}</li>" for reason in outcome.reasons)
    return (
        f'<p><span class="text-danger">Failed</span>: {html.escape(outcome.days)}. It published nothing.</p>'
        f'<ul class="reasons">{reasons}</ul>'
    )


def _page(key: Any) -> str:
    """The path of a result's page in the site, as GX constructs it."""
    return "/".join(("validations", *key.to_tuple())) + ".html"


def _make_self_contained(path: Path) -> None:
    """Remove from a page everything that it would load from elsewhere, and links to pages that we do not build."""
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"<link\b[^>]*>|<script\b[^>]*\bsrc=[^>]*>\s*</script>", "", text)
    text = re.sub(r"<img\b[^>]*>", "Check results", text)
    text = re.sub(r"<footer>.*?</footer>|background: url\([^)]*\)[^;]*;", "", text, flags=re.DOTALL)
    text = re.sub(r'<a href="[^"]*expectations/[^"]*"\s*>([^<]*)</a>', r"\1", text)
    path.write_text(text.replace("</head>", f"<style>\n{_style()}</style>\n</head>", 1), encoding="utf-8")


def _style() -> str:
    return Path(__file__).with_name("style.css").read_text(encoding="utf-8")


def _gx_results(suite: Suite, results: Sequence[CheckResult]) -> "list[ExpectationValidationResult]":
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult

    from pipelines.checks.gx.runner import configuration

    specs = {spec.name: spec for spec in suite.checks}
    kwargs = {spec.name: {"unexpected_rows_query": spec.rule} if spec.rule else spec.kwargs for spec in suite.checks}
    return [
        ExpectationValidationResult(
            success=result.passed,
            expectation_config=configuration(specs[result.check], kwargs[result.check]),
            result=_gx_result(result),
            exception_info={
                "raised_exception": result.error is not None,
                "exception_message": _for_page(result.error),
                "exception_traceback": _for_page(result.error),
            },
        )
        for result in results
    ]


def _gx_result(result: CheckResult) -> dict[str, Any]:
    observed: dict[str, Any] = {"observed_value": _for_page(result.observed)}
    if result.unexpected_count is None or result.element_count is None:
        return observed
    return observed | {
        "element_count": result.element_count,
        "unexpected_count": result.unexpected_count,
        "unexpected_percent": 100 * result.unexpected_count / result.element_count if result.element_count else None,
        "partial_unexpected_list": [],
    }


def _for_page(text: str | None) -> str | None:
    """`text`, escaped for a page. It may quote a delivered value, and GX puts it into its pages without escaping."""
    return None if text is None else html.escape(text).replace("$", "&#36;")  # GX substitutes what follows a dollar


@cache
def _context(folder: Path) -> "AbstractDataContext":
    """One context for the process. It stores results and pages on disk, and everything else, unused, in memory."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import DataContextConfig, InMemoryStoreBackendDefaults

    def on_disk(name: str) -> dict[str, Any]:
        return {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder.resolve() / name)}

    defaults = InMemoryStoreBackendDefaults()
    defaults.stores[defaults.validation_results_store_name] = {
        "class_name": "ValidationResultsStore",
        "store_backend": on_disk("results"),
    }
    defaults.data_docs_sites = {
        _SITE: {
            "class_name": "SiteBuilder",
            "show_how_to_buttons": False,
            "store_backend": on_disk("site"),
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            # Only results have pages; GX would render two more kinds of pages, which are always empty.
            "site_section_builders": {"expectations": "None", "profiling": "None"},
        }
    }
    return gx.get_context(
        mode="ephemeral", project_config=DataContextConfig(store_backend_defaults=defaults, analytics_enabled=False)
    )

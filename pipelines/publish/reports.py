"""The reports asset: after a publication, its pages and its workbook as files that can be mailed.

Belongs here: what Dagster shows of reports. Does not belong here: how they are made (`pages/report.py`).

The numbers are published by then. So whatever goes wrong here neither fails the run nor takes anything back: it is a
failed check of the asset, which becomes a warning.
"""

import traceback
from collections.abc import Iterator

import dagster as dg

from pipelines.formatting import counted
from pipelines.publish.assets import PUBLISHED_KEY
from pipelines.settings import Settings

REPORTS_KEY = dg.AssetKey(["published", "reports"])
WRITTEN = "written"


def reports_asset(settings: Settings) -> dg.AssetsDefinition:
    """The reports of the current publication, in `published/reports/`."""

    @dg.asset(
        key=REPORTS_KEY,
        deps=[PUBLISHED_KEY],
        description=(
            "`published/reports/`: the page of each role as one HTML file that loads nothing, and a workbook, per "
            "language. They go with their publication; `kpi report` makes single ones."
        ),
        group_name="published",
        owners=["team:data"],
        kinds={"html", "excel"},
        output_required=False,  # what cannot be written is not materialized
        check_specs=[
            dg.AssetCheckSpec(
                WRITTEN,
                asset=REPORTS_KEY,
                description="The reports of the current publication were written. If not, its numbers are right.",
            )
        ],
    )
    def reports() -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        from pipelines.pages.report import write_reports  # pages are imported where something is published, not before

        folder = settings.published_dir.resolve()
        try:
            files = write_reports(folder, settings.zone, settings.pages_url, settings.report_languages)
        except Exception as error:  # any error: the publication is complete without reports
            yield _not_written(error)
            return
        sizes = {file.name: f"{file.stat().st_size / 1000:,.0f} KB" for file in files}
        yield dg.MaterializeResult(
            metadata={
                "publication": folder.name,
                "folder": dg.MetadataValue.path(str(settings.published_dir / "reports")),
                "pages": dg.MetadataValue.url(settings.pages_url),
                "files": dg.MetadataValue.json(sizes),
            },
            check_results=[
                dg.AssetCheckResult(
                    check_name=WRITTEN,
                    passed=True,
                    description=f"Written: {counted(len(files), 'file')} of {folder.name}.",
                )
            ],
        )

    return reports


def _not_written(error: Exception) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=WRITTEN,
        passed=False,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"The reports were not written: {type(error).__name__}: {str(error).rstrip('.!')}.",
        metadata={"error": dg.MetadataValue.md(f"```\n{traceback.format_exc()}\n```")},
    )

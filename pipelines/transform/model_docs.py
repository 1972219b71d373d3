"""dbt's documentation of the models: what each means, how it is made, and the lineage, on one page.

Belongs here: building that page. Does not belong here: serving it (`data_docs/server.py`), and what it says, which
is in the models' YAML.
"""

from pathlib import Path

from pipelines.config_files import ConfigError
from pipelines.settings import Settings
from pipelines.sources import Source
from pipelines.transform.dbt_runner import invoke
from pipelines.transform.project import as_of_date, assemble_project, dbt_command, dbt_environment, dbt_variables

PAGE = "models.html"


def build_model_docs(settings: Settings, sources: list[Source]) -> Path:
    """Write the page beside Data Docs and return its path. It needs no server and asks the network for nothing.

    The caller holds the writer lock of the warehouse, which dbt opens to look up the columns of tables.

    Raises:
        ConfigError: dbt cannot compile the models; the message is dbt's own.
    """
    folder = settings.dbt_target_dir / "target" / "docs"
    options = ["--static", "--no-send-anonymous-usage-stats", "--quiet", "--target-path", str(folder)]
    command = dbt_command(["docs", "generate", *options], assemble_project(settings), dbt_variables(settings, sources))
    generated = invoke(command[1:], dbt_environment(settings, as_of_date(settings, sources)))
    if not generated.succeeded:
        raise ConfigError(f"dbt cannot document the models:\n{generated.error}")
    page = settings.data_docs_dir / "site" / PAGE
    page.parent.mkdir(parents=True, exist_ok=True)
    (folder / "static_index.html").replace(page)
    return page

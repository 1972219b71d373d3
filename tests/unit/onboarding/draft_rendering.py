"""Runs the models of a drafted source on its file, in DuckDB and without dbt, so that a test can try many drafts.

The macros are the project's own. Only what dbt adds to Jinja is imitated here: `return`, `adapter`, `var`, `ref`,
`source` and `config`. `tests/integration/test_sources_add.py` runs a draft with dbt itself.
"""

import re
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import duckdb
import jinja2

from pipelines.ingest.gate import admit
from pipelines.ingest.readers import read_delivery
from pipelines.onboarding.writing import Draft
from pipelines.settings import PROJECT_DIR, Settings
from pipelines.sources import load_sources
from pipelines.tables import TableRef
from pipelines.transform.project import dbt_variables

_MACRO = re.compile(r"{%-?\s*macro (\w+)\(.*?{%-?\s*endmacro\s*-?%}", re.DOTALL)


class _ReturnError(Exception):
    """Carries what a macro returns, as in dbt."""


class _Adapter:
    """The adapter of dbt, for one engine."""

    def __init__(self, macros: dict[str, Any], engine: str) -> None:
        self._macros, self._engine = macros, engine

    def quote(self, name: str) -> str:
        mark = "`" if self._engine == "spark" else '"'
        return mark + name.replace(mark, mark * 2) + mark

    def dispatch(self, name: str) -> Callable[..., str]:
        macro: Callable[..., str] = self._macros.get(f"{self._engine}__{name}") or self._macros[f"default__{name}"]
        return macro


@lru_cache
def _macro_texts() -> dict[str, str]:
    folder = PROJECT_DIR / "dbt_project" / "macros"
    texts = (folder / name for name in ("amounts.sql", "staging.sql", "cross_database.sql", "periods.sql"))
    return {found[1]: found[0] for file in texts for found in _MACRO.finditer(file.read_text(encoding="utf-8"))}


@lru_cache
def _environment() -> tuple[jinja2.Environment, dict[str, Any]]:
    environment = jinja2.Environment(extensions=["jinja2.ext.do"])
    macros: dict[str, Any] = {}
    context: dict[str, Any] = macros  # the macros see each other, and what a model sets

    def callable_macro(name: str, template: jinja2.Template) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            try:
                return getattr(template.make_module(context), name)(*arguments, **named)
            except _ReturnError as returned:
                return returned.args[0]

        return call

    for name, text in _macro_texts().items():
        macros[name] = callable_macro(name, environment.from_string(text))
    return environment, context


def render(sql: str, variables: dict[str, object], engine: str = "duckdb") -> str:
    """The SQL that dbt would make of `sql`, a model or a part of one, for `engine`."""

    def give_back(value: Any) -> None:
        raise _ReturnError(value)

    def refuse(message: str) -> None:
        raise ValueError(message)

    environment, context = _environment()
    context |= {
        "var": lambda name, default=None: variables.get(name, default),
        "ref": lambda name: f'"{name}"',
        "source": lambda source, table: f'"raw_{source}_{table}"',
        "config": lambda **_: "",
        "is_incremental": lambda: False,
        "execute": True,
        "return": give_back,
        "adapter": _Adapter(context, engine),
        "exceptions": type("Exceptions", (), {"raise_compiler_error": staticmethod(refuse)}),
        "model": type("Model", (), {"name": "model"}),
        "deliveries_that_count": lambda source, table: f'select * from "raw_{source}_{table}"',
    }
    return environment.from_string(sql).render(context)


def build(draft: Draft, file: Path, settings: Settings) -> duckdb.DuckDBPyConnection:
    """A database with the draft's models, built from `file`; each model is a table of its name.

    Raises:
        ValueError: a required column is not mapped.
    """
    [source] = load_sources([draft.source], settings.company_dir)
    variables = dbt_variables(settings, [source])
    connection = duckdb.connect()
    label = f"{draft.source}/{file.name}"
    table = source.tables[draft.table]
    with tempfile.TemporaryDirectory() as scratch:
        admitted = admit(file, table, label, file.parent, Path(scratch))
        query = read_delivery(connection, admitted, table).query
        connection.execute(
            f'create table "raw_{draft.source}_{draft.table}" as select *, {_quoted(label)} as _source_file, '
            f"date '2025-01-31' as _delivered_on, timestamp '2025-02-01 00:00:00' as _loaded_at from ({query})"
        )
    models = settings.company_dir / draft.models_path
    log = TableRef(draft.source, draft.table).log
    for path in [models / f"{log}.sql", *sorted(models.glob("stg_*.sql"))]:
        # DuckDB calls the type string varchar, and knows both names.
        connection.execute(f'create table "{path.stem}" as {render(path.read_text(encoding="utf-8"), variables)}')
    return connection


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"

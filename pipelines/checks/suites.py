"""Reads expectation suites: `<folder>/<stage>/<table>.yml`, one file per table, reviewed like code.

Belongs here: the structure of a suite, and refusing on load what could only fail, or pass silently, when it runs.
Does not belong here: running a suite, or anything that imports Great Expectations.

A suite file::

    owner: team:sales
    description: One order line as the shop sent it.
    personal_columns: [email]
    expectations:
      - type: expect_column_values_to_not_be_null
        kwargs: {column: order_id}
        why: Orders are counted by this key.
      - type: unexpected_rows_expectation
        name: amount_is_a_number
        severity: warning
        kwargs:
          unexpected_rows_query: >
            select _source_file, _row_number, amount from {batch} where isnan(amount)
        why: NaN passes not_null and every comparison with a minimum.
"""

import re
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from pipelines.checks.gx.expectation_types import ALLOWED, BATCH_PLACEHOLDER, REFUSED, UNEXPECTED_ROWS, ExpectationType
from pipelines.config_files import ConfigError, load_yaml_model
from pipelines.sql import quote_name

Severity = Literal["critical", "warning", "info"]

NOT_EMPTY = "not_empty"
_PAGE = "docs/operations.md#"
_RUNBOOK_OF_STAGE = {"staging": "columns-changed", "marts": "reconciliation"}


class ExpectationSpec(BaseModel):
    """One expectation of a suite.

    Attributes:
        type: its name in Great Expectations; see `expectation_types.ALLOWED`.
        name: the check's name, unique in the suite; by default formed from columns and type.
        why: what goes wrong in the business when it fails; notifications show this.
        next_step: what to do then, as a command or a few words.
        runbook: what to do then, as `file#anchor`; by default the suite's runbook, or else that of the type.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: str
    name: str = ""
    severity: Severity = "critical"
    why: str = Field(min_length=1)
    next_step: str | None = None
    runbook: str | None = None
    kwargs: dict[str, Any] = Field(default_factory=dict, validate_default=True)

    @field_validator("type")
    @classmethod
    def _type_works_on_duckdb(cls, value: str) -> str:
        if value in REFUSED:
            raise ValueError(f"{value} is not supported here: {REFUSED[value]}.")
        if value not in ALLOWED:
            raise ValueError(f"{value} is not a supported expectation. Allowed: {', '.join(sorted(ALLOWED))}.")
        return value

    @field_validator("kwargs")
    @classmethod
    def _kwargs_fit_the_type(cls, value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        name = info.data.get("type")
        if name is None:  # the type was refused, and that is the error to show
            return value
        kind = ALLOWED[name]
        if missing := [key for key in kind.required if value.get(key) is None]:
            raise ValueError(f"{name} needs {', '.join(missing)}.")
        if unknown := sorted(set(value) - {*kind.required, *kind.optional}):
            takes = ", ".join((*kind.required, *kind.optional)) or "nothing"
            raise ValueError(f"{name} does not take {', '.join(unknown)}; it takes {takes}.")
        for key in ("column_list", "column_set", "value_set"):
            if key in value and not (isinstance(value[key], list) and value[key]):
                raise ValueError(f"{key} must be a list with at least one entry.")
        if not all(isinstance(column, str) for column in kind.columns(value)):
            raise ValueError("column names must be text.")
        if name == UNEXPECTED_ROWS and BATCH_PLACEHOLDER not in value["unexpected_rows_query"]:
            raise ValueError(f"the query must read from {BATCH_PLACEHOLDER}, the table under test.")
        if kind.refuse is not None:
            kind.refuse(value)
        try:
            for make in (kind.query, kind.figures):
                if make is not None:
                    make(value)
        except (TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"{name} cannot be made of these kwargs: {error}.") from None
        return value

    @model_validator(mode="before")
    @classmethod
    def _default_name(cls, data: Any) -> Any:
        if not isinstance(data, dict) or data.get("name") or data.get("type") not in ALLOWED:
            return data
        kind = ALLOWED[data["type"]]
        try:
            columns = kind.columns(data.get("kwargs", {}))
        except (KeyError, TypeError):  # the kwargs are wrong, and that is the error to show
            columns = ()
        words = "_".join([*map(str, columns), kind.short])
        return {**data, "name": re.sub(r"[^a-z0-9_]", "_", words.lower())}

    @field_validator("name")
    @classmethod
    def _name_is_plain(cls, value: str) -> str:
        if value and not re.fullmatch(r"[a-z0-9_]+", value):
            raise ValueError(f"{value!r} may contain only a-z, 0-9 and _.")
        return value

    @property
    def kind(self) -> ExpectationType:
        return ALLOWED[self.type]

    @property
    def figures_table(self) -> str:
        """The name of the table with its figures while the check executes, if its type judges figures."""
        return f"figures of {self.name}"

    @property
    def rule(self) -> str | None:
        """The query for the rows that break it; None for a type that Great Expectations evaluates by itself."""
        if self.kind.figures is not None:
            # Great Expectations requires a query to name the table under test.
            return f"select * from {quote_name(self.figures_table)} where is_unexpected -- of {BATCH_PLACEHOLDER}"
        if self.kind.query is not None:
            return self.kind.query(self.kwargs)
        return str(self.kwargs["unexpected_rows_query"]) if self.type == UNEXPECTED_ROWS else None

    @property
    def expected(self) -> str:
        """What is expected, in words: `not empty in at least 95 % of rows`, `row count at least 1`."""
        words = f"{self.kind.measure} {self.kind.words(self.kwargs)}".strip()
        mostly = float(self.kwargs.get("mostly", 1))
        return words if mostly == 1 else f"{words} in at least {mostly * 100:.4g} % of rows"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it is about; empty for an expectation about the whole table or a query."""
        return self.kind.columns(self.kwargs)


class _SuiteFile(BaseModel):
    """A suite as its file defines it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    owner: str = Field(min_length=1)
    description: str = Field(min_length=1)
    allow_empty: bool = False
    personal_columns: list[str] = Field(default_factory=list)
    runbook: str | None = None
    shipped_suite: Literal["extended", "replaced"] | None = None
    expectations: list[ExpectationSpec] = Field(default_factory=list)

    @field_validator("expectations")
    @classmethod
    def _names_differ(cls, value: list[ExpectationSpec]) -> list[ExpectationSpec]:
        seen: dict[str, int] = {NOT_EMPTY: 0}
        for position, expectation in enumerate(value, start=1):
            if expectation.name == NOT_EMPTY:
                raise ValueError(f"{NOT_EMPTY} is checked anyway; set allow_empty: true to do without it.")
            if expectation.name in seen:
                raise ValueError(
                    f"expectations {seen[expectation.name]} and {position} are both called {expectation.name}. "
                    "Give one of them another `name`."
                )
            seen[expectation.name] = position
        return value


class Suite(_SuiteFile):
    """All expectations on one table of one stage.

    Attributes:
        stage, name: the folder and the stem of the suite's file; `name` is the table.
        path: the suite's file.
        personal_columns: columns whose values must not leave the table: no result shows them.
        runbook: what to do when a check fails, as `file#anchor`; by default that of the check's type, or of the stage.
        shipped_suite: what happens to the suite that the project ships for the table; without it, two are refused.
    """

    stage: str
    name: str
    path: Path

    @cached_property
    def checks(self) -> tuple[ExpectationSpec, ...]:
        """The expectations. Unless the suite allows an empty table, the first one is that the table has rows."""
        if self.allow_empty:
            return tuple(self.expectations)
        not_empty = ExpectationSpec(
            type="expect_table_row_count_to_be_between",
            name=NOT_EMPTY,
            kwargs={"min_value": 1},
            why="An empty table satisfies every other rule.",
        )
        return (not_empty, *self.expectations)

    def extended_by(self, other: "Suite") -> "Suite":
        """This suite with the expectations and personal columns of `other` added.

        Raises:
            ConfigError: both have a check of the same name.
        """
        names = {spec.name for spec in self.expectations}
        if twice := [spec.name for spec in other.expectations if spec.name in names]:
            raise ConfigError(
                f"{other.path}:1: {', '.join(twice)} is already a check of {self.stage}/{self.name} "
                f"({self.path.name}). Give yours another `name`."
            )
        joint = {
            "expectations": [*self.expectations, *other.expectations],
            "personal_columns": [*dict.fromkeys([*self.personal_columns, *other.personal_columns])],
        }
        return Suite(**{name: getattr(self, name) for name in Suite.model_fields} | joint)

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The columns that the suite declares unique, and that therefore identify a row."""
        unique = (spec for spec in self.expectations if spec.kind.short in ("unique", "unique_together"))
        return next((spec.columns for spec in unique), ())


def load_suite(path: Path) -> Suite:
    """Read one suite file, `<stage>/<table>.yml`.

    Raises:
        ConfigError: the file cannot be used; every problem as `file:line: setting: problem`.
    """
    content = load_yaml_model(path, _SuiteFile)
    stage = path.parent.name
    return Suite(stage=stage, name=path.stem, path=path, **dict(content) | _default_runbooks(content, stage))


def _default_runbooks(content: _SuiteFile, stage: str) -> dict[str, Any]:
    """The settings of a suite that names no runbook, with those of its stage and of the types of its checks."""
    if content.runbook or stage not in _RUNBOOK_OF_STAGE:
        return {}
    return {
        "runbook": _PAGE + _RUNBOOK_OF_STAGE[stage],
        "expectations": [
            spec
            if spec.runbook or not spec.kind.runbook
            else spec.model_copy(update={"runbook": _PAGE + spec.kind.runbook})
            for spec in content.expectations
        ],
    }


def load_suites(*folders: Path) -> dict[tuple[str, str], Suite]:
    """Read every suite under `folders` by stage and table, in the order of their names.

    A later folder, such as a user's own, adds tables. It cannot silently replace a suite of an earlier folder; it must
    say `shipped_suite: extended` or `replaced`.

    Raises:
        ConfigError: a file cannot be used, or two files are about the same table.
    """
    suites: dict[tuple[str, str], Suite] = {}
    problems: list[str] = []
    for folder in folders:
        for path in sorted(folder.glob("*/*.yml")):
            try:
                suite = load_suite(path)
            except ConfigError as error:
                problems.append(str(error))
                continue
            known = suites.get((suite.stage, suite.name))
            try:
                suites[suite.stage, suite.name] = joined(known, suite)
            except ConfigError as error:
                problems.append(str(error))
    if problems:
        raise ConfigError("\n".join(problems))
    return suites


def joined(known: Suite | None, suite: Suite) -> Suite:
    """The suite of a table for which `known` exists already and a later file contains `suite`.

    Raises:
        ConfigError: the later file does not say what happens to the earlier suite.
    """
    if known is None or suite.shipped_suite == "replaced":
        return suite
    if suite.shipped_suite == "extended":
        return known.extended_by(suite)
    raise ConfigError(
        f"{suite.path}:1: {known.path} is already the suite of {suite.stage}/{suite.name}. Write "
        "`shipped_suite: extended` to add to it, or `replaced` to have this one instead."
    )

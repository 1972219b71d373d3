"""The entities of this project, with their columns, and what other systems call them.

Belongs here: loading `synonyms.yml` and the list of entities. Does not belong here: comparing them with a delivered
table (`matching.py`, `recognising.py`).
"""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
import yaml
from pydantic import BaseModel, ConfigDict

from pipelines.settings import PROJECT_DIR

NO_ENTITY = "none"  # of a table that is none of them, such as one of countries
Columns = dict[str, str]  # the columns of an entity, with their SQL types


class Synonyms(BaseModel):
    """The entry of one entity in `synonyms.yml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: list[str]
    required: list[str]
    telling: list[str] = []
    keys: list[list[str]]
    otherwise: dict[str, str] = {}
    columns: dict[str, list[str]]


@lru_cache
def entity_columns() -> dict[str, Columns]:
    """The columns and types of every entity, as listed in `dbt_project/macros/entities.sql`."""
    path = PROJECT_DIR / "dbt_project" / "macros" / "entities.sql"
    # The list is a dict literal in a macro. It is parsed from there, so that it exists only once.
    found = re.search(r"{%- set text, date.*?\n    } -%}", path.read_text(encoding="utf-8"), re.DOTALL)
    assert found, f"{path}: the list of entities was not found"
    listed: Any = jinja2.Environment().from_string(found.group()).module
    return {entity: dict(columns) for entity, columns in listed.entities.items()}


@lru_cache
def synonyms() -> dict[str, Synonyms]:
    """The names that other systems give to the columns of each entity."""
    content = yaml.safe_load(Path(__file__).with_name("synonyms.yml").read_text(encoding="utf-8"))
    return {entity: Synonyms.model_validate(one) for entity, one in content.items()}

"""Who may see what: `readers.yml` in the company's folder. Without that file, everybody who reaches the pages sees all.

Belongs here: reading the file, and what one reader may see. Does not belong here: who a reader is, which the proxy in
front of the pages says in a header, and how pages keep to it (`view.py`, `app.py`).

    identity_header: X-Forwarded-User
    readers:
      anna@example.com: {}
      bo@example.com:
        pages: [managers, aes]
        only: {team: [delta, atlas]}
    others: nothing
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from pipelines.config_files import load_yaml_model
from pipelines.pages.view import CUTS


def _a_cut(name: str) -> str:
    if name not in CUTS:
        raise ValueError(f"{name!r} is nothing that pages can be filtered by. Write one of: {', '.join(CUTS)}.")
    return name


class Reader(BaseModel):
    """What one reader may see; by default everything."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pages: tuple[str, ...] | None = None  # of the navigation
    only: dict[Annotated[str, AfterValidator(_a_cut)], Annotated[tuple[str, ...], Field(min_length=1)]] = {}

    def may_open(self, page: str) -> bool:
        """Whether a page of the navigation is for this reader."""
        return self.pages is None or page in self.pages

    def may_see(self, cut: str, entity: str) -> bool:
        """Whether the numbers of an entity are for this reader; those of the company only without limits."""
        return not self.only or entity in self.only.get(cut, ())


EVERYTHING = Reader()


class Readers(BaseModel):
    """The file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    identity_header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")]
    readers: dict[str, Reader]
    others: Literal["nothing", "everything"] = "nothing"

    def reader(self, headers: Mapping[str, str]) -> Reader | None:
        """The reader that a request names; None if this one may see nothing."""
        found = self.readers.get(headers.get(self.identity_header, ""))
        return found or (EVERYTHING if self.others == "everything" else None)


def load_readers(file: Path) -> Readers | None:
    """The readers in a file; None if there is no file.

    Raises:
        ConfigError: the file does not say clearly who may see what.
    """
    return load_yaml_model(file, Readers) if file.exists() else None

"""Why a section has nothing to show: the reader's filter, or data that nothing delivers.

Belongs here: the reasons that several sections share. Does not belong here: what only one of them lacks.
"""

import json
from collections.abc import Mapping, Sequence

from pipelines.pages.sections import Missing
from pipelines.pages.view import COMPANY, CUTS, View


def not_by_cut(view: View, *cuts: str) -> Missing | None:
    """Why a section that is published for the company and by `cuts` only cannot be filtered as the reader asks."""
    return None if view.state.cut in (COMPANY, *cuts) else not_by(view, *cuts)


def not_by(view: View, *cuts: str) -> Missing:
    """That a section cannot be filtered as the page is, and by which of `cuts` it can."""
    words = view.words
    reason = words.text("Not published by %(cut)s.", cut=_name(view, view.state.cut))
    if known := [cut for cut in cuts if cut in view.entities]:
        reason += " " + words.text("Choose one of: %(cuts)s.", cuts=words.listed(_name(view, cut) for cut in known))
    return Missing(f"{reason} {words.text('Or choose no filter, to see the whole company.')}")


def _name(view: View, cut: str) -> str:
    return view.words.text(CUTS[cut]).lower()


def not_delivered(view: View, *entities: str) -> Missing | None:
    """Which of the `entities` that a section is made from no source delivers, and how to get them."""
    if "delivered" not in view.opened.known:
        found = view.execute("select value from meta.settings where name = 'entities'").fetchone()
        view.opened.known["delivered"] = json.loads(found[0]) if found else None
    delivered: Mapping[str, Sequence[str]] | None = view.opened.known["delivered"]
    if delivered is None:  # an earlier version published: its rows tell
        return None
    missing = [entity for entity in entities if not delivered.get(entity)]
    if not missing:
        return None
    return Missing(
        view.words.text(
            "Needs %(entities)s, which no source delivers. To connect a source, see docs/connect in the project.",
            entities=view.words.listed(missing),
        )
    )

"""Prints refused files and unreadable rows, with personal columns as ***."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from zoneinfo import ZoneInfo

from rich.console import Console

from pipelines.formatting import counted, local_time, printable
from pipelines.partitions import days_in_words
from pipelines.quarantine.files import QuarantinedFile
from pipelines.quarantine.rows import QuarantinedRow
from pipelines.sources import Source

HIDDEN = "***"


def print_list(
    files: list[QuarantinedFile], rows: list[QuarantinedRow], each: bool, zone: ZoneInfo, console: Console
) -> None:
    """Print files and rows by table and reason, with their delivery days; or `each` of them."""
    if not files and not rows:
        console.print("Nothing is in quarantine.")
        return
    items: list[QuarantinedFile | QuarantinedRow] = [*files, *rows]
    groups: dict[tuple[str, ...], list[QuarantinedFile | QuarantinedRow]] = {}
    for item in items:
        kind, table, reason = _described(item)
        alone = (item.id,) if each else ()
        groups.setdefault((kind, item.source, table, reason, item.state, *alone), []).append(item)
    for (kind, source, table, reason, *_), members in groups.items():
        first = members[0]
        what = kind if len(members) == 1 else counted(len(members), kind)
        days = days_in_words({date.fromisoformat(item.delivered_on) for item in members})
        console.print(f"{first.id[:10]}  {what}  {source}.{table}  {days}  {_standing(first, zone)}", markup=False)
        if isinstance(first, QuarantinedFile):
            place = first.path if len(members) == 1 else f"{first.path}, and more"
        else:
            place = f"{first.source_file}: row {first.row_number}{', and more' if len(members) > 1 else ''}"
        console.print(f"    {reason if reason.startswith(place) else f'{place}: {reason}'}", markup=False)
    if len(groups) < len(items):
        console.print(
            "A group shows the id of its first item; kpi quarantine list --all lists each item.", markup=False
        )
    console.print(
        "kpi quarantine show ID shows what was delivered; kpi quarantine replay tries it again.", markup=False
    )


def print_json(files: list[QuarantinedFile], rows: list[QuarantinedRow], console: Console) -> None:
    """Print every file and row as JSON, without the delivered contents."""
    items: list[QuarantinedFile | QuarantinedRow] = [*files, *rows]
    console.print_json(
        data=[
            {
                "id": item.id,
                "kind": kind,
                "source": item.source,
                "table": table,
                "delivered_on": item.delivered_on,
                "file": item.path if isinstance(item, QuarantinedFile) else item.source_file,
                "row_number": None if isinstance(item, QuarantinedFile) else item.row_number,
                "reason": item.reason if isinstance(item, QuarantinedFile) else item.rule,
                "state": item.state,
                "note": item.note,
                "first_seen": item.first_seen,
            }
            for item in items
            for kind, table, _ in [_described(item)]
        ]
    )


def _described(item: QuarantinedFile | QuarantinedRow) -> tuple[str, str, str]:
    """Kind, table and reason. A file's reason omits the file's own name, so that equal reasons can be grouped."""
    if isinstance(item, QuarantinedFile):
        return "file", item.table, item.reason.removeprefix(f"{item.path}: ")
    return "row", item.table_name, item.rule


def _standing(item: QuarantinedFile | QuarantinedRow, zone: ZoneInfo) -> str:
    if item.state == "open":
        return f"open since {local_time(datetime.fromisoformat(item.first_seen), zone)}"
    return f"{item.state}: {item.note}"


def print_items(
    files: list[QuarantinedFile],
    rows: list[QuarantinedRow],
    sources: Iterable[Source],
    zone: ZoneInfo,
    console: Console,
) -> None:
    """Print each item in full, with personal columns as ***."""
    personal = {
        (source.name, name): frozenset(table.personal_columns)
        for source in sources
        for name, table in source.tables.items()
    }
    for file in files:
        _print_facts(
            console,
            {
                "file": file.path, "delivery": f"{file.source}.{file.table} {file.delivered_on}", "reason": file.reason,
                "first seen": local_time(datetime.fromisoformat(file.first_seen), zone),
                "state": " ".join((file.state, file.note)).strip(),
            },
        )  # fmt: skip
    for row in rows:
        hidden = personal.get((row.source, row.table_name), frozenset())
        facts = {
            "row": f"{row.source_file}: row {row.row_number}",
            "delivery": f"{row.source}.{row.table_name} {row.delivered_on}",
            "reason": row.rule, "first seen": local_time(datetime.fromisoformat(row.first_seen), zone),
            "state": " ".join((row.state, row.note)).strip(),
            "hash": row.row_hash,
        }  # fmt: skip
        _print_facts(console, facts | {f"  {name}": text for name, text in masked(row.cells, hidden).items()})


def masked(cells: Mapping[str, str | None], personal: frozenset[str]) -> dict[str, str]:
    """The cells in a form that may be shown. If a row cannot be parsed, it is unknown which part is personal."""
    hide_all = bool(personal) and "_unreadable_row" in cells
    return {
        name: HIDDEN if text is not None and (hide_all or name in personal) else "" if text is None else text[:200]
        for name, text in cells.items()
    }


def _print_facts(console: Console, facts: Mapping[str, str]) -> None:
    width = max(map(len, facts))
    for name, value in facts.items():
        console.print(f"{name.ljust(width)}  {printable(value)}", markup=False)
    console.print()

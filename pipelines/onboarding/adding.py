"""`kpi sources add`: looks at files or database tables together, and drafts a source from them.

Belongs here: the order of these steps. Does not belong here: how each step works, and what is printed
(`cli/printing/source_draft.py`).
"""

import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from fnmatch import fnmatchcase
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from pipelines.config_files import ConfigError
from pipelines.onboarding.choosing import SKIP, choose_entities, columns_by_reference
from pipelines.onboarding.entities import NO_ENTITY
from pipelines.onboarding.inputs import File, find_files
from pipelines.onboarding.installation import change_settings, is_changeable
from pipelines.onboarding.mapping import propose
from pipelines.onboarding.matching import left_open
from pipelines.onboarding.money import AMOUNTS, DIRECTIONS
from pipelines.onboarding.months import with_row_per_month
from pipelines.onboarding.names import slug
from pipelines.onboarding.outcomes import closed_rows
from pipelines.onboarding.placing import check_place, copy_to_landing, is_unpacked, landing_pattern, newest_date
from pipelines.onboarding.proposals import Proposal
from pipelines.onboarding.questions import OpenQuestionError, Question, in_words, on_ways_of_reading
from pipelines.onboarding.references import agreed_on_persons, references
from pipelines.onboarding.sniffing import Described, UnrecognisedError, describe_file, read_again
from pipelines.onboarding.writing import Draft, Origin, existing_source, write_draft
from pipelines.partitions import business_day
from pipelines.settings import Settings, settings_file
from pipelines.sources import shipped_sources

_FROM_DATABASE = re.compile(r"^[a-z0-9+]+-env:(?P<variable>\w+)$")
_LONG_AGO = timedelta(days=32)  # a newest delivery that is older is the end of the deliveries, not a late one


@dataclass(frozen=True)
class Options:
    """What a person decides; each option has the name that it has on the command line.

    Attributes:
        name: of the source; by default that of the folder, the zip or the only file.
        tables: the name of the only table, or the tables of a database, such as public.orders.
        entities: what the rows of a table are, by the table's name; the key "" stands for the only table.
        draft_only: whether files stay where they are, and the settings as they are.
    """

    name: str | None = None
    tables: tuple[str, ...] = ()
    entities: Mapping[str, str] | None = None
    owner: str = "team:data"
    force: bool = False
    encoding: str | None = None
    dates: str | None = None
    decimal: str | None = None
    rates: str | None = None
    amounts: str | None = None
    draft_only: bool = False


@dataclass(frozen=True)
class Given:
    """A table as it was given: one or more files with the same columns, or a table of a database."""

    words: str  # the words of its name
    described: Described
    files: tuple[File, ...] = ()
    origin: Origin | None = None  # of a database table

    @property
    def day(self) -> date | None:
        """The delivery day that its newest file's name says."""
        return max((file.named.day for file in self.files if file.named.day), default=None)


@dataclass(frozen=True)
class Placed:
    """A file, its delivery day, and its path in the landing folder, where it may not be yet."""

    file: File
    day: date
    path: Path


@dataclass(frozen=True)
class Added:
    """A drafted table, where its files go, and the files that were written to the company folder."""

    draft: Draft
    files: tuple[Placed, ...]
    written: tuple[Path, ...]


@dataclass(frozen=True)
class Addition:
    """What `kpi sources add` did.

    Attributes:
        left_out: files that are no deliveries, or that a person left out.
        settings: what the settings need so that the source is enabled, with the values.
        copied: files in the landing folder that were not there before.
        is_enabled: whether the settings have changed like that; otherwise a person does it.
    """

    source: str
    tables: tuple[Added, ...]
    left_out: tuple[str, ...]
    settings: Mapping[str, Any]
    copied: tuple[Path, ...] = ()
    is_enabled: bool = False


def add_sources(
    given: Sequence[str], settings: Settings, options: Options = Options(), ask: Callable[[Question], str] | None = None
) -> Addition:
    """Draft one source from all that is given: files, folders and zips, or postgresql-env:VARIABLE with `tables`.

    The files are copied to the landing folder, and the source is enabled, unless the settings are the project's own or
    `draft_only` is set, or a person has to complete the draft first. `ask` answers what the files leave open; without
    it, an open question is an error.

    Raises:
        ConfigError: a file cannot be recognised, a question is open, or a draft or a file would overwrite another one.
            Nothing is written then.
    """
    _check(options)
    with tempfile.TemporaryDirectory() as scratch:
        tables, left_out = _given(given, options, Path(scratch))
        source = _name(options.name or _usual_name(given, tables, settings), "--name")
        drafts, skipped = _drafts(tables, source, settings, options, ask)
        tables = [table for table in tables if table.words not in skipped]
        left_out += sorted(skipped.values())
        usual = _usual_day(tables, drafts, settings)
        placed = [
            tuple(_placed(file, draft, usual, settings) for file in table.files)
            for draft, table in zip(drafts, tables, strict=True)
        ]
        stays = options.draft_only or not is_changeable()
        for one in () if stays else chain(*placed):
            check_place(one.file.path, one.path)
        written = _write_together(drafts, settings.company_dir, options.force)
        added = [Added(draft, files, tuple(paths)) for draft, files, paths in zip(drafts, placed, written, strict=True)]
        days = [one.day for one in chain(*placed)]
        result = Addition(source, tuple(added), tuple(left_out), _settings_needed(settings, source, days))
        return result if stays else _delivered(result)


# --- What was given ---------------------------------------------------------------------------------------------------


def _check(options: Options) -> None:
    dates, decimal = options.dates, options.decimal
    if dates and not re.fullmatch(r"(dd([./-])mm\2yyyy|mm([/-])dd\3yyyy)", dates):
        raise ConfigError(f"--dates: {dates!r} is not an order of day, month and year. Write dd/mm/yyyy or mm/dd/yyyy.")
    if decimal and decimal not in (".", ","):
        raise ConfigError(f"--decimal: {decimal!r} is not a decimal mark. Write . or a comma.")
    if options.rates and options.rates not in DIRECTIONS:
        raise ConfigError(f"--rates: {options.rates!r} is not a direction of rates. Write {' or '.join(DIRECTIONS)}.")
    if options.amounts and options.amounts not in AMOUNTS:
        raise ConfigError(f"--amounts: {options.amounts!r} is not what amounts are. Write {' or '.join(AMOUNTS)}.")


def _given(given: Sequence[str], options: Options, scratch: Path) -> tuple[list[Given], list[str]]:
    """The tables in all that was given, and the names of files that are no deliveries."""
    in_database = [found for what in given if (found := _FROM_DATABASE.match(what))]
    if in_database:
        if len(given) > 1:
            raise ConfigError("A source is either files or one database. Add them with separate commands.")
        return _database_tables(in_database[0]["variable"], options), []
    files = find_files([Path(what) for what in given], scratch)
    tables: dict[str, list[tuple[File, Described]]] = {}
    problems = []
    for file in files.found:
        try:
            described = describe_file(file.path, options.encoding, options.dates, options.decimal)
        except ConfigError as error:
            problems.append(str(error))
        else:
            tables.setdefault(file.named.stem, []).append((file, replace(described, label=file.shown)))
    if problems:
        raise UnrecognisedError("\n".join(problems))
    return [_one_table(words, together) for words, together in tables.items()], files.left_out


def _one_table(words: str, together: list[tuple[File, Described]]) -> Given:
    """Several deliveries of a table; the newest one is described.

    Raises:
        UnrecognisedError: two files are for the same day, or have different columns.
    """
    together.sort(key=lambda pair: str(pair[0].named.day))
    files = [file for file, _ in together]
    days = Counter(file.named.day for file in files)
    if max(days.values()) > 1:
        same = [file.shown for file in files if days[file.named.day] > 1]
        raise UnrecognisedError(
            f"{same[0]} and {same[1]}: have the same name and no different day in it, so one would replace the other. "
            "Rename one, or add them with separate commands."
        )
    newest = together[-1][1]
    for _, described in together:
        if {column.name for column in described.columns} != {column.name for column in newest.columns}:
            raise UnrecognisedError(
                f"{described.label} and {newest.label}: have different columns, so they are no deliveries of one "
                "table. Rename one, or add only the newest."
            )
    return Given(words, newest, tuple(files))


def _database_tables(variable: str, options: Options) -> list[Given]:
    from pipelines.onboarding.database import describe_table

    if not options.tables:
        raise ConfigError("--table: name the database table, such as public.orders.")
    tables = []
    for table in options.tables:
        described, cursor = describe_table(variable, table, options.dates, options.decimal)
        origin = Origin(connection_env=variable, database_table=table, cursor=cursor)
        tables.append(Given(slug(table.rpartition(".")[2]), described, origin=origin))
    return tables


def _told(options: Options, tables: Sequence[Given]) -> dict[str, str]:
    """What a person says that the tables are.

    Raises:
        ConfigError: there is no such table or entity, or it is not clear which table is meant.
    """
    names = {table.words: table.words for table in tables}
    told = {}
    for name, entity in (options.entities or {}).items():
        table = names.get(name) if name else (tables[0].words if len(tables) == 1 else None)
        if table is None:
            example = f"--entity {tables[0].words}={entity or 'orders'}"
            raise ConfigError(f"--entity: say for which table, such as {example}. They are: {', '.join(names)}.")
        told[table] = entity
    return told


# --- Names ------------------------------------------------------------------------------------------------------------


def _usual_name(given: Sequence[str], tables: Sequence[Given], settings: Settings) -> str:
    """The name of the folder, the zip or the only file.

    Raises:
        ConfigError: several were given.
    """
    in_landing = _folder_in_landing(given[0], settings)
    if in_landing:
        return in_landing
    if len(given) > 1 or (len(tables) > 1 and tables[0].origin):
        raise ConfigError("--name: give the source a name, since there are several tables. Name the system, like crm.")
    is_one_file = len(tables) == 1 and (tables[0].origin or tables[0].files[0].path == Path(given[0]))
    name = tables[0].words if is_one_file else slug(Path(given[0]).absolute().stem)
    return f"my_{name}" if name in shipped_sources() else name


def _name(text: str, option: str) -> str:
    """`text` as the name of a source or table; `option` is named if none can be made from it."""
    name = slug(text)
    if not name:
        raise ConfigError(
            f"{option}: {text!r} contains no letter, so no name can be made from it. Give a name, such as webshop."
        )
    return name


def _table_name(table: Given, source: str, entity: str, options: Options) -> str:
    """The table webshop_orders of the source webshop is called orders."""
    if options.tables and not table.origin:
        return _name(options.tables[0], "--table")
    own_words = re.sub(r"_(dataset|data|export|table|file)$", "", table.words).removeprefix(source).strip("_")
    usual = table.words if table.origin or entity == NO_ENTITY else entity
    return _name(table.words if table.origin else own_words or usual, "--table")


def _folder_in_landing(what: str, settings: Settings) -> str | None:
    try:
        below = Path(what).absolute().relative_to(settings.landing_dir)
    except ValueError:
        return None
    is_own = below.parts and below.parts[0] not in shipped_sources() and below.name != below.parts[0]
    return below.parts[0] if is_own else None


# --- Drafting ---------------------------------------------------------------------------------------------------------


def _drafts(
    tables: Sequence[Given], source: str, settings: Settings, options: Options, ask: Callable[[Question], str] | None
) -> tuple[list[Draft], dict[str, str]]:
    """The draft of each table, in the light of the others; and the tables that a person left out, with their labels."""
    told = _told(options, tables)
    given = {table.words: with_row_per_month(table.described, table.words, told.get(table.words)) for table in tables}
    linked = references(given)
    described = agreed_on_persons(given, linked)
    existing = existing_source(settings.company_dir, source)
    chosen = choose_entities(described, linked, told, ask)
    known = columns_by_reference(described, linked, chosen)
    skipped = {words: described[words].label for words, entity in chosen.items() if entity == SKIP}
    entities = {*(existing.entities if existing else []), *chosen.values()} - {SKIP, NO_ENTITY}
    drafts, questions = [], []
    for table in tables:
        words, entity = table.words, chosen[table.words]
        if words in skipped:
            continue
        currency, others = settings.reporting_currency, sorted(entities - {entity})
        proposing = partial(propose, name=words, currency=currency, entity=entity, delivered=others, known=known[words])
        try:
            described[words], proposal = _settled(proposing, described[words], words, options, ask)
        except OpenQuestionError as error:
            questions.append(error.question)
            continue
        notes = [one.note(described) for one in linked if one.table == words and one.to_table not in skipped]
        proposal = replace(proposal, notes=(*proposal.notes, *filter(None, notes)))
        name = _table_name(table, source, proposal.entity, options)
        origin = table.origin or Origin(path=f"{source}/{landing_pattern(table.files[-1].named, table.described)}")
        drafts.append(Draft(source, name, options.owner, described[words], proposal, origin, existing))
    if questions:
        raise UnrecognisedError("\n".join(in_words(question, len(tables)) for question in questions))
    return drafts, skipped


def _settled(
    proposing: Callable[..., Proposal],
    described: Described,
    words: str,
    options: Options,
    ask: Callable[[Question], str] | None,
) -> tuple[Described, Proposal]:
    """The table and its proposal, after everything that the table leaves open has been asked.

    Raises:
        OpenQuestionError: something is open, and there is no `ask`.
    """
    answers: dict[str, str | None] = {
        option: getattr(options, option) for option in ("dates", "decimal", "rates", "amounts")
    }
    while True:
        try:
            proposal = proposing(described, rates=answers["rates"], amounts=answers["amounts"])
            question = _open_question(proposal, described, words)
        except OpenQuestionError as error:
            question = replace(error.question, table=words)
        if question is None:
            return described, proposal
        if ask is None or answers[question.option]:  # an answer that does not settle it would be asked for again
            raise OpenQuestionError(question)
        answers[question.option] = ask(question)
        described = read_again(described, answers["dates"], answers["decimal"])


def _open_question(proposal: Proposal, described: Described, words: str) -> Question | None:
    """How to read a column that the entity has a place for, if its cells leave that open."""
    for name in proposal.may_be_cents:
        text = f"{name} holds whole numbers only, such as {described.column(name).example}: are they cents"
        return Question(words, text, AMOUNTS, "amounts")
    hints = {mapped.hint for mapped in proposal.columns if mapped.column is None}
    found = (column for column in described.columns if column.ambiguous and left_open(column) in hints)
    return next((on_ways_of_reading(words, column) for column in found), None)


# --- Writing ----------------------------------------------------------------------------------------------------------


def _write_together(drafts: Sequence[Draft], company_dir: Path, force: bool) -> list[list[Path]]:
    """Write all drafts, or none: they are put together in another folder. Returns the paths for each draft."""
    with tempfile.TemporaryDirectory() as folder:
        aside = Path(folder)
        for place in {place for draft in drafts for place in (draft.source_path, draft.models_path)}:
            if (company_dir / place).is_dir():
                shutil.copytree(company_dir / place, aside / place)
            elif (company_dir / place).exists():
                (aside / place).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(company_dir / place, aside / place)
        written = []
        for draft in drafts:
            now = replace(draft, replaces=existing_source(aside, draft.source))
            written.append([path.relative_to(aside) for path in write_draft(now, aside, force)])
        for place in {draft.models_path for draft in drafts}:
            for path in (company_dir / place).glob("*.sql"):
                if not (aside / place / path.name).exists():  # a model of what the table was taken for before
                    path.unlink()
        for path in {path for paths in written for path in paths}:
            (company_dir / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(aside / path, company_dir / path)
    return [[company_dir / path for path in paths] for paths in written]


def _newest_day(draft: Draft, today: date) -> date | None:
    """The newest day of which a file says that something happened. An open deal is only expected to close."""
    proposal, described = draft.proposal, draft.described
    columns = {m.name: m.column.name for m in proposal.columns if m.column and m.sql_type in ("timestamp", "date")}
    columns.pop("expected_close_date", None)
    dates = []
    outcome = proposal.source_of("is_closed")
    if outcome and (closed_at := columns.pop("closed_at", None)):
        closed = zip(described.sample, closed_rows(outcome, described.cells(outcome.name)), strict=True)
        sample = tuple(row for row, is_closed in closed if is_closed)
        dates.append(newest_date(replace(described, sample=sample), [closed_at], today))
    dates.append(newest_date(described, columns.values(), today))
    return max((day for day in dates if day), default=None)


def _usual_day(tables: Sequence[Given], drafts: Sequence[Draft], settings: Settings) -> date:
    """The delivery day of files whose name has none: the newest date in any of them, or else the newest possible day.
    Files that are added together were made together."""
    today = business_day(settings)
    dates = []
    for table, draft in zip(tables, drafts, strict=True):
        if table.files and table.day is None:
            dates.append(_newest_day(draft, today))
    newest = settings.last_delivery if settings.sources and settings.last_delivery else today - timedelta(days=1)
    return max((day for day in dates if day), default=newest)


def _placed(file: File, draft: Draft, usual: date, settings: Settings) -> Placed:
    day = file.named.day or usual
    usual_name = Path(draft.origin.path or "").name.format(delivered_on=day)
    name = file.path.name if fnmatchcase(file.path.name, usual_name) else usual_name
    return Placed(file, day, settings.landing_dir / draft.source / name)


def _delivered(addition: Addition) -> Addition:
    """Copy the files to the landing folder, and enable the source, unless a person has to complete something first."""
    if any(is_unpacked(added.draft.described) for added in addition.tables):
        return addition
    files = [placed for added in addition.tables for placed in added.files]
    addition = replace(
        addition, copied=tuple(placed.path for placed in files if copy_to_landing(placed.file.path, placed.path))
    )
    if any(added.draft.proposal.missing for added in addition.tables):
        return addition
    try:
        change_settings(settings_file(), addition.settings)
    except ConfigError:  # written in a way that only a person can change: it is among the next steps
        return addition
    return replace(addition, is_enabled=True)


def _settings_needed(settings: Settings, source: str, days: Sequence[date]) -> dict[str, Any]:
    """The settings that differ from what they are when the source is enabled and these are among the delivery days.

    Beside data of one's own, the demo company's sources are not kept.
    """
    enabled = [name for name in settings.sources if is_changeable() or name not in shipped_sources()]
    needed: dict[str, Any] = {"sources": [*enabled, source] if source not in enabled else settings.sources}
    if days:
        if not enabled or min(days) < settings.first_delivery:
            needed["first_delivery"] = min(days)
        has_ended = not enabled and business_day(settings) - max(days) > _LONG_AGO
        if has_ended or (settings.last_delivery and max(days) > settings.last_delivery):
            needed["last_delivery"] = max(days)
    return {key: value for key, value in needed.items() if getattr(settings, key) != value}

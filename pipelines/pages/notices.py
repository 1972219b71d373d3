"""What may be wrong with a publication as a whole: old numbers, deliveries that are missing, checks that failed.

Belongs here: which notices there are, in the reader's language. Does not belong here: what concerns one KPI
(`trust.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from pipelines.pages.view import View
from pipelines.pages.words import EN_DASH

_STALE_AFTER = timedelta(days=2)  # of a publication; one is made every day


@dataclass(frozen=True)
class Notice:
    """A sentence that stands above everything else on a page."""

    kind: Literal["bad", "warning"]
    title: str
    text: str


def notices_of(view: View) -> list[Notice]:
    """The notices about the publication that is shown, the worst first."""
    return [*_blocked(view), *_stale(view), *_deliveries(view), *_behind(view), *_failed_checks(view)]


def _blocked(view: View) -> Iterator[Notice]:
    """A run after this publication that published nothing."""
    run, published_at = view.opened.blocked_run, _utc(view.publication.published_at)
    if run and _utc(run.at) > published_at:
        words = view.words
        yield Notice(
            "bad",
            words.text("The run of %(when)s was blocked.", when=words.moment(run.at, view.zone)),
            words.counted(
                "It had %(num)s problem and published nothing; these are the numbers from before.",
                "It had %(num)s problems and published nothing; these are the numbers from before.",
                run.problems,
            ),
        )


def _stale(view: View) -> Iterator[Notice]:
    """A publication that no newer one has replaced in time: runs fail, are blocked, or do not start."""
    age = datetime.now(UTC) - _utc(view.publication.published_at)
    if age > _STALE_AFTER:
        yield Notice(
            "bad",
            view.words.text("These numbers are old."),
            view.words.counted(
                "Nothing has been published for %(num)s day: the daily run failed, was blocked or did not start.",
                "Nothing has been published for %(num)s days: the daily run failed, was blocked or did not start.",
                age.days,
            ),
        )


def _deliveries(view: View) -> Iterator[Notice]:
    rows = view.execute(
        """
        select source || '.' || table_name, count(*), min(delivered_on), max(delivered_on)
        from meta.deliveries_in_question
        where state in ('missing', 'refused', 'left_out')
            and delivered_on <= (select any_value(as_of_date) from meta.publication)
        group by all
        order by max(delivered_on) desc, 1
        """
    ).fetchall()
    if rows:
        words = view.words
        tables = [
            f"{table} ({words.short_day(first)}{'' if first == last else f' {EN_DASH} {words.short_day(last)}'})"
            for table, _, first, last in rows[:4]
        ]
        more = len(rows) - len(tables)
        if more:
            tables.append(words.counted("%(num)s more table", "%(num)s more tables", more))
        yield Notice(
            "bad",
            words.text("Deliveries are missing from these numbers."),
            words.text("Missing, refused or left out: %(tables)s.", tables=words.listed(tables)),
        )


def _behind(view: View) -> Iterator[Notice]:
    rows = view.execute(
        """
        select source, data_through
        from meta.publication
        where data_through < as_of_date
        order by data_through, source
        """
    ).fetchall()
    if rows:
        words = view.words
        sources = [words.text("%(source)s to %(day)s", source=source, day=words.short_day(day)) for source, day in rows]
        yield Notice(
            "warning",
            words.text("Not all sources are up to date."),
            words.text("They have delivered: %(sources)s.", sources=words.listed(sources)),
        )


def _failed_checks(view: View) -> Iterator[Notice]:
    found = view.execute(
        """
        select count(*) filter (severity = 'critical'), count(*) filter (error is not null)
        from meta.check_results
        where run_id = (select any_value(run_id) from meta.publication) and not passed
        """
    ).fetchone()
    critical, broken = found or (0, 0)
    words = view.words
    if critical:
        yield Notice(
            "bad",
            words.counted("%(num)s critical check failed.", "%(num)s critical checks failed.", critical),
            words.text("A person accepted what they found; see Data health."),
        )
    if broken:
        yield Notice(
            "warning",
            words.counted("%(num)s check could not be executed.", "%(num)s checks could not be executed.", broken),
            words.text("These numbers are only partly checked; see Data health."),
        )


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

"""`alerts.yml`: notification channels and routing rules.

Belongs here: the structure of the file, and which channels an incident goes to at a given time.
Does not belong here: sending (`channels.py`), and when an incident is worth a notification (`incidents.py`).
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, field_validator, model_validator

from pipelines.alerts.masking import Secrets
from pipelines.checks.suites import Severity
from pipelines.config_files import clock, load_yaml_model
from pipelines.settings import Language

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Hours = Annotated[float, Field(gt=0, le=100_000)]
When = Literal["off", "weekly", "on_change"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _name_of_variable(value: Any) -> Any:
    if not isinstance(value, str) or not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", value):
        raise ValueError(
            "expected the name of an environment variable, like ALERTS_MAIL_URL. "
            "The secret itself does not belong in this file, which everybody can read."
        )
    return value


_EnvironmentVariable = Annotated[str, Field(min_length=1)]


class _Channel(_Part):
    """What all channels share.

    Attributes:
        digest: when the channel receives what moved in the numbers.
        language: of its digests.
    """

    # YAML reads an unquoted `off` as false.
    digest: Annotated[When, BeforeValidator(lambda value: "off" if value is False else value)] = "off"
    language: Language = "en"

    @model_validator(mode="before")
    @classmethod
    def _no_secrets(cls, data: Any) -> Any:
        for name in ("url", "urls", "secret", "routing_key", "password", "token"):
            if isinstance(data, dict) and name in data:
                raise ValueError(
                    f"`{name}` would put a secret into this file. Set an environment variable to it, and write "
                    f"`{'url' if name == 'urls' else name}_env: NAME_OF_THE_VARIABLE`."
                )
        return data

    @field_validator("url_env", "secret_env", "routing_key_env", mode="before", check_fields=False)
    @classmethod
    def _variables_are_named(cls, value: Any) -> Any:
        return _name_of_variable(value)

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that contain its secrets."""
        return ()


class AppriseChannel(_Channel):
    """Any service that Apprise supports: e-mail, Slack, Teams and others. The variable holds one or more URLs."""

    kind: Literal["apprise"]
    url_env: _EnvironmentVariable

    @property
    def variables(self) -> tuple[str, ...]:
        return (self.url_env,)


class WebhookChannel(_Channel):
    """A signed POST request with the notification as JSON."""

    kind: Literal["webhook"]
    url_env: _EnvironmentVariable
    secret_env: _EnvironmentVariable

    @property
    def variables(self) -> tuple[str, ...]:
        return (self.url_env, self.secret_env)


class PagerDutyChannel(_Channel):
    """PagerDuty's Events API v2. Each incident here is one in PagerDuty, acknowledged and resolved along with it."""

    kind: Literal["pagerduty"]
    routing_key_env: _EnvironmentVariable
    endpoint: Annotated[str, Field(pattern=r"^https?://[^\s@?#]+$")] = "https://events.pagerduty.com/v2/enqueue"

    @field_validator("digest")
    @classmethod
    def _wakes_nobody_for_a_digest(cls, value: When) -> When:
        if value != "off":
            raise ValueError("PagerDuty takes incidents only. Have the digest sent over another channel.")
        return value

    @property
    def variables(self) -> tuple[str, ...]:
        return (self.routing_key_env,)


class FileChannel(_Channel):
    """Notifications as lines of JSON in a file below the data folder."""

    kind: Literal["file"]
    path: Path = Path("alerts/notices.jsonl")

    @field_validator("path")
    @classmethod
    def _stays_in_the_data_folder(cls, value: Path) -> Path:
        if value.is_absolute() or ".." in value.parts:
            raise ValueError("the path leads out of the data folder. Write it relative to that folder, without `..`.")
        return value


class TerminalChannel(_Channel):
    """The standard error of the sending process."""

    kind: Literal["terminal"]


Channel = Annotated[
    AppriseChannel | WebhookChannel | PagerDutyChannel | FileChannel | TerminalChannel, Discriminator("kind")
]


TimeOfDay = Annotated[time, BeforeValidator(clock)]


class OfficeHours(_Part):
    """When a route sends notifications, in the business time zone. Outside these hours, they are held until the hours
    begin."""

    weekdays: Annotated[tuple[Weekday, ...], Field(min_length=1)] = WEEKDAYS[:5]
    begin: TimeOfDay = Field(alias="from")
    end: TimeOfDay = Field(alias="to")  # if earlier than `from`, on the next day
    critical: Literal["at_once", "held"] = "at_once"

    @model_validator(mode="after")
    def _open_at_all(self) -> "OfficeHours":
        if self.begin == self.end:
            raise ValueError("`from` and `to` are the same time. For a route that always applies, leave `hours` out.")
        return self

    def opening(self, now: datetime, zone: ZoneInfo) -> datetime:
        """The first time from `now` on that is within the hours, in UTC; `now` itself if it is."""
        today = now.astimezone(zone).date()
        for offset in range(-1, 15):  # two weeks, since a clock change can skip short hours
            day = today + timedelta(days=offset)
            if WEEKDAYS[day.weekday()] not in self.weekdays:
                continue
            last_day = day if self.begin < self.end else day + timedelta(days=1)
            begin = datetime.combine(day, self.begin, zone).astimezone(UTC)
            end = datetime.combine(last_day, self.end, zone).astimezone(UTC)
            if now < end and begin < end:
                return max(now, begin)
        return now


class Route(_Part):
    """A routing rule. An incident follows every route that matches it; no channel receives it twice."""

    severities: Annotated[tuple[Severity, ...], Field(min_length=1)] = ("critical", "warning")
    owners: tuple[str, ...] = ()  # matches any of them; if empty, all owners
    tags: tuple[str, ...] = ()  # matches any of them; if empty, any tags or none
    channels: Annotated[tuple[str, ...], Field(min_length=1)]
    hours: OfficeHours | None = None
    escalate_to: tuple[str, ...] = ()
    escalate_after_hours: Hours = 4

    def fits(self, severity: Severity, owner: str, tags: tuple[str, ...]) -> bool:
        """True if this route matches an incident."""
        return (
            severity in self.severities
            and (not self.owners or owner in self.owners)
            and (not self.tags or not set(self.tags).isdisjoint(tags))
        )

    def due(self, severity: Severity, now: datetime, zone: ZoneInfo) -> datetime:
        """When a notification of the incident may be sent."""
        if self.hours is None or (severity == "critical" and self.hours.critical == "at_once"):
            return now
        return self.hours.opening(now, zone)


class RenotifyHours(_Part):
    """Hours between reminders while a check keeps failing; null: no reminders."""

    critical: Hours | None = 24
    warning: Hours | None = 72
    info: Hours | None = None

    def interval(self, severity: Severity) -> timedelta | None:
        """The time between two notifications of an incident."""
        hours: float | None = getattr(self, severity)
        return None if hours is None else timedelta(hours=hours)


class Flapping(_Part):
    """An incident that reopens `reopened` times `within_days` is flapping until it stays resolved for as many days."""

    reopened: int = Field(default=3, ge=1)
    within_days: float = Field(default=7, gt=0, le=60)  # resolved incidents are kept for ninety days

    @property
    def window(self) -> timedelta:
        return timedelta(days=self.within_days)


class Delivery(_Part):
    """How long to wait for an endpoint, and how often to try."""

    connect_seconds: float = Field(default=5, gt=0)
    read_seconds: float = Field(default=10, gt=0)
    flush_seconds: float = Field(default=20, gt=0)  # for all messages of one flush
    attempts: int = Field(default=8, ge=1, le=100)
    first_retry_seconds: float = Field(default=60, ge=0)  # doubled after each attempt
    longest_retry_seconds: float = Field(default=3600, gt=0)

    def wait(self, attempts: int) -> timedelta:
        """The time between the attempt with this number, counted from one, and the next attempt."""
        return timedelta(seconds=min(self.first_retry_seconds * 2 ** (attempts - 1), self.longest_retry_seconds))


class Watch(_Part):
    """When a watch reports a problem.

    Attributes:
        run_due: the time of day, in the business time zone, by which yesterday's delivery day must have a run.
        stale_after_days: how many days published numbers may be behind yesterday.
        silent_after_minutes: a run that logs nothing for this long counts as hanging.
    """

    run_due: TimeOfDay = time(12, 0)
    stale_after_days: int = Field(default=1, ge=0)
    silent_after_minutes: int = Field(default=30, ge=1)


class AlertsFile(_Part):
    """The keys of `alerts.yml`."""

    channels: Annotated[dict[Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")], Channel], Field(min_length=1)]
    routes: Annotated[tuple[Route, ...], Field(min_length=1)]
    renotify_hours: RenotifyHours = RenotifyHours()
    flapping: Flapping = Flapping()
    delivery: Delivery = Delivery()
    watch: Watch = Watch()

    @model_validator(mode="after")
    def _everything_is_connected(self) -> "AlertsFile":
        for number, route in enumerate(self.routes, start=1):
            for name in (*route.channels, *route.escalate_to):
                if name not in self.channels:
                    raise ValueError(
                        f"route {number} names the channel {name!r}, which is not among the channels: "
                        f"{', '.join(self.channels)}."
                    )
        if not any("critical" in route.severities and not route.owners and not route.tags for route in self.routes):
            raise ValueError(
                "some critical incidents match no route, so nobody would be notified. "
                "Add a route for critical incidents without `owners` and `tags`."
            )
        return self

    @cached_property
    def variables(self) -> tuple[str, ...]:
        """Every environment variable that contains a secret."""
        return tuple(name for channel in self.channels.values() for name in channel.variables)

    def secrets(self) -> Secrets:
        """The secrets that are set in this process."""
        return Secrets.of_variables(self.variables)

    def channels_for(
        self, severity: Severity, owner: str, tags: tuple[str, ...], now: datetime, zone: ZoneInfo
    ) -> dict[str, datetime]:
        """The channels over which an incident is notified, and the time from which each may be used."""
        found: dict[str, datetime] = {}
        for route in self._routes(severity, owner, tags):
            due = route.due(severity, now, zone)
            for name in route.channels:
                found[name] = min(due, found.get(name, due))
        return found

    def escalations(
        self,
        severity: Severity,
        owner: str,
        tags: tuple[str, ...],
        notified_for: timedelta,
        now: datetime,
        zone: ZoneInfo,
    ) -> dict[str, datetime]:
        """The channels to which an incident escalates that nobody has acknowledged for this long, and when."""
        return {
            name: route.due(severity, now, zone)
            for route in self._routes(severity, owner, tags)
            if notified_for >= timedelta(hours=route.escalate_after_hours)
            for name in route.escalate_to
        }

    def _routes(self, severity: Severity, owner: str, tags: tuple[str, ...]) -> Iterator[Route]:
        return (route for route in self.routes if route.fits(severity, owner, tags))


def load_alerts(path: Path) -> AlertsFile:
    """Read `alerts.yml`.

    Raises:
        ConfigError: the file is invalid; the message lists every problem as `file:line: setting: problem`.
    """
    return load_yaml_model(path, AlertsFile)

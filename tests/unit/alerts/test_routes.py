"""What `alerts.yml` may contain, and when its office hours are open."""

import re
from datetime import UTC, datetime, time
from pathlib import Path
from typing import get_args
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from pipelines.alerts.routes import AlertsFile, AppriseChannel, Flapping, OfficeHours, RenotifyHours, Watch, load_alerts
from pipelines.config_files import ConfigError
from pipelines.pages.words import LANGUAGES
from pipelines.settings import load_settings
from tests.conftest import PROJECT_DIR

WARSAW = ZoneInfo("Europe/Warsaw")


def load(folder: Path, text: str) -> AlertsFile:
    path = folder / "alerts.yml"
    path.write_text(text, encoding="utf-8")
    return load_alerts(path)


def test_the_shipped_file_needs_no_secret() -> None:
    alerts = load_alerts(PROJECT_DIR / "alerts.yml")
    assert list(alerts.channels) == ["file"]
    assert alerts.variables == ()


def test_the_shipped_files_examples_can_be_used(tmp_path: Path) -> None:
    head, channels, rest = (PROJECT_DIR / "alerts.yml").read_text(encoding="utf-8").partition("channels:\n")
    rest = re.sub("^# (?=renotify_hours|flapping|watch)", "", rest, flags=re.MULTILINE)
    alerts = load(tmp_path, head + channels + re.sub("^# ", "  ", rest, flags=re.MULTILINE))
    assert set(alerts.channels) == {"file", "terminal", "mail", "slack", "pager", "hook"}
    assert len(alerts.routes) == 3
    defaults = (RenotifyHours(), Flapping(), Watch())
    assert (alerts.renotify_hours, alerts.flapping, alerts.watch) == defaults, "examples show the defaults"


CHANNELS = "channels:\n  file: {kind: file}\n"
ROUTES = "routes:\n  - channels: [file]\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (ROUTES, "alerts.yml:1: channels: missing. Add it."),
        (CHANNELS, "alerts.yml:1: routes: missing. Add it."),
        ("channels:\n  mail: {kind: apprise, url: 'slack://a/b/c'}\n" + ROUTES, "`url` would put a secret"),
        ("channels:\n  mail: {kind: apprise, url_env: 'slack://tok/en'}\n" + ROUTES, "expected the name of an env"),
        ("channels:\n  pd: {kind: pagerduty, routing_key: abc}\n" + ROUTES, "`routing_key_env: NAME_OF_THE_VARIABLE`"),
        ("channels:\n  f: {kind: file, path: ../x}\n" + ROUTES, "the path leads out of the data folder"),
        ("channels:\n  f: {kind: fax}\n" + ROUTES, "fax"),
        ("channels:\n  f: {kind: file, digest: daily}\n" + ROUTES, "digest: Input should be 'off', 'weekly' or"),
        ("channels:\n  f: {kind: file, language: de}\n" + ROUTES, "language: Input should be 'en' or 'pl'"),
        ("channels:\n  p: {kind: pagerduty, routing_key_env: K, digest: weekly}\n" + ROUTES, "takes incidents only"),
        (CHANNELS + "routes:\n  - channels: [phone]\n", "route 1 names the channel 'phone'"),
        (CHANNELS + "routes:\n  - {channels: [file], escalate_to: [phone]}\n", "route 1 names the channel 'phone'"),
        (CHANNELS + "routes:\n  - {channels: [file], owners: [a]}\n", "critical incidents match no route"),
        (CHANNELS + "routes:\n  - {channels: [file], severities: [warning]}\n", "critical incidents match no route"),
        (CHANNELS + "routes:\n  - {channels: [file], hours: {from: 8, to: 18:00}}\n", 'like "08:00"'),
        (CHANNELS + "routes:\n  - {channels: [file], hours: {from: 18:00, to: 18:00}}\n", "are the same time"),
        (CHANNELS + ROUTES + "renotify_hours: {critical: 0}\n", "alerts.yml:5: renotify_hours.critical"),
        (CHANNELS + ROUTES + "colour: red\n", "alerts.yml:5: colour: unknown key"),
    ],
)
def test_what_cannot_be_used_is_told_and_secrets_are_not_repeated(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as error:
        load(tmp_path, text)
    assert problem in str(error.value)
    assert "slack://" not in str(error.value)


def test_digests_are_off_until_a_channel_asks_for_them(tmp_path: Path) -> None:
    text = "channels:\n  a: {kind: file}\n  b: {kind: file, digest: off}\n  c: {kind: file, digest: 'off'}\n"
    asked = "  d: {kind: file, digest: weekly, language: pl}\n"
    channels = load(tmp_path, text + asked + ROUTES.replace("file", "a")).channels
    assert [channel.digest for channel in channels.values()] == ["off", "off", "off", "weekly"]
    assert [channel.language for channel in channels.values()] == ["en", "en", "en", "pl"]


def test_digests_have_the_languages_of_the_pages() -> None:
    known = get_args(AppriseChannel.model_fields["language"].annotation)
    assert set(known) == set(LANGUAGES)


def test_times_are_read_with_and_without_quotes() -> None:
    hours = OfficeHours.model_validate({"from": "08:00", "to": 1080})  # YAML's 18:00
    assert (hours.begin, hours.end) == (time(8), time(18))
    with pytest.raises(ValidationError):
        OfficeHours.model_validate({"from": "8", "to": "24:00"})


@pytest.mark.parametrize(
    ("hours", "now", "opens"),
    [
        ({"from": "08:00", "to": "18:00"}, "2026-01-12 07:59", "2026-01-12 08:00"),  # a Monday
        ({"from": "08:00", "to": "18:00"}, "2026-01-12 08:00", "2026-01-12 08:00"),
        ({"from": "08:00", "to": "18:00"}, "2026-01-12 17:59", "2026-01-12 17:59"),
        ({"from": "08:00", "to": "18:00"}, "2026-01-12 18:00", "2026-01-13 08:00"),
        ({"from": "08:00", "to": "18:00"}, "2026-01-16 18:00", "2026-01-19 08:00"),  # over the weekend
        ({"from": "08:00", "to": "18:00", "weekdays": ["sun"]}, "2026-01-12 10:00", "2026-01-18 08:00"),
        ({"from": "22:00", "to": "06:00"}, "2026-01-13 03:00", "2026-01-13 03:00"),  # Monday's night
        ({"from": "22:00", "to": "06:00"}, "2026-01-12 03:00", "2026-01-12 22:00"),  # Sunday's night is not open
        ({"from": "08:00", "to": "18:00", "weekdays": ["sun"]}, "2026-03-28 12:00", "2026-03-29 08:00"),  # summer time
        ({"from": "02:15", "to": "02:45", "weekdays": ["sun"]}, "2026-03-28 12:00", "2026-03-29 02:15"),  # skipped hour
    ],
)
def test_hours_open_in_the_business_time_zone(hours: dict[str, object], now: str, opens: str) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=WARSAW)
    found = OfficeHours.model_validate(hours).opening(moment, WARSAW)
    assert found.astimezone(UTC) == datetime.fromisoformat(opens).replace(tzinfo=WARSAW).astimezone(UTC)


def test_where_the_file_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "kpi.yml"
    config.write_text("sources: [a]\nfirst_delivery: 2026-01-01\ntime_zone: UTC\nreporting_currency: EUR\n")
    assert load_settings(config).alerts_file == PROJECT_DIR / "alerts.yml"
    (tmp_path / "alerts.yml").touch()
    assert load_settings(config).alerts_file == tmp_path / "alerts.yml"
    monkeypatch.setenv("KPI_ALERTS", "other.yml")
    assert load_settings(config).alerts_file == tmp_path / "other.yml"

"""Queries an HTTP API, page by page, for the records that last changed in a window.

dlt handles requests, retries, rate limits and pagination. This module adds three rules: numbers keep their digits, a
response that is not a list of records is an error and never "no rows", and secrets go only to the API's own host.
"""

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast
from urllib.parse import urljoin, urlsplit

# dlt sends no telemetry, and looks for no configuration of its own.
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"

import requests
import simplejson
from dlt.common import jsonpath
from dlt.common.configuration.specs import RuntimeConfiguration
from dlt.sources.helpers.requests import Client
from dlt.sources.helpers.rest_client.auth import APIKeyAuth, BearerTokenAuth, HttpBasicAuth
from dlt.sources.helpers.rest_client.client import RESTClient
from dlt.sources.helpers.rest_client.paginators import BasePaginator
from dlt.sources.rest_api.config_setup import create_paginator

from pipelines.config_files import ConfigError
from pipelines.ingest.connectors.delivery import Retries, Row, UnreachableError, Window, secret
from pipelines.ingest.gate import DeliveryError
from pipelines.sources import Source, Table
from pipelines.sources.fetching import ApiKeyAuth, BearerAuth, RestFetch

_TIMEOUT_SECONDS = 60
_MOST_READINGS = 10
_TRY_AGAIN = "Run the day again later; if the problem persists, ask whoever runs the API."


def rows(source: Source, table_name: str, table: Table, window: Window, retries: Retries) -> Iterator[Row]:
    """The records of the window, every value as text, ordered by cursor and key.

    Raises:
        UnreachableError: the API cannot be reached, or refuses the request.
        DeliveryError: it returns something other than the expected records.
        ConfigError: an environment variable that the source names is not set, or the paginator's settings do not fit.
    """
    assert isinstance(table.fetch, RestFetch)
    fetch, label = table.fetch, f"{source.name}.{table_name}"
    found = list(_read(source, fetch, label, window, retries))
    if fetch.paginator["type"] != "single_page" and (fetch.cursor is None or window.start is None):
        found += _skipped(found, table.key, lambda: _read(source, fetch, label, window, retries), label)
    order = [*([fetch.cursor] if fetch.cursor else []), *table.key]
    yield from sorted(found, key=lambda row: ([row.get(name) or "" for name in order], json.dumps(row)))


def _read(source: Source, fetch: RestFetch, label: str, window: Window, retries: Retries) -> Iterator[Row]:
    """The records of the window, in the order of the pages."""
    for number, record in enumerate(_records(source, fetch, label, window, retries), start=1):
        if fetch.cursor is None or _in_window(record, fetch, window, f"{label}: record {number}"):
            yield {name: _text(value) for name, value in record.items()}


def _skipped(found: list[Row], key: list[str], read: Callable[[], Iterator[Row]], label: str) -> list[Row]:
    """Records that pages skipped because earlier records disappeared during reading. No later window contains the
    history again.

    Everything is read again until a pass finds no new key.
    """

    def key_of(row: Row) -> tuple[str | None, ...]:
        return tuple(row.get(name) for name in key if name in row) or tuple(row.values())

    seen = {key_of(row) for row in found}
    skipped: list[Row] = []
    for _ in range(_MOST_READINGS):
        new = [row for row in read() if key_of(row) not in seen]
        if not new:
            return skipped
        skipped += new
        seen.update(key_of(row) for row in new)
    raise DeliveryError(
        f"{label}: records change faster than they can be read: each of {_MOST_READINGS} passes found new ones. "
        "Name a `cursor` in the table's `fetch`, or run the day when the API is quiet."
    )


def _records(
    source: Source, fetch: RestFetch, label: str, window: Window, retries: Retries
) -> Iterator[dict[str, Any]]:
    client, params = _client(source, label, retries), {**fetch.params, **_window_params(fetch, window)}
    asked: set[str] = set()
    try:
        for page in client.paginate(
            fetch.path,
            params=params,
            paginator=_paginator(fetch, label),
            data_selector=fetch.data_selector,
            allow_redirects=False,  # redirects would send a key in a header to any host
        ):
            yield from page
            if page.paginator.has_next_page:
                _check_next_page(page.request, asked, client.base_url, label)
    except requests.HTTPError as error:
        code = error.response.status_code if error.response is not None else 0
        raise UnreachableError(f"{label}: {fetch.path} returned HTTP status {code}. {_next_step(code)}") from None
    except requests.RequestException as error:  # its text contains the URL, possibly with a key
        raise UnreachableError(
            f"{label}: {fetch.path} of {_host(client.base_url)} cannot be read "
            f"({type(error).__name__}, {retries.attempts} attempts). {_TRY_AGAIN}"
        ) from None
    except ValueError as error:  # from dlt's paginators; its text contains the whole response
        raise DeliveryError(
            f"{label}: {fetch.path}: the paginator {fetch.paginator['type']} does not find what it needs in the "
            f"response ({str(error).split(' in ')[0][:80]}). Correct `paginator` in the source's YAML."
        ) from None


def _next_step(status: int) -> str:
    if status in (401, 403):
        return "Check that the secrets that `auth` names are correct and have not expired."
    if status in (400, 404, 405, 410, 422):
        return "Correct `base_url`, `path` and `params` in the source's YAML."
    return _TRY_AGAIN


class _Client(RESTClient):
    """dlt's client with strict rules for what counts as a page."""

    label = ""

    def extract_response(self, response: requests.Response, data_selector: jsonpath.TJsonPath) -> list[Any]:
        if response.is_redirect:
            place = _origin(urljoin(response.url, response.headers["Location"]))
            raise UnreachableError(
                f"{self.label}: the API redirects to {place}, and secrets are not sent there. If that is the API's "
                "new address, correct `base_url` and `path` in the source's YAML."
            )
        try:
            answer = _parsed(response)
        except ValueError:
            kind = response.headers.get("Content-Type", "an unspecified type").partition(";")[0][:60]
            raise DeliveryError(
                f"{self.label}: the response is not JSON but {kind}, {len(response.content)} bytes. {_TRY_AGAIN}"
            ) from None
        selected = jsonpath.find_values(data_selector, answer)
        if len(selected) != 1 or not isinstance(selected[0], list):
            names = (
                f"an object with {', '.join(list(answer)[:5])}" if isinstance(answer, dict) else type(answer).__name__
            )
            raise DeliveryError(
                f"{self.label}: the response has no list of records at {data_selector!r}; it is {names}. "
                "Correct `data_selector` in the source's YAML, or ask whoever runs the API."
            )
        for position, record in enumerate(selected[0], start=1):
            if not isinstance(record, dict):
                raise DeliveryError(
                    f"{self.label}: record {position} of a page is a {type(record).__name__}, not an object. "
                    "Correct `data_selector` in the source's YAML."
                )
        return selected[0]


def _client(source: Source, label: str, retries: Retries) -> _Client:
    session = Client(
        request_timeout=_TIMEOUT_SECONDS,
        raise_for_status=False,
        request_max_attempts=retries.attempts,
        request_backoff_factor=retries.first_wait_seconds,
        request_max_retry_delay=retries.longest_wait_seconds,
        retry_condition=_is_cut,
    ).session
    base_url = source.base_url or secret(source.base_url_env or "", source.name, "base_url_env")
    client = _Client(base_url, auth=_auth(source), session=session, config=RuntimeConfiguration())
    client.label = label
    return client


def _auth(source: Source) -> requests.auth.AuthBase | None:
    auth = source.auth
    if auth is None:
        return None
    if isinstance(auth, BearerAuth):
        return BearerTokenAuth(token=secret(auth.token_env, source.name, "auth.token_env"))
    if isinstance(auth, ApiKeyAuth):
        key = secret(auth.key_env, source.name, "auth.key_env")
        return APIKeyAuth(name=auth.name, api_key=key, location=auth.location)
    return HttpBasicAuth(
        username=secret(auth.user_env, source.name, "auth.user_env"),
        password=secret(auth.password_env, source.name, "auth.password_env"),
    )


def _paginator(fetch: RestFetch, label: str) -> BasePaginator:
    try:
        paginator = create_paginator(cast(Any, fetch.paginator))
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"{label}: `fetch.paginator`: {error}. docs/connect/rest.md lists the settings of each paginator."
        ) from None
    assert paginator is not None
    return paginator


def _is_cut(response: requests.Response | None, exception: BaseException | None) -> bool:
    """Whether to request a page again: it is incomplete, or a proxy with a temporary problem sent it."""
    if response is None or not response.ok or response.is_redirect:
        return False
    try:
        _parsed(response)
    except ValueError:
        return True
    return False


def _parsed(response: requests.Response) -> Any:
    return json.loads(response.content, parse_float=Decimal, parse_constant=str)


def _check_next_page(request: requests.Request, asked: set[str], base_url: str, label: str) -> None:
    """Ensure that the next page is on the API's own host and has not been read yet."""
    origin, expected = _origin(str(request.url)), _origin(base_url)
    if origin != expected:
        raise DeliveryError(
            f"{label}: the API says that the next page is at {origin}, not at {expected}, but secrets are sent only to "
            "the latter. If both belong to the API, write the former as `base_url`."
        )
    page = json.dumps([request.url, request.params], sort_keys=True)
    if page in asked:
        raise DeliveryError(
            f"{label}: the API links back to a page that has been read, so reading would never end. "
            "Correct `paginator` in the source's YAML."
        )
    asked.add(page)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{_host(url)}"


def _host(url: str) -> str:
    """Host and port, without a user and password before them."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _window_params(fetch: RestFetch, window: Window) -> dict[str, str]:
    params = {}
    if fetch.cursor_start_param and window.start:
        params[fetch.cursor_start_param] = _written(window.start, fetch, window)
    if fetch.cursor_end_param:
        params[fetch.cursor_end_param] = _written(window.end, fetch, window)
    return params


def _written(moment: datetime, fetch: RestFetch, window: Window) -> str:
    """A time in the format of the API's parameter."""
    if fetch.cursor_format == "date":
        return str(moment.astimezone(window.zone).date())
    if fetch.cursor_format == "iso":
        return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(round(moment.timestamp()) * (1000 if fetch.cursor_format == "epoch_milliseconds" else 1))


def _in_window(record: dict[str, Any], fetch: RestFetch, window: Window, place: str) -> bool:
    """Whether a record last changed in the window, however the API interpreted its parameters.

    A record that has changed since belongs to the later day whose window now contains it. A record without a time of
    change is always included.
    """
    assert fetch.cursor is not None
    if fetch.cursor not in record:
        raise DeliveryError(f"{place}: the cursor {fetch.cursor!r} is missing. Correct `cursor` in the source's YAML.")
    text = _text(record[fetch.cursor])
    if not text:
        return True
    try:
        changed = _moment(text, fetch, window)
    except (ValueError, OverflowError, OSError):
        raise DeliveryError(
            f"{place}: the cursor {fetch.cursor!r} is not a time in the format `cursor_format: {fetch.cursor_format}`. "
            "Correct `cursor` or `cursor_format` in the source's YAML."
        ) from None
    return changed < window.end and (window.start is None or changed >= window.start)


def _moment(text: str, fetch: RestFetch, window: Window) -> datetime:
    if fetch.cursor_format in ("iso", "date"):
        moment = datetime.fromisoformat(text.strip())
        return moment if moment.tzinfo else moment.replace(tzinfo=window.zone)
    return datetime.fromtimestamp(float(text) / (1000 if fetch.cursor_format == "epoch_milliseconds" else 1), UTC)


def _text(value: Any) -> str | None:
    """A value as text: objects and lists as JSON, numbers with all their digits."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool | list | dict):
        return str(simplejson.dumps(value, use_decimal=True, ensure_ascii=False))
    return str(value)

"""The web application: which address shows what, in which language, to whom.

Belongs here: routes, languages, headers that protect readers, errors as pages. Does not belong here: what pages show
(`roles.py`, `sections/`), which requests are refused (`web_guard.py`), and how the server is started (`server.py`).
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import duckdb
from babel import negotiate_locale
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipelines.answers.cells import publication_of
from pipelines.answers.questions import QuestionError
from pipelines.output import Format
from pipelines.pages.behind import behind
from pipelines.pages.details import changed, cuts_of_kpi, explained, handbook, over_time
from pipelines.pages.downloads import rows_behind_file, rows_file, tables_file, target_file, values_file, why_file
from pipelines.pages.publications import Publications
from pipelines.pages.readers import EVERYTHING, Reader, Readers
from pipelines.pages.rendering import HERE, render, templates
from pipelines.pages.roles import PAGES, Page, cuts_of_page
from pipelines.pages.sections import Section
from pipelines.pages.view import COMPANY, RefusedError, State, View
from pipelines.pages.words import LANGUAGES, N_, Words
from pipelines.warehouse import NotPublishedError
from pipelines.web_guard import Guard, GuardMiddleware

_LOG = logging.getLogger("uvicorn.error")
# Pages have no scripts, frames or forms to elsewhere, and load nothing but their own style sheet and icon.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",  # a number may be replaced at any time
}


# The pages behind a number, each with its template, and the files that they offer.
_DETAILS: Mapping[str, Callable[[View], object]] = {"kpi": over_time, "explain": explained, "why": changed}
_FILES: Mapping[str, Callable[[View, Format], Response]] = {
    "kpi": values_file,
    "rows": rows_file,
    "target": target_file,
    "why": why_file,
}
_FORMS = (Format.csv, Format.xlsx)
# What says more than the numbers of one entity.
_OF_THE_COMPANY = {"why", "why.csv", "why.xlsx", "kpi.csv", "kpi.xlsx"}


@dataclass(frozen=True)
class PagesConfig:
    """What the application needs to know of the installation."""

    published_dir: Path
    zone: ZoneInfo
    readers: Readers | None = None  # who may see what; None: everybody sees all
    url: str = ""  # where a proxy serves the pages
    password: str = ""  # that whoever reads must give; empty: none


def application(config: PagesConfig) -> Starlette:
    """The pages of an installation as an ASGI application."""
    site = _Site(config)
    return Starlette(
        routes=[
            Route("/", site.to_language),
            Mount("/static", StaticFiles(directory=HERE / "static")),
            Route("/{language}", site.to_first_page),
            Route("/{language}/handbook", site.handbook),
            *(Route(f"/{{language}}/{name}", site.page(name, make)) for name, make in _DETAILS.items()),
            *(
                Route(f"/{{language}}/{name}.{form}", site.file(name, make, form))
                for name, make in _FILES.items()
                for form in _FORMS
            ),
            Route("/{language}/{page}/{section}/rows", site.rows),
            *(Route(f"/{{language}}/{{page}}/{{section}}/rows.{form}", site.rows_file(form)) for form in _FORMS),
            *(Route(f"/{{language}}/{{page}}/{{tables}}.{form}", site.tables(form)) for form in _FORMS),
            Route("/{language}/{page}", site.role_page),
        ],
        middleware=[
            Middleware(GuardMiddleware, guard=Guard(config.url, password=config.password)),
            Middleware(_ProtectingHeaders),
            Middleware(_UnderPath, root_path=urlsplit(config.url).path.rstrip("/")),
            Middleware(GZipMiddleware, minimum_size=1000),
        ],
        exception_handlers={
            HTTPException: site.http_error,
            QuestionError: site.question_error,
            NotPublishedError: site.not_published,
            duckdb.IOException: site.damaged,
            duckdb.BinderException: site.of_an_earlier_version,
            duckdb.CatalogException: site.of_an_earlier_version,
        },
    )


class _ProtectingHeaders:
    """Adds the headers that protect readers to every response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


class _UnderPath:
    """Serves the pages under a path, whether a proxy passes it on or strips it."""

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app, self._root_path = app, root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._root_path:
            path: str = scope["path"]
            if not f"{path}/".startswith(f"{self._root_path}/"):
                path = self._root_path + path
            scope = {**scope, "root_path": self._root_path, "path": path}
        await self._app(scope, receive, send)


class _Site:
    """The responses. Handlers are not coroutines, so Starlette runs them in threads, each with a cursor of its own."""

    def __init__(self, config: PagesConfig) -> None:
        self._config = config
        self._publications = Publications(config.published_dir)

    def to_language(self, request: Request) -> Response:
        """From an address without a language to the reader's own."""
        return RedirectResponse(f"{_root(request)}/{_preferred_language(request)}/{next(iter(PAGES))}", 307)

    def to_first_page(self, request: Request) -> Response:
        return RedirectResponse(f"{_root(request)}/{_language(request)}/{next(iter(PAGES))}", 307)

    def handbook(self, request: Request) -> Response:
        """What each KPI is."""
        return self._with_view(
            request, lambda view: self._page("handbook.html", view, content=handbook(view)), "handbook"
        )

    def page(self, name: str, make: Callable[[View], object]) -> Callable[[Request], Response]:
        """What responds with the page `name`, made by `make`."""

        def respond(request: Request) -> Response:
            return self._with_view(
                request,
                lambda view: self._page(f"{name}.html", view, content=make(view), offered=cuts_of_kpi(view)),
                name,
            )

        return respond

    def file(self, name: str, make: Callable[[View, Format], Response], form: Format) -> Callable[[Request], Response]:
        """What responds with a file made by `make`."""
        return lambda request: self._with_view(request, lambda view: make(view, form), f"{name}.{form}")

    def tables(self, form: Format) -> Callable[[Request], Response]:
        """What responds with the tables of a section of a page as a file."""

        def respond(request: Request) -> Response:
            page, name = _page(request), request.path_params["tables"]
            section, number = _table_of(page, name)
            return self._with_view(
                request, lambda view: tables_file(view, page, section, number, form), f"{page.name}/{name}.{form}"
            )

        return respond

    def rows(self, request: Request) -> Response:
        """The rows behind a number of a section."""
        page, section = _section(request)
        address = f"{page.name}/{section.name}/rows"
        return self._with_view(
            request, lambda view: self._page("rows.html", view, page=page, content=behind(view, section)), address
        )

    def rows_file(self, form: Format) -> Callable[[Request], Response]:
        """What responds with all rows behind a number of a section as a file."""

        def respond(request: Request) -> Response:
            page, section = _section(request)
            address = f"{page.name}/{section.name}/rows.{form}"
            return self._with_view(request, lambda view: rows_behind_file(view, page, section, form), address)

        return respond

    def role_page(self, request: Request) -> Response:
        page = _page(request)
        return self._with_view(request, partial(self._page_of_role, page), page.name)

    def _page_of_role(self, page: Page, view: View) -> Response:
        sections = [(section, section.shown(view)) for section in page.sections]
        return self._page("role.html", view, page=page, sections=sections, offered=cuts_of_page(view, page))

    def _with_view(self, request: Request, respond: Callable[[View], Response], page: str = "") -> Response:
        """The response of the page that is called `page`, made from one publication."""
        state = State.of(request.query_params)
        language = _language(request)
        reader = self._reader(request, page.partition("/")[0])
        if reader.only and state.cut == COMPANY:
            [cut, entities] = next(iter(reader.only.items()))
            own = f"{_root(request)}/{language}/{page}{state.query(cut=cut, entity=entities[0])}"
            return RedirectResponse(own, 307)
        if not reader.may_see(state.cut, state.entity):
            raise HTTPException(403, f"You may not see {state.by}.")
        with self._publications.current() as (connection, opened):
            words = Words(language, publication_of(connection).currency)
            address = f"{_root(request)}/{language}"
            view = View(connection, opened, words, state, self._config.zone, address, page, reader.only)
            view.check()
            if state.period not in ("", view.period.label):  # of another grain, or written in another way
                return RedirectResponse(f"{address}/{page}{state.query(period=view.period.label)}", 307)
            response = respond(view)
        response.set_cookie("language", language, max_age=31_536_000, samesite="lax", httponly=True)
        return response

    def _reader(self, request: Request, page: str) -> Reader:
        """Who reads.

        Raises:
            HTTPException: this reader may not open `page`.
        """
        if self._config.readers is None:
            return EVERYTHING
        reader = self._config.readers.reader(request.headers)
        if reader is None:
            raise HTTPException(403, N_("You are not among the readers of these pages. Ask who runs them."))
        if page in PAGES and not reader.may_open(page):
            raise HTTPException(403, f"This page is not for you. You may open: {', '.join(reader.pages or ())}.")
        if reader.only and page in _OF_THE_COMPANY:
            raise HTTPException(403, N_("This answer is about the whole company, and you may see only parts of it."))
        return reader

    def _page(self, template: str, view: View, **values: Any) -> HTMLResponse:
        return HTMLResponse(render(template, view, **values))

    async def http_error(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return self._error(request, error.status_code, error.detail)

    async def question_error(self, request: Request, error: Exception) -> Response:
        if isinstance(error, RefusedError):
            return self._error(request, 400, error.message, **error.values)
        return self._error(request, 400, str(error))

    async def not_published(self, request: Request, error: Exception) -> Response:
        return self._error(request, 503, "")  # the error names a path of the server

    async def damaged(self, request: Request, error: Exception) -> Response:
        """The publication cannot be read. The log names the file, which no reader needs to know."""
        _LOG.error("The published file cannot be read: %s", error)
        message = N_("The published file cannot be read. Ask who runs these pages to repair it: kpi doctor --repair.")
        return self._error(request, 503, message)

    async def of_an_earlier_version(self, request: Request, error: Exception) -> Response:
        """Tables or columns that pages need are not in the publication."""
        _LOG.error("The published file lacks what a page needs: %s", error)
        message = N_("The published file was made by an earlier version of the pipeline. Publish again: kpi run.")
        return self._error(request, 503, message)

    def _error(self, request: Request, status: int, message: str, **values: str) -> Response:
        """An error as a page; `message` is translated if it can be, and else says that it is English."""
        language = _language(request, default=_preferred_language(request))
        words = Words(language)
        said = words.text(message, **values)
        template = templates(language).get_template("error.html")
        html = template.render(
            words=words,
            status=status,
            message=said,
            is_english=said == (message % values if values else message),
            page=PAGES.get(request.path_params.get("page", "")),
            root=_root(request),
            language=language,
        )
        return HTMLResponse(html, status)


def _page(request: Request) -> Page:
    """The page of the navigation in the address.

    Raises:
        HTTPException: there is none of this name.
    """
    page = PAGES.get(request.path_params["page"])
    if page is None:
        raise HTTPException(404)
    return page


def _section(request: Request) -> tuple[Page, Section]:
    """The section in the address, and the page that it is on.

    Raises:
        HTTPException: there is none of this name.
    """
    page = _page(request)
    for section in page.sections:
        if section.name == request.path_params["section"]:
            return page, section
    raise HTTPException(404)


def _table_of(page: Page, name: str) -> tuple[Section, int]:
    """The section and the number of a table that an address names: `nps`, or `nps-2` for the second table of it.

    Raises:
        HTTPException: the page has no such section.
    """
    for section in page.sections:
        if name == section.name:
            return section, 1
        number = name.removeprefix(f"{section.name}-")
        if number != name and number.isdecimal():
            return section, int(number)
    raise HTTPException(404)


def _root(request: Request) -> str:
    """What stands before every address behind a proxy that serves the pages under a path."""
    root: str = request.scope.get("root_path", "")
    return root.rstrip("/")


def _language(request: Request, default: str = "") -> str:
    """The language in the address.

    Raises:
        HTTPException: there are no pages in it.
    """
    language = request.path_params.get("language", "")
    if language in LANGUAGES:
        return str(language)
    if default:
        return default
    raise HTTPException(404)


def _preferred_language(request: Request) -> str:
    """The language that the reader chose last, or else the first of the browser's that there is, or else English."""
    if (chosen := request.cookies.get("language")) in LANGUAGES:
        return str(chosen)
    wanted = [
        part.partition(";")[0].strip().replace("-", "_")
        for part in request.headers.get("accept-language", "").split(",")
    ]
    return negotiate_locale(wanted, list(LANGUAGES)) or "en"

"""The console's application: each request is turned into a page, or into one clear page of what was refused, and nothing leaks."""

import gzip
import logging
from functools import partial
from typing import NamedTuple
from urllib.parse import urlencode

import psycopg
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from hub.admin.accounts.attempts import SearchedTooOften
from hub.admin.accounts.provider import ProviderAway
from hub.admin.accounts.sessions import Session, SubjectUnknown, find_session
from hub.console import signing
from hub.console.entries import ENTRIES, Entry
from hub.console.frame import Frame
from hub.console.guard import COOKIE, FormForged, check_form, secured
from hub.console.language import Words, language_of
from hub.console.page import File, LookNotRecorded, Moved, Page, PageForbidden, PageUnknown, PurposeNeeded, Shown
from hub.console.rendering import STATIC
from hub.console.shared import Key, Made, SharedPages, Ways, tag_of
from hub.console.tables import csv_bytes
from hub.console.workings import Workings
from hub.domain.audit_errors import AuditPartMissing, AuditUnknown
from hub.domain.errors import (
    CaseNotFound,
    DecisionNotFound,
    FeedUnknown,
    HubError,
    SettlementNotFound,
    UnknownItem,
    ViewBehind,
    ViewsLate,
)
from hub.domain.indicators.errors import IndicatorUnknown, ReportUnknown
from hub.domain.quarantine import EventNotFound
from hub.domain.reconciliation_errors import BreakUnknown
from hub.domain.settlement_errors import CouponNotFound, FundBatchNotFound, StatementUnknown
from hub.domain.unusual_use.errors import FindingUnknown
from hub.journal.session_pool import DatabaseAway, SessionsBusy
from hub.meeting.errors import MeetingReportUnknown
from hub.telemetry.logs import security

log = logging.getLogger(__name__)

MOST_FIELDS, MOST_BYTES = 30, 16_384
STATUSES: dict[type[HubError], int] = {
    PageUnknown: 404,
    DecisionNotFound: 404,
    FeedUnknown: 404,
    EventNotFound: 404,
    UnknownItem: 404,
    MeetingReportUnknown: 404,
    IndicatorUnknown: 404,
    ReportUnknown: 404,
    CaseNotFound: 404,
    SettlementNotFound: 404,
    SubjectUnknown: 404,
    AuditUnknown: 404,
    StatementUnknown: 404,
    CouponNotFound: 404,
    FundBatchNotFound: 404,
    BreakUnknown: 404,
    FindingUnknown: 404,
    AuditPartMissing: 404,
    PageForbidden: 403,
    FormForged: 403,
    SearchedTooOften: 429,
    ProviderAway: 503,
    DatabaseAway: 503,
    SessionsBusy: 503,
    ViewBehind: 503,
    ViewsLate: 503,
    LookNotRecorded: 503,
}
TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


class TooMuchAtOnce(HubError):
    """The query took more than two seconds and was ended; ask for less."""


class Asked(NamedTuple):
    """A request as the application sees it, before it is known whose it is."""

    request: Request
    words: Words
    form: FormData


class Application:
    """The routes, and what all of them share."""

    def __init__(self, workings: Workings, *, makes_ahead: bool = False) -> None:
        """Nothing is asked of the database yet; with *makes_ahead* open pages are made before they are asked for, until `stop`."""
        self._workings, self._shared = workings, SharedPages(makes_ahead=makes_ahead)
        self._files = {file.name: file.read_bytes() for file in STATIC.iterdir() if file.suffix in TYPES}

    def stop(self) -> None:
        """Ends what goes on beside requests."""
        self._shared.stop()

    def starlette(self) -> Starlette:
        """Returns what a server runs."""
        routes = [Route("/static/{name}", self._static)]
        for path, view, method in signing.ROUTES:
            routes.append(Route(path, partial(self._open, view), methods=[method]))
        for entry in ENTRIES:
            routes.append(Route(entry.path, partial(self._page, entry), methods=[entry.method]))
            if entry.method == "GET":
                path = "/overview" if entry.path == "/" else entry.path
                routes.append(Route(f"{path}.csv", partial(self._page, entry), methods=["GET"]))
        # The more particular address first: feeds have a file of their own, and one under each name.
        routes.sort(key=lambda route: ("{" in route.path, not route.path.endswith(".csv"), route.path.count("{")))
        failures = {404: self._not_found, 405: self._not_found, 400: self._not_found}
        return Starlette(routes=routes, middleware=[Middleware(GZipMiddleware, minimum_size=700)], exception_handlers=failures)

    async def _static(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self._files:
            raise HTTPException(404)
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return secured(Response(self._files[name], media_type=TYPES[f".{name.rpartition('.')[2]}"], headers=headers), cached=True)

    async def _open(self, view: signing.View, request: Request) -> Response:
        """Answers what needs no session."""
        return secured(await self._within(request, lambda asked: view(self._workings, asked.request, asked.words, asked.form)))

    async def _page(self, entry: Entry, request: Request) -> Response:
        """Answers what needs one."""
        return secured(self._at_hand(entry, request) or await self._within(request, partial(self._answer, entry)))

    def _at_hand(self, entry: Entry, request: Request) -> Response | None:
        """Answers a refresh with what is made already, to somebody who is known: without a thread and without the database."""
        if request.headers.get("hx-request") != "true" or entry.method != "GET" or entry.is_own or request.url.path.endswith(".csv"):
            return None
        session = self._workings.seen_sessions.get(_secret_of(request))
        if session is None or not session.account.has(*entry.roles):
            return None
        words = _words(request)
        frame = Frame(self._workings, request, words, session)
        made = self._shared.at_hand(_key(entry, frame.url, words.lang, session))
        return None if made is None else _refreshed(frame, made)

    async def _within(self, request: Request, answer: "signing.Answer[Asked]") -> Response:
        words = _words(request)
        try:
            form = await _form(request)
            response = await run_in_threadpool(answer, Asked(request, words, form))
        except HubError as refusal:
            return Frame(self._workings, request, words, None).refused(refusal, status_of(refusal))
        except HTTPException:
            raise
        except Exception as error:
            log.error("console: a page failed", exc_info=error)
            return Frame(self._workings, request, words, None).failed()
        return signing.with_choices(request, response)

    def _answer(self, entry: Entry, asked: Asked) -> Response:
        request = asked.request
        session = self._session(request)
        if session is None:
            return _to_sign_in(request)
        frame = Frame(self._workings, request, asked.words, session)
        try:
            if not session.account.has(*entry.roles):
                if entry.path == "/" and (first := frame.first_page):
                    return RedirectResponse(first, status_code=303)
                security("console.forbidden", operator=session.account.name, page=entry.path)
                raise PageForbidden
            if any("\0" in part for part in request.path_params.values()):
                # Nothing has such a name, and the database takes none.
                raise PageUnknown
            if entry.method == "POST":
                check_form(request, session, asked.form)
            page = Page(self._workings, session, asked.words, request.url.path, request.path_params, request.query_params, asked.form)
            return self._shown(entry, frame, page)
        except PurposeNeeded as needed:
            return frame.purpose(needed.handle)
        except psycopg.errors.QueryCanceled:
            return frame.refused(TooMuchAtOnce(), 503)
        except HubError as refusal:
            return frame.refused(refusal, status_of(refusal))

    def _shown(self, entry: Entry, frame: Frame, page: Page) -> Response:
        if page.path.endswith(".csv"):
            return _file(entry.view(page), page)
        if frame.is_refresh:
            made = self._made(entry, frame, page)
            self._workings.seen_sessions.put(page.session)
            return _refreshed(frame, made)
        shown = entry.view(page)
        if isinstance(shown, Moved):
            return RedirectResponse(shown.to, status_code=303)
        if isinstance(shown, File):
            return _kept(shown)
        if not shown.is_live:
            return frame.whole(entry, shown, _made_now(frame, shown), shown.status)
        return frame.whole(entry, shown, self._made(entry, frame, page, shown))

    def _made(self, entry: Entry, frame: Frame, page: Page, shown: Shown | None = None) -> Made:
        """Returns the inner part of a page that refreshes itself: the same bytes for all who may see the same, unless it is one's own."""
        key = _key(entry, frame.url, page.words.lang, page.session)

        def make() -> str:
            found = entry.view(page)
            assert isinstance(found, Shown) and found.is_live, "only live pages are refreshed"
            return frame.inner(found)

        first = [shown] if shown is not None else []
        return self._shared.get(key, Ways(lambda: frame.inner(first.pop()) if first else make(), frame.refreshed))

    def _session(self, request: Request) -> Session | None:
        secret = _secret_of(request)
        if not secret:
            return None
        with self._workings.rows.session() as connection:
            return find_session(connection, secret)

    async def _not_found(self, request: Request, _: Exception) -> Response:
        return secured(Frame(self._workings, request, _words(request), None).refused(PageUnknown(), 404))


def status_of(refusal: HubError) -> int:
    """Returns the status of a refusal, by the first of its classes that has one."""
    return next((STATUSES[kind] for kind in type(refusal).__mro__ if kind in STATUSES), 400)


def _made_now(frame: Frame, shown: Shown) -> Made:
    body = frame.inner(shown)
    return Made(body, tag_of(body), 0.0)


def _key(entry: Entry, url: str, lang: str, session: Session) -> Key:
    """Returns what a page is shared under: all that it may differ by."""
    account, whose = session.account, session.token if entry.is_own else ""
    return (entry.path, url, lang, ",".join(sorted(account.roles)), ",".join(sorted(account.provinces)), whose)


def _refreshed(frame: Frame, made: Made) -> Response:
    if frame.known_tag == made.tag:
        return Response(status_code=304, headers={"ETag": f'"{made.tag}"'})
    headers = {"ETag": f'"{made.tag}"', "Vary": "Accept-Encoding"}
    if frame.takes_gzip:
        return Response(made.sent, media_type="text/html", headers={**headers, "Content-Encoding": "gzip"})
    return Response(gzip.decompress(made.sent), media_type="text/html", headers=headers)


def _file(shown: Shown | Moved | File, page: Page) -> Response:
    wanted = page.query.get("table", "")
    tables = shown.tables if isinstance(shown, Shown) else ()
    found = next((one for one in tables if wanted in ("", one.name)), None)
    if found is None or not isinstance(shown, Shown):
        raise PageUnknown
    headers = {"Content-Disposition": f'attachment; filename="{found.name}.csv"'}
    return Response(csv_bytes(found, shown.as_of), media_type="text/csv; charset=utf-8", headers=headers)


def _kept(file: File) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{file.name}"', "Cache-Control": "no-store"}
    return Response(file.data, media_type=file.media_type, headers=headers)


def _secret_of(request: Request) -> str:
    """Returns the secret that a browser has, "" for none that could be one."""
    secret = request.cookies.get(COOKIE, "")
    return secret if len(secret) <= 100 else ""


def _words(request: Request) -> Words:
    chosen = request.query_params.get("lang") or request.cookies.get("lang", "")
    return Words(language_of(chosen, request.headers.get("accept-language", "")))


async def _form(request: Request) -> FormData:
    if request.method != "POST":
        return FormData()
    if int(request.headers.get("content-length") or 0) > MOST_BYTES:
        raise FormForged
    return await request.form(max_files=0, max_fields=MOST_FIELDS, max_part_size=MOST_BYTES)


def _to_sign_in(request: Request) -> Response:
    if request.headers.get("hx-request"):
        # A page that refreshes itself goes to the sign-in as a whole.
        return Response(status_code=401, headers={"HX-Redirect": "/sign-in"})
    query = urlencode({"to": request.url.path}) if request.method == "GET" and request.url.path != "/" else ""
    return RedirectResponse(f"/sign-in?{query}" if query else "/sign-in", status_code=303)

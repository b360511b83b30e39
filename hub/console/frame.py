"""The frame of every page: head, menu, search, footer; and the pages that say what was refused or ask for a purpose."""

from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from hub.admin.accounts.roles import ROLES
from hub.admin.accounts.sessions import Session
from hub.console.entries import ENTRIES, GROUPS, NAMES, Entry
from hub.console.language import THEMES, Words
from hub.console.page import Shown
from hub.console.refusals import in_words
from hub.console.rendering import render
from hub.console.shared import Made
from hub.console.workings import Workings
from hub.domain.errors import HubError
from hub.words.names import PURPOSES

# Pages that look back in a way of their own.
_OWN_WAY = ("known", "find", "decision")


class Frame:
    """What is around the inner part of a page, for one request."""

    def __init__(self, workings: Workings, request: Request, words: Words, session: Session | None) -> None:
        """*session* is None for pages that need none."""
        self._workings, self._request, self._words, self._session = workings, request, words, session

    @property
    def url(self) -> str:
        """The address with its query, without what only chooses a language or a theme."""
        query = [(name, value) for name, value in parse_qsl(self._request.url.query) if name not in ("lang", "theme")]
        return self._request.url.path + (f"?{urlencode(query)}" if query else "")

    @property
    def is_refresh(self) -> bool:
        """Whether a page asks for its own inner part again."""
        return self._request.headers.get("hx-request") == "true" and self._request.method == "GET"

    @property
    def known_tag(self) -> str:
        """What the page already has."""
        return self._request.headers.get("if-none-match", "").strip('"')

    @property
    def takes_gzip(self) -> bool:
        """Whether the browser takes compressed bytes."""
        return "gzip" in self._request.headers.get("accept-encoding", "")

    def inner(self, shown: Shown) -> str:
        """Makes the inner part of a page."""
        # A page that cannot look back says so: it is never taken for what was known then.
        asked = self._request.query_params.get("known", "").strip() if shown.template not in _OWN_WAY else ""
        values = {**self._values(), **shown.values, "shown": shown, "asked_known": asked}
        band = str(render("known_band", values)) if shown.known is not None or asked else ""
        return band + str(render(shown.template, values))

    def refreshed(self, made: Made) -> str:
        """Returns the inner part in what refreshes itself."""
        return str(render("live", {**self._values(), "made": made, "is_live": True}))

    def whole(self, entry: Entry, shown: Shown, made: Made, status: int = 200) -> Response:
        """Returns a whole page."""
        values = {**self._values(entry.group, entry.path), "made": made, "is_live": shown.is_live, "title": shown.title}
        return HTMLResponse(str(render("base", values)), status)

    def open(self, template: str, title: str, status: int = 200, **values: object) -> Response:
        """Returns a page that is made at once, such as that of the sign-in."""
        body = str(render(template, {**self._values(), **values}))
        return HTMLResponse(str(render("base", {**self._values(), "made": Made(body, "", 0.0), "is_live": False, "title": title})), status)

    def refused(self, refusal: HubError, status: int) -> Response:
        """Says what was refused and what to do, in the reader's language."""
        said, detail = in_words(refusal, self._words)
        title = self._words.t("未能显示", "Not shown")
        body = str(render("refused", {**self._values(), "said": said, "detail": detail, "code": status}))
        made = Made(body, "", 0.0)
        if self.is_refresh:
            return HTMLResponse(str(render("live", {**self._values(), "made": made, "is_live": True})), status)
        return HTMLResponse(str(render("base", {**self._values(), "made": made, "is_live": False, "title": title})), status)

    def failed(self) -> Response:
        """Says that the console is at fault, and nothing else."""
        said = self._words.t("控制台出了错，已记入日志；请稍后再试。", "The console failed and has logged it; try again later.")
        return self.open("refused", self._words.t("未能显示", "Not shown"), 500, said=said, detail="", code=500)

    def purpose(self, handle: str) -> Response:
        """Asks what a record is looked at for."""
        purposes = [(code, self._words.of(PURPOSES, code)) for code in PURPOSES]
        title = self._words.t("查看目的", "Purpose")
        return self.open("purpose", title, handle=handle, purposes=purposes, back=self._request.url.path)

    @property
    def first_page(self) -> str:
        """The first page of the menu of who looks, "" for nobody."""
        account = self._session.account if self._session is not None else None
        return next((entry.path for entry in ENTRIES if entry.is_menu and account is not None and account.has(*entry.roles)), "")

    def _values(self, group: str = "", path: str = "") -> dict[str, object]:
        words, session = self._words, self._session
        account = session.account if session is not None else None
        menu = [entry for entry in ENTRIES if entry.is_menu and account is not None and account.has(*entry.roles)]
        groups = list(dict.fromkeys(entry.group for entry in menu))
        return {
            "t": words.t,
            "words": words,
            "url": self.url,
            "other": self._chosen("lang", "en" if words.lang == "zh" else "zh"),
            "theme": self._theme,
            "themes": [(name, self._chosen("theme", name)) for name in THEMES],
            "account": account,
            "roles": [words.of(ROLES, role) for role in account.roles] if account is not None else [],
            "token": session.token if session is not None else "",
            "groups": [(one, words.of(GROUPS, one), next(e.path for e in menu if e.group == one)) for one in groups],
            "beside": [(entry.path, words.of(NAMES, entry.path)) for entry in menu if entry.group == group],
            "group": group,
            # A page below one of the menu belongs to it.
            "here": max((e.path for e in menu if path == e.path or path.startswith(f"{e.path}/")), key=len, default=""),
            "is_demo": self._workings.is_demo,
            "hub": self._workings.command,
            "may_find": account is not None and any(entry.path == "/find" and account.has(*entry.roles) for entry in ENTRIES),
        }

    @property
    def _theme(self) -> str:
        chosen = self._request.query_params.get("theme") or self._request.cookies.get("theme", "")
        return chosen if chosen in THEMES else "auto"

    def _chosen(self, name: str, value: str) -> str:
        return f"{self.url}{'&' if '?' in self.url else '?'}{urlencode({name: value})}"

"""The page of a sandbox: what came and what was wrong with it, and buttons for what can go wrong; its commands ask the same addresses."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from hub.domain.errors import HubError
from hub.domain.instants import LOCAL
from hub.loopback import is_loopback
from hub.sandbox.faults import KINDS, Fault
from hub.sandbox.partner import sample_cards
from hub.sandbox.running import TO_THE_HUB, Sandbox
from hub.sandbox.stages import Judged, judged
from hub.sandbox.world import EdgeEnded
from hub.stage import ChildDied

MOST_SHOWN = 60
_STYLE = Path(__file__).parents[1] / "console/static/console.css"
# Nothing from elsewhere, and nobody else's page may show this one.
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
Answering = Callable[[Request], Awaitable[Response]]


class ValueUnfit(HubError):
    """所填的值无效 a value is unfit: times and after are whole numbers from 0, seconds is 0 to 600; not"""


class _Page:
    """The addresses of the page."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._templates = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined)

    async def whole(self, _: Request) -> Response:
        """The page."""
        described = self._sandbox.described()
        faults = {name: (kind.text_zh, kind.text_en) for name, kind in KINDS.items()} | TO_THE_HUB
        cards = sample_cards(self._sandbox.partner.province)
        text = self._templates.get_template("page.html").render(**described, faults=faults, cards=cards, came=await self._came())
        return HTMLResponse(text, headers=_HEADERS)

    async def came(self, _: Request) -> Response:
        """What came, as a part of the page."""
        text = self._templates.get_template("came.html").render(came=await self._came(), **self._sandbox.described())
        return HTMLResponse(text, headers=_HEADERS)

    async def came_as_json(self, _: Request) -> Response:
        """What came, newest first, for programs."""
        rows = [
            {
                "at": datetime.fromtimestamp(one.at_s, LOCAL).isoformat(timespec="milliseconds"),
                "participant": one.participant,
                "method": one.method,
                "about": one.about,
                "outcome": one.outcome,
                "stages": {step.name_en: step.problems for step in one.steps},
            }
            for one in await self._came()
        ]
        return JSONResponse(rows, headers=_HEADERS)

    async def _came(self) -> list[Judged]:
        newest = self._sandbox.front.recording.exchanges()[-MOST_SHOWN:]
        found = [one for exchange in reversed(newest) for one in reversed(await judged(exchange, self._sandbox.validate))]
        return found[:MOST_SHOWN]

    async def state(self, _: Request) -> Response:
        """Where everything is."""
        return JSONResponse(self._sandbox.described(), headers=_HEADERS)

    async def reset(self, _: Request) -> Response:
        """Begins again."""
        return JSONResponse({"seconds": round(await self._sandbox.reset(), 2)})

    async def fault(self, request: Request) -> Response:
        """Arms a fault, or does it."""
        asked = request.query_params
        fault = Fault(
            asked.get("kind", ""),
            _whole(asked.get("times", "1")),
            _whole(asked.get("after", "0")),
            _seconds(asked.get("seconds", "1")),
            asked.get("feed", ""),
            asked.get("method", ""),
        )
        await self._sandbox.break_(fault)
        return JSONResponse(self._sandbox.described())

    async def clock(self, request: Request) -> Response:
        """Sets the hub's clock some days ahead."""
        await self._sandbox.set_clock(86_400 * _whole(request.query_params.get("days", "")))
        return JSONResponse(self._sandbox.described())

    async def totals(self, request: Request) -> Response:
        """Has the partner report its totals."""
        day = request.query_params.get("day") or datetime.now(LOCAL).date().isoformat()
        return JSONResponse({"said": await self._sandbox.partner.report_totals(day)})

    async def certificate(self, request: Request) -> Response:
        """Issues the next certificate, or withdraws the older ones."""
        if request.query_params.get("withdraw"):
            await self._sandbox.withdraw_older()
        else:
            await self._sandbox.next_certificate()
        return JSONResponse(self._sandbox.described())


def page(sandbox: Sandbox) -> Starlette:
    """Returns the page of a sandbox."""
    made = _Page(sandbox)

    async def style(_: Request) -> Response:
        return Response(_STYLE.read_bytes(), media_type="text/css")

    async def script(_: Request) -> Response:
        return Response((Path(__file__).parent / "page.js").read_bytes(), media_type="text/javascript")

    getting = {
        "/": made.whole, "/came": made.came, "/came.json": made.came_as_json, "/state.json": made.state,
        "/console.css": style, "/page.js": script,
    }  # fmt: skip
    posting = {"/reset": made.reset, "/fault": made.fault, "/totals": made.totals, "/clock": made.clock, "/certificate": made.certificate}
    routes = [Route(path, _guarded(answer)) for path, answer in getting.items()]
    return Starlette(routes=[*routes, *(Route(path, _guarded(answer), methods=["POST"]) for path, answer in posting.items())])


def _guarded(answer: Answering) -> Answering:
    """Lets in who asks by an address of this machine, and not on behalf of another page; says in words what is refused."""

    async def guarded(request: Request) -> Response:
        is_own = request.headers.get("sec-fetch-site", "none") in ("none", "same-origin")
        if not is_loopback(request.headers.get("host", "")) or (request.method == "POST" and not is_own):
            return PlainTextResponse("沙箱只答复本机 a sandbox answers this machine alone\n", 403)
        try:
            return await answer(request)
        except HubError as refusal:
            return JSONResponse({"refused": str(refusal)}, 400)
        except ChildDied as death:
            return JSONResponse({"refused": str(EdgeEnded(str(death)))}, 500)

    return guarded


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        raise ValueUnfit(repr(text[:20]))
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        raise ValueUnfit(repr(text[:20])) from None
    if not 0 <= seconds <= 600:
        raise ValueUnfit(repr(text[:20]))
    return seconds

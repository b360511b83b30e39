"""The HTTP side of the Chongqing adapter: POST /services/CardService for the card centre, GET /status for operators."""

import asyncio
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from adapters.chongqing.card_desk import ROUTE, CardDesk
from adapters.kit import FeedSender, HubConnection, bounded_body
from adapters.kit.inbox import Inbox

# 5,000 cards of a production return are about 1.5 MB; what is larger is no call of this interface.
MAX_BODY_BYTES: Final = 4_000_000
CONTENT_TYPE: Final = "text/xml; charset=GB18030"


def web_app(desk: CardDesk, inbox: Inbox, usage: FeedSender, connection: HubConnection) -> Starlette:
    """Returns the application; the caller runs and closes the parts."""

    async def call(http: Request) -> Response:
        body = await bounded_body(http, MAX_BODY_BYTES)
        if isinstance(body, Response):
            return body
        # Errors are codes in a reply; HTTP says only that there is one.
        return Response(await desk.answer(body), headers={"content-type": CONTENT_TYPE})

    async def status(_http: Request) -> Response:
        feeds = {sender.feed: await asyncio.to_thread(sender.status) for sender in (desk.sender, usage)}
        files = await asyncio.to_thread(inbox.status)
        return JSONResponse({"hub": connection.target, "replies": dict(desk.replies), "files": files, "feeds": feeds})

    return Starlette(routes=[Route(ROUTE, call, methods=["POST"]), Route("/status", status)])

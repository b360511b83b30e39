"""The witness's pages: add-checkpoint for logs, and for everybody what was cosigned and, where it is offered, the mirror.

Nothing here needs a password: what comes in counts by its signature, and what goes out is signed. A mirror shows the feed, number, time and
kind of every event and nothing of its content; still it is for provinces and auditors, so it is served only where that is asked for.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from hub.tlog import add_checkpoint, paths, sign_subtree
from hub.tlog.add_checkpoint import MOST_BODY_BYTES
from hub.tlog.paths import PathRefused
from hub.web_server import Server
from hub.witness import cosigning
from hub.witness.cosigning import Cosigner
from hub.witness.folder import Folder

# How long a body may take, and how many requests are worked on at once: who sends slowly keeps nobody else from it.
BODY_S = 10.0
REQUESTS_AT_ONCE = 256
_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}


def application(folder: Folder, cosigner: Cosigner, *, shows_mirror: bool) -> Starlette:
    """Returns the pages."""

    def posted(answer: Callable[[bytes], cosigning.Answer]) -> Callable[[Request], Awaitable[Response]]:
        async def post(request: Request) -> Response:
            try:
                async with asyncio.timeout(BODY_S):
                    body = await _body(request)
            except TimeoutError:
                return _answer(cosigning.Answer(408, f"The body did not come within {BODY_S:g} s.\n"))
            if body is None:
                return _answer(cosigning.Answer(413, f"A body has at most {MOST_BODY_BYTES} bytes.\n"))
            return _answer(await run_in_threadpool(answer, body))

        return post

    async def checkpoint(request: Request) -> Response:
        return _answer(await run_in_threadpool(cosigner.checkpoint, request.path_params["hash"]))

    async def mirrored(request: Request) -> Response:
        return _mirrored(folder, request.path_params["hash"], request.path_params["path"])

    mirror = [Route("/mirror/{hash}/{path:path}", mirrored)] if shows_mirror else []
    posts = [
        Route(f"/{add_checkpoint.PATH}", posted(cosigner.add), methods=["POST"]),
        Route(f"/{sign_subtree.PATH}", posted(cosigner.sign_subtree), methods=["POST"]),
    ]
    return Starlette(routes=[*posts, *mirror, Route("/{hash}/checkpoint", checkpoint)])


async def _body(request: Request) -> bytes | None:
    body = b""
    async for block in request.stream():
        body += block
        if len(body) > MOST_BODY_BYTES:
            return None
    return body


def _answer(answer: cosigning.Answer) -> Response:
    # The specification's type of a size has no charset, which Starlette would add.
    return Response(answer.body, answer.status, {"Content-Type": answer.content_type})


def _mirrored(folder: Folder, origin_hash: str, path: str) -> Response:
    mirror = next((log.mirror for log in folder.logs() if log.directory.name == origin_hash), None)
    try:
        is_head = path == paths.CHECKPOINT
        if not is_head:
            paths.parse(path)
    except PathRefused as refused:
        return PlainTextResponse(f"{refused}\n", 404)
    if mirror is None or not (mirror / path).is_file():
        return PlainTextResponse("The mirror does not have this. 镜像中没有此文件。\n", 404)
    if is_head:
        return FileResponse(mirror / path, media_type=cosigning.TEXT, headers={"Cache-Control": "no-cache"})
    return FileResponse(mirror / path, media_type="application/octet-stream", headers=_FOREVER)


def serve(pages: Starlette, opened: socket.socket, certificate: Path | None, key: Path | None) -> None:
    """Serves until a signal comes."""
    server = Server(pages, limit_concurrency=REQUESTS_AT_ONCE, ssl_certfile=certificate, ssl_keyfile=key, timeout_graceful_shutdown=3)
    asyncio.run(server.serve_until_signal(opened))

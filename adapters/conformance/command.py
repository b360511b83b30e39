"""`province-adapter conformance`: the client kit in a trial of `hub conformance`, which starts it and gives it all that it needs."""

import asyncio
import os

import typer

from adapters.conformance.client import ConformanceClient


def conformance() -> None:
    """在一致性试验中运行本套件；由 hub conformance 启动。The kit as a client under test; `hub conformance` starts it."""
    if "CONFORMANCE_INSTRUCTIONS" not in os.environ:
        raise typer.BadParameter("由 hub conformance run 启动 it is started by `hub conformance run`")
    asyncio.run(_run())


async def _run() -> None:
    await ConformanceClient(os.environ).run()

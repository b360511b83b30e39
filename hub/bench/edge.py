"""The edge under measurement: the hub's own server, plus a plaintext loopback listener and an empty call, which only the bench has.

`h2load` cannot present a client certificate, so the load on checks comes over loopback in plaintext; the empty call runs on the
same server, so that the ratio of the two is the cost of an answer.
"""

import asyncio
import signal
from typing import Any

import grpc

from hub.api.certificates import issue_server
from hub.api.server import HubServer, ServerSettings
from hub.bench.ground import ASKER
from hub.config import Config
from hub.journal.keyring import open_keyring

EMPTY_METHOD = "/chuanyu.exchange.bench.Bench/Empty"


async def _empty(_: bytes, __: grpc.aio.ServicerContext) -> bytes:
    return b""


async def _main() -> None:
    config = Config()
    server = HubServer(ServerSettings(
        config.dsn, "127.0.0.1:0", issue_server(config.certificates_dir), open_keyring(config.keys_dir), 0, ASKER))  # fmt: skip
    handlers: dict[str, Any] = {"Empty": grpc.unary_unary_rpc_method_handler(_empty)}
    await server.start([grpc.method_handlers_generic_handler("chuanyu.exchange.bench.Bench", handlers)])
    print(f"127.0.0.1:{server.port} {server.plaintext_port}", flush=True)  # noqa: T201 (the parent reads it)
    stopped = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stopped.set)
    await stopped.wait()
    await server.stop()


if __name__ == "__main__":
    asyncio.run(_main())

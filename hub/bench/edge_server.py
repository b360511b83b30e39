"""The edge under measurement: the hub's own server, plus a plaintext loopback listener and an empty call, which only the bench has.

`h2load` cannot present a client certificate, so the load on checks comes over loopback in plaintext; the empty call runs on the
same server, so that the ratio of the two is the cost of an answer.
"""

import asyncio
import itertools
import os
import signal
import sys
from collections.abc import Callable

import grpc
from chuanyu.exchange.v1 import acceptance_pb2, card_service_pb2, references_pb2

from hub.api.cards.checks import Checks
from hub.api.edge.handlers import Gate, Methods, service, unary
from hub.api.edge.readiness import Limits
from hub.api.process_tuning import tune_process
from hub.api.server import HubServer, ServerSettings
from hub.bench.setup import ASKER, NOISY
from hub.config import Config
from hub.domain.quota import Quota
from hub.monitoring.observability import observed
from hub.telemetry.logs import set_up_logs
from hub.trust.authority import issue_server
from hub.trust.keyring import open_keyring

EMPTY_METHOD = "/chuanyu.exchange.bench.Bench/Empty"
CHECK_METHOD = "/chuanyu.exchange.bench.Bench/Check"
NOISY_CHECK_METHOD = "/chuanyu.exchange.bench.Bench/NoisyCheck"
OWN_METHOD = "chuanyu.exchange.v1.CardService/CheckAcceptance"
_numbers = itertools.count(1)


async def _empty(_: bytes, __: grpc.aio.ServicerContext) -> bytes:
    return b""


_REQUEST_ID, _CARD_NO = f"{os.getpid():08d}-000000000", "A00000000"


def _template() -> bytes:
    """A question as a caller sends it; what differs from one to the next has a fixed length."""
    request = card_service_pb2.CheckAcceptanceRequest(
        request_id=_REQUEST_ID, scenario="TRA.MET", service_region="510100", medium=acceptance_pb2.MEDIUM_CONTACTLESS
    )
    request.card.issuing_province, request.card.clear = "50", _CARD_NO
    request.card.kind = references_pb2.CARD_IDENTIFIER_KIND_CARD_NO
    changing = request.SerializeToString().replace(b"%", b"%%").replace(_REQUEST_ID[-9:].encode(), b"%09d", 1)
    return changing.replace(_CARD_NO[1:].encode(), b"%08d", 1)


_TEMPLATE = _template()


def _asker(cards: int) -> Callable[[bytes], card_service_pb2.CheckAcceptanceRequest]:
    """Returns what reads a question about another of so many cards each time, with an id of its own."""

    def question(_: bytes) -> card_service_pb2.CheckAcceptanceRequest:
        number = next(_numbers)
        return card_service_pb2.CheckAcceptanceRequest.FromString(_TEMPLATE % (number, number * 7919 % cards))

    return question


async def _main(cards: int, max_lag_s: float) -> None:
    config = Config()
    certificates, keyring, quota = issue_server(config.certificates_dir), open_keyring(config.keys_dir), Quota(**config.quota)
    limits = Limits(max_lag_s=max_lag_s)
    server = HubServer(ServerSettings(config.dsn, "127.0.0.1:0", certificates, keyring, config.keys_dir, "bench", quota, 0, ASKER, limits))

    def bench(gate: Gate, checks: Checks) -> Methods:
        noisy = Gate(gate.directory, config.certificates_dir, NOISY)
        # They are the hub's own call in all but their path: rights, quotas and logs go by its name.
        asked = {"Check": unary(gate, _asker(cards), checks.answer), "NoisyCheck": unary(noisy, _asker(cards), checks.answer)}
        methods = {name: lambda _, named=named: named(OWN_METHOD) for name, named in asked.items()}
        return service(
            "chuanyu.exchange.bench.Bench", {"Empty": lambda _: lambda _: grpc.unary_unary_rpc_method_handler(_empty), **methods}
        )

    if config.telemetry:
        set_up_logs("hub serve", config.logs_dir, config.log_keep_days, config.log_max_bytes)
    with observed(config, config.dsn, "hub serve", "", server.report):
        await server.start(bench)
        tune_process()
        print(f"127.0.0.1:{server.port} {server.plaintext_port}", flush=True)  # noqa: T201 (the parent reads it)
        stopped = asyncio.Event()
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, stopped.set)
        await stopped.wait()
        await server.stop()


def main() -> None:
    """Runs it; the arguments are the number of cards, and how late the views may be."""
    asyncio.run(_main(int(sys.argv[1]), float(sys.argv[2])))

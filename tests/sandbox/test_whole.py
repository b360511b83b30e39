"""A whole sandbox as a command: begun, used, set ahead, disturbed, reset, ended; nothing of it stays but certificates and logs."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from chuanyu.exchange.v1 import (
    card_service_pb2_grpc,
    event_pb2,
    feed_service_pb2,
    feed_service_pb2_grpc,
    hotlist_service_pb2,
    hotlist_service_pb2_grpc,
)

from adapters.conformance.questions import _reader
from hub.child import python
from hub.postgres.server import running
from hub.sandbox.ahead import _datetime_ahead, _Time
from hub.sandbox.world import TEMPLATE
from hub.trust.authority import CertificateFiles
from tests.messages import journey, lost, question


def test_a_clock_that_is_ahead_makes_plain_times() -> None:
    ahead = _datetime_ahead(timedelta(days=8))
    assert ahead.now(UTC) - datetime.now(UTC) > timedelta(days=7) and type(ahead.now(UTC)) is datetime
    assert type(ahead(2026, 3, 1, tzinfo=UTC)) is datetime and isinstance(datetime.now(UTC), ahead)
    assert type(ahead.fromisoformat("2026-03-01")) is datetime
    clock = _Time(60)
    assert clock.time() - time.time() > 59 and clock.time_ns() - time.time_ns() > 59e9 and clock.monotonic is time.monotonic


class Begun:
    """A sandbox that runs, asked by its commands and as a client."""

    def __init__(self, home: Path) -> None:
        self._environment = {**os.environ, "HUB_DATA_DIR": str(home)}
        free = ("--listen", "127.0.0.1:0", "--second", "127.0.0.1:0", "--page", "127.0.0.1:0", "--json")
        self.process = subprocess.Popen(
            python("hub.cli", "sandbox", *free), env=self._environment, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        assert self.process.stdout is not None
        self.described: dict[str, Any] = json.loads(self.process.stdout.readline())
        files = CertificateFiles(*(Path(self.described[name]) for name in ("authority", "certificate", "key")))
        self.channels = [files.channel(target) for target in self.described["targets"]]

    def command(self, *words: str) -> str:
        done = subprocess.run(python("hub.cli", "sandbox", *words), env=self._environment, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    def append(self, *events: event_pb2.Event, door: int = 0) -> feed_service_pb2.AppendEventsResponse:
        stub = feed_service_pb2_grpc.FeedServiceStub(self.channels[door])
        first = stub.GetFeed(feed_service_pb2.GetFeedRequest(feed="sc.usage"), timeout=20).next_sequence
        return stub.AppendEvents(feed_service_pb2.AppendEventsRequest(feed="sc.usage", first_sequence=first, events=events), timeout=20)

    def reasons(self, name: str, card_no: str) -> list[str]:
        stub = card_service_pb2_grpc.CardServiceStub(self.channels[0])
        return [reason.code for reason in stub.CheckAcceptance(question(name, card_no), timeout=20).reasons]

    def listed(self, *card_nos: str) -> list[str]:
        stub = hotlist_service_pb2_grpc.HotlistServiceStub(self.channels[0])
        pieces = stub.GetHotlist(hotlist_service_pb2.GetHotlistRequest(), timeout=20)
        held = _reader().read(bytes.fromhex(self.described["hotlist_key"]), b"".join(piece.chunk for piece in pieces))
        return [held.answer(f"card|50|{card_no}", int(time.time())) for card_no in card_nos]


def await_that(condition: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < give_up_at
        time.sleep(0.1)


def _loss(card_no: str) -> event_pb2.Event:
    event = lost(card_no, at_s=int(time.time()))
    event.ClearField("temporary_loss_reported")
    event.service_region = "510100"
    request = event.loss_request_submitted
    request.loss_type, request.channel, request.accepted_at_region = 1, 2, "510100"
    return event


@pytest.mark.slow
def test_a_sandbox_from_its_beginning_to_its_end(tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    sandbox = Begun(tmp_path)
    try:
        assert sandbox.append(journey("Q90000001")).outcomes == [1]
        sandbox.append(_loss("Q90000001"))
        # The partner confirms it, and the loss runs out by the clock that is set.
        await_that(lambda: "LOST_TEMP" in sandbox.reasons(f"q{time.time_ns()}", "Q90000001"))
        assert "+8 d" in sandbox.command("clock", "8")
        assert sandbox.reasons("later", "Q90000001") == []
        assert "forward alone" in sandbox.command("clock", "7")
        for fault in ("edge-restart", "edge-kill", "second-edge"):
            assert fault in sandbox.command("fault", fault)
            assert sandbox.append(journey("Q90000001"), door=fault == "second-edge").outcomes == [1]
        sandbox.command("fault", "slow-database", "--seconds", "1")
        assert sandbox.append(journey("Q90000001")).outcomes == [1]
        assert "lost-answer" in sandbox.command("fault", "nonsense")
        assert "COMPARED" in sandbox.command("totals", "--day", "2026-03-01")
        assert "reset" in sandbox.command("reset")
        assert sandbox.append(journey("Q90000001")).positions and sandbox.reasons("again", "Q90000003") == ["LOST_TEMP"]
        assert sandbox.listed("Q90000001", "Q90000003") == ["NOT_LISTED", "LISTED"]
        # Where there is nothing to go back to, the hub goes on as it is.
        with running(tmp_path / "sandbox") as server, psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {TEMPLATE} RENAME TO kept_aside".encode())
            assert "reset" in sandbox.command("reset")
            assert "goes on as it is" in sandbox.command("reset") and sandbox.append(journey("Q90000001")).outcomes == [1]
            connection.execute(f"ALTER DATABASE kept_aside RENAME TO {TEMPLATE}".encode())
        assert "reset" in sandbox.command("reset")
        sandbox.command("certificate")
        sandbox.command("certificate", "--withdraw-older")
        await_that(lambda: _is_refused(sandbox))
    finally:
        sandbox.process.send_signal(signal.SIGTERM)
        assert sandbox.process.wait(60) == 0
    assert not (tmp_path / "sandbox/postgres").exists() and "No sandbox runs" in sandbox.command("reset")


def _is_refused(sandbox: Begun) -> bool:
    try:
        sandbox.append(journey("Q90000001"))
    except grpc.RpcError as error:
        assert isinstance(error, grpc.Call)
        return error.code() is grpc.StatusCode.UNAUTHENTICATED
    return False

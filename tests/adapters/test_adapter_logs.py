"""The log of an adapter: one JSON object a line whatever writes it, and one line a change however often a trouble is met."""

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from chuanyu.exchange.v1.card_service_pb2 import GetCardRequest, GetCardResponse
from chuanyu.exchange.v1.references_pb2 import CardRef

from adapters.kit import FeedSender, Outbox, Refusal, Traces
from adapters.kit.logs import JsonLines
from adapters.kit.sender import DENIED_BACKOFF_S, _delay_s
from hub.child import Child, python
from hub.stage import free_port, status
from hub.trust.authority import issue_participant, open_authority
from tests.hub_process import CHONGQING
from tests.scripted_hub import ScriptedHub

FORMATTER = JsonLines("province-adapter-sichuan")
QUESTION = GetCardRequest(card=CardRef(clear="S00000123"))


def record(message: str, *arguments: object, **extra: object) -> logging.LogRecord:
    return logging.getLogger("adapters.kit.sender").makeRecord(
        "adapters.kit.sender", logging.WARNING, "sender.py", 1, message, arguments, None, extra=extra
    )


def test_a_line_has_the_fields_of_the_hubs() -> None:
    line = json.loads(FORMATTER.format(record("feed %s goes on", "sc.usage", transport="last error")))
    assert list(line) == ["time", "level", "logger", "message", "service", "pid", "transport"]
    assert (line["message"], line["level"], line["pid"]) == ("feed sc.usage goes on", "WARNING", os.getpid())
    assert line["service"] == "province-adapter-sichuan" and len(line["time"]) == len("2026-11-29T08:00:00.000000Z")


def test_an_exception_is_told_by_type_and_place_and_never_by_its_message() -> None:
    failed = record("a call failed")
    try:
        raise ValueError("500199198503120015")
    except ValueError:
        failed.exc_info = sys.exc_info()
    line = FORMATTER.format(failed)
    assert "500199198503120015" not in line
    assert json.loads(line)["error"] == "ValueError"
    assert json.loads(line)["places"][0].startswith("test_adapter_logs.py:")


def test_a_line_of_a_call_names_its_trace() -> None:
    with Traces().call("/route") as trace:
        assert json.loads(FORMATTER.format(record("within")))["trace_id"] == trace.trace_id


def test_what_uvicorn_colours_for_terminals_is_left_out() -> None:
    assert "\\u001b" not in FORMATTER.format(record("Started", color_message="\x1b[32mStarted\x1b[0m"))


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What an adapter writes that finds no hub for a while, gets a bad request, and is stopped; each line must be JSON."""
    home = tmp_path_factory.mktemp("adapter")
    open_authority(home / "certificates")
    files, port = issue_participant(home / "certificates", CHONGQING), free_port()
    command = python(
        "adapters.cli", "chongqing",
        "--ca", str(files.authority), "--cert", str(files.certificate), "--key", str(files.key),
        "--hub", "127.0.0.1:1", "--listen", f"127.0.0.1:{port}",
    )  # fmt: skip
    environment = {**os.environ, "HUB_DATA_DIR": str(home)}
    with Child(command, environment, stderr=subprocess.PIPE, cwd=home) as process:
        give_up_at = time.monotonic() + 40
        while not status(f"http://127.0.0.1:{port}") and time.monotonic() < give_up_at:
            time.sleep(0.1)
        time.sleep(2.5)
        second = subprocess.run(command, env=environment, capture_output=True, cwd=home, timeout=60, check=False)
        process.send_signal(signal.SIGTERM)
        _, written = process.communicate(timeout=100)
    assert second.returncode == 1 and b"Another adapter runs on this data directory" in second.stderr
    assert (home / "chongqing" / "outbox.sqlite").exists()
    return [json.loads(line) for line in written.splitlines()]


def test_every_line_of_a_running_adapter_is_json_uvicorns_too(lines: list[dict[str, Any]]) -> None:
    assert {"adapters.kit.sender", "uvicorn.error"} <= {line["logger"] for line in lines}
    assert {line["service"] for line in lines} == {"province-adapter-chongqing"}
    assert not any("\x1b" in str(line) for line in lines)


def test_a_hub_that_does_not_answer_is_one_line_a_feed(lines: list[dict[str, Any]]) -> None:
    waiting = sorted(line["message"] for line in lines if line["logger"] == "adapters.kit.sender")
    assert waiting == ["feed cq.card-center is waiting: UNAVAILABLE", "feed cq.usage is waiting: UNAVAILABLE"]
    assert all("127.0.0.1:1" in line["transport"] for line in lines if line["logger"] == "adapters.kit.sender")


def test_a_participant_that_is_not_let_in_asks_seldom() -> None:
    assert all(DENIED_BACKOFF_S / 2 <= _delay_s(failures, DENIED_BACKOFF_S) <= DENIED_BACKOFF_S for failures in (9, 12, 5_000))


def test_a_feed_that_is_not_let_in_is_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.kit.sender.DENIED_BACKOFF_S", 0.05)

    async def play() -> None:
        async with ScriptedHub() as hub, asyncio.timeout(30):
            hub.is_closed = True
            sender = FeedSender(Outbox(tmp_path / "outbox.sqlite"), hub.connection(), "sc.usage")
            task = asyncio.create_task(sender.run())
            while hub.turned_away < 5:
                await asyncio.sleep(0.01)
            task.cancel()

    asyncio.run(play())
    said = [line.getMessage() for line in caplog.records if line.name == "adapters.kit.sender"]
    assert said == ["feed sc.usage is waiting: UNAUTHENTICATED CERTIFICATE_WITHDRAWN"]


def test_questions_of_one_that_is_not_let_in_reach_the_hub_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        async with ScriptedHub() as hub:
            connection, hub.is_closed = hub.connection(), True
            monkeypatch.setattr("adapters.kit.connection.DENIED_S", 1.0)
            hub.cards["S00000123"] = GetCardResponse(as_of_position=7)
            for _ in range(5):
                with pytest.raises(Refusal, match="UNAUTHENTICATED CERTIFICATE_WITHDRAWN"):
                    await connection.get_card(QUESTION, 4)
            assert hub.turned_away == 1
            hub.is_closed = False
            await asyncio.sleep(1.1)
            assert await connection.get_card(QUESTION, 4) == GetCardResponse(as_of_position=7)

    asyncio.run(play())

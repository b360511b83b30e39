"""Traces of the adapters: from the native file or call to the hub's answer, kept where something is amiss, and never in the way."""

import asyncio
import contextlib
import json
import os
import socket
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import gmssl_pyx
import grpc
import pytest
from chuanyu.exchange.v1.card_lifecycle_pb2 import AppUnlocked, SocialStatus
from chuanyu.exchange.v1.card_service_pb2 import CardLives, GetCardResponse
from chuanyu.exchange.v1.event_pb2 import Event, Source
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from adapters.chongqing.card_desk import CardDesk
from adapters.chongqing.ledger import Ledger
from adapters.chongqing.pseudo_xml import NativeReply, parse_reply
from adapters.chongqing.usage_file import FileHeader, encode_file
from adapters.chongqing.usage_intake import UsageIntake
from adapters.chongqing.usage_record import UsageRecord
from adapters.kit import FeedSender, HubConnection, Outbox, Traces, continue_feeds, put_traced, span_export
from adapters.kit.inbox import Inbox
from adapters.kit.outbox import Origin
from adapters.sichuan.envelope import open_reply, seal_request
from adapters.sichuan.gateway import Gateway
from adapters.sichuan.keys import Keys, load_keys
from adapters.sichuan.nonce_window import NonceWindow
from adapters.sichuan.translate import CARD_FEED
from adapters.sichuan.usage import FEED as USAGE_FEED
from hub.child import Child, python
from tests.hub_process import CHONGQING, RunningHub
from tests.otlp_receiver import OtlpReceiver, Spans, attributes, named, texts
from tests.scripted_hub import ScriptedHub, status

SAMPLES = Path(__file__).parents[2] / "adapters" / "samples"
NOW = datetime(2025, 9, 1, 1, 30, 15, tzinfo=UTC)
STAMP = "20250901093015"
FEED = "sc.usage"
STREAM = "chuanyu.exchange.v1.FeedService/StreamEvents"
NOWHERE = "127.0.0.1:1"
ROOT_OF_CALL = "POST /sbk/api/gateway"
STOP_AT_MOST_S = 5.0
# The machine that runs the tests may be busy; the SDK alone would take half a minute.
PROCESS_STOP_S = 12.0
HEADER = FileHeader(date(2026, 1, 5), 7, datetime(2026, 1, 6, 4, 15))
TRIP = UsageRecord(
    seq=1, ss_card_no="A00000025", name="测试㐂", scene="TRAN", txn_type="06",
    biz_date=date(2026, 1, 5), txn_at=datetime(2026, 1, 5, 8, 19, 7),
    issuer_code="31065300", card_no_tu="3106530000000000025", line_in="0181", stn_in="0001",
    fare_full_fen=200, fare_paid_fen=200, txn_ctr=2044, psam="653000098765", psam_seq=120, tac="00B7D4EE",
)  # fmt: skip
TEST_RECORD = replace(TRIP, seq=2, flag="9", ss_card_no="A00000033")
TOMORROWS = replace(TRIP, seq=3, txn_ctr=2045, biz_date=date(2037, 1, 5), txn_at=datetime(2037, 1, 5, 8, 19, 7))
SECOND_TRIP = replace(TRIP, seq=4, txn_ctr=2046, psam_seq=121)
PERSONAL = ("A00000025", "A00000033", "测试㐂", "3106530000000000025")


# --- a file of Chongqing, through real processes -----------------------------------------------------------------------


@contextlib.contextmanager
def chongqing_adapter(files: RunningHub, target: str, directory: Path, endpoint: str, *further: str) -> Iterator[Child]:
    """The adapter of Chongqing as a process of its own; it ends in good time."""
    certificate = files.certificate(CHONGQING)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    paths = {
        "--ca": certificate.authority,
        "--cert": certificate.certificate,
        "--key": certificate.key,
        "--data-dir": directory,
        "--inbox": directory / "inbox",
        "--ack-dir": directory / "ack",
        "--hub": target,
        "--listen": f"127.0.0.1:{port}",
        "--otlp-endpoint": endpoint,
    }
    arguments = [str(part) for pair in paths.items() for part in pair]
    run = python("adapters.cli", "chongqing", *arguments, *further)
    (directory / "inbox").mkdir()
    with (directory / "log").open("wb") as log:
        process = Child(run, os.environ, stdout=log, stderr=log)
        try:
            yield process
            process.terminate()
            assert process.wait(PROCESS_STOP_S) == 0
        finally:
            process.kill()


def drop(inbox: Path, header: FileHeader, *records: UsageRecord) -> None:
    path = inbox / header.file_name
    path.with_suffix(".tmp").write_bytes(b"".join(encode_file(header, records)))
    path.with_suffix(".tmp").rename(path)


@pytest.fixture(scope="module")
def collector() -> Iterator[OtlpReceiver]:
    """Where the hub of the module and the adapter in front of it send their spans."""
    with OtlpReceiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def hub_settings(collector: OtlpReceiver) -> dict[str, str]:
    """The hub keeps what the adapter wants kept, and nothing by itself."""
    return {"HUB_OTLP_ENDPOINT": collector.endpoint, "HUB_TRACE_SHARE": "0", "HUB_TRACE_SLOW_MS": "60000"}


@pytest.fixture(scope="module")
def file_spans(shared_hub: RunningHub, collector: OtlpReceiver, tmp_path_factory: pytest.TempPathFactory) -> tuple[Spans, str]:
    """The spans of a file that is taken and of one that is refused, with the hub's, and the adapter's log."""
    directory = tmp_path_factory.mktemp("chongqing")
    other = replace(HEADER, number=8)
    with chongqing_adapter(shared_hub, shared_hub.targets[0], directory, collector.endpoint):
        drop(directory / "inbox", HEADER, TRIP, TEST_RECORD, TOMORROWS, SECOND_TRIP)
        drop(directory / "inbox", other, replace(TRIP, seq=2))
        collector.wait_for(lambda spans: len(named(spans, "take file")) == 2)
    return collector.wait_for(lambda spans: folds_of(spans, roots(spans)[0]) != []), (directory / "log").read_text()


def folds_of(spans: Spans, root: Span) -> list[Span]:
    """The folds of the views that link to the hub's span of a file's batch."""
    appended = {span.span_id for span in named(spans, STREAM) if span.trace_id == root.trace_id}
    return [span for span in named(spans, "fold views") if appended & {link.span_id for link in span.links}]


def roots(spans: Spans) -> tuple[Span, Span]:
    """The roots of the file taken and of the file refused."""
    taken, refused = sorted(named(spans, "take file"), key=lambda span: str(attributes(span)["file.name"]))
    return taken, refused


def of_trace(spans: Spans, root: Span) -> dict[str, Span]:
    return {span.name: span for _, span in spans if span.trace_id == root.trace_id and span is not root}


def every(spans: Spans, root: Span, name: str) -> list[Span]:
    """All parts of that name in a trace: the event that closes a file may go in a batch of its own, behind that of its lines."""
    return sorted((span for span in named(spans, name) if span.trace_id == root.trace_id), key=lambda span: span.start_time_unix_nano)


def ids(spans: list[Span]) -> set[bytes]:
    return {span.span_id for span in spans}


def test_a_file_is_one_trace_from_reading_through_the_hub_to_its_acknowledgement(file_spans: tuple[Spans, str]) -> None:
    spans, _ = file_spans
    root, _ = roots(spans)
    parts = of_trace(spans, root)
    mine, hubs = ["read file", "send batch", "translate lines"], ["check events", "commit group", "wait in queue"]
    assert sorted(parts) == sorted([*mine, STREAM, *hubs])
    assert {parts[name].parent_span_id for name in mine} == {root.span_id}
    sent, streams = every(spans, root, "send batch"), every(spans, root, STREAM)
    assert {stream.parent_span_id for stream in streams} == ids(sent)
    assert {part.parent_span_id for name in hubs for part in every(spans, root, name)} == ids(streams)
    assert parts["commit group"].end_time_unix_nano <= sent[-1].end_time_unix_nano
    [event] = [event for stream in streams for event in stream.events]
    assert attributes(event)["hub.rules_broken"] == "occurred_at in_the_future"
    assert root.parent_span_id == b""
    assert root.start_time_unix_nano <= parts["read file"].start_time_unix_nano
    assert root.end_time_unix_nano >= parts["send batch"].end_time_unix_nano
    assert [event.name for event in root.events] == ["acknowledgement written"]
    told = attributes(root)
    assert (told["file.name"], told["adapter.native_code"]) == (HEADER.file_name, "00")
    assert (told["adapter.events.new"], told["adapter.lines.refused"], told["adapter.is_acknowledged"]) == (3, 1, True)
    assert told["adapter.kept_for"] == "file"


def test_the_fold_of_a_file_links_to_the_append_it_folded(file_spans: tuple[Spans, str]) -> None:
    spans, _ = file_spans
    root, _ = roots(spans)
    sent = every(spans, root, "send batch")[0]
    folds = [attributes(fold) for fold in folds_of(spans, root)]
    first = int(attributes(sent)["adapter.first_position"])
    assert [fold for fold in folds if int(fold["hub.first_position"]) <= first <= int(fold["hub.last_position"])] != []


def test_a_bad_line_is_told_by_its_number_and_its_code(file_spans: tuple[Spans, str]) -> None:
    spans, _ = file_spans
    translated = of_trace(spans, roots(spans)[0])["translate lines"]
    assert [(event.name, attributes(event)) for event in translated.events] == [
        ("line refused", {"adapter.line": 3, "adapter.native_code": "48", "adapter.refusal": "测试记录不入库"})
    ]


def test_a_batch_tells_its_lines_positions_and_what_the_hub_quarantined(file_spans: tuple[Spans, str]) -> None:
    spans, _ = file_spans
    sent, *closing = every(spans, roots(spans)[0], "send batch")
    told, last = attributes(sent), 3 if closing else 4
    assert sent.kind == Span.SPAN_KIND_CLIENT
    assert (told["rpc.system.name"], told["rpc.response.status_code"], told["messaging.destination.name"]) == ("grpc", "OK", "cq.usage")
    assert (told["adapter.first_sequence"], told["adapter.last_sequence"]) == (1, last)
    assert told["adapter.last_position"] == int(told["adapter.first_position"]) + last - 1
    assert (told["adapter.first_line"], told["adapter.last_line"]) == (2, 5)
    assert [attributes(span)["adapter.first_sequence"] for span in closing] == [4] * len(closing)
    assert told["adapter.quarantined"] == 1
    [event] = sent.events
    assert attributes(event) == {"adapter.sequence": 2, "adapter.line": 4, "adapter.rules_broken": "occurred_at in_the_future"}


def test_a_file_refused_as_a_whole_says_why_and_where(file_spans: tuple[Spans, str]) -> None:
    spans, log = file_spans
    _, root = roots(spans)
    told = attributes(root)
    assert (told["adapter.native_code"], told["adapter.line"], root.status.message) == ("04", 2, "SEQUENCE")
    assert of_trace(spans, root)["read file"].status.message == "FileRefused"
    [line] = [line for line in log.splitlines() if "refused" in line]
    assert json.loads(line)["trace_id"] == root.trace_id.hex()


def test_no_span_of_a_file_names_anybody(file_spans: tuple[Spans, str]) -> None:
    told = "\n".join(texts(file_spans[0]))
    assert [value for value in PERSONAL if value in told] == []


def test_an_adapter_stops_in_time_though_its_collector_never_answers(shared_hub: RunningHub, tmp_path: Path) -> None:
    with OtlpReceiver(silent=True) as receiver, chongqing_adapter(shared_hub, NOWHERE, tmp_path, receiver.endpoint):
        drop(tmp_path / "inbox", HEADER, TRIP)
        deadline = time.monotonic() + 30
        while not (tmp_path / "ack" / "CQTK_USE_20260105_0007_ACK").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)


# --- calls, through a scripted hub -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> tuple[Keys, Keys]:
    """The adapter's keys, and the province's view of the same interface."""
    directory = tmp_path_factory.mktemp("keys")
    public, private = gmssl_pyx.sm2_key_generate()
    (directory / "province.sm2.pub").write_text(f"04{public.hex()}\n")
    adapter = load_keys(directory)
    return adapter, Keys(private=private, public=public, peer=adapter.public, session=adapter.session)


def sample(name: str) -> tuple[str, Any]:
    return name[:7], json.loads((SAMPLES / "sichuan" / f"{name}.json").read_text())


BORROWED = sample("SBK2104-library-borrow")


@contextlib.asynccontextmanager
async def senders(outbox: Outbox, connection: HubConnection, traces: Traces, *feeds: str) -> AsyncIterator[dict[str, FeedSender]]:
    made = {feed: FeedSender(outbox, connection, feed, traces) for feed in feeds}
    tasks = [asyncio.create_task(sender.run()) for sender in made.values()]
    yield made
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await connection.close()


def called(
    directory: Path,
    sides: tuple[Keys, Keys],
    messages: Sequence[tuple[str, Any]],
    share: float = 0.0,
    slow_s: float = 60.0,
    reachable: bool = True,
) -> tuple[Spans, ScriptedHub, list[str]]:
    """The spans of Sichuan's messages, one after the other, the hub they went to, and the codes of their replies."""
    adapter, province = sides
    hub, codes = ScriptedHub(), []
    hub.cards["S00000123"] = GetCardResponse(lives=CardLives(social_status=SocialStatus.SOCIAL_STATUS_ACTIVE))

    async def play(traces: Traces) -> None:
        outbox, window = Outbox(directory / "outbox.sqlite"), NonceWindow(directory / "replay.sqlite")
        async with hub:
            connection = hub.connection() if reachable else HubConnection([NOWHERE], grpc.local_channel_credentials())
            async with senders(outbox, connection, traces, CARD_FEED, USAGE_FEED) as made:
                gateway = Gateway(adapter, window, connection, made, lambda: NOW, traces)
                for number, (code, data) in enumerate(messages):
                    request = seal_request(code, f"m{number}", STAMP, "CQ-HUB-0001", data, province)
                    reply = await gateway.answer(json.dumps(request).encode())
                    codes.append(open_reply(reply, province)[0])
        traces.close()

    with OtlpReceiver() as receiver:
        asyncio.run(play(Traces(span_export(receiver.endpoint, "province-adapter-sichuan"), share, slow_s)))
        return receiver.spans(), hub, codes


def test_a_call_is_one_trace_and_the_hubs_spans_hang_below_its_batch(tmp_path: Path, sides: tuple[Keys, Keys]) -> None:
    spans, hub, _ = called(tmp_path, sides, [BORROWED], share=1.0)
    [root], [sent] = named(spans, ROOT_OF_CALL), named(spans, "send batch")
    assert sorted(span.name for _, span in spans) == [ROOT_OF_CALL, "check and translate", "number events", "send batch"]
    assert {span.trace_id for _, span in spans} == {root.trace_id}
    assert {span.parent_span_id for _, span in spans if span is not root} == {root.span_id}
    assert hub.traces_of_batches == [[f"00-{root.trace_id.hex()}-{sent.span_id.hex()}-01"]]
    assert root.kind == Span.SPAN_KIND_SERVER
    told = attributes(root)
    assert (told["http.route"], told["adapter.message_kind"], told["adapter.native_code"]) == ("/sbk/api/gateway", "SBK2104", "0000")
    assert (told["adapter.kept_for"], told["adapter.is_acknowledged"]) == ("sampled", True)


def test_a_question_to_the_hub_is_a_span_of_the_call_and_bears_its_trace(tmp_path: Path, sides: tuple[Keys, Keys]) -> None:
    spans, hub, _ = called(tmp_path, sides, [sample("SBK1101-temporary-loss")], share=1.0)
    [asked] = named(spans, "chuanyu.exchange.v1.CardService/GetCard")
    assert asked.kind == Span.SPAN_KIND_CLIENT
    assert hub.traces_of_questions == [f"00-{asked.trace_id.hex()}-{asked.span_id.hex()}-01"]


def test_a_card_that_the_hub_does_not_know_is_an_answer_and_no_error(tmp_path: Path, sides: tuple[Keys, Keys]) -> None:
    code, data = sample("SBK1101-temporary-loss")
    spans, _, _ = called(tmp_path, sides, [(code, {**data, "aaz500": "S00000124"})], share=1.0)
    [asked] = named(spans, "chuanyu.exchange.v1.CardService/GetCard")
    assert attributes(asked)["rpc.response.status_code"] == "NOT_FOUND"
    assert asked.status.code == Status.STATUS_CODE_UNSET


def test_a_call_without_a_reason_leaves_no_span_and_says_so_to_the_hub(tmp_path: Path, sides: tuple[Keys, Keys]) -> None:
    spans, hub, codes = called(tmp_path, sides, [BORROWED])
    assert (spans, codes) == ([], ["0000"])
    [[parent]] = hub.traces_of_batches
    assert parent.endswith("-00")


def test_a_refused_call_is_kept_with_what_was_refused(tmp_path: Path, sides: tuple[Keys, Keys]) -> None:
    spans, _, codes = called(tmp_path, sides, [("SBK3001", {})])
    assert codes == ["3001"]
    [root] = named(spans, ROOT_OF_CALL)
    assert attributes(root)["adapter.kept_for"] == "refused"
    assert attributes(root)["adapter.refusal"] == "参数错误：SBK3001 挂失名单增量暂未提供"
    [checked] = named(spans, "check and translate")
    assert checked.status.message == "ParameterInvalid"


def test_a_quarantined_call_is_kept_whole(tmp_path: Path, sides: tuple[Keys, Keys]) -> None:
    spans, _, _ = called(tmp_path, sides, [sample("SBK2104-unknown-scenario")])
    assert sorted(span.name for _, span in spans) == [ROOT_OF_CALL, "check and translate", "number events", "send batch"]
    assert attributes(named(spans, ROOT_OF_CALL)[0])["adapter.kept_for"] == "quarantined"
    [event] = named(spans, "send batch")[0].events
    assert attributes(event) == {"adapter.sequence": 1, "adapter.rules_broken": "kind.unknown"}


def test_a_slow_call_is_kept(tmp_path: Path, sides: tuple[Keys, Keys]) -> None:
    spans, _, _ = called(tmp_path, sides, [BORROWED], slow_s=0.0)
    assert attributes(named(spans, ROOT_OF_CALL)[0])["adapter.kept_for"] == "slow"
    assert len(named(spans, "send batch")) == 1


def test_a_call_the_hub_did_not_acknowledge_in_time_is_kept(
    tmp_path: Path, sides: tuple[Keys, Keys], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.kit.answering.HUB_PATIENCE_S", 0.2)
    spans, _, codes = called(tmp_path, sides, [BORROWED], reachable=False)
    assert codes == ["0000"]
    told = attributes(named(spans, ROOT_OF_CALL)[0])
    assert (told["adapter.kept_for"], told["adapter.is_acknowledged"]) == ("unacknowledged", False)


def test_no_span_of_any_call_names_anybody(tmp_path: Path, sides: tuple[Keys, Keys]) -> None:
    names = sorted(path.stem for path in (SAMPLES / "sichuan").glob("*.json") if "expected" not in path.name)
    messages = [sample(name) for name in names]
    spans, _, codes = called(tmp_path, sides, messages, share=1.0)
    assert len(named(spans, ROOT_OF_CALL)) == len(codes) == len(names)
    identifiers = {value for _, data in messages for value in identifying(data)}
    assert len(identifiers) > 10
    told = "\n".join(texts(spans))
    assert [value for value in identifiers if value in told] == []


def identifying(value: Any, key: str = "") -> Iterator[str]:
    """Every text in a message that may name a person, a card, an account or a business number."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from identifying(part, name)
    elif isinstance(value, list):
        for part in value:
            yield from identifying(part, key)
    elif isinstance(value, str) and (len(value) >= 9 or key == "aac003") and value:
        yield value


def test_a_call_of_chongqing_is_a_trace_that_names_nobody(tmp_path: Path) -> None:
    bodies = [path.read_bytes() for path in sorted((SAMPLES / "chongqing" / "b1").glob("*.xml"))]

    async def play(hub: ScriptedHub, traces: Traces) -> list[NativeReply]:
        outbox = Outbox(tmp_path / "outbox.sqlite")
        async with hub, senders(outbox, hub.connection(), traces, "cq.card-center") as made:
            desk = CardDesk(b"sample-secret", Ledger(tmp_path / "outbox.sqlite"), hub.connection(), made["cq.card-center"], traces)
            replies = [parse_reply(await desk.answer(body)) for body in bodies]
        traces.close()
        return replies

    with OtlpReceiver() as receiver:
        replies = asyncio.run(play(ScriptedHub(), Traces(span_export(receiver.endpoint, "province-adapter-chongqing"), 1.0)))
        spans = receiver.spans()
    calls = [attributes(span) for span in named(spans, "POST /services/CardService")]
    assert [told["adapter.native_code"] for told in calls] == [reply.code for reply in replies]
    assert "临时挂失" in [told.get("adapter.message_kind") for told in calls]
    told = "\n".join(texts(spans))
    for value in ("A12345678", "S00000123", "500199198503120015", "测试甲", "CQWIN01"):
        assert value in b"".join(bodies).decode("gb18030", "replace")
        assert value not in told


# --- batches -----------------------------------------------------------------------------------------------------------


def items(first: int, last: int) -> list[tuple[str, bytes]]:
    events = {number: Event(source=Source(message_id=str(number)), app_unlocked=AppUnlocked()) for number in range(first, last + 1)}
    return [(f"m{number}", event.SerializeToString()) for number, event in events.items()]


def put_as(traces: Traces, outbox: Outbox, first: int, last: int) -> str:
    """Puts events as the work of a call of its own and returns its trace id."""
    with traces.call("/test") as trace:
        put_traced(outbox, FEED, items(first, last))
    return trace.trace_id


def sent(hub: ScriptedHub, traces: Traces, outbox: Outbox, through: int) -> None:
    """Sends what waits until the hub has acknowledged it, and ends the traces."""

    async def play() -> None:
        async with hub, senders(outbox, hub.connection(), traces, FEED) as made, asyncio.timeout(20):
            await made[FEED].wait_acknowledged(through)

    asyncio.run(play())
    traces.close()


def traces_to(receiver: OtlpReceiver, share: float = 0.0) -> Traces:
    return Traces(span_export(receiver.endpoint, "adapter"), share)


def test_a_batch_is_a_span_in_each_of_its_traces_and_links_them(tmp_path: Path) -> None:
    outbox, hub = Outbox(tmp_path / "outbox.sqlite"), ScriptedHub()
    with OtlpReceiver() as receiver:
        traces = traces_to(receiver, share=1.0)
        ids = [put_as(traces, outbox, 1, 2), put_as(traces, outbox, 3, 3)]
        sent(hub, traces, outbox, 3)
        spans = {span.trace_id.hex(): span for span in named(receiver.spans(), "send batch")}
    first, second = (f"00-{number}-{spans[number].span_id.hex()}-01" for number in ids)
    assert hub.traces_of_batches == [[first, first, second]]
    first, second = spans[ids[0]], spans[ids[1]]
    assert [(link.trace_id.hex(), link.span_id) for link in first.links] == [(ids[1], second.span_id)]
    assert attributes(first)["adapter.last_sequence"] == 2
    assert (attributes(second)["adapter.first_sequence"], attributes(second)["adapter.first_position"]) == (3, 1003)


def test_without_a_collector_the_hubs_spans_hang_under_the_call_itself(tmp_path: Path) -> None:
    outbox, hub, traces = Outbox(tmp_path / "outbox.sqlite"), ScriptedHub(), Traces(share=0.0)
    with traces.call("/test") as trace:
        put_traced(outbox, FEED, items(1, 1))
    sent(hub, traces, outbox, 1)
    assert hub.traces_of_batches == [[f"00-{trace.trace_id}-{trace.root.span_id}-00"]]


def test_each_event_of_a_batch_is_told_its_trace_and_the_last_one_stands_for_the_rest(tmp_path: Path) -> None:
    outbox, hub = Outbox(tmp_path / "outbox.sqlite"), ScriptedHub()
    with OtlpReceiver() as receiver:
        traces = traces_to(receiver)
        unkept = [put_as(traces, outbox, number, number) for number in range(1, 71)]
        with traces.file() as file:
            put_traced(outbox, FEED, items(71, 90))
        sent(hub, traces, outbox, 90)
    [told] = hub.traces_of_batches
    assert [parent[3:35] for parent in told] == [*unkept, file.trace_id]
    assert [parent[-2:] for parent in told] == ["00"] * 70 + ["01"]


def test_a_refused_batch_is_kept_and_so_is_its_resend(tmp_path: Path) -> None:
    outbox, hub = Outbox(tmp_path / "outbox.sqlite"), ScriptedHub()
    hub.refusals.append(status(grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL"))
    with OtlpReceiver() as receiver:
        traces = traces_to(receiver)
        put_as(traces, outbox, 1, 3)
        sent(hub, traces, outbox, 3)
        refused, taken = named(receiver.spans(), "send batch")
    assert (refused.status.message, attributes(refused)["rpc.response.status_code"]) == ("QUEUE_FULL", "RESOURCE_EXHAUSTED")
    assert attributes(taken)["adapter.last_position"] == 1003
    assert refused.trace_id == taken.trace_id


def test_a_batch_whose_answer_was_lost_is_a_failed_span(tmp_path: Path) -> None:
    outbox, hub = Outbox(tmp_path / "outbox.sqlite"), ScriptedHub()
    hub.lost_answers = 1
    with OtlpReceiver() as receiver:
        traces = traces_to(receiver)
        put_as(traces, outbox, 1, 3)
        sent(hub, traces, outbox, 3)
        lost, again = named(receiver.spans(), "send batch")
    assert attributes(again)["rpc.response.status_code"] == "OK"
    assert (lost.status.message, attributes(lost)["error.type"]) == ("UNAVAILABLE", "UNAVAILABLE")


def test_trace_parents_survive_a_restart_of_the_adapter(tmp_path: Path) -> None:
    before, hub = Outbox(tmp_path / "outbox.sqlite"), ScriptedHub()
    with OtlpReceiver() as receiver:
        traces = traces_to(receiver)
        with traces.file() as file:
            put_traced(before, FEED, items(1, 2))
        sent(hub, traces_to(receiver), Outbox(tmp_path / "outbox.sqlite"), 2)
        [batch] = named(receiver.spans(), "send batch")
    assert batch.trace_id.hex() == file.trace_id
    assert batch.parent_span_id.hex() == file.root.span_id
    assert hub.traces_of_batches == [[f"00-{file.trace_id}-{batch.span_id.hex()}-01"]]


def test_a_file_the_hub_never_acknowledged_says_so_when_the_adapter_stops(tmp_path: Path) -> None:
    with OtlpReceiver() as receiver:
        traces = traces_to(receiver)
        with traces.file():
            put_traced(Outbox(tmp_path / "outbox.sqlite"), FEED, items(1, 2))
        assert named(receiver.spans(), "take file") == []
        traces.close()
        [root] = named(receiver.spans(), "take file")
    assert attributes(root)["adapter.is_acknowledged"] is False


def test_of_many_bad_lines_the_first_hundred_are_told_and_all_are_counted(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.sqlite")
    with OtlpReceiver() as receiver:
        traces = traces_to(receiver)
        inbox = Inbox(tmp_path / "inbox", UsageIntake(outbox, Ledger(tmp_path / "outbox.sqlite"), tmp_path), traces)
        drop(tmp_path / "inbox", HEADER, *(replace(TEST_RECORD, seq=number) for number in range(1, 151)))
        inbox.take_all()
        traces.close()
        [translated] = named(receiver.spans(), "translate lines")
    assert [attributes(event)["adapter.line"] for event in translated.events] == list(range(2, 102))
    assert attributes(translated)["adapter.lines.refused"] == 150


def test_only_so_many_traces_are_remembered_and_a_file_that_is_not_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.kit.sampling.MOST_OPEN", 2)
    outbox = Outbox(tmp_path / "outbox.sqlite")
    with OtlpReceiver() as receiver:
        traces = traces_to(receiver)
        with traces.file() as file:
            put_traced(outbox, FEED, items(1, 1))
        ids = [file.trace_id, *(put_as(traces, outbox, number, number) for number in (2, 3))]
        traces.close()
        [root] = named(receiver.spans(), "take file")
    assert [traces.find(number) is not None for number in ids] == [False, True, True]
    assert root.trace_id.hex() == file.trace_id


def test_a_call_is_slow_by_its_own_time_whatever_the_hub_took() -> None:
    with OtlpReceiver() as receiver:
        traces = Traces(span_export(receiver.endpoint, "adapter"), share=0.0, slow_s=0.01)
        with traces.call("/fast"):
            pass
        with traces.call("/slow"):
            time.sleep(0.02)
        traces.close()
        [(_, span)] = receiver.spans()
    assert (span.name, attributes(span)["adapter.kept_for"]) == ("POST /slow", "slow")


def test_a_batch_under_way_when_the_adapter_stops_is_a_failed_span(tmp_path: Path) -> None:
    outbox, hub = Outbox(tmp_path / "outbox.sqlite"), ScriptedHub()
    hub.silent_streams = 1

    async def play(traces: Traces) -> None:
        async with hub, senders(outbox, hub.connection(), traces, FEED) as made:
            while made[FEED].counters["sent"] < 2:
                await asyncio.sleep(0.01)

    with OtlpReceiver() as receiver:
        traces = traces_to(receiver)
        put_as(traces, outbox, 1, 2)
        asyncio.run(play(traces))
        traces.close()
        [batch] = named(receiver.spans(), "send batch")
    assert batch.status.message == "CANCELLED"


# --- the outbox --------------------------------------------------------------------------------------------------------


def test_an_outbox_of_an_adapter_that_kept_no_traces_is_upgraded_in_place(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    with sqlite3.connect(path) as old:
        old.executescript(
            "CREATE TABLE feed (feed TEXT PRIMARY KEY, next_sequence INTEGER NOT NULL, acknowledged_sequence INTEGER NOT NULL)"
            " WITHOUT ROWID;"
            "CREATE TABLE source (feed TEXT NOT NULL, source_key TEXT NOT NULL, sequence INTEGER NOT NULL, PRIMARY KEY (feed, source_key))"
            " WITHOUT ROWID;"
            "CREATE TABLE pending (feed TEXT NOT NULL, sequence INTEGER NOT NULL, source_key TEXT NOT NULL, event BLOB NOT NULL,"
            " PRIMARY KEY (feed, sequence));"
            "INSERT INTO feed VALUES ('sc.usage', 2, 0); INSERT INTO source VALUES ('sc.usage', 'm1', 1);"
            "INSERT INTO pending VALUES ('sc.usage', 1, 'm1', x'01');"
        )
    Outbox(path).close()
    outbox = Outbox(path)
    assert outbox.put(FEED, [("m1", b"\x01"), ("m2", b"\x02")], "parent") == [(1, False), (2, True)]
    assert outbox.pending(FEED, 1, 10) == [(1, b"\x01"), (2, b"\x02")]
    assert outbox.origins(FEED, 1, 2) == [Origin("parent", 2, 2)]


def test_origins_are_each_trace_once_in_order_of_its_first_event(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.sqlite")
    for number, parent in enumerate(("z", "a", None, "z", "b"), 1):
        outbox.put(FEED, items(number, number), parent)
    assert outbox.origins(FEED, 1, 4) == [Origin("z", 1, 4), Origin("a", 2, 2)]


def test_renumbered_events_keep_their_traces(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.sqlite")
    outbox.put(FEED, items(1, 2), "parent")
    continue_feeds(outbox, [FEED], [f"{FEED}=100"])
    assert outbox.origins(FEED, 100, 101) == [Origin("parent", 100, 101)]


# --- collectors that are no help ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:1", "http://[::bad", "no such thing", "https://127.0.0.1:1", "http://"])
def test_a_collector_that_is_not_there_changes_nothing(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver_with(endpoint, tmp_path, monkeypatch)


def test_a_collector_that_never_answers_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with OtlpReceiver(silent=True) as receiver:
        deliver_with(receiver.endpoint, tmp_path, monkeypatch)


def deliver_with(endpoint: str, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.kit.telemetry.STOP_S", 0.3)
    outbox, hub = Outbox(directory / "outbox.sqlite"), ScriptedHub()
    traces = Traces(span_export(endpoint, "adapter"), 1.0)
    for number in range(1, 61):
        put_as(traces, outbox, number, number)
    took_s = seconds(lambda: sent(hub, traces, outbox, 60))
    assert len(hub.feeds[FEED]) == 60
    assert took_s < STOP_AT_MOST_S


def seconds(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started

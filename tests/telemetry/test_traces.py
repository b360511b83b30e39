"""The hub's half of a trace: a call as one trace, what follows linked to it, what is kept, and that nobody waits for any of it."""

import io
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import psycopg
import pytest
from chuanyu.exchange.v1 import card_service_pb2, feed_service_pb2, subscription_service_pb2, subscription_service_pb2_grpc
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.sdk.resources import Resource
from rich.console import Console
from typer.testing import CliRunner, Result

from hub.cli import app
from hub.telemetry import names, span_export, spans
from hub.telemetry.otlp import open_receiver, span_exporter
from hub.telemetry.span_export import spans_of
from hub.telemetry.span_store import SpanStore, Stored, StoreExporter
from hub.telemetry.spans import Call
from hub.telemetry.waterfall import listing, summary, waterfall
from tests.clients import DEADLINE_S, Province, add_feed, refused
from tests.hub_process import CHONGQING, SICHUAN, BegunHub, RunningHub
from tests.messages import journey, name_card, question, registered
from tests.otlp_receiver import OtlpReceiver, Spans, attributes, named, texts

CHECK, APPEND, STREAM = (
    f"chuanyu.exchange.v1.{method}" for method in ("CardService/CheckAcceptance", "FeedService/AppendEvents", "FeedService/StreamEvents")
)
CARD, PERSON = "T00000001", "500199199001010013"
FUTURE_S = 4_000_000_000
_KEYS = {value for name, value in vars(names).items() if name.isupper() and isinstance(value, str)}


def parent(number: int, *, wanted: bool = True) -> str:
    """A trace parent of a caller's."""
    return f"00-{number:032x}-{number:016x}-0{int(wanted)}"


def of_trace(received: Spans, number: int) -> list[Span]:
    """The spans of one trace, in order of their beginning."""
    mine = (span for _, span in received if int.from_bytes(span.trace_id, "big") == number)
    return sorted(mine, key=lambda span: span.start_time_unix_nano)


@pytest.fixture(scope="module")
def collector() -> Iterator[OtlpReceiver]:
    with OtlpReceiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def hub_settings(collector: OtlpReceiver) -> dict[str, str]:
    """Traces go to the collector, and no ordinary call is kept unless its caller wants it."""
    return {"HUB_OTLP_ENDPOINT": collector.endpoint, "HUB_TRACE_SHARE": "0", "HUB_TRACE_SLOW_MS": "5000"}


def append(province: Province, feed: str, first: int, events: list, parents: tuple[str, ...]) -> feed_service_pb2.AppendEventsResponse:  # type: ignore[type-arg]
    request = feed_service_pb2.AppendEventsRequest(feed=feed, first_sequence=first, events=events, trace_parents=parents)
    return province.feeds.AppendEvents(request, timeout=DEADLINE_S)


# One call, one trace


def test_a_check_is_one_trace_from_the_call_to_the_recorded_decision(
    collector: OtlpReceiver, sichuan: Province, chongqing: Province
) -> None:
    position = chongqing.tell("cq.card-center", registered(CARD))
    asked = question("trace-check-1", CARD, "50", "TRA.MET", "510100", position)
    answer = sichuan.cards.CheckAcceptance(asked, metadata=(("traceparent", parent(0xA1)),), timeout=DEADLINE_S)
    found = of_trace(collector.wait_for(lambda received: len(of_trace(received, 0xA1)) >= 4), 0xA1)
    call, *steps = found
    assert (call.name, call.kind, call.parent_span_id.hex()) == (CHECK, Span.SPAN_KIND_SERVER, f"{0xA1:016x}")
    assert [(step.name, step.parent_span_id) for step in steps] == [
        (name, call.span_id) for name in (names.READ_SPAN, names.DECIDE_SPAN, names.RECORD_SPAN)
    ]
    told = attributes(call)
    assert (told[names.POSITION], told[names.SCENARIO], told[names.DIRECTION]) == (answer.position, "TRA.MET", "50>51")
    assert (told[names.RPC_SYSTEM], told[names.RPC_METHOD], told[names.RPC_STATUS]) == ("grpc", CHECK, "OK")
    assert steps[-1].end_time_unix_nano <= call.end_time_unix_nano


def test_a_batch_is_told_in_the_traces_it_comes_from_with_the_wait_and_the_commit(
    collector: OtlpReceiver, shared_hub: RunningHub, chongqing: Province
) -> None:
    feed = add_feed(shared_hub, CHONGQING, "cq.traced")
    answer = append(chongqing, feed, 1, [journey(CARD), journey(CARD, fare_fen=100)], (parent(0xB1), parent(0xB2, wanted=False)))
    found = of_trace(collector.wait_for(lambda received: len(of_trace(received, 0xB1)) >= 4), 0xB1)
    assert [span.name for span in found] == [APPEND, names.PREPARE_SPAN, names.QUEUE_SPAN, names.COMMIT_SPAN]
    told = attributes(found[0])
    assert (told[names.FEED], told[names.FIRST_SEQUENCE], told[names.FIRST_POSITION]) == (feed, 1, answer.positions[0])
    assert not of_trace(collector.spans(), 0xB2), "nobody asked for the trace of the second event"


def test_the_journal_keeps_where_each_batch_stands_in_its_traces(shared_hub: RunningHub, chongqing: Province) -> None:
    feed = add_feed(shared_hub, CHONGQING, "cq.kept")
    position = append(chongqing, feed, 1, [journey(CARD)], (parent(0xC1),)).positions[0]
    with psycopg.connect(shared_hub.dsn) as connection:
        row = connection.execute("SELECT trace_parents FROM journal.batch WHERE first_position = %s", (position,)).fetchone()
    assert row is not None
    (kept,) = row[0]
    assert (kept[:36], kept[-3:]) == (f"00-{0xC1:032x}-", "-01")


def test_questions_in_a_stream_are_traces_of_their_own(collector: OtlpReceiver, sichuan: Province) -> None:
    requests = [
        card_service_pb2.StreamAcceptanceRequest(
            check=question(f"trace-stream-{n}", CARD, "50", "TRA.MET", "510100"), trace_parent=parent(n)
        )
        for n in (0xD1, 0xD2)
    ]
    assert len(list(sichuan.cards.StreamAcceptance(iter(requests), timeout=DEADLINE_S))) == 2
    received = collector.wait_for(lambda received: of_trace(received, 0xD1) != [] and of_trace(received, 0xD2) != [])
    assert [len(named([("", span) for span in of_trace(received, n)], names.DECIDE_SPAN)) for n in (0xD1, 0xD2)] == [1, 1]


# What follows links back


def test_folds_deliveries_and_audits_link_to_the_append_they_come_from(
    collector: OtlpReceiver, shared_hub: RunningHub, chongqing: Province, sichuan: Province
) -> None:
    position = append(
        chongqing, "cq.card-center", chongqing.next_sequence("cq.card-center"), [registered("T00000002")], (parent(0xE1),)
    ).positions[0]
    asked = question("trace-audit-1", "T00000002", "50", "TRA.MET", "510100", position)
    decision = sichuan.cards.CheckAcceptance(asked, metadata=(("traceparent", parent(0xE2)),), timeout=DEADLINE_S)
    sichuan.cards.ExplainAcceptance(
        card_service_pb2.ExplainAcceptanceRequest(decision_position=decision.position),
        metadata=(("traceparent", parent(0xE3)),),
        timeout=DEADLINE_S,
    )
    stub = subscription_service_pb2_grpc.SubscriptionServiceStub(chongqing.channel)
    stream = stub.Subscribe(subscription_service_pb2.SubscribeRequest(from_position=position - 1), timeout=DEADLINE_S)
    assert any(response.HasField("delivered") for response in stream)
    stream.cancel()

    def links_to(received: Spans, name: str, number: int) -> list[Span]:
        wanted = number.to_bytes(16, "big")
        return [span for span in named(received, name) if wanted in {link.trace_id for link in span.links}]

    fold = names.FOLD_SPAN.format(view="views")
    collector.wait_for(lambda received: links_to(received, fold, 0xE1) != [] and links_to(received, names.DELIVER_SPAN, 0xE1) != [])
    received = collector.wait_for(lambda received: links_to(received, "chuanyu.exchange.v1.CardService/ExplainAcceptance", 0xE2) != [])
    first = links_to(received, fold, 0xE1)[0]
    assert int(attributes(first)[names.FIRST_POSITION]) <= position <= int(attributes(first)[names.LAST_POSITION])
    append_span = of_trace(received, 0xE1)[0]
    assert append_span.span_id in {link.span_id for link in first.links}


# What is kept


def test_what_is_refused_is_kept_whatever_the_sampling(collector: OtlpReceiver, sichuan: Province) -> None:
    abroad, headers = question("trace-refused-1", CARD, "50", "TRA.MET", "500101"), (("traceparent", parent(0xF1, wanted=False)),)
    refusal = refused(lambda: sichuan.cards.CheckAcceptance(abroad, metadata=headers, timeout=DEADLINE_S))
    (span,) = of_trace(collector.wait_for(lambda received: of_trace(received, 0xF1) != []), 0xF1)
    assert (span.status.code, span.status.message) == (Status.STATUS_CODE_ERROR, refusal.reason)
    assert (attributes(span)[names.KEPT_FOR], attributes(span)[names.RPC_STATUS]) == ("refused", "PERMISSION_DENIED")


def test_a_card_that_nobody_knows_is_an_ordinary_answer(collector: OtlpReceiver, sichuan: Province) -> None:
    asked = card_service_pb2.GetCardRequest()
    name_card(asked.card, "T99999999", "50")
    for header in (parent(0xF2, wanted=False), parent(0xF3)):
        with pytest.raises(grpc.RpcError):
            sichuan.cards.GetCard(asked, metadata=(("traceparent", header),), timeout=DEADLINE_S)
    received = collector.wait_for(lambda received: of_trace(received, 0xF3) != [])
    assert attributes(of_trace(received, 0xF3)[0])[names.RPC_STATUS] == "NOT_FOUND"
    assert not of_trace(received, 0xF2)


def test_a_batch_with_a_quarantined_event_is_kept_in_the_trace_of_that_event(
    collector: OtlpReceiver, shared_hub: RunningHub, chongqing: Province
) -> None:
    feed = add_feed(shared_hub, CHONGQING, "cq.bad")
    answer = append(
        chongqing, feed, 1, [journey(CARD), journey(CARD, at_s=FUTURE_S), journey(CARD)],
        tuple(parent(number, wanted=False) for number in (0x101, 0x102, 0x103)),
    )  # fmt: skip
    assert [notice.sequence for notice in answer.quarantined] == [2]
    found = of_trace(collector.wait_for(lambda received: len(of_trace(received, 0x102)) >= 4), 0x102)
    (event,) = found[0].events
    assert (attributes(event)[names.SEQUENCE], attributes(found[0])[names.KEPT_FOR]) == (2, "quarantined")
    assert "occurred_at" in str(attributes(event)[names.RULES_BROKEN])
    assert not of_trace(collector.spans(), 0x101)


def test_an_ordinary_call_that_nobody_asked_for_is_not_kept(collector: OtlpReceiver, sichuan: Province) -> None:
    headers = (("traceparent", parent(0x111, wanted=False)),)
    sichuan.cards.CheckAcceptance(question("trace-quiet-1", CARD, "50", "TRA.MET", "510100"), metadata=headers, timeout=DEADLINE_S)
    sichuan.cards.CheckAcceptance(question("trace-quiet-2", CARD, "50", "TRA.MET", "510100"), timeout=DEADLINE_S)
    headers = (("traceparent", parent(0x112)),)
    sichuan.cards.CheckAcceptance(question("trace-quiet-3", CARD, "50", "TRA.MET", "510100"), metadata=headers, timeout=DEADLINE_S)
    received = collector.wait_for(lambda received: of_trace(received, 0x112) != [])
    assert not of_trace(received, 0x111)
    assert all(
        attributes(span)[names.KEPT_FOR] != "sampled" or int.from_bytes(span.trace_id, "big") < 0x1000 for span in named(received, CHECK)
    )


@pytest.mark.parametrize(
    "header", ["", "00-zz", "00-" + "0" * 32 + "-" + "1" * 16 + "-01", "99-" + "1" * 32 + "-" + "1" * 16 + "-01", "x" * 4000]
)
def test_a_broken_trace_header_is_dropped_and_the_call_answered(sichuan: Province, header: str) -> None:
    asked = question(f"trace-broken-{abs(hash(header))}", CARD, "50", "TRA.MET", "510100")
    assert sichuan.cards.CheckAcceptance(asked, metadata=(("traceparent", header),), timeout=DEADLINE_S).position > 0


# The pipe and the local store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SpanStore]:
    """A store that this process's calls are kept in: the slow ones, and none by share."""
    local = SpanStore(tmp_path / "traces" / "spans.sqlite")
    before, spans.sampling = spans.sampling, spans.Sampling(share=0, slow_ms=20)
    span_export.use(span_export.SpanPipe(StoreExporter(local), "test", "one"))
    yield local
    span_export.use(None)
    spans.sampling = before


def kept_in(store: SpanStore) -> list[str]:
    """The names of the calls that were kept, once all that waited is written."""
    span_export.use(None)
    return [one.span.name for trace_id in store.traces_since(0, 1_000) for one in store.spans(trace_id)]


def test_slow_calls_are_kept_and_quick_ones_are_not(store: SpanStore) -> None:
    slow, quick = Call("slow"), Call("quick")
    span_export.ended(quick)
    time.sleep(0.03)
    span_export.ended(slow)
    assert kept_in(store) == ["slow"]


def test_a_number_beyond_64_bits_with_a_sign_is_kept_as_text_and_logs_nothing(store: SpanStore, caplog: pytest.LogCaptureFixture) -> None:
    call = Call("refused")
    call.attributes[names.FIRST_SEQUENCE] = 2**64 - 1
    call.note("event quarantined", {names.SEQUENCE: 2**63})
    span_export.ended(call, "SEQUENCE_GAP")
    assert kept_in(store) == ["refused"]
    assert caplog.messages == []


def test_a_flood_of_refusals_is_kept_up_to_the_budget_and_counted_beyond(store: SpanStore) -> None:
    spans.sampling = spans.Sampling(share=0, most_a_second=10)
    before = names.TRACES_OVER_BUDGET.values.get(("refused",), 0)
    for _ in range(200):
        span_export.ended(Call("refused"), "NOT_FOUND")
    kept = len(kept_in(store))
    assert 20 <= kept <= 40
    assert names.TRACES_OVER_BUDGET.values[("refused",)] - before == 200 - kept


def test_the_share_of_ordinary_calls_that_is_kept_follows_from_their_trace_ids(store: SpanStore) -> None:
    spans.sampling = spans.Sampling(share=0.25, most_a_second=10_000)
    calls = [Call("ordinary") for _ in range(800)]
    assert 120 <= sum(call.is_sampled for call in calls) <= 280


def test_a_clock_that_jumps_bends_no_duration() -> None:
    call = Call("jumped")
    began = spans.now_ns()
    call.step("step", began, began + 5_000_000, {})
    call.ended = call.began + 7_000_000
    before, after = (list(spans_of(call, Resource.get_empty(), epoch_ns)) for epoch_ns in (10**18, 10**18 + 3_600 * 10**9))
    lengths = [[(span.end_time or 0) - (span.start_time or 0) for span in made] for made in (before, after)]
    assert lengths == [[7_000_000, 5_000_000]] * 2


def test_the_store_forgets_what_is_old_and_stays_within_its_size(tmp_path: Path) -> None:
    store = SpanStore(tmp_path / "spans.sqlite", keep_hours=1, keep_bytes=200_000, prune_every_s=0)

    def write(count: int, hours_ago: float) -> None:
        calls = [Call(f"call {n}") for n in range(count)]
        for call in calls:
            call.attributes, call.ended = {"hub.reason": "x" * 500}, call.began + 1
        epoch_ns = time.time_ns() - spans.now_ns() - int(hours_ago * 3.6e12)
        store.write(encode_spans([span for call in calls for span in spans_of(call, Resource.get_empty(), epoch_ns)]))

    write(50, hours_ago=2)
    assert store.traces_since(0, 100) == []
    for _ in range(40):
        write(50, hours_ago=0)
    assert 100 < len(store.traces_since(0, 10_000)) < 300
    assert store.path.stat().st_size < 600_000


@pytest.mark.parametrize("from_byte", [0, 4096])
def test_a_store_that_is_damaged_is_begun_anew(tmp_path: Path, from_byte: int) -> None:
    store, path = SpanStore(tmp_path / "spans.sqlite"), tmp_path / "spans.sqlite"
    write(store, "before the damage")
    with path.open("r+b") as file:
        file.seek(from_byte)
        file.write(b"no page of a database, whatever its name says " * 1_000)
    path.with_name("spans.sqlite-wal").unlink(missing_ok=True)
    write(store, "after the damage")
    assert [one.span.name for trace_id in store.traces_since(0, 10) for one in store.spans(trace_id)] == ["after the damage"]


def write(store: SpanStore, name: str) -> None:
    call = Call(name)
    call.ended = call.began + 1
    store.write(encode_spans(list(spans_of(call, Resource.get_empty(), time.time_ns() - spans.now_ns()))))


def test_an_address_that_is_taken_costs_the_adapters_spans_and_not_the_hub(tmp_path: Path) -> None:
    receiver = open_receiver(SpanStore(tmp_path / "spans.sqlite"), "127.0.0.1:0")
    assert receiver is not None
    taken = socket.create_server(("127.0.0.1", 0))
    assert open_receiver(SpanStore(tmp_path / "spans.sqlite"), f"127.0.0.1:{taken.getsockname()[1]}") is None
    taken.close()
    receiver.stop()


def test_how_long_a_stream_was_open_is_no_reason_to_keep_it(store: SpanStore) -> None:
    stream = Call("stream")
    time.sleep(0.03)
    span_export.ended(stream, may_be_slow=True)
    assert kept_in(store) == []


def test_the_journal_is_told_of_a_kept_trace_in_one_way_only() -> None:
    call = Call("batch", [parent(1).removesuffix("01") + "03", parent(2, wanted=False)])
    assert [told[-3:] for told in call.trace_parents().split(",")] == ["-01", "-00"]


def test_a_full_disk_costs_spans_and_nothing_else(tmp_path: Path) -> None:
    mount = tmp_path / "small"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", mount], check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a small file system")
    try:
        store = SpanStore(mount / "spans.sqlite")
        filler = mount / "filler"
        with filler.open("wb", buffering=0) as out, pytest.raises(OSError, match="No space"):
            while True:
                out.write(bytes(4096))
        before = sum(names.SPANS_DROPPED.values.values())
        exporter = StoreExporter(store)
        span_export.use(span_export.SpanPipe(exporter, "test", "one"))
        began = time.monotonic()
        for _ in range(20):
            span_export.ended(Call("while it is full"), "REFUSED")
        # None waits for the thread that writes.
        assert time.monotonic() - began < 20 * span_export.EVERY_S
        span_export.use(span_export.SpanPipe(exporter, "test", "one"))
        assert sum(names.SPANS_DROPPED.values.values()) - before == 20
        filler.unlink()
        span_export.ended(Call("afterwards"), "REFUSED")
        assert kept_in(store) == ["afterwards"]
    finally:
        span_export.use(None)
        subprocess.run(["umount", "-l", mount], check=True)


# A collector that is away


def test_a_collector_that_takes_and_never_answers_holds_up_neither_answers_nor_the_end(begun_hub: BegunHub, tmp_path: Path) -> None:
    with OtlpReceiver(silent=True) as silent:
        settings = {"HUB_OTLP_ENDPOINT": silent.endpoint, "HUB_TRACE_SHARE": "1"}
        with begun_hub(tmp_path, settings) as hub:
            province = Province(hub, CHONGQING)
            for number in range(1, 51):
                province.append("cq.card-center", number, registered(f"T{number:08d}"))
            province.channel.close()
            # The collector never answers: an end that waits for it does not come.
            assert hub.edges[0].stop(DEADLINE_S) == 0


def test_a_collector_that_is_down_holds_up_neither_calls_nor_the_end() -> None:
    span_export.use(span_export.SpanPipe(span_exporter("http://127.0.0.1:1"), "test", "one"))
    began = time.monotonic()
    for _ in range(100):
        span_export.ended(Call("while it is down"), "REFUSED")
    # None waits for the thread that exports, and the end waits for one export at most.
    ended = time.monotonic()
    assert ended - began < 100 * span_export.EVERY_S
    span_export.use(None)
    assert time.monotonic() - ended < 10 * span_export.STOP_S


# What spans hold


def test_no_span_names_a_person_or_a_card_and_every_attribute_is_a_known_one(
    collector: OtlpReceiver, shared_hub: RunningHub, chongqing: Province
) -> None:
    feed = add_feed(shared_hub, CHONGQING, "cq.personal")
    event = registered("T00000077")
    event.holder.id_type, event.holder.clear = 1, PERSON
    bad = registered("T0000007")
    bad.holder.id_type, bad.holder.clear = 1, "500199199001010011"
    append(chongqing, feed, 1, [event, bad], (parent(0x121),))
    received = collector.wait_for(lambda received: len(of_trace(received, 0x121)) >= 4)
    said = "\n".join(texts(received))
    for identifier in (CARD, "T00000002", "T00000077", "T0000007", PERSON, "500199199001010011", "T99999999"):
        assert identifier not in said
    keys = {key for _, span in received for holder in (span, *span.events) for key in attributes(holder)}
    assert keys <= _KEYS


# `hub traces`


def test_the_command_lists_traces_and_draws_one(store: SpanStore, tmp_path: Path) -> None:
    call = Call(APPEND, participant="cq.card-center")
    call.step(names.COMMIT_SPAN, call.began, spans.now_ns(), {names.GROUP_EVENTS: 3}, spans.Kind.CLIENT)
    call.note("event quarantined", {names.SEQUENCE: 7})
    call.keep("quarantined")
    span_export.ended(call)
    fold = Call(names.FOLD_SPAN.format(view="views"), kind=spans.Kind.CONSUMER)
    fold.links = [call.trace_parents()]
    fold.keep("sampled")
    span_export.ended(fold)
    assert len(kept_in(store)) == 3
    listed, drawn, unknown = (hub_traces(tmp_path, *further) for further in ((), (call.trace_id[:8],), ("abcd1234",)))
    assert "FeedService/AppendEvents" in listed.stdout
    assert "fold views" not in listed.stdout
    lines = drawn.stdout.splitlines()
    assert call.trace_id in lines[0]
    assert [text for line in lines for text in ("AppendEvents", "event quarantined", "commit group", "fold views") if text in line] == [
        "AppendEvents", "event quarantined", "commit group", "fold views"]  # fmt: skip
    assert (unknown.exit_code, "is not kept here" in unknown.stderr) == (1, True)


def test_the_command_finds_the_trace_of_a_position(begun_hub: BegunHub, tmp_path: Path) -> None:
    with begun_hub(tmp_path, {"HUB_TRACE_SHARE": "0"}) as hub:
        province, asker = Province(hub, CHONGQING), Province(hub, SICHUAN)
        came_from = (parent(0x133, wanted=False), parent(0x131))
        first = append(province, "cq.card-center", 1, [registered(CARD), registered("T00000002")], came_from).positions[0]
        asked = question("trace-position-1", CARD, "50", "TRA.MET", "510100", first)
        decision = asker.cards.CheckAcceptance(asked, metadata=(("traceparent", parent(0x132)),), timeout=DEADLINE_S).position
        for channel in (province.channel, asker.channel):
            channel.close()
        for position, number, name in ((first, 0x131, "AppendEvents"), (decision, 0x132, "CheckAcceptance")):
            deadline = time.monotonic() + DEADLINE_S
            while (found := hub_traces(tmp_path, "--position", str(position), dsn=hub.dsn)).exit_code and time.monotonic() < deadline:
                time.sleep(0.2)
            assert f"{number:032x}" in found.stdout
            assert name in found.stdout
            assert found.exit_code == 0
            assert ("1 of 2 traces are not kept here" in found.stderr) == (position == first)


def test_the_command_refuses_a_reason_that_there_is_not(tmp_path: Path) -> None:
    refused = hub_traces(tmp_path, "--kept", "nonsense")
    assert (refused.exit_code, "audit" in refused.stderr) == (2, True)


def span(number: int, parent_number: int, status: str, name: str = "step") -> Stored:
    made = Span(trace_id=bytes(15) + b"\1", span_id=number.to_bytes(8), name=name, start_time_unix_nano=number, end_time_unix_nano=90)
    if parent_number:
        made.parent_span_id = parent_number.to_bytes(8)
    if status:
        made.status.code, made.status.message = Status.STATUS_CODE_ERROR, status
    return Stored("province-adapter-sichuan", made)


def test_a_trace_ended_as_its_root_did_and_else_as_what_failed_within() -> None:
    assert summary([span(2, 1, "QUEUE_FULL"), span(1, 0, "UNAVAILABLE")]).error == "UNAVAILABLE"
    assert summary([span(1, 0, ""), span(2, 1, "QUEUE_FULL")]).error == "QUEUE_FULL"
    assert summary([span(1, 0, ""), span(2, 1, "")]).error == ""


def test_a_hundred_columns_cut_neither_ids_nor_names_nor_details() -> None:
    stored = [span(1, 0, "RESOURCE_EXHAUSTED", "POST /sbk/api/gateway"), span(2, 1, "", "chuanyu.exchange.v1.FeedService/StreamEvents")]
    for key in (names.PARTICIPANT, names.KEPT_FOR, names.FEED):
        stored[1].span.attributes.add(key=key).value.string_value = f"sc.{key}-{'9' * 40}"
    screen = Console(width=100, file=io.StringIO(), legacy_windows=False)
    screen.print(listing([summary(stored)]), waterfall(stored, stored))
    drawn = screen.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in drawn
    assert "0" * 16 in drawn
    folded = "".join(drawn.split())
    for text in ("province-adapter-sichuan", "POST", "FeedService/StreamEvents", "RESOURCE_EXHAUSTED"):
        assert text in folded
    assert folded.count("9") >= 3 * 40


def hub_traces(data_dir: Path, *arguments: str, dsn: str = "") -> Result:
    return CliRunner().invoke(app, ["traces", *arguments], env={"HUB_DATA_DIR": str(data_dir), "HUB_DSN": dsn})

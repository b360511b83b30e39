"""Chongqing's card service (B1): bytes to events, and what the caller is answered."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import httpx
import protovalidate
import pytest
from chuanyu.exchange.v1 import card_service_pb2_grpc, feed_service_pb2_grpc
from chuanyu.exchange.v1.card_lifecycle_pb2 import SocialStatus
from chuanyu.exchange.v1.card_service_pb2 import CardLives, GetCardRequest, GetCardResponse
from chuanyu.exchange.v1.event_pb2 import Event
from chuanyu.exchange.v1.feed_service_pb2 import (
    AppendEventsResponse,
    EventOutcome,
    GetFeedRequest,
    GetFeedResponse,
    StreamEventsRequest,
    StreamEventsResponse,
)
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st

from adapters.chongqing.call_kinds import OPERATIONS
from adapters.chongqing.card_desk import CardDesk, content_of
from adapters.chongqing.errors import CallRefused, ChecksumWrong, MalformedCall, ReplyCode
from adapters.chongqing.ledger import Ledger
from adapters.chongqing.pseudo_xml import (
    NativeCall,
    NativeReply,
    checksum,
    encode_call,
    encode_reply,
    parse_call,
    parse_reply,
)
from adapters.chongqing.references import call_key, region_of_area
from adapters.chongqing.service import web_app
from adapters.chongqing.standing import judge
from adapters.chongqing.translate_call import translate_call
from adapters.chongqing.usage_intake import UsageIntake
from adapters.kit import FeedSender, HubConnection, Outbox
from adapters.kit.inbox import Inbox

SAMPLES = Path(__file__).parents[2] / "adapters" / "samples" / "chongqing" / "b1"
SECRET = b"sample-secret"
LOSS = {
    "操作": "临时挂失",
    "用户名": "CQWIN01",
    "时间戳": "2025-09-01 09:30:15",
    "所属区县": "500199",
    "社保卡号": "A12345678",
    "社会保障号码": "500199198503120015",
    "姓名": "测试甲",
    "受理地": "500199",
    "流水号": "CQ2025090100000001",
}


def translated(fields: dict[str, str], block: str = "") -> list[tuple[str, Event]]:
    return translate_call(parse_call(encode_call(fields, SECRET, block), SECRET))


# --- samples ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sample", sorted(SAMPLES.glob("*.xml")), ids=lambda path: path.stem)
def test_a_sample_gives_what_stands_beside_it(sample: Path) -> None:
    expected = json.loads(sample.with_suffix(".expected.json").read_text(encoding="utf-8"))
    assert taken(sample.read_bytes()) == expected


def taken(body: bytes) -> dict[str, Any]:
    try:
        events = translate_call(parse_call(body, SECRET))
    except CallRefused as refusal:
        return {"refused": {"ERR": refusal.code.value, "MSG": refusal.text}}
    return {"feed": "cq.card-center", "events": [MessageToDict(event) for _, event in events]}


@pytest.mark.parametrize("sample", sorted(set(SAMPLES.glob("*.xml")) - set(SAMPLES.glob("refused-*.xml"))), ids=lambda path: path.stem)
def test_the_events_of_a_sample_keep_the_rules_of_the_exchange(sample: Path) -> None:
    for _, event in translate_call(parse_call(sample.read_bytes(), SECRET)):
        protovalidate.validate(event)
        protovalidate.validate(getattr(event, event.WhichOneof("kind") or ""))


# --- the bytes -------------------------------------------------------------------------------------------------------


def test_the_checksum_is_sm3_over_tags_values_block_and_secret() -> None:
    assert checksum(LOSS, "", SECRET) == "578533a761b909b703f00fbee76ee710f882d3895f31ee163435884e6e8104be"


def test_a_field_moved_into_the_block_has_another_checksum() -> None:
    fields = LOSS | {"旧卡号": "A00000009"}
    assert checksum(fields, "", SECRET) != checksum(LOSS, "旧卡号=A00000009", SECRET)


def test_a_tag_cannot_take_over_the_beginning_of_a_value() -> None:
    body = encode_call(LOSS, SECRET).replace("&lt;姓名*&gt;".encode("gb18030"), "&lt;姓名=*&gt;".encode("gb18030"))
    with pytest.raises(MalformedCall):
        parse_call(body, SECRET)


def test_callers_and_numbers_that_join_alike_are_different_calls() -> None:
    one, other = (translated(LOSS | {"用户名": user, "流水号": number})[0][0] for user, number in (("a:b", "c"), ("a", "b:c")))
    assert one != other


def test_an_application_has_no_card_number_yet() -> None:
    fields = {tag: value for tag, value in LOSS.items() if tag != "社保卡号"} | {"操作": "申请社保卡", "服务银行": "105"}
    [(_, event)] = translated(fields)
    assert (event.WhichOneof("kind"), event.HasField("card"), event.holder.clear) == ("card_applied", False, LOSS["社会保障号码"])


def test_a_call_survives_both_ways_with_names_beyond_gbk() -> None:
    fields = LOSS | {"姓名": "测试㐂"}
    assert parse_call(encode_call(fields, SECRET, "序号,社保卡号\r\n1,A12345678"), SECRET) == NativeCall(
        fields, "序号,社保卡号\r\n1,A12345678"
    )


def test_a_tag_is_the_same_with_and_without_its_star() -> None:
    body = encode_call(LOSS, SECRET).replace("姓名*".encode("gb18030"), "姓名".encode("gb18030"))
    assert parse_call(body, SECRET).fields["姓名"] == "测试甲"


def test_prefixed_elements_cdata_and_character_references_are_read() -> None:
    text = encode_call(LOSS, SECRET).decode("gb18030")
    inner = text.partition("<in>")[2].partition("</in>")[0].replace("&lt;", "<").replace("&gt;", ">")
    prefixed = text.partition("<in>")[0] + f'<ns1:in xsi:type="xsd:string"><![CDATA[{inner}]]></ns1:in></x>'
    referenced = text.replace("测", "&#27979;").replace("试", "&#x8BD5;")
    assert parse_call(prefixed.encode("gb18030"), SECRET) == parse_call(referenced.encode("gb18030"), SECRET)


def test_a_changed_value_is_refused_with_31() -> None:
    body = encode_call(LOSS, SECRET).replace(b"A12345678", b"A12345679")
    with pytest.raises(ChecksumWrong) as refused:
        parse_call(body, SECRET)
    assert refused.value.code == "31"


def test_another_secret_is_refused_with_31() -> None:
    with pytest.raises(ChecksumWrong):
        parse_call(encode_call(LOSS, b"another"), SECRET)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<in></in>",
        b"<in>&lt;&gt;&lt;/&gt;</in>",
        "<in>&lt;操作*&gt;临时挂失</in>".encode("gb18030"),
        "<in>&lt;操作*&gt;临时挂失&lt;/用户名*&gt;</in>".encode("gb18030"),
        "<in>&lt;操作&gt;甲&lt;/操作&gt;&lt;操作*&gt;乙&lt;/操作*&gt;</in>".encode("gb18030"),
        "<in>&lt;操作&gt;甲&#x0A;&lt;/操作&gt;</in>".encode("gb18030"),
        b"<in>&#xD800;</in>",
        b"<in>\xff\xff</in>",
        b"<in>" * 1000,
    ],
    ids=["empty", "no-field", "no-tag", "open", "crossed", "doubled", "control", "surrogate", "bytes", "unclosed"],
)
def test_a_malformed_body_is_refused_with_99(body: bytes) -> None:
    with pytest.raises(MalformedCall) as refused:
        parse_call(body, SECRET)
    assert refused.value.code == "99"


def test_a_refusal_never_repeats_what_was_sent() -> None:
    with pytest.raises(CallRefused) as refused:
        translated(LOSS | {"社会保障号码": "50019919850312001_"})
    assert refused.value.text == "社会保障号码格式错误"


def test_a_reply_survives_both_ways() -> None:
    reply = NativeReply("00", "成功", "LG", "20250908093015")
    assert parse_reply(encode_reply(reply)) == reply


# --- the events ------------------------------------------------------------------------------------------------------


def test_a_loss_taken_in_the_other_province_is_a_request() -> None:
    [(_, event)] = translated(LOSS | {"受理地": "510100"})
    assert event.WhichOneof("kind") == "loss_request_submitted"


def test_a_loss_taken_at_home_is_the_issuers_word_and_runs_out_after_seven_days() -> None:
    [(_, event)] = translated(LOSS)
    ends = event.temporary_loss_reported.effective_until.ToDatetime(UTC)
    assert ends == datetime(2025, 9, 8, 1, 30, 15, tzinfo=UTC)


def test_local_time_becomes_an_instant() -> None:
    [(_, event)] = translated(LOSS)
    assert event.occurred_at.ToDatetime(UTC) == datetime(2025, 9, 1, 1, 30, 15, tzinfo=UTC)


def test_a_lower_case_check_letter_is_stored_in_upper_case() -> None:
    [(_, event)] = translated(LOSS | {"社会保障号码": "51019919900307002x"})
    assert event.holder.clear == "51019919900307002X"


def test_the_source_key_is_the_callers_serial_number() -> None:
    keys = [key for key, _ in translated(LOSS | {"操作": "领卡启用"})]
    assert keys == ["call:CQWIN01:CQ2025090100000001#1", "call:CQWIN01:CQ2025090100000001#2"]


@pytest.mark.parametrize("missing", [tag for tag in LOSS if tag != "姓名"])
def test_a_missing_field_is_refused_with_99(missing: str) -> None:
    with pytest.raises(MalformedCall):
        translated({tag: value for tag, value in LOSS.items() if tag != missing})


@pytest.mark.parametrize(
    "changed",
    [
        {"操作": "获取批次号"},
        {"时间戳": "2025-02-30 09:30:15"},
        {"时间戳": "0001-01-01 00:00:00"},
        {"时间戳": "2025-9-1 9:30:15"},
        {"时间戳": "２025-09-01 09:30:15"},
        {"操作": "卡信息登记", "卡状态": "ZC", "规范版本": "3.00", "发卡日期": "2026111"},
        {"操作": "卡信息登记", "卡状态": "ZC", "规范版本": "3.00", "发卡日期": "202611"},
        {"操作": "卡信息登记", "卡状态": "ZC", "规范版本": "3.00", "发卡日期": "2026 1 5"},
        {"操作": "卡信息登记", "卡状态": "ZC", "规范版本": "3.00", "发卡日期": "00010101"},
        {"姓名": "甲\u202e乙"},
        {"所属区县": "110000"},
        {"受理地": "5100"},
        {"社保卡号": "A1234567"},
        {"受理渠道": "鸽子"},
        {"流水号": "9" * 65},
        {"操作": "换卡"},
        {"操作": "即制卡回盘", "批次号": "1"},
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused_with_99(changed: dict[str, str]) -> None:
    with pytest.raises(CallRefused) as refused:
        translated(LOSS | changed)
    assert refused.value.code == "99"


@pytest.mark.parametrize("block", ["社保卡号\r\n", "社保卡号\r\nA12345678,1", '社保卡号\r\n"A'], ids=["none", "wide", "open"])
def test_a_block_that_is_no_table_is_refused_with_99(block: str) -> None:
    with pytest.raises(MalformedCall):
        translated(LOSS | {"操作": "即制卡数据", "批次号": "1"}, block)


def test_an_area_cannot_be_told_from_its_digits() -> None:
    assert [region_of_area(area) for area in ("6530", "6670", "6690", "6870", "6840", "6510", "6511", "2900")] == [
        "500000", "500101", "500102", "500114", "513401", "510100", "510100", None,
    ]  # fmt: skip


# --- what the caller is answered -----------------------------------------------------------------------------------------

ACTIVE, TEMP_LOST, FORMALLY_LOST, SEALED, CANCELLED = (
    SocialStatus.SOCIAL_STATUS_ACTIVE, SocialStatus.SOCIAL_STATUS_TEMP_LOST, SocialStatus.SOCIAL_STATUS_FORMALLY_LOST,
    SocialStatus.SOCIAL_STATUS_SEALED, SocialStatus.SOCIAL_STATUS_CANCELLED,
)  # fmt: skip


@pytest.mark.parametrize(
    ("operation", "lives", "code", "letters"),
    [
        ("临时挂失", CardLives(social_status=ACTIVE), "00", "LG"),
        ("临时挂失", CardLives(social_status=TEMP_LOST), "01", "LG"),
        ("临时挂失", CardLives(social_status=FORMALLY_LOST), "21", "ZG"),
        ("临时挂失", None, "11", ""),
        ("正式挂失", CardLives(social_status=TEMP_LOST), "00", "ZG"),
        ("正式挂失", CardLives(social_status=CANCELLED), "21", "ZX"),
        ("解除挂失", CardLives(social_status=FORMALLY_LOST), "00", "ZC"),
        ("解除挂失", CardLives(social_status=FORMALLY_LOST, reissue_pending=True), "21", "ZG"),
        ("领卡启用", CardLives(social_status=SEALED), "00", "ZC"),
        ("领卡启用", CardLives(social_status=ACTIVE), "01", "ZC"),
        ("补卡", CardLives(social_status=FORMALLY_LOST), "00", "ZG"),
        ("补卡", CardLives(social_status=FORMALLY_LOST, reissue_pending=True), "01", "ZG"),
        ("补卡", CardLives(social_status=ACTIVE), "21", "ZC"),
        ("换卡", CardLives(social_status=ACTIVE), "00", "ZC"),
        ("申请社保卡", None, "00", ""),
        ("申请社保卡", CardLives(social_status=ACTIVE), "01", "ZC"),
        ("卡信息登记", None, "00", ""),
    ],
)
def test_the_standing_decides_the_code(operation: str, lives: CardLives | None, code: str, letters: str) -> None:
    judgement = judge(operation, lives)
    assert (judgement.code.value, judgement.letters) == (code, letters)


@pytest.mark.parametrize("operation", [name for name, one in OPERATIONS.items() if not (one.rows or one.use or one.place)])
def test_every_operation_on_one_card_is_judged(operation: str) -> None:
    assert judge(operation, CardLives(social_status=ACTIVE)).code in ("00", "01", "21")


class Hub(card_service_pb2_grpc.CardServiceServicer, feed_service_pb2_grpc.FeedServiceServicer):
    """Takes whatever is sent and shows one card."""

    def __init__(self, card: GetCardResponse | None) -> None:
        self.card, self.events = card, list[Event]()
        self.is_doubting = False

    async def GetCard(self, request: GetCardRequest, context: Any) -> GetCardResponse:  # noqa: N802
        if self.card is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "")
        return self.card or GetCardResponse()

    async def GetFeed(self, request: GetFeedRequest, context: Any) -> GetFeedResponse:  # noqa: N802
        return GetFeedResponse(feed=request.feed, next_sequence=len(self.events) + 1)

    async def StreamEvents(  # noqa: N802
        self, requests: AsyncIterator[StreamEventsRequest], context: Any
    ) -> AsyncIterator[StreamEventsResponse]:
        async for request in requests:
            self.events.extend(request.events)
            appended = AppendEventsResponse(
                feed=request.feed,
                first_sequence=request.first_sequence,
                positions=[request.first_sequence + index for index in range(len(request.events))],
                outcomes=[EventOutcome.EVENT_OUTCOME_RECORDED] * len(request.events),
            )
            if self.is_doubting:
                appended.quarantined.add(sequence=request.first_sequence).violations.add(field_path="card", rule_id="required")
            yield StreamEventsResponse(feed=request.feed, first_sequence=request.first_sequence, appended=appended)


def replies(tmp_path: Path, hub: Hub | None, *calls: dict[str, str], clock: Callable[[], float] = time.time) -> list[NativeReply]:
    """The replies to *calls*, one after the other; no hub means one that does not answer."""
    return asyncio.run(session(tmp_path, hub, calls, clock))


async def session(tmp_path: Path, hub: Hub | None, calls: Sequence[dict[str, str]], clock: Callable[[], float]) -> list[NativeReply]:
    server = grpc.aio.server()
    port = server.add_secure_port("localhost:0", grpc.local_server_credentials())
    if hub:
        card_service_pb2_grpc.add_CardServiceServicer_to_server(hub, server)
        feed_service_pb2_grpc.add_FeedServiceServicer_to_server(hub, server)
        await server.start()
    outbox = Outbox(tmp_path / "outbox.sqlite")
    connection = HubConnection([f"localhost:{port}"], grpc.local_channel_credentials())
    sender = FeedSender(outbox, connection, "cq.card-center")
    running = asyncio.create_task(sender.run())
    desk = CardDesk(SECRET, Ledger(tmp_path / "outbox.sqlite"), connection, sender, clock=clock)
    answers = [parse_reply(await desk.answer(encode_call(call, SECRET))) for call in calls]
    running.cancel()
    await connection.close()
    await server.stop(None)
    outbox.close()
    return answers


def hub_showing(status: SocialStatus.ValueType) -> Hub:
    return Hub(GetCardResponse(lives=CardLives(social_status=status)))


def test_a_loss_is_answered_with_its_letters_and_its_end(tmp_path: Path) -> None:
    assert replies(tmp_path, hub_showing(ACTIVE), LOSS) == [NativeReply("00", "成功", "LG", "20250908093015")]


def test_the_fact_is_recorded_whatever_the_code(tmp_path: Path) -> None:
    hub = hub_showing(CANCELLED)
    assert replies(tmp_path, hub, LOSS) == [NativeReply("21", "状态不允许", "ZX")]
    assert [event.WhichOneof("kind") for event in hub.events] == ["temporary_loss_reported"]


def test_an_unknown_card_is_answered_with_11_and_recorded(tmp_path: Path) -> None:
    hub = Hub(None)
    assert replies(tmp_path, hub, LOSS) == [NativeReply("11", "卡不存在")]
    assert len(hub.events) == 1


def test_a_card_of_the_other_province_is_passed_on(tmp_path: Path) -> None:
    call = LOSS | {"所属区县": "510199", "社保卡号": "S00000123"}
    assert replies(tmp_path, Hub(GetCardResponse()), call) == [NativeReply("00", "成功，已转发卡地")]


def test_a_call_sent_again_under_its_serial_number_is_one_event(tmp_path: Path) -> None:
    hub = hub_showing(ACTIVE)
    replies(tmp_path, hub, LOSS, LOSS | {"时间戳": "2025-09-01 09:31:00"})
    assert len(hub.events) == 1


def test_a_call_repeated_later_learns_nothing_of_the_card(tmp_path: Path) -> None:
    hub, now_s = hub_showing(ACTIVE), time.time()
    first, soon, late = replies(tmp_path, hub, LOSS, LOSS, LOSS, clock=iter([now_s, now_s + 299, now_s + 301]).__next__)
    assert (first.status, soon.status) == ("LG", "LG")
    assert late == NativeReply("99", "流水号已使用，该笔业务已登记为 cq.card-center 第 1 号")
    assert len(hub.events) == 1


def test_a_call_from_the_future_is_refused(tmp_path: Path) -> None:
    stamped_s = datetime(2025, 9, 1, 1, 30, 15, tzinfo=UTC).timestamp()
    [reply] = replies(tmp_path, hub_showing(ACTIVE), LOSS, clock=lambda: stamped_s - 301)
    assert reply == NativeReply("99", "时间戳超前")


def test_a_call_that_is_known_but_was_never_recorded_is_taken_however_late(tmp_path: Path) -> None:
    hub, now_s = hub_showing(ACTIVE), time.time()
    body = parse_call(encode_call(LOSS, SECRET), SECRET)
    Outbox(tmp_path / "outbox.sqlite").close()
    ledger = Ledger(tmp_path / "outbox.sqlite")
    ledger.admit_call(call_key(body.fields), content_of(body), now_s - 3_600)
    ledger.close()
    assert replies(tmp_path, hub, LOSS) == [NativeReply("00", "成功", "LG", "20250908093015")]
    assert len(hub.events) == 1


def test_a_serial_number_used_for_another_call_is_refused(tmp_path: Path) -> None:
    hub = hub_showing(ACTIVE)
    answers = replies(tmp_path, hub, LOSS, LOSS | {"社保卡号": "A00000025"})
    assert answers[1] == NativeReply("99", "流水号已用于另一笔业务")
    assert len(hub.events) == 1


def test_a_hub_out_of_reach_is_said_and_the_fact_waits(tmp_path: Path) -> None:
    [reply] = replies(tmp_path, None, LOSS)
    assert reply == NativeReply("99", "已登记，交换枢纽暂不可达，将自动补传")
    assert Outbox(tmp_path / "outbox.sqlite").state("cq.card-center").pending_count == 1


def test_a_stopped_feed_is_said_and_the_fact_waits(tmp_path: Path) -> None:
    with closing(Outbox(tmp_path / "outbox.sqlite")) as outbox:
        outbox.put("cq.card-center", [("broken", b"\xff no event at all")])
    [reply] = replies(tmp_path, hub_showing(ACTIVE), LOSS)
    assert reply == NativeReply("99", "已登记，报送已停止，待运维处理后补传")
    assert Outbox(tmp_path / "outbox.sqlite").state("cq.card-center").pending_count == 2


def test_a_call_that_was_quarantined_is_answered_so_again_after_a_restart(tmp_path: Path) -> None:
    hub = hub_showing(ACTIVE)
    hub.is_doubting = True
    doubted = NativeReply("99", "已登记，内容待核：card required")
    assert replies(tmp_path, hub, LOSS) == [doubted]
    assert replies(tmp_path, hub, LOSS) == [doubted]
    assert len(hub.events) == 1


def test_a_refused_call_leaves_nothing_behind(tmp_path: Path) -> None:
    [reply] = replies(tmp_path, None, LOSS | {"操作": "交费登记"})
    assert reply == NativeReply("99", "操作不支持")
    assert Outbox(tmp_path / "outbox.sqlite").state("cq.card-center").pending_count == 0


def app(tmp_path: Path) -> httpx.AsyncClient:
    outbox, connection = Outbox(tmp_path / "o.sqlite"), HubConnection(["localhost:1"], grpc.local_channel_credentials())
    ledger = Ledger(tmp_path / "o.sqlite")
    cards, usage = (FeedSender(outbox, connection, feed) for feed in ("cq.card-center", "cq.usage"))
    inbox = Inbox(tmp_path / "inbox", UsageIntake(outbox, ledger, tmp_path))
    web = web_app(CardDesk(SECRET, ledger, connection, cards), inbox, usage, connection)
    return httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url="http://cq")


def test_the_service_speaks_gb18030_and_shows_its_state(tmp_path: Path) -> None:
    async def use() -> tuple[httpx.Response, httpx.Response]:
        async with app(tmp_path) as client:
            refused = await client.post("/services/CardService", content=encode_call(LOSS, b"another"))
            return refused, await client.get("/status")

    refused, status = asyncio.run(use())
    assert refused.headers["content-type"] == "text/xml; charset=GB18030"
    assert parse_reply(refused.content) == NativeReply(ReplyCode.CHECKSUM_WRONG, "校验码错误")
    state = status.json()
    assert (state["replies"], sorted(state["feeds"])) == ({"31": 1}, ["cq.card-center", "cq.usage"])


def test_a_body_too_large_is_not_read_to_its_end(tmp_path: Path) -> None:
    async def use() -> httpx.Response:
        async with app(tmp_path) as client:
            return await client.post("/services/CardService", content=b"x" * 4_000_001)

    assert asyncio.run(use()).status_code == 413


# --- anything --------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=400))
def test_any_bytes_are_a_call_or_a_typed_refusal(body: bytes) -> None:
    refused_or_call(body)


@given(st.integers(0, 10_000), st.binary(max_size=6), st.integers(0, 6))
def test_a_damaged_call_is_a_call_or_a_typed_refusal(at: int, inserted: bytes, removed: int) -> None:
    body = encode_call(LOSS, SECRET, "序号,社保卡号\r\n1,A12345678")
    at %= len(body)
    refused_or_call(body[:at] + inserted + body[at + removed :])


@given(
    st.dictionaries(st.sampled_from([*LOSS, "批次号", "受理渠道", "换卡原因"]), st.text(max_size=20)),
    st.text(max_size=60),
)
def test_any_fields_translate_or_are_refused(fields: dict[str, str], block: str) -> None:
    for operation in ("临时挂失", "换卡", "即制卡回盘", "卡信息登记"):
        try:
            translate_call(NativeCall(LOSS | {"操作": operation} | fields, block))
        except CallRefused:
            continue


def refused_or_call(body: bytes) -> None:
    try:
        translate_call(parse_call(body, SECRET))
    except CallRefused:
        return

"""The Sichuan adapter: envelope, nonce window, translation, native reply codes."""

import asyncio
import base64
import json
import re
import stat
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import gmssl_pyx
import grpc
import httpx
import pytest
from chuanyu.exchange.v1 import card_lifecycle_pb2 as life
from chuanyu.exchange.v1.acceptance_pb2 import AcceptanceOutcome
from chuanyu.exchange.v1.card_service_pb2 import CardLives, EcardStatus, GetCardResponse, ScenarioUsability
from chuanyu.exchange.v1.event_pb2 import Event
from google.protobuf.json_format import ParseDict
from typer.testing import CliRunner

from adapters.cli import app
from adapters.kit import FeedSender, HubConnection, Outbox
from adapters.sichuan.envelope import (
    Request,
    decrypt,
    encrypt,
    open_reply,
    open_request,
    seal_reply,
    seal_request,
    sign,
    signing_string,
)
from adapters.sichuan.fields import Fields
from adapters.sichuan.gateway import MAX_BODY_BYTES, Gateway, web_app
from adapters.sichuan.keys import Keys, KeyUnusable, in_pem, load_keys, make_own_keys
from adapters.sichuan.nonce_window import NonceWindow
from adapters.sichuan.replies import MessageRepeated, ParameterInvalid, SignatureInvalid, Undecipherable
from adapters.sichuan.translate import CARD_FEED, translate
from adapters.sichuan.usage import FEED as USAGE_FEED
from tests.scripted_hub import ScriptedHub

SAMPLES = Path(__file__).parents[2] / "adapters" / "samples" / "sichuan"
MSG_ID = "510000202509010930150000000042"
NOW = datetime(2025, 9, 1, 1, 30, 15, tzinfo=UTC)
STAMP = "20250901093015"


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> tuple[Keys, Keys]:
    """The adapter's keys, and the province's view of the same interface."""
    directory = tmp_path_factory.mktemp("keys")
    public, private = gmssl_pyx.sm2_key_generate()
    (directory / "province.sm2.pub").write_text(f"04{public.hex()}\n")
    adapter = load_keys(directory)
    return adapter, Keys(private=private, public=public, peer=adapter.public, session=adapter.session)


def sm2_point() -> bytes:
    """A public key as 04 ‖ x ‖ y."""
    public, _ = gmssl_pyx.sm2_key_generate()
    return b"\x04" + public


def sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_text())


def asked(trans_code: str, msg_id: str = MSG_ID) -> Request:
    return Request(app_id="CQ-HUB-0001", trans_code=trans_code, msg_id=msg_id, timestamp=STAMP, data="")


# The envelope


def test_the_signing_string_is_every_other_field_sorted_by_name() -> None:
    fields = {
        "appId": "CQ-HUB-0001",
        "transCode": "SBK2104",
        "msgId": MSG_ID,
        "timestamp": STAMP,
        "version": "1.2",
        "encType": "SM4",
        "signType": "SM2",
        "data": "BASE64...",
        "sign": "not part of it",
    }
    assert signing_string(fields) == (
        b"appId=CQ-HUB-0001&data=BASE64...&encType=SM4&msgId=510000202509010930150000000042"
        b"&signType=SM2&timestamp=20250901093015&transCode=SBK2104&version=1.2"
    )
    digest = gmssl_pyx.sm3_hash(signing_string(fields)).hex()
    assert digest == "6b17ad3ef5b11ec8b41818dd634b87fd16561bf956cba38949d5b720eb2867f6"


def test_what_is_no_text_is_signed_as_its_json() -> None:
    fields = {"n": 1, "t": True, "z": None, "o": {"b": [1, "甲"]}}
    assert signing_string(fields).decode() == 'n=1&o={"b":[1,"甲"]}&t=true&z='


def test_a_request_opens_to_what_was_sealed(sides: tuple[Keys, Keys]) -> None:
    adapter, province = sides
    body = json.dumps(seal_request("SBK2104", MSG_ID, STAMP, "CQ-HUB-0001", {"aac003": "测试㐂"}, province)).encode()
    request = open_request(body, adapter)
    assert (request.app_id, request.trans_code, request.msg_id) == ("CQ-HUB-0001", "SBK2104", MSG_ID)
    assert decrypt(request.data, adapter) == {"aac003": "测试㐂"}


def test_a_reply_opens_to_what_was_sealed(sides: tuple[Keys, Keys]) -> None:
    adapter, province = sides
    assert open_reply(seal_reply("2003", "卡已处于该状态", MSG_ID, {"xhq": "1"}, adapter), province) == (
        "2003",
        "卡已处于该状态",
        {"xhq": "1"},
    )


def test_a_reply_without_data_has_an_empty_string(sides: tuple[Keys, Keys]) -> None:
    adapter, _ = sides
    assert seal_reply("0000", "成功", MSG_ID, None, adapter)["data"] == ""


def test_the_same_data_never_encrypts_to_the_same_bytes(sides: tuple[Keys, Keys]) -> None:
    adapter, _ = sides
    assert encrypt({}, adapter) != encrypt({}, adapter)


def test_a_field_added_without_notice_is_signed_like_any_other(sides: tuple[Keys, Keys]) -> None:
    adapter, province = sides
    fields = seal_request("SBK2104", MSG_ID, STAMP, "CQ-HUB-0001", {}, province) | {"traceNo": 7}
    with pytest.raises(SignatureInvalid):
        open_request(json.dumps(fields).encode(), adapter)
    fields["sign"] = sign(fields, province)
    assert open_request(json.dumps(fields).encode(), adapter).msg_id == MSG_ID


@pytest.mark.parametrize(
    "bad_sign",
    [
        None,
        7,
        "签",
        "%%%",
        base64.b64encode(bytes(63)).decode(),
        base64.b64encode(bytes(64)).decode(),
        base64.b64encode(b"\xff" * 64).decode(),
    ],
)
def test_a_signature_of_any_wrong_shape_is_1001(sides: tuple[Keys, Keys], bad_sign: object) -> None:
    adapter, province = sides
    fields = seal_request("SBK2104", MSG_ID, STAMP, "CQ-HUB-0001", {}, province) | {"sign": bad_sign}
    with pytest.raises(SignatureInvalid) as refusal:
        open_request(json.dumps(fields).encode(), adapter)
    assert refusal.value.code == "1001"


def test_a_lone_surrogate_in_a_strange_field_is_a_wrong_signature(sides: tuple[Keys, Keys]) -> None:
    adapter, province = sides
    fields = seal_request("SBK2104", MSG_ID, STAMP, "CQ-HUB-0001", {}, province) | {"x": "\ud800"}
    with pytest.raises(SignatureInvalid):
        open_request(json.dumps(fields).encode(), adapter)


@pytest.mark.parametrize("data", ["%%%", "QQ==", base64.b64encode(bytes(16)).decode(), base64.b64encode(bytes(48)).decode()])
def test_data_that_does_not_decrypt_is_1002(sides: tuple[Keys, Keys], data: str) -> None:
    with pytest.raises(Undecipherable) as refusal:
        decrypt(data, sides[0])
    assert refusal.value.code == "1002"


def test_data_under_another_key_is_1002(sides: tuple[Keys, Keys]) -> None:
    adapter, province = sides
    with pytest.raises(Undecipherable):
        decrypt(encrypt({"aab301": "510100"}, replace(province, session=bytes(16))), adapter)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("msgId", ""),
        ("timestamp", "2025-09-01"),
        ("encType", "AES"),
        ("signType", "RSA"),
        ("transCode", "2104"),
        ("data", ""),
    ],
)
def test_a_field_missing_or_malformed_is_3001_and_named(sides: tuple[Keys, Keys], field: str, value: str) -> None:
    adapter, province = sides
    fields = seal_request("SBK2104", MSG_ID, STAMP, "CQ-HUB-0001", {}, province) | {field: value}
    with pytest.raises(ParameterInvalid, match=field) as refusal:
        open_request(json.dumps(fields).encode(), adapter)
    assert refusal.value.code == "3001"


@pytest.mark.parametrize("body", [b"", b"\xb2\xe2", b"[]", b"null", b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_3001(sides: tuple[Keys, Keys], body: bytes) -> None:
    with pytest.raises(ParameterInvalid):
        open_request(body, sides[0])


# Keys


def test_keys_are_made_once_and_for_their_owner_only(tmp_path: Path) -> None:
    with pytest.raises(KeyUnusable, match=r"province\.sm2\.pub"):
        load_keys(tmp_path / "keys")
    made = {path.name: path.read_text() for path in (tmp_path / "keys").iterdir()}
    assert made.keys() == {"adapter.sm2.key", "adapter.sm2.pub", "session.sm4.key"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "keys").iterdir()} == {0o600}
    (tmp_path / "keys" / "province.sm2.pub").write_text(made["adapter.sm2.pub"])
    load_keys(tmp_path / "keys")
    assert (tmp_path / "keys" / "adapter.sm2.key").read_text() == made["adapter.sm2.key"]


@pytest.mark.parametrize("text", ["", "no hex", "04" + "11" * 64])
def test_a_public_key_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "province.sm2.pub").write_text(text)
    with pytest.raises(KeyUnusable, match=r"province\.sm2\.pub"):
        load_keys(tmp_path)


# The nonce window


@pytest.fixture
def window(tmp_path: Path) -> NonceWindow:
    return NonceWindow(tmp_path / "replay.sqlite")


def test_a_message_five_minutes_off_is_taken(window: NonceWindow) -> None:
    window.check("A", "1", STAMP, NOW + timedelta(seconds=300))
    window.check("A", "1", STAMP, NOW - timedelta(seconds=300))


@pytest.mark.parametrize("off_s", [301, -301])
def test_a_message_further_off_is_1003(window: NonceWindow, off_s: int) -> None:
    with pytest.raises(MessageRepeated) as refusal:
        window.check("A", "1", STAMP, NOW + timedelta(seconds=off_s))
    assert refusal.value.code == "1003"


def test_a_number_is_taken_once_for_each_sender(window: NonceWindow) -> None:
    window.remember("A", "1", NOW)
    with pytest.raises(MessageRepeated):
        window.check("A", "1", STAMP, NOW)
    window.check("B", "1", STAMP, NOW)


def test_a_restart_opens_no_hole(tmp_path: Path, window: NonceWindow) -> None:
    window.remember("A", "1", NOW)
    with pytest.raises(MessageRepeated):
        NonceWindow(tmp_path / "replay.sqlite").check("A", "1", STAMP, NOW)


def test_a_number_stays_known_as_long_as_its_timestamp_could_pass(window: NonceWindow) -> None:
    window.remember("A", "1", NOW - timedelta(seconds=300))
    window.remember("A", "2", NOW + timedelta(seconds=299))
    with pytest.raises(MessageRepeated):
        window.check("A", "1", STAMP, NOW + timedelta(seconds=299))


def test_numbers_no_timestamp_can_bring_back_are_forgotten(window: NonceWindow) -> None:
    window.remember("A", "1", NOW)
    window.remember("A", "2", NOW + timedelta(seconds=601))
    assert window.count() == 1


@pytest.mark.parametrize("stamp", ["20250230000000", "20250901246015", "２０２５０９０１０９３０１５"])
def test_a_timestamp_that_is_no_time_is_3001(window: NonceWindow, stamp: str) -> None:
    with pytest.raises(ParameterInvalid):
        window.check("A", "1", stamp, NOW)


# Translation


@pytest.mark.parametrize("expected", sorted(SAMPLES.glob("*.expected.json")), ids=lambda path: path.name.split(".")[0])
def test_a_sample_becomes_the_expected_events(expected: Path) -> None:
    name = expected.name.removesuffix(".expected.json")
    wanted = json.loads(expected.read_text())
    translation = translate(asked(name[:7]), sample(name))
    assert translation.feed == wanted["feed"]
    assert translation.events == [ParseDict(event, Event()) for event in wanted["events"]]


def test_every_upload_has_a_sample() -> None:
    codes = {path.name[:7] for path in SAMPLES.glob("*.expected.json")}
    assert codes == {
        "SBK1101", "SBK1102", "SBK1103", "SBK1201", "SBK1202", "SBK1301", "SBK1401",
        "SBK2104", "SBK2105", "SBK4001", "SBK4002",
    }  # fmt: skip


@pytest.mark.parametrize("code", ["SBK4001-batch-sent", "SBK4002-bank-return"])
def test_a_batch_of_funds_says_where_it_is_paid(code: str) -> None:
    with pytest.raises(ParameterInvalid, match="ffqh"):
        translate(asked(code[:7]), sample(code) | {"ffqh": None})


def with_row(name: str, **changed: object) -> dict[str, object]:
    """A message of funds whose last row is another."""
    whole = sample(name)
    rows = whole["mx"]
    assert isinstance(rows, list)
    return whole | {"mx": [*rows[:-1], rows[-1] | changed]}


@pytest.mark.parametrize("number", [None, "", "0", "000"])
@pytest.mark.parametrize("name", ["SBK4002-bank-return", "SBK4001-batch-sent-with-rows"])
def test_a_row_of_funds_without_a_number_costs_only_itself(name: str, number: str | None) -> None:
    translation = translate(asked(name[:7]), with_row(name, xh=number))
    assert (translation.refused, len(translation.events)) == (
        {2: "参数错误：mx[2].xh"},
        len(translate(asked(name[:7]), sample(name)).events) - 1,
    )


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"aae010": ""}, "aae010"), ({"je": ""}, "je"), ({"je": "1,000.00"}, "je"), ({"sl": "2.5亩"}, "sl"), ({"cs": "2"}, "cs"),
        ({"aac002": "", "aac003": ""}, "aaz500"),
    ],
)  # fmt: skip
def test_a_row_that_is_sent_says_whom_and_how_much(changed: dict[str, object], field: str) -> None:
    assert translate(asked("SBK4001"), with_row("SBK4001-batch-sent-with-rows", **changed)).refused == {2: f"参数错误：mx[2].{field}"}


def test_a_batch_of_many_rows_goes_on_without_its_totals() -> None:
    more = sample("SBK4001-batch-sent-with-rows") | {"zbs": None, "zje": None}
    assert [event.WhichOneof("kind") for event in translate(asked("SBK4001"), more).events] == ["fund_row_sent"] * 2


@pytest.mark.parametrize(
    ("name", "changed", "field"),
    [
        ("SBK4001-row-sent-again", {"mx": []}, "mx"), ("SBK4001-batch-sent", {"pczt": "09"}, "pczt"),
        ("SBK4001-batch-sent", {"pch": ""}, "pch"),
        ("SBK4002-bank-return", {"pch": ""}, "pch"), ("SBK4002-bank-return", {"mx": [{"xh": "0"}]}, "mx[1].jg"),
    ],
)  # fmt: skip
def test_a_message_of_funds_that_says_nothing_is_refused(name: str, changed: dict[str, object], field: str) -> None:
    with pytest.raises(ParameterInvalid, match=re.escape(field)):
        translate(asked(name[:7]), sample(name) | changed)


def test_what_is_sent_again_says_which_time_it_is() -> None:
    with pytest.raises(ParameterInvalid, match="cs"):
        translate(asked("SBK4001"), with_row("SBK4001-row-sent-again", cs="1"))


def test_samples_name_nobody() -> None:
    numbers = [path.read_text().partition('"aac002": "')[2][:6] for path in SAMPLES.glob("SBK2104-*.json")]
    assert {number for number in numbers if number} == {"510199", "500199"}


def borrowing(**changed: object) -> dict[str, object]:
    return {**sample("SBK2104-library-borrow"), **changed}


def test_a_lower_case_check_letter_is_stored_upper_case() -> None:
    [event] = translate(asked("SBK2104"), borrowing(aac002="51019919900307002x")).events
    assert event.holder.clear == "51019919900307002X"


@pytest.mark.parametrize(("yuan", "fen"), [("0.00", 0), ("12.50", 1250), ("", 0), (None, 0), ("999999999999.99", 99999999999999)])
def test_yuan_become_fen(yuan: str | None, fen: int) -> None:
    [event] = translate(asked("SBK2104"), borrowing(je=yuan)).events
    assert event.amount_fen == fen


@pytest.mark.parametrize("yuan", ["12.5", "12", "12.505", "-1.00", "1,200.00", " 1.00", "１.00", 12.5, 12, True])
def test_malformed_money_is_3001_and_named(yuan: object) -> None:
    with pytest.raises(ParameterInvalid, match="je"):
        translate(asked("SBK2104"), borrowing(je=yuan))


@pytest.mark.parametrize("empty", ["", None, "  "])
def test_an_empty_string_is_null(empty: str | None) -> None:
    [event] = translate(asked("SBK2104"), borrowing(aac002=empty, aaz501=empty, jz=empty)).events
    assert not event.HasField("holder")
    assert len(event.card_aliases) == 0


def test_local_time_before_eight_is_the_utc_day_before() -> None:
    [event] = translate(asked("SBK2104"), borrowing(fssj="20250901003000")).events
    assert event.occurred_at.ToJsonString() == "2025-08-31T16:30:00Z"


@pytest.mark.parametrize("time", ["", "20250931000000", "2025090109295", "2025-09-01 09:29:58"])
def test_a_time_that_is_none_is_3001_and_named(time: str) -> None:
    with pytest.raises(ParameterInvalid, match="fssj"):
        translate(asked("SBK2104"), borrowing(fssj=time))


@pytest.mark.parametrize("native", [None, [], "text", 1])
def test_data_of_the_wrong_kind_is_3001(native: object) -> None:
    with pytest.raises(ParameterInvalid, match="data"):
        translate(asked("SBK2104"), native)


def test_a_card_without_any_number_is_3001() -> None:
    with pytest.raises(ParameterInvalid, match="aaz500"):
        translate(asked("SBK1101"), {"aab301": "510100", "fssj": STAMP})


def test_an_unknown_medium_is_3001_and_named() -> None:
    with pytest.raises(ParameterInvalid, match="jz"):
        translate(asked("SBK2104"), borrowing(jz="09"))


def test_a_line_of_a_batch_that_cannot_be_read_costs_only_itself() -> None:
    said = translate(asked("SBK2105"), [borrowing(), borrowing(kzxx={"czlx": "JC", "yhrq": "20251301"}), "x", borrowing()])
    assert [event.source.line_no for event in said.events] == [1, 4]
    assert said.refused == {2: "参数错误：data[2].kzxx.yhrq", 3: "参数错误：data[3]"}


def test_a_batch_without_a_line_that_can_be_read_is_3001() -> None:
    with pytest.raises(ParameterInvalid, match=r"data\[1\]\.kzxx\.yhrq"):
        translate(asked("SBK2105"), [borrowing(kzxx={"czlx": "JC", "yhrq": "20251301"})])


@pytest.mark.parametrize("null", ["00010101000000", "00000000000000", "18000101000000", "22000101000000", "99991231235959"])
def test_a_null_date_is_3001_and_named(null: str) -> None:
    with pytest.raises(ParameterInvalid, match="fssj"):
        translate(asked("SBK2104"), borrowing(fssj=null))


@pytest.mark.parametrize("null", ["00010101", "２０２６0101", "2026111", "2026 1 5"])
def test_a_day_has_exactly_eight_ascii_digits_of_a_date_that_can_be_meant(null: str) -> None:
    with pytest.raises(ParameterInvalid, match="ywrq"):
        translate(asked("SBK2104"), borrowing(ywrq=null))


@pytest.mark.parametrize("size", [0, 501])
def test_a_batch_has_one_to_five_hundred_uses(size: int) -> None:
    with pytest.raises(ParameterInvalid, match="1 至 500 条"):
        translate(asked("SBK2105"), [borrowing()] * size)


def test_five_hundred_uses_are_one_batch() -> None:
    assert len(translate(asked("SBK2105"), [borrowing()] * 500).events) == 500


def test_what_is_not_offered_yet_says_so() -> None:
    with pytest.raises(ParameterInvalid, match="暂未提供"):
        translate(asked("SBK3001"), {})


def test_only_a_loss_may_be_told_of_the_other_provinces_card() -> None:
    with pytest.raises(ParameterInvalid, match="须由发卡地办理"):
        translate(asked("SBK1103"), sample("SBK1101-loss-of-chongqing-card"))


def test_an_enabling_may_be_taken_for_the_other_province_without_stating_its_card() -> None:
    chongqing = sample("SBK1301-activation") | {"aab301": "500112", "aaz500": "A12345678", "jkkh": "A00000001"}
    [event] = translate(asked("SBK1301"), chongqing).events
    assert event.WhichOneof("kind") == "social_function_activated"
    assert event.social_function_activated.supersedes.issuing_province == "50"


def test_a_position_beyond_a_thousand_million_is_read() -> None:
    [event] = translate(asked("SBK2104"), borrowing(pdh="123456789012345678")).events
    assert event.decision_position == 123456789012345678


def test_a_chongqing_born_holder_of_a_sichuan_card_is_sichuans() -> None:
    [event] = translate(asked("SBK1101"), sample("SBK1101-temporary-loss") | {"aac002": "500199198503120015"}).events
    assert event.card.issuing_province == "51"


def test_text_that_could_swell_an_event_is_3001() -> None:
    with pytest.raises(ParameterInvalid, match="yydm"):
        translate(asked("SBK2104"), borrowing(yydm="X" * 257))


def test_wide_spaces_and_private_use_characters_are_text() -> None:
    [event] = translate(asked("SBK1201"), sample("SBK1201-application") | {"aac003": "测\u3000试\ue000"}).events
    assert event.card_applied.applicant_name.clear == "测\u3000试\ue000"


@pytest.mark.parametrize("text", ["a\nb", "\ud800", "\x00", "a\x85b", "\u202eab", "a\u2066b"])
def test_control_characters_and_half_surrogates_are_3001(text: str) -> None:
    with pytest.raises(ParameterInvalid, match="yydm"):
        translate(asked("SBK2104"), borrowing(yydm=text))


def test_a_passport_holder_is_named_by_the_passport() -> None:
    [event] = translate(asked("SBK2104"), borrowing(aac058="08", aac147="e12345678")).events
    assert (event.holder.id_type, event.holder.clear) == (8, "E12345678")


def test_rows_are_counted_from_one() -> None:
    assert str(Fields({}, "data[1].").fault("je")) == "参数错误：data[1].je"


# Keys

POINT = sm2_point()


@pytest.mark.parametrize(
    "written",
    [
        POINT.hex(),
        f"{POINT[1:].hex()}\n",
        f"0x{POINT.hex().upper()}",
        f"\ufeff{POINT.hex()}\r\n",
        f"{POINT.hex()[:64]}\n{POINT.hex()[64:]}",
        in_pem(POINT),
        "".join(in_pem(POINT).splitlines()[1:-1]),
    ],
    ids=["hex", "bare", "0x", "mark", "lines", "pem", "base64"],
)
def test_the_provinces_key_is_taken_as_its_systems_write_it(written: str, tmp_path: Path) -> None:
    make_own_keys(tmp_path)
    (tmp_path / "province.sm2.pub").write_text(written, encoding="utf-8")
    assert load_keys(tmp_path).peer == POINT[1:]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (None, "is missing: ask the province"),
        ("", "the file is empty"),
        ("04" + "00" * 64, "not a point of the SM2 curve"),
        (POINT.hex()[:-4], "it holds 126 hex digits"),
        ("钥匙", "neither hex nor PEM nor Base64"),
        ("-----BEGIN EC PRIVATE KEY-----", "this is a private key"),
        ("-----BEGIN CERTIFICATE-----", "this is a certificate"),
        (in_pem(POINT).replace("KoEcz1UBgi0D", "KoEcz1UBgi4D"), "not one of the SM2 curve"),
    ],
    ids=["missing", "empty", "off-curve", "short", "words", "private", "certificate", "other-curve"],
)
def test_what_is_wrong_with_a_key_file_is_named(written: str | None, said: str, tmp_path: Path) -> None:
    make_own_keys(tmp_path)
    if written is not None:
        (tmp_path / "province.sm2.pub").write_text(written, encoding="utf-8")
    with pytest.raises(KeyUnusable, match=said):
        load_keys(tmp_path)


def test_the_keys_command_makes_a_test_pair_that_the_adapter_starts_with(tmp_path: Path) -> None:
    refused = CliRunner().invoke(app, ["keys", "--data-dir", str(tmp_path)])
    assert (refused.exit_code, "ask the province" in refused.stderr) == (1, True)
    made = CliRunner().invoke(app, ["keys", "--data-dir", str(tmp_path), "--test-pair"])
    assert (made.exit_code, made.stdout.count("BEGIN PUBLIC KEY")) == (0, 1)
    assert load_keys(tmp_path / "keys").peer


def test_native_lines_on_standard_error_become_one_line_of_the_log(tmp_path: Path) -> None:
    script = (
        "import os, sys, time; from adapters.kit.logs import log_to_standard_error; log_to_standard_error('test')\n"
        "from gmssl_pyx import sm2_key_generate, sm2_verify; public, private = sm2_key_generate()\n"
        "for _ in range(50): sm2_verify(public, b'x', bytes.fromhex('30060201010201' + '01'))\n"
        "time.sleep(0.3); print('still here', file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    lines = done.stderr.splitlines()
    assert lines[-1] == "still here"
    assert len(lines) == 2
    assert "native libraries wrote" in lines[0]


# The gateway

Post = Callable[[str, str, Any], Awaitable[tuple[str, str, Any]]]


def with_gateway(
    tmp_path: Path,
    sides: tuple[Keys, Keys],
    scenario: Callable[[ScriptedHub, Post, Outbox], Awaitable[None]],
    *,
    reachable: bool = True,
) -> None:
    adapter, province = sides

    async def play() -> None:
        outbox, window = Outbox(tmp_path / "outbox.sqlite"), NonceWindow(tmp_path / "replay.sqlite")
        async with ScriptedHub() as hub:
            nowhere = HubConnection(["127.0.0.1:1"], grpc.local_channel_credentials())
            connection = hub.connection() if reachable else nowhere
            senders = {feed: FeedSender(outbox, connection, feed) for feed in (CARD_FEED, USAGE_FEED)}
            tasks = [asyncio.create_task(sender.run()) for sender in senders.values()]
            gateway = Gateway(adapter, window, connection, senders, clock=lambda: NOW)
            transport = httpx.ASGITransport(web_app(gateway))
            async with httpx.AsyncClient(transport=transport, base_url="http://adapter") as client:

                async def post(trans_code: str, msg_id: str, data: Any) -> tuple[str, str, Any]:
                    fields = seal_request(trans_code, msg_id, STAMP, "CQ-HUB-0001", data, province)
                    response = await client.post("/sbk/api/gateway", json=fields)
                    assert response.json()["msgId"] == msg_id
                    return open_reply(response.json(), province)

                await scenario(hub, post, outbox)
            for task in tasks:
                task.cancel()

    asyncio.run(play())


def own_card(status: life.SocialStatus.ValueType, **lives: Any) -> GetCardResponse:
    return GetCardResponse(lives=CardLives(social_status=status, **lives))


def test_a_use_is_answered_0000_with_its_number_once_the_hub_has_it(tmp_path: Path, sides: tuple[Keys, Keys]) -> None:
    async def scenario(hub: ScriptedHub, post: Post, _outbox: Outbox) -> None:
        assert await post("SBK2104", "1", sample("SBK2104-library-borrow")) == (
            "0000", "成功", {"feed": "sc.usage", "xhq": "1", "xhz": "1", "dhxh": []},
        )  # fmt: skip
        assert len(hub.feeds[USAGE_FEED]) == 1

    with_gateway(tmp_path, sides, scenario)


def test_a_batch_of_uses_gets_its_range_of_numbers(tmp_path: Path, sides: tuple[Keys, Keys]) -> None:
    async def scenario(_hub: ScriptedHub, post: Post, _outbox: Outbox) -> None:
        code, _, data = await post("SBK2105", "1", sample("SBK2105-two-uses"))
        assert (code, data["xhq"], data["xhz"]) == ("0000", "1", "2")

    with_gateway(tmp_path, sides, scenario)


def test_a_batch_is_answered_with_the_lines_that_were_refused(tmp_path: Path, sides: tuple[Keys, Keys]) -> None:
    async def scenario(hub: ScriptedHub, post: Post, _outbox: Outbox) -> None:
        code, text, data = await post("SBK2105", "1", [borrowing(fssj="00010101000000"), borrowing(), borrowing()])
        assert (code, text, data["xhq"], data["xhz"]) == ("0000", "成功，拒收 1 行", "1", "2")
        assert data["jjhh"] == [{"hh": "1", "yy": "参数错误：data[1].fssj"}]
        assert len(hub.feeds[USAGE_FEED]) == 2

    with_gateway(tmp_path, sides, scenario)


def test_a_null_date_in_the_envelope_is_3001(tmp_path: Path) -> None:
    window = NonceWindow(tmp_path / "replay.sqlite")
    with pytest.raises(ParameterInvalid, match="timestamp"):
        window.check("a", "1", "00010101000000", NOW)


def test_an_unknown_scenario_goes_to_the_hub_and_is_named_as_doubtful(tmp_path: Path, sides: tuple[Keys, Keys]) -> None:
    async def scenario(hub: ScriptedHub, post: Post, _outbox: Outbox) -> None:
        code, _, data = await post("SBK2104", "1", sample("SBK2104-unknown-scenario"))
        assert (code, data["dhxh"]) == ("0000", ["1"])
        assert Event.FromString(hub.feeds[USAGE_FEED][0]).scenario == "EDU.CANTEEN"

    with_gateway(tmp_path, sides, scenario)


LOSS, ACTIVE, TEMP_LOST = "SBK1101-temporary-loss", life.SOCIAL_STATUS_ACTIVE, life.SOCIAL_STATUS_TEMP_LOST
FORMALLY_LOST, SEALED = life.SOCIAL_STATUS_FORMALLY_LOST, life.SOCIAL_STATUS_SEALED
CANCELLED, LOCKED = life.SOCIAL_STATUS_CANCELLED, life.SOCIAL_STATUS_APP_LOCKED
SIGNED, RELEASED = EcardStatus.ECARD_STATUS_SIGNED, EcardStatus.ECARD_STATUS_RELEASED


@pytest.mark.parametrize(
    ("message", "card", "code"),
    [
        (LOSS, own_card(ACTIVE), "0000"),
        (LOSS, own_card(LOCKED), "0000"),
        (LOSS, own_card(TEMP_LOST), "2003"),
        (LOSS, own_card(FORMALLY_LOST), "2002"),
        (LOSS, own_card(SEALED), "2002"),
        (LOSS, own_card(CANCELLED), "2002"),
        (LOSS, None, "2001"),
        ("SBK1102-formal-loss", own_card(TEMP_LOST), "0000"),
        ("SBK1102-formal-loss", own_card(FORMALLY_LOST), "2003"),
        ("SBK1103-release", own_card(TEMP_LOST), "0000"),
        ("SBK1103-release", own_card(ACTIVE), "2003"),
        ("SBK1103-release", own_card(FORMALLY_LOST, reissue_pending=True), "2002"),
        ("SBK1202-reissue", own_card(FORMALLY_LOST), "0000"),
        ("SBK1202-reissue", own_card(FORMALLY_LOST, reissue_pending=True), "2003"),
        ("SBK1202-reissue", own_card(ACTIVE), "2002"),
        ("SBK1202-replacement", own_card(ACTIVE), "0000"),
        ("SBK1202-replacement", own_card(ACTIVE, replacement_pending=True), "2003"),
        ("SBK1301-activation", own_card(SEALED), "0000"),
        ("SBK1301-activation", own_card(ACTIVE), "2003"),
        ("SBK1301-activation", None, "0000"),
        ("SBK1201-application", None, "0000"),
        ("SBK1401-ecard-signed", own_card(ACTIVE, ecard_status=RELEASED), "0000"),
        ("SBK1401-ecard-signed", own_card(ACTIVE, ecard_status=SIGNED), "2003"),
        (LOSS, own_card(life.SOCIAL_STATUS_UNSPECIFIED), "0000"),
        ("SBK1401-ecard-reauthorized", own_card(ACTIVE, ecard_status=SIGNED), "0000"),
    ],
)
def test_the_standing_makes_the_code_and_the_fact_is_recorded_all_the_same(
    tmp_path: Path, sides: tuple[Keys, Keys], message: str, card: GetCardResponse | None, code: str
) -> None:
    async def scenario(hub: ScriptedHub, post: Post, _outbox: Outbox) -> None:
        hub.cards = {"S00000123": card} if card else {}
        assert (await post(message[:7], "1", sample(message)))[0] == code
        assert len(hub.feeds[CARD_FEED]) >= 1

    with_gateway(tmp_path, sides, scenario)


def usable(*reasons: str) -> GetCardResponse:
    deny = AcceptanceOutcome.ACCEPTANCE_OUTCOME_DENY
    return GetCardResponse(usability=[ScenarioUsability(scenario="GOV.ID", outcome=deny, reason_codes=reasons)])


@pytest.mark.parametrize(
    ("card", "code"),
    [
        (usable("NO_AGREEMENT"), "0000"),
        (usable("LOST_TEMP"), "2003"),
        (usable("PROVISIONAL_BLOCK"), "2003"),
        (usable("CANCELLED"), "2002"),
        (None, "2001"),
    ],
)
def test_a_chongqing_cards_usability_makes_the_code_of_a_loss_request(
    tmp_path: Path, sides: tuple[Keys, Keys], card: GetCardResponse | None, code: str
) -> None:
    async def scenario(hub: ScriptedHub, post: Post, _outbox: Outbox) -> None:
        hub.cards = {"A12345678": card} if card else {}
        assert (await post("SBK1101", "1", sample("SBK1101-loss-of-chongqing-card")))[0] == code

    with_gateway(tmp_path, sides, scenario)


def test_a_loss_is_kept_and_answered_9999_while_no_hub_is_there(tmp_path: Path, sides: tuple[Keys, Keys]) -> None:
    async def scenario(_hub: ScriptedHub, post: Post, outbox: Outbox) -> None:
        code, text, _ = await post("SBK1101", "1", sample(LOSS))
        assert (code, text) == ("9999", "已登记，交换枢纽暂不可达，将自动补传")
        assert len(outbox.pending(CARD_FEED, 1, 10)) == 1

    with_gateway(tmp_path, sides, scenario, reachable=False)


def test_a_use_is_kept_and_answered_0000_while_no_hub_is_there(tmp_path: Path, sides: tuple[Keys, Keys]) -> None:
    async def scenario(_hub: ScriptedHub, post: Post, outbox: Outbox) -> None:
        assert (await post("SBK2104", "1", sample("SBK2104-library-borrow")))[0] == "0000"
        assert len(outbox.pending(USAGE_FEED, 1, 10)) == 1

    with_gateway(tmp_path, sides, scenario, reachable=False)


@pytest.mark.parametrize(("message", "feed", "code"), [(LOSS, CARD_FEED, "9999"), ("SBK2104-library-borrow", USAGE_FEED, "0000")])
def test_a_stopped_feed_is_said_in_the_reply_and_the_fact_waits(
    tmp_path: Path, sides: tuple[Keys, Keys], message: str, feed: str, code: str
) -> None:
    async def scenario(_hub: ScriptedHub, post: Post, outbox: Outbox) -> None:
        outbox.put(feed, [("broken", b"\xff no event at all")])
        assert await post(message[:7], "1", sample(message)) == (code, "已登记，报送已停止，待运维处理后补传", None)
        assert len(outbox.pending(feed, 1, 10)) == 2

    with_gateway(tmp_path, sides, scenario)


def test_a_message_number_used_again_for_more_lines_records_none_of_them(tmp_path: Path, sides: tuple[Keys, Keys]) -> None:
    async def scenario(hub: ScriptedHub, post: Post, outbox: Outbox) -> None:
        outbox.put(USAGE_FEED, [("CQ-HUB-0001|1|1", Event(scenario="X").SerializeToString())])
        assert (await post("SBK2105", "1", sample("SBK2105-two-uses")))[0] == "1003"
        assert outbox.state(USAGE_FEED).next_sequence == 2
        assert len(hub.feeds[USAGE_FEED]) <= 1

    with_gateway(tmp_path, sides, scenario)


def test_every_quarantined_line_of_a_large_batch_is_named(tmp_path: Path, sides: tuple[Keys, Keys]) -> None:
    async def scenario(_hub: ScriptedHub, post: Post, _outbox: Outbox) -> None:
        line = sample("SBK2104-unknown-scenario")
        _, _, data = await post("SBK2105", "1", [line] * 250)
        assert data["dhxh"] == [str(number) for number in range(1, 251)]

    with_gateway(tmp_path, sides, scenario)


def test_a_message_sent_twice_is_1003_and_one_event(tmp_path: Path, sides: tuple[Keys, Keys]) -> None:
    async def scenario(hub: ScriptedHub, post: Post, _outbox: Outbox) -> None:
        await post("SBK2104", "1", sample("SBK2104-library-borrow"))
        assert (await post("SBK2104", "1", sample("SBK2104-library-borrow")))[0] == "1003"
        assert len(hub.feeds[USAGE_FEED]) == 1

    with_gateway(tmp_path, sides, scenario)


def test_a_number_used_before_the_window_is_1003_and_says_where_it_went(tmp_path: Path, sides: tuple[Keys, Keys]) -> None:
    async def scenario(_hub: ScriptedHub, post: Post, outbox: Outbox) -> None:
        outbox.put(USAGE_FEED, [("CQ-HUB-0001|1|1", Event(scenario="X").SerializeToString())])
        code, text, _ = await post("SBK2104", "1", sample("SBK2104-library-borrow"))
        assert (code, text) == ("1003", "重复报文：msgId 已使用，登记为 sc.usage 第 1 号")

    with_gateway(tmp_path, sides, scenario)


def test_a_refused_message_spends_no_number(tmp_path: Path, sides: tuple[Keys, Keys]) -> None:
    async def scenario(_hub: ScriptedHub, post: Post, _outbox: Outbox) -> None:
        assert (await post("SBK2104", "1", borrowing(je="12.5")))[0] == "3001"
        assert (await post("SBK2104", "1", borrowing(je="12.50")))[0] == "0000"

    with_gateway(tmp_path, sides, scenario)


def test_an_own_card_is_answered_with_its_lives(tmp_path: Path, sides: tuple[Keys, Keys]) -> None:
    async def scenario(hub: ScriptedHub, post: Post, _outbox: Outbox) -> None:
        lives = CardLives(social_status=TEMP_LOST, ecard_status=SIGNED, expires_on="2035-08-15")
        lives.social_status_until.FromJsonString("2025-09-08T01:30:00Z")
        hub.cards["S00000123"] = GetCardResponse(lives=lives, as_of_position=9)
        code, _, data = await post("SBK1001", "1", sample("SBK1001-own-card"))
        assert (code, data["aaz502"], data["yxqz"], data["dzzt"], data["wz"]) == (
            "0000",
            "4",
            "20250908093000",
            "1",
            "9",
        )

    with_gateway(tmp_path, sides, scenario)


def test_a_chongqing_card_is_answered_with_its_use_here(tmp_path: Path, sides: tuple[Keys, Keys]) -> None:
    async def scenario(hub: ScriptedHub, post: Post, _outbox: Outbox) -> None:
        hub.cards["A12345678"] = usable("NO_AGREEMENT", "MEDIUM_NOT_COVERED")
        code, _, data = await post("SBK1001", "1", sample("SBK1001-chongqing-card"))
        assert (code, data["mx"]) == (
            "0000", [{"yydm": "GOV.ID", "jg": "04", "yy": "NO_AGREEMENT,MEDIUM_NOT_COVERED"}],
        )  # fmt: skip
        assert hub.questions[0].service_region == "510104"

    with_gateway(tmp_path, sides, scenario)


def test_a_card_unknown_to_the_hub_is_2001(tmp_path: Path, sides: tuple[Keys, Keys]) -> None:
    async def scenario(_hub: ScriptedHub, post: Post, _outbox: Outbox) -> None:
        assert await post("SBK1001", "1", sample("SBK1001-own-card")) == ("2001", "卡不存在", None)

    with_gateway(tmp_path, sides, scenario)


def test_a_query_without_a_hub_is_9999(tmp_path: Path, sides: tuple[Keys, Keys]) -> None:
    async def scenario(_hub: ScriptedHub, post: Post, _outbox: Outbox) -> None:
        assert await post("SBK1001", "1", sample("SBK1001-own-card")) == ("9999", "交换枢纽暂不可达", None)

    with_gateway(tmp_path, sides, scenario, reachable=False)


def test_junk_gets_a_signed_reply_and_a_huge_body_none(tmp_path: Path, sides: tuple[Keys, Keys]) -> None:
    adapter, province = sides

    async def play() -> None:
        gateway = Gateway(adapter, NonceWindow(tmp_path / "replay.sqlite"), HubConnection(["127.0.0.1:1"], None), {})
        transport = httpx.ASGITransport(web_app(gateway))
        async with httpx.AsyncClient(transport=transport, base_url="http://adapter") as client:
            junk = await client.post("/sbk/api/gateway", content=b"{")
            assert open_reply(junk.json(), province)[0] == "3001"
            assert (await client.post("/sbk/api/gateway", content=bytes(MAX_BODY_BYTES + 1))).status_code == 413
            assert (await client.get("/status")).json()["replies"] == {"3001": 1}

    asyncio.run(play())

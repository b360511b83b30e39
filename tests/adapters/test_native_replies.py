"""Replies to an office, call after call, by both adapters on a real hub: a reply never reads the card as it was before the last call."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from adapters.chongqing.card_desk import CardDesk
from adapters.chongqing.ledger import Ledger
from adapters.chongqing.pseudo_xml import NativeReply, encode_call, parse_reply
from adapters.kit import FeedSender, HubConnection, Outbox
from adapters.kit.connection import mutual_tls
from adapters.kit.values import LOCAL
from adapters.sichuan.envelope import open_reply, seal_request
from adapters.sichuan.gateway import Gateway
from adapters.sichuan.keys import load_keys, make_province_keys
from adapters.sichuan.nonce_window import NonceWindow
from adapters.sichuan.translate import CARD_FEED
from adapters.simulator.province import load_province_keys
from tests.hub_process import CHONGQING, SICHUAN, RunningHub

SECRET = b"sample-secret"
CARD = {
    "用户名": "CQWIN01",
    "所属区县": "500199",
    "社保卡号": "R00000001",
    "社会保障号码": "500199198503120015",
    "姓名": "测试甲",
    "受理地": "500199",
}
T = TypeVar("T")


def beside(hub: RunningHub, tmp_path: Path, urn: str, feed: str, play: Callable[[FeedSender, HubConnection, Outbox], Awaitable[T]]) -> T:
    """Runs *play* with a sender of a feed at the hub."""
    files = hub.certificate(urn)

    async def run() -> T:
        outbox = Outbox(tmp_path / "outbox.sqlite")
        connection = HubConnection(hub.targets, mutual_tls(files.authority, files.certificate, files.key))
        sender = FeedSender(outbox, connection, feed)
        running = asyncio.create_task(sender.run())
        try:
            return await play(sender, connection, outbox)
        finally:
            running.cancel()
            await connection.close()
            outbox.close()

    return asyncio.run(run())


def replies(hub: RunningHub, tmp_path: Path, calls: Sequence[dict[str, str]]) -> list[NativeReply]:
    async def play(sender: FeedSender, connection: HubConnection, _: Outbox) -> list[NativeReply]:
        desk = CardDesk(SECRET, Ledger(tmp_path / "outbox.sqlite"), connection, sender)
        return [parse_reply(await desk.answer(encode_call(call, SECRET))) for call in calls]

    return beside(hub, tmp_path, CHONGQING, "cq.card-center", play)


def call(operation: str, number: int, **further: str) -> dict[str, str]:
    return CARD | {"操作": operation, "时间戳": f"2025-09-01 09:30:{number:02}", "流水号": f"CQ{number:08}"} | further


def test_calls_about_one_card_back_to_back_are_answered_by_what_was_just_reported(shared_hub: RunningHub, tmp_path: Path) -> None:
    said = replies(
        shared_hub,
        tmp_path,
        [
            call("卡信息登记", 1, 卡状态="ZC", 规范版本="3.00"),
            call("正式挂失", 2),
            call("补卡", 3),
            call("解除挂失", 4),
        ],
    )
    assert [(reply.code, reply.status) for reply in said] == [("00", ""), ("00", "ZG"), ("00", "ZG"), ("21", "ZG")]


def codes(hub: RunningHub, tmp_path: Path, messages: Sequence[tuple[str, dict[str, str]]]) -> list[str]:
    make_province_keys(tmp_path / "keys")
    adapter, province = load_keys(tmp_path / "keys"), load_province_keys(tmp_path / "keys")

    async def play(sender: FeedSender, connection: HubConnection, _: Outbox) -> list[str]:
        gateway = Gateway(adapter, NonceWindow(tmp_path / "replay.sqlite"), connection, {CARD_FEED: sender})
        said = []
        for number, (code, fields) in enumerate(messages):
            stamp = f"{datetime.now(UTC).astimezone(LOCAL):%Y%m%d%H%M%S}"
            request = seal_request(code, f"R{number}", stamp, "SC-SBK-0001", fields, province)
            said.append(open_reply(await gateway.answer(json.dumps(request).encode()), province)[0])
        return said

    return beside(hub, tmp_path, SICHUAN, CARD_FEED, play)


def message(number: int, **further: str) -> dict[str, str]:
    about = {"aab301": "510199", "aac002": "51019919900307002X", "aac003": "测试乙", "aaz500": "R00000002", "slqh": "510100", "qd": "02"}
    return about | {"fssj": f"202509010930{number:02}", "ywlsh": f"SC{number:08}"} | further


def test_messages_about_one_card_back_to_back_are_answered_by_what_was_just_reported(shared_hub: RunningHub, tmp_path: Path) -> None:
    said = codes(
        shared_hub,
        tmp_path,
        [
            ("SBK1301", message(1, ggbb="3.00", klb="01", aac006="19900307")),
            ("SBK1102", message(2)),
            ("SBK1202", message(3, hkyy="06", jszk="1")),
            ("SBK1103", message(4)),
        ],
    )
    assert said == ["0000", "0000", "0000", "2002"]

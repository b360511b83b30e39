"""Both adapters report a province's totals to a real hub: by the message SBK9001, and by a file with its acknowledgement."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gmssl_pyx
import grpc
import pytest

from adapters.chongqing.errors import FileRefused
from adapters.chongqing.totals_file import read_totals_file
from adapters.chongqing.totals_inbox import TotalsInbox
from adapters.kit import FeedSender, HubConnection, HubUnreachable, Outbox, mutual_tls
from adapters.sichuan.fields import Fields
from adapters.sichuan.gateway import Gateway
from adapters.sichuan.keys import load_keys
from adapters.sichuan.nonce_window import NonceWindow
from adapters.sichuan.replies import ParameterInvalid, Refusal
from adapters.sichuan.totals import totals_request
from tests.hub_process import CHONGQING, SICHUAN, RunningHub

NAME = "CQTK_TOT_20250901_0001.dat"
HEAD, DETAIL, TAIL = "HCQTKTOT|20250901|0001|20250902070000|li.lei", "D|51|500103|TRA.QR|3|1250||", "T|1|3|1250"


def written(*lines: str) -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode("gb18030")


def test_a_file_of_totals_is_read_as_a_whole() -> None:
    found = read_totals_file(written(HEAD, "D|51|500103|TRA.QR|3|1250|1|18446744073709551615", TAIL), NAME)
    assert (found.business_day, found.version, found.person, found.fen) == ("2025-09-01", 1, "li.lei", 1250)
    assert (found.totals[0].reversals, found.totals[0].hash_total) == (1, 2**64 - 1)
    assert not read_totals_file(written(HEAD, "T|0|0|0"), NAME).totals


@pytest.mark.parametrize(
    ("content", "name", "code"),
    [
        (b"\xef\xbb\xbf" + written(HEAD, "T|0|0|0"), NAME, "11"),
        (written(HEAD, DETAIL, TAIL).replace(b"\r\n", b"\n", 1), NAME, "03"),
        (written(HEAD, DETAIL, TAIL)[:-2], NAME, "03"),
        (written(HEAD, DETAIL, TAIL), "CQTK_TOT_20250901_0002.dat", "02"),
        (written(HEAD.replace("20250901", "20250931"), TAIL), "CQTK_TOT_20250931_0001.dat", "01"),
        (written(HEAD.replace("li.lei", "李雷"), TAIL), NAME, "01"),
        (written(HEAD, DETAIL.replace("1250", "1,250"), TAIL), NAME, "11"),
        (written(HEAD, DETAIL.replace("1250", "12.50"), TAIL), NAME, "11"),
        (written(HEAD, DETAIL.replace("|3|", "|-3|"), TAIL), NAME, "11"),
        (written(HEAD, DETAIL[:-1], TAIL), NAME, "11"),
        (written(HEAD, DETAIL, "T|2|3|1250"), NAME, "06"),
        (written(HEAD, DETAIL, "T|1|3|1251"), NAME, "07"),
        (written(HEAD, DETAIL), NAME, "05"),
        (written(HEAD), NAME, "05"),
        (b"\r\n", NAME, "05"),
        (b"\xff" + written(HEAD, TAIL), NAME, "11"),
    ],
)
def test_a_file_that_does_not_belong_together_is_refused_as_a_whole(content: bytes, name: str, code: str) -> None:
    with pytest.raises(FileRefused) as refused:
        read_totals_file(content, name)
    assert refused.value.code == code


MESSAGE: dict[str, Any] = {
    "ywrq": "20250901", "bbh": "1", "czr": "han.mei", "mx": [{"fkd": "50", "yyqh": "510100", "yydm": "TRA.QR", "bs": "2", "je": "5.00"}],
}  # fmt: skip


def test_a_message_of_totals_reaches_as_far_as_the_feeds_were_numbered() -> None:
    request = totals_request(Fields(MESSAGE), {"sc.usage": 7, "sc.card-center": 0})
    assert [(one.feed, one.sequence) for one in request.through] == [("sc.usage", 7)]
    assert (request.totals[0].uses, request.totals[0].amount_fen, request.totals[0].HasField("reversals")) == (2, 500, False)
    assert not totals_request(Fields({**MESSAGE, "mx": None}), {}).totals


@pytest.mark.parametrize(
    "wrong",
    [{"bbh": "0"}, {"ywrq": ""}, {"ywrq": "20250931"}, {"czr": ""}, {"mx": [{}]}, {"mx": [{**MESSAGE["mx"][0], "je": "5"}]},
     {"mx": [{**MESSAGE["mx"][0], "je": "1,205.00"}]}, {"mx": [{**MESSAGE["mx"][0], "hxzs": str(2**64)}]}],
)  # fmt: skip
def test_a_message_of_totals_that_cannot_be_read_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ParameterInvalid):
        totals_request(Fields({**MESSAGE, **wrong}), {})


def with_hub(hub: RunningHub, participant: str, feeds: tuple[str, ...], tmp_path: Path, play: Callable[..., Awaitable[None]]) -> None:
    """Runs *play* with a connection to the hub and senders of feeds."""

    async def run() -> None:
        files, outbox = hub.certificate(participant), Outbox(tmp_path / "outbox.sqlite")
        connection = HubConnection(hub.targets, mutual_tls(files.authority, files.certificate, files.key))
        senders = {feed: FeedSender(outbox, connection, feed) for feed in feeds}
        try:
            await play(connection, senders)
        finally:
            await connection.close()
            outbox.close()

    asyncio.run(run())


def test_sichuans_message_is_answered_with_how_the_books_differ(shared_hub: RunningHub, tmp_path: Path) -> None:
    public, _ = gmssl_pyx.sm2_key_generate()
    (tmp_path / "province.sm2.pub").write_text(f"04{public.hex()}\n")
    keys = load_keys(tmp_path)

    async def play(connection: HubConnection, senders: dict[str, FeedSender]) -> None:
        gateway = Gateway(keys, NonceWindow(tmp_path / "replay.sqlite"), connection, senders, clock=lambda: datetime.now(UTC))
        ask = gateway._asks["SBK9001"]
        code, _, data = await ask(Fields(MESSAGE))
        assert (code, data) == ("0000", {**data, "zt": "01", "cybs": "-2", "cyje": "-5.00"})
        assert data["mx"] == [{"fkd": "50", "yyqh": "510100", "yydm": "TRA.QR", "cybs": "-2", "cyje": "-5.00"}]
        for wrong, code in (({"mx": None}, "2002"), ({"mx": [{**MESSAGE["mx"][0], "yyqh": "519999"}]}, "3001")):
            with pytest.raises(Refusal) as refused:
                await ask(Fields({**MESSAGE, **wrong}))
            assert refused.value.code == code

    with_hub(shared_hub, SICHUAN, ("sc.card-center", "sc.usage"), tmp_path, play)


def test_chongqings_file_is_acknowledged_with_how_the_books_differ(shared_hub: RunningHub, tmp_path: Path) -> None:
    totals, acks = tmp_path / "totals", tmp_path / "ack"

    async def play(connection: HubConnection, senders: dict[str, FeedSender]) -> None:
        inbox = TotalsInbox(totals, acks, connection, senders)
        (totals / NAME).write_bytes(written(HEAD, DETAIL, TAIL))
        await inbox.take_all()
        second = NAME.replace("0001", "0002")
        (totals / second).write_bytes(written(HEAD.replace("|0001|", "|0002|"), DETAIL.replace("500103", "519999"), TAIL))
        await inbox.take_all()

    with_hub(shared_hub, CHONGQING, ("cq.card-center", "cq.usage"), tmp_path, play)
    taken, refused = ((acks / f"CQTK_TOT_20250901_000{number}_ACK").read_text("gb18030").splitlines() for number in (1, 2))
    assert taken == [f"A|{NAME}|1|1250|00", "C|01|-3|-1250", "X|51|500103|TRA.QR|-3|-1250"]
    assert refused == [f"A|{NAME.replace('0001', '0002')}|0|12|枢纽不接受（UNKNOWN_CELL）"]
    assert not list(totals.glob("*.dat"))


def test_a_file_waits_while_the_hub_does_not_answer(tmp_path: Path) -> None:
    async def play() -> None:
        connection = HubConnection(["127.0.0.1:1"], grpc.local_channel_credentials())
        inbox = TotalsInbox(tmp_path / "totals", tmp_path / "ack", connection, {})
        (tmp_path / "totals" / NAME).write_bytes(written(HEAD, DETAIL, TAIL))
        with pytest.raises(HubUnreachable):
            await inbox.take_all()
        await connection.close()

    asyncio.run(play())
    assert (tmp_path / "totals" / NAME).exists() and not list((tmp_path / "ack").iterdir())

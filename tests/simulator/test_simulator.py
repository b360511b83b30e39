"""The simulator: same seed same traffic, nobody real, the promised mix, every planted fault noticed as planned."""

import asyncio
import contextlib
import io
import itertools
import os
import re
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import uvicorn
from chuanyu.exchange.v1.event_pb2 import Event

from adapters.chongqing.card_desk import CardDesk
from adapters.chongqing.command import load_secret
from adapters.chongqing.errors import AckCode, ChecksumWrong, FileRefused, LineRefused, MalformedCall
from adapters.chongqing.ledger import Ledger
from adapters.chongqing.pseudo_xml import parse_call
from adapters.chongqing.service import web_app as chongqing_app
from adapters.chongqing.usage_file import read_details, verify_file
from adapters.chongqing.usage_intake import UsageIntake
from adapters.chongqing.usage_record import parse_record
from adapters.kit import FeedSender, Outbox
from adapters.kit.inbox import Inbox
from adapters.kit.values import LOCAL
from adapters.sichuan.envelope import Request, decrypt, open_request
from adapters.sichuan.gateway import Gateway
from adapters.sichuan.gateway import web_app as sichuan_app
from adapters.sichuan.keys import Keys, load_keys, make_province_keys
from adapters.sichuan.nonce_window import NonceWindow
from adapters.sichuan.replies import MessageRepeated, ParameterInvalid, SignatureInvalid, Undecipherable
from adapters.sichuan.translate import translate
from adapters.simulator.chongqing_traffic import file_bytes
from adapters.simulator.events import Translation, events
from adapters.simulator.inbox import free_file_numbers
from adapters.simulator.messages import ChongqingCall, ChongqingFile, Fault, Message, SichuanMessage
from adapters.simulator.province import encoded, load_province_keys, sealed
from adapters.simulator.run import SimulationSettings, StartTooLate, simulate
from adapters.simulator.tally import Tally
from adapters.simulator.traffic import Traffic
from hub.child import Child, python
from hub.domain.event_rules import LIFECYCLE_KINDS, USAGE_KINDS
from hub.domain.identity import bank_account_problem, social_security_number_problem
from tests.hub_process import CHONGQING, SICHUAN, RunningHub
from tests.scripted_hub import ScriptedHub

START = datetime(2026, 3, 2, 21, 30)
SECRET = b"shared"


def messages(seed: int, event_count: int, start: datetime = START) -> list[Message]:
    traffic = Traffic(seed, start, event_count)
    return [*traffic.registrations(), *itertools.chain.from_iterable(traffic.portions())]


@pytest.fixture(scope="module")
def traffic() -> list[Message]:
    return messages(1, 12_000)


@pytest.fixture(scope="module")
def foretold() -> list[tuple[str, Event]]:
    """The events of the traffic, with their feeds."""
    return list(events(1, 12_000))


def one_with(traffic: list[Message], fault: Fault) -> Message:
    return next(message for message in traffic if message.fault is fault)


# Content


def test_the_same_seed_and_start_give_the_same_messages() -> None:
    assert messages(1, 4_000) == messages(1, 4_000)


def test_another_seed_gives_other_messages() -> None:
    assert messages(2, 1_000) != messages(1, 1_000)


@pytest.mark.parametrize("event_count", [*range(1, 12), 37, 73, 110, 150, 1_000, 7_777])
def test_the_number_of_events_is_met_exactly(event_count: int) -> None:
    assert sum(message.events for message in messages(3, event_count)) == event_count


def test_a_batch_of_uses_is_never_empty() -> None:
    sent = (message for count in range(1, 260, 4) for message in messages(3, count))
    batches = [message.value for message in sent if getattr(message, "trans_code", "") == "SBK2105"]
    assert batches
    assert [] not in batches


def test_holders_are_numbered_in_unassigned_counties_with_a_right_check_digit(traffic: list[Message]) -> None:
    world = Traffic(1, START, 20_000).world
    numbers = {card.holder.id_no for card in world.cards["50"] + world.cards["51"]}
    assert {number[:6] for number in numbers} == {"500199", "510199"}
    assert not any(social_security_number_problem(number) for number in numbers)


def test_no_other_persons_number_stands_anywhere(traffic: list[Message]) -> None:
    number = re.compile(r"(?<![0-9A-Z])[1-8][0-9]{5}(?:19|20)[0-9]{2}[01][0-9][0-3][0-9]{4}[0-9Xx](?![0-9])")
    found = {match[0][:6] for message in traffic for match in number.finditer(repr(message))}
    assert found == {"500199", "510199"}


def test_cards_purses_and_accounts_are_unique_and_some_people_have_a_card_of_each_province() -> None:
    world = Traffic(1, START, 20_000).world
    cards = world.cards["50"] + world.cards["51"]
    assert len({card.card_no for card in cards}) == len(cards)
    assert len({card.ident_code for card in cards}) == len(cards)
    purses = [card.transit_no for card in cards if card.transit_no]
    assert len(set(purses)) == len(purses)
    assert not any(bank_account_problem(card.account) for card in cards if card.account)
    homes = Counter(card.holder.id_no for card in cards)
    assert 30 < sum(count == 2 for count in homes.values()) < 90


def test_the_world_holds_what_breaks_software() -> None:
    cards = Traffic(1, START, 40_000).world.cards
    names = {card.holder.name for card in cards["50"] + cards["51"]}
    assert "测试㐂" in names
    assert any("·" in name for name in names)
    assert {card.holder.age_group for card in cards["50"]} == {"child", "student", "adult", "elder"}
    assert {card.version for card in cards["50"]} >= {"2.00", "3.00"}
    assert any(card.is_temporary for card in cards["50"])
    assert {card.status for card in cards["50"]} >= {"0", "1", "4"}


def test_every_instant_lies_between_the_cards_issue_and_a_day_after_the_start() -> None:
    latest = START.replace(tzinfo=LOCAL) + timedelta(days=1, minutes=1)
    instants = [event.occurred_at.ToDatetime(UTC) for _, event in events(1, 5_000, START.replace(tzinfo=LOCAL))]
    assert max(instants) <= latest
    assert max(instants) > latest - timedelta(hours=2)


def test_a_start_less_than_a_day_ago_is_refused(tmp_path: Path) -> None:
    settings = SimulationSettings(tmp_path, tmp_path, tmp_path / "secret", start=datetime.now(UTC) - timedelta(hours=23))
    with pytest.raises(StartTooLate):
        asyncio.run(simulate(settings, asyncio.Event()))


def test_trips_after_midnight_count_for_the_day_before(traffic: list[Message]) -> None:
    lines = [line for message in traffic if isinstance(message, ChongqingFile) for line in message.lines]
    at_night = [line for line in lines if line.txn_at.hour < 4]
    assert at_night
    assert all(line.biz_date == line.txn_at.date() - timedelta(days=1) for line in at_night)


@pytest.mark.slow
def test_without_end_uses_begin_within_seconds_and_no_card_is_used_before_it_is_registered() -> None:
    traffic, translation = Traffic(1, START, 0, 300), Translation()
    first = [pair for message in traffic.registrations() for pair in translation.events(message)]
    assert len(first) < 10 * 300
    assert not any(event.WhichOneof("kind") in USAGE_KINDS for _, event in first)
    known, used = {event.card.clear for _, event in first}, Counter[int]()
    cards_at_first = len(known)
    for number, portion in enumerate(itertools.islice(traffic.portions(), 7)):
        for event in (event for message in portion for _, event in translation.events(message) if event.card.clear):
            if event.WhichOneof("kind") in USAGE_KINDS:
                assert event.card.clear in known
                used[number] += 1
            known.add(event.card.clear)
    assert min(used.values()) > 1_000
    assert len(known) > 5 * cards_at_first
    assert not any(traffic.world.coming.values())


# Mix


def test_usage_dominates_and_standings_change_in_five_to_eight_of_a_hundred_events(foretold: list[tuple[str, Event]]) -> None:
    kinds = Counter(event.WhichOneof("kind") for _, event in foretold)
    lifecycle = sum(count for kind, count in kinds.items() if kind in LIFECYCLE_KINDS)
    usage = sum(count for kind, count in kinds.items() if kind in USAGE_KINDS)
    assert 0.05 < lifecycle / 12_000 < 0.08
    assert usage / 12_000 > 0.90


def test_half_of_the_events_come_in_files_and_most_others_in_batches(traffic: list[Message]) -> None:
    tally = Tally(1, "")
    for message in traffic:
        tally.offer(message)
    assert 0.45 < tally.records["B2"] / 12_000 < 0.55
    assert 0.33 < tally.records["SBK2105"] / 12_000 < 0.40
    assert sum(tally.messages.values()) < 1_200


def test_half_a_percent_to_one_percent_is_for_the_quarantine(traffic: list[Message]) -> None:
    assert 0.005 <= sum(message.quarantined for message in traffic) / 12_000 <= 0.01


def test_every_fault_is_planted_in_a_short_run_already() -> None:
    planted = {message.fault for message in messages(1, 8_000) if message.fault}
    assert planted == set(Fault) - {Fault.UNKNOWN_SCENARIO, Fault.UNKNOWN_REGION}


def test_some_records_come_late_some_correct_and_some_reverse(traffic: list[Message]) -> None:
    lines = [line for message in traffic if isinstance(message, ChongqingFile) for line in message.lines]
    uses = [use for message in traffic if isinstance(message, SichuanMessage) if message.trans_code == "SBK2105" for use in message.value]
    assert 0.01 < sum(line.flag == "1" for line in lines) / len(lines) < 0.02
    assert sum(line.flag == "2" for line in lines) > 10
    assert sum(line.txn_type == "90" for line in lines) > 10
    assert sum("gzxh" in use for use in uses) > 5
    assert sum("czxh" in use for use in uses) > 0


def test_a_change_names_the_event_it_changes(foretold: list[tuple[str, Event]]) -> None:
    feeds = {feed: [event for name, event in foretold if name == feed] for feed in ("sc.usage", "cq.usage")}
    changes = [event for _, event in foretold if event.HasField("corrects") or event.HasField("reverses")]
    assert len(changes) > 50
    for event in changes:
        changed = event.corrects if event.HasField("corrects") else event.reverses
        original = feeds[changed.feed][changed.sequence - 1]
        assert original.card == event.card
        assert original.scenario == event.scenario


def test_fund_batches_add_up(foretold: list[tuple[str, Event]]) -> None:
    sent: Counter[str] = Counter()
    for _, event in foretold:
        kind = event.WhichOneof("kind")
        if kind == "fund_batch_sent":
            sent[event.fund_batch_sent.batch_no] += event.fund_batch_sent.amount_total_fen
        elif kind in ("fund_row_paid", "fund_row_returned"):
            row = getattr(event, kind)
            sent[row.batch_no] -= row.amount_fen
    assert len(sent) > 5
    assert set(sent.values()) == {0}


# Faults, one by one, at the function that notices


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Keys, Keys]:
    """The adapter's keys, and the province's view of the same interface."""
    directory = tmp_path_factory.mktemp("keys")
    make_province_keys(directory)
    return load_keys(directory), load_province_keys(directory)


def posted(traffic: list[Message], fault: Fault, province: Keys) -> bytes:
    message = one_with(traffic, fault)
    assert isinstance(message, SichuanMessage)
    return sealed(message, message.value, province)


def test_a_bad_signature_is_noticed(traffic: list[Message], keys: tuple[Keys, Keys]) -> None:
    with pytest.raises(SignatureInvalid):
        open_request(posted(traffic, Fault.BAD_SIGNATURE, keys[1]), keys[0])


def test_a_clock_out_of_the_window_is_noticed(traffic: list[Message], keys: tuple[Keys, Keys], tmp_path: Path) -> None:
    request = open_request(posted(traffic, Fault.CLOCK_OFF, keys[1]), keys[0])
    with pytest.raises(MessageRepeated):
        NonceWindow(tmp_path / "replay.sqlite").check(request.app_id, request.msg_id, request.timestamp, datetime.now(UTC))


def test_another_session_key_is_noticed(traffic: list[Message], keys: tuple[Keys, Keys]) -> None:
    request = open_request(posted(traffic, Fault.UNDECIPHERABLE, keys[1]), keys[0])
    with pytest.raises(Undecipherable):
        decrypt(request.data, keys[0])


def test_bad_money_is_noticed(traffic: list[Message]) -> None:
    message = one_with(traffic, Fault.BAD_MONEY)
    assert isinstance(message, SichuanMessage)
    with pytest.raises(ParameterInvalid, match="je"):
        translate(Request("SC", message.trans_code, message.msg_id, "", ""), message.value)


def test_a_bad_checksum_is_noticed(traffic: list[Message]) -> None:
    call = one_with(traffic, Fault.BAD_CHECKSUM)
    assert isinstance(call, ChongqingCall)
    with pytest.raises(ChecksumWrong):
        parse_call(encoded(call, SECRET), SECRET)


def test_bytes_that_are_no_gb18030_are_noticed(traffic: list[Message]) -> None:
    call = one_with(traffic, Fault.BAD_ENCODING)
    assert isinstance(call, ChongqingCall)
    with pytest.raises(MalformedCall, match="GB18030"):
        parse_call(encoded(call, SECRET), SECRET)


def test_a_wrong_sum_refuses_the_file_and_the_right_one_follows_under_its_name(traffic: list[Message]) -> None:
    wrong = one_with(traffic, Fault.WRONG_SUM)
    assert isinstance(wrong, ChongqingFile)
    with pytest.raises(FileRefused) as refused:
        verify_file(io.BytesIO(file_bytes(wrong)), wrong.header.file_name)
    assert refused.value.code is AckCode.SUM
    right = replace(wrong, fault=None, events=len(wrong.lines) + 1)
    assert right in traffic
    assert verify_file(io.BytesIO(file_bytes(right)), right.header.file_name).count == len(right.lines)


def test_half_a_character_refuses_its_line_alone(traffic: list[Message]) -> None:
    file = one_with(traffic, Fault.BROKEN_NAME)
    assert isinstance(file, ChongqingFile)
    content = io.BytesIO(file_bytes(file))
    verify_file(content, file.header.file_name)
    refused = []
    for line_no, raw in read_details(content):
        try:
            parse_record(raw)
        except LineRefused as refusal:
            refused.append((line_no, refusal.code))
    assert refused == [(file.broken_line + 1, AckCode.NAME_BYTES)]


def test_what_is_for_the_quarantine_is_taken_by_the_adapters(traffic: list[Message]) -> None:
    translation = Translation()
    for message in traffic:
        assert len(list(translation.events(message))) == message.events


def test_file_numbers_go_on_after_those_the_inbox_has_seen(tmp_path: Path) -> None:
    (tmp_path / "done").mkdir()
    (tmp_path / "done" / "CQTK_USE_20260302_0007_02.10.dat").touch()
    next_file = free_file_numbers(tmp_path)
    assert [next_file(START.date()), next_file(START.date()), next_file(datetime(2026, 3, 3).date())] == [8, 9, 1]


# Over HTTP and the inbox


@contextlib.asynccontextmanager
async def served(app: object, keep_alive_s: int = 5) -> AsyncIterator[str]:
    config = uvicorn.Config(app, port=0, log_level="error", timeout_keep_alive=keep_alive_s)  # type: ignore[arg-type]
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await task


@contextlib.asynccontextmanager
async def both_adapters(hub: ScriptedHub, directory: Path, keep_alive_s: int = 5) -> AsyncIterator[SimulationSettings]:
    keys_dir, inbox_dir, secret = directory / "keys", directory / "inbox", directory / "secret"
    make_province_keys(keys_dir)
    connection = hub.connection()
    outboxes = {side: Outbox(directory / f"{side}.sqlite") for side in ("sc", "cq")}
    senders = {
        feed: FeedSender(outboxes[feed[:2]], connection, feed) for feed in ("sc.card-center", "sc.usage", "cq.card-center", "cq.usage")
    }
    window, ledger = NonceWindow(directory / "replay.sqlite"), Ledger(directory / "cq.sqlite")
    gateway = Gateway(load_keys(keys_dir), window, connection, {feed: senders[feed] for feed in ("sc.card-center", "sc.usage")})
    inbox = Inbox(inbox_dir, UsageIntake(outboxes["cq"], ledger, directory / "ack"))
    desk = CardDesk(load_secret(secret), ledger, connection, senders["cq.card-center"])
    tasks = [asyncio.create_task(work) for work in (*(sender.run() for sender in senders.values()), inbox.run())]
    async with (
        served(sichuan_app(gateway), keep_alive_s) as sichuan_url,
        served(chongqing_app(desk, inbox, senders["cq.usage"], connection)) as chongqing_url,
    ):
        yield SimulationSettings(inbox_dir, keys_dir, secret, sichuan_url, chongqing_url)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await connection.close()


@pytest.mark.slow
def test_the_adapters_answer_every_message_as_planned_and_take_what_events_foretells(tmp_path: Path) -> None:
    async def play() -> None:
        async with ScriptedHub() as hub, both_adapters(hub, tmp_path) as settings:
            start = START.replace(tzinfo=LOCAL)
            tally = await simulate(replace(settings, events=5_500, start=start), asyncio.Event())
            assert tally.surprises == []
            assert tally.settled
            assert tally.events_total == 5_500
            assert tally.files_refused == tally.planted[Fault.WRONG_SUM] == 1
            assert tally.lines_refused == tally.planted[Fault.BROKEN_NAME] == 1
            refused = {
                "sichuan 1001": 1,
                "sichuan 1002": 1,
                "sichuan 1003": 2,
                "sichuan 3001": 1,
                "chongqing 31": 1,
                "chongqing 99": 1,
            }
            assert tally.refused == refused
            foretold = Counter((feed, event.WhichOneof("kind")) for feed, event in events(1, 5_500, start))
            assert Counter((feed, kind_of(raw)) for feed, raws in hub.feeds.items() for raw in raws) == foretold

    asyncio.run(play())


@pytest.mark.slow
def test_a_planted_fault_is_no_surprise_where_an_idle_connection_was_closed_and_the_message_sent_again(
    tmp_path: Path,
) -> None:
    async def play() -> None:
        async with ScriptedHub() as hub, both_adapters(hub, tmp_path, keep_alive_s=0) as settings:
            tally = await simulate(replace(settings, events=1_500, start=START.replace(tzinfo=LOCAL)), asyncio.Event())
            assert tally.surprises == []
            assert tally.refused["sichuan 1003"] == 2

    asyncio.run(play())


def kind_of(raw: bytes) -> str | None:
    return Event.FromString(raw).WhichOneof("kind")


@pytest.mark.slow
def test_traffic_without_end_goes_on_until_it_is_stopped_and_never_exceeds_its_rate(tmp_path: Path) -> None:
    async def play() -> None:
        async with ScriptedHub() as hub, both_adapters(hub, tmp_path) as settings:
            stop = asyncio.Event()
            asyncio.get_running_loop().call_later(3, stop.set)
            tally = await simulate(replace(settings, events=0, rate=150), stop)
            assert tally.settled
            assert 0 < tally.events_total <= 150 * (tally.seconds + 1)

    asyncio.run(play())


# Through a real hub


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def adapter(hub: RunningHub, urn: str, data_dir: Path, *command: str) -> Iterator[str]:
    """One adapter as a process of its own; its address."""
    files, port = hub.certificate(urn), free_port()
    paths = ("--ca", files.authority, "--cert", files.certificate, "--key", files.key, "--data-dir", data_dir)
    arguments = [*command, *map(str, paths), "--hub", hub.targets[0], "--listen", f"127.0.0.1:{port}"]
    with (data_dir / "log").open("wb") as log:
        process = Child(python("adapters.cli", *arguments), os.environ, stdout=log, stderr=log)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.stop()


def test_a_real_hub_records_everything_and_quarantines_what_was_planted_for_it(hub: RunningHub, tmp_path: Path) -> None:
    sichuan_dir, chongqing_dir, inbox = tmp_path / "sichuan", tmp_path / "chongqing", tmp_path / "inbox"
    make_province_keys(sichuan_dir / "keys")
    load_keys(sichuan_dir / "keys")
    secret = chongqing_dir / "keys" / "card-service.secret"
    load_secret(secret)
    paths = ("--inbox", str(inbox), "--ack-dir", str(tmp_path / "ack"))
    with (
        adapter(hub, SICHUAN, sichuan_dir, "sichuan") as sichuan_url,
        adapter(hub, CHONGQING, chongqing_dir, "chongqing", *paths) as chongqing_url,
    ):
        settings = SimulationSettings(inbox, sichuan_dir / "keys", secret, sichuan_url, chongqing_url, events=1_500)
        tally = asyncio.run(simulate(settings, asyncio.Event()))
    assert tally.surprises == []
    assert tally.settled
    assert tally.events_total == 1_500
    assert tally.quarantined == tally.planned_quarantined > 5

"""The front passes calls on as their senders and breaks them where a fault is armed; what came is judged in words; the partner answers."""

import asyncio
import shutil
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from chuanyu.exchange.v1 import event_pb2, feed_service_pb2, feed_service_pb2_grpc
from google.rpc import error_details_pb2
from starlette.testclient import TestClient

from hub.domain.participant import PREFIX
from hub.sandbox.faults import Fault, Faults, FaultUnknown
from hub.sandbox.front import _Call
from hub.sandbox.page import page
from hub.sandbox.partner import Partner, sample_cards
from hub.sandbox.recording import Exchange
from hub.sandbox.running import NotLoopback, PageAddressTaken, Sandbox, SandboxRuns, SandboxSettings, alone_on, run_sandbox
from hub.sandbox.stages import Judged, judged, pairs
from hub.stage import ChildDied
from hub.trust.authority import issue_participant
from tests.clients import Province, add_feed, refused, refused_in_stream
from tests.hub_process import CHONGQING, SICHUAN, RunningHub
from tests.messages import journey, lost, registered
from tests.sandbox.fronted import Fronted, fronted

RECORDED, DUPLICATE, QUARANTINED = 1, 2, 3


@pytest.fixture(scope="module")
def at_front(shared_hub: RunningHub) -> Iterator[Fronted]:
    with fronted(shared_hub) as made:
        yield made


@pytest.fixture(scope="module")
def client(at_front: Fronted) -> Iterator[Province]:
    """Sichuan's card centre, at the front."""
    with at_front.hub.certificate(SICHUAN).channel(at_front.front.targets[0]) as channel:
        province = Province.__new__(Province)
        province.channel, province.feeds = channel, feed_service_pb2_grpc.FeedServiceStub(channel)
        yield province


def words(judgement: Judged) -> dict[str, str]:
    """What was wrong at each stage, in one text."""
    return {step.name_en: "\n".join(step.problems) for step in judgement.steps if step.problems}


def last_judged(at_front: Fronted, hub: RunningHub) -> Judged:
    """What is said of the newest batch."""
    sandbox = Sandbox.__new__(Sandbox)
    sandbox._found = {}
    sandbox.hub = type("Hub", (), {"data_dir": hub.data_dir, "edges": hub.targets})()

    async def judge(exchange: Exchange) -> list[Judged]:
        return await judged(exchange, sandbox.validate)

    found: list[Judged] = at_front.run(judge(at_front.front.recording.exchanges()[-1]))
    return found[-1]


def test_an_edge_sees_the_sender_and_the_front_records_both_ways(at_front: Fronted, client: Province) -> None:
    feed = add_feed(at_front.hub, SICHUAN, "front.passes")
    assert client.append(feed, 1, journey("A00000001")).outcomes == [RECORDED]
    exchange = at_front.front.recording.exchanges("sc.card-center")[-1]
    assert (exchange.method, exchange.code, [one.is_request for one in exchange.passed]) == ("AppendEvents", "OK", [True, False])
    assert refused(lambda: client.append("cq.usage", 1, journey("A00000001"))).reason == "NOT_FEED_OWNER"
    assert at_front.front.recording.exchanges()[-1].reason == "NOT_FEED_OWNER"


def test_a_lost_answer_is_of_what_the_hub_has(at_front: Fronted, client: Province) -> None:
    feed = add_feed(at_front.hub, SICHUAN, "front.lost")
    at_front.front.faults.arm(Fault("lost-answer", feed=feed))
    assert refused(lambda: client.append(feed, 1, journey("A00000001"))).code is grpc.StatusCode.UNAVAILABLE
    assert client.append(feed, 1, journey("A00000001")).outcomes == [DUPLICATE]


def test_a_full_queue_says_when_to_come_back_and_the_hub_never_saw_the_batch(at_front: Fronted, client: Province) -> None:
    feed = add_feed(at_front.hub, SICHUAN, "front.full")
    at_front.front.faults.arm(Fault("queue-full", seconds=3, feed=feed))
    refusal = refused(lambda: client.append(feed, 1, journey("A00000001")))
    assert (refusal.reason, refusal.details(error_details_pb2.RetryInfo)[0].retry_delay.seconds) == ("QUEUE_FULL", 3)
    assert client.next_sequence(feed) == 1
    judged_one = last_judged(at_front, at_front.hub)
    assert (judged_one.method, judged_one.about) == ("GetFeed", feed)


def test_in_a_stream_a_refusal_comes_in_order_and_the_hub_refuses_what_follows_it(at_front: Fronted, client: Province) -> None:
    feed = add_feed(at_front.hub, SICHUAN, "front.stream")
    at_front.front.faults.arm(Fault("queue-full", after=1, feed=feed))
    batches = [feed_service_pb2.StreamEventsRequest(feed=feed, first_sequence=n, events=[journey(f"A0000000{n}")]) for n in range(1, 4)]
    answers = list(client.feeds.StreamEvents(iter(batches), timeout=30))
    assert [answer.first_sequence for answer in answers] == [1, 2, 3]
    assert answers[0].appended.outcomes == [RECORDED]
    assert [refused_in_stream(answer.refused).reason for answer in answers[1:]] == ["QUEUE_FULL", "SEQUENCE_GAP"]


def test_a_stream_ends_with_ok_where_it_is_told_to(at_front: Fronted, client: Province) -> None:
    feed = add_feed(at_front.hub, SICHUAN, "front.end")
    at_front.front.faults.arm(Fault("stream-end", feed=feed))

    def batches() -> Iterator[Any]:
        yield feed_service_pb2.StreamEventsRequest(feed=feed, first_sequence=1, events=[journey("A00000001")])
        time.sleep(10)

    assert len(list(client.feeds.StreamEvents(batches(), timeout=30))) == 1


def test_behind_a_gap_the_shape_and_the_meaning_are_said_too(at_front: Fronted, client: Province) -> None:
    feed = add_feed(at_front.hub, SICHUAN, "front.gap")
    event = journey("A00000001")
    event.service_region, event.transit_journey_completed.fare_paid_fen, event.venue_code = "999999", -1, "x" * 65
    assert refused(lambda: client.append(feed, 7, event)).reason == "SEQUENCE_GAP"
    said = words(last_judged(at_front, at_front.hub))
    assert set(said) == {"envelope", "shape", "meaning", "numbering"}
    assert "从 1 起发送" in said["numbering"] and "Send from 1 on" in said["numbering"]
    assert "service_region unknown_region" in said["meaning"] and "fare_paid_fen" in said["shape"] and "venue_code" in said["envelope"]


def test_numbers_from_zero_and_a_quarantined_event_are_said_in_words(at_front: Fronted, client: Province) -> None:
    feed = add_feed(at_front.hub, SICHUAN, "front.zero")
    refused(lambda: client.append(feed, 0, journey("A00000001")))
    assert "编号从 1 起" in words(last_judged(at_front, at_front.hub))["numbering"]
    # Sichuan is not the issuer of a Chongqing card.
    assert client.append(feed, 1, registered("A00000001")).outcomes == [QUARANTINED]
    said = words(last_judged(at_front, at_front.hub))
    assert "issuer_only" in said["meaning"] and "report a correction under a new number" in said["quarantine"]


def test_a_certificate_that_was_not_issued_here_is_refused_in_words(at_front: Fronted, tmp_path: Path) -> None:
    shutil.copytree(at_front.hub.certificates_dir, tmp_path / "elsewhere")
    files = issue_participant(tmp_path / "elsewhere", f"{PREFIX}from.elsewhere")
    with files.channel(at_front.front.targets[0]) as channel:
        stub = feed_service_pb2_grpc.FeedServiceStub(channel)
        refusal = refused(lambda: stub.GetFeed(feed_service_pb2.GetFeedRequest(feed="sc.usage"), timeout=30))
    assert refusal.code is grpc.StatusCode.UNAUTHENTICATED and "was not issued here" in refusal.text


def test_the_partner_confirms_refuses_or_is_silent(shared_hub: RunningHub, sichuan: Province) -> None:
    feed = add_feed(shared_hub, CHONGQING, "partner.cards")
    partner = Partner("50", feed, shared_hub.targets[0], shared_hub.certificate(CHONGQING))
    loop = asyncio.new_event_loop()
    loop.run_until_complete(partner.seed())
    working = loop.create_task(partner.run())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    cards = [sample_cards("50")[number].card_no for number in (0, 6, 7)]
    sichuan.tell(add_feed(shared_hub, SICHUAN, "partner.losses"), *map(_asked, cards))
    give_up_at = time.monotonic() + 20
    while len(partner.done) < 3 and time.monotonic() < give_up_at:
        time.sleep(0.02)
    loop.call_soon_threadsafe(working.cancel)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    assert [said.rpartition(": ")[2] for said in partner.done] == ["temporary_loss_reported", "loss_request_refused", "silent"]


def _asked(card_no: str) -> event_pb2.Event:
    """A window in Chengdu hears that a card is lost."""
    event = lost(card_no)
    event.ClearField("temporary_loss_reported")
    event.service_region = "510100"
    request = event.loss_request_submitted
    request.loss_type, request.channel, request.accepted_at_region = 1, 2, "510100"
    return event


def test_a_fault_meets_once_others_have_passed_and_so_often() -> None:
    faults = Faults()
    faults.arm(Fault("queue-full", times=2, after=1, feed="f"))
    met = [faults.met("request", "StreamEvents", feed) is not None for feed in ("g", "f", "f", "f", "f")]
    assert met == [False, False, True, True, False]
    assert faults.met("request", "GetCard", "f") is None
    with pytest.raises(FaultUnknown, match="lost-answer"):
        faults.arm(Fault("nonsense"))


def test_the_page_answers_this_machine_alone_and_says_what_a_value_should_be() -> None:
    web = TestClient(page(Sandbox.__new__(Sandbox)), base_url="http://127.0.0.1:7680")
    assert web.get("/page.js").status_code == 200
    assert web.get("/", headers={"host": "hub.example"}).status_code == 403
    assert web.post("/reset", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert "whole numbers" in web.post("/fault?kind=queue-full&times=-1").json()["refused"]
    assert "0 to 600" in web.post("/fault?kind=queue-full&seconds=nan").json()["refused"]


def test_a_sandbox_listens_on_this_machine_alone(tmp_path: Path) -> None:
    with pytest.raises(NotLoopback):
        run_sandbox(SandboxSettings(tmp_path, "51", ("0.0.0.0:7643", "127.0.0.1:7644"), "127.0.0.1:0"), lambda _: None)


def test_a_second_sandbox_on_the_same_folder_and_a_taken_address_are_refused_before_anything_is_removed(tmp_path: Path) -> None:
    (tmp_path / "sandbox").mkdir()
    (tmp_path / "sandbox/kept").touch()
    settings = SandboxSettings(tmp_path / "sandbox", "51", ("127.0.0.1:0", "127.0.0.1:0"), "127.0.0.1:0")
    with alone_on(settings.data_dir), pytest.raises(SandboxRuns):
        run_sandbox(settings, lambda _: None)
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(PageAddressTaken):
        run_sandbox(replace(settings, page=f"127.0.0.1:{taken.getsockname()[1]}"), lambda _: None)
    assert (tmp_path / "sandbox/kept").exists()


def test_of_a_stream_that_goes_on_the_newer_part_is_kept() -> None:
    exchange = Exchange("/chuanyu.exchange.v1.FeedService/StreamEvents", "p", "", most=10)
    for number in range(1, 31):
        request = feed_service_pb2.StreamEventsRequest(feed="f", first_sequence=number)
        exchange.note(request.SerializeToString(), is_request=True)
        exchange.note(feed_service_pb2.StreamEventsResponse(feed="f", first_sequence=number).SerializeToString(), is_request=False)
    found = list(pairs(exchange))
    assert len(exchange.passed) <= 10 and found[-1][1].first_sequence == 30
    assert all(answer is not None and batch.first_sequence == answer[1].first_sequence for _, batch, answer in found)


def test_a_fault_of_the_fronts_own_ends_the_call_and_nobody_waits(
    at_front: Fronted, client: Province, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(at_front.front.faults, "met", broken)
    refusal = refused(lambda: client.next_sequence("sc.usage"))
    assert refusal.code is grpc.StatusCode.INTERNAL and "fault of the sandbox itself" in refusal.text


def test_a_call_that_was_ended_while_its_client_still_sends_is_no_fault() -> None:
    async def aborted() -> AsyncIterator[bytes]:
        raise grpc.aio.AbortError
        yield b""

    exchange, nobody = Exchange("/chuanyu.exchange.v1.FeedService/StreamEvents", "p", ""), cast(Any, None)
    asyncio.run(_Call(nobody, exchange, asyncio.Queue(1), None, nobody)._send(aborted(), nobody))
    assert not exchange.passed


def test_a_hub_that_has_ended_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ended(_: Sandbox) -> float:
        raise ChildDied("edge-1 ended with 1")

    monkeypatch.setattr(Sandbox, "reset", ended)
    web = TestClient(page(Sandbox.__new__(Sandbox)), base_url="http://127.0.0.1:7680")
    assert "start the sandbox again: edge-1 ended with 1" in web.post("/reset").json()["refused"]

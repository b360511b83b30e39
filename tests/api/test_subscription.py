"""SubscriptionService over mutual TLS: what each side gets, in what form, from which cursor; and a loss that goes across and back."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import grpc
import psycopg
import pytest
from chuanyu.exchange.v1 import (
    acceptance_pb2,
    event_pb2,
    hub_decisions_pb2,
    subscription_service_pb2,
    subscription_service_pb2_grpc,
)

from hub.admin.agreements import all_agreements, suspend_agreement
from hub.admin.registry import register_participant
from hub.api.subscriptions.pages import SubscriptionPages
from hub.api.subscriptions.service import PROGRESS_EVERY_S
from hub.domain.disclosure import Reader
from hub.domain.errors import CursorAhead, CursorTooOld
from hub.domain.participant import PREFIX, Participant
from hub.domain.pseudonym import card_name, hmac_sm3
from hub.domain.roles import every_role, rights_of
from hub.journal.recorder import AggregateStore
from hub.journal.vault import erase_identifier
from hub.trust.keyring import open_keyring
from tests.clients import DEADLINE_S, Province, refused
from tests.hub_process import CHONGQING, SICHUAN, Process, RunningHub
from tests.messages import journey, lost, name_card, question, registered
from tests.recording import Recording
from tests.recording import registered as recorded_card

SC, CQ = "sc.card-center", "cq.card-center"
ACCEPT, DENY = acceptance_pb2.ACCEPTANCE_OUTCOME_ACCEPT, acceptance_pb2.ACCEPTANCE_OUTCOME_DENY
Delivered = subscription_service_pb2.DeliveredEvent
_numbers = itertools.count(1)


class Subscriber:
    """One subscription of a participant's, read as far as a test asks."""

    def __init__(self, hub: RunningHub, urn: str, from_position: int = 0, kinds: tuple[str, ...] = (), edge: int = 0) -> None:
        self.channel = hub.channel(urn, edge)
        stub = subscription_service_pb2_grpc.SubscriptionServiceStub(self.channel)
        request = subscription_service_pb2.SubscribeRequest(from_position=from_position, kinds=kinds)
        self.stream = stub.Subscribe(request, timeout=DEADLINE_S)
        self.received: list[Delivered] = []
        self.began = next(self.stream).progress

    def until(self, is_wanted: Callable[[Delivered], bool]) -> Delivered:
        """Reads on to the event that is wanted."""
        for response in self.stream:
            if response.HasField("delivered"):
                self.received.append(response.delivered)
                if is_wanted(response.delivered):
                    return response.delivered
        raise AssertionError("the stream ended")

    def kind(self, kind: str) -> Delivered:
        """Reads on to the next event of a kind."""
        return self.until(lambda delivered: delivered.event.WhichOneof("kind") == kind)

    def at(self, position: int) -> Delivered:
        """Reads on to a position that is delivered."""
        return self.until(lambda delivered: delivered.position == position)

    def through(self, position: int) -> list[Delivered]:
        """Reads on until progress says that nothing up to a position is missing, and returns all that was delivered."""
        for response in self.stream:
            if response.HasField("delivered"):
                self.received.append(response.delivered)
            elif response.progress.position >= position:
                return self.received
        raise AssertionError("the stream ended")

    def close(self) -> None:
        self.stream.cancel()
        self.channel.close()


@pytest.fixture
def subscribe(shared_hub: RunningHub) -> Iterator[Callable[..., Subscriber]]:
    """Opens subscriptions that begin where the journal ends now, unless another cursor is given."""
    opened: list[Subscriber] = []

    def open_one(urn: str, from_position: int | None = None, kinds: tuple[str, ...] = ()) -> Subscriber:
        if from_position is None:
            asked = Subscriber(shared_hub, urn)
            opened.append(asked)
            from_position = asked.began.head_position
        opened.append(Subscriber(shared_hub, urn, from_position, kinds))
        return opened[-1]

    yield open_one
    for subscriber in opened:
        subscriber.close()


def now_s() -> int:
    return int(time.time())


def loss_request(card_no: str, at_s: int, loss_type: int = 1) -> event_pb2.Event:
    event = event_pb2.Event(service_region="510100")
    event.occurred_at.seconds = at_s
    name_card(event.card, card_no, "50")
    event.loss_request_submitted.loss_type, event.loss_request_submitted.accepted_at_region = loss_type, "510100"  # type: ignore[assignment]
    return event


def refusal(card_no: str, at_s: int, sequence: int) -> event_pb2.Event:
    event = event_pb2.Event()
    event.occurred_at.seconds = at_s
    name_card(event.card, card_no, "50")
    event.loss_request_refused.request.feed, event.loss_request_refused.request.sequence = SC, sequence
    event.loss_request_refused.reason_code = "NOT_HOLDER"
    return event


def check(province: Province, card_no: str, position: int) -> tuple[int, list[str]]:
    """Asks in Chengdu now, by views that have seen *position*."""
    request = question(f"subscription-{next(_numbers)}", card_no, min_position=position)
    answer = province.cards.CheckAcceptance(request, timeout=DEADLINE_S)
    return answer.outcome, [reason.code for reason in answer.reasons]


# A loss across provinces


def test_a_loss_reported_in_sichuan_is_blocked_forwarded_and_confirmed(
    sichuan: Province, chongqing: Province, subscribe: Callable[..., Subscriber]
) -> None:
    issuer, serving = subscribe(CHONGQING), subscribe(SICHUAN)
    began_s = now_s() - 60
    chongqing.tell(CQ, registered("L00000001", at_s=began_s))
    position = sichuan.tell(SC, loss_request("L00000001", began_s + 10))
    assert check(sichuan, "L00000001", position) == (DENY, ["PROVISIONAL_BLOCK"])

    asked, forwarded = issuer.kind("loss_request_submitted"), issuer.kind("loss_request_forwarded")
    assert (asked.event.card.clear, forwarded.event.card.clear) == ("L00000001", "L00000001")
    assert forwarded.event.loss_request_forwarded.request == asked.recorded_as
    for kind in ("loss_request_submitted", "loss_opened", "provisional_block_placed", "loss_request_forwarded"):
        event = serving.kind(kind).event
        assert (event.card.issuing_province, event.card.WhichOneof("value")) == ("50", None)
    assert [d.event.loss_opened.card.clear for d in issuer.received if d.event.HasField("loss_opened")] == ["L00000001"]

    chongqing.tell(CQ, lost("L00000001", at_s=began_s + 20))
    lifted = serving.kind("provisional_block_lifted")
    assert lifted.event.provisional_block_lifted.cause_code == "CONFIRMED"
    assert lifted.event.provisional_block_lifted.request == asked.recorded_as
    assert check(sichuan, "L00000001", lifted.position) == (DENY, ["LOST_TEMP"])


def test_a_refused_loss_leaves_the_card_usable(sichuan: Province, chongqing: Province, subscribe: Callable[..., Subscriber]) -> None:
    serving = subscribe(SICHUAN)
    began_s = now_s() - 60
    chongqing.tell(CQ, registered("L00000002", at_s=began_s))
    sichuan.tell(SC, loss_request("L00000002", began_s + 10))
    sequence = serving.kind("loss_request_submitted").recorded_as.sequence
    chongqing.tell(CQ, refusal("L00000002", began_s + 20, sequence))
    closed, lifted = serving.kind("loss_closed"), serving.kind("provisional_block_lifted")
    assert (closed.event.loss_closed.reason_code, lifted.event.provisional_block_lifted.cause_code) == ("NOT_HOLDER", "REFUSED")
    assert check(sichuan, "L00000002", lifted.position) == (ACCEPT, [])


def test_a_loss_is_blocked_and_forwarded_well_under_a_second(
    sichuan: Province, chongqing: Province, subscribe: Callable[..., Subscriber]
) -> None:
    issuer = subscribe(CHONGQING)
    chongqing.tell(CQ, registered("L00000003", at_s=now_s() - 60))
    sichuan.tell(SC, loss_request("L00000003", now_s()))
    asked, forwarded = issuer.kind("loss_request_submitted"), issuer.kind("loss_request_forwarded")
    assert forwarded.recorded_at.ToNanoseconds() - asked.recorded_at.ToNanoseconds() < 1_000_000_000


# Who gets what


def test_what_concerns_only_the_other_side_is_never_delivered(
    sichuan: Province, chongqing: Province, subscribe: Callable[..., Subscriber]
) -> None:
    issuer, serving = subscribe(CHONGQING), subscribe(SICHUAN)
    sichuan.tell(SC, registered("S00000004", "51"))
    sichuan.tell("sc.usage", journey("S00000004", "51"))
    check(sichuan, "L00000004", 0)
    shared = sichuan.tell("sc.usage", journey("L00000004"))
    local = chongqing.tell(CQ, registered("L00000004"))
    issuer.at(local)
    serving.at(shared)
    assert {delivered.event.card.issuing_province for delivered in issuer.received} == {"50"}
    assert [delivered.event.WhichOneof("kind") for delivered in issuer.received] == [
        "decision_made", "transit_journey_completed", "card_registered"]  # fmt: skip
    assert [delivered.event.WhichOneof("kind") for delivered in serving.received] == [
        "card_registered", "transit_journey_completed", "decision_made", "transit_journey_completed"]  # fmt: skip


def test_only_the_issuer_reads_its_cards_identifiers(sichuan: Province, subscribe: Callable[..., Subscriber]) -> None:
    issuer, serving = subscribe(CHONGQING), subscribe(SICHUAN)
    position = sichuan.tell("sc.usage", journey("L00000005"))
    assert issuer.at(position).event.card.clear == "L00000005"
    assert serving.at(position).event.card == event_pb2.Event(card={"issuing_province": "50", "kind": 1}).card


def test_a_person_is_named_only_to_the_issuer_that_sent_the_name(
    sichuan: Province, chongqing: Province, subscribe: Callable[..., Subscriber]
) -> None:
    issuer, serving = subscribe(CHONGQING), subscribe(SICHUAN)
    own, other = registered("L00000006"), journey("L00000006")
    for event in (own, other):
        event.holder.id_type, event.holder.clear = 1, "500199198503211232"
    first, second = chongqing.tell(CQ, own), sichuan.tell("sc.usage", other)
    assert [issuer.at(first).event.holder.clear, issuer.at(second).event.holder.clear] == ["500199198503211232", ""]
    assert serving.at(second).event.holder.WhichOneof("value") is None


def test_an_erased_identifier_is_left_out_and_flagged(
    shared_hub: RunningHub, chongqing: Province, subscribe: Callable[..., Subscriber]
) -> None:
    issuer = subscribe(CHONGQING)
    event = registered("L00000007")
    key = hmac_sm3(open_keyring(shared_hub.data_dir / "keys").pseudonym, card_name(event.card).encode())
    position = chongqing.tell(CQ, event)
    assert issuer.at(position).event.card.clear == "L00000007"
    with psycopg.connect(shared_hub.dsn, autocommit=True) as connection:
        assert erase_identifier(connection, key)
    again = subscribe(CHONGQING, position - 1).at(position)
    assert (again.event.card.WhichOneof("value"), list(again.erased_paths)) == (None, ["card"])


def test_a_quarantined_event_is_told_to_its_sender_alone(sichuan: Province, subscribe: Callable[..., Subscriber]) -> None:
    issuer, serving = subscribe(CHONGQING), subscribe(SICHUAN)
    bad = journey("L00000008")
    bad.service_region = "999999"
    position, after = sichuan.tell("sc.usage", bad), sichuan.tell("sc.usage", journey("L00000008"))
    delivered = serving.at(position)
    assert (delivered.event.event_quarantined.declared_kind, delivered.recorded_as.feed) == ("transit_journey_completed", "sc.usage")
    issuer.at(after)
    assert [delivered.position for delivered in issuer.received] == [after]


def test_a_declared_loss_names_its_card_to_a_sender_that_issued_it(
    chongqing: Province, sichuan: Province, subscribe: Callable[..., Subscriber]
) -> None:
    issuer, serving = subscribe(CHONGQING), subscribe(SICHUAN)
    own, others = lost("L00000021"), lost("L00000022")
    own.issuer_region = others.issuer_region = "999999"
    told, asked = chongqing.tell(CQ, own), sichuan.tell("sc.card-center", others)
    named = [subscriber.at(at).event.event_quarantined.blocked_card for subscriber, at in ((issuer, told), (serving, asked))]
    assert [(card.issuing_province, card.WhichOneof("value")) for card in named] == [("50", "clear"), ("50", None)]
    assert named[0].clear == "L00000021"


def test_kinds_may_be_chosen(sichuan: Province, chongqing: Province, subscribe: Callable[..., Subscriber]) -> None:
    issuer = subscribe(CHONGQING, kinds=("card_registered", "transit_journey_completed"))
    chongqing.tell(CQ, registered("L00000009"), lost("L00000009"))
    last = sichuan.tell("sc.usage", journey("L00000009"))
    issuer.at(last)
    assert [delivered.event.WhichOneof("kind") for delivered in issuer.received] == ["card_registered", "transit_journey_completed"]


def test_an_agreements_event_says_which_agreement_and_version_it_is_about(
    shared_hub: RunningHub, subscribe: Callable[..., Subscriber]
) -> None:
    with contextlib.closing(AggregateStore(shared_hub.dsn)) as store:
        agreement = next(one for one in all_agreements(store) if one.history.versions)
        suspended = hub_decisions_pb2.AgreementSuspended(reason_code="TEST")
        suspended.from_at.GetCurrentTime()
        position = suspend_agreement(store, agreement.code, suspended, datetime.now(UTC))
    # From the beginning, so that those of the past come too.
    reader = subscribe(SICHUAN, 0, kinds=("agreement_drafted", "agreement_signed", "agreement_activated", "agreement_suspended"))
    told = reader.at(position)
    assert (told.agreement.code, told.agreement.version) == (agreement.code, len(agreement.history.versions))
    assert all(delivered.agreement.code for delivered in reader.received)
    drafted = next(one for one in reader.received if one.event.agreement_drafted.agreement_code == agreement.code)
    assert (drafted.agreement.code, drafted.agreement.version) == (agreement.code, 0)


def test_a_reader_that_is_suspended_hears_no_more(shared_hub: RunningHub) -> None:
    reader, store = f"{PREFIX}cq.reader", AggregateStore(shared_hub.dsn)
    register_participant(store, reader, "50", "reader", [], datetime.now(UTC), every_role())
    subscriber = Subscriber(shared_hub, reader)
    participant = store.get(Participant, Participant.create_id(reader))
    assert participant is not None
    suspended = hub_decisions_pb2.ParticipantSuspended(participant=reader, reason_code="AUDIT")
    participant.record("participant_suspended", suspended, datetime.now(UTC))
    store.save(participant)
    store.close()
    refusal = refused(lambda: subscriber.kind("hotlist_published"))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "PARTICIPANT_SUSPENDED")
    subscriber.close()


# The cursor


def test_a_resumed_stream_has_no_gap_and_no_double(sichuan: Province, subscribe: Callable[..., Subscriber]) -> None:
    first = subscribe(CHONGQING)
    positions = [sichuan.tell("sc.usage", journey("L00000010", fare_fen=100 + number)) for number in range(12)]
    cursor = first.at(positions[4]).position
    resumed = subscribe(CHONGQING, cursor)
    resumed.at(positions[11])
    assert [delivered.position for delivered in first.received + resumed.received] == positions


def test_the_cursor_advances_while_nothing_concerns_the_reader(sichuan: Province, subscribe: Callable[..., Subscriber]) -> None:
    issuer = subscribe(CHONGQING)
    position = sichuan.tell("sc.usage", journey("S00000011", "51"))
    assert issuer.through(position) == []


def test_an_event_is_delivered_as_it_is_recorded(sichuan: Province, subscribe: Callable[..., Subscriber]) -> None:
    issuer = subscribe(CHONGQING)
    issuer.at(sichuan.tell("sc.usage", journey("L00000012")))
    began = time.monotonic()
    for _ in range(10):
        issuer.at(sichuan.tell("sc.usage", journey("L00000012")))
    # Each waiting for a word of progress, they would take longer.
    assert time.monotonic() - began < 9 * PROGRESS_EVERY_S


def test_a_slow_reader_slows_only_itself(sichuan: Province, subscribe: Callable[..., Subscriber]) -> None:
    slow, fast = subscribe(CHONGQING), subscribe(CHONGQING)
    events = [journey(f"L0000{number:04}") for number in range(2_000, 2_400)]
    last = [sichuan.tell("sc.usage", *events) for _ in range(3)][-1]
    fast.at(last)
    slow.at(last)
    assert len(fast.received) == 1_200
    assert [delivered.position for delivered in slow.received] == [delivered.position for delivered in fast.received]


def test_a_hub_that_stops_ends_its_streams_with_ok(shared_hub: RunningHub) -> None:
    edge = Process(["serve", "--listen", "127.0.0.1:0"], shared_hub.dsn, shared_hub.data_dir)
    shared_hub.targets.append(edge.start().split()[-1])
    try:
        subscriber = Subscriber(shared_hub, CHONGQING, edge=1)
        assert edge.stop() == 0
        for _ in subscriber.stream:
            pass
        assert subscriber.stream.code() == grpc.StatusCode.OK
        subscriber.close()
    finally:
        edge.kill()
        shared_hub.targets.pop()


def test_a_cursor_beyond_the_head_is_refused(shared_hub: RunningHub) -> None:
    refusal = refused(lambda: Subscriber(shared_hub, CHONGQING, 10_000_000))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.OUT_OF_RANGE, "CURSOR_AHEAD")
    assert 0 < int(refusal.metadata["head_position"]) < 10_000_000


@pytest.mark.parametrize(
    ("from_position", "kinds", "violation"),
    [(2**63, (), ("from_position", "uint64.lte")), (0, ("card_registered", "card_burned"), ("kinds[1]", "unknown_kind"))],
)
def test_a_bad_request_is_refused(from_position: int, kinds: tuple[str, ...], violation: tuple[str, str], shared_hub: RunningHub) -> None:
    refusal = refused(lambda: Subscriber(shared_hub, CHONGQING, from_position, kinds))
    assert (refusal.code, refusal.reason, refusal.violations) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_INVALID", [violation])


def test_a_cursor_older_than_what_is_kept_is_refused(dsn: str, tmp_path: Path) -> None:
    recording = Recording(dsn)
    recording.append(*[recorded_card("A00000001") for _ in range(5)])
    recording.close()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DELETE FROM journal.event WHERE position <= 3")
    pages = SubscriptionPages(dsn, open_keyring(tmp_path / "keys"))

    async def look() -> None:
        with pytest.raises(CursorTooOld) as too_old:
            await pages.check_cursor(CHONGQING, 2)
        with pytest.raises(CursorAhead):
            await pages.check_cursor(CHONGQING, 6)
        assert (too_old.value.metadata, await pages.check_cursor(CHONGQING, 3)) == ({"first_position": "4"}, 5)
        page = await pages.read(3, (), Reader(CHONGQING, rights_of("50", every_role())), 5)
        assert ([delivered.position for delivered in page.delivered], page.through) == ([4, 5], 5)

    asyncio.run(look())
    pages.close()

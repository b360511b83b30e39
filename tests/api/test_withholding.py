"""What a reader without the card is delivered shows it nothing about a card it guesses: the attack is played, field by field."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from chuanyu.exchange.v1 import card_service_pb2, event_pb2, subscription_service_pb2, subscription_service_pb2_grpc
from google.protobuf import source_context_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from hub.admin.registry import register_participant
from hub.domain.participant import PREFIX
from hub.domain.role_table import role_table
from hub.domain.roles import every_role
from hub.domain.withholding import _WHOLE as WHOLE
from hub.domain.withholding import sorted_fields, telltales, withhold_telltales
from hub.journal.recorder import AggregateStore
from tests.clients import DEADLINE_S, Province, recorded_at, refused
from tests.hub_process import CHONGQING, SICHUAN, RunningHub
from tests.messages import AT_S, journey, lost, question, registered

BUS = f"{PREFIX}sc.bus"
CARDS = [f"W{number:08}" for number in range(30)]


@pytest.fixture(scope="module")
def bus(shared_hub: RunningHub) -> Iterator[Province]:
    """Another participant of the serving province: neither the issuer nor who asked."""
    store = AggregateStore(shared_hub.dsn)
    roles = [grant for grant in every_role() if grant.role != "ISSUER"]
    register_participant(store, BUS, "51", "bus", ["sc.bus"], datetime.now(UTC), roles)
    store.close()
    province = Province(shared_hub, BUS)
    yield province
    province.channel.close()


def read(channel: grpc.Channel, first: int, last: int) -> dict[int, event_pb2.Event]:
    """What a participant is delivered of positions first … last."""
    stub = subscription_service_pb2_grpc.SubscriptionServiceStub(channel)
    stream = stub.Subscribe(subscription_service_pb2.SubscribeRequest(from_position=first - 1), timeout=DEADLINE_S)
    found = {}
    for response in stream:
        if response.HasField("delivered"):
            found[response.delivered.position] = response.delivered.event
        # The first progress gives the cursor itself back.
        if max(response.delivered.position, response.progress.position) >= last:
            stream.cancel()
            return found
    raise AssertionError("the stream ended")


def leaves(message: Message, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value in a message."""
    for field, value in message.ListFields():
        for item in value if field.is_repeated else (value,):
            if isinstance(item, Message):
                yield from leaves(item, f"{path}{field.name}.")
            else:
                yield f"{path}{field.name}", item


def test_thirty_guesses_of_thirty_decisions_find_no_card(
    shared_hub: RunningHub, chongqing: Province, sichuan: Province, bus: Province
) -> None:
    seen = chongqing.tell("cq.card-center", *[registered(card) for card in CARDS])

    def asked(number: int, card: str) -> card_service_pb2.CheckAcceptanceRequest:
        request = question(f"gate-{number}", card, min_position=seen)
        request.claims.purse_balance_fen = 1_000 + number
        return request

    victims = [sichuan.cards.CheckAcceptance(asked(n, card), timeout=DEADLINE_S).position for n, card in enumerate(CARDS)]
    # One guess a decision, as only the attacker's own request id is there to ask by: the decision's id with the card that is looked for.
    guesses = [bus.cards.CheckAcceptance(asked(n, CARDS[12]), timeout=DEADLINE_S).position for n in range(len(CARDS))]
    delivered = read(bus.channel, victims[0], guesses[-1])
    hits: dict[str, set[int]] = {}
    for number, (victim, guess) in enumerate(zip(victims, guesses, strict=True)):
        # When the hub decided is its own clock: two decisions of one second say nothing of their cards.
        delivered[victim].ClearField("occurred_at"), delivered[guess].ClearField("occurred_at")
        hidden, own = dict(leaves(delivered[victim])), dict(leaves(delivered[guess]))
        for path in hidden.keys() & own.keys():
            if hidden[path] == own[path]:
                hits.setdefault(path, set()).add(number)
    assert [path for path, found in hits.items() if found == {12}] == []
    assert not {"decision_made.request_digest", "decision_made.request_id"} & hidden.keys()
    assert {path for path in hidden if path.startswith("decision_made.claims")} == set()


def test_questions_around_the_instants_of_delivered_losses_find_no_card(
    shared_hub: RunningHub, chongqing: Province, sichuan: Province, bus: Province
) -> None:
    first = chongqing.tell("cq.card-center", *[registered(f"W{number:08}", at_s=AT_S - 9) for number in range(200, 230)])
    for number in range(10):
        requested = lost(f"W{200 + number:08}", at_s=AT_S + 3_600 * number)
        requested.loss_request_submitted.loss_type, requested.loss_request_submitted.accepted_at_region = 1, "510100"
        last = sichuan.tell("sc.card-center", requested)
    losses = [event for event in read(bus.channel, first, last).values() if event.WhichOneof("kind") == "loss_request_submitted"]
    assert [(event.card.WhichOneof("value"), event.occurred_at.seconds) for event in losses] == [
        (None, AT_S + 3_600 * number) for number in range(10)]  # fmt: skip
    answered = []
    for number, event in enumerate(losses):
        for side_s in (-1, 1):
            guess = question(f"around-{number}-{side_s}", "W00000204", min_position=last)
            guess.at.seconds = event.occurred_at.seconds + side_s
            answered.append(refused(lambda guess=guess: bus.cards.CheckAcceptance(guess, timeout=DEADLINE_S)).reason)  # type: ignore[misc]
    assert answered == ["NOT_PERMITTED"] * 20


def test_the_digest_that_knows_a_repeat_is_of_the_participant(
    shared_hub: RunningHub, chongqing: Province, sichuan: Province, bus: Province
) -> None:
    seen = chongqing.tell("cq.card-center", registered("W00000100"))
    positions = [who.cards.CheckAcceptance(question("same", "W00000100", min_position=seen), timeout=DEADLINE_S).position
                 for who in (sichuan, bus)]  # fmt: skip
    first, second = (recorded_at(shared_hub.dsn, position).event.decision_made for position in positions)
    assert len(first.request_digest) == 32
    assert first.request_digest != second.request_digest


@pytest.mark.parametrize(("who", "request_id"), [(SICHUAN, "whose-id"), (CHONGQING, "whose-id"), (BUS, "")])
def test_a_request_id_goes_to_who_asked_and_to_the_issuer(
    who: str, request_id: str, shared_hub: RunningHub, sichuan: Province, bus: Province
) -> None:
    position = sichuan.cards.CheckAcceptance(question("whose-id", "W00000101"), timeout=DEADLINE_S).position
    with shared_hub.channel(who) as channel:
        decision = read(channel, position, position)[position].decision_made
    assert (decision.request_id, decision.request_digest) == (request_id, b"")


def test_a_purse_counter_ties_no_two_journeys_together_for_a_reader_without_the_card(
    shared_hub: RunningHub, sichuan: Province, bus: Province
) -> None:
    position = sichuan.tell("sc.usage", journey("W00000102"))
    seen = {}
    for who in (BUS, SICHUAN, CHONGQING):
        with shared_hub.channel(who) as channel:
            seen[who] = read(channel, position, position)[position].transit_journey_completed.tap.purse_counter
    assert seen == {BUS: 0, SICHUAN: 137, CHONGQING: 137}


def unsorted(descriptor: Descriptor) -> Iterator[str]:
    """Every field of a message and of those in it that the table sorts into neither list."""
    row = sorted_fields().get(descriptor.name)
    for field in descriptor.fields:
        if field.containing_oneof is not None and field.containing_oneof.name == "kind":
            continue
        if row is None or field.name not in row.shown | row.withheld:
            yield f"{descriptor.name}.{field.name}"
        elif field.message_type is not None and field.message_type not in WHOLE and field.name in row.shown:
            yield from unsorted(field.message_type)


KINDS = event_pb2.Event.DESCRIPTOR.oneofs_by_name["kind"].fields
# What both sides lay down is not about a card, and what was quarantined goes to its own sender.
READ = [kind for kind in KINDS if role_table().kinds[kind.name].read_as not in ("", "AGREEMENTS", "HOTLIST", "QUARANTINE")]


@pytest.mark.parametrize("descriptor", [event_pb2.Event.DESCRIPTOR, *(kind.message_type for kind in READ)], ids=lambda one: one.name)
def test_each_field_that_is_delivered_is_sorted_into_shown_or_withheld(descriptor: Descriptor) -> None:
    assert list(unsorted(descriptor)) == []


def test_the_table_names_no_field_that_is_not_there() -> None:
    messages = {name: kind for file in (kind.message_type.file for kind in READ) for name, kind in file.message_types_by_name.items()}
    messages |= {name: one for kind in KINDS for name, one in kind.message_type.file.message_types_by_name.items()}
    messages |= dict(event_pb2.DESCRIPTOR.message_types_by_name)
    named = {f"{name}.{field}" for name, row in sorted_fields().items() for field in row.shown | row.withheld}
    assert named - {f"{name}.{field.name}" for name, message in messages.items() for field in message.fields} == set()


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("transit_journey_completed", ("tap", "balance_after_fen")),
        ("transit_journey_completed", ("tap", "purse_counter")),
        ("transit_journey_completed", ("tap", "tac")),
        ("transit_transfer_discounted", ("first_leg_counter",)),
        ("transit_concession_consumed", ("units_left",)),
        ("pin_verification_failed", ("tries_left",)),
        ("pin_locked", ("wrong_tries",)),
        ("points_earned", ("account_id",)),
        ("points_spent", ("account_id",)),
        ("points_adjusted", ("account_id",)),
        ("medical_settlement_completed", ("money", "account_balance_fen")),
        ("card_registered", ("birth_date",)),
        ("contribution_paid", ("base_fen",)),
        ("anomaly_detected", ("evidence",)),
        ("decision_made", ("claims",)),
    ],
)
def test_what_ties_two_events_of_a_card_goes_with_it(kind: str, path: tuple[str, ...]) -> None:
    assert path in telltales(event_pb2.Event.DESCRIPTOR.fields_by_name[kind].message_type)


def test_a_field_that_nobody_sorted_is_withheld() -> None:
    assert telltales(source_context_pb2.SourceContext.DESCRIPTOR) == (("file_name",),)


@pytest.mark.parametrize("kind", list(KINDS), ids=lambda kind: kind.name)
def test_every_kind_of_event_can_be_withheld(kind: FieldDescriptor) -> None:
    event = event_pb2.Event(decision_position=7)
    getattr(event, kind.name).SetInParent()
    withhold_telltales(event, kind.name, is_card_readable=False, is_own=False)
    assert event.WhichOneof("kind") == kind.name


def test_an_agreement_is_delivered_whole_to_both_sides() -> None:
    event = event_pb2.Event()
    event.agreement_suspended.reason_code = "TEST"
    withhold_telltales(event, "agreement_suspended", is_card_readable=False, is_own=False)
    assert event.agreement_suspended.reason_code == "TEST"

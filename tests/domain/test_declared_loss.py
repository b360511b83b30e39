"""A quarantined event that declares a loss names its card, so that the card is blocked; any other names none."""

import pytest
from chuanyu.exchange.v1 import card_lifecycle_pb2 as lifecycle
from chuanyu.exchange.v1 import event_pb2, references_pb2

from hub.domain.declared_loss import declared_loss
from hub.domain.roles import NO_RIGHTS, every_role, rights_of

CQ, SC = (rights_of(province, every_role()) for province in ("50", "51"))
BROKEN = [("holder.clear", "fifteen_digits")]
CARD = references_pb2.CardRef(issuing_province="50", kind=references_pb2.CARD_IDENTIFIER_KIND_CARD_NO, clear="A00000001")


def told(kind: str, card: references_pb2.CardRef = CARD) -> event_pb2.Event:
    event = event_pb2.Event(card=card)
    getattr(event, kind).SetInParent()
    return event


def registered(status: int) -> event_pb2.Event:
    event = told("card_registered")
    event.card_registered.status = lifecycle.SocialStatus.ValueType(status)
    return event


@pytest.mark.parametrize(
    "kind",
    [
        "temporary_loss_reported",
        "formal_loss_reported",
        "app_locked",
        "card_superseded",
        "card_cancelled",
        "loss_request_submitted",
    ],
)
def test_what_makes_a_card_unusable_blocks_it(kind: str) -> None:
    assert declared_loss(told(kind), kind, BROKEN, CQ) == CARD


@pytest.mark.parametrize("status", [lifecycle.SOCIAL_STATUS_FORMALLY_LOST, lifecycle.SOCIAL_STATUS_CANCELLED])
def test_a_registration_as_lost_or_cancelled_blocks(status: int) -> None:
    assert declared_loss(registered(status), "card_registered", BROKEN, CQ) == CARD


@pytest.mark.parametrize("kind", ["temporary_loss_reported", "loss_request_submitted"])
def test_what_either_side_may_tell_blocks_the_other_sides_card(kind: str) -> None:
    assert declared_loss(told(kind), kind, BROKEN, SC) == CARD


@pytest.mark.parametrize("kind", ["loss_released", "app_unlocked", "transit_journey_completed", "bank_account_frozen"])
def test_what_leaves_the_social_function_usable_blocks_nothing(kind: str) -> None:
    assert declared_loss(told(kind), kind, BROKEN, CQ) is None


def test_a_registration_as_active_blocks_nothing() -> None:
    assert declared_loss(registered(lifecycle.SOCIAL_STATUS_ACTIVE), "card_registered", BROKEN, CQ) is None


def test_a_formal_loss_told_by_the_other_side_blocks_nothing() -> None:
    assert declared_loss(told("formal_loss_reported"), "formal_loss_reported", BROKEN, SC) is None


def test_what_a_participant_without_the_role_declares_blocks_nothing() -> None:
    assert declared_loss(told("temporary_loss_reported"), "temporary_loss_reported", BROKEN, NO_RIGHTS) is None


def test_a_reversal_of_a_loss_blocks_nothing() -> None:
    event = told("temporary_loss_reported")
    event.reverses.feed, event.reverses.sequence = "cq.card-center", 1
    assert declared_loss(event, "temporary_loss_reported", BROKEN, CQ) is None


@pytest.mark.parametrize(
    "card",
    [
        references_pb2.CardRef(issuing_province="50", kind=references_pb2.CARD_IDENTIFIER_KIND_CARD_NO, clear="A1"),
        references_pb2.CardRef(issuing_province="50", kind=references_pb2.CARD_IDENTIFIER_KIND_CARD_NO, key=b"k" * 32),
        references_pb2.CardRef(issuing_province="50", clear="A00000001"),
        references_pb2.CardRef(),
    ],
    ids=["malformed", "by key", "of no kind", "empty"],
)
def test_a_card_that_is_not_named_well_is_not_blocked(card: references_pb2.CardRef) -> None:
    assert declared_loss(told("temporary_loss_reported", card), "temporary_loss_reported", BROKEN, CQ) is None


@pytest.mark.parametrize(
    "broken",
    [("card.issuing_province", "string.in"), ("formal_loss_reported", "issuer_only"), ("formal_loss_reported", "hub_only")],
)
def test_a_fault_of_the_card_itself_or_of_who_speaks_blocks_nothing(broken: tuple[str, str]) -> None:
    assert declared_loss(told("formal_loss_reported"), "formal_loss_reported", [*BROKEN, broken], CQ) is None

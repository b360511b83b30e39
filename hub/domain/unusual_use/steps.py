"""What a rule looks at: the uses of one card, the payments to one person, what one participant asked, as short steps in order of time."""

import hashlib
from collections.abc import Callable
from typing import NamedTuple

from chuanyu.exchange.v1 import acceptance_pb2 as acceptance
from chuanyu.exchange.v1 import event_pb2
from chuanyu.exchange.v1 import usage_medical_pb2 as medical
from chuanyu.exchange.v1 import usage_transit_pb2 as transit

from hub.domain.business_keys import card_key
from hub.domain.findings import USE_KINDS

PIN, DECISION, UNKNOWN = "pin_verification_failed", "decision_made", "CARD_UNKNOWN"
PAYMENTS = frozenset({"fund_row_paid", "fund_row_repaid", "fund_row_returned", "fund_row_recovered"})
RIDES = {"transit_exit_recorded": "fare_paid_fen", "transit_journey_completed": "fare_paid_fen"}
PHARMACY = "MED.RX"
# Media that are in one place at a time. A code may be shown by a relative who manages the e-card.
PHYSICAL = frozenset({acceptance.MEDIUM_CONTACT, acceptance.MEDIUM_CONTACTLESS})
STEP_KINDS = USE_KINDS | PAYMENTS | {PIN, DECISION}


class Step(NamedTuple):
    """A step: *place* is a venue or the province that pays, *detail* what its rule compares by, *amount_fen* of a payment."""

    position: int
    occurred_us: int
    kind: str
    issuer: str
    region: str
    medium: int
    place: str
    detail: str
    amount_fen: int


class Named(NamedTuple):
    """A step with whom it is about: the subject of its rules, and the card, empty where there is none."""

    subject: bytes
    card: bytes
    step: Step


def step_of(kind: str, event: event_pb2.Event, occurred_us: int, position: int) -> Named | None:
    """Returns the step that an event is, None if it is none that a rule looks at."""
    card = card_key(event)
    subject, place, detail, fen = _READERS.get(kind, _use)(event, card)
    if not subject:
        return None
    issuer = event.card.issuing_province or event.issuer_region[:2]
    region = event.service_region
    return Named(subject, card, Step(position, occurred_us, kind, issuer, region, event.medium, place, detail, fen))


Read = tuple[bytes, str, str, int]


def _use(event: event_pb2.Event, card: bytes) -> Read:
    return card, "", "", 0


def _settlement(event: event_pb2.Event, card: bytes) -> Read:
    said = event.medical_settlement_completed
    if event.scenario != PHARMACY and said.visit_type != medical.MEDICAL_VISIT_TYPE_PHARMACY:
        return card, "", "", 0
    return card, said.institution_code, PHARMACY, 0


def _ride(event: event_pb2.Event, card: bytes) -> Read:
    """Keeps mode and purse counter of a ride with a concession: a ride that is reported twice has one counter."""
    kind = event.WhichOneof("kind")
    said = getattr(event, kind or "")
    is_concession = said.concession_type > transit.CONCESSION_TYPE_NONE
    return card, "", f"{said.tap.mode} {said.tap.purse_counter}" if is_concession and said.tap.purse_counter else "", 0


def _payment(event: event_pb2.Event, card: bytes) -> Read:
    said = getattr(event, event.WhichOneof("kind") or "")
    paid_for = [getattr(said, "project_code", ""), getattr(said, "period", "")]
    detail = "\t".join([f"{said.batch_no}/{said.row_no}", *(paid_for if all(paid_for) else ["", ""])])
    return event.holder.key or card, event.service_region[:2], detail, said.amount_fen


def _decision(event: event_pb2.Event, card: bytes) -> Read:
    said = event.decision_made
    if UNKNOWN not in said.reason_codes or said.operator:
        return b"", "", "", 0
    return participant_key(said.participant), "", card.hex()[:16], 0


def participant_key(urn: str) -> bytes:
    """Returns the key of a participant as the subject of a finding."""
    return hashlib.sha256(urn.encode()).digest()


_READERS: dict[str, Callable[[event_pb2.Event, bytes], Read]] = {
    "medical_settlement_completed": _settlement,
    **dict.fromkeys(RIDES, _ride),
    **dict.fromkeys(PAYMENTS, _payment),
    DECISION: _decision,
}

"""By what a use is known: its business key names it, whichever side reports it.

The same fact may be reported under several numbers, by either province, in any feed; by its key it counts once: a tap by card and purse
counter, a row of a fund batch by batch and row, a settlement by its setl_id. A fact without a native key is known by all that it says:
the same card at the same instant and place, with the same content.
"""

import hashlib
from collections.abc import Callable
from operator import attrgetter
from typing import Any

from chuanyu.exchange.v1 import event_pb2
from chuanyu.exchange.v1 import references_pb2 as references

from hub.domain.instants import SECOND_US, local_day

PURSE_COUNTERS = 1 << 16
_CARD_NO = references.CARD_IDENTIFIER_KIND_CARD_NO
_TRANSIT_NO = references.CARD_IDENTIFIER_KIND_TRANSIT_CARD_NO

BusinessKey = tuple[Any, ...]


def card_key(event: event_pb2.Event) -> bytes:
    """Returns the key of the card number that the event names, else of whatever identifier it is addressed by."""
    card = event.card
    if card.kind != _CARD_NO:
        for alias in event.card_aliases:
            if alias.kind == _CARD_NO:
                return alias.key
    return card.key


def names_number(event: event_pb2.Event) -> bool:
    """Whether the event names the card number, as the card or as an alias."""
    return bool(event.card.kind == _CARD_NO or any(alias.kind == _CARD_NO for alias in event.card_aliases))


def purse_key(event: event_pb2.Event) -> bytes:
    """Returns the key of the purse whose counter a tap has: the transit number where the event names it, else the card.

    A gate of the other province reads the transit number alone, while the issuer's side names the card too.
    """
    card = event.card
    if card.kind != _TRANSIT_NO:
        for alias in event.card_aliases:
            if alias.kind == _TRANSIT_NO:
                return alias.key
        return card_key(event)
    return card.key


def business_key(kind: str, event: event_pb2.Event) -> BusinessKey:
    """Returns by what a fact is known, whichever feed, province or number reports it."""
    message = getattr(event, kind)
    native = _NATIVE[kind](event, message) if kind in _NATIVE else None
    return native or _by_content(kind, event, message)


def key_digest(key: BusinessKey) -> bytes:
    """Returns the sixteen bytes of a business key."""
    return hashlib.blake2b(repr(key).encode(), digest_size=16).digest()


def tap_key(purse: bytes, counter: int) -> BusinessKey:
    """Returns the key of a tap; the terminal that took it distinguishes taps of one counter."""
    return ("tap", purse, counter % PURSE_COUNTERS)


def settlement_key(settlement_id: str) -> BusinessKey:
    """Returns the key of a settlement, also of one that a reversal names."""
    return ("settlement", settlement_id)


def _by_content(kind: str, event: event_pb2.Event, message: Any) -> BusinessKey:
    at = event.occurred_at
    place = (event.service_region, event.venue_code, event.scenario, event.amount_fen)
    return ("content", kind, _person(event), at.seconds, at.nanos, *place, message.SerializeToString(deterministic=True))


def _person(event: event_pb2.Event) -> bytes:
    return card_key(event) or event.holder.key


def _local_date(event: event_pb2.Event) -> str:
    return event.business_date or local_day(event.occurred_at.seconds * SECOND_US).isoformat()


def _tap(event: event_pb2.Event, message: Any) -> BusinessKey | None:
    # A counter of 0 is one that wrapped around if its terminal is named, else it was not reported.
    tap = message.tap
    counter = tap.purse_counter
    return tap_key(purse, counter) if (counter or tap.psam) and (purse := purse_key(event)) else None


def _consumed(event: event_pb2.Event, message: Any) -> BusinessKey | None:
    """Units that a tap used are used by the ride of that tap."""
    return _tap(event, message) if message.HasField("tap") else None


def _entry(event: event_pb2.Event, message: Any) -> BusinessKey | None:
    """An entry belongs to the journey that the next tap of the purse ends."""
    tap = message.tap
    return tap_key(purse, tap.purse_counter + 1) if (tap.purse_counter or tap.psam) and (purse := purse_key(event)) else None


def _loan(event: event_pb2.Event, message: Any) -> BusinessKey | None:
    return ("loan", message.branch_code, message.barcode, _person(event), _local_date(event)) if message.barcode else None


def _renewal(event: event_pb2.Event, message: Any) -> BusinessKey | None:
    due = message.due_on or _local_date(event)
    return ("renewal", message.branch_code, message.barcode, _person(event), due) if message.barcode else None


def _return(event: event_pb2.Event, message: Any) -> BusinessKey | None:
    return ("return", message.branch_code, message.barcode, _local_date(event)) if message.barcode else None


def _reader(event: event_pb2.Event, message: Any) -> BusinessKey | None:
    return ("reader", message.branch_code, _person(event), _local_date(event))


def _hotel(event: event_pb2.Event, message: Any) -> BusinessKey | None:
    return ("stay", message.hotel_code, _person(event), message.check_in_on) if message.check_in_on else None


def _employment(event: event_pb2.Event, message: Any) -> BusinessKey | None:
    return ("employment", _person(event), message.employer_code, message.from_date) if message.from_date else None


def _unemployment(event: event_pb2.Event, message: Any) -> BusinessKey | None:
    return ("unemployment", _person(event), message.from_date) if message.from_date else None


def _named(name: str, *fields: str) -> Callable[[event_pb2.Event, Any], BusinessKey | None]:
    """Returns what makes the key of a kind from fields of its own message; all of them must be there."""

    get, is_one = attrgetter(*fields), len(fields) == 1

    def key(_: event_pb2.Event, message: Any) -> BusinessKey | None:
        values = (get(message),) if is_one else get(message)
        return (name, *values) if all(values) else None

    return key


_FUND_ROW = _named("fund row", "batch_no", "row_no")
_COUPON = _named("coupon", "coupon_id")
_NATIVE: dict[str, Callable[[event_pb2.Event, Any], BusinessKey | None]] = {
    "transit_entry_recorded": _entry,
    "transit_exit_recorded": _tap,
    "transit_journey_completed": _tap,
    "transit_journey_incomplete": _tap,
    "transit_purse_topped_up": _tap,
    "transit_concession_consumed": _consumed,
    "medical_visit_registered": _named("visit", "institution_code", "visit_id"),
    "medical_settlement_completed": _named("settlement", "settlement_id"),
    "medical_settlement_reversed": _named("settlement", "settlement_id"),
    "library_reader_registered": _reader,
    "library_item_borrowed": _loan,
    "library_item_renewed": _renewal,
    "library_item_returned": _return,
    "hotel_credential_accepted": _hotel,
    "case_submitted": lambda _, message: ("case", message.case_ref.case_no) if message.case_ref.case_no else None,
    "employment_registered": _employment,
    "unemployment_registered": _unemployment,
    "subsidy_applied": _named("subsidy", "application_no"),
    "talent_allowance_applied": _named("talent", "application_no"),
    "pension_transfer_requested": _named("pension", "transfer_no"),
    "fund_row_sent": _FUND_ROW,
    "fund_row_paid": _FUND_ROW,
    "fund_row_returned": _FUND_ROW,
    "fund_row_repaid": _FUND_ROW,
    "fund_row_recovered": _FUND_ROW,
    "coupon_redeemed": _COUPON,
    "coupon_reversed": _COUPON,
}

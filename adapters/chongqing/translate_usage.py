"""Turns checked B2 records into events of feed `cq.usage`.

Scenes that are not transit use the place fields by a convention of this adapter (§5.3 names no other place for them):
line_in + stn_in is the venue, line_out + stn_out the item or the gate. Names are dropped: no use event needs one.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from chuanyu.exchange.v1 import usage_culture_pb2 as culture
from chuanyu.exchange.v1 import usage_transit_pb2 as transit
from chuanyu.exchange.v1.acceptance_pb2 import Medium
from chuanyu.exchange.v1.event_pb2 import Event, Source
from chuanyu.exchange.v1.references_pb2 import CardIdentifierKind, CardRef, EventRef
from chuanyu.exchange.v1.usage_government_pb2 import IdentityPresented

from adapters.chongqing.references import card_ref, instant, region_of_area
from adapters.chongqing.usage_file import FileHeader
from adapters.chongqing.usage_record import UsageRecord
from adapters.chongqing.usage_rules import LATE, SCENARIOS, issuer_region, native_reference

FEED: Final = "cq.usage"
SYSTEM: Final = "cq.transit-center"

_CONCESSIONS: Final = {
    "00": (transit.CONCESSION_TYPE_NONE, culture.VISIT_CONCESSION_NONE),
    "01": (transit.CONCESSION_TYPE_STUDENT, culture.VISIT_CONCESSION_STUDENT),
    "02": (transit.CONCESSION_TYPE_DISABLED, culture.VISIT_CONCESSION_DISABLED),
    "03": (transit.CONCESSION_TYPE_ELDER, culture.VISIT_CONCESSION_ELDER),
}


def translate_usage(record: UsageRecord, header: FileHeader, line_no: int) -> Event:
    """Returns the event of a checked record that is not a reversal."""
    event = _KINDS[record.scene, record.txn_type](record)
    event.scenario = SCENARIOS[record.scene, record.txn_type]
    event.MergeFrom(_envelope(record, header, line_no))
    return event


def translate_reversal(record: UsageRecord, header: FileHeader, line_no: int, original: tuple[EventRef, str] | None) -> Event:
    """Returns the event of a reversal; *original* is what it undoes and that tap's txn_type, None if it is not known.

    A reversal repeats the kind and the fares of what it undoes. Without an original it has no fare, so that no sum
    takes it for a trip, and what was given back is below zero in the envelope.
    """
    reverses, txn_type = original or (None, "09" if record.line_out else "06")
    undone = record if reverses else replace(record, fare_full_fen=0, fare_paid_fen=0)
    event = _KINDS[record.scene, txn_type](undone)
    event.scenario = SCENARIOS[record.scene, txn_type]
    event.MergeFrom(_envelope(record, header, line_no))
    if reverses:
        event.reverses.CopyFrom(reverses)
    else:
        event.amount_fen = -record.fare_paid_fen
    return event


def _envelope(record: UsageRecord, header: FileHeader, line_no: int) -> Event:
    cards = _cards(record)
    is_transit = record.scene == "TRAN"
    envelope = Event(
        occurred_at=instant(record.txn_at),
        source=Source(
            system=SYSTEM,
            message_id=native_reference(record) if record.psam else f"{header.file_id}/{record.seq:09d}",
            file_name=header.file_name,
            line_no=line_no,
            native_code=f"{record.scene}{record.txn_type}/{record.flag}",
        ),
        card=cards[0],
        card_aliases=cards[1:],
        issuer_region=issuer_region(record),
        service_region=region_of_area(record.svc_city) or "",
        medium=Medium.MEDIUM_CONTACTLESS if is_transit else Medium.MEDIUM_CONTACT,
        venue_code="" if is_transit else _venue(record),
        # Trips and fines have amounts of their own.
        amount_fen=0 if is_transit or record.txn_type == "22" else record.fare_paid_fen,
    )
    if record.biz_date != record.txn_at.date():
        envelope.business_date = record.biz_date.isoformat()
    return envelope


def _cards(record: UsageRecord) -> list[CardRef]:
    """Returns the names the record has for its card, the social-security card number first."""
    province = issuer_region(record)[:2]
    names = (
        (CardIdentifierKind.CARD_IDENTIFIER_KIND_CARD_NO, record.ss_card_no.upper()),
        (CardIdentifierKind.CARD_IDENTIFIER_KIND_TRANSIT_CARD_NO, record.card_no_tu),
    )
    return [card_ref(province, kind, value) for kind, value in names if value]


def _venue(record: UsageRecord) -> str:
    return record.line_in + record.stn_in


def _object(record: UsageRecord) -> str:
    return record.line_out + record.stn_out


def _tap(record: UsageRecord, mode: transit.TransitMode.ValueType) -> transit.TransitTap:
    return transit.TransitTap(
        operator="CQTK",
        mode=mode,
        line=record.line_out or record.line_in,
        station=record.stn_out or record.stn_in,
        purse_counter=record.txn_ctr,
        psam=record.psam,
        psam_sequence=record.psam_seq,
        tac=record.tac.upper(),
        balance_after_fen=record.bal_after_fen,
    )


def _bus(record: UsageRecord) -> Event:
    journey = _journey(record, transit.TRANSIT_MODE_BUS)
    journey.entry_at.CopyFrom(instant(record.txn_at))
    return Event(transit_journey_completed=journey)


def _metro(record: UsageRecord) -> Event:
    if not (record.line_in and record.line_out):
        incomplete = transit.TransitJourneyIncomplete(
            tap=_tap(record, transit.TRANSIT_MODE_METRO),
            exit_missing=not record.line_out,
            fare_paid_fen=record.fare_paid_fen,
        )
        return Event(transit_journey_incomplete=incomplete)
    journey = _journey(record, transit.TRANSIT_MODE_METRO)
    journey.exit_at.CopyFrom(instant(record.txn_at))
    return Event(transit_journey_completed=journey)


def _journey(record: UsageRecord, mode: transit.TransitMode.ValueType) -> transit.TransitJourneyCompleted:
    return transit.TransitJourneyCompleted(
        tap=_tap(record, mode),
        line_in=record.line_in,
        station_in=record.stn_in,
        fare_full_fen=record.fare_full_fen,
        fare_paid_fen=record.fare_paid_fen,
        concession_type=_CONCESSIONS[record.conc_type][0],
        concession_units=record.conc_cnt,
        late=record.flag == LATE,
    )


def _load(record: UsageRecord) -> Event:
    # The format does not say where a purse was loaded; its machines are in metro stations.
    tap = _tap(record, transit.TRANSIT_MODE_METRO)
    return Event(transit_purse_topped_up=transit.TransitPurseToppedUp(tap=tap, amount_fen=record.fare_paid_fen))


def _borrowed(record: UsageRecord) -> Event:
    item = culture.LibraryItemBorrowed(branch_code=_venue(record), barcode=_object(record))
    return Event(library_item_borrowed=item)


def _returned(record: UsageRecord) -> Event:
    item = culture.LibraryItemReturned(branch_code=_venue(record), barcode=_object(record), fine_fen=record.fare_paid_fen)
    return Event(library_item_returned=item)


def _gate(record: UsageRecord) -> Event:
    if record.fare_paid_fen == 0:
        ticket = culture.TICKET_TYPE_FREE
    elif record.fare_paid_fen < record.fare_full_fen:
        ticket = culture.TICKET_TYPE_HALF
    else:
        ticket = culture.TICKET_TYPE_FULL
    entered = culture.VenueGateEntered(
        gate=_object(record) or _venue(record),
        ticket_type=ticket,
        concession=_CONCESSIONS[record.conc_type][1],
        party_size=1,
    )
    return Event(venue_gate_entered=entered)


def _hotel(record: UsageRecord) -> Event:
    accepted = culture.HotelCredentialAccepted(hotel_code=_venue(record), check_in_on=record.txn_at.date().isoformat())
    return Event(hotel_credential_accepted=accepted)


def _shown(record: UsageRecord) -> Event:
    return Event(identity_presented=IdentityPresented(window_code=_venue(record), purpose_code=record.scene))


_KINDS: Final[Mapping[tuple[str, str], Callable[[UsageRecord], Event]]] = {
    ("TRAN", "02"): _load, ("TRAN", "06"): _bus, ("TRAN", "09"): _metro,
    ("LIBR", "21"): _borrowed, ("LIBR", "22"): _returned, ("SCEN", "31"): _gate, ("HOTL", "31"): _hotel,
    ("MEDI", "31"): _shown, ("GOVT", "31"): _shown, ("HRSS", "31"): _shown, ("FUND", "31"): _shown,
}  # fmt: skip

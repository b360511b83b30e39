"""What the count of uses keeps of an event: one telling of a fact, with the cell and the money it says and what tells it from others.

Tellings of one business key are one fact told once or more often, or facts that belong together: payments of a row and its returns, a
settlement and its reversals, a tap, the entry before it and what clearing says about it. `netting` says what they come to.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from chuanyu.exchange.v1 import event_pb2
from chuanyu.exchange.v1 import references_pb2 as references

from hub.domain.business_keys import business_key, key_digest, settlement_key
from hub.domain.usage import COUNTED_KINDS, amount_fen, business_day, cell_of

CLEARING = frozenset({"transit_clearing_accepted", "transit_clearing_rejected"})
# Kinds that are no use themselves and say what becomes of one.
ABOUT_USES = CLEARING | {
    "transit_entry_recorded",
    "medical_settlement_reversed",
    "fund_row_returned",
    "fund_row_recovered",
    "coupon_reversed",
}
# They give back what they say of what they name, also where they name it by its number: that may be a part.
GIVES_BACK = frozenset({"medical_settlement_reversed", "fund_row_returned", "fund_row_recovered", "coupon_reversed"})
TOLD_KINDS = COUNTED_KINDS | ABOUT_USES
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode

Number = tuple[int, int]


class Telling(NamedTuple):
    """An event as the count keeps it. *number* is its (stream, sequence); *day_by* says how surely its day is known, of `DAY_BY`.

    *one* tells facts of a key apart: the terminal's transaction, the institution, the province. *native* and *of* are what chains go by:
    the settlement's id and the one that is reversed, a bank's serial number, the verdict of clearing and the number of its trip.
    *changed_at* is the position of a correction, else 0, and *first* the name of what it corrects at first; *undone_at* is the position
    of a reversal that names it by number and gives back what it says, on that reversal too.
    """

    position: int
    kind: str
    occurred_us: int
    recorded_us: int
    number: Number
    day: str
    issuer: str
    region: str
    scenario: str
    fen: int
    medium: int = 0
    day_by: int = 0
    one: str = ""
    native: str = ""
    of: str = ""
    changed_at: int = 0
    first: str = ""
    undone_at: int = 0


class DayBy:
    """How surely a telling knows its business day: by its own instant, by the entry that it names, because the source says it."""

    OWN, ENTRY, SOURCE = range(3)


_REQUIRED = len(Telling._fields) - len(Telling._field_defaults)


def telling_of(kind: str, event: event_pb2.Event, position: int, occurred_us: int, recorded_us: int, number: Number) -> Telling:
    """Returns what the count keeps of an event of one of TOLD_KINDS."""
    cell = cell_of(kind, event, occurred_us)
    fen = event.amount_fen if kind.startswith("transit_") and event.amount_fen < 0 else 0 if kind in CLEARING else amount_fen(kind, event)
    more = _MORE[kind](event, getattr(event, kind)) if kind in _MORE else {}
    if event.business_date:
        more["day_by"] = DayBy.SOURCE
    elif "entry_us" in more:
        more["day"], more["day_by"] = business_day(kind, cell.region, more["entry_us"]), DayBy.ENTRY
    more.pop("entry_us", None)
    told = {"day": cell.day, **more}
    return Telling(
        position=position,
        kind=kind,
        occurred_us=occurred_us,
        recorded_us=recorded_us,
        number=number,
        issuer=cell.issuer,
        region=cell.region,
        scenario=cell.scenario,
        fen=fen,
        medium=event.medium,
        changed_at=position if event.HasField("corrects") else 0,
        first=_name(event.corrects) if event.HasField("corrects") else "",
        undone_at=position if kind in GIVES_BACK and event.HasField("reverses") else 0,
        **told,
    )


def keys_of(kind: str, event: event_pb2.Event) -> tuple[bytes, ...]:
    """Returns the keys (digests) that an event belongs to, its own first; a verdict of clearing has none of its own."""
    if kind in CLEARING:
        return ()
    own = key_digest(business_key(kind, event))
    if kind != "medical_settlement_reversed":
        return (own,)
    return tuple(dict.fromkeys((own, key_digest(settlement_key(event.medical_settlement_reversed.original_settlement_id)))))


def packed(tellings: Iterable[Telling]) -> str:
    """Writes tellings as a row keeps them."""
    return _encode([telling[: _length(telling)] for telling in tellings])


def _length(telling: Telling) -> int:
    """Returns how many fields are worth writing: what is left out at the end has its default."""
    length = len(telling)
    while length > _REQUIRED and not telling[length - 1]:
        length -= 1
    return length


def unpacked(text: str) -> list[Telling]:
    """Reads the tellings of a row."""
    return [Telling(*fields)._replace(number=(fields[4][0], fields[4][1])) for fields in json.loads(text)]


def number_text(number: Number) -> str:
    """Writes the number of an event as *of* of a verdict names it."""
    return f"{number[0]}#{number[1]}"


def _tap(_: event_pb2.Event, message: Any) -> dict[str, Any]:
    tap = message.tap
    return {"one": f"{tap.psam}/{tap.psam_sequence}"} if tap.psam or tap.psam_sequence else {}


def _journey(event: event_pb2.Event, message: Any) -> dict[str, Any]:
    entered = {"entry_us": message.entry_at.seconds * 1_000_000} if message.HasField("entry_at") else {}
    return {**_tap(event, message), **entered}


def _fund_row(event: event_pb2.Event, message: Any) -> dict[str, Any]:
    return {"one": event.service_region[:2], "native": getattr(message, "bank_serial", "")}


def _by_province(event: event_pb2.Event, _: Any) -> dict[str, Any]:
    return {"one": event.service_region[:2]}


def _case(_: event_pb2.Event, message: Any) -> dict[str, Any]:
    return {"one": message.case_ref.handling_province}


def _settlement(_: event_pb2.Event, message: Any) -> dict[str, Any]:
    return {"one": message.institution_code, "native": message.settlement_id, "of": getattr(message, "original_settlement_id", "")}


def _verdict(_: event_pb2.Event, message: Any) -> dict[str, Any]:
    return {"one": _name(message.trip), "native": str(getattr(message, "reason", ""))}


def _name(ref: references.EventRef) -> str:
    return f"{ref.feed}#{ref.sequence}"


_MORE: dict[str, Callable[[event_pb2.Event, Any], dict[str, Any]]] = {
    "transit_exit_recorded": _tap,
    "transit_journey_completed": _journey,
    "transit_journey_incomplete": _tap,
    "transit_purse_topped_up": _tap,
    "transit_clearing_accepted": _verdict,
    "transit_clearing_rejected": _verdict,
    "medical_settlement_completed": _settlement,
    "medical_settlement_reversed": _settlement,
    "case_submitted": _case,
    "subsidy_applied": _by_province,
    "talent_allowance_applied": _by_province,
    "pension_transfer_requested": _by_province,
    "fund_row_paid": _fund_row,
    "fund_row_returned": _fund_row,
    "fund_row_repaid": _fund_row,
    "fund_row_recovered": _fund_row,
    "coupon_redeemed": _by_province,
    "coupon_reversed": _by_province,
}

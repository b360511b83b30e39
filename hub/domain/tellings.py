"""What the count of uses keeps of an event: one report of a fact, with its cell and its money, and what distinguishes it from others.

Reports of one business key are one fact reported once or more often, or facts that belong together: payments of a row and its returns, a
settlement and its reversals, a tap, the entry before it and what clearing says about it. `netting` says what they come to.
"""

import json
from collections.abc import Callable, Iterable
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple, Self

from chuanyu.exchange.v1 import event_pb2
from chuanyu.exchange.v1 import references_pb2 as references

from hub.domain.business_keys import business_key, key_digest, settlement_key
from hub.domain.instants import SECOND_US
from hub.domain.usage import COUNTED_KINDS, amount_fen, business_day

CLEARING = frozenset({"transit_clearing_accepted", "transit_clearing_rejected"})
# Kinds that are no use themselves and say what becomes of one.
ABOUT_USES = CLEARING | {
    "transit_entry_recorded",
    "medical_settlement_reversed",
    "fund_row_sent",
    "fund_row_returned",
    "fund_row_recovered",
    "coupon_reversed",
}
# They give back what they say of what they name, also where they name it by its number: that may be a part.
GIVES_BACK = frozenset({"medical_settlement_reversed", "fund_row_returned", "fund_row_recovered", "coupon_reversed"})
TOLD_KINDS = COUNTED_KINDS | ABOUT_USES
# An amount below zero gives back what a tap cost.
_MAY_GIVE_BACK = frozenset(kind for kind in TOLD_KINDS if kind.startswith("transit_"))
_text = json.encoder.encode_basestring

Number = tuple[int, int]


class Telling(NamedTuple):
    """An event as the count keeps it. *number* is its (stream, sequence); *day_by* says how surely its day is known, of `DAY_BY`.

    *one* distinguishes facts of a key: the terminal's transaction, the institution, the province. *native* and *of* are what chains go by:
    the settlement's id and the one that is reversed, a bank's serial number and the account, the verdict of clearing and the number of its
    trip; *step* is which time a row is sent, or why it came back.
    *changed_at* is the position of a correction, else 0, and *first* the name of what it corrects at first; *undone_at* is the position
    of a reversal that names it by number and gives back what it says, on that reversal too; *reverses* is the number that this one names.
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
    reverses: str = ""
    step: int = 0

    @property
    def name(self) -> str:
        """Its number, as a reversal names it."""
        return number_text(self.number)

    def undone_by(self, position: int) -> Self:
        """Returns it as one that the reversal at a position gives back of."""
        return self._replace(undone_at=position)


class DayBy:
    """How surely a report knows its business day: by its own instant, by the entry that it names, because the source says it."""

    OWN, ENTRY, SOURCE = range(3)


def telling_of(kind: str, event: event_pb2.Event, position: int, occurred_us: int, recorded_us: int, number: Number) -> Telling:
    """Returns what the count keeps of an event of one of TOLD_KINDS."""
    region, day, issuer, issuer_region, scenario, medium, fen = _envelope(event)
    if fen >= 0 or kind not in _MAY_GIVE_BACK:
        fen = 0 if kind in CLEARING else amount_fen(kind, event)
    more = _MORE.get(kind)
    one, native, of, entry_us, step = _NOTHING if more is None else more(region, getattr(event, kind))
    if day:
        day_by = DayBy.SOURCE
    else:
        day, day_by = business_day(kind, region, entry_us or occurred_us), DayBy.ENTRY if entry_us else DayBy.OWN
    changed_at, first = (position, _name(event.corrects)) if event.HasField("corrects") else (0, "")
    undone_at = position if kind in GIVES_BACK and event.HasField("reverses") else 0
    return Telling(
        position, kind, occurred_us, recorded_us, number, day, issuer or issuer_region[:2], region, scenario, fen, medium, day_by,
        one, native, of, changed_at, first, undone_at, "", step,
    )  # fmt: skip


# All at once: one by one they take twice as long.
_envelope = attrgetter("service_region", "business_date", "card.issuing_province", "issuer_region", "scenario", "medium", "amount_fen")


def keys_of(kind: str, event: event_pb2.Event) -> tuple[bytes, ...]:
    """Returns the keys (digests) that an event belongs to, its own first; a verdict of clearing has none of its own."""
    if kind in CLEARING:
        return ()
    own = key_digest(business_key(kind, event))
    if kind != "medical_settlement_reversed":
        return (own,)
    return tuple(dict.fromkeys((own, key_digest(settlement_key(event.medical_settlement_reversed.original_settlement_id)))))


def packed(tellings: Iterable[Telling]) -> str:
    """Writes reports as a row keeps them: JSON, without the fields at the end that have their default."""
    return f"[{','.join([_packed(telling) for telling in tellings])}]"


def _packed(telling: Telling) -> str:
    # Most of a row is one report; made by hand this takes a fifth of what the JSON encoder does.
    (
        position, kind, occurred_us, recorded_us, number, day, issuer, region, scenario, fen, medium, day_by, one,
        native, of, changed_at, first, undone_at, reverses, step,
    ) = telling  # fmt: skip
    if native or of or changed_at or first or undone_at or reverses or step:
        rest = [medium, day_by, one, native, of, changed_at, first, undone_at, reverses, step]
        while not rest[-1]:
            rest.pop()
        further = "".join([f",{_text(value)}" if isinstance(value, str) else f",{value}" for value in rest])
    elif one:
        further = f",{medium},{day_by},{_text(one)}"
    else:
        further = f",{medium},{day_by}" if day_by else f",{medium}" if medium else ""
    place = _place(day, issuer, region, scenario)
    return f'[{position},"{kind}",{occurred_us},{recorded_us},[{number[0]},{number[1]}],{place},{fen}{further}]'


@lru_cache(16_384)
def _place(*names: str) -> str:
    # There are few of them, and each use has one.
    return ",".join(map(_text, names))


def unpacked(text: str) -> list[Telling]:
    """Reads the tellings of a row."""
    return [_unpacked(*fields) for fields in json.loads(text)]


def _unpacked(position: int, kind: str, occurred_us: int, recorded_us: int, number: list[int], *rest: Any) -> Telling:
    return Telling(position, kind, occurred_us, recorded_us, (number[0], number[1]), *rest)


def number_text(number: Number) -> str:
    """Writes the number of an event as *of* of a verdict names it."""
    return f"{number[0]}#{number[1]}"


# What a kind of its own says: one, native, of, as the fields of these names above, when its journey began, 0 if it does not say, and step.
_More = tuple[str, str, str, int, int]
_NOTHING: _More = ("", "", "", 0, 0)
_terminal_of = attrgetter("tap.psam", "tap.psam_sequence")
_journey_of = attrgetter("tap.psam", "tap.psam_sequence", "entry_at.seconds")


def _tap(_: str, message: Any) -> _More:
    psam, sequence = _terminal_of(message)
    return (f"{psam}/{sequence}" if psam or sequence else ""), "", "", 0, 0


def _journey(_: str, message: Any) -> _More:
    psam, sequence, entry_s = _journey_of(message)
    return (f"{psam}/{sequence}" if psam or sequence else ""), "", "", entry_s * SECOND_US, 0


def _fund_row(kind: str) -> Callable[[str, Any], _More]:
    # To ask a message for a field that its kind has not costs more than to read one that it has.
    fields = getattr(event_pb2.Event(), kind).DESCRIPTOR.fields_by_name
    has_account, has_serial = "account" in fields, "bank_serial" in fields
    step = next((name for name in ("attempt", "reason") if name in fields), "")

    def more(region: str, message: Any) -> _More:
        account = message.account.key.hex() if has_account else ""
        return region[:2], message.bank_serial if has_serial else "", account, 0, getattr(message, step) if step else 0

    return more


def _by_province(region: str, _: Any) -> _More:
    return region[:2], "", "", 0, 0


def _case(_: str, message: Any) -> _More:
    return message.case_ref.handling_province, "", "", 0, 0


def _settlement(_: str, message: Any) -> _More:
    return message.institution_code, message.settlement_id, getattr(message, "original_settlement_id", ""), 0, 0


def _verdict(_: str, message: Any) -> _More:
    return _name(message.trip), str(getattr(message, "reason", "")), "", 0, 0


def _name(ref: references.EventRef) -> str:
    return f"{ref.feed}#{ref.sequence}"


_MORE: dict[str, Callable[[str, Any], _More]] = {
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
    **{kind: _fund_row(kind) for kind in TOLD_KINDS if kind.startswith("fund_row_")},
    "coupon_redeemed": _by_province,
    "coupon_reversed": _by_province,
}

"""View: uses and money by business day, issuing province, serving region and scenario; each fact counts once, however often it is reported.

A row of `daily_usage_facts` keeps all tellings of one business key and what they come to (`hub.domain.netting`); `daily_usage` is the sum
of the rows. What clearing says of a trip that was not reported yet waits under the trip's number. Corrections and reversals move what they
change.
"""

import struct
from collections.abc import Iterable, Sequence

import psycopg
from chuanyu.exchange.v1 import references_pb2 as references

from hub.domain.business_keys import key_digest, names_number, settlement_key
from hub.domain.instants import day_text, epoch_day
from hub.domain.netting import counts_alone, net
from hub.domain.tellings import CLEARING, GIVES_BACK, TOLD_KINDS, Telling, keys_of, number_text, telling_of
from hub.journal.reader import Recorded
from hub.projections.projection import Cells, First, Key, Linked, Projection, Signed
from hub.projections.views.blocks import block_of, era_of
from hub.projections.views.chains import gives_back, kept, named, own_key
from hub.projections.views.findings import Found, Listed
from hub.projections.views.usage_facts import Fact, Known, decode, encode, first_row

_DIGEST_BYTES = 16
# As long as a digest, and none: a hash of a number that is short enough already would only cost.
_NUMBER = struct.Struct(">4sIQ")
_NUMBERS, _BEYOND = b"num:", b"num;"
_TRIPS = frozenset({"transit_exit_recorded", "transit_journey_completed", "transit_journey_incomplete", "transit_purse_topped_up"})
_REVERSAL = "medical_settlement_reversed"
# What a row hands on to the rows above it.
_HANDED_ON = CLEARING | {_REVERSAL}
# Reports that may give back of each other by number.
_CHAINS = frozenset(kind for kind in TOLD_KINDS if kind.startswith(("fund_", "coupon_", "medical_settlement")))

# A fact that was reported again so often is kept as it is: each report more would cost as much as all before it and change nothing.
MOST_REPEATS = 64
# What changes money however often it comes; a row of a fund batch is as its own view has it.
_ROWS = frozenset(kind for kind in TOLD_KINDS if kind.startswith("fund_"))
_ANSWERS = _ROWS - {"fund_row_sent"}
_NEVER_LEFT_OUT = GIVES_BACK | CLEARING | _ROWS


def _number_key(number: tuple[int, int]) -> bytes:
    return _NUMBER.pack(_NUMBERS, *number)


def waiting(recorded: Recorded) -> Key | None:
    """Names the row where a verdict may wait for a trip."""
    return (_number_key((recorded.stream_id, recorded.sequence)),) if recorded.kind in _TRIPS else None


def _keys(recorded: Recorded) -> tuple[bytes, ...]:
    """Names the rows that an event belongs to."""
    if recorded.kind not in TOLD_KINDS:
        return ()
    if recorded.kind in CLEARING:
        about = recorded.about
        trip = keys_of(about.kind, about.event) if about is not None and about.kind in _TRIPS else ()
        return (*((_number_key(recorded.refers_to),) if recorded.refers_to else ()), *trip)
    return keys_of(recorded.kind, recorded.event)


def keys(recorded: Recorded, corrected: Recorded | None) -> list[Key]:
    """Names the rows of what is in force and of what is no more."""
    named = [(key,) for key in recorded.derived(_keys)]
    return named if corrected is None else [*named, *((key,) for key in corrected.derived(_keys))]


def _telling(recorded: Recorded) -> Telling:
    number = (recorded.stream_id, recorded.sequence)
    told = telling_of(recorded.kind, recorded.event, recorded.position, recorded.occurred_us, recorded.recorded_us, number)
    if recorded.refers_to is None:
        return told
    number_named = number_text(recorded.refers_to)
    if recorded.kind in CLEARING:
        return told._replace(of=number_named)
    return told._replace(reverses=number_named) if recorded.event.HasField("reverses") else told


def evolve(key: Key, fact: Fact | None, recorded: Recorded, corrected: Recorded | None) -> Fact | None:
    """Takes out what is no longer in force and adds what is now."""
    own = recorded.derived(_keys)
    if fact is None and corrected is None and not recorded.is_reversal:
        # Nearly every event: nothing else was reported of the fact.
        return _first(key, recorded) if key[0] in own else None
    is_own = key[0] in own
    if fact is None:
        return _first(key, recorded) if is_own and (gives_back(recorded, corrected) or not recorded.is_reversal) else None
    is_trip_number = recorded.kind in _TRIPS and not is_own and key == waiting(recorded)
    if is_trip_number:
        # A verdict waits here for this trip.
        return fact._replace(above=own[0])
    if fact.finding_count >= MOST_REPEATS and corrected is None and recorded.kind not in _NEVER_LEFT_OUT:
        return fact
    # Findings of a card are looked up by its number, which not each report names.
    is_told = is_own and (gives_back(recorded, corrected) or not recorded.is_reversal)
    card = recorded.card if is_told and names_number(recorded.event) else fact.card
    return _told_again(key, fact._replace(card=card), kept(fact.tellings, recorded, corrected, _kept, is_own=is_own), recorded)


def _kept(recorded: Recorded, before: Telling | None) -> Telling:
    told = recorded.derived(_telling)
    return told._replace(first=before.first) if before is not None and before.first else told


def first(recorded: Recorded) -> First | None:
    """Returns the row of a fact as its first report makes it: nearly every event is one."""
    kind = recorded.kind
    if kind not in TOLD_KINDS or kind in _HANDED_ON or recorded.refers_to is not None:
        return None
    if kind in _ANSWERS:
        # The row was sent before: it is there.
        return None
    key = recorded.derived(own_key)
    told = _telling(recorded)
    counts = counts_alone(told)
    cell = (told.day, told.issuer, told.region, told.scenario, *_since(recorded.position, recorded.recorded_us, told.region))
    return First([(key,)], (key, *first_row(recorded.card, told, counts=counts)), (cell, (1, told.fen)) if counts else None)


def _since(position: int, known_us: int, region: str) -> tuple[str, int, int, str]:
    """Returns how a change is added up: by the day of knowing, by block and era of positions, and by serving province."""
    return day_text(epoch_day(known_us)), block_of(position), era_of(position), region[:2]


def _first(key: Key, recorded: Recorded) -> Fact:
    """Returns the row of a fact that was not reported before."""
    told = _telling(recorded)
    counted = net((told,)).counted
    history = (Known(recorded.in_force_since, recorded.known_us, counted),) if counted else ()
    return Fact(recorded.card, _above(key, (told,)) if told.kind == _REVERSAL else b"", [told], history, 0)


def _told_again(key: Key, fact: Fact, tellings: list[Telling], recorded: Recorded) -> Fact | None:
    """Returns the row with other reports; what it counted before stays known as what was counted then."""
    told = sorted(tellings)
    counted, findings = net(told) if told else ((), ())
    history = fact.history
    if counted != fact.counted:
        history = (*history, Known(recorded.in_force_since, recorded.known_us, counted))
    if not told and not history:
        return None
    return Fact(fact.card, _above(key, told) or fact.above, told, history, len(findings))


def _above(key: Key, tellings: Iterable[Telling]) -> bytes:
    """Returns the digests of the settlements that reversals among the tellings name."""
    links = {key_digest(settlement_key(one.of)): None for one in tellings if one.kind == _REVERSAL and one.of}
    return b"".join([digest for digest in links if digest != key[0]]) if links else b""


def above(fact: Fact) -> Sequence[Key]:
    """Names the rows above: the trip that a verdict is about, the settlement that a reversal gives back of."""
    digests = fact.above
    return [(digests[at : at + _DIGEST_BYTES],) for at in range(0, len(digests), _DIGEST_BYTES)] if digests else ()


def join(key: Key, fact: Fact | None, below: Fact, recorded: Recorded) -> Fact | None:
    """Adds to a row what the one below it has to say of it."""
    positions = {told.position for told in fact.tellings} if fact is not None else ()
    more = [told for told in below.tellings if told.kind in _HANDED_ON and told.position not in positions]
    if not more:
        return fact
    known = fact if fact is not None else Fact(below.card, b"", [], (), 0)
    return _told_again(key, known, [*known.tellings, *more], recorded)


def moved(recorded: Recorded, before: Fact | None, after: Fact | None) -> Sequence[Signed]:
    """Returns what a row counted until an event and what it counts since, by cell."""
    counted, since = before.counted if before is not None else (), after.counted if after is not None else ()
    if counted == since:
        return ()
    position, known_us = recorded.in_force_since, recorded.known_us
    return [
        ((*cell, *_since(position, known_us, cell.region)), (sign * uses, sign * fen))
        for sign, some in ((-1, counted), (1, since))
        for cell, uses, fen in some
    ]


def found_in(fact: Fact) -> list[Found]:
    """Returns which tellings of a row repeat others, and what was taken back too much."""
    told = {telling.position: telling for telling in fact.tellings}
    found = []
    for finding in net(fact.tellings).findings if fact.finding_count else ():
        telling = told[finding.position]
        found.append(Found(*finding, telling.kind, telling.occurred_us, telling.recorded_us, telling.medium))
    return found


def listed_uses(connection: psycopg.Connection, card: bytes | None = None) -> list[Listed]:
    """Reads which uses were reported again, of all cards or of one, in the order of the journal."""
    rows = connection.execute(
        """SELECT card, above, tellings, counted, finding_count FROM views.daily_usage_facts
           WHERE finding_count > 0 AND (%(card)s::bytea IS NULL OR card = %(card)s)""",
        {"card": card},
    ).fetchall()
    facts = [decode(row) for row in rows]
    found = (Listed("use", fact.card.hex(), fact.tellings[0].issuer, one) for fact in facts for one in found_in(fact))
    return sorted(found, key=lambda one: one.found)


def _trip(recorded: Recorded) -> references.EventRef:
    named: references.EventRef = getattr(recorded.event, recorded.kind).trip
    return named


DAILY_USAGE = Projection(
    name="daily_usage",
    key_columns=(("key", "bytea"),),
    value_columns=(
        ("card", "bytea"),
        ("above", "bytea"),
        ("tellings", "text"),
        ("counted", "text"),
        ("finding_count", "integer"),
        ("changed_position", "bigint"),
        ("was_changed", "boolean"),
        ("first_position", "bigint"),
    ),
    kinds=TOLD_KINDS,
    keys=keys,
    evolve=evolve,
    decode=decode,
    encode=encode,
    # Rows come in the order of the journal, so that ranges of positions are ranges of pages; those that changed later are few.
    indexes=(
        "finding_count WHERE finding_count > 0",
        "brin: changed_position",
        "changed_position, first_position WHERE was_changed",
        "key WHERE first_position IS NULL",
        "key WHERE changed_position = 0",
    ),
    cells=Cells(
        key_columns=(
            ("day", "text"),
            ("issuer", "text"),
            ("region", "text"),
            ("scenario", "text"),
            ("known_day", "text"),
            ("block", "bigint"),
            ("era", "bigint"),
            ("serving", "text"),
        ),
        # One amount fits a bigint; what adds up in a cell has no bound.
        value_columns=(("uses", "bigint"), ("amount_fen", "numeric")),
        of=moved,
        tables={
            "daily_usage": {"day": 0, "issuer": 1, "region": 2, "scenario": 3},
            "usage_delta": {"business_day": 0, "known_day": 4, "issuer": 1, "region": 2, "scenario": 3},
            "usage_blocks": {"block": 5, "business_day": 0, "issuer": 1, "serving": 7, "scenario": 3},
            "usage_eras": {"era": 6, "business_day": 0, "issuer": 1, "serving": 7, "scenario": 3},
        },
        # What a day, a block or an era knew may be less than what was known before it.
        below_zero=True,
    ),
    linked=Linked(above, join),
    refers={**dict.fromkeys(CLEARING, _trip), **dict.fromkeys(_CHAINS, named)},
    waiting=waiting,
    waits=f"changed_position = 0 AND key >= '\\x{_NUMBERS.hex()}' AND key < '\\x{_BEYOND.hex()}'",
    first=first,
    in_parts=True,
)

"""What one read of cards finds: statements that read all that are asked about in one snapshot, and their rows put together."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from chuanyu.exchange.v1 import event_pb2
from psycopg import pq

from hub.domain.agreement import Agreements
from hub.domain.card import Fact
from hub.domain.concessions import Entry
from hub.domain.errors import ViewBehind, ViewsLate
from hub.domain.records.documents import only_documents
from hub.domain.records.items import NO_CHANGES, ItemChanges
from hub.domain.records.known import NOTHING, Library, Records, Register, RegisterKey, library_of, records_of
from hub.domain.records.weighing import UNKNOWN, OnRecord
from hub.domain.reported import Reported
from hub.domain.rule_input import Question
from hub.domain.succession import CardRow, facts_known
from hub.projections import DECIDED_BY
from hub.projections.views.agreements import AGREEMENTS
from hub.projections.views.card_rows import merged, rows_named
from hub.projections.views.card_standing import facts_of
from hub.projections.views.concessions import entries_of
from hub.projections.views.item_changes import ITEM_CHANGES
from hub.projections.views.record_rows import (
    RECORDS,
    REGISTER_ROWS,
    institution_reports,
    last_entries,
    library_reports,
    subjects,
    units_since,
)
from hub.projections.views.registers import decode as register_state
from hub.projections.views.registers import registers_of


class Wanted(NamedTuple):
    """What is wanted beside the facts of a holder: concessions from a day on ("" for none), reports of libraries, institutions, entries."""

    units_since: str = ""
    library: bool = False
    institutions: tuple[str, ...] = ()
    entries: bool = False


class CardRead(NamedTuple):
    """What was found for one card, and at which position."""

    facts: list[Fact]
    agreements: Agreements
    as_of_position: int
    records: Records = NOTHING


def with_documents_only(card: CardRead) -> CardRead:
    """Leaves of what is on record only documents: the rest was not read whole."""
    return card._replace(records=only_documents(card.records))


@dataclass(slots=True)
class Snapshot:
    """What one read found of all cards that were asked about."""

    as_of_position: int = 0
    furthest_position: int = 0
    revision: int = 0
    rows: dict[bytes, CardRow] = field(default_factory=dict)
    records: dict[bytes, list[list[Fact]]] = field(default_factory=dict)
    registers: dict[RegisterKey, Register] = field(default_factory=dict)
    units: dict[bytes, list[Entry]] = field(default_factory=dict)
    libraries: dict[bytes, list[tuple[Reported, bool]]] = field(default_factory=dict)
    agreements: Agreements = field(default_factory=lambda: Agreements(()))
    items: ItemChanges = NO_CHANGES
    institutions: dict[str, list[Reported]] = field(default_factory=dict)

    def card(self, card_key: bytes, min_position: int, *, with_ecard: bool = True) -> CardRead:
        """Returns one of the cards; raises ViewsLate, or ViewBehind where the snapshot is before *min_position*."""
        as_of = self.as_of_position
        if as_of < self.furthest_position:
            raise ViewsLate(as_of_position=as_of)
        if as_of < min_position:
            raise ViewBehind(as_of_position=as_of)
        facts = facts_known(card_key, self.rows, with_ecard=with_ecard)
        return CardRead(facts, self.agreements, as_of, self._records(card_key))

    def known_for(self, question: Question, card: CardRead, token: OnRecord) -> Records:
        """Returns what is on record for a question: of the card's holder, and of what the question names."""
        records = card.records if token is UNKNOWN else card.records._replace(token=token)
        if self.items.changes and (items := self.items.about(question.refs.item_id)):
            records = records._replace(items=items)
        if self.institutions and (institution := self.institutions.get(question.institution)):
            records = records._replace(institution=tuple(institution))
        return records

    def _records(self, card_key: bytes) -> Records:
        told = self.libraries.get(card_key, ())
        if not (self.registers or told or card_key in self.records or card_key in self.units):
            return NOTHING
        library = library_of((one for one, _ in told), (one.position for one, is_own in told if is_own)) if told else Library()
        return records_of(self.records.get(card_key, ()), self.registers, self.units.get(card_key, ()), library)


def snapshot_in(result: pq.abc.PGresult) -> Snapshot:
    """Puts together the rows of READ_CARDS or READ_WITH_RECORD; what all cards share is not in it."""
    snapshot, value = Snapshot(), result.get_value
    rows = snapshot.rows
    for row in range(result.ntuples):
        asked = value(row, 0)
        if asked is None and (data := value(row, 1)) is not None:
            told, _ = _reported(value(row, 5) or b"", [data, *(value(row, column) or b"" for column in (2, 2, 6))])
            snapshot.institutions.setdefault(told.message.institution_code, []).append(told)
            continue
        if asked is None:
            _take_other(snapshot, [value(row, column) or b"" for column in range(2, 8)])
            continue
        if (position := value(row, 5)) is not None:
            snapshot.libraries.setdefault(asked, []).append(_reported(position, [value(row, column) or b"" for column in (1, 2, 4, 6)]))
            continue
        if value(row, 1) is None:
            text = (value(row, 3) or b"").decode()
            if value(row, 4) is None:
                snapshot.records.setdefault(asked, []).append(facts_of(text))
            else:
                snapshot.units[asked] = entries_of(text)
            continue
        facts, held = facts_of((value(row, 3) or b"[]").decode()), value(row, 4)
        if held is None and asked not in rows:
            rows[asked] = CardRow(value(row, 1) or b"", facts)
        else:
            merged(rows, asked, value(row, 1) or b"", (value(row, 2) or b"").decode(), facts, held.decode() if held else None)
    return snapshot


def _reported(position: bytes, values: Sequence[bytes]) -> tuple[Reported, bool]:
    """Returns a report of a library, and whether it names the reader."""
    data, kind, is_own, occurred_us = values
    event = event_pb2.Event.FromString(data)
    at = int.from_bytes(occurred_us, "big", signed=True)
    return Reported(kind.decode(), event, at, int.from_bytes(position, "big")), bool(is_own)


def _take_other(snapshot: Snapshot, values: Sequence[bytes]) -> None:
    """Takes a row that is of no card: a register, or how far views and agreements are."""
    province, declared, register, *numbers = values
    if province:
        state = register_state((declared.decode(), int.from_bytes(numbers[0], "big", signed=True)))
        snapshot.registers.update(registers_of([(register.decode(), province.decode(), state)]))
    else:
        reached = (int.from_bytes(number, "big") for number in numbers)
        snapshot.as_of_position, snapshot.revision, snapshot.furthest_position = reached


_ROWS = """
    SELECT asked, card, issuing_province, facts, held,
           NULL::bigint AS as_of_position, NULL::bigint AS revision, NULL::bigint AS furthest_position FROM rows"""
_REACHED = f"""
    SELECT NULL, NULL, NULL, NULL, NULL, c.behind,
           GREATEST((SELECT max(position) FROM views.{AGREEMENTS.name}), (SELECT max(position) FROM views.{ITEM_CHANGES.name}), 0), c.ahead
    FROM (SELECT min(position) AS behind, max(position) AS ahead FROM views.checkpoint
          WHERE view = ANY ('{{{",".join(p.name for p in DECIDED_BY)}}}')) c"""  # noqa: S608 (names of our own views)
# One snapshot: what there is of each asked card, what is on record of the holders of some, the registers, and how far the views are.
READ_WITH_RECORD = f"""
    {rows_named("$1")}, {subjects("$2")}
    {_ROWS}
    UNION ALL
    SELECT asked, NULL, NULL, facts, NULL, NULL, NULL, NULL FROM ({RECORDS}) r
    UNION ALL
    SELECT asked, NULL, NULL, facts, NULL, NULL, NULL, NULL FROM ({last_entries("$6")}) e
    UNION ALL
    SELECT asked, NULL, NULL, entries, '', NULL, NULL, NULL FROM ({units_since("$3")}) u
    UNION ALL
    SELECT asked, data, kind, NULL, CASE WHEN is_own THEN '!' END, position, occurred_us, NULL FROM ({library_reports("$4")}) l
    UNION ALL
    SELECT NULL, data, kind, NULL, NULL, position, occurred_us, NULL FROM ({institution_reports("$5")}) i
    UNION ALL
    SELECT NULL, NULL, province, declared, register, last_us, NULL, NULL FROM ({REGISTER_ROWS} WHERE cardinality($2) > 0) r
    UNION ALL
    {_REACHED}"""  # noqa: S608 (our own text)
# The same where nothing on record is asked for: to begin the larger statement takes the server longer than to read ten cards.
READ_CARDS = f"{rows_named('$1')} {_ROWS} UNION ALL {_REACHED}"

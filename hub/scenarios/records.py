"""What is on record of the holder of a card, from rows in memory: as the group read of questions has it from the database."""

import json
from collections.abc import Collection, Mapping

from hub.domain.culture.loans import READER_REGISTERED
from hub.domain.records.known import Library, Records, library_of, records_of
from hub.projections.projection import Key, State
from hub.projections.views.card_standing import CARD_STANDING
from hub.projections.views.concessions import CONCESSIONS
from hub.projections.views.culture import LOANS
from hub.projections.views.entries import ENTRIES
from hub.projections.views.holder_cards import HOLDER_CARDS
from hub.projections.views.holder_record import HOLDER_RECORD
from hub.projections.views.registers import REGISTERS, registers_of
from hub.projections.views.reports import reported

States = Mapping[Key, State | None]


def records_of_card(views: Mapping[str, States], asked: bytes) -> Records:
    """Returns what is on record of the holder of a card; *views* are rows by the name of their view."""
    standing = views[CARD_STANDING.name].get((asked,))
    holder = standing.holder if standing is not None else None
    of_holder = views[HOLDER_CARDS.name].get((holder,))
    cards = json.loads(of_holder[1]).values() if of_holder is not None else ()
    keys = dict.fromkeys((asked, holder, *(bytes.fromhex(card) for of_one in cards for card in of_one)))
    rows = [row for key in keys if (row := views[HOLDER_RECORD.name].get((key,))) is not None]
    rows += [row for row in (views[ENTRIES.name].get((asked,)),) if row is not None]
    told = ((str(key[0]), str(key[1]), row) for key, row in views[REGISTERS.name].items() if row is not None)
    entries = [row.entry for row in views[CONCESSIONS.name].values() if row is not None and row.card in keys]
    return records_of(rows, registers_of(told), entries, _library(views[LOANS.name], keys))


def _library(loans: States, keys: Collection[bytes | None]) -> Library:
    rows = {key: row for key, row in loans.items() if row is not None and row.was_in_force(0)}
    own = {key for key, row in rows.items() if row.card in keys or row.holder in keys}
    names = {name for name, _ in own}
    told = [key for key, row in rows.items() if key in own or (key[0] in names and row.kind != READER_REGISTERED)]
    return library_of([reported(int(key[1]), rows[key]) for key in told], (int(position) for _, position in own))

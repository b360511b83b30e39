"""K7: who became eligible in a year, and who of them was first paid to a card's account.

Nothing is kept of rows for this, so that they cost no more: the few that are asked about are found through the card index, and counted as
they were known at the position. Without these views all events are read again.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import NamedTuple

import psycopg

from hub.audit.known.thing import Folded
from hub.audit.replay.own import events_of
from hub.domain.indicators.counted import Asked
from hub.domain.indicators.facts import ELIGIBLE
from hub.domain.indicators.payees import Payee, Row, counted, payee_of
from hub.domain.indicators.places import located
from hub.domain.reported import Reported
from hub.indicators.found import Counted, Found
from hub.indicators.record import Known
from hub.indicators.sources import Source
from hub.journal.reader import Recorded, events_at, read_page
from hub.projections.engine import positions
from hub.projections.views.card_index import CARD_INDEX, mentions, positions_naming
from hub.projections.views.eligible_payees import ELIGIBLE_PAYEES
from hub.projections.views.fund_row_state import FundRow, positions_in
from hub.projections.views.funds import FUND_ROWS, ROW_KINDS, keys
from hub.projections.views.reports import Report, reported

VIEWS = (ELIGIBLE_PAYEES.name, FUND_ROWS.name)


class Told(NamedTuple):
    """What was known: the reports of eligibility of a year, the first day of any, and rows of batches with their events."""

    eligible: list[Reported]
    first_day: str
    rows: Iterable[FundRow]
    events: Mapping[int, Recorded]


def new_payees(known: Known, _: Source, asked: Asked, __: tuple[str, ...]) -> Found:
    """Counts each payee who became eligible in the window, by the rows that name him."""
    told = _kept(known, asked) if known.have_reached(VIEWS) else _again(known)
    payees: dict[Payee, list[Reported]] = {}
    for one in told.eligible:
        payees.setdefault(payee_of(one), []).append(one)
    paid: dict[Payee, list[Row]] = {}
    for row in told.rows:
        for payee in _payees(row, told.events) & payees.keys():
            paid.setdefault(payee, []).append(Row(row.reports, bool(row.card), (row.batch_no, row.row_no)))
    found = []
    for payee, reports in payees.items():
        if (new := counted(reports, paid.get(payee, ()), asked)) is not None:
            found.append(Counted(located(asked.reference, new.places, asked.day), int(new.is_in), 1))
    first = date.fromisoformat(told.first_day) if told.first_day else None
    return Found(tuple(found), first)


def _payees(row: FundRow, events: Mapping[int, Recorded]) -> set[Payee]:
    said = [events[one.position] for one in row.reports]
    projects = {project for one in said if (project := getattr(getattr(one.event, one.kind), "project_code", ""))}
    return {Payee(row.province, project, subject) for project in projects for subject in (row.holder, row.card) if subject}


def _again(known: Known) -> Told:
    eligible = [one.reported for one in known.events({ELIGIBLE})]
    first = min((one.message.eligible_from for one in eligible), default="")
    events = {one.position: one for one in known.events(ROW_KINDS)}
    return Told(eligible, first, known.states(FUND_ROWS).values(), events)


def _kept(known: Known, asked: Asked) -> Told:
    """Reads the reports of the year, and the rows of those whom they name; what is read of one year is read once."""
    year = (asked.first_day.isoformat(), asked.first_day.replace(month=12, day=31).isoformat())
    told: Told = known.once(("payees", year), lambda: _read(known, *year))
    return told


def _read(known: Known, first: str, last: str) -> Told:
    connection = known.connection
    rows = connection.execute(_ELIGIBLE, (first, last)).fetchall()
    found = [(position, Report(*row)) for position, *row in rows]
    eligible = [reported(position, row) for position, row in found if row.was_in_force(known.position)]
    named = {(what, key) for one in eligible for what, key in (("person", one.event.holder.key), ("card", one.event.card.key)) if key}
    own = events_of(connection, _positions(connection, named, known.position), known.position)
    known.note_read(len(own.events))
    folded, events = Folded(FUND_ROWS, connection=connection), {}
    for event in own.events:
        folded.fold(event, own.changed.get(event.position))
        events[event.position] = event
    states = [state for _, state in sorted(folded.states(FUND_ROWS).items()) if state is not None]
    return Told(eligible, _first_day(known), states, events)


def _first_day(known: Known) -> str:
    """Returns the first day of all reports in force, "" where none is."""
    after = ("", 0)
    while rows := known.connection.execute(_BEGUN, after).fetchall():
        begun = next((day for day, _, *row in rows if Report._make(row).was_in_force(known.position)), "")
        if begun:
            return str(begun)
        after = rows[-1][:2]
    return ""


def _positions(connection: psycopg.Connection, named: set[tuple[str, bytes]], through: int) -> set[int]:
    """Returns where all reports are of the rows that name some persons or cards."""
    indexed = positions(connection, [CARD_INDEX]).get(CARD_INDEX.name, 0)
    late = read_page(connection, indexed, through, ROW_KINDS) if indexed < through and named else []
    told = events_at(connection, positions_naming(connection, named, through), ROW_KINDS)
    told += [one for one in late if any((mention.what, mention.key) in named for mention in mentions(one))]
    wanted = list({key for one in told for (key,) in keys(one, None)})
    reports = connection.execute(_ROWS, (wanted,)).fetchall() if wanted else []
    return {position for (text,) in reports for position in positions_in(text)} | {one.position for one in told}


_COLUMNS = "kind, data, occurred_us, recorded_us, stream_id, sequence, card, holder, spans, also"
_ELIGIBLE = f"SELECT position, {_COLUMNS} FROM views.{ELIGIBLE_PAYEES.name} WHERE also BETWEEN %s AND %s ORDER BY position"  # noqa: S608
_BEGUN = f"""SELECT also, position, {_COLUMNS} FROM views.{ELIGIBLE_PAYEES.name} WHERE (also, position) > (%s, %s)
    ORDER BY also, position LIMIT 1000"""  # noqa: S608 (our own names)
_ROWS = f"SELECT reports FROM views.{FUND_ROWS.name}_facts WHERE key = ANY (%s)"  # noqa: S608 (our own name)

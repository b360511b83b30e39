"""The catalogue of service items as it was recorded at a position: the tables, with what the sides had approved by then."""

from collections.abc import Iterable

import psycopg
from eventsourcing.persistence import StoredEvent

from hub.domain import reference
from hub.domain.joint_services.book import BOOK, CatalogueBook
from hub.domain.joint_services.catalogue import Catalogue
from hub.journal.reader import Recorded, events_at
from hub.journal.recorder import SELECT_STREAM, EventMapper

_MAPPER = EventMapper()


def book_events(connection: psycopg.Connection, through: int) -> list[Recorded]:
    """Returns the events of the book up to a position."""
    rows = connection.execute(SELECT_STREAM, {"name": str(BOOK), "gt": 0, "lte": 2**62}).fetchall()
    return events_at(connection, [position for position, *_ in rows if position <= through])


def book_of(events: Iterable[Recorded]) -> CatalogueBook | None:
    """Folds events of the book, all or those of some items; None where there is none."""
    stored = (StoredEvent(BOOK, number, one.kind, one.data) for number, one in enumerate(events, 1))
    return CatalogueBook.project(None, map(_MAPPER.to_domain_event, stored))


def catalogue_at(connection: psycopg.Connection, position: int) -> Catalogue:
    """Returns the catalogue of a position."""
    return Catalogue(reference.load(), book_of(book_events(connection, position)))

"""The catalogue of service items as it was recorded at a position: the tables, with what the sides had approved by then."""

import psycopg
from eventsourcing.persistence import StoredEvent

from hub.domain import reference
from hub.domain.joint_services.book import BOOK, CatalogueBook
from hub.domain.joint_services.catalogue import Catalogue
from hub.journal.recorder import SELECT_STREAM, EventMapper

_MAPPER = EventMapper()


def catalogue_at(connection: psycopg.Connection, position: int) -> Catalogue:
    """Returns the catalogue of a position."""
    rows = connection.execute(SELECT_STREAM, {"name": str(BOOK), "gt": 0, "lte": 2**62}).fetchall()
    stored = [StoredEvent(BOOK, sequence, kind, bytes(data)) for at, sequence, kind, data in rows if at <= position]
    return Catalogue(reference.load(), CatalogueBook.project(None, map(_MAPPER.to_domain_event, stored)))

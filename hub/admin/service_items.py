"""Where officers of a side change the catalogue of service items, and where it is read: the tables with what the book of changes has.

One officer drafts, another of the same side approves. Each act is an event of one book, so its version keeps two from changing it at once.
"""

from datetime import datetime

import psycopg
from chuanyu.exchange.v1 import service_items_pb2 as protos
from eventsourcing.persistence import IntegrityError, StoredEvent

from hub.admin.agreements import Officer
from hub.domain import reference
from hub.domain.errors import CatalogueChanged, NothingToSign
from hub.domain.joint_services.book import BOOK, DRAFTED, CatalogueBook
from hub.domain.joint_services.catalogue import Catalogue
from hub.domain.joint_services.drafts import check_draft
from hub.intake.request_rules import refuse_identifiers, refuse_invalid
from hub.journal.recorder import SELECT_STREAM, AggregateStore, EventMapper

_MAPPER = EventMapper()


def read_book(connection: psycopg.Connection, book: CatalogueBook | None = None) -> CatalogueBook | None:
    """Returns the book with what was recorded since *book*, which is brought up to date; None where nobody ever drafted anything."""
    since = {"name": str(BOOK), "gt": 0 if book is None else book.version, "lte": 2**62}
    rows = connection.execute(SELECT_STREAM, since).fetchall()
    stored = [StoredEvent(BOOK, sequence, kind, bytes(data)) for _, sequence, kind, data in rows]
    return CatalogueBook.project(book, map(_MAPPER.to_domain_event, stored))


def read_catalogue(connection: psycopg.Connection) -> Catalogue:
    """Returns the catalogue as it is recorded."""
    return Catalogue(reference.load(), read_book(connection))


def draft_version(store: AggregateStore, drafted: protos.ServiceItemDrafted, by: Officer, at: datetime) -> int:
    """Drafts how the officer's side handles an item from a day on; returns the position. Where it comes from is set here."""
    drafted.province, drafted.officer = by
    version = drafted.version
    version.basis, version.known_by_only = protos.SERVICE_ITEM_BASIS_APPROVED, False
    version.mode_basis = protos.SERVICE_ITEM_BASIS_APPROVED if version.mode else protos.SERVICE_ITEM_BASIS_UNSPECIFIED
    version.materials_known = version.materials_known or bool(version.materials)
    refuse_invalid(drafted)
    refuse_identifiers(drafted, "officer")
    refuse_identifiers(drafted.version, "source")
    refuse_identifiers(drafted.definition, "name_zh", "name_en", "department")
    book = store.get(CatalogueBook, BOOK)
    check_draft(Catalogue(reference.load(), book), drafted)
    if book is None:
        return _saved(store, CatalogueBook.begin(DRAFTED, drafted, BOOK, at))
    book.draft(drafted, at)
    return _saved(store, book)


def approve_version(store: AggregateStore, item_id: str, by: Officer, at: datetime) -> int:
    """Approves the draft of the officer's side; it holds from its day on. Returns the position; raises as the book does."""
    approved = protos.ServiceItemApproved(item_id=item_id, province=by.side, checker=by.name)
    refuse_invalid(approved)
    refuse_identifiers(approved, "checker")
    book = store.get(CatalogueBook, BOOK)
    if book is None:
        raise NothingToSign(item=item_id, province=by.side)
    book.approve(approved, at)
    return _saved(store, book)


def _saved(store: AggregateStore, book: CatalogueBook) -> int:
    try:
        return store.save(book)[-1]
    except IntegrityError:
        raise CatalogueChanged from None

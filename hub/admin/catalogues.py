"""Keeps the catalogue of service items of a process: it is made again only where the sides have changed it since."""

import threading

import psycopg

from hub.admin.service_items import read_book
from hub.domain.joint_services.book import CatalogueBook
from hub.domain.joint_services.catalogue import Catalogue
from hub.domain.reference import Reference


class KeptCatalogue:
    """Used from many threads."""

    def __init__(self, reference: Reference) -> None:
        """Nothing is read yet."""
        self._reference, self._lock = reference, threading.Lock()
        self._book: CatalogueBook | None = None
        self._catalogue: Catalogue | None = None

    def read(self, connection: psycopg.Connection) -> Catalogue:
        """Returns the catalogue as it is recorded; of a session in the middle of an older snapshot it may know more than that."""
        with self._lock:
            self._book = read_book(connection, self._book)
            changes = self._book.version if self._book is not None else 0
            if self._catalogue is None or changes != self._catalogue.changes:
                self._catalogue = Catalogue(self._reference, self._book)
            return self._catalogue

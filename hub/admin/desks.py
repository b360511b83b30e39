"""Opens what operators decide with on connections of its own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import psycopg

from hub.domain.reference import Reference
from hub.journal.quarantine_feed import writing
from hub.journal.recorder import AggregateStore
from hub.trust.keyring import Keyring

Desk = TypeVar("Desk")


@contextmanager
def opened(
    make: Callable[[psycopg.Connection, AggregateStore, Keyring, Reference], Desk], dsn: str, keyring: Keyring, reference: Reference
) -> Iterator[Desk]:
    """Yields a desk, such as ErasureDesk or QuarantineDesk; raises what making it does."""
    store = AggregateStore(dsn)
    try:
        with writing(dsn) as connection:
            yield make(connection, store, keyring, reference)
    finally:
        store.close()

"""What operators decide about the keys of the log: further ones are taken up, former ones end. Each is an event, and counts from there."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from chuanyu.exchange.v1 import log_keys_pb2 as protos
from eventsourcing.persistence import IntegrityError

from hub.domain.log_book import LogBook, LogKeysAlone
from hub.intake.request_rules import refuse_identifiers, refuse_invalid
from hub.journal.recorder import AggregateStore
from hub.tlog.key_book import public_keys
from hub.trust.log_keys import LogKeys, make_log_keys, open_log_keys


def take_up(store: AggregateStore, directory: Path, at: datetime) -> LogKeys:
    """Makes a further set of keys and records it, or one that is on file and not on record: a crash lies between the two."""
    here = open_log_keys(directory)
    known = store.get(LogBook, LogBook.create_id())
    last = known.taken_up[-1].number if known is not None else 1
    fresh = next((one for one in here.sets if one.number > last), None) or make_log_keys(directory)

    def change(book: LogBook | None) -> LogBook:
        found = book or LogBook.open(here.number, public_keys(here), at)
        found.take_up(fresh.number, public_keys(fresh), at)
        return found

    _change(store, change)
    return fresh


def retire_former(store: AggregateStore, reason_code: str, at: datetime) -> list[int]:
    """Ends all sets but the newest and returns their numbers; raises LogKeysAlone or RequestInvalid."""
    said = protos.LogKeysRetired(number=1, reason_code=reason_code)
    refuse_invalid(said)
    refuse_identifiers(said, "reason_code")
    ended: list[int] = []

    def change(book: LogBook | None) -> LogBook:
        if book is None:
            raise LogKeysAlone
        ended[:] = book.retire_former(reason_code, at)
        return book

    _change(store, change)
    return ended


def _change(store: AggregateStore, change: Callable[[LogBook | None], LogBook]) -> None:
    """Saves a change of the book; where another process was first, what it recorded is read again."""
    while True:
        try:
            store.save(change(store.get(LogBook, LogBook.create_id())))
        except IntegrityError:
            continue
        return

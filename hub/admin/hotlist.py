"""Makes the next epoch of the hotlist and publishes it: the file first, then the event, which alone makes it count.

An epoch is a delta while the deltas over the last snapshot are few and small, a snapshot otherwise. A timer calls `publish`.
"""

import hashlib
import secrets
from datetime import UTC, datetime, timedelta

import psycopg
from chuanyu.exchange.v1 import control_pb2
from eventsourcing.persistence import IntegrityError

from hub.domain.errors import HubError
from hub.domain.hotlist import STALE_AFTER_S, Epoch, Held, Hotlist, make_delta, make_snapshot, read_snapshot
from hub.domain.reference import Reference
from hub.journal.hotlist_files import HotlistEntry, find_data, find_deltas, find_entry, latest_epoch, put
from hub.journal.recorder import AggregateStore
from hub.journal.sessions import alone, session
from hub.projections import runner
from hub.projections.views.hotlist_cards import freeze, read_cards
from hub.trust.hotlist_key import HotlistKey
from hub.trust.keyring import Keyring, verify_fingerprint

# A day of deltas at one every 15 minutes.
MOST_DELTAS = 96
MOST_DELTA_BYTES = 1 << 20


class HotlistBuildUnderWay(HubError):
    """Another process is building the hotlist; its epoch will do."""


def publish(
    dsn: str, keyring: Keyring, key: HotlistKey, reference: Reference, at_us: int, *,
    as_snapshot: bool = False, refolds: bool = False, stale_after_s: int = STALE_AFTER_S,
) -> HotlistEntry:  # fmt: skip
    """Publishes the next epoch, with the cards' standings at an instant; with *refolds*, their views are folded.

    Raises HotlistBuildUnderWay, KeyMismatch when the keys are not the database's, or VaultRowDamaged.
    """
    with session(dsn, "hub_writer", "hub-hotlist") as connection:
        verify_fingerprint(connection, keyring)
        with alone(connection, "hub.hotlist", HotlistBuildUnderWay()):
            with runner.connect(dsn) as folding:
                position = freeze(folding, refolds=refolds)
            cards = read_cards(connection, keyring, reference, at_us)
            latest = latest_epoch(connection)
            head = Epoch(latest + 1, latest + 1, position, at_us, stale_after_s)
            held = None if as_snapshot else _held(connection, latest)
            data = None
            if held is not None:
                data = make_delta(head._replace(base_epoch=held.head.base_epoch), cards, held, key.sign)
            if data is None or len(data) > MOST_DELTA_BYTES:
                data = make_snapshot(head, cards, lambda: secrets.token_bytes(32), key.sign)
            entry = _entry(data)
            put(connection, entry, data)
            _record(dsn, entry)
    return entry


def _held(connection: psycopg.Connection, latest: int) -> Held | None:
    """Returns what a gate with the newest epoch holds, None if the next one has to be a snapshot."""
    entry = find_entry(connection, latest)
    base = None if entry is None else find_data(connection, entry.base_epoch)
    if entry is None or base is None:
        return None
    deltas = find_deltas(connection, entry.base_epoch, entry.base_epoch)
    # Deltas that weigh as much as the snapshot are no shorter way to it.
    if len(deltas) != latest - entry.base_epoch or len(deltas) >= MOST_DELTAS or sum(d.size_bytes for d in deltas) > max(len(base), 65_536):
        return None
    held = read_snapshot(base)
    for delta in deltas:
        data = find_data(connection, delta.epoch)
        if data is None:
            return None
        held.apply(data)
    return held


def _entry(data: bytes) -> HotlistEntry:
    head = Epoch.of(data)
    return HotlistEntry(
        head.epoch, head.base_epoch, head.position, head.instant_us, head.listed, head.issued, head.unlistable,
        len(data), hashlib.new("sm3", data).digest(),
    )  # fmt: skip


def _record(dsn: str, entry: HotlistEntry) -> None:
    """Appends the event that makes the epoch count."""
    hotlist = Hotlist.at(entry.epoch - 1)
    published = control_pb2.HotlistPublished(
        epoch=entry.epoch, as_of_position=entry.position, card_count=entry.listed, digest=entry.digest
    )  # fmt: skip
    hotlist.record("hotlist_published", published, datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=entry.made_us))
    store = AggregateStore(dsn)
    try:
        store.save(hotlist)
    except IntegrityError:
        raise HotlistBuildUnderWay from None
    finally:
        store.close()

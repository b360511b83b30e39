"""The card index: every reference of an event is in it, its roots are the same however they are made, and old ones stay provable."""

import contextlib
import os
import random
import time
from collections.abc import Iterator
from hashlib import sha256

import psycopg
import pytest
from chuanyu.exchange.v1 import event_pb2, references_pb2
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from hub.audit.card_proofs import IndexGone, prove
from hub.domain.event_rules import KIND_NUMBERS
from hub.journal.reader import Recorded
from hub.projections import card_epochs, runner
from hub.projections.card_epochs import NothingToIndex, publish
from hub.projections.views.card_index import entry_of, mentions, names_of, records_in_order
from hub.tlog.card_index import (
    EMPTY_BUCKET,
    NO_CHAIN,
    Counted,
    Roots,
    blind_of,
    bucket_of,
    chained,
    groups_of,
    id_of,
    record_of,
    root_by,
)
from tests.databases import fresh_database
from tests.projections.test_projections import record_a_history
from tests.recording import Recording, journey, key_of, lost, registered

_KEYED = {references_pb2.CardRef.DESCRIPTOR: "card", references_pb2.PersonRef.DESCRIPTOR: "person"}


def filled(message: Message, found: set[tuple[str, bytes]], choice: int = 0) -> None:
    """Fills every reference to a card or a person below a message with a key of its own; of a oneof, the arm of the choice's number."""
    for field in message.DESCRIPTOR.fields:
        if field.message_type is None or ((oneof := field.containing_oneof) is not None and oneof.name == "kind"):
            continue
        if oneof is not None:
            arms = [one for one in oneof.fields if one.message_type is not None and _is_filled(one.message_type)]
            if arms and field is not arms[choice % len(arms)]:
                continue
        if (what := _KEYED.get(field.message_type)) is not None:
            target = getattr(message, field.name).add() if field.is_repeated else getattr(message, field.name)
            target.key = sha256(f"{message.DESCRIPTOR.full_name}.{field.name}".encode()).digest()
            found.add((what, target.key))
        elif _has_keys(field.message_type, frozenset()):
            assert not field.is_repeated, f"{field.full_name}: references in a repeated message are found by nobody"
            filled(getattr(message, field.name), found, choice)


def _is_filled(descriptor: Descriptor) -> bool:
    return descriptor in _KEYED or _has_keys(descriptor, frozenset())


def _has_keys(descriptor: Descriptor, above: frozenset[str]) -> bool:
    inner = [field.message_type for field in descriptor.fields if field.message_type is not None]
    below = [one for one in inner if one.full_name.startswith("chuanyu.") and one.full_name not in above]
    return any(one in _KEYED or _has_keys(one, above | {descriptor.full_name}) for one in below)


# More than any oneof of messages with references has arms.
CHOICES = 8


@pytest.mark.parametrize("kind", sorted(KIND_NUMBERS))
def test_every_reference_to_a_card_or_a_person_is_a_mention(kind: str) -> None:
    for choice in range(CHOICES):
        all_are_mentioned(kind, choice)


def all_are_mentioned(kind: str, choice: int) -> None:
    event, found = event_pb2.Event(), set[tuple[str, bytes]]()
    filled(event, found, choice)
    getattr(event, kind).SetInParent()
    filled(getattr(event, kind), found, choice)
    recorded = Recorded(1, 0, 1, 1, kind, event.SerializeToString())
    assert {(one.what, one.key) for one in mentions(recorded)} == found
    # Met for the first time, and again: then it is not parsed.
    for _ in range(2):
        assert names_of(Recorded(1, 0, 1, 1, kind, recorded.data)) == {id_of(what, key): key for what, key in found}


def test_what_only_looks_like_a_key_is_none_and_hides_none() -> None:
    chance = random.Random(7)
    tags = (b'"\x20', b"\x1a\x20")
    for _ in range(300):
        event = journey("A00000001")
        # Keys that have the tags of others in them, at any place, and a text that looks like one.
        event.card.key = _with(chance.randbytes(32), chance.choice(tags), chance.randrange(31))
        event.holder.key = _with(chance.randbytes(32), chance.choice(tags), chance.randrange(31))
        event.source.system = "".join(chance.choice('" x') for _ in range(50))
        recorded = Recorded(1, 0, 1, 1, "transit_journey_completed", event.SerializeToString())
        expected = {id_of("card", event.card.key): event.card.key, id_of("person", event.holder.key): event.holder.key}
        assert names_of(recorded) == names_of(Recorded(1, 0, 1, 1, recorded.kind, recorded.data)) == expected
        event.ClearField("holder")
        del expected[id_of("person", bytes(recorded.event.holder.key))]
        assert names_of(Recorded(1, 0, 1, 1, recorded.kind, event.SerializeToString())) == expected


def _with(key: bytes, tag: bytes, at: int) -> bytes:
    return key[:at] + tag + key[at + 2 :]


def random_records(chance: random.Random, count: int) -> dict[bytes, bytes]:
    return {
        name: record_of(name, blind_of(name), Counted(chance.randrange(1, 9), chance.randbytes(32)))
        for name in (chance.randbytes(32) for _ in range(count))
    }


def whole(records: dict[bytes, bytes]) -> tuple[Roots, dict[int, bytes]]:
    roots, groups = Roots(), {}
    for number, hashes in groups_of(records[name] for name in sorted(records)):
        roots.put(number, hashes)
        groups[number] = hashes
    return roots, groups


def test_a_bucket_and_its_path_lead_to_the_root_with_the_key_in_it_or_not() -> None:
    records = random_records(random.Random(1), 3_000)
    roots, groups = whole(records)
    some = [*list(records)[:20], *(bytes([number]) * 32 for number in range(20))]
    for name in some:
        number = bucket_of(name)
        bucket = b"".join(records[one] for one in sorted(records) if bucket_of(one) == number)
        path = roots.path(number, groups.get(number >> 8, EMPTY_BUCKET * 256))
        assert len(path) == 640
        assert root_by(number, bucket, path) == roots.root
        assert root_by(number, bucket + bytes(64), path) != roots.root


def test_buckets_that_changed_give_the_root_that_all_of_them_give() -> None:
    chance = random.Random(2)
    records = random_records(chance, 2_000)
    roots, groups = whole(records)
    changed = random_records(chance, 100) | {name: record_of(name, blind_of(name), Counted(9, NO_CHAIN)) for name in list(records)[:100]}
    records |= changed
    touched = {bucket_of(name) for name in changed}
    again = Roots(roots.kept)
    for number, hashes in groups_of((records[name] for name in sorted(records) if bucket_of(name) in touched), groups):
        again.put(number, hashes)
    assert again.root == whole(records)[0].root != roots.root


@pytest.fixture(scope="module")
def told(server_dsn: str) -> Iterator[str]:
    """The name of a database with a history of everything, which every view has folded."""
    name = f"hub_index_{os.getpid()}"
    with fresh_database(server_dsn, name) as dsn:
        with contextlib.closing(Recording(dsn)) as journal, runner.connect(dsn) as views:
            record_a_history(dsn, journal)
            runner.catch_up(views)
        yield name


@pytest.fixture
def history(server_dsn: str, told: str) -> Iterator[str]:
    """A database with the history."""
    with fresh_database(server_dsn, f"{told}_copy", told) as dsn:
        yield dsn


@pytest.fixture
def journal(history: str) -> Iterator[Recording]:
    with contextlib.closing(Recording(history)) as recording:
        yield recording


@pytest.fixture
def views(history: str) -> Iterator[psycopg.Connection]:
    with runner.connect(history) as connection:
        yield connection


def now_us() -> int:
    return time.time_ns() // 1_000


def test_a_row_has_the_chain_over_the_leaves_of_its_events(history: str, journal: Recording, views: psycopg.Connection) -> None:
    journal.append(registered("C00000001"), feed="cq.card-center")
    journal.append(journey("C00000001"))
    runner.catch_up(views)
    found = entry_of(views, "card", key_of("C00000001"))
    assert found is not None
    rows = views.execute("SELECT leaf FROM journal.event WHERE position = ANY (%s) ORDER BY position", (list(found.positions),)).fetchall()
    chain = NO_CHAIN
    for (leaf,) in rows:
        chain = chained(chain, bytes(leaf))
    assert found.counted == Counted(2, chain)
    assert (found.name, found.blind) == (id_of("card", key_of("C00000001")), blind_of(key_of("C00000001")))
    assert entry_of(views, "person", key_of("C00000001")) is None


def test_nothing_is_published_of_a_view_that_has_folded_nothing(dsn: str) -> None:
    with runner.connect(dsn) as views, pytest.raises(NothingToIndex):
        publish(dsn, views, now_us())


def test_a_root_made_of_what_changed_is_the_root_of_all_rows(history: str, journal: Recording, views: psycopg.Connection) -> None:
    first = publish(history, views, now_us())
    assert first.root == root_of_rows(views)
    assert publish(history, views, now_us()) == first._replace(touched=0)
    views.execute("ANALYZE views.card_index")
    journal.append(journey("A00000001"), lost("D00000001"))
    runner.catch_up(views)
    second = publish(history, views, now_us())
    assert 0 < second.touched < first.touched
    assert second.root == root_of_rows(views) != first.root
    runner.catch_up(views)
    # Roots of the index name nobody: they alone are no reason for another.
    assert publish(history, views, now_us()).tree_size == second.tree_size
    whole = views.execute("SELECT count(*) FROM journal.event WHERE kind = 'index_published'").fetchone()
    assert whole == (2,)


def root_of_rows(views: psycopg.Connection) -> bytes:
    """The root that is made here, row by row, of what the server reads in order."""
    roots = Roots()
    for number, hashes in groups_of(records_in_order(views)):
        roots.put(number, hashes)
    return roots.root


def test_where_many_buckets_changed_all_rows_are_read_and_the_root_is_the_same(
    history: str, journal: Recording, views: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = publish(history, views, now_us())
    views.execute("ANALYZE views.card_index")
    monkeypatch.setattr(card_epochs, "_MOST_BUCKETS", 1)
    journal.append(journey("A00000001"), lost("D00000001"))
    runner.catch_up(views)
    second = publish(history, views, now_us())
    assert second.touched >= first.touched
    assert second.root == root_of_rows(views) != first.root


def test_an_old_epoch_stays_provable_while_cards_go_on(history: str, journal: Recording, views: psycopg.Connection) -> None:
    first = publish(history, views, now_us())
    before = {card: prove(views, first, "card", key_of(card)) for card in ("A00000001", "E00000001")}
    journal.append(*(journey(card) for card in ("A00000001", "E00000001", "A00000002")))
    runner.catch_up(views)
    publish(history, views, now_us(), whole=True)
    assert {card: prove(views, first, "card", key_of(card)) for card in before} == before
    assert before["E00000001"].positions == ()


def test_an_index_that_was_changed_is_not_proved(history: str, views: psycopg.Connection) -> None:
    epoch = publish(history, views, now_us())
    views.execute(
        "UPDATE views.card_index SET count = count + 1, positions = positions || positions WHERE id = %s",
        (id_of("card", key_of("A00000001")),),
    )
    with pytest.raises(IndexGone):
        prove(views, epoch, "card", key_of("A00000001"))


def test_only_some_epochs_are_kept(history: str, journal: Recording, views: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(card_epochs, "KEPT_EPOCHS", 2)
    for number in range(4):
        journal.append(journey(f"F0000000{number}"))
        runner.catch_up(views)
        last = publish(history, views, now_us())
    assert views.execute("SELECT count(*) FROM tlog.index_epoch").fetchone() == (2,)
    assert prove(views, last, "card", key_of("F00000000")).positions != ()

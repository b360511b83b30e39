"""The log over HTTP and as files, by C2SP tlog-tiles: what a stranger needs to check every entry, and nothing that was never sealed."""

import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from hub.tlog import files, paths, store, tree
from hub.tlog.cosignatures import check_note
from hub.tlog.files import FileUnknown, NothingSealed
from hub.tlog.note import Checkpoint, parse
from hub.tlog.sealer import signers
from hub.tlog.site import AddressTaken, serving
from hub.trust.log_keys import open_log_keys
from tests.databases import fresh_database
from tests.recording import Recording, about
from tests.tlog.sealing import NAME, leaves_of, seal

EVENTS = 700


@pytest.fixture(scope="module")
def sealed(server_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database with 700 events that are sealed and 5 that are not."""
    with fresh_database(server_dsn, "hub_test_log_site") as dsn:
        journal = Recording(dsn)
        journal.append(*(about(f"A{number:08d}") for number in range(EVENTS)))
        keys = tmp_path_factory.mktemp("keys")
        seal(dsn, keys)
        with psycopg.connect(dsn) as connection:
            connection.execute("INSERT INTO tlog.cosignature VALUES (1, 701, 'witness', '— witness AAAAAAA=')")
        journal.append(*(about(f"B{number:08d}") for number in range(5)))
        journal.close()
        yield dsn


@pytest.fixture(scope="module")
def site(sealed: str) -> Iterator[str]:
    with serving(sealed, "127.0.0.1:0") as address:
        yield address


def fetch(site: str, path: str) -> bytes:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{site}/{path}", timeout=10) as response:
        content: bytes = response.read()
    return content


def status(site: str, path: str) -> int:
    with pytest.raises(urllib.error.HTTPError) as refused:
        fetch(site, path)
    return refused.value.code


def test_a_stranger_can_check_each_entry_with_what_the_site_gives(site: str, sealed: str) -> None:
    head = Checkpoint.parse(parse(fetch(site, "checkpoint")).text)

    def read(level: int, number: int, width: int) -> bytes:
        return fetch(site, paths.tile(level, number, width))

    bundles = [
        paths.decode_bundle(fetch(site, paths.entries(number, width)), width)
        for number in range(3)
        if (width := tree.tile_width(head.size, 0, number))
    ]
    entries = [entry for bundle in bundles for entry in bundle]
    assert (head.origin, head.size, entries[0]) == (f"{NAME}/1", EVENTS + 1, fetch(site, "incarnation/genesis"))
    assert [tree.leaf_hash(entry) for entry in entries] == leaves_of(sealed)[: head.size]
    for index in (0, 255, 256, EVENTS):
        tree.check_inclusion(tree.leaf_hash(entries[index]), index, head.size, tree.inclusion(index, head.size, read), head.root)


def test_an_entry_shows_its_feed_and_number_and_nothing_of_the_card(site: str) -> None:
    entry = paths.decode_bundle(fetch(site, "tile/entries/000"), 256)[1]
    assert b"\x08cq.usage" in entry
    assert len(entry) < 130
    assert b"A00000000" not in fetch(site, "tile/entries/000")


def test_a_checkpoint_has_the_lines_of_witnesses_behind_those_of_the_log(site: str) -> None:
    note = parse(fetch(site, "checkpoint"))
    assert [one.name for one in note.signatures] == [f"{NAME}/1"] * 3 + ["witness"]


@pytest.mark.parametrize("path", ["tile/0/001", "tile/0/002.p/189", "tile/1/000.p/2", "tile/entries/001", "incarnation/1/tile/0/001"])
def test_every_tile_of_the_tree_is_there(path: str, site: str) -> None:
    assert fetch(site, path)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/0/002",
        "tile/0/002.p/190",
        "tile/0/003",
        "tile/2/000",
        "tile/entries/002.p/194",
        "tile/0/0",
        "tile/0/x000/001",
        "tile/0/001.p/256",
        "tile/0/001.p/0",
        "tile/64/000",
        "checkpoint/",
        "incarnation/2/checkpoint",
        "../checkpoint",
    ],
)
def test_what_is_not_in_the_tree_that_was_signed_last_is_not_found(path: str, site: str) -> None:
    assert status(site, path) == 404


def test_nothing_can_be_written(site: str) -> None:
    connection = http.client.HTTPConnection(site.removeprefix("http://"), timeout=10)
    for method in ("POST", "PUT", "DELETE"):
        connection.request(method, "/checkpoint", b"x")
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 405
    connection.close()


def test_a_folder_has_the_same_bytes_and_is_brought_up_to_date(site: str, sealed: str, tmp_path: Path) -> None:
    with psycopg.connect(sealed) as connection:
        log = files.log_of(connection)
        assert files.write_all(connection, log, tmp_path) == EVENTS + 1
        kept = tmp_path / "tile/0/001"
        kept.write_bytes(b"kept")
        (tmp_path / "checkpoint").unlink()
        files.write_all(connection, log, tmp_path)
    assert kept.read_bytes() == b"kept"
    kept.write_bytes(fetch(site, "tile/0/001"))
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    partial = {"tile/0/002.p/189", "tile/1/000.p/2", "tile/entries/002.p/189"}
    assert written == {"checkpoint", "incarnation/genesis", "tile/0/000", "tile/0/001", "tile/entries/000", "tile/entries/001"} | partial
    assert all((tmp_path / path).read_bytes() == fetch(site, path) for path in written)


def test_before_anything_is_sealed_the_site_says_so(dsn: str) -> None:
    with serving(dsn, "127.0.0.1:0") as address:
        assert status(address, "checkpoint") == 404
    with psycopg.connect(dsn) as connection, pytest.raises(NothingSealed):
        files.log_of(connection)


def test_entries_that_left_the_journal_are_not_made_up(sealed: str) -> None:
    with psycopg.connect(sealed) as connection, connection.transaction(force_rollback=True):
        connection.execute("DELETE FROM journal.event WHERE position = 300")
        with pytest.raises(FileUnknown):
            files.entries(connection, files.log_of(connection), 256, 512)


def test_an_address_in_use_is_refused_by_name(site: str, sealed: str) -> None:
    with pytest.raises(AddressTaken), serving(sealed, site.removeprefix("http://")):
        pass


def test_what_the_site_gives_is_signed_by_the_keys_of_the_folder(dsn: str, journal: Recording, tmp_path: Path) -> None:
    journal.append(about("A00000001"))
    seal(dsn, tmp_path)
    with serving(dsn, "127.0.0.1:0") as address:
        note = parse(fetch(address, "checkpoint"))
    for key in signers(open_log_keys(tmp_path), f"{NAME}/1"):
        check_note(note, key.verifier)


def test_a_checkpoint_has_no_more_lines_than_a_note_may_have(dsn: str, journal: Recording, tmp_path: Path) -> None:
    journal.append(about("A00000001"))
    head = seal(dsn, tmp_path)
    with psycopg.connect(dsn, autocommit=True) as connection:
        for number in range(20):
            line = f"— witness{number:02d} AAAAAAA="
            connection.execute("INSERT INTO tlog.cosignature VALUES (1, %s, %s, %s)", (head.size, f"w{number:02d}", line))
        note = parse(store.cosigned_note(connection, 1, head))
    assert [one.name for one in note.signatures][3:] == [f"witness{number:02d}" for number in range(13)]

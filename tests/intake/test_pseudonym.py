"""Keys in place of identifiers, wherever they are; the vault that alone leads back; the key files; erasing."""

import secrets
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import psycopg
import pytest
from chuanyu.exchange.v1 import event_pb2, references_pb2
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from google.protobuf.descriptor import Descriptor

from hub.domain.pseudonym import card_name, clear_paths, hmac_sm3, hmac_sm3_under, places
from hub.journal.vault import VaultRowDamaged, erase_identifier, open_identifiers, open_original, seal, unseal
from hub.trust.keyring import KeyMismatch, Keyring, KeysExposed, open_keyring, verify_fingerprint
from tests.clients import Province, of_feed
from tests.hub_process import CHONGQING, Process, RunningHub
from tests.messages import journey

# A vector worked out apart from this code [P]: K = 00 01 02 … 1f.
K = bytes(range(32))
VECTOR = "4b8b45018a02f8da26e15f1f488b6cf8d38f899a71f73873a43e95d57f40b416"
KEYRING = Keyring(K, hmac_sm3(K, b"digest of events as sent"), {1: bytes(range(16))})
SERVE = ["serve", "--listen", "127.0.0.1:0"]
CARD_NO, ID_NO = "A98765432", "500199198503120015"


# HMAC-SM3


def test_the_known_vector() -> None:
    assert hmac_sm3(K, b"01|500199198503120015").hex() == VECTOR


def test_the_known_vector_under_a_prepared_key() -> None:
    assert hmac_sm3_under(K)(b"01|500199198503120015").hex() == VECTOR


@pytest.mark.parametrize("length", [0, 1, 32, 63, 64, 65, 200])
def test_a_prepared_key_gives_the_same_for_any_length_of_key(length: int) -> None:
    key = bytes(range(length))
    assert hmac_sm3_under(key)(b"message") == hmac_sm3(key, b"message")


@pytest.mark.parametrize(
    ("kind", "clear", "name"),
    [
        ("CARD_NO", "S00000123", "card|51|S00000123"),
        ("CARD_IDENT_CODE", "510199D15600000500112233445566AA", "ident|51|510199D15600000500112233445566AA"),
        ("TRANSIT_CARD_NO", "3104870005619999999", "transit|51|3104870005619999999"),
        ("BANK_ACCOUNT", "6217000010000000003", "account|51|6217000010000000003"),
        ("SIGN_NO", "E-0001", "sign|51|E-0001"),
    ],
)
def test_a_cards_key_is_made_of_purpose_issuer_and_identifier(kind: str, clear: str, name: str) -> None:
    number = references_pb2.CardIdentifierKind.Value(f"CARD_IDENTIFIER_KIND_{kind}")
    assert card_name(references_pb2.CardRef(issuing_province="51", kind=number, clear=clear)) == name


# Where references are


def reference_paths(descriptor: Descriptor, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every path to a message with a clear arm, found without the code under test."""
    for field in descriptor.fields:
        inner = field.message_type
        if inner is None or not inner.full_name.startswith("chuanyu.") or inner is event_pb2.Event.DESCRIPTOR:
            continue
        here = (*path, field.name)
        if "clear" in inner.fields_by_name:
            yield here
        else:
            yield from reference_paths(inner, here)


KINDS = {field.name: field.message_type for field in event_pb2.Event.DESCRIPTOR.oneofs_by_name["kind"].fields}


@pytest.mark.parametrize("kind", KINDS)
def test_every_reference_of_every_kind_is_found(kind: str) -> None:
    assert sorted(place.path for place in places(KINDS[kind])) == sorted(reference_paths(KINDS[kind]))


def test_every_reference_of_the_envelope_is_found() -> None:
    paths = {place.path for place in places(event_pb2.Event.DESCRIPTOR)}
    assert paths == {("card",), ("card_aliases",), ("holder",)}


def test_no_event_field_is_in_clear_outside_of_the_references() -> None:
    owners = {message.full_name.rpartition(".")[2] for message in _messages() if "clear" in message.fields_by_name}
    assert owners == {"CardRef", "PersonRef", "BankAccountRef", "NameRef", "MobileRef", "TokenRef"}


def _messages() -> Iterator[Descriptor]:
    """Every message of the package that an event can hold."""
    files = {event_pb2.DESCRIPTOR, *event_pb2.DESCRIPTOR.dependencies}
    for file in files:
        if file.package.startswith("chuanyu."):
            yield from file.message_types_by_name.values()


@pytest.mark.parametrize("kind", [kind for kind, message in KINDS.items() if places(message)])
def test_a_clear_arm_of_any_kind_is_seen_by_the_walk(kind: str) -> None:
    event = event_pb2.Event()
    place = places(KINDS[kind])[0]
    target = getattr(event, kind)
    for name in place.path:
        target = getattr(target, name)
    (target.add() if place.is_repeated else target).clear = "x"
    assert list(clear_paths(event)) == [".".join((kind, *place.path, "clear"))]


# The vault


def test_what_is_sealed_opens_again() -> None:
    version, sealed = seal(KEYRING, b"its key", b"card|50|A98765432")
    assert unseal(KEYRING, b"its key", version, sealed) == b"card|50|A98765432"


def test_the_same_is_never_sealed_alike() -> None:
    assert seal(KEYRING, b"its key", b"same") != seal(KEYRING, b"its key", b"same")


def test_a_row_in_anothers_place_does_not_open() -> None:
    version, sealed = seal(KEYRING, b"its key", b"card|50|A98765432")
    with pytest.raises(VaultRowDamaged):
        unseal(KEYRING, b"another key", version, sealed)


@pytest.mark.parametrize("at", [0, 11, 12, 20, -16, -1])
def test_an_altered_row_does_not_open(at: int) -> None:
    version, sealed = seal(KEYRING, b"its key", b"card|50|A98765432")
    altered = bytearray(sealed)
    altered[at] ^= 1
    with pytest.raises(VaultRowDamaged):
        unseal(KEYRING, b"its key", version, bytes(altered))


def test_a_row_whose_key_is_missing_does_not_open() -> None:
    _, sealed = seal(KEYRING, b"its key", b"card|50|A98765432")
    with pytest.raises(VaultRowDamaged):
        unseal(KEYRING, b"its key", 2, sealed)


def test_the_newest_key_seals_and_older_ones_still_open() -> None:
    version, sealed = seal(KEYRING, b"its key", b"old")
    rotated = Keyring(K, KEYRING.digest, {**KEYRING.vault, 2: secrets.token_bytes(16)})
    assert seal(rotated, b"its key", b"new")[0] == 2
    assert unseal(rotated, b"its key", version, sealed) == b"old"


def test_vault_keys_are_of_the_length_sm4_needs(tmp_path: Path) -> None:
    assert {len(key) * 8 for key in open_keyring(tmp_path).vault.values()} == SM4.key_sizes


# The key files


def test_keys_are_made_once(tmp_path: Path) -> None:
    assert open_keyring(tmp_path / "keys") == open_keyring(tmp_path / "keys")


def test_key_files_are_the_owners_alone(tmp_path: Path) -> None:
    open_keyring(tmp_path / "keys")
    assert {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "keys").iterdir()} == {
        "pseudonym.key": 0o600, "vault-0001.key": 0o600}  # fmt: skip


def test_the_folder_of_keys_is_the_owners_alone(tmp_path: Path) -> None:
    open_keyring(tmp_path / "keys")
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", ["pseudonym.key", "vault-0001.key"])
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620])
def test_a_key_file_others_can_reach_is_refused(name: str, mode: int, tmp_path: Path) -> None:
    open_keyring(tmp_path)
    (tmp_path / name).chmod(mode)
    with pytest.raises(KeysExposed, match=name):
        open_keyring(tmp_path)


def test_a_further_vault_key_is_found_by_its_number(tmp_path: Path) -> None:
    open_keyring(tmp_path)
    (tmp_path / "vault-0002.key").touch(mode=0o600)
    (tmp_path / "vault-0002.key").write_bytes(bytes(16))
    assert open_keyring(tmp_path).vault_version == 2


def test_first_starts_at_the_same_moment_agree_on_the_keys(tmp_path: Path) -> None:
    folders = [tmp_path / f"keys-{number}" for number in range(20)]
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as starts:
        keyrings = list(starts.map(open_keyring, [folder for folder in folders for _ in range(3)]))
    assert [keyring for keyring in keyrings[::3] for _ in range(3)] == keyrings
    assert {path.name for folder in folders for path in folder.iterdir()} == {"pseudonym.key", "vault-0001.key"}


# The fingerprint in the database


def test_the_first_start_leaves_its_fingerprint(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        verify_fingerprint(connection, KEYRING)
        verify_fingerprint(connection, KEYRING)
        rows = connection.execute("SELECT purpose, fingerprint FROM vault.key_fingerprint").fetchall()
    assert rows == [("pseudonym", hmac_sm3(K, b"fingerprint"))]


def test_other_keys_than_the_databases_are_refused(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        verify_fingerprint(connection, KEYRING)
        with pytest.raises(KeyMismatch):
            verify_fingerprint(connection, Keyring(bytes(32), KEYRING.digest, KEYRING.vault))


def test_an_edge_with_other_keys_refuses_to_start(shared_hub: RunningHub, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="The key files are not those of this database"):
        Process(SERVE, shared_hub.dsn, tmp_path).start()


# Erasing, with a hub that runs


@pytest.fixture
def vault(shared_hub: RunningHub) -> Iterator[psycopg.Connection]:
    with psycopg.connect(shared_hub.dsn, autocommit=True) as connection:
        connection.execute("SET ROLE hub_writer")
        yield connection


def used(card_no: str) -> event_pb2.Event:
    event = journey(card_no)
    event.holder.id_type, event.holder.clear = references_pb2.ID_TYPE_RESIDENT_ID, ID_NO
    return event


def test_the_vault_leads_from_a_key_back_to_its_identifier(shared_hub: RunningHub, chongqing: Province, vault: psycopg.Connection) -> None:
    chongqing.tell("cq.usage", used(CARD_NO))
    event = of_feed(shared_hub.dsn, "cq.usage")[-1].event
    keyring = open_keyring(shared_hub.data_dir / "keys")
    assert open_identifiers(vault, keyring, [event.card.key, event.holder.key]) == {
        event.card.key: f"card|50|{CARD_NO}", event.holder.key: f"person|01|{ID_NO}"}  # fmt: skip


def test_the_journals_key_is_the_hmac_of_the_name(shared_hub: RunningHub, chongqing: Province) -> None:
    chongqing.tell("cq.usage", used(CARD_NO))
    keyring = open_keyring(shared_hub.data_dir / "keys")
    event = of_feed(shared_hub.dsn, "cq.usage")[-1].event
    assert event.card.key == hmac_sm3(keyring.pseudonym, f"card|50|{CARD_NO}".encode())


def test_an_identifier_is_stored_once(shared_hub: RunningHub, chongqing: Province, vault: psycopg.Connection) -> None:
    chongqing.tell("cq.usage", used("A00000002"), used("A00000002"))
    chongqing.tell("cq.usage", used("A00000002"))
    key = of_feed(shared_hub.dsn, "cq.usage")[-1].event.card.key
    assert vault.execute("SELECT count(*) FROM vault.identifier WHERE key = %s", (key,)).fetchone() == (1,)


def test_erasing_leaves_a_tombstone(shared_hub: RunningHub, chongqing: Province, vault: psycopg.Connection) -> None:
    chongqing.tell("cq.usage", used("A00000003"))
    key = of_feed(shared_hub.dsn, "cq.usage")[-1].event.card.key
    assert (erase_identifier(vault, key), erase_identifier(vault, key)) == (True, False)
    row = vault.execute("SELECT sealed IS NULL, erased_at IS NOT NULL FROM vault.identifier WHERE key = %s", (key,)).fetchone()
    assert row == (True, True)


def test_an_erased_identifier_does_not_open(shared_hub: RunningHub, chongqing: Province, vault: psycopg.Connection) -> None:
    chongqing.tell("cq.usage", used("A00000004"))
    key = of_feed(shared_hub.dsn, "cq.usage")[-1].event.card.key
    erase_identifier(vault, key)
    assert open_identifiers(vault, open_keyring(shared_hub.data_dir / "keys"), [key]) == {}


def test_an_erased_identifier_does_not_come_back_with_the_next_event(
    shared_hub: RunningHub, chongqing: Province, vault: psycopg.Connection
) -> None:
    chongqing.tell("cq.usage", used("A00000005"))
    key = of_feed(shared_hub.dsn, "cq.usage")[-1].event.card.key
    erase_identifier(vault, key)
    chongqing.tell("cq.usage", used("A00000005"))
    assert vault.execute("SELECT sealed FROM vault.identifier WHERE key = %s", (key,)).fetchone() == (None,)


def test_an_erased_identifier_does_not_come_back_through_an_edge_that_never_saw_it(
    shared_hub: RunningHub, chongqing: Province, vault: psycopg.Connection
) -> None:
    chongqing.tell("cq.usage", used("A00000006"))
    key = of_feed(shared_hub.dsn, "cq.usage")[-1].event.card.key
    erase_identifier(vault, key)
    edge = Process(SERVE, shared_hub.dsn, shared_hub.data_dir)
    shared_hub.targets.append(edge.start().split()[-1])
    try:
        Province(shared_hub, CHONGQING, edge=1).tell("cq.usage", used("A00000006"))
    finally:
        edge.stop()
    assert vault.execute("SELECT sealed FROM vault.identifier WHERE key = %s", (key,)).fetchone() == (None,)


def test_an_original_that_was_erased_is_gone(shared_hub: RunningHub, chongqing: Province, vault: psycopg.Connection) -> None:
    bad = used("A00000008")
    bad.scenario = "TRA.ROCKET"
    chongqing.tell("cq.usage", bad)
    recorded = of_feed(shared_hub.dsn, "cq.usage")[-1]
    where = (recorded.stream_id, recorded.sequence)
    vault.execute("UPDATE vault.original SET sealed = NULL, erased_at = now() WHERE stream_id = %s AND sequence = %s", where)
    assert open_original(vault, open_keyring(shared_hub.data_dir / "keys"), *where) is None


def test_two_swapped_rows_of_the_vault_do_not_open(shared_hub: RunningHub, chongqing: Province, vault: psycopg.Connection) -> None:
    chongqing.tell("cq.usage", used("A00000009"), used("A00000010"))
    first, second = (recorded.event.card.key for recorded in of_feed(shared_hub.dsn, "cq.usage")[-2:])
    vault.execute(
        """UPDATE vault.identifier i SET sealed = o.sealed FROM vault.identifier o
           WHERE i.key = ANY (%(both)s) AND o.key = ANY (%(both)s) AND i.key <> o.key""",
        {"both": [first, second]},
    )
    with pytest.raises(VaultRowDamaged):
        open_identifiers(vault, open_keyring(shared_hub.data_dir / "keys"), [first])

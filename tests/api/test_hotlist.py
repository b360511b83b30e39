"""The offline hotlist: who is on it, that its files are exact, what a gate refuses, and its way from a loss report to a gate."""

import importlib.util
import itertools
import json
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from chuanyu.exchange.v1 import event_pb2, hotlist_service_pb2, hotlist_service_pb2_grpc, references_pb2
from gmssl_pyx import sm2_key_generate
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from hub.admin.hotlist import HotlistBuildUnderWay, publish
from hub.cli import app
from hub.domain import fuse_filter, reference
from hub.domain.hotlist import Epoch, HashesCollide, hashing, is_listed, make_delta, make_snapshot, read_snapshot
from hub.journal.hotlist_files import HotlistEntry
from hub.journal.vault import erase_identifier
from hub.projections.views import hotlist_cards
from hub.trust.hotlist_key import HotlistKey, open_hotlist_key
from hub.trust.keyring import KeysExposed, open_keyring
from tests import facts
from tests.clients import DEADLINE_S, Province, journal, refused
from tests.facts import history, stands, told
from tests.hub_process import CHONGQING, SICHUAN, RunningHub, environment
from tests.messages import AT_S, lost, name_card, registered

ROOT = Path(__file__).parents[2]
VECTORS = json.loads((ROOT / "tests" / "hotlist_vectors.json").read_text())
PUBLIC, PRIVATE = sm2_key_generate()
KEY = HotlistKey(PRIVATE, PUBLIC)
NOW_S = 1_772_503_500
HEAD = Epoch(1, 1, 41_207, NOW_S * 1_000_000, 86_400)


def _load_reader() -> Any:
    spec = importlib.util.spec_from_file_location("hotlist_reader", ROOT / "docs" / "hotlist_reader.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reader = _load_reader()


def source(listed: set[str], others: set[str] = frozenset()) -> Any:  # type: ignore[assignment]
    """What the builder reads: names with whether they are listed."""
    return lambda: itertools.chain(((n.encode(), True) for n in sorted(listed)), ((n.encode(), False) for n in sorted(others - listed)))


def snapshot(listed: set[str], others: set[str] = frozenset(), head: Epoch = HEAD) -> bytes:  # type: ignore[assignment]
    return make_snapshot(head, source(listed, others), lambda: secrets.token_bytes(32), KEY.sign)


def said(held: Any, names: set[str], now_s: int = NOW_S) -> set[str]:
    """The names that the reference reader takes for listed."""
    return {name for name in names if held.answer(name, now_s) == "LISTED"}


# Who is on it


@pytest.mark.parametrize(
    ("status", "listed"),
    [
        ("APPLIED", False), ("IN_PRODUCTION", False), ("PRODUCED", False), ("PRODUCTION_FAILED", False), ("REJECTED", False),
        ("SEALED", True), ("ACTIVE", False), ("TEMP_LOST", True), ("FORMALLY_LOST", True), ("APP_LOCKED", True), ("CANCELLED", True),
    ],
)  # fmt: skip
def test_an_issued_card_that_is_not_active_is_listed(status: str, listed: bool) -> None:
    assert is_listed(stands(history(facts.registered(status)), 1)) is listed


def test_a_provisional_block_lists_a_card_until_it_runs_out() -> None:
    known = history(facts.registered("ACTIVE"), told("loss_request_submitted", 1, loss_type=1, accepted_at_region="510100"))
    assert [is_listed(stands(known, hour)) for hour in (0.5, 2, 80)] == [False, True, False]


def test_a_temporary_loss_lists_a_card_until_it_runs_out() -> None:
    known = history(facts.registered("ACTIVE"), told("temporary_loss_reported", 1, until_hour=25))
    assert [is_listed(stands(known, hour)) for hour in (0.5, 2, 26)] == [False, True, False]


def test_a_hotlisted_purse_lists_a_card_until_it_is_delisted() -> None:
    known = history(facts.registered("ACTIVE"), told("transit_purse_hotlisted", 1), told("transit_purse_delisted", 2))
    assert [is_listed(stands(known, hour)) for hour in (0.5, 1.5, 2.5)] == [False, True, False]


def test_a_loss_reported_for_an_unknown_card_lists_it() -> None:
    assert is_listed(stands(history(told("temporary_loss_reported", 1)), 2))
    assert not is_listed(stands([], 2))


# Exactness

NAMES = st.integers(0, 10**8 - 1).map(lambda number: f"card|51|S{number:08d}")


@given(st.sets(NAMES, max_size=60), st.sets(NAMES, max_size=60))
def test_a_snapshot_lists_exactly_the_listed(listed: set[str], others: set[str]) -> None:
    held = reader.read(PUBLIC, snapshot(listed, others))
    assert said(held, listed | others) == listed


def coarse(key: bytes) -> Any:
    """Hashes with four fingerprints only, so that every fourth unlisted card hits the filter."""
    hash_of = hashing(key)
    return lambda name: hash_of(name) & ~0xFFFC


@given(st.lists(st.tuples(st.sets(NAMES, max_size=30), st.sets(NAMES, max_size=30)), min_size=2, max_size=5))
def test_a_chain_of_deltas_lists_exactly_the_listed_of_its_end(states: list[tuple[set[str], set[str]]]) -> None:
    """Cards become known, listed and released from state to state; the filter hits falsely all the time."""
    known: set[str] = set()
    held = None
    for epoch, (listed, others) in enumerate(states, start=1):
        known |= listed | others
        head, cards = HEAD._replace(epoch=epoch), source(listed, known)
        if held is None:
            held = read_snapshot(make_snapshot(head, cards, lambda: bytes(32), KEY.sign, coarse))
        else:
            delta = make_delta(head, cards, held, KEY.sign, coarse)
            assert delta is not None
            held.apply(delta)
        hashes = {coarse(bytes(32))(name.encode()): name for name in known}
        assert {hashes[value] for value in held.answers_listed(hashes)} == listed


def test_20_thousand_listed_of_60_thousand_take_at_most_20_bits_each() -> None:
    listed = {f"card|51|S{number:08d}" for number in range(20_000)}
    others = {f"card|50|C{number:08d}" for number in range(40_000)}
    data = snapshot(listed, others)
    assert len(data) * 8 <= 20 * len(listed)
    held = read_snapshot(data)
    hash_of = hashing(held.key)
    assert held.answers_listed({hash_of(name.encode()) for name in listed}) == {hash_of(name.encode()) for name in listed}
    assert held.answers_listed({hash_of(name.encode()) for name in others}) == set()
    assert (held.head.listed, held.head.issued) == (20_000, 60_000)


def test_a_filter_of_one_member_and_of_none() -> None:
    assert fuse_filter.build([]).segments == 0
    assert list(fuse_filter.build([7]).hits([7])) == [7]  # type: ignore[arg-type]
    with pytest.raises(fuse_filter.FilterNotBuilt):
        fuse_filter.build([7, 7])


def test_another_key_is_drawn_when_a_listed_and_an_unlisted_card_collide() -> None:
    keys = iter([b"a" * 32, b"b" * 32])

    def clumsy(key: bytes) -> Any:
        return hashing(key) if key == b"b" * 32 else lambda _: 7

    data = make_snapshot(HEAD, source({"card|51|S00000001"}, {"card|51|S00000002"}), lambda: next(keys), KEY.sign, clumsy)
    assert read_snapshot(data).key == b"b" * 32
    with pytest.raises(HashesCollide):
        make_snapshot(HEAD, source({"card|51|S00000001"}, {"card|51|S00000002"}), lambda: b"a" * 32, KEY.sign, clumsy)


def test_no_delta_is_made_over_a_key_that_cannot_tell_two_cards_apart() -> None:
    held = read_snapshot(snapshot({"card|51|S00000001"}))
    assert (
        make_delta(HEAD._replace(epoch=2), source({"card|51|S00000001"}, {"card|51|S00000002"}), held, KEY.sign, lambda _: lambda _: 7)
        is None
    )


def test_listed_cards_without_a_name_are_counted() -> None:
    cards = [(b"card|51|S00000001", True), (None, True), (None, True)]
    assert read_snapshot(make_snapshot(HEAD, lambda: cards, lambda: bytes(32), KEY.sign)).head.unlistable == 2


# What a gate refuses


def test_the_reader_is_short_and_needs_only_the_signature_library() -> None:
    text = (ROOT / "docs" / "hotlist_reader.py").read_text()
    assert len(text.splitlines()) < 110
    imported = {line.split()[1].split(".")[0] for line in text.splitlines() if line.startswith(("import ", "from "))}
    assert imported - sys.stdlib_module_names == {"gmssl_pyx"}


def test_the_reader_refuses_a_forged_file_without_a_word_of_its_library(capfd: pytest.CaptureFixture[str]) -> None:
    forged = bytearray.fromhex(VECTORS["snapshot"]["file"])
    forged[-1] ^= 1
    with pytest.raises(reader.Refused, match="the signature is not the hub's"):
        reader.read(bytes.fromhex(VECTORS["public_key"]), bytes(forged))
    assert capfd.readouterr() == ("", "")


def test_the_vectors_are_what_the_hub_makes_and_the_reader_answers() -> None:
    public, files = bytes.fromhex(VECTORS["public_key"]), (VECTORS["snapshot"], VECTORS["delta"])
    base, delta = (bytes.fromhex(vector["file"]) for vector in files)
    heads = [Epoch(v["epoch"], 7, v["position"], v["made_us"], v["stale_after_s"]) for v in files]
    cards = [[(card["name"].encode(), card["listed"]) for card in v["cards"]] for v in files]
    made = make_snapshot(heads[0], lambda: cards[0], lambda: bytes.fromhex(VECTORS["epoch_key"]), lambda _: b"")
    assert made == base[:-64]
    assert make_delta(heads[1], lambda: cards[1], read_snapshot(base), lambda _: b"") == delta[:-64]
    assert len(read_snapshot(base).cleared) == 2, "two known cards hit the filter falsely"
    for held, expected in ((reader.read(public, base), cards[0]), (reader.read(public, base, [delta]), cards[1])):
        names = {name.decode() for name, _ in expected}
        assert said(held, names, held.made_s) == {name.decode() for name, listed in expected if listed}


def test_a_flipped_bit_anywhere_is_refused() -> None:
    base = snapshot({"card|51|S00000001", "card|51|S00000002"})
    delta = make_delta(HEAD._replace(epoch=2), source({"card|51|S00000001"}, {"card|51|S00000002"}), read_snapshot(base), KEY.sign)
    assert delta is not None
    assert reader.read(PUBLIC, base, [delta]).epoch == 2
    for place in range(len(base)):
        with pytest.raises(reader.Refused):
            reader.read(PUBLIC, flipped(base, place))
    for place in range(len(delta)):
        with pytest.raises(reader.Refused):
            reader.read(PUBLIC, base, [flipped(delta, place)])


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :]


@pytest.mark.parametrize("length", [0, 1, 63, 64, 100, 200])
def test_a_file_cut_short_is_refused(length: int) -> None:
    with pytest.raises(reader.Refused):
        reader.read(PUBLIC, snapshot({"card|51|S00000001"})[:length])


def test_another_ones_signature_is_refused() -> None:
    public, private = sm2_key_generate()
    data = snapshot({"card|51|S00000001"})
    with pytest.raises(reader.Refused):
        reader.read(public, data)
    with pytest.raises(reader.Refused):
        reader.read(PUBLIC, data[:-64] + HotlistKey(private, public).sign(data[:-64]))


def test_an_epoch_older_than_the_one_held_is_refused() -> None:
    old, new = snapshot({"card|51|S00000001"}), snapshot(set(), head=HEAD._replace(epoch=2, base_epoch=2))
    held = reader.read(PUBLIC, new, least_epoch=1)
    assert reader.read(PUBLIC, new, least_epoch=held.epoch).epoch == 2
    with pytest.raises(reader.Refused):
        reader.read(PUBLIC, old, least_epoch=held.epoch)


def test_a_delta_follows_what_is_held_or_is_refused() -> None:
    base, other = snapshot({"card|51|S00000001"}), snapshot(set(), head=HEAD._replace(epoch=4, base_epoch=4))
    held = read_snapshot(base)
    second = make_delta(HEAD._replace(epoch=2), source(set(), {"card|51|S00000001"}), held, KEY.sign)
    assert second is not None
    held.apply(second)
    third = make_delta(HEAD._replace(epoch=3), source({"card|51|S00000001"}), held, KEY.sign)
    assert said(reader.read(PUBLIC, base, [second, third]), {"card|51|S00000001"}) == {"card|51|S00000001"}
    for snapshot_held, deltas in ((base, [third]), (base, [second, second]), (other, [second]), (base, [base]), (second, [])):
        with pytest.raises(reader.Refused):
            reader.read(PUBLIC, snapshot_held, deltas)


def test_a_stale_list_still_refuses_the_listed_and_vouches_for_nobody() -> None:
    held = reader.read(PUBLIC, snapshot({"card|51|S00000001"}, {"card|51|S00000002"}))
    assert [held.answer("card|51|S00000002", NOW_S + age_s) for age_s in (86_399, 86_400)] == ["NOT_LISTED", "STALE"]
    assert held.answer("card|51|S00000001", NOW_S + 10**9) == "LISTED"


def test_the_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    key = open_hotlist_key(tmp_path)
    file = tmp_path / "hotlist-sm2.key"
    assert (open_hotlist_key(tmp_path), file.stat().st_mode & 0o777) == (key, 0o600)
    file.chmod(0o640)
    with pytest.raises(KeysExposed):
        open_hotlist_key(tmp_path)


# From a loss report to a gate


class Gates:
    """The hub's publisher, and a gate's back end that asks over gRPC."""

    def __init__(self, hub: RunningHub) -> None:
        self.hub, self.province, self.sichuan = hub, Province(hub, CHONGQING), Province(hub, SICHUAN)
        self.stub = hotlist_service_pb2_grpc.HotlistServiceStub(self.sichuan.channel)
        self.keyring, self.key = open_keyring(hub.data_dir / "keys"), open_hotlist_key(hub.data_dir / "keys")

    def tell(self, *events: event_pb2.Event) -> int:
        return self.province.tell("cq.card-center", *events)

    def publish(self, after_s: int = 3_600, **settings: Any) -> HotlistEntry:
        """Publishes the cards as they were so long after AT_S."""
        return publish(self.hub.dsn, self.keyring, self.key, reference.load(), (AT_S + after_s) * 1_000_000, **settings)

    def get(self, epoch: int = 0) -> tuple[hotlist_service_pb2.HotlistFile, bytes]:
        pieces = list(self.stub.GetHotlist(hotlist_service_pb2.GetHotlistRequest(epoch=epoch), timeout=DEADLINE_S))
        return pieces[0].file, b"".join(piece.chunk for piece in pieces)

    def deltas(self, from_epoch: int, follow: bool = False) -> Any:
        request = hotlist_service_pb2.StreamHotlistDeltasRequest(from_epoch=from_epoch, follow=follow)
        return self.stub.StreamHotlistDeltas(request, timeout=DEADLINE_S)

    def answers(self, *names: str) -> list[str]:
        """What a gate says that takes the newest snapshot and the deltas over it."""
        file, data = self.get()
        deltas = [answer.delta for answer in self.deltas(file.epoch)]
        held = reader.read(self.key.public, data, deltas, file.latest_epoch)
        return [held.answer(name, AT_S + 7_200) for name in names]


@pytest.fixture(scope="module")
def gates(shared_hub: RunningHub) -> Iterator[Gates]:
    gates = Gates(shared_hub)
    yield gates
    gates.province.channel.close()
    gates.sichuan.channel.close()


def released(card_no: str, at_s: int) -> event_pb2.Event:
    event = event_pb2.Event()
    event.occurred_at.seconds = at_s
    name_card(event.card, card_no, "50")
    event.loss_released.SetInParent()
    return event


def test_before_the_first_epoch_there_is_none(shared_hub: RunningHub) -> None:
    gates = Gates(shared_hub)
    for call in (gates.get, lambda: list(gates.deltas(1)), lambda: list(gates.deltas(2**63 - 1)), lambda: gates.get(2**63 - 1)):
        refusal = refused(call)
        assert (refusal.reason, refusal.metadata) == ("HOTLIST_EPOCH_UNKNOWN", {"latest_epoch": "0"})
        assert refusal.text.startswith("No hotlist is published yet")
    assert refused(lambda: list(gates.deltas(0))).reason == "REQUEST_INVALID"


def test_a_loss_is_on_the_next_epoch_and_a_release_off_the_one_after(gates: Gates) -> None:
    gates.tell(registered("A10000001"), registered("A10000002"), lost("A10000001"))
    first = gates.publish(as_snapshot=True)
    assert gates.answers("card|50|A10000001", "card|50|A10000002") == ["LISTED", "NOT_LISTED"]
    position = gates.tell(released("A10000001", AT_S + 120), registered("A10000003"), lost("A10000003"))
    second = gates.publish()
    assert gates.answers("card|50|A10000001", "card|50|A10000002", "card|50|A10000003") == ["NOT_LISTED", "NOT_LISTED", "LISTED"]
    assert (second.epoch, second.base_epoch, second.position >= position) == (first.epoch + 1, first.epoch, True)


def test_a_tap_is_answered_by_the_epoch_the_gate_holds(gates: Gates) -> None:
    """G4: lost at 10:00; who holds the list of 9:55 accepts at 10:20, who holds that of 10:15 refuses."""
    gates.tell(registered("A10000011"), lost("A10000011", at_s=AT_S + 600))
    gates.publish(300, as_snapshot=True)
    assert gates.answers("card|50|A10000011") == ["NOT_LISTED"]
    gates.publish(1_500)
    assert gates.answers("card|50|A10000011") == ["LISTED"]


def test_a_card_is_listed_under_every_name_a_gate_reads(gates: Gates) -> None:
    event = registered("A10000021")
    for kind, clear in (
        (references_pb2.CARD_IDENTIFIER_KIND_TRANSIT_CARD_NO, "3105840000000000021"),
        (references_pb2.CARD_IDENTIFIER_KIND_CARD_IDENT_CODE, "500199D1560000050000000000000021"),
    ):
        event.card_aliases.add(issuing_province="50", kind=kind, clear=clear)
    by_transit_no = lost("A10000021")
    by_transit_no.card.CopyFrom(event.card_aliases[0])
    gates.tell(event, by_transit_no)
    gates.publish(as_snapshot=True)
    names = ["card|50|A10000021", "transit|50|3105840000000000021", "ident|50|500199D1560000050000000000000021"]
    assert gates.answers(*names) == ["LISTED", "LISTED", "NOT_LISTED"]


def test_a_card_told_of_by_its_transit_number_alone_is_one_card(gates: Gates, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its number has no events of its own; pages of two cards end between such cards and others."""
    monkeypatch.setattr(hotlist_cards, "PAGE_CARDS", 2)
    for number in range(5):
        event = registered(f"A1000004{number}")
        event.card_aliases.add().CopyFrom(event.card)
        event.card.kind, event.card.clear = references_pb2.CARD_IDENTIFIER_KIND_TRANSIT_CARD_NO, f"310584000000000004{number}"
        gates.tell(event)
    gates.tell(lost("A10000041"), lost("A10000043"))
    entry = gates.publish(as_snapshot=True)
    for purpose, prefix in (("card", "A1000004"), ("transit", "310584000000000004")):
        answers = gates.answers(*(f"{purpose}|50|{prefix}{number}" for number in range(5)))
        assert answers == ["NOT_LISTED", "LISTED", "NOT_LISTED", "LISTED", "NOT_LISTED"]
    monkeypatch.undo()
    whole = gates.publish(as_snapshot=True)
    assert (entry.listed, entry.issued) == (whole.listed, whole.issued)


def test_the_event_names_the_file_and_deltas_are_resumed(gates: Gates) -> None:
    entries = [gates.publish(as_snapshot=True), gates.publish(), gates.publish()]
    file, data = gates.get(entries[2].epoch)
    assert (file.epoch, file.latest_epoch, file.size_bytes) == (entries[0].epoch, entries[2].epoch, len(data))
    assert [answer.file.epoch for answer in gates.deltas(entries[0].epoch)] == [entries[1].epoch, entries[2].epoch]
    assert [answer.file.epoch for answer in gates.deltas(entries[1].epoch)] == [entries[2].epoch]
    assert list(gates.deltas(entries[2].epoch)) == []
    recorded = [event.event.hotlist_published for event in journal(gates.hub.dsn) if event.kind == "hotlist_published"]
    assert [event.epoch for event in recorded] == list(range(1, entries[2].epoch + 1))
    assert [event.digest for event in recorded[-3:]] == [entry.digest for entry in entries]
    assert recorded[-3].digest == file.digest


def test_who_follows_gets_the_next_delta_and_is_told_of_a_new_snapshot(gates: Gates) -> None:
    base = gates.publish(as_snapshot=True)
    following = gates.deltas(base.epoch, follow=True)
    gates.publish()
    assert next(following).file.epoch == base.epoch + 1
    newer = gates.publish(as_snapshot=True)
    for call in (lambda: next(following), lambda: list(gates.deltas(base.epoch))):
        refusal = refused(call)
        assert (refusal.reason, refusal.metadata) == ("HOTLIST_EPOCH_OLD", {"snapshot_epoch": str(newer.epoch)})
    assert refused(lambda: list(gates.deltas(newer.epoch + 1))).reason == "HOTLIST_EPOCH_UNKNOWN"
    assert refused(lambda: gates.get(newer.epoch + 1)).reason == "HOTLIST_EPOCH_UNKNOWN"


def test_a_listed_card_whose_name_was_erased_is_counted(gates: Gates) -> None:
    gates.tell(registered("A10000031"), lost("A10000031"))
    before = gates.publish(as_snapshot=True)
    reported = [event.event for event in journal(gates.hub.dsn) if event.kind == "temporary_loss_reported"]
    with psycopg.connect(gates.hub.dsn, autocommit=True) as connection:
        connection.execute("SET ROLE hub_writer")
        assert erase_identifier(connection, reported[-1].card.key)
    assert gates.publish(as_snapshot=True).unlistable == before.unlistable + 1


def test_an_interrupted_build_leaves_nothing_that_counts(gates: Gates) -> None:
    latest = gates.publish(as_snapshot=True)
    with psycopg.connect(gates.hub.dsn, autocommit=True) as connection:
        connection.execute(
            """INSERT INTO hotlist.file SELECT epoch + 1, epoch + 1, position, made_at, 0, 0, 0, digest, 'half'
               FROM hotlist.file WHERE epoch = %s""",
            (latest.epoch,),
        )
        assert gates.get()[0].latest_epoch == latest.epoch
        connection.execute("SELECT pg_advisory_lock(hashtext('hub.hotlist'))")
        with pytest.raises(HotlistBuildUnderWay):
            gates.publish()
        connection.execute("SELECT pg_advisory_unlock(hashtext('hub.hotlist'))")
    following = gates.publish(refolds=True)
    assert [answer.file.epoch for answer in gates.deltas(latest.epoch)] == [following.epoch]


def test_the_command_publishes_and_prints_the_key(gates: Gates) -> None:
    def run(*arguments: str) -> list[str]:
        done = CliRunner().invoke(app, ["hotlist", *arguments], env=environment(gates.hub.dsn, gates.hub.data_dir), catch_exceptions=False)
        assert done.exit_code == 0
        return done.stdout.splitlines()

    made = json.loads(run("build", "--snapshot", "--json")[-1])
    assert gates.get()[0].digest.hex() == made["digest"]
    assert run("--public-key") == [gates.key.public.hex()]

"""Evidence bundles: what they prove, and that two checkers without common code refuse the same of them, by the same name."""

import base64
import dataclasses
import io
import json
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from chuanyu.exchange.v1 import event_pb2, receipts_pb2, references_pb2

from hub.audit import checker, verify
from hub.audit.bundle import IndexBehind, With, make
from hub.audit.bundle_file import Held, as_json, header, packed
from hub.audit.bundle_question import Question, RangeNotThere, of_card
from hub.audit.bundle_receipts import KEY_KINDS, ReceiptKeyMissing
from hub.audit.card_proofs import prove
from hub.audit.rule_archive import pack_version
from hub.audit.sealed import NotCosignedYet, cosigned_size, inclusion
from hub.bench.strangers import environment
from hub.bench.tampering.bundles import Members, records, repacked, unpacked
from hub.domain.errors import DecisionNotFound
from hub.domain.quarantine import QUARANTINE_FEED
from hub.domain.receipt_book import BOOK
from hub.projections import card_epochs
from hub.projections.views.card_alias import CARD_ALIAS
from hub.tlog import policy as policies
from hub.tlog.algorithms import ED25519, ED25519_COSIGNATURE
from hub.tlog.cosignatures import sign_note
from hub.tlog.note import SignerKey, encode64, parse
from hub.tlog.several import several
from hub.tlog.store import reader
from hub.trust.receipt_keys import ReceiptKeys
from tests.audit.changed_bundles import changed
from tests.audit.sealing import CARD, Logged, logged
from tests.databases import fresh_database

# A verdict within two seconds, where half of the machine is somebody else's.
VERDICT_CPU_S = 1.0
TODAY = "SELECT to_char(max(recorded_at) AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD') FROM journal.event"


class Scene:
    """A sealed log, its decision, and bundles by name; *quick* is a policy that takes one key of the log, so that many can be checked."""

    def __init__(self, log: Logged, decision: int) -> None:
        self.log, self.decision = log, decision
        (day,) = log.connection.execute(TODAY).fetchone() or ()
        self.questions = {
            "decision": log.about_decision(decision),
            "card": log.about_card(),
            "nobody": log.about_card("NOBODY"),
            "feed": Question("feed", feed="cq.usage", first=3, last=12),
            # A signed batch, and one without signature up to the card's event in the middle of it.
            "sent": Question("feed", feed="cq.usage", first=log.received[0][0] - 2, last=log.received[1][1] - 1),
            "range": Question("range", first=2, last=40),
            "day": Question("day", day=day),
            "day of a feed": Question("day", day=day, feed="cq.card-center"),
            "empty day": Question("day", day="2020-01-01"),
        }
        self.bundles = {name: log.bundle(question) for name, question in self.questions.items()}
        self.quick = log.policy_of(log.signers[0])

    def members(self, name: str) -> Members:
        """The members of a bundle, to be changed."""
        return unpacked(self.bundles[name])


@pytest.fixture(scope="module")
def scene(server_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One log for all tests: none changes it."""
    with (
        fresh_database(server_dsn, f"hub_bundles_{os.getpid()}") as dsn,
        logged(dsn, tmp_path_factory.mktemp("keys")) as (log, decision),
    ):
        yield Scene(log, decision)


def refusals(bundle: bytes, policy: bytes | None) -> tuple[str, str]:
    """By what name each of the two refuses a bundle, "" where it takes it."""
    try:
        verify.verify(io.BytesIO(bundle), policy, lambda _zh, _en: None)
        ours = ""
    except verify.Refused as refused:
        ours = refused.name
    try:
        checker.check(io.BytesIO(bundle), policy)
        theirs = ""
    except checker.BundleRefused as refused:
        theirs = refused.name
    return ours, theirs


def refused(bundle: bytes, policy: bytes | None) -> str:
    """The name by which both refuse it."""
    ours, theirs = refusals(bundle, policy)
    assert ours == theirs
    return ours


EVERY = ("decision", "card", "nobody", "feed", "sent", "range", "day", "day of a feed", "empty day")


@pytest.mark.parametrize("name", EVERY)
def test_a_bundle_is_verified_under_a_policy_from_elsewhere_and_else_consistent_with_itself(scene: Scene, name: str) -> None:
    lines: list[str] = []
    bundle = scene.bundles[name]
    assert verify.verify(io.BytesIO(bundle), scene.log.policy, lambda _zh, en: lines.append(en)) == verify.VERIFIED
    assert "SM2 with SM3" in lines[0] and "ML-DSA-44" in lines[0] and lines[1].startswith("cosigned by 2")
    assert verify.verify(io.BytesIO(bundle), None, lambda _zh, _en: None) == verify.SELF_CONSISTENT
    outside, inside = (checker.check(io.BytesIO(bundle), policy) for policy in (scene.log.policy, None))
    assert (outside.is_trusted, inside.is_trusted, set(outside.witnesses)) == (True, False, {"witness04.test", "witness06.test"})


def test_the_same_question_gives_the_same_bytes(scene: Scene) -> None:
    assert [scene.log.bundle(question) for question in scene.questions.values()] == list(scene.bundles.values())


def test_proofs_lead_to_the_newest_checkpoint_that_the_policy_takes(scene: Scene) -> None:
    log = scene.log
    (size,) = log.connection.execute("SELECT max(size) FROM tlog.checkpoint").fetchone() or (0,)
    sizes = {json.loads(scene.members(name)["bundle.json"])["size"] for name in EVERY}
    assert sizes == {size - 1}
    file = io.BytesIO()
    alone, strange = log.policy_of(log.signers[0], quorum="none"), log.policy_of(SignerKey.make(log.log.origin, ED25519))
    assert make(log.connection, scene.questions["feed"], With(alone, log.receipt_keys), file).tree_size == size
    with pytest.raises(NotCosignedYet):
        make(log.connection, scene.questions["feed"], With(strange, log.receipt_keys), io.BytesIO())


def test_a_proof_for_others_leads_to_the_newest_checkpoint_with_a_witness_that_has_the_event(scene: Scene) -> None:
    connection = scene.log.connection
    (size,) = connection.execute("SELECT max(size) FROM tlog.checkpoint").fetchone() or (0,)
    cosigned = json.loads(scene.members("range")["bundle.json"])["size"]
    assert [cosigned_size(connection, position) for position in (2, cosigned - 1, cosigned)] == [cosigned, cosigned, 0]
    proof, _leaf = inclusion(connection, 2, cosigned_size(connection, 2))
    assert policies.parse(scene.log.policy).judge(proof.note).checkpoint.size == cosigned
    unseen, _leaf = inclusion(connection, cosigned, cosigned_size(connection, cosigned))
    assert unseen.checkpoint.size == size == cosigned + 1


def test_a_bundle_shows_what_was_asked_for_and_of_the_rest_only_headers(scene: Scene) -> None:
    found = {name: checker.check(io.BytesIO(bundle), None) for name, bundle in scene.bundles.items()}
    assert found["card"].opened == found["card"].entries > 20
    # The decision itself, its rules and the root of the index are open; later uses of the card, looks and other answers are not.
    headers = found["decision"].entries - found["decision"].opened
    assert headers == 2
    assert (found["nobody"].entries, found["empty day"].opened) == (1, 0)
    assert found["feed"].entries == 10


def test_a_clear_identifier_is_in_no_bundle(scene: Scene) -> None:
    assert all(CARD.encode() not in bundle for bundle in scene.bundles.values())


@pytest.mark.parametrize("name", EVERY)
def test_a_flipped_bit_is_refused_wherever_it_counts(scene: Scene, name: str) -> None:
    bundle, chance = scene.bundles[name], random.Random(name)
    for _ in range(60):
        at = chance.randrange(len(bundle))
        changed = bytearray(bundle)
        changed[at] ^= 1 << chance.randrange(8)
        ours, theirs = refusals(bytes(changed), scene.quick)
        assert bool(ours) == bool(theirs), (at, ours, theirs)
        if not ours:
            # The policy inside does not count where there is one from elsewhere, nor does a line of a key that it does not have.
            here, there = unpacked(bytes(changed)), scene.members(name)
            assert {one for one in there if here[one] != there[one]} <= {"policy", "checkpoint", *(x for x in there if x.endswith(".note"))}


def test_a_bundle_that_is_cut_anywhere_is_refused(scene: Scene) -> None:
    bundle = scene.bundles["feed"]
    cuts = {refused(bundle[:end], scene.quick) for end in range(0, len(bundle), 331)}
    assert cuts <= {"TAR_TRUNCATED", "MEMBER_MISSING"}


def odd_header(**says: object) -> bytes:
    """A header that the hub never writes, before the rest of a bundle."""
    one = tarfile.TarInfo("bundle.json")
    one.size = 4
    for field, value in says.items():
        setattr(one, field, value)
    return one.tobuf(tarfile.GNU_FORMAT) + b"{}\n\n" + bytes(508)


@pytest.mark.parametrize(
    ("name", "bundle"),
    [
        ("TAR_LINK", odd_header(type=tarfile.SYMTYPE, linkname="/etc/passwd", size=0)),
        ("TAR_LINK", odd_header(type=tarfile.LNKTYPE, linkname="genesis", size=0)),
        ("TAR_DEVICE", odd_header(type=tarfile.CHRTYPE, size=0)),
        ("TAR_DEVICE", odd_header(type=tarfile.FIFOTYPE, size=0)),
        ("TAR_SPARSE", odd_header(type=tarfile.GNUTYPE_SPARSE)),
        ("TAR_HEADER", b"c2sp.org/tlog-proof@v1\n".ljust(512, b"/")),
        ("TAR_CLIMBS", odd_header(name="../bundle.json")),
        ("TAR_CLIMBS", odd_header(name="/bundle.json")),
        ("TAR_HEADER", odd_header(mtime=1)),
        ("TAR_HEADER", odd_header(uname="root")),
        ("TAR_HEADER", odd_header(type=tarfile.DIRTYPE)),
        ("TAR_EMPTY_MEMBER", odd_header(size=0)),
        ("TAR_EMPTY_MEMBER", b"".join(header(f"entries/{number:06d}", 0) for number in range(1000))),
        ("TAR_TOO_LARGE", header("bundle.json", (1 << 28) + 1)),
        ("TAR_COMPRESSED", b"\x1f\x8b\x08" + bytes(600)),
        ("TAR_TRUNCATED", b""),
        ("MEMBER_MISSING", bytes(1 << 20)[:1024]),
        ("TAR_TRAILING", bytes(1 << 20)),
        ("MANIFEST_MALFORMED", odd_header().replace(b"ustar  \0", b"ustar\x0000")),
    ],
)
def test_a_tar_that_the_hub_does_not_write_is_refused_by_name(scene: Scene, name: str, bundle: bytes) -> None:
    if name == "MANIFEST_MALFORMED":
        bundle = header("bundle.json", 4) + b"{}\n\n" + bytes(508) + bytes(1024)
    assert refused(bundle, scene.quick) == name


def test_a_member_that_is_there_twice_or_beside_is_refused(scene: Scene) -> None:
    bundle = scene.bundles["feed"]
    one = header("genesis", 1) + b"x" + bytes(511)
    assert refused(bundle[:-1024] + one + bytes(1024), scene.quick) == "TAR_DOUBLED"
    stranger = header("rules/more", 1) + b"x" + bytes(511)
    assert refused(bundle[:-1024] + stranger + bytes(1024), scene.quick) == "RULES_DIFFER"
    assert refused(bundle[:-1024] + header("zzz", 1) + b"x" + bytes(511) + bytes(1024), scene.quick) == "MEMBER_UNKNOWN"
    members = scene.members("feed")
    assert refused(repacked({"genesis": members.pop("genesis"), **members}), scene.quick) == "MEMBER_MISSING"


def test_a_checkpoint_without_its_path_or_a_path_without_its_checkpoint_is_refused_by_one_name(scene: Scene) -> None:
    members = scene.members("range")
    note, path = sorted(name for name in members if name.startswith("checkpoints/"))
    for lost in (note, path):
        left = {name: data for name, data in members.items() if name != lost}
        assert refused(repacked(left), scene.quick) == "MEMBER_UNKNOWN"


def test_of_which_log_a_bundle_is_comes_before_who_signed_it(scene: Scene) -> None:
    members = scene.members("day of a feed")
    _, size, root, rest = members["checkpoint"].split(b"\n", 3)
    members["checkpoint"] = b"\n".join((b"other.test/1", size, root, rest))
    assert refused(repacked(members), scene.quick) == "ORIGIN_DIFFERS"


@pytest.mark.parametrize("first", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(100, 10_000, 100))])
def test_what_one_checker_refuses_the_other_refuses_by_the_same_name(scene: Scene, first: int) -> None:
    for seed in range(first, first + 100):
        draw = random.Random(seed)
        name, other, policy = draw.choice(EVERY), draw.choice(EVERY), scene.quick if draw.random() < 0.85 else None
        found = refusals(repacked(changed(scene.members(name), scene.members(other), draw)), policy)
        assert found[0] == found[1], (seed, name)


def edited(members: Members, name: str, change: Callable[[dict[str, object]], object]) -> bytes:
    said = json.loads(members[name])
    change(said)
    return repacked({**members, name: as_json(said)})


def with_question(members: Members, **says: object) -> bytes:
    return edited(members, "bundle.json", lambda said: said["question"].update(says))  # type: ignore[attr-defined]


def test_an_unknown_format_and_a_manifest_that_says_more_are_refused(scene: Scene) -> None:
    members = scene.members("feed")
    assert refused(edited(members, "bundle.json", lambda said: said.update(format="chuanyu-bundle/3")), scene.quick) == "FORMAT_UNKNOWN"
    assert refused(edited(members, "bundle.json", lambda said: said.update(more=1)), scene.quick) == "MANIFEST_MALFORMED"
    assert refused(edited(members, "bundle.json", lambda said: said.update(size=1)), scene.quick) == "ORIGIN_DIFFERS"
    spaced = members["bundle.json"].replace(b":", b": ", 1)
    assert refused(repacked({**members, "bundle.json": spaced}), scene.quick) == "MANIFEST_MALFORMED"
    assert refused(with_question(members, about="all"), scene.quick) == "QUESTION_UNKNOWN"


def test_a_bundle_of_another_hub_is_refused(scene: Scene) -> None:
    other = SignerKey.make("other.chuanyu/1", ED25519).verifier.text
    assert refused(scene.bundles["card"], f"log {other}\nquorum none\n".encode()) == "LOG_UNKNOWN"
    members = scene.members("card")
    assert refused(repacked({**members, "genesis": members["genesis"].replace(b"test.", b"text.")}), scene.quick) == "ORIGIN_DIFFERS"
    assert refused(repacked({**members, "genesis": members["genesis"].replace(b"hub ", b"hub 0")}), scene.quick) == "ROOT_DIFFERS"


def test_another_key_of_the_log_and_forged_and_missing_lines_are_refused(scene: Scene) -> None:
    log, members = scene.log, scene.members("card")
    stolen = SignerKey.make(log.log.origin, ED25519)
    assert refused(scene.bundles["card"], log.policy_of(stolen)) == "LOG_SIGNATURE_MISSING"
    note = parse(members["checkpoint"])
    fewer = dataclasses.replace(note, signatures=note.signatures[:-1]).format()
    assert refused(repacked({**members, "checkpoint": fewer}), scene.quick) == "QUORUM_MISSED"
    # A line that names the witness and is of another checkpoint.
    forged = sign_note(log.witnesses[1], "test.chuanyu/1\n5\n" + encode64(bytes(32)) + "\n", 7)
    other = dataclasses.replace(note, signatures=(*note.signatures[:-1], forged)).format()
    assert refused(repacked({**members, "checkpoint": other}), scene.quick) == "SIGNATURE_WRONG"
    assert refused(repacked({**members, "checkpoint": members["checkpoint"].replace(b"\n", b"\r\n", 1)}), scene.quick) == "NOTE_MALFORMED"


def with_size(note: bytes, size: bytes) -> bytes:
    """A checkpoint whose second line says another size."""
    origin, _, rest = note.split(b"\n", 2)
    return b"\n".join((origin, size, rest))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda note: note.replace(b"\n", b"\r\n"),
        lambda note: note.replace(b"chuanyu", b"chuan\tyu", 1),
        lambda note: note[:-1],
        lambda note: note + note.splitlines(keepends=True)[-1] * (17 - note.count("—".encode())),
        lambda note: with_size(note, b"0" + note.split(b"\n")[1]),
        lambda note: with_size(note, b"%d" % (1 << 63)),
        lambda note: note.replace(b"chuanyu", b"chuan\xffyu", 1),
    ],
    ids=["CR", "tab", "no final newline", "17 signatures", "leading zero", "size from 2^63 on", "no UTF-8"],
)
def test_a_checkpoint_that_is_none_is_refused(scene: Scene, spoil: Callable[[bytes], bytes]) -> None:
    members = scene.members("card")
    assert refused(repacked({**members, "checkpoint": spoil(members["checkpoint"])}), scene.quick) == "NOTE_MALFORMED"


@pytest.mark.parametrize("which", [0, 1], ids=["Ed25519", "ML-DSA-44"])
def test_a_witness_whose_time_is_from_2_to_the_63_on_is_refused(scene: Scene, which: int) -> None:
    members, witness = scene.members("card"), scene.log.witnesses[which]
    note = parse(members["checkpoint"])
    others = tuple(line for line in note.signatures if line.key_id != witness.verifier.key_id)
    late = dataclasses.replace(note, signatures=(*others, sign_note(witness, note.text, 1 << 63))).format()
    assert refused(repacked({**members, "checkpoint": late}), scene.quick) == "SIGNATURE_WRONG"


def test_an_earlier_checkpoint_is_of_this_incarnation_and_its_path_is_short(scene: Scene) -> None:
    members = scene.members("decision")
    name = next(one for one in members if one.endswith(".note"))
    path = name.replace(".note", ".path")
    assert refused(repacked({**members, path: bytes(32 * 64)}), scene.quick) == "CONSISTENCY_WRONG"
    before = members[name].replace(b"test.chuanyu/1", b"test.chuanyu/0", 1)
    assert refused(repacked({**members, name: before}), scene.quick) == "ORIGIN_DIFFERS"


@pytest.mark.parametrize(
    "policy",
    [
        "quorum none",
        "log nobody\nquorum none\n",
        "group g any w\nquorum g\n",
        "witness w {w}\nwitness v {w}\nquorum w\n",
        "witness w {w}\ngroup g 2 w\nquorum g\n",
        "witness w {w}\nquorum w\nquorum w\n",
        "witness w {w}\n",
        "quorum none\r\n",
        "log {w}\nquorum none\n",
        "log {log}\nwitness own {own}\nquorum own\n",
        "witness own {own}\nlog {log}\nquorum own\n",
        "witnesses {w}\nquorum none\n",
    ],
)
def test_a_policy_that_is_none_is_refused(scene: Scene, policy: str) -> None:
    log = scene.log.signers[0]
    own = SignerKey("own.example", ED25519_COSIGNATURE, log.private)
    text = policy.format(w=scene.log.witnesses[0].verifier.text, log=log.verifier.text, own=own.verifier.text)
    assert refused(scene.bundles["card"], text.encode()) == "POLICY_MALFORMED"


def test_one_witness_with_two_keys_is_one_for_both_checkers_in_words_and_in_number(scene: Scene) -> None:
    members, (first, second) = scene.members("card"), scene.log.witnesses
    again = SignerKey.make(first.name, ED25519_COSIGNATURE)
    note = parse(members["checkpoint"])
    bundle = repacked({**members, "checkpoint": note.with_lines([sign_note(again, note.text, 7)]).format()})
    keys = {"a": first, "b": again, "c": second}
    known = [f"log {scene.log.signers[0].verifier.text}", *(f"witness {name} {key.verifier.text}" for name, key in keys.items())]

    def policy(*more: str) -> bytes:
        return "\n".join([*known, *more, ""]).encode()

    said: list[str] = []
    assert verify.verify(io.BytesIO(bundle), policy("quorum a"), lambda _zh, en: said.append(en)) == verify.VERIFIED
    assert said[1].startswith(f"cosigned by 2: {first.name} 1970-01-01T00:00:07Z, {second.name} ")
    found = checker.check(io.BytesIO(bundle), policy("quorum a"))
    assert (found.witnesses[first.name], f"cosigned by 2: {first.name}, {second.name}" in found.said[0][1]) == (7, True)
    assert refusals(bundle, policy("group two 2 a b c", "quorum two")) == ("", "")
    alone = repacked({**members, "checkpoint": without(bundle, second)})
    assert refused(alone, policy("group two 2 a b c", "quorum two")) == "QUORUM_MISSED"
    assert refusals(alone, policy("group both all a b", "quorum both")) == ("", "")


def without(bundle: bytes, witness: SignerKey) -> bytes:
    """The checkpoint of a bundle without a witness's line."""
    note = parse(unpacked(bundle)["checkpoint"])
    return dataclasses.replace(note, signatures=tuple(one for one in note.signatures if one.name != witness.name)).format()


def rotated(scene: Scene, *limits: tuple[SignerKey, str, int]) -> bytes:
    """A policy in which each witness has had three keys, and the log two, with the sizes from and until which some of them count."""
    log = scene.log
    later = [SignerKey.make(f"witness{number}.test", ED25519_COSIGNATURE) for number in range(4)]
    lines = [f"log {key.verifier.text}" for key in (*log.signers, SignerKey.make(log.log.origin, ED25519))]
    lines += [f"witness w{number} {key.verifier.text}" for number, key in enumerate((*log.witnesses, *later))]
    lines += ["group first any w0 w2 w3", "group second any w1 w4 w5", "group both all first second", "quorum both"]
    lines += [f"#!{what} {key.name}+{key.verifier.key_id.hex()} {size}" for key, what, size in limits]
    return "\n".join([*lines, ""]).encode()


def test_keys_are_rotated_twice_and_the_oldest_bundle_is_verified_still(scene: Scene) -> None:
    bundle, log = scene.bundles["card"], scene.log
    size = json.loads(scene.members("card")["bundle.json"])["size"]
    ended = [(key, "until", size + 1) for key in (*log.witnesses, *log.signers)]
    assert refusals(bundle, rotated(scene, *ended)) == ("", "")
    assert refusals(bundle, rotated(scene, *((key, "from", size) for key in log.witnesses))) == ("", "")
    # What they sign from then on counts no more; nor does a key count before it was taken up.
    assert refused(bundle, rotated(scene, (log.witnesses[0], "until", size))) == "QUORUM_MISSED"
    assert refused(bundle, rotated(scene, (log.witnesses[1], "from", size + 1))) == "QUORUM_MISSED"
    assert refused(bundle, rotated(scene, *((key, "until", size) for key in log.signers))) == "LOG_KEY_ENDED"
    assert refusals(bundle, rotated(scene, *((key, "until", size) for key in log.signers[1:]))) == ("", "")


@pytest.mark.parametrize(
    "line",
    ["#!until {w} 0", "#!until {w} 07", "#!until {w}", "#!until w0 7", "#!until {w} 9223372036854775808", "#!from {w} 7\n#!from {w} 8",
     "#!from {w} 7\n#!until {w} 7", "#!to {w} 7", "#!until nobody+00000000 7"],
)  # fmt: skip
def test_a_limit_of_a_key_that_is_none_is_refused(scene: Scene, line: str) -> None:
    key = scene.log.witnesses[0]
    said = line.format(w=f"{key.name}+{key.verifier.key_id.hex()}")
    assert refused(scene.bundles["card"], scene.log.policy + said.encode() + b"\n") == "POLICY_MALFORMED"


def with_records(members: Members, held: list[Held]) -> bytes:
    return repacked({**members, "entries/000000": b"".join(map(packed, held))})


def test_the_content_of_another_event_behind_a_valid_proof_is_refused(scene: Scene) -> None:
    members = scene.members("range")
    held = records(members)
    swapped = [held[0]._replace(content=held[1].content), held[1]._replace(content=held[0].content), *held[2:]]
    assert refused(with_records(members, swapped), scene.quick) == "CONTENT_DIFFERS"
    closed = [held[0]._replace(content=None), *held[1:]]
    assert refused(with_records(members, closed), scene.quick) == "CONTENT_MISSING"
    blind, occurred_us, data = held[5].content or (b"", 0, b"")
    later = [*held[:5], held[5]._replace(content=(blind, occurred_us + 1, data)), *held[6:]]
    assert refused(with_records(members, later), scene.quick) == "CONTENT_DIFFERS"


def test_a_hash_does_not_open_to_other_data_by_a_blind_of_another_length(scene: Scene) -> None:
    members = scene.members("range")
    held = records(members)
    at, (blind, occurred_us, data) = next((at, one.content) for at, one in enumerate(held) if one.content and one.content[0])
    opened = blind + occurred_us.to_bytes(8, "big", signed=True) + data
    assert len(blind) == 16
    for width in (0, 15, 17, 40):
        moved = opened[:width], int.from_bytes(opened[width : width + 8], "big", signed=True), opened[width + 8 :]
        changed = [*held[:at], held[at]._replace(content=moved), *held[at + 1 :]]
        assert refused(with_records(members, changed), scene.quick) == "ENTRY_MALFORMED"


def test_one_witness_that_lies_about_its_time_does_not_say_when_all_was_recorded(scene: Scene) -> None:
    members, lines = scene.members("range"), list[str]()
    note = parse(members["checkpoint"])
    lying = sign_note(scene.log.witnesses[0], note.text, 5)
    others = [one for one in note.signatures if one.key_id != lying.key_id]
    bundle = repacked({**members, "checkpoint": dataclasses.replace(note, signatures=(*others, lying)).format()})
    assert verify.verify(io.BytesIO(bundle), scene.quick, lambda _zh, en: lines.append(en)) == verify.VERIFIED
    said = [line for line in lines if "all of it was recorded" in line]
    assert len(said) == 1 and "1970" not in said[0]


def test_rows_dropped_swapped_and_from_another_time_are_refused(scene: Scene) -> None:
    members = scene.members("range")
    held = records(members)
    assert refused(with_records(members, [held[0], *held[2:]]), scene.quick) == "RANGE_INCOMPLETE"
    assert refused(with_records(members, [held[1], held[0], *held[2:]]), scene.quick) == "RANGE_INCOMPLETE"
    assert refused(with_records(members, [*held, held[-1]]), scene.quick) == "ENTRIES_DISORDERED"
    beyond = held[-1].entry[:1] + json.loads(members["bundle.json"])["size"].to_bytes(8, "big") + held[-1].entry[9:]
    assert refused(with_records(members, [*held[:-1], Held(beyond, held[-1].content)]), scene.quick) == "ENTRIES_DISORDERED"
    back = held[3].entry[:9] + bytes(8) + held[3].entry[17:]
    assert refused(with_records(members, [*held[:3], Held(back, held[3].content), *held[4:]]), scene.quick) == "TIME_GOES_BACK"
    renamed = held[3].entry.replace(b"cq.card-center", b"sc.card-center")
    assert refused(with_records(members, [*held[:3], Held(renamed, held[3].content), *held[4:]]), scene.quick) == (
        "ROOT_DIFFERS" if renamed != held[3].entry else ""
    )
    assert refused(repacked({**members, "proof": members["proof"][:-32]}), scene.quick) == "ROOT_DIFFERS"
    assert refused(repacked({**members, "proof": members["proof"] + bytes(32)}), scene.quick) == "ROOT_DIFFERS"


def test_a_question_that_the_entries_do_not_answer_is_refused(scene: Scene) -> None:
    feed, whole, day = scene.members("feed"), scene.members("range"), scene.members("day of a feed")
    assert refused(with_question(feed, last=13), scene.quick) == "FEED_INCOMPLETE"
    assert refused(with_question(feed, feed="sc.usage"), scene.quick) == "QUESTION_DIFFERS"
    assert refused(with_question(whole, last=41), scene.quick) == "RANGE_INCOMPLETE"
    # Position 0 is the genesis: no window begins before the log does.
    assert refused(with_question(whole, first=0), scene.quick) == "QUESTION_DIFFERS"
    assert refused(with_question(feed, first=0), scene.quick) == "FEED_INCOMPLETE"
    assert refused(with_question(day, day="2020-01-01"), scene.quick) in {"DAY_INCOMPLETE", "QUESTION_DIFFERS"}
    assert refused(with_question(scene.members("empty day"), day="2020-1-1"), scene.quick) == "QUESTION_DIFFERS"


def test_a_decision_that_is_shifted_is_refused(scene: Scene) -> None:
    members, question = scene.members("decision"), scene.questions["decision"]
    assert refused(with_question(members, as_of=question.as_of - 1), scene.quick) == "DECISION_DIFFERS"
    assert refused(with_question(members, position=question.position - 1), scene.quick) == "QUESTION_DIFFERS"
    assert refused(with_question(members, rules=0), scene.quick) == "QUESTION_DIFFERS"
    # The proofs of the card's other decision, under the name of this one.
    assert refused(with_question(scene.members("card") | {}, about="decision"), scene.quick) == "QUESTION_UNKNOWN"


def test_the_rules_of_a_decision_come_by_their_digest(scene: Scene) -> None:
    archive = bytes(scene.log.connection.execute("SELECT archive FROM journal.rule_version").fetchone()[0])  # type: ignore[index]
    bundle = scene.log.bundle(scene.questions["decision"], archive)
    assert refusals(bundle, scene.quick) == ("", "")
    members = unpacked(bundle)
    assert refused(repacked({**members, "rules/archive.zip": archive + b"\0"}), scene.quick) == "RULES_DIFFER"
    assert pack_version() == archive


def forged(scene: Scene, drop: int = 0) -> bytes:
    """A bundle about the card, made by a hub that leaves one of its events out, with valid proofs for all others."""
    log = scene.log
    members = scene.members("card")
    indexed = {name: json.loads(data) for name, data in members.items() if name.startswith("index/")}
    for said in indexed.values():
        said["positions"] = [position for position in said["positions"] if position != drop]
    held = [one for one in records(members) if int.from_bytes(one.entry[1:9], "big") != drop]
    positions = [int.from_bytes(one.entry[1:9], "big") for one in held]
    manifest = json.loads(members["bundle.json"]) | {"entries": len(held)}
    runs = [(0, 1), *((position, position + 1) for position in positions)]
    proof = b"".join(several(runs, manifest["size"], reader(log.connection, log.log.number)))
    changed = {**members, **{name: as_json(said) for name, said in indexed.items()}, "bundle.json": as_json(manifest), "proof": proof}
    return with_records(changed, held)


def test_an_event_that_the_card_index_has_cannot_be_left_out(scene: Scene) -> None:
    members = scene.members("card")
    positions = max((json.loads(members[one])["positions"] for one in members if one.startswith("index/")), key=len)
    assert refusals(forged(scene), scene.quick) == ("", "")
    for position in positions:
        assert refused(forged(scene, drop=position), scene.quick) == "CARD_INCOMPLETE"


@pytest.mark.parametrize("name", ["card", "decision"])
def test_no_identifier_of_a_card_may_be_left_out(scene: Scene, name: str) -> None:
    members, card = scene.members(name), scene.log.about_card().card.hex()
    keys = json.loads(members["bundle.json"])["question"]["keys"]
    assert len(keys) == 2
    alone = {one: data for one, data in members.items() if not one.startswith("index/") or json.loads(data)["key"] == card}
    assert refused(with_question(alone, keys=[f"card:{card}"]), scene.quick) == "IDENTIFIER_MISSING"
    assert refused(with_question(scene.members("card"), card="00" * 32), scene.quick) == "QUESTION_DIFFERS"
    assert refused(with_question(scene.members("card"), card=""), scene.quick) == "QUESTION_DIFFERS"


def test_there_is_none_is_no_way_to_hide_a_card(scene: Scene) -> None:
    log, members = scene.log, scene.members("nobody")
    epoch = card_epochs.newest(log.connection)
    assert epoch is not None
    key = log.about_card().card
    proof = prove(log.connection, epoch, "card", key)
    hidden = as_json(proof.said | {"positions": []})
    others = {name: data for name, data in members.items() if not name.startswith("index/")}
    order = [name for name in others if not name.startswith("entries/")]
    manifest = json.loads(others["bundle.json"])
    manifest["question"] |= {"keys": [f"card:{key.hex()}"], "card": key.hex()}
    built = {name: others[name] for name in order} | {f"index/{proof.name.hex()}": hidden, "entries/000000": others["entries/000000"]}
    assert refused(repacked({**built, "bundle.json": as_json(manifest)}), scene.quick) == "CARD_INCOMPLETE"


def test_a_decision_comes_with_the_record_of_its_own_card(scene: Scene) -> None:
    log, members, other = scene.log, scene.members("decision"), scene.members("nobody")
    ((name, index),) = [(name, data) for name, data in other.items() if name.startswith("index/")]
    kept = {scene.decision, scene.questions["decision"].rules, json.loads(index)["published"]}
    held = [one for one in records(members) if int.from_bytes(one.entry[1:9], "big") in kept]
    assert len(held) == len(kept)
    manifest = json.loads(members["bundle.json"]) | {"entries": len(held)}
    manifest["question"]["keys"] = json.loads(other["bundle.json"])["question"]["keys"]
    runs = [(0, 1), *((position, position + 1) for position in sorted(kept))]
    proof = b"".join(several(runs, manifest["size"], reader(log.connection, log.log.number)))
    order = [one for one in members if not one.startswith(("index/", "entries/"))]
    changed = {**{one: members[one] for one in order}, "bundle.json": as_json(manifest), "proof": proof, name: index}
    assert refused(with_records(changed, held), scene.quick) == "QUESTION_DIFFERS"


def test_numbers_and_names_that_are_none_are_refused_by_name(scene: Scene) -> None:
    card, decision = scene.members("card"), scene.members("decision")
    name = next(one for one in card if one.startswith("index/"))
    for change in ({"positions": [float("inf")]}, {"published": float("inf")}, {"published": float("nan")}, {"positions": 10**400}):
        assert refused(edited(card, name, lambda said: said.update(change)), scene.quick) == "INDEX_MALFORMED"  # noqa: B023
    for position in (0, -1, 10**30):
        assert refused(with_question(decision, position=position), scene.quick) == "QUESTION_DIFFERS"
    for about in ([], {}, None, 7):
        assert refused(with_question(card, about=about), scene.quick) == "QUESTION_UNKNOWN"
    key = scene.log.witnesses[0].verifier.text.encode()
    assert refused(scene.bundles["card"], b"log \xff" + key + b"\nquorum none\n") == "POLICY_MALFORMED"


# Receipts


def items_of(members: Members) -> list[dict[str, Any]]:
    return list(json.loads(members["receipts/000000"])["receipts"])


def with_items(members: Members, items: list[dict[str, Any]]) -> bytes:
    return repacked({**members, "receipts/000000": as_json({"receipts": items})})


def test_a_bundle_has_the_receipt_of_each_batch_and_its_senders_signature(scene: Scene) -> None:
    first, second = scene.log.received
    before, signed, unsigned = items_of(scene.members("sent"))
    assert (before["first"], before["last"], before["lost"]) == (first[0] - 2, first[0] - 1, "")
    assert [(one["sender"] or {}).get("key") for one in (signed, unsigned)] == [scene.log.sender.id, None]
    numbers = [re.findall("numbers (.*)", one["text"])[0] for one in (signed, unsigned)]
    assert numbers == [f"{one}-{last}" for one, last in (first, second)]
    lines = [en for _, en in checker.check(io.BytesIO(scene.bundles["sent"]), scene.quick).said]
    assert "2 receipts, signed by their senders: urn:chuanyu:participant:cq.card-center" in lines
    # Of a card alone only its own events are shown, not the last of their batches.
    assert {tuple(one) for one in items_of(scene.members("decision"))} >= {("sender", "signature", "text")}


def other(text: str) -> str:
    """Base64 of a signature with another bit."""
    data = bytearray(base64.b64decode(text))
    data[5] ^= 1
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("RECEIPT_MISSING", lambda items, _log: items[:1]),
        ("RECEIPT_MISSING", lambda items, _log: items[1:]),
        ("RECEIPT_MISSING", lambda items, log: [items[0] | {"last": log.received[0][1]}, items[2]]),
        ("RECEIPT_MISSING", lambda items, log: [items[0] | {"last": log.received[0][1], "lost": log.receipt_keys.newest.id}, items[2]]),
        ("RECEIPT_WRONG", lambda items, _log: [items[0], items[1] | {"signature": other(items[1]["signature"])}, items[2]]),
        ("RECEIPT_WRONG", lambda items, _log: [*items[:2], items[2] | {"signature": items[1]["signature"]}]),
        ("RECEIPT_DIFFERS", lambda items, log: [*items[:2], signed_again(log, items[2], "positions .*", "positions 1-3")]),
        ("RECEIPT_DIFFERS", lambda items, log: [items[0], signed_again(log, items[1], "events .", "events e"), items[2]]),
        ("RECEIPT_DIFFERS", lambda items, log: [items[0], signed_again(log, items[1], "log test", "log text"), items[2]]),
        ("RECEIPT_DIFFERS", lambda items, log: [items[0], signed_again(log, items[1], "recorded 2", "recorded 1"), items[2]]),
        ("RECEIPT_DIFFERS", lambda items, log: [signed_again(log, items[1], "feed cq", "feed aq"), *items]),
        ("RECEIPT_KEY_MISSING", lambda items, log: [*items[:2], signed_again(log, items[2], "key .*", "key 0123456789abcdef")]),
        ("RECEIPT_MALFORMED", lambda items, log: [*items[:2], signed_again(log, items[2], "numbers ", "numbers 0")]),
        ("RECEIPT_MALFORMED", lambda items, _log: [items[0], items[2], items[1]]),
        ("RECEIPT_MALFORMED", lambda items, _log: [*items[:2], items[2] | {"signature": "AB=="}]),
        ("RECEIPT_MALFORMED", lambda items, _log: [*items[:2], items[2] | {"more": 1}]),
        ("RECEIPT_MALFORMED", lambda items, _log: [items[0] | {"first": 0}, *items[1:]]),
        ("SENDER_WRONG", lambda items, _log: [items[0], items[1] | {"sender": None}, items[2]]),
        ("SENDER_WRONG", lambda items, _log: [*items[:2], items[2] | {"sender": items[1]["sender"]}]),
    ],
)
def test_a_receipt_that_is_missing_forged_or_of_another_batch_is_refused(scene: Scene, name: str, change: Callable[..., Any]) -> None:
    members = scene.members("sent")
    assert refused(with_items(members, change(items_of(members), scene.log)), scene.quick) == name


def signed_again(log: Logged, item: dict[str, Any], what: str, by: str) -> dict[str, Any]:
    """A receipt that says something else, with the hub's own signature under it."""
    text = re.sub(what, by, item["text"])
    return item | {"text": text, "signature": base64.b64encode(log.receipt_keys.newest.sign(text)).decode()}


def test_a_receipt_of_a_lost_key_is_left_out_only_once_the_key_is_retired(scene: Scene) -> None:
    log, file = scene.log, io.BytesIO()
    with pytest.raises(ReceiptKeyMissing):
        make(log.connection, scene.questions["sent"], With(log.policy, ReceiptKeys(())), file)
    # Nothing of a day or a range is looked for.
    make(log.connection, scene.questions["range"], With(log.policy, ReceiptKeys(())), file)


def test_another_epoch_or_path_of_the_index_is_refused(scene: Scene) -> None:
    members = scene.members("card")
    name = next(one for one in members if one.startswith("index/"))
    said = json.loads(members[name])
    for change in ({"path": encode64(bytes(640))}, {"bucket": encode64(bytes(64))}):
        assert refused(repacked({**members, name: as_json(said | change)}), scene.quick) in {"INDEX_WRONG", "CARD_INCOMPLETE"}
    assert refused(repacked({**members, name: as_json(said | {"published": said["published"] - 1})}), scene.quick) == "QUESTION_DIFFERS"
    assert refused(repacked({**members, name: as_json(said | {"key": "00" * 32})}), scene.quick) == "INDEX_MALFORMED"
    spare = said["bucket"][:-2] + chr(ord(said["bucket"][-2]) + 1) + "=" if said["bucket"].endswith("=") else said["bucket"] + "\n"
    otherwise = {"positions": [2, 1]}, {"key": said["key"].upper()}, {"bucket": spare}, {"published": float(said["published"])}
    for change in (*otherwise, {"positions": [str(one) for one in said["positions"]]}):
        assert refused(repacked({**members, name: as_json(said | change)}), scene.quick) == "INDEX_MALFORMED", change


def test_what_is_not_there_is_refused_before_a_file_is_made(scene: Scene) -> None:
    for question in (
        Question("feed", feed="cq.usage", first=1, last=99_999),
        Question("feed", feed="nobody", first=1, last=2),
        Question("range", first=1, last=99_999),
        Question("range", first=0, last=5),
        Question("feed", feed="cq.usage", first=0, last=5),
    ):
        with pytest.raises(RangeNotThere):
            make(scene.log.connection, question, With(scene.quick, scene.log.receipt_keys), io.BytesIO())
    with pytest.raises(DecisionNotFound):
        scene.log.about_decision(1)
    with pytest.raises(IndexBehind):
        beyond = of_card(bytes(32))._replace(as_of=10**6)
        make(scene.log.connection, beyond, With(scene.quick, scene.log.receipt_keys), io.BytesIO())


def strangers_run(python: str, directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    script = directory / "verify.py"
    shutil.copy(verify.__file__, script)
    return subprocess.run([python, "-I", script, *arguments], capture_output=True, text=True, cwd=directory, check=False, timeout=60)


def strangers_cpu_s() -> float:
    """What the children that have ended took of the processors: other work on the machine makes them wait, and wait is not in it."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_a_stranger_with_cryptography_alone_has_a_verdict_within_two_seconds(scene: Scene, tmp_path: Path) -> None:
    python = environment(sys.executable, tmp_path / "venv")
    bundle, policy = tmp_path / "a.hubaudit", tmp_path / "policy"
    bundle.write_bytes(scene.bundles["decision"])
    policy.write_bytes(scene.log.policy)
    before_s = strangers_cpu_s()
    ran = strangers_run(python, tmp_path, str(bundle), "--policy", str(policy))
    assert (ran.returncode, ran.stderr) == (verify.VERIFIED, "")
    assert "通过" in ran.stdout and "verified under the policy from outside" in ran.stdout
    assert strangers_cpu_s() - before_s < VERDICT_CPU_S
    assert strangers_run(python, tmp_path, str(bundle)).returncode == verify.SELF_CONSISTENT
    ran = strangers_run(python, tmp_path, str(tmp_path / "none"))
    assert ran.returncode == verify.NOT_READ and f"check its path: {tmp_path / 'none'}" in ran.stdout
    bundle.write_bytes(scene.bundles["decision"][:-1])
    ran = strangers_run(python, tmp_path, str(bundle), "--policy", str(policy), "--json")
    assert (ran.returncode, json.loads(ran.stdout)["refused"]) == (verify.REFUSED, "TAR_TRUNCATED")


def test_without_any_package_a_stranger_checks_sm2_and_is_told_what_could_not_be_checked(scene: Scene, tmp_path: Path) -> None:
    python, log = environment(sys.executable, tmp_path / "venv", with_cryptography=False), scene.log
    bundle, policy = tmp_path / "a.hubaudit", tmp_path / "policy"
    bundle.write_bytes(scene.bundles["card"])
    policy.write_bytes(log.policy)
    ran = strangers_run(python, tmp_path, str(bundle), "--policy", str(policy))
    assert ran.returncode == verify.NOT_CHECKED and "无法核验" in ran.stdout and verify.GET_CRYPTOGRAPHY in ran.stdout
    policy.write_bytes(log.policy_of(log.signers[2], quorum="none"))
    ran = strangers_run(python, tmp_path, str(bundle), "--policy", str(policy))
    assert ran.returncode == verify.VERIFIED and "未核验" in ran.stdout and "not checked: witness" in ran.stdout


def test_every_refusal_has_its_row_in_the_docs_and_is_known_to_both_checkers() -> None:
    pages = Path("docs/verify.md").read_text(encoding="utf-8")
    sources = [Path(verify.__file__).read_text(), *(path.read_text() for path in Path(checker.__file__).parent.glob("checker*.py"))]
    alone, own = (set(re.findall(r'"([A-Z]+_[A-Z_]+)"', text)) for text in (sources[0], "".join(sources[1:])))
    rows = pages.split("## Names of refusals")[1]
    assert alone == set(re.findall(r"`([A-Z]+_[A-Z_]+)`", rows))
    assert alone - own == {"NOT_READ", "NOT_CHECKED"}


def test_the_program_for_strangers_knows_the_numbers_of_kinds_and_no_code_of_the_hub() -> None:
    numbers = {field.name: field.number for field in event_pb2.Event.DESCRIPTOR.fields}
    assert {name.decode(): number for name, number in verify.KEY_KINDS.items()} == {name: numbers[name] for name in KEY_KINDS}
    assert {kind.decode() for kind in verify.TYING_KINDS} == CARD_ALIAS.kinds
    assert (verify.RECEIPT_BOOK.decode(), verify.QUARANTINE.decode()) == (str(BOOK), QUARANTINE_FEED)
    known = (verify.DECISION_MADE, verify.RULES_PUBLISHED, verify.INDEX_PUBLISHED, verify.AUDIT_REQUESTED, verify.AUDIT_DELIVERED)
    named = ("decision_made", "rules_published", "index_published", "audit_requested", "audit_delivered")
    assert known == tuple(numbers[name] for name in named)
    card = event_pb2.Event.DESCRIPTOR.fields_by_name["card"]
    parts = (card.number, *(card.message_type.fields_by_name[name].number for name in ("kind", "key")))
    assert parts == (verify.EVENT_CARD, verify.CARD_KIND, verify.CARD_KEY)
    assert (numbers["card_aliases"], numbers["sent_batch"]) == (verify.EVENT_ALIASES, verify.EVENT_SENT)
    assert references_pb2.CARD_IDENTIFIER_KIND_CARD_NO == verify.CARD_NO
    fields = [field.number for field in receipts_pb2.SentBatch.DESCRIPTOR.fields]
    assert (fields, [field.name for field in receipts_pb2.SentBatch.DESCRIPTOR.fields]) == (
        [1, 2, 3, 4],
        ["first_sequence", "events_digest", "key_id", "signature"],
    )
    imported = re.findall(r"^\s*(?:from|import) (\w+)", Path(verify.__file__).read_text(), re.MULTILINE)
    assert set(imported) <= {*sys.stdlib_module_names, "cryptography"}

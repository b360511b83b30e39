"""Notes, checkpoints, keys and signature lines: by published vectors, and what is refused by name."""

import base64
from hashlib import sha256

import pytest

from hub.tlog import algorithms, note
from hub.tlog.algorithms import ED25519, ED25519_COSIGNATURE, KINDS, ML_DSA_44, SM2, Kind
from hub.tlog.cosignatures import SignatureMissing, SignatureWrong, check_note, sign_note, subtree_message
from hub.tlog.note import Checkpoint, CheckpointRefused, KeyRefused, Note, NoteRefused, Signature, SignerKey, VerifierKey
from tests.tlog.vectors_of import bytes_of, published

ORIGIN = "exchange.example/1"
TEXT = Checkpoint(ORIGIN, 5, bytes(32)).text
NOW_S = 1_790_000_000


def signed(*keys: SignerKey, text: str = TEXT) -> Note:
    return Note(text, tuple(sign_note(key, text, NOW_S) for key in keys))


def test_published_notes_are_read_and_their_signatures_hold() -> None:
    golang, c2sp = published("signed-notes")["golang"], published("signed-notes")["c2sp"]
    read = note.parse((golang["text"] + "\n" + "".join(golang["lines"].values())).encode())
    assert read.text == golang["text"]
    for name, key in golang["keys"].items():
        assert check_note(read, VerifierKey.parse(key)).key.name == name
    assert check_note(note.parse(c2sp["note"].encode()), VerifierKey.parse(c2sp["key"])).signed_s == 0


def test_a_published_private_key_signs_as_its_authors_do() -> None:
    golang = published("signed-notes")["golang"]
    key = SignerKey.parse(golang["private"])
    assert key.text == golang["private"]
    assert key.verifier.text == golang["keys"]["PeterNeumann"]
    assert sign_note(key, golang["text"]).line == golang["lines"]["PeterNeumann"]


def test_published_bad_notes_and_bad_keys_are_refused() -> None:
    golang = published("signed-notes")["golang"]
    for bad in golang["bad_notes"]:
        with pytest.raises(NoteRefused):
            note.parse(bytes_of(bad))
    good = golang["keys"]["PeterNeumann"]
    pieces = {good[first:end] for first in range(len(good)) for end in range(first + 1, len(good) + 1)} - {good}
    changed = {good[:at] + chr(ord(good[at]) + 1) + good[at + 1 :] for at in range(len(good))}
    for bad in {*golang["bad_keys"], *pieces, *changed}:
        with pytest.raises(KeyRefused):
            VerifierKey.parse(bad)


def test_published_checkpoints_are_read_signed_and_of_their_roots() -> None:
    from hub.tlog import paths, tree

    log = published("tessera-log")
    files, key = {name: bytes_of(data) for name, data in log["files"].items()}, VerifierKey.parse(log["key"])
    for size, text in enumerate(log["checkpoints"]):
        read = note.parse(text.encode())
        check_note(read, key)
        root = tree.root(size, lambda level, number, width: files[paths.tile(level, number, width)])
        assert Checkpoint.parse(read.text) == Checkpoint("example.com/log/testdata", size, root)


def test_published_ml_dsa_signatures_are_judged_as_their_authors_do() -> None:
    found = published("wycheproof-mldsa44")
    public = bytes_of(found["publicKey"])
    judged = {one["comment"]: algorithms.is_signed(ML_DSA_44, public, bytes_of(one["msg"]), bytes_of(one["sig"])) for one in found["tests"]}
    assert judged == {one["comment"]: one["result"] == "valid" for one in found["tests"]}
    assert len(found["keys"]) == 4
    for key in found["keys"]:
        assert algorithms.public_half(ML_DSA_44, bytes_of(key["privateSeed"])) == bytes_of(key["publicKey"])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_line_holds_for_its_text_its_key_and_its_name_only(kind: Kind) -> None:
    key, other = SignerKey.make(ORIGIN, kind), SignerKey.make(ORIGIN, kind)
    read = note.parse(signed(key).format())
    assert check_note(read, VerifierKey.parse(key.verifier.text)).signed_s == (NOW_S if kind.is_timed else 0)
    assert SignerKey.parse(key.text) == key
    with pytest.raises(SignatureMissing):
        check_note(read, other.verifier)
    with pytest.raises(SignatureWrong):
        check_note(Note(Checkpoint(ORIGIN, 6, bytes(32)).text, read.signatures), key.verifier)
    forged = Signature(ORIGIN, key.verifier.key_id, sign_note(other, TEXT, NOW_S).value)
    with pytest.raises(SignatureWrong):
        check_note(Note(TEXT, (forged,)), key.verifier)
    short = Signature(ORIGIN, key.verifier.key_id, read.signatures[0].value[:-1])
    with pytest.raises(SignatureWrong, match="bytes; a signature of"):
        check_note(Note(TEXT, (short,)), key.verifier)


def test_a_known_line_that_does_not_hold_spoils_a_note_also_beside_one_that_does() -> None:
    key = SignerKey.make(ORIGIN, ED25519)
    good = sign_note(key, TEXT)
    bad = good._replace(value=bytes(64))
    with pytest.raises(SignatureWrong):
        check_note(Note(TEXT, (good, bad)), key.verifier)


@pytest.mark.parametrize("kind", [ED25519_COSIGNATURE, ML_DSA_44], ids=lambda kind: kind.name)
def test_a_time_from_2_to_the_63_on_is_refused(kind: Kind) -> None:
    key = SignerKey.make("witness.example", kind)
    line = sign_note(key, TEXT, 1 << 63)
    with pytest.raises(SignatureWrong, match="not below 2\\^63"):
        check_note(Note(TEXT, (line,)), key.verifier)


def test_an_ml_dsa_line_says_who_cosigned_which_log_and_the_whole_tree() -> None:
    message = subtree_message("w.example", "log.example", 0, 7, bytes(range(32)), 9)
    size = b"\0" * 8 + b"\0" * 7 + b"\7"
    assert message == b"subtree/v1\n\0" + b"\x09w.example" + b"\0" * 7 + b"\x09" + b"\x0blog.example" + size + bytes(range(32))


def test_key_ids_are_of_name_kind_and_public_key() -> None:
    key = SignerKey.make("a.example", SM2).verifier
    assert key.key_id == sha256(b"a.example\n\xffchuanyu.exchange/sm2-sm3/v1" + key.public).digest()[:4]


LINE = sign_note(SignerKey("a.example", ED25519, bytes(32)), TEXT).line


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (f"{TEXT}\n{LINE}".replace("\n", "\r\n"), "control character U\\+000D"),
        (f"{TEXT}\n{LINE}".replace("exchange", "ex\tchange"), "control character U\\+0009"),
        (f"{TEXT}\n{LINE}"[:-1], "does not end in a newline"),
        (f"{TEXT}\n" + LINE * 17, "17 signatures; 16 are read"),
        (TEXT, "no empty line"),
        (f"{TEXT}\n", "no signature line"),
        (f"{TEXT}\n{LINE}other\n", "not a dash"),
        (f"{TEXT}\n{LINE}".replace("— a.example", "— a example"), "base64|not a dash"),
        (f"{TEXT}\n{LINE}".replace("— a.example", "— a+example"), "not a dash"),
        (f"{TEXT}\n— a.example AAAA\n", "not base64 of a key id"),
        (f"{TEXT}\n— a.example {LINE.split()[2].rstrip('=')}\n", "not base64"),
        ("\n\n" + LINE, "no empty line"),
        ("x" * (1 << 18) + f"\n\n{LINE}", "bytes; 262144 are read"),
    ],
)
def test_what_is_not_exactly_a_note_is_refused_by_name(data: str, words: str) -> None:
    with pytest.raises(NoteRefused, match=words):
        note.parse(data.encode())


def test_sixteen_signatures_and_a_text_with_empty_lines_are_read() -> None:
    read = note.parse(f"one\n\ntwo\n\n\n{LINE * 16}".encode())
    assert (read.text, len(read.signatures)) == ("one\n\ntwo\n\n", 16)


ROOT = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{ORIGIN}\n05\n{ROOT}\n", "without leading zeros"),
        (f"{ORIGIN}\n+5\n{ROOT}\n", "without leading zeros"),
        (f"{ORIGIN}\n５\n{ROOT}\n", "without leading zeros"),
        (f"{ORIGIN}\n{1 << 63}\n{ROOT}\n", "below 2\\^63"),
        (f"{ORIGIN}\n{'9' * 5000}\n{ROOT}\n", "below 2\\^63"),
        (f"{ORIGIN}\n5\n{ROOT}\nmore\n", "extension lines"),
        (f"{ORIGIN}\n5\n", "three lines"),
        (f"{ORIGIN}\n5\n{ROOT[:-4]}\n", "32 bytes"),
        (f"{ORIGIN}\n5\n{ROOT[:-2]}B=\n", "32 bytes"),
        (f"\n5\n{ROOT}\n", "origin"),
        (f"{'o' * 256}\n5\n{ROOT}\n", "origin"),
    ],
)
def test_what_is_not_a_checkpoint_is_refused_by_name(text: str, words: str) -> None:
    with pytest.raises(CheckpointRefused, match=words):
        Checkpoint.parse(text)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u00a0b", "a\u2003b", "n" * 256, "\udc80"])
def test_a_key_has_a_name_that_a_note_can_have(name: str) -> None:
    with pytest.raises(KeyRefused):
        SignerKey.make(name, ED25519)


def test_a_wrong_sm2_signature_says_so_and_writes_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    key = SignerKey.make(ORIGIN, SM2)
    for wrong in (bytes(64), b"\xff" * 64, b"\1" * 63):
        assert not algorithms.is_signed(SM2, key.verifier.public, b"message", wrong)
    assert not algorithms.is_signed(SM2, bytes(64), b"message", algorithms.sign(SM2, key.private, b"message"))
    assert capfd.readouterr().err == ""


def test_the_published_sm2_signature_holds() -> None:
    """GM/T 0003.5-2012: the recommended curve, its signer id 1234567812345678, the message `message digest`."""
    public = bytes.fromhex(
        "09f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13"
    )
    signature = bytes.fromhex(
        "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa"
    )
    assert algorithms.is_signed(SM2, public, b"message digest", signature)
    assert not algorithms.is_signed(SM2, public, b"message digesT", signature)

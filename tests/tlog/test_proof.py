"""The proof in one text file: as published, and what is refused by name."""

from hashlib import sha256

import pytest

from hub.tlog import proof, tree
from hub.tlog.algorithms import ED25519
from hub.tlog.cosignatures import sign_note
from hub.tlog.note import Checkpoint, Note, NoteRefused, SignerKey, encode64
from hub.tlog.proof import Proof, ProofFileRefused
from hub.tlog.tree import ProofRefused
from tests.tlog.test_tree import grown, leaves

LOG = SignerKey("log.example", ED25519, bytes(32))


def head(size: int, root: bytes = bytes(32)) -> Note:
    text = Checkpoint("log.example", size, root).text
    return Note(text, (sign_note(LOG, text),))


ONE, TWO = sha256(b"hash1").digest(), sha256(b"hash2").digest()
NOTE = head(100)
TAIL = NOTE.format().decode()


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (Proof(5, (ONE, TWO), NOTE), f"c2sp.org/tlog-proof@v1\nindex 5\n{encode64(ONE)}\n{encode64(TWO)}\n\n{TAIL}"),
        (
            Proof(10, (ONE,), NOTE, b"extra information"),
            f"c2sp.org/tlog-proof@v1\nextra {encode64(b'extra information')}\nindex 10\n{encode64(ONE)}\n\n{TAIL}",
        ),
        (Proof(0, (), NOTE), f"c2sp.org/tlog-proof@v1\nindex 0\n\n{TAIL}"),
    ],
)
def test_a_proof_is_written_and_read_as_published(made: Proof, text: str) -> None:
    assert made.format().decode() == text
    assert proof.parse(text.encode()) == made


def test_a_proof_proves_its_leaf_and_no_other() -> None:
    appender, tiles = grown(300)
    made = Proof(255, tuple(tree.inclusion(255, 300, tiles.read)), head(300, appender.root()))
    read = proof.parse(made.format())
    read.check(leaves(300)[255 * 32 : 256 * 32])
    with pytest.raises(ProofRefused):
        read.check(leaves(300)[254 * 32 : 255 * 32])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"wrong-header\nindex 0\n\n{TAIL}", "first line"),
        (f"c2sp.org/tlog-proof@v1\nextra !!notbase64!!\nindex 0\n\n{TAIL}", "extra data is not base64"),
        (f"c2sp.org/tlog-proof@v1\n\n\n{TAIL}", "index"),
        (f"c2sp.org/tlog-proof@v1\nindex notanumber\n\n{TAIL}", "index"),
        (f"c2sp.org/tlog-proof@v1\nindex -5\n\n{TAIL}", "index"),
        (f"c2sp.org/tlog-proof@v1\nindex 05\n\n{TAIL}", "leading zeros"),
        (f"c2sp.org/tlog-proof@v1\nindex 0\n!!notbase64!!\n\n{TAIL}", "a hash is not base64"),
        (f"c2sp.org/tlog-proof@v1\nindex 0\n{encode64(bytes(64))}\n\n{TAIL}", "32 bytes"),
        ("c2sp.org/tlog-proof@v1\nindex 0\n" + "a" * 65 * 1024 + "\n", "no empty line"),
        (f"c2sp.org/tlog-proof@v1\nindex 0\n{(encode64(ONE) + chr(10)) * 64}\n{TAIL}", "64 hashes"),
        (f"c2sp.org/tlog-proof@v1\nindex 100\n\n{TAIL}", "index 100 is not in a tree of size 100"),
        (f"c2sp.org/tlog-proof@v1\nindex ５\n\n{TAIL}", "not ASCII"),
    ],
)
def test_another_file_is_refused_by_name(text: str, words: str) -> None:
    with pytest.raises(ProofFileRefused, match=words):
        proof.parse(text.encode())


def test_a_proof_without_a_signed_checkpoint_is_refused() -> None:
    with pytest.raises(NoteRefused):
        proof.parse(b"c2sp.org/tlog-proof@v1\nindex 0\n\ncheckpoint\n")

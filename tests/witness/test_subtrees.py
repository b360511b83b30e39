"""Parts of a tree: every one of small trees is proved and signed, and nothing else is."""

from pathlib import Path

import pytest

from hub.tlog import algorithms, note, subtrees, tree
from hub.tlog.algorithms import ML_DSA_44
from hub.tlog.cosignatures import subtree_message
from hub.tlog.note import Note
from hub.tlog.sign_subtree import SubtreeRequest
from hub.tlog.tree import ProofRefused
from hub.witness import folder
from hub.witness.cosigning import Cosigner
from tests.witness.signed_log import ORIGIN, SignedLog

LEAVES = [tree.leaf_hash(bytes([number])) for number in range(24)]


def subproof(start: int, end: int, leaves: list[bytes], *, is_whole: bool = True) -> list[bytes]:
    """SUBTREE_SUBPROOF of draft-ietf-plants-merkle-tree-certs, 4.4.1, word by word."""
    if (start, end) == (0, len(leaves)):
        return [] if is_whole else [tree.root_of(leaves)]
    middle = tree.left_size(len(leaves))
    left, right = leaves[:middle], leaves[middle:]
    if end <= middle:
        return [*subproof(start, end, left, is_whole=is_whole), tree.root_of(right)]
    if middle <= start:
        return [*subproof(start - middle, end - middle, right, is_whole=is_whole), tree.root_of(left)]
    return [*subproof(0, end - middle, right, is_whole=False), tree.root_of(left)]


@pytest.mark.parametrize("size", range(1, 25))
def test_every_subtree_of_a_tree_is_proved_and_no_other(size: int) -> None:
    root = tree.root_of(LEAVES[:size])
    for start in range(size):
        for end in range(start + 1, size + 1):
            part = tree.root_of(LEAVES[start:end])
            if not subtrees.is_subtree(start, end):
                with pytest.raises(ProofRefused, match="there is no subtree"):
                    subtrees.check_subtree(start, end, size, [], part, root)
                continue
            proof = subproof(start, end, LEAVES[:size])
            subtrees.check_subtree(start, end, size, proof, part, root)
            for wrong in ([*proof, part], proof[:-1] if proof else [root], [bytes(32), *proof[1:]]):
                with pytest.raises(ProofRefused):
                    subtrees.check_subtree(start, end, size, wrong, part, root)


def test_a_witness_signs_a_part_of_what_it_cosigned(tmp_path: Path) -> None:
    log = SignedLog().grow(14)
    made = folder.make(tmp_path / "witness", "witness.example")
    made.add_log(log.key_lines, "")
    cosigner = Cosigner(made)
    cosigned = Note(log.note().text, tuple(note.parse_signatures(cosigner.add(log.request(0)).body)))
    leaves = [tree.leaf_hash(one) for one in log.entries]
    request = SubtreeRequest(8, 13, tree.root_of(leaves[8:13]), tuple(subproof(8, 13, leaves)), cosigned)

    answer = cosigner.sign_subtree(request.format())
    [line] = note.parse_signatures(answer.body)
    [key] = [key for key in made.keys if key.kind == ML_DSA_44]
    message = subtree_message("witness.example", ORIGIN, 8, 13, request.root, 0)
    assert (answer.status, line.key_id, line.value[:8]) == (200, key.verifier.key_id, bytes(8))
    assert algorithms.is_signed(ML_DSA_44, key.verifier.public, message, line.value[8:])

    good = request.format()
    assert cosigner.sign_subtree(request._replace(note=log.note()).format()).status == 403
    assert cosigner.sign_subtree(request._replace(root=bytes(32)).format()).status == 422
    for bad in (b"", good.replace(b"subtree 8 13", b"subtree 08 13"), good.replace(b"subtree 8 13", b"subtree 9 13")):
        assert cosigner.sign_subtree(bad).status == 400
    assert cosigner.sign_subtree(good.replace(b"subtree 8 13", b"subtree 16 20")).status == 400
    stranger = SignedLog("other.example/1").grow(14)
    assert cosigner.sign_subtree(request._replace(note=stranger.note()).format()).status == 404

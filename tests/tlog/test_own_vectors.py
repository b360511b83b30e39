"""The hub's own vectors (docs/log_vectors.json): what the code makes is what is published, and everything that is published holds."""

import json
from typing import Any

import pytest

from hub.tlog import add_checkpoint, note, proof, tree
from hub.tlog.algorithms import ML_DSA_44, SM2
from hub.tlog.cosignatures import SignatureWrong, check_note
from hub.tlog.note import Checkpoint, Note, VerifierKey
from hub.tlog.policy import parse
from tests.tlog import own_vectors

PUBLISHED: dict[str, Any] = json.loads(own_vectors.FILE.read_text(encoding="utf-8"))


def without_random_lines(vectors: dict[str, Any]) -> str:
    """The vectors without the signatures that differ each time; those of Ed25519 stay."""
    text = json.dumps(vectors, ensure_ascii=False, indent=1)
    for name, one in vectors["signatures"].items():
        if "Ed25519" not in name:
            value = json.dumps(one["line"].split(" ")[2].strip())[1:-1]
            # Five characters are of the key id alone, the next one is of both.
            text = text.replace(value, value[:5])
    return text


def test_what_the_code_makes_is_what_is_published() -> None:
    assert without_random_lines(own_vectors.made()) == without_random_lines(PUBLISHED)


def test_every_published_signature_holds_and_for_nothing_else() -> None:
    signed = note.parse(PUBLISHED["note"].encode())
    other = Note(Checkpoint(own_vectors.ORIGIN, 5, bytes(32)).text, signed.signatures)
    assert signed.text == PUBLISHED["checkpoint"]
    for one in PUBLISHED["signatures"].values():
        key = VerifierKey.parse(one["vkey"])
        assert note.parse_signatures(one["line"]) == signed.of(key)
        assert check_note(signed, key).signed_s == (own_vectors.NOW_S if key.kind.is_timed else 0)
        with pytest.raises(SignatureWrong):
            check_note(other, key)
    assert {VerifierKey.parse(one["vkey"]).kind for one in PUBLISHED["signatures"].values()} > {ML_DSA_44, SM2}


def test_published_proofs_lead_to_the_published_roots() -> None:
    roots = [bytes.fromhex(one) for one in PUBLISHED["roots"]]
    leaves = [bytes.fromhex(one["leaf"]) for one in (PUBLISHED["genesis"], *PUBLISHED["events"])]
    inclusion, consistency = PUBLISHED["inclusion"], PUBLISHED["consistency"]
    path = [bytes.fromhex(one) for one in inclusion["path"]]
    tree.check_inclusion(leaves[inclusion["index"]], inclusion["index"], inclusion["size"], path, roots[inclusion["size"]])
    path = [bytes.fromhex(one) for one in consistency["path"]]
    tree.check_consistency(consistency["first"], consistency["second"], path, roots[consistency["first"]], roots[consistency["second"]])
    read = proof.parse(PUBLISHED["proof"].encode())
    read.check(leaves[read.index])
    request = add_checkpoint.parse(PUBLISHED["add_checkpoint"].encode())
    head = Checkpoint.parse(request.note.text)
    tree.check_growth(request.old, head.size, request.proof, roots[request.old], head.root)


def test_a_policy_of_the_published_keys_takes_the_published_note() -> None:
    keys = {name: one["vkey"] for name, one in PUBLISHED["signatures"].items()}
    logs = "".join([f"log {key}\n" for name, key in keys.items() if name.startswith("log")])
    witnesses = "".join([f"witness w{number} {key}\n" for number, (name, key) in enumerate(keys.items()) if name.startswith("witness")])
    judged = parse(f"{logs}{witnesses}group w all w3 w4\nquorum w\n".encode()).judge(note.parse(PUBLISHED["note"].encode()))
    assert (len(judged.logs), set(judged.witnesses)) == (3, {"w3", "w4"})

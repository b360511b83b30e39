"""The hub's own checker of evidence bundles: on the modules that the hub's log is made with, and on its messages.

It shares no code with `verify.py`, which strangers run. A bundle passes both before it is handed over, and the tests run both on every
bundle that was tampered with: what one takes, the other takes.
"""

import hashlib
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from hub.audit.bundle_file import FORMAT
from hub.audit.checker_audits import OfAudit
from hub.audit.checker_file import BundleRefused, Reading, Shown, read_json, shown_in
from hub.audit.checker_index import Indexed, read_indexed
from hub.audit.checker_questions import Answering, answering
from hub.domain.errors import HubError
from hub.tlog import note, policy, tree
from hub.tlog.cosignatures import SignatureWrong
from hub.tlog.note import Checkpoint
from hub.tlog.policy import Judged, Policy
from hub.tlog.several import check_several
from hub.tlog.tree import ProofRefused

_REFUSALS: tuple[tuple[type[HubError], str], ...] = (
    (note.NoteRefused, "NOTE_MALFORMED"),
    (note.CheckpointRefused, "NOTE_MALFORMED"),
    (policy.PolicyRefused, "POLICY_MALFORMED"),
    (policy.LogUnknown, "LOG_UNKNOWN"),
    (policy.LogKeyEnded, "LOG_KEY_ENDED"),
    (policy.LogSignatureMissing, "LOG_SIGNATURE_MISSING"),
    (policy.QuorumMissed, "QUORUM_MISSED"),
    (SignatureWrong, "SIGNATURE_WRONG"),
)


class Verdict(NamedTuple):
    """A bundle that holds: what it is about, of which log, who cosigned when, how many entries it has, and how many of them are open.

    *is_trusted* says whether the policy came from elsewhere; if not, the bundle is consistent with itself and no more. *said* are the
    lines of what was checked, in Chinese and in English.
    """

    question: dict[str, Any]
    head: Checkpoint
    witnesses: dict[str, int]
    entries: int
    opened: int
    is_trusted: bool
    said: tuple[tuple[str, str], ...]


def check(file: BinaryIO, trusted: bytes | None = None) -> Verdict:
    """Checks a bundle by a policy from elsewhere, or by its own; raises BundleRefused."""
    try:
        return _check(file, trusted)
    except ProofRefused as refused:
        raise BundleRefused("ROOT_DIFFERS", str(refused)) from None
    except HubError as refused:
        name = next((name for kind, name in _REFUSALS if isinstance(refused, kind)), "")
        if not name:
            raise
        raise BundleRefused(name, str(refused)) from None


def _check(file: BinaryIO, trusted: bytes | None) -> Verdict:
    reading = Reading(file)
    manifest = _manifest(reading.one("bundle.json"))
    genesis, own = reading.one("genesis"), reading.one("policy")
    rules = policy.parse(own if trusted is None else trusted)
    signed = note.parse(reading.one("checkpoint"))
    head = Checkpoint.parse(signed.text)
    if not genesis.startswith(f"chuanyu-log/1\norigin {head.origin}\n".encode()) or genesis.count(b"\n") < 3:
        raise BundleRefused("ORIGIN_DIFFERS")
    if (head.origin, head.size) != (manifest["origin"], manifest["size"]):
        raise BundleRefused("ORIGIN_DIFFERS")
    judged = rules.judge(signed)
    said = [_signed_in_words(judged), *_earlier(reading, rules, head)]
    proof = reading.one_if_there("proof")
    indexed = read_indexed(reading.folder("index/"))
    answer = answering(manifest["question"], indexed, head.size)
    counts = _check_entries(reading, genesis, proof, head, answer)
    if counts[0] != manifest["entries"]:
        raise BundleRefused("MANIFEST_MALFORMED", "entries")
    said += [(f"{counts[0]} 条记录均在树中", f"{counts[0]} entries are in the tree"), *answer.finish()]
    if answer.batches is not None:
        said += answer.batches.check(reading.folder("receipts/"), head.origin)
    if isinstance(answer, OfAudit):
        said += answer.check_files(reading.folder("audit/"))
    for name, archive in reading.folder("rules/"):
        if name != "archive.zip" or not answer.archive or hashlib.new("sm3", archive).digest() != answer.archive:
            raise BundleRefused("RULES_DIFFER", name)
    reading.over()
    return Verdict(manifest["question"], head, judged.seen_s, *counts, trusted is not None, tuple(said))


def _manifest(data: bytes) -> dict[str, Any]:
    said = read_json(data, "MANIFEST_MALFORMED")
    if said.get("format") != FORMAT:
        raise BundleRefused("FORMAT_UNKNOWN")
    fields = {"format": str, "origin": str, "size": int, "entries": int, "question": dict}
    if said.keys() != fields.keys() or any(type(said[name]) is not kind for name, kind in fields.items()):
        raise BundleRefused("MANIFEST_MALFORMED")
    return said


def _signed_in_words(judged: Judged) -> tuple[str, str]:
    keys = ", ".join(one.key.kind.name for one in judged.logs)
    seen, head = judged.seen_s, judged.checkpoint
    who = f" {len(seen)}: {', '.join(seen)}" if seen else " —"
    return (
        f"日志 {head.origin}，大小 {head.size}，签名 {keys}，见证{who}",
        f"log {head.origin}, size {head.size}, signed with {keys}, cosigned by{who}",
    )


def _earlier(reading: Reading, rules: Policy, head: Checkpoint) -> Iterator[tuple[str, str]]:
    """Checks further checkpoints of the log, each against the one that the proofs lead to."""
    files = list(reading.folder("checkpoints/"))
    for (name, data), (path_name, path) in zip(files[::2], files[1::2], strict=False):
        signed = note.parse(data)
        old = Checkpoint.parse(signed.text)
        if (name, path_name) != (f"{old.size:020d}.note", f"{old.size:020d}.path"):
            raise BundleRefused("MEMBER_UNKNOWN", name)
        if old.origin != head.origin:
            raise BundleRefused("ORIGIN_DIFFERS", name)
        rules.judge(signed)
        hashes = [path[at : at + tree.HASH] for at in range(0, len(path), tree.HASH)]
        try:
            if old.size == head.size:
                raise ProofRefused
            tree.check_consistency(old.size, head.size, hashes, old.root, head.root)
        except ProofRefused as refused:
            raise BundleRefused("CONSISTENCY_WRONG", str(refused)) from None
        yield f"自大小 {old.size} 起只有追加", f"since size {old.size} the log only grew"
    if len(files) % 2:
        raise BundleRefused("MEMBER_UNKNOWN", files[-1][0])


def _check_entries(reading: Reading, genesis: bytes, proof: bytes, head: Checkpoint, answer: Answering) -> tuple[int, int]:
    """Checks that the entries are those of the tree, hands each to the question, and returns how many there are and how many are open."""
    counts = [0, 0]

    def leaves() -> Iterator[tuple[int, bytes]]:
        yield 0, tree.leaf_hash(genesis)
        before: Shown | None = None
        for number, (name, part) in enumerate(reading.folder("entries/")):
            if name != f"{number:06d}":
                raise BundleRefused("MEMBER_UNKNOWN", name)
            for shown in shown_in(part):
                if shown.position <= (0 if before is None else before.position) or shown.position >= head.size:
                    raise BundleRefused("ENTRIES_DISORDERED", f"position {shown.position}")
                if before is not None and shown.recorded_us < before.recorded_us:
                    raise BundleRefused("TIME_GOES_BACK", f"position {shown.position}")
                before = shown
                answer.take(shown)
                counts[0] += 1
                counts[1] += shown.data is not None
                yield shown.position, shown.leaf

    if len(proof) % tree.HASH:
        raise BundleRefused("ROOT_DIFFERS", "proof")
    hashes = (proof[at : at + tree.HASH] for at in range(0, len(proof), tree.HASH))
    check_several(leaves(), head.size, hashes, head.root)
    return counts[0], counts[1]


__all__ = ["BundleRefused", "Indexed", "Verdict", "check"]

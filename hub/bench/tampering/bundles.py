"""Evidence bundles taken apart and put together again, and what the two checkers say of them."""

import io
import tarfile
from collections.abc import Iterator

from hub.audit import checker, verify
from hub.audit.bundle import With, make
from hub.audit.bundle_file import Held, Writer
from hub.audit.bundle_question import Question
from hub.bench.tampering.kinds import Attack
from hub.tlog.algorithms import ED25519
from hub.tlog.note import VerifierKey
from hub.trust.receipt_keys import read_receipt_keys

Members = dict[str, bytes]
# What a bundle is that holds by its own policy alone: nobody from outside says whose signatures count.
ONLY_ITSELF = "SELF_CONSISTENT"
ENTRIES = "entries/000000"


def refusals(bundle: bytes, policy: bytes | None) -> tuple[str, str]:
    """Returns by what name each of the two checkers refuses a bundle, "" where it takes it."""
    try:
        verdict = verify.verify(io.BytesIO(bundle), policy, lambda _zh, _en: None)
        strangers = ONLY_ITSELF if verdict == verify.SELF_CONSISTENT else ""
    except verify.Refused as refused:
        strangers = refused.name
    try:
        own = "" if checker.check(io.BytesIO(bundle), policy).is_trusted else ONLY_ITSELF
    except checker.BundleRefused as refused:
        own = refused.name
    return strangers, own


def bundle_of(attack: Attack, question: Question, policy: bytes = b"") -> bytes:
    """Makes the bundle of a question, from the record as it is by now; by the hub's policy, or one that the attacker gives."""
    file, archive = io.BytesIO(), b""
    if question.about == "decision":
        archive = bytes(attack.rows("SELECT archive FROM journal.rule_version")[0][0])
    keys, files = read_receipt_keys(attack.hub.data_dir / "keys"), attack.hub.audit if question.about == "audit" else ()
    make(attack.connection, question, With(policy or attack.hub.policy, keys, archive, files), file)
    return file.getvalue()


def trusted(attack: Attack) -> bytes:
    """Returns the policy of a stranger, who takes the log's Ed25519 keys alone: the others take longer and are checked elsewhere."""
    lines = attack.hub.policy.decode().splitlines(keepends=True)
    keys = {line: VerifierKey.parse(line.split()[1]) for line in lines if line.startswith("log ")}
    others = [key for key in keys.values() if key.kind != ED25519]
    limits = tuple(f"{what} {key.name}+{key.key_id.hex()} " for key in others for what in ("#!from", "#!until"))
    return "".join(line for line in lines if (line not in keys or keys[line].kind == ED25519) and not line.startswith(limits)).encode()


def unpacked(bundle: bytes) -> Members:
    """Returns the members of a bundle."""
    with tarfile.open(fileobj=io.BytesIO(bundle)) as archive:
        return {one.name: file.read() for one in archive if (file := archive.extractfile(one)) is not None}


def repacked(members: Members) -> bytes:
    """Returns the bundle of some members."""
    file = io.BytesIO()
    writer = Writer(file)
    for name, data in members.items():
        writer.add(name, data)
    writer.end()
    return file.getvalue()


def records(members: Members) -> list[Held]:
    """Returns the entries of a bundle."""
    return list(_records(members[ENTRIES]))


def _records(part: bytes) -> Iterator[Held]:
    at = 0
    while at < len(part):
        is_open, size = part[at], int.from_bytes(part[at + 1 : at + 3], "big")
        entry, at = part[at + 3 : at + 3 + size], at + 3 + size
        content = None
        if is_open:
            occurred_us = int.from_bytes(part[at : at + 8], "big", signed=True)
            width, length = part[at + 8], int.from_bytes(part[at + 9 : at + 13], "big")
            blind, at = part[at + 13 : at + 13 + width], at + 13 + width
            content, at = (blind, occurred_us, part[at : at + length]), at + length
        yield Held(entry, content)

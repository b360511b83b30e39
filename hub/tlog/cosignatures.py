"""Signature lines of notes, made and checked: plain ones over the text, and timed cosignatures (C2SP tlog-cosignature)."""

from typing import NamedTuple

from hub.domain.errors import HubError
from hub.tlog.algorithms import ED25519_COSIGNATURE, ML_DSA_44, is_signed, sign
from hub.tlog.note import Checkpoint, Note, Signature, SignerKey, VerifierKey

MOST_TIME = (1 << 63) - 1
_SUBTREE = b"subtree/v1\n\0"


class SignatureWrong(HubError):
    """A signature line that names a known key is not of this key; keep the note as it came, somebody altered or forged it."""


class SignatureMissing(HubError):
    """The note has no signature line of this key."""


class Signed(NamedTuple):
    """Who signed, and when it says it did: seconds since 1970, 0 for a signature without a time."""

    key: VerifierKey
    signed_s: int


def sign_note(key: SignerKey, text: str, now_s: int = 0) -> Signature:
    """Returns the line of a key over a text; a timed kind signs a checkpoint as of *now_s*."""
    verifier = key.verifier
    message = message_of(verifier, text, now_s)
    value = sign(key.kind, key.private, message)
    return Signature(key.name, verifier.key_id, now_s.to_bytes(8, "big") + value if key.kind.is_timed else value)


def check(key: VerifierKey, text: str, signature: Signature) -> Signed:
    """Returns when the line was signed; raises SignatureWrong, or CheckpointRefused for a timed one over another text."""
    if (signature.name, signature.key_id) != (key.name, key.key_id):
        raise SignatureWrong("it names another key.")
    if len(signature.value) != key.kind.signature_bytes:
        raise SignatureWrong(f"{key.name}: {len(signature.value)} bytes; a signature of {key.kind.name} has {key.kind.signature_bytes}.")
    now_s, value = (int.from_bytes(signature.value[:8], "big"), signature.value[8:]) if key.kind.is_timed else (0, signature.value)
    if now_s > MOST_TIME:
        raise SignatureWrong(f"{key.name}: its time is not below 2^63.")
    if not is_signed(key.kind, key.public, message_of(key, text, now_s), value):
        raise SignatureWrong(f"{key.name}, {key.kind.name}.")
    return Signed(key, now_s)


def check_note(note: Note, key: VerifierKey) -> Signed:
    """Returns when the key signed the note, the first time if it has several lines of it; raises SignatureMissing, SignatureWrong."""
    lines = note.of(key)
    if not lines:
        raise SignatureMissing(f"{key.name}, {key.kind.name}.")
    return min([check(key, note.text, line) for line in lines], key=lambda signed: signed.signed_s)


def sign_subtree(key: SignerKey, origin: str, start: int, end: int, root: bytes) -> Signature:
    """Returns the line of an ML-DSA-44 cosigner over a part of a log; it has no time."""
    assert key.kind == ML_DSA_44, "only this kind signs subtrees"
    value = sign(key.kind, key.private, subtree_message(key.name, origin, start, end, root, 0))
    return Signature(key.name, key.verifier.key_id, bytes(8) + value)


def subtree_message(cosigner: str, origin: str, start: int, end: int, root: bytes, now_s: int) -> bytes:
    """Returns what an ML-DSA-44 cosigner signs: of a checkpoint *start* is 0 and *end* its size."""
    name, log = cosigner.encode(), origin.encode()
    numbers = start.to_bytes(8, "big") + end.to_bytes(8, "big")
    return b"".join((_SUBTREE, bytes([len(name)]), name, now_s.to_bytes(8, "big"), bytes([len(log)]), log, numbers, root))


def message_of(key: VerifierKey, text: str, now_s: int) -> bytes:
    """Returns the bytes that a key signs, for a timed kind as of *now_s*; raises CheckpointRefused."""
    if key.kind == ED25519_COSIGNATURE:
        Checkpoint.parse(text)
        return f"cosignature/v1\ntime {now_s}\n{text}".encode()
    if key.kind == ML_DSA_44:
        head = Checkpoint.parse(text)
        return subtree_message(key.name, head.origin, 0, head.size, head.root, now_s)
    return text.encode()

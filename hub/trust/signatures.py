"""Signatures of batches and receipts: a key's id, and whether a signature is one of a text by a key."""

from hashlib import sha256

from chuanyu.exchange.v1 import receipts_pb2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from hub.trust import sm2

ED25519 = receipts_pb2.SIGNING_ALGORITHM_ED25519
SM2 = receipts_pb2.SIGNING_ALGORITHM_SM2
PUBLIC_BYTES: dict[int, int] = {ED25519: 32, SM2: 64}
SIGNATURE_BYTES = 64


# With a key of small order, for which nobody needs a private half, this is the signature of one text in eight or more.
_OF_NOBODY = b"\1" + bytes(SIGNATURE_BYTES - 1)


def is_anybodys(algorithm: int, public_key: bytes) -> bool:
    """Whether anybody can sign with a key, so that a signature by it binds nobody."""
    return algorithm == ED25519 and any(is_signed(algorithm, public_key, _OF_NOBODY, bytes((number,))) for number in range(256))


def key_id(public_key: bytes) -> str:
    """Returns what a key is known by."""
    return sha256(public_key).hexdigest()[:16]


def is_signed(algorithm: int, public_key: bytes, signature: bytes, text: bytes) -> bool:
    """Whether a signature is that of a text by a key; a key or signature of another length is not."""
    if len(public_key) != PUBLIC_BYTES.get(algorithm) or len(signature) != SIGNATURE_BYTES:
        return False
    if algorithm == SM2:
        return sm2.is_signed(public_key, text, signature)
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, text)
    except InvalidSignature:
        return False
    return True

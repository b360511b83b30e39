"""The kinds of keys and their signatures over plain bytes: Ed25519 (RFC 8032), ML-DSA-44 (FIPS 204), SM2 with SM3 (GB/T 32918.2)."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from hub.trust import sm2


class Kind(NamedTuple):
    """*identifier* is the kind in a key; a *timed* signature begins with the instant at which it was made."""

    name: str
    identifier: bytes
    public_bytes: int
    private_bytes: int
    signature_bytes: int
    is_timed: bool


ED25519 = Kind("Ed25519", b"\x01", 32, 32, 64, False)
ED25519_COSIGNATURE = Kind("Ed25519 cosignature", b"\x04", 32, 32, 8 + 64, True)
ML_DSA_44 = Kind("ML-DSA-44 cosignature", b"\x06", 1312, 32, 8 + 2420, True)
SM2 = Kind("SM2 with SM3", b"\xffchuanyu.exchange/sm2-sm3/v1", 64, 96, 64, False)
KINDS = (ED25519, ED25519_COSIGNATURE, ML_DSA_44, SM2)
_alone = Lock()


def make_private(kind: Kind) -> bytes:
    """Returns a fresh private key."""
    if kind == SM2:
        return sm2.new_pair()
    return os.urandom(kind.private_bytes)


def public_half(kind: Kind, private: bytes) -> bytes:
    """Returns the public half of a private key."""
    if kind == SM2:
        return private[sm2.PRIVATE_BYTES :]
    if kind == ML_DSA_44:
        return MLDSA44PrivateKey.from_seed_bytes(private).public_key().public_bytes_raw()
    return Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def sign(kind: Kind, private: bytes, message: bytes) -> bytes:
    """Returns the signature over the message; with SM2 r and s, 32 bytes each, with the default signer id 1234567812345678."""
    if kind == SM2:
        return sm2.sign(private, message)
    if kind == ML_DSA_44:
        return MLDSA44PrivateKey.from_seed_bytes(private).sign(message)
    return Ed25519PrivateKey.from_private_bytes(private).sign(message)


def is_signed(kind: Kind, public: bytes, message: bytes, signature: bytes) -> bool:
    """Says whether the signature is of this key over the message."""
    try:
        if kind == SM2:
            with _quiet():
                return sm2.is_signed(public, message, signature)
        if kind == ML_DSA_44:
            MLDSA44PublicKey.from_public_bytes(public).verify(signature, message)
        else:
            Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@contextmanager
def _quiet() -> Iterator[None]:
    """Sends the lines of C that GmSSL writes to descriptor 2 at a wrong signature nowhere."""
    with _alone:
        before, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        try:
            yield
        finally:
            os.dup2(before, 2)
            os.close(before)
            os.close(nowhere)

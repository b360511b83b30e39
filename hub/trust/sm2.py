"""SM2 with SM3 (GB/T 32918.2) over bytes, with the default signer id 1234567812345678: pairs, signatures, and whether one is good."""

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from gmssl_pyx import GmsslInnerError, InvalidValueError, sm2_key_generate, sm2_sign, sm2_verify

PRIVATE_BYTES, PUBLIC_BYTES, SIGNATURE_BYTES = 32, 64, 64


def new_pair() -> bytes:
    """Returns a fresh private key (32 bytes) with its public half, x and y of the point, behind it."""
    public, private = sm2_key_generate()
    return bytes(private + public)


def sign(pair: bytes, message: bytes) -> bytes:
    """Returns r and s, 32 bytes each, of the signature by a pair."""
    r, s = decode_dss_signature(sm2_sign(pair[:PRIVATE_BYTES], pair[PRIVATE_BYTES:], message))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def is_signed(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether r and s are a signature of the message by a key; of another length they are not."""
    if len(signature) != SIGNATURE_BYTES:
        return False
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    try:
        return bool(sm2_verify(public, message, encode_dss_signature(r, s)))
    except (GmsslInnerError, InvalidValueError):
        return False

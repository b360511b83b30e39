"""An adapter's own keys for its batches, in DATA_DIR/keys, each for its owner only.

    batch-blind.key     32 bytes in hex, made on first start: what blinds the digests of batches
    batch-signing.key   made by `province-adapter signing-key`: from then on every batch is signed

The blind of a batch follows from the key, so that receipts without it say nothing of events.
"""

import base64
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from chuanyu.exchange.v1.event_pb2 import Event
from chuanyu.exchange.v1.feed_service_pb2 import StreamEventsRequest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from gmssl_pyx import sm2_key_generate, sm2_sign

from adapters.kit.errors import AdapterError
from adapters.kit.private_files import private_directory, private_file
from adapters.kit.proofs import batch_text, blind_of, events_digest, key_id

BLIND, SIGNING, REGISTRATION = "batch-blind.key", "batch-signing.key", "batch-signing.pub"


class BatchKeyUnusable(AdapterError):
    """A key file of batches is not one: restore it, or make another signing key after this file was put aside."""


class SigningKey(NamedTuple):
    """A key that signs batches: its algorithm's name, its public half, and what signs."""

    algorithm: str
    public: bytes
    sign: Callable[[bytes], bytes]

    @property
    def id(self) -> str:
        """What the hub knows it by."""
        return key_id(self.public)


class BatchKeys(NamedTuple):
    """What an adapter proves its batches with; *signing* is None where it does not sign."""

    blind: bytes
    signing: SigningKey | None

    def prove(self, request: StreamEventsRequest) -> bytes:
        """Adds blind and signature to a batch, and returns the digest that its receipt must have."""
        count = len(request.events)
        request.blind = blind_of(self.blind, request.feed, request.first_sequence, count)
        digest = events_digest(request.blind, [event.SerializeToString() for event in request.events])
        if self.signing is not None:
            request.key_id = self.signing.id
            request.signature = self.signing.sign(batch_text(request.feed, request.first_sequence, count, digest))
        return digest

    def digest_of(self, feed: str, first: int, sent: list[bytes]) -> bytes:
        """Returns the digest of a batch that was sent before."""
        events = [Event.FromString(event).SerializeToString() for event in sent]
        return events_digest(blind_of(self.blind, feed, first, len(sent)), events)


def open_batch_keys(directory: Path) -> BatchKeys:
    """Reads the keys, making that of the blinds on first start; raises BatchKeyUnusable."""
    path = private_directory(directory) / BLIND
    if not path.exists():
        _write(path, secrets.token_bytes(32).hex())
    try:
        blind = bytes.fromhex(path.read_text(encoding="ascii"))
        signing = _signing(directory / SIGNING) if (directory / SIGNING).exists() else None
    except ValueError:
        raise BatchKeyUnusable(str(directory)) from None
    if len(blind) != 32:
        raise BatchKeyUnusable(str(path))
    return BatchKeys(blind, signing)


def make_signing_key(directory: Path, participant: str, *, is_sm2: bool = False) -> Path:
    """Makes a key that signs from the next start on, and returns the file that registers it; a former key is put aside under its id."""
    path = private_directory(directory) / SIGNING
    if path.exists():
        path.rename(path.with_name(f"batch-signing-{_signing(path).id}.key"))
    if is_sm2:
        public, private = map(bytes, sm2_key_generate())
        _write(path, f"sm2 {(private + public).hex()}")
    else:
        _write(path, f"ed25519 {secrets.token_bytes(32).hex()}")
    key, registration = _signing(path), directory / REGISTRATION
    text = f"chuanyu-signing-key/1\nparticipant {participant}\nalgorithm {key.algorithm}\npublic {_base64(key.public)}\n"
    _write(registration, f"{text}proof {_base64(key.sign(text.encode()))}\n")
    return registration


def _signing(path: Path) -> SigningKey:
    try:
        algorithm, digits = path.read_text(encoding="ascii").split()
        secret = bytes.fromhex(digits)
        if algorithm == "sm2" and len(secret) == 96:
            private, public = secret[:32], secret[32:]
            return SigningKey(algorithm, public, lambda text: _raw(sm2_sign(private, public, text)))
        if algorithm == "ed25519":
            key = Ed25519PrivateKey.from_private_bytes(secret)
            return SigningKey(algorithm, key.public_key().public_bytes_raw(), key.sign)
    except ValueError:
        pass
    raise BatchKeyUnusable(str(path))


def _raw(der: bytes) -> bytes:
    r, s = decode_dss_signature(der)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _write(path: Path, text: str) -> None:
    """Writes a key file whole or not at all."""
    fresh = private_file(path.with_name(f".{path.name}"))
    with fresh.open("w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()

"""The keys of the Sichuan interface: four small hex files in a directory of their own, readable by their owner only.

    adapter.sm2.key   this adapter's private key, made on first start
    adapter.sm2.pub   its public key, to be given to the province
    session.sm4.key   the shared data key, made on first start, to be given to the province by a safe way
    province.sm2.pub  the province's public key, put here by the operator; without it the adapter does not start

Keys are files and never options or environment variables, because those show in process lists.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from gmssl_pyx import GmsslInnerError, normalize_sm2_public_key, rand_bytes, sm2_key_generate

from adapters.kit.errors import AdapterError
from adapters.kit.private_files import private_directory

PRIVATE, PUBLIC, SESSION, PROVINCE = "adapter.sm2.key", "adapter.sm2.pub", "session.sm4.key", "province.sm2.pub"


class KeyUnusable(AdapterError):
    """A key file is missing or does not hold a key in hex; province.sm2.pub has to be asked of the province."""


@dataclass(frozen=True)
class Keys:
    """One side's view of the interface: its own SM2 pair, the other side's public key, the shared SM4 key."""

    private: bytes
    public: bytes
    peer: bytes
    session: bytes


def make_own_keys(directory: Path) -> None:
    """Makes the keys that are this side's to make, on first start; what exists stays as it is."""
    private_directory(directory)
    if not (directory / PRIVATE).exists():
        public, private = sm2_key_generate()
        write_key(directory / PUBLIC, b"\x04" + public)
        write_key(directory / PRIVATE, private)
    if not (directory / SESSION).exists():
        write_key(directory / SESSION, rand_bytes(16))


def load_keys(directory: Path) -> Keys:
    """Returns the four keys, making this side's own on first start; raises KeyUnusable with the file at fault."""
    make_own_keys(directory)
    return Keys(
        private=_read(directory / PRIVATE, 32),
        public=_read_public(directory / PUBLIC),
        peer=_read_public(directory / PROVINCE),
        session=_read(directory / SESSION, 16),
    )


def write_key(path: Path, key: bytes) -> None:
    """Writes *key* as one line of hex into a file for its owner only."""
    # The mode is given at creation: a chmod afterwards would leave a moment in which others can read the key.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(key.hex() + "\n")


def _read(path: Path, size: int | None = None) -> bytes:
    try:
        key = bytes.fromhex(path.read_text(encoding="utf-8").strip())
    except (OSError, ValueError) as error:
        raise KeyUnusable(str(path)) from error
    if size is not None and len(key) != size:
        raise KeyUnusable(f"{path} holds {len(key)} bytes, not {size}")
    return key


def _read_public(path: Path) -> bytes:
    try:
        key: bytes = normalize_sm2_public_key(_read(path))
    except GmsslInnerError as error:
        raise KeyUnusable(f"{path} is not a point of the SM2 curve") from error
    return key

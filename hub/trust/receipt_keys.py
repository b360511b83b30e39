"""The Ed25519 keys that sign receipts: files beside the other keys, made on first start, readable by their owner only.

They are not the log's: edges sign receipts, and strangers talk to edges. The one with the highest number signs; former ones stay, so that a
receipt can be given again as it was.
"""

import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hub.trust.keyring import read_or_make
from hub.trust.signatures import key_id

_FILE = re.compile(r"receipt-(\d{4})\.key")


@dataclass(frozen=True, slots=True)
class ReceiptKey:
    """*id* is what receipts name it by, *public* its 32 bytes."""

    id: str
    public: bytes
    private: Ed25519PrivateKey

    def sign(self, text: str) -> bytes:
        """Returns the 64 bytes of the signature."""
        return self.private.sign(text.encode())


@dataclass(frozen=True, slots=True)
class ReceiptKeys:
    """All keys on file, in the order in which they were made."""

    keys: tuple[ReceiptKey, ...]

    @property
    def newest(self) -> ReceiptKey:
        """The key that signs."""
        return self.keys[-1]

    def of(self, wanted: str) -> ReceiptKey | None:
        """Returns the key with an id, None if it is not on file."""
        return next((key for key in self.keys if key.id == wanted), None)


def open_receipt_keys(directory: Path) -> ReceiptKeys:
    """Reads the keys, making the first on first start; raises KeysExposed when others can read one."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    _key(directory / "receipt-0001.key")
    return read_receipt_keys(directory)


def read_receipt_keys(directory: Path) -> ReceiptKeys:
    """Returns the keys that are on file, none where this machine has none; raises KeysExposed when others can read one."""
    found = sorted(directory.iterdir()) if directory.is_dir() else []
    return ReceiptKeys(tuple(_key(path) for path in found if _FILE.fullmatch(path.name)))


def make_receipt_key(directory: Path) -> ReceiptKey:
    """Makes a further key, which signs from the next start of an edge on."""
    number = len(open_receipt_keys(directory).keys) + 1
    return _key(directory / f"receipt-{number:04d}.key")


def _key(path: Path) -> ReceiptKey:
    private = Ed25519PrivateKey.from_private_bytes(read_or_make(path, lambda: secrets.token_bytes(32)))
    public = private.public_key().public_bytes_raw()
    return ReceiptKey(key_id(public), public, private)

"""Which keys of the log count, and for trees of which sizes: the lines of a policy (C2SP tlog-policy), or keys alone.

Only Ed25519 lines of the log are checked here. Witnesses' lines of a policy are read over: who mirrors the log has a witness for them.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from adapters.kit.errors import AdapterError

_ED25519, _ED25519_BYTES = b"\x01", 33
_READ_OVER = ("witness", "group", "quorum")
_FROM, _UNTIL = "#!from", "#!until"
_NO_END = 1 << 63


class LogKeysUnreadable(AdapterError):
    """A line with keys of the log is none of a policy: take the lines that `hub seal --status` prints."""


class LogKeyWrong(AdapterError):
    """No key that counts for the log at this size signed its checkpoint: take the hub's newest policy, or do not use this copy."""


class LogKey(NamedTuple):
    """A key of a log with the byte of its kind, and the sizes of trees from which and up to before which it counts."""

    origin: str
    key_id: bytes
    kind: bytes
    public: bytes
    first: int = 0
    end: int = _NO_END

    @property
    def name(self) -> str:
        """The key as a policy's limits name it."""
        return f"{self.origin}+{self.key_id.hex()}"


def read_keys(lines: Iterable[str]) -> list[LogKey]:
    """Returns the log's Ed25519 keys of the lines of a policy; raises LogKeysUnreadable with the line."""
    keys: dict[str, LogKey] = {}
    for line in lines:
        words = line.split()
        if not words or words[0] in _READ_OVER or (words[0].startswith("#") and not words[0].startswith("#!")):
            continue
        if words[0] == "log" and len(words) in (2, 3):
            key = _key(words[1])
            keys[key.name] = key
        elif words[0] in (_FROM, _UNTIL) and len(words) == 3 and words[2].isdecimal():
            # A limit of a witness's key says nothing of the log.
            if words[1] in keys:
                key, size = keys[words[1]], int(words[2])
                keys[key.name] = key._replace(first=size) if words[0] == _FROM else key._replace(end=size)
        else:
            raise LogKeysUnreadable(line)
    found = [key for key in keys.values() if key.kind == _ED25519]
    if not found:
        raise LogKeysUnreadable("no line `log` with an Ed25519 key")
    return found


def _key(vkey: str) -> LogKey:
    """Reads a vkey, of any kind."""
    try:
        origin, said, text = vkey.split("+", 2)
        public, key_id = base64.b64decode(text, validate=True), bytes.fromhex(said)
    except (ValueError, binascii.Error):
        raise LogKeysUnreadable(vkey) from None
    if hashlib.sha256(f"{origin}\n".encode() + public).digest()[:4] != key_id or (public[:1] == _ED25519 and len(public) != _ED25519_BYTES):
        raise LogKeysUnreadable(vkey)
    return LogKey(origin, key_id, public[:1], public[1:])


def check_signed(text: str, signatures: str, origin: str, size: int, keys: Iterable[LogKey]) -> None:
    """Raises LogKeyWrong unless one of the keys counts for a checkpoint and signed it, and none of them spoils it."""
    own = [key for key in keys if key.origin == origin]
    if not own:
        raise LogKeyWrong(f"no key is of this log: {origin}")
    lines = [_line(line) for line in signatures.splitlines()]
    signed = [(key, signature) for key in own for name, key_id, signature in lines if (name, key_id) == (origin, key.key_id)]
    counting = [(key, signature) for key, signature in signed if key.first <= size < key.end]
    if not counting:
        ended = ", ".join(key.name for key, _ in signed)
        raise LogKeyWrong(f"size {size:,}; signed by keys that do not count there: {ended}" if ended else f"size {size:,}; not signed")
    for key, signature in counting:
        try:
            Ed25519PublicKey.from_public_bytes(key.public).verify(signature, text.encode())
        except InvalidSignature:
            raise LogKeyWrong(f"size {size:,}; not signed by {key.name}") from None


def _line(line: str) -> tuple[str, bytes, bytes]:
    """Returns name, key id and signature of a line, nothing where it is none."""
    try:
        _, name, value = line.split(" ")
        signed = base64.b64decode(value, validate=True)
    except (ValueError, binascii.Error):
        return "", b"", b""
    return name, signed[:4], signed[4:]

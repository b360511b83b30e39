"""Signed notes and checkpoints (C2SP signed-note, tlog-checkpoint): text, signature lines, and the keys behind them.

What is not exactly a note is refused, so that no two programs read one file differently. A signature line is believed only under a key that
was configured: `hub.tlog.cosignatures` checks them. Kinds of keys: Ed25519 over the text (0x01), the timed cosignatures with Ed25519 (0x04)
and ML-DSA-44 (0x06), and SM2 with SM3 over the text, which has no byte of its own in the specification: 0xff and a longer identifier.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

from hub.domain.errors import HubError
from hub.tlog import algorithms
from hub.tlog.algorithms import KINDS, Kind
from hub.tlog.tree import HASH, MOST_SIZE

MOST_SIGNATURES = 16
MOST_BYTES = 1 << 18
MOST_NAME_BYTES = 255
_DASH = "— "


class NoteRefused(HubError):
    """The bytes are not a signed note; fetch it again, and keep what came as it came."""


class CheckpointRefused(HubError):
    """The text is not that of a checkpoint; fetch it again, and keep what came as it came."""


class KeyRefused(HubError):
    """The text is not the key of a log, a witness or a mirror; copy it whole from its owner, as one line."""


class Signature(NamedTuple):
    """A signature line; *key_id* is 4 bytes, *value* what follows them."""

    name: str
    key_id: bytes
    value: bytes

    @property
    def line(self) -> str:
        """The line, with its newline."""
        return f"{_DASH}{self.name} {encode64(self.key_id + self.value)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text, which ends in a newline, and its signatures in their order."""

    text: str
    signatures: tuple[Signature, ...]

    def format(self) -> bytes:
        """Returns the note as it is sent and stored."""
        return f"{self.text}\n{''.join([one.line for one in self.signatures])}".encode()

    def of(self, key: "VerifierKey") -> list[Signature]:
        """Returns the signatures that say they are of this key, unchecked."""
        return [one for one in self.signatures if (one.name, one.key_id) == (key.name, key.key_id)]

    def with_lines(self, more: Sequence[Signature]) -> "Note":
        """Returns the note with further signatures; one that is there already is not repeated."""
        return Note(self.text, (*self.signatures, *[one for one in dict.fromkeys(more) if one not in self.signatures]))


def parse(data: bytes) -> Note:
    """Reads a signed note; raises NoteRefused."""
    text, gap, lines = _checked_text(data).rpartition("\n\n")
    if not gap or not text:
        raise NoteRefused("no empty line lies between text and signatures.")
    return Note(text + "\n", tuple(parse_signatures(lines)))


def parse_signatures(lines: str) -> list[Signature]:
    """Reads signature lines, each with its newline, at least one; raises NoteRefused."""
    if not lines:
        raise NoteRefused("it has no signature line.")
    found = lines.removesuffix("\n").split("\n")
    if len(found) > MOST_SIGNATURES:
        raise NoteRefused(f"it has {len(found)} signatures; {MOST_SIGNATURES} are read.")
    return [_signature(line) for line in found]


def _checked_text(data: bytes) -> str:
    if len(data) > MOST_BYTES:
        raise NoteRefused(f"it has {len(data)} bytes; {MOST_BYTES} are read.")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise NoteRefused("it is not UTF-8.") from None
    control = next((one for one in text if one < " " and one != "\n"), None)
    if control:
        raise NoteRefused(f"it has the control character U+{ord(control):04X}.")
    if not text.endswith("\n"):
        raise NoteRefused("it does not end in a newline.")
    return text


def _signature(line: str) -> Signature:
    name, gap, value = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not gap or not is_name(name):
        raise NoteRefused("a signature line is not a dash, a name and a signature.")
    signed = decode64(value)
    if signed is None or len(signed) < 5:
        raise NoteRefused("a signature is not base64 of a key id and a signature.")
    return Signature(name, signed[:4], signed[4:])


def is_name(name: str) -> bool:
    """Says whether a key may have this name: it is not empty and has no space and no plus."""
    if not name or "+" in name or any(one.isspace() for one in name) or _has_surrogate(name):
        return False
    return len(name.encode()) <= MOST_NAME_BYTES


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= one <= "\udfff" for one in text)


def encode64(data: bytes) -> str:
    """Returns standard base64."""
    return base64.b64encode(data).decode()


def decode64(text: str) -> bytes | None:
    """Returns what base64 says, or None if there is another, canonical way to write it."""
    try:
        found = base64.b64decode(text.encode(), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    return found if encode64(found) == text else None


def decimal(text: str, most: int = MOST_SIZE) -> int | None:
    """Returns the number that ASCII digits without a leading zero say, None where it is written otherwise or too large."""
    if not text.isascii() or not text.isdecimal() or len(text) > 19 or (text[0] == "0" and text != "0"):
        return None
    return number if (number := int(text)) <= most else None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log: so many entries, with this root. Extension lines are refused: not every kind of signature covers them."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{encode64(self.root)}\n"

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """Reads the text of a note; raises CheckpointRefused."""
        lines = text.split("\n")
        if len(lines) != 4 or lines[3]:
            raise CheckpointRefused("it is not three lines: origin, size and root; extension lines are not taken.")
        origin, size, root = lines[0], decimal(lines[1]), decode64(lines[2])
        if not origin or len(origin.encode(errors="surrogatepass")) > MOST_NAME_BYTES or _has_surrogate(origin):
            raise CheckpointRefused("the origin is empty, too long, or not UTF-8.")
        if size is None:
            raise CheckpointRefused("the size is not a number below 2^63 without leading zeros.")
        if root is None or len(root) != HASH:
            raise CheckpointRefused("the root is not base64 of 32 bytes.")
        return cls(origin, size, root)


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """The public half of a key under its name; for an SM2 key x and y of the point."""

    name: str
    kind: Kind
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The 4 bytes by which signature lines name the key."""
        return sha256(self.name.encode() + b"\n" + self.kind.identifier + self.public).digest()[:4]

    @property
    def text(self) -> str:
        """The key as one line (`vkey`): name, key id, kind and public key."""
        return f"{self.name}+{self.key_id.hex()}+{encode64(self.kind.identifier + self.public)}"

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """Reads such a line; raises KeyRefused."""
        name, key_id, kind, public = _parts(text, "")
        if len(public) != kind.public_bytes:
            raise KeyRefused(f"its public key has {len(public)} bytes; one of {kind.name} has {kind.public_bytes}.")
        key = cls(name, kind, public)
        if key.key_id != key_id:
            raise KeyRefused("its key id is not that of its name and public key.")
        return key


@dataclass(frozen=True, slots=True)
class SignerKey:
    """Both halves of a key: *private* is the seed, for an SM2 key the number and then the public half."""

    name: str
    kind: Kind
    private: bytes

    @classmethod
    def make(cls, name: str, kind: Kind) -> "SignerKey":
        """Returns a fresh key of this name; raises KeyRefused."""
        if not is_name(name):
            raise KeyRefused("its name is empty or longer than 255 bytes, or has a space or a plus.")
        return cls(name, kind, algorithms.make_private(kind))

    @property
    def verifier(self) -> VerifierKey:
        """The public half."""
        return VerifierKey(self.name, self.kind, algorithms.public_half(self.kind, self.private))

    @property
    def text(self) -> str:
        """The key as one line, which is a secret."""
        return f"PRIVATE+KEY+{self.name}+{self.verifier.key_id.hex()}+{encode64(self.kind.identifier + self.private)}"

    @classmethod
    def parse(cls, text: str) -> "SignerKey":
        """Reads such a line; raises KeyRefused, without anything of the key."""
        name, key_id, kind, private = _parts(text, "PRIVATE+KEY+")
        if len(private) != kind.private_bytes:
            raise KeyRefused(f"its private key has {len(private)} bytes; one of {kind.name} has {kind.private_bytes}.")
        key = cls(name, kind, private)
        if key.verifier.key_id != key_id:
            raise KeyRefused("its key id is not that of its name and key.")
        return key


def _parts(text: str, prefix: str) -> tuple[str, bytes, Kind, bytes]:
    name, *rest = text.removeprefix(prefix).split("+", 2)
    if not text.startswith(prefix) or len(rest) != 2 or not is_name(name):
        raise KeyRefused("it is not a name, a key id and a key with + between them.")
    material = decode64(rest[1])
    if len(rest[0]) != 8 or any(one not in "0123456789abcdef" for one in rest[0]) or material is None:
        raise KeyRefused("its key id is not 8 hexadecimal digits, or its key is not base64.")
    kind = next((one for one in KINDS if material.startswith(one.identifier)), None)
    if kind is None:
        raise KeyRefused("its kind is none of " + ", ".join([one.name for one in KINDS]) + ".")
    return name, bytes.fromhex(rest[0]), kind, material[len(kind.identifier) :]

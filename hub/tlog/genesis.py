"""The first entry of a log, leaf 0: which log of which hub it is and, where it goes on from another, what the two have in common.

    chuanyu-log/1
    origin <origin>
    hub <32 hex digits, drawn once>
    pseudonym-key <fingerprint in hex>

A log that goes on after a restore also has these lines, roots in base64:

    previous <origin> <size> <root>      the last checkpoint that is known of the log before
    common <size> <root>                 the part of it that this log begins with, as the log before has it
    feed <number> <name>                 of each feed the number that comes next; later ones that the log before has are lost
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hub.domain.errors import HubError
from hub.tlog.note import Checkpoint, decimal, decode64, encode64
from hub.tlog.tree import HASH

VERSION = "chuanyu-log/1"


class GenesisRefused(HubError):
    """The bytes are not the first entry of a log of this version; compare them with docs/log-format.md."""


@dataclass(frozen=True, slots=True)
class Continued:
    """What a log goes on from: the last checkpoint known of the one before, the prefix in common, and where feeds go on (number, name)."""

    previous: Checkpoint
    common_size: int
    common_root: bytes
    feeds: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Genesis:
    """*hub* is drawn once and stays through incarnations; *pseudonym_key* is the fingerprint of the key that pseudonyms are made with."""

    origin: str
    hub: bytes
    pseudonym_key: bytes
    continued: Continued | None = None

    @property
    def entry(self) -> bytes:
        """The bytes of the entry."""
        lines = [VERSION, f"origin {self.origin}", f"hub {self.hub.hex()}", f"pseudonym-key {self.pseudonym_key.hex()}"]
        if (after := self.continued) is not None:
            before = after.previous
            lines.append(f"previous {before.origin} {before.size} {encode64(before.root)}")
            lines.append(f"common {after.common_size} {encode64(after.common_root)}")
            lines += [f"feed {number} {name}" for number, name in after.feeds]
        return "".join([f"{line}\n" for line in lines]).encode()

    @classmethod
    def parse(cls, entry: bytes) -> "Genesis":
        """Reads the entry; raises GenesisRefused."""
        try:
            lines = entry.decode().split("\n")
            version, origin, hub, pseudonym_key, *more, end = lines
            read = cls(_after("origin", origin), _hex(_after("hub", hub)), _hex(_after("pseudonym-key", pseudonym_key)), _continued(more))
        except ValueError as fault:
            raise GenesisRefused(str(fault)) from None
        if version != VERSION or end or read.entry != entry:
            raise GenesisRefused(f"It does not begin with {VERSION}, or could be written in another way.")
        return read


def _continued(lines: Sequence[str]) -> Continued | None:
    if not lines:
        return None
    previous, common, *feeds = lines
    origin, size, root = _after("previous", previous).split(" ")
    common_size, common_root = _after("common", common).split(" ")
    numbered = [_after("feed", feed).split(" ", 1) for feed in feeds]
    return Continued(
        Checkpoint(origin, _number(size), _root(root)),
        _number(common_size),
        _root(common_root),
        tuple((_number(number), name) for number, name in numbered),
    )


def _after(word: str, line: str) -> str:
    found, gap, rest = line.partition(" ")
    if found != word or not gap or not rest:
        raise ValueError(f"A line is not `{word}` and what belongs to it.")
    return rest


def _hex(text: str) -> bytes:
    return bytes.fromhex(text)


def _number(text: str) -> int:
    if (number := decimal(text)) is None:
        raise ValueError("A number is not one below 2^63 without leading zeros.")
    return number


def _root(text: str) -> bytes:
    root = decode64(text)
    if root is None or len(root) != HASH:
        raise ValueError("A root is not base64 of 32 bytes.")
    return root

"""Reference reader of the offline hotlist, for makers of gates: plain Python, with SM2 from gmssl-pyx.

    copy = read(public_key, snapshot, deltas, least_epoch)    # raises Refused
    copy.answer("card|51|S00000123", now_s)                   # LISTED, NOT_LISTED or STALE

A gate keeps the files it took and the highest epoch it ever had; it hands all of them in again at each start and after each download.
The format is described byte by byte in hotlist.md.
"""

import hmac
import os
import struct
from collections.abc import Sequence

from gmssl_pyx import GmsslInnerError, sm2_verify

MASK_64 = (1 << 64) - 1
HEAD = struct.Struct(">4sBBHQQQqIIQQ")
SNAPSHOT = struct.Struct(">32sQIII")
DELTA = struct.Struct(">QII")


class Refused(Exception):
    """The files must not be used; the gate goes on with what it holds."""


class Held:
    """A snapshot with the deltas over it."""

    def __init__(self, public_key: bytes, snapshot: bytes) -> None:
        self.public_key = public_key
        (self.epoch, self.base_epoch, self.made_s, self.stale_after_s), own, body = self._opened(snapshot, 1, SNAPSHOT)
        self.key, self.seed, self.length, self.segments, exceptions = own
        slots = (self.segments + 2) * self.length if self.segments else 0
        if self.epoch != self.base_epoch or len(body) != 8 * exceptions + 2 * slots:
            raise Refused("not a whole snapshot")
        self.cleared = set(struct.unpack_from(f">{exceptions}Q", body))
        self.fingerprints = struct.unpack_from(f">{slots}H", body, 8 * exceptions)
        self.listed: set[int] = set()

    def apply(self, delta: bytes) -> None:
        """Brings the next delta in."""
        (epoch, base_epoch, made_s, stale_after_s), (previous, to_list, to_clear), body = self._opened(delta, 2, DELTA)
        if base_epoch != self.base_epoch or previous != self.epoch or epoch <= previous:
            raise Refused("the delta does not follow what is held")
        if len(body) != 8 * (to_list + to_clear):
            raise Refused("not a whole delta")
        values = struct.unpack_from(f">{to_list + to_clear}Q", body)
        self.listed = self.listed.union(values[:to_list]).difference(values[to_list:])
        self.cleared = self.cleared.difference(values[:to_list]).union(values[to_list:])
        self.epoch, self.made_s, self.stale_after_s = epoch, made_s, stale_after_s

    def answer(self, name: str, now_s: int) -> str:
        """LISTED: refuse the card. NOT_LISTED: it was good when the list was made. STALE: not listed, but the list is too old to say so."""
        value = int.from_bytes(hmac.digest(self.key, name.encode(), "sm3")[:8], "big")
        if value in self.listed or (value not in self.cleared and self._hits(value)):
            return "LISTED"
        return "STALE" if now_s >= self.made_s + self.stale_after_s else "NOT_LISTED"

    def _hits(self, value: int) -> bool:
        if not self.segments:
            return False
        mixed = ((value ^ self.seed) * 0xFF51AFD7ED558CCD) & MASK_64
        mixed ^= mixed >> 32
        first = (mixed * self.segments * self.length) >> 64
        second = (first + self.length) ^ ((mixed >> 18) & (self.length - 1))
        third = (first + 2 * self.length) ^ (mixed & (self.length - 1))
        found = self.fingerprints[first] ^ self.fingerprints[second] ^ self.fingerprints[third]
        return found == value & 0xFFFF

    def _opened(self, data: bytes, kind: int, fields: struct.Struct) -> tuple[tuple[int, ...], tuple, bytes]:
        """Checks the signature before anything else is believed, and takes the file apart."""
        r, s = data[-64:-32].lstrip(b"\0"), data[-32:].lstrip(b"\0")
        numbers = b"".join(b"\2" + bytes([len(n)]) + n for n in (b"\0" + n if n[:1] >= b"\x80" else n or b"\0" for n in (r, s)))
        signed = _is_signed(self.public_key, data[:-64], b"\x30" + bytes([len(numbers)]) + numbers)
        if len(data) < HEAD.size + fields.size + 64 or not signed:
            raise Refused("the signature is not the hub's")
        magic, version, its_kind, _, epoch, base, _, made_us, stale_after_s, *_ = HEAD.unpack_from(data)
        if (magic, version, its_kind) != (b"CYHL", 1, kind):
            raise Refused("another kind of file, or a newer version")
        head = (epoch, base, made_us // 1_000_000, stale_after_s)
        return head, fields.unpack_from(data, HEAD.size), data[HEAD.size + fields.size : -64]


def _is_signed(public_key: bytes, data: bytes, signature: bytes) -> bool:
    """Checks a signature; the lines of C that GmSSL writes to descriptor 2 at a wrong one go nowhere."""
    before, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        return sm2_verify(public_key, data, signature)
    except GmsslInnerError:
        return False
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(nowhere)


def read(public_key: bytes, snapshot: bytes, deltas: Sequence[bytes] = (), least_epoch: int = 0) -> Held:
    """Checks and reads the files; *least_epoch* is the highest epoch the gate ever had: an older one is refused."""
    held = Held(public_key, snapshot)
    for delta in deltas:
        held.apply(delta)
    if held.epoch < least_epoch:
        raise Refused("older than what was held: somebody may be hiding a loss")
    return held

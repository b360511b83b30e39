#!/usr/bin/env python3
"""Verifies an evidence bundle (*.hubaudit) of the card exchange hub. 核验互通枢纽的证据包。

    python3 verify.py BUNDLE.hubaudit --policy POLICY

This one file needs Python 3.11 or newer and the package `cryptography`; it reads two files and opens no connection. It believes nobody but
the policy file, which you got from elsewhere than the bundle: it says which log and which witnesses count (c2sp.org/tlog-policy).
Exit codes: 0 verified, 1 refused, 2 not read, 3 only consistent with itself (no policy from outside), 4 a signature that the policy needs
could not be checked here. docs/verify.md of the hub explains every line of the output and docs/log-format.md every byte of the file.
"""

import argparse
import base64
import binascii
import hashlib
import json
import re
import struct
import sys
import uuid
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from itertools import takewhile
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

VERIFIED, REFUSED, NOT_READ, SELF_CONSISTENT, NOT_CHECKED = range(5)
FORMAT = "chuanyu-bundle/2"
# The numbers of kinds in the message Event.
DECISION_MADE, RULES_PUBLISHED, INDEX_PUBLISHED = 520, 550, 596
AUDIT_REQUESTED, AUDIT_DELIVERED = 620, 624
# Those of events about keys, with where they have the key's id, its public half, its algorithm, and whose it is.
KEY_KINDS = {b"receipt_key_taken_up": 610, b"receipt_key_retired": 611, b"participant_signing_key_registered": 600}
# Where an event has the card that it is about, its other identifiers, and what is kept of a batch; and a card its kind and its key.
EVENT_CARD, EVENT_ALIASES, EVENT_SENT, FIRST_KIND = 4, 5, 17, 100
CARD_KIND, CARD_CLEAR, CARD_KEY, CARD_NO = 2, 3, 4, 1
# Only what issuers report of a card's life ties an identifier to its number.
TYING_KINDS = frozenset(
    b"app_locked app_unlocked application_rejected bank_account_activated bank_account_closed bank_account_expired"
    b" bank_account_formal_loss_reported bank_account_frozen bank_account_loss_released bank_account_opened"
    b" bank_account_oral_loss_reported bank_account_resumed bank_account_stopped bank_account_unfrozen card_cancelled card_registered"
    b" card_returned card_superseded ecard_family_linked ecard_family_unlinked ecard_made_unavailable ecard_reauthorized ecard_released"
    b" ecard_resumed ecard_signed ecard_suspended finance_loss_requested formal_loss_reported holder_data_corrected insured_region_moved"
    b" loss_released pin_locked pin_reset pin_set production_batched production_returned temporary_loss_expired transit_concession_bound"
    b" transit_purse_activated transit_purse_closed transit_purse_delisted transit_purse_hotlisted transit_purse_loaded"
    b" transit_purse_migrated".split()
)
MOST_MEMBER, MOST_MEMBERS, MOST_JSON, MOST_PATH = 1 << 28, 1_000_000, 1 << 24, 63
BEIJING = timezone(timedelta(hours=8))


GET_CRYPTOGRAPHY = "pip install cryptography"


class Refused(Exception):
    """What is wrong, by its name in capitals; docs/verify.md has a row for each."""

    def __init__(self, name: str, detail: str = "") -> None:
        """*detail* says where."""
        super().__init__(f"{name}: {detail}" if detail else name)
        self.name = name


class NotChecked(Exception):
    """Something that the policy needs cannot be checked with what is installed here."""


def expect(holds: bool, name: str, detail: str = "") -> None:
    """Raises Refused unless it holds."""
    if not holds:
        raise Refused(name, detail)


# --- the file: a plain tar, byte for byte as the hub writes it -----------------------------------------------------------------------

_LINKS, _DEVICES = b"12", b"346"
_SQUEEZED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"PK\x03\x04")


def tar_header(name: str, size: int) -> bytes:
    """Returns the one header that a member of this name and size may have."""
    head = struct.pack("100s8s8s8s12s12s8s1s100s6s2s32s32s8s8s155s12x", name.encode(), b"0000644\0", b"0000000\0", b"0000000\0",
                       b"%011o\0" % size, b"00000000000\0", b" " * 8, b"0", b"", b"ustar\0", b"00", b"", b"", b"", b"", b"")  # fmt: skip
    return head[:148] + b"%06o\0 " % sum(head) + head[156:]


def members(file: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """Yields the members in their order, each read whole; refuses whatever else a tar may have."""
    seen: set[str] = set()
    while (block := file.read(512)) != bytes(512):
        if not seen:
            expect(not block.startswith(_SQUEEZED), "TAR_COMPRESSED")
        expect(len(block) == 512, "TAR_TRUNCATED", f"after {len(seen)} members")
        name, size = _member(block)
        expect(name not in seen, "TAR_DOUBLED", name)
        seen.add(name)
        expect(len(seen) <= MOST_MEMBERS, "TAR_TOO_LARGE", "too many members")
        data = file.read(size)
        padding = file.read(-size % 512)
        expect(len(data) == size and len(padding) == -size % 512, "TAR_TRUNCATED", name)
        expect(not any(padding), "TAR_HEADER", f"{name}: its padding is not empty")
        yield name, data
    expect(file.read(512) == bytes(512), "TAR_TRUNCATED", "the end mark is missing")
    expect(not file.read(1), "TAR_TRAILING")


def _member(block: bytes) -> tuple[str, int]:
    kind, raw = block[156:157], block[:100].rstrip(b"\0")
    name = raw.decode("ascii", "replace")
    expect(block[257:262] == b"ustar", "TAR_HEADER", "this is no evidence bundle; `hub verify` takes a .tlog-proof or a checkpoint")
    expect(kind not in _LINKS, "TAR_LINK", name)
    expect(kind not in _DEVICES, "TAR_DEVICE", name)
    expect(kind != b"S", "TAR_SPARSE", name)
    expect(not name.startswith("/") and ".." not in name.split("/") and not block[345:500].strip(b"\0"), "TAR_CLIMBS", name)
    digits = block[124:135]
    expect(digits.isdigit() and not digits.strip(b"01234567"), "TAR_HEADER", name)
    size = int(digits, 8)
    expect(size > 0, "TAR_EMPTY_MEMBER", name)
    expect(size <= MOST_MEMBER, "TAR_TOO_LARGE", name)
    expect(block == tar_header(name, size), "TAR_HEADER", name)
    return name, size


class Members:
    """The members of a bundle, taken in the one order that they may have."""

    def __init__(self, file: BinaryIO) -> None:
        """Reads as far as the first."""
        self._members = members(file)
        self._next = next(self._members, None)

    def take(self, name: str) -> bytes:
        """Returns the next member, which must have this name."""
        expect(self._next is not None and self._next[0] == name, "MEMBER_MISSING", name)
        assert self._next is not None
        data, self._next = self._next[1], next(self._members, None)
        return data

    def take_if_there(self, name: str) -> bytes:
        """Returns the next member if it has this name, b"" if it has another."""
        return self.take(name) if self._next is not None and self._next[0] == name else b""

    def group(self, folder: str) -> Iterator[tuple[str, bytes]]:
        """Yields the members that are next and in this folder, without it, in ascending order."""
        last = ""
        while self._next is not None and self._next[0].startswith(folder):
            name, data = self._next[0].removeprefix(folder), self._next[1]
            expect(name > last, "MEMBER_UNKNOWN", f"{folder}{name} is not in order")
            self._next, last = None, name
            yield name, data
            self._next = next(self._members, None)

    def end(self) -> None:
        """Refuses a member that nothing asked for."""
        expect(self._next is None, "MEMBER_UNKNOWN", self._next[0] if self._next is not None else "")


# --- signatures ----------------------------------------------------------------------------------------------------------------------

ED25519, ED25519_COSIGNED, ML_DSA_44, SM2 = "Ed25519", "Ed25519 cosignature", "ML-DSA-44 cosignature", "SM2 with SM3"
# For each kind: what a key begins with, the length of its public half, the length of a signature.
_KINDS = {ED25519: (b"\x01", 32, 64), ED25519_COSIGNED: (b"\x04", 32, 72), ML_DSA_44: (b"\x06", 1312, 2428),
          SM2: (b"\xffchuanyu.exchange/sm2-sm3/v1", 64, 64)}  # fmt: skip


def sm3(data: bytes) -> bytes:
    """Returns the SM3 digest (GB/T 32905), also where the library does not have it."""
    try:
        return hashlib.new("sm3", data).digest()
    except ValueError:
        return _sm3_in_integers(data)


def _sm3_in_integers(data: bytes) -> bytes:
    def turned(word: int, by: int) -> int:
        return (word << by % 32 | word >> 32 - by % 32) & 0xFFFFFFFF if by % 32 else word

    state = [0x7380166F, 0x4914B2B9, 0x172442D7, 0xDA8A0600, 0xA96F30BC, 0x163138AA, 0xE38DEE4D, 0xB0FB0E4E]
    padded = data + b"\x80" + bytes((55 - len(data)) % 64) + struct.pack(">Q", 8 * len(data))
    for at in range(0, len(padded), 64):
        w = list(struct.unpack_from(">16I", padded, at))
        for j in range(16, 68):
            x = w[j - 16] ^ w[j - 9] ^ turned(w[j - 3], 15)
            w.append(x ^ turned(x, 15) ^ turned(x, 23) ^ turned(w[j - 13], 7) ^ w[j - 6])
        a, b, c, d, e, f, g, h = state
        for j in range(64):
            t = turned(a, 12)
            ss1 = turned(t + e + turned(0x79CC4519 if j < 16 else 0x7A879D8A, j) & 0xFFFFFFFF, 7)
            ff, gg = (a ^ b ^ c, e ^ f ^ g) if j < 16 else (a & b | a & c | b & c, e & f | ~e & g)
            tt1 = ff + d + (ss1 ^ t) + (w[j] ^ w[j + 4]) & 0xFFFFFFFF
            tt2 = gg + h + ss1 + w[j] & 0xFFFFFFFF
            a, b, c, d, e, f, g, h = tt1, a, turned(b, 9), c, tt2 ^ turned(tt2, 9) ^ turned(tt2, 17), e, turned(f, 19), g
        state = [old ^ new for old, new in zip(state, (a, b, c, d, e, f, g, h), strict=True)]
    return struct.pack(">8I", *state)


# The curve of GB/T 32918.5.
_P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
_B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
_N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
_G = (0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7,
      0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0)  # fmt: skip
_Point = tuple[int, int] | None


def _added(one: _Point, other: _Point) -> _Point:
    if one is None or other is None:
        return one or other
    (x1, y1), (x2, y2) = one, other
    if x1 == x2 and (y1 + y2) % _P == 0:
        return None
    slope = (3 * x1 * x1 - 3) * pow(2 * y1, -1, _P) if one == other else (y2 - y1) * pow(x2 - x1, -1, _P)
    x = (slope * slope - x1 - x2) % _P
    return x, (slope * (x1 - x) - y1) % _P


def _times(number: int, point: _Point) -> _Point:
    found: _Point = None
    for bit in bin(number)[2:]:
        found = _added(found, found)
        if bit == "1":
            found = _added(found, point)
    return found


def is_sm2(public: bytes, message: bytes, signature: bytes) -> bool:
    """Says whether r and s are a signature over the message (GB/T 32918.2), by the default signer id 1234567812345678."""
    x, y, r, s = (int.from_bytes(half, "big") for half in (public[:32], public[32:], signature[:32], signature[32:]))
    if not (0 < r < _N and 0 < s < _N and x < _P and y < _P and (y * y - x * x * x + 3 * x - _B) % _P == 0):
        return False
    signer = b"1234567812345678"
    curve = b"".join(number.to_bytes(32, "big") for number in (_P - 3, _B, *_G))
    digest = sm3(sm3(struct.pack(">H", 8 * len(signer)) + signer + curve + public) + message)
    t = (r + s) % _N
    point = _added(_times(s, _G), _times(t, (x, y))) if t else None
    return point is not None and (int.from_bytes(digest, "big") + point[0]) % _N == r


class Key(NamedTuple):
    """A key as a policy names it."""

    name: str
    kind: str
    public: bytes
    key_id: bytes

    @classmethod
    def parse(cls, text: str) -> "Key":
        """Reads a vkey (c2sp.org/signed-note)."""
        name, *rest = text.split("+", 2)
        expect(len(rest) == 2 and is_name(name), "POLICY_MALFORMED", "a key is not a name, an id and a key")
        material = decoded(rest[1])
        kind = next((kind for kind, (mark, _, _) in _KINDS.items() if material is not None and material.startswith(mark)), None)
        expect(kind is not None, "POLICY_MALFORMED", f"{name}: the kind of its key is not known")
        assert kind is not None and material is not None
        public = material[len(_KINDS[kind][0]) :]
        key_id = hashlib.sha256(name.encode() + b"\n" + material).digest()[:4]
        expect(len(public) == _KINDS[kind][1] and rest[0] == key_id.hex(), "POLICY_MALFORMED", f"{name}: its key is damaged")
        return cls(name, kind, public, key_id)


def is_name(name: str) -> bool:
    """Says whether a key may have this name."""
    return 0 < len(name.encode(errors="replace")) <= 255 and not re.search(r"[\s+\ud800-\udfff]", name)


def decoded(text: str) -> bytes | None:
    """Returns what canonical base64 says, None where it is not."""
    try:
        data = base64.b64decode(text.encode(errors="replace"), validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if base64.b64encode(data).decode() == text else None


class Note(NamedTuple):
    """A checkpoint with its signature lines: (name, key id, signature)."""

    text: str
    origin: str
    size: int
    root: bytes
    lines: tuple[tuple[str, bytes, bytes], ...]


def parse_note(data: bytes) -> Note:
    """Reads a signed checkpoint (c2sp.org/tlog-checkpoint), exactly."""
    try:
        whole = data.decode()
    except UnicodeDecodeError:
        raise Refused("NOTE_MALFORMED", "it is not UTF-8") from None
    clean = whole.endswith("\n") and not re.search("[\0-\x09\x0b-\x1f]", whole) and len(data) <= 1 << 18
    text, gap, signed = whole.rpartition("\n\n")
    expect(clean and bool(gap) and bool(text) and bool(signed), "NOTE_MALFORMED")
    lines = []
    for line in signed.removesuffix("\n").split("\n"):
        name, _, value = line.removeprefix("— ").partition(" ")
        signature = decoded(value)
        expect(line.startswith("— ") and is_name(name) and signature is not None and len(signature) > 4, "NOTE_MALFORMED", "signature line")
        assert signature is not None
        lines.append((name, signature[:4], signature[4:]))
    expect(len(lines) <= 16, "NOTE_MALFORMED", "more than 16 signatures")
    rows = text.split("\n")
    expect(len(rows) == 3 and 0 < len(rows[0].encode()) <= 255 and bool(re.fullmatch("0|[1-9][0-9]{0,18}", rows[1], re.ASCII)),
           "NOTE_MALFORMED", "origin, size, root")  # fmt: skip
    size, root = int(rows[1]), decoded(rows[2])
    expect(root is not None and len(root) == 32 and size < 1 << 63, "NOTE_MALFORMED", "size or root")
    assert root is not None
    return Note(f"{text}\n", rows[0], size, root, tuple(lines))


def signed_at(key: Key, note: Note, signature: bytes) -> int:
    """Returns when a line was signed, in seconds since 1970, 0 for a kind without a time; raises Refused or NotChecked."""
    wrong = f"{key.name}, {key.kind}"
    expect(len(signature) == _KINDS[key.kind][2], "SIGNATURE_WRONG", wrong)
    if key.kind == SM2:
        expect(is_sm2(key.public, note.text.encode(), signature), "SIGNATURE_WRONG", wrong)
        return 0
    at_s, value, message = 0, signature, note.text.encode()
    if key.kind != ED25519:
        at_s, value = int.from_bytes(signature[:8], "big"), signature[8:]
        expect(at_s < 1 << 63, "SIGNATURE_WRONG", f"{wrong}: its time")
    if key.kind == ED25519_COSIGNED:
        message = b"cosignature/v1\ntime %d\n" % at_s + message
    if key.kind == ML_DSA_44:
        name, origin = key.name.encode(), note.origin.encode()
        message = b"subtree/v1\n\0" + bytes([len(name)]) + name + signature[:8] + bytes([len(origin)]) + origin
        message += struct.pack(">QQ", 0, note.size) + note.root
    expect(_is_signed(key, message, value), "SIGNATURE_WRONG", wrong)
    return at_s


def _is_signed(key: Key, message: bytes, value: bytes) -> bool:
    try:
        from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

        if key.kind == ML_DSA_44:
            from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey as Public
        else:
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey as Public  # type: ignore[assignment]
    except ImportError as missing:
        # Without the package nothing is known; in an older one a kind of signature may be missing.
        remedy = GET_CRYPTOGRAPHY if missing.name == "cryptography" else f"{GET_CRYPTOGRAPHY} --upgrade"
        raise NotChecked(f"{key.name}, {key.kind}: {remedy}") from None
    try:
        Public.from_public_bytes(key.public).verify(value, message)
    except UnsupportedAlgorithm:
        raise NotChecked(f"{key.name}, {key.kind}") from None
    except (InvalidSignature, ValueError):
        return False
    return True


class Policy:
    """Which logs and witnesses count, and how many of them (c2sp.org/tlog-policy)."""

    def __init__(self, data: bytes) -> None:
        """Reads the file; raises Refused."""
        self.logs: list[Key] = []
        self.witnesses: dict[str, Key] = {}
        self.groups: dict[str, tuple[int, list[str]]] = {}
        self.quorum = ""
        # For each key the sizes of trees between which it counts.
        self.within: dict[bytes, list[int]] = {}
        expect(len(data) <= 1 << 18 and data.endswith(b"\n") and not re.search(b"[\0-\x08\x0b-\x1f\x7f]", data), "POLICY_MALFORMED")
        for number, line in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), 1):
            words = [word for word in re.split("[ \t]+", line) if word]
            if words and (words[0].startswith("#!") or not words[0].startswith("#")):
                expect(self._read(words[0], words[1:]), "POLICY_MALFORMED", f"line {number}")
        expect(bool(self.quorum), "POLICY_MALFORMED", "no quorum")

    def _read(self, what: str, words: list[str]) -> bool:
        taken = {"none", *self.witnesses, *self.groups}
        if what == "log" and len(words) in (1, 2):
            key = Key.parse(words[0])
            self.logs.append(key)
            return key.kind != ED25519_COSIGNED and len({one.public for one in self.logs}) == len(self.logs) <= 256 and self._apart()
        if what == "witness" and len(words) in (2, 3) and words[0] not in taken:
            key = self.witnesses[words[0]] = Key.parse(words[1])
            keys = [one.public for one in self.witnesses.values()]
            return key.kind in (ED25519_COSIGNED, ML_DSA_44) and len(set(keys)) == len(keys) <= 256 and self._apart()
        if what == "group" and len(words) > 2 and words[0] not in taken:
            members = words[2:]
            given = {"any": "1", "all": str(len(members))}.get(words[1], words[1])
            least = int(given) if re.fullmatch("[1-9][0-9]{0,8}", given) else 0
            before = [one for _, group in self.groups.values() for one in group]
            self.groups[words[0]] = (least, members)
            once = len(set(members)) == len(members) and not set(members) & set(before)
            return 1 <= least <= len(members) and once and set(members) <= taken - {"none"} and len(self.groups) <= 256
        if what == "quorum" and len(words) == 1 and not self.quorum and words[0] in taken:
            self.quorum = words[0]
            return True
        return what in ("#!from", "#!until") and len(words) == 2 and self._limit(what == "#!until", *words)

    def _limit(self, is_end: bool, of: str, size: str) -> bool:
        """Takes from or until which size of the tree a key counts, once each."""
        keys = [key for key in (*self.logs, *self.witnesses.values()) if f"{key.name}+{key.key_id.hex()}" == of]
        if len(keys) != 1 or not re.fullmatch("[1-9][0-9]{0,18}", size) or int(size) >= 1 << 63:
            return False
        limits = self.within.setdefault(keys[0].public, [0, 1 << 63])
        is_first = limits[is_end] == (1 << 63 if is_end else 0)
        limits[is_end] = int(size)
        return is_first and limits[0] < limits[1]

    def _counts(self, key: Key, size: int) -> bool:
        first, end = self.within.get(key.public, (0, 1 << 63))
        return first <= size < end

    def _apart(self) -> bool:
        """Says whether no log is its own witness."""
        return not {one.public for one in self.logs} & {one.public for one in self.witnesses.values()}

    def judge(self, note: Note) -> "Judged":
        """Checks the log's and the witnesses' lines; one that names a known key and is not of it spoils the whole."""
        logs = [key for key in self.logs if key.name == note.origin]
        expect(bool(logs), "LOG_UNKNOWN", note.origin)
        found, missing = Judged([], {}, {}, []), NotChecked("")
        for who, key in [*((None, key) for key in logs), *self.witnesses.items()]:
            if not self._counts(key, note.size):
                continue
            for name, key_id, signature in note.lines:
                if (name, key_id) != (key.name, key.key_id):
                    continue
                try:
                    at_s = signed_at(key, note, signature)
                except NotChecked as cannot:
                    found.unchecked.append(str(cannot))
                    missing = cannot
                    continue
                if who is None:
                    found.logs.append(f"{key.name} ({key.kind})")
                else:
                    expect(at_s > 0, "SIGNATURE_WRONG", f"{who}: a witness says when")
                    found.witnesses[who] = min(at_s, found.witnesses.get(who, at_s))
                    found.seen[key.name] = min(at_s, found.seen.get(key.name, at_s))
        if not found.logs or not self._has(self.quorum, found.witnesses):
            if found.unchecked:
                raise missing
            ended = [key.key_id.hex() for key in logs if any(line[:2] == (key.name, key.key_id) for line in note.lines)]
            expect(bool(found.logs) or not ended, "LOG_KEY_ENDED", f"{note.origin}, size {note.size}, key {', '.join(ended)}")
            expect(bool(found.logs), "LOG_SIGNATURE_MISSING", note.origin)
            raise Refused("QUORUM_MISSED", f"{self.quorum}; cosigned by: {', '.join(found.witnesses) or 'none'}")
        return found

    def _has(self, name: str, cosigned: dict[str, int]) -> bool:
        if name not in self.groups:
            return name == "none" or name in cosigned
        least, members = self.groups[name]
        there = [one for one in members if self._has(one, cosigned)]
        # Two keys of one witness are one witness, unless all members are asked for.
        parties = {self.witnesses[one].name if one in self.witnesses else f"+{one}" for one in there}
        return len(there) == len(members) or len(parties) >= least


class Judged(NamedTuple):
    """Who signed: keys of the log, each key of a witness by its name in the policy, each witness once, and what is not checked here."""

    logs: list[str]
    witnesses: dict[str, int]
    seen: dict[str, int]
    unchecked: list[str]


# --- the tree ------------------------------------------------------------------------------------------------------------------------


def hashed(*parts: bytes) -> bytes:
    """Returns SHA-256."""
    return hashlib.sha256(b"".join(parts)).digest()


def root_of(size: int, leaves: Iterator[tuple[int, bytes]], proof: Iterator[bytes]) -> bytes:
    """Returns the root of a tree of which only some leaves are given, in order: *proof* has each largest subtree without any, in order."""
    sha256, following = hashlib.sha256, next(leaves, None)

    def node(first: int, end: int) -> bytes:
        nonlocal following
        if following is None or following[0] >= end:
            found = next(proof, None)
            expect(found is not None, "ROOT_DIFFERS", "hashes are missing")
            return found or b""
        if end - first == 1:
            leaf, following = following[1], next(leaves, None)
            return leaf
        middle = first + (1 << (end - first - 1).bit_length() - 1)
        return sha256(b"\1" + node(first, middle) + node(middle, end)).digest()

    root = node(0, size)
    expect(following is None and next(proof, None) is None, "ROOT_DIFFERS", "entries or hashes are left over")
    return root


def check_growth(first: Note, second: Note, path: list[bytes]) -> None:
    """Checks that the tree of the second checkpoint begins with that of the first (RFC 9162, 2.1.4.2)."""
    wrong = f"from {first.size} to {second.size}"
    expect(0 < first.size < second.size and 0 < len(path) <= MOST_PATH, "CONSISTENCY_WRONG", wrong)
    if first.size & first.size - 1 == 0:
        path = [first.root, *path]
    at, last = first.size - 1, second.size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old = new = path[0]
    for one in path[1:]:
        expect(last > 0, "CONSISTENCY_WRONG", wrong)
        if at & 1 or at == last:
            old, new = hashed(b"\1", one, old), hashed(b"\1", one, new)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            new = hashed(b"\1", new, one)
        at, last = at >> 1, last >> 1
    expect(last == 0 and old == first.root and new == second.root, "CONSISTENCY_WRONG", wrong)


def hashes_of(data: bytes, name: str) -> list[bytes]:
    """Cuts a file of hashes."""
    expect(len(data) % 32 == 0, name, "not a row of hashes")
    return [data[at : at + 32] for at in range(0, len(data), 32)]


# --- entries -------------------------------------------------------------------------------------------------------------------------


class Entry(NamedTuple):
    """An entry of the log; *data* is its content, None where only the header is in the bundle."""

    position: int
    recorded_us: int
    sequence: int
    stream: bytes
    kind: bytes
    leaf: bytes
    data: bytes | None


def entries_of(parts: Iterable[tuple[str, bytes]]) -> Iterator[Entry]:
    """Yields the entries in order of position; each content that is there was compared with what the log has of it."""
    last, last_us, number = 0, -(1 << 63), 0
    for name, part in parts:
        expect(name == f"{number:06d}", "MEMBER_UNKNOWN", f"entries/{name}")
        number, at = number + 1, 0
        while at < len(part):
            try:
                entry, at = _entry(part, at)
            except (struct.error, IndexError):
                raise Refused("ENTRY_MALFORMED", f"entries/{name}, byte {at}") from None
            # Of a million entries, each word that nobody reads counts.
            if entry.position <= last:
                raise Refused("ENTRIES_DISORDERED", f"position {entry.position}")
            if entry.recorded_us < last_us:
                raise Refused("TIME_GOES_BACK", f"position {entry.position}")
            last, last_us = entry.position, entry.recorded_us
            yield entry


_HEAD, _OPENED = struct.Struct(">BHBQqqB"), struct.Struct(">qBI")


def _entry(part: bytes, at: int) -> tuple[Entry, int]:
    is_opened, length, version, position, recorded_us, sequence, size = _HEAD.unpack_from(part, at)
    raw, at, end = part[at + 3 : at + 3 + length], at + 29, at + 3 + length
    stream, at = part[at : at + size], at + size
    kind, at = part[at + 1 : at + 1 + part[at]], at + 1 + part[at]
    marked = part[at]
    at += 1 + marked
    inner = part[at : at + 32]
    if version != 1 or is_opened > 1 or at + 32 != end or end > len(part):
        raise IndexError
    data = None
    if is_opened:
        occurred_us, width, size = _OPENED.unpack_from(part, end)
        start = end + 13
        end = start + width + size
        # The signed header says how long the blind is. If not, bytes could pass from one part of what is hashed into another.
        if end > len(part) or width != marked:
            raise IndexError
        data = part[start + width : end]
        found = hashlib.sha256(part[start : start + width] + struct.pack(">q", occurred_us) + data).digest()
        if found != inner:
            raise Refused("CONTENT_DIFFERS", f"position {position}")
    return Entry(position, recorded_us, sequence, stream, kind, hashlib.sha256(b"\0" + raw).digest(), data), end


_MOST_DEPTH, _ALL_BITS, _ENUM_BITS = 100, (1 << 64) - 1, (1 << 32) - 1


def fields_of(data: bytes) -> Iterator[tuple[int, int, Any]]:
    """Yields (number, wire type, value) of a protobuf message, an integer or bytes each, exactly as protobuf reads them."""
    at = 0

    def varint(most: int) -> int:
        nonlocal at
        value = 0
        for shift in range(0, 7 * most, 7):
            byte, at = data[at], at + 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value & _ALL_BITS
        raise IndexError

    within: list[int] = []
    try:
        while at < len(data):
            number, wire = divmod(varint(5), 8)
            value: Any = None
            if wire == 0:
                value = varint(10)
            elif wire in (1, 2, 5):
                size = {1: 8, 5: 4}[wire] if wire != 2 else varint(5)
                value, at = data[at : at + size], at + size
            elif wire == 3:
                within.append(number)
            is_right = 0 < number < 1 << 29 and wire < 6 and at <= len(data) and len(within) <= _MOST_DEPTH
            if not is_right or (wire == 4 and (not within or within.pop() != number)):
                raise IndexError
            if value is not None and not within:
                yield number, wire, value
        if within:
            raise IndexError
    except IndexError:
        raise Refused("ENTRY_MALFORMED", "content") from None


class Message:
    """A message as protobuf reads it: the last value of a field counts, one of another type than the field's is passed over."""

    def __init__(self, data: bytes) -> None:
        """Raises Refused."""
        self._fields = list(fields_of(data))

    def number(self, field: int, bits: int = _ALL_BITS) -> int:
        """Returns an unsigned integer, 0 where there is none."""
        return next((value & bits for number, wire, value in reversed(self._fields) if (number, wire) == (field, 0)), 0)

    def all(self, field: int) -> list[bytes]:
        """Returns each value of a field of bytes or of messages."""
        return [value for number, wire, value in self._fields if (number, wire) == (field, 2)]

    def data(self, field: int) -> bytes:
        """Returns bytes, b"" where there are none."""
        return (self.all(field) or [b""])[-1]

    def text(self, field: int) -> str:
        """Returns a text, which is UTF-8."""
        try:
            return self.data(field).decode()
        except UnicodeDecodeError:
            raise Refused("ENTRY_MALFORMED", "text") from None

    def message(self, field: int) -> "Message":
        """Returns a message, an empty one where there is none; said in several parts, it is all of them."""
        return Message(b"".join(self.all(field)))

    @property
    def kinds(self) -> list[tuple[int, bytes]]:
        """Which kinds of event the message says that it is: the last one counts, all that is said of it in a row together."""
        return [(number, value) for number, wire, value in self._fields if wire == 2 and number >= FIRST_KIND]

    @property
    def card_key(self) -> bytes:
        """Of a reference to a card: the hub's key, b"" where it has the identifier itself instead, or nothing."""
        said = [(number, value) for number, wire, value in self._fields if wire == 2 and number in (CARD_CLEAR, CARD_KEY)]
        return said[-1][1] if said and said[-1][0] == CARD_KEY else b""


def arm_of(entry: Entry, number: int) -> Message:
    """Returns the message of a kind in an opened entry."""
    expect(entry.data is not None, "CONTENT_MISSING", f"position {entry.position}")
    last_first = Message(entry.data or b"").kinds[::-1]
    own = [value for _, value in takewhile(lambda said: said[0] == number, last_first)]
    expect(bool(own), "QUESTION_DIFFERS", f"position {entry.position} is of another kind")
    return Message(b"".join(reversed(own)))


def card_of(entry: Entry) -> bytes:
    """Returns the key of the card that an opened entry is about, b"" if it is about none."""
    return Message(entry.data or b"").message(EVENT_CARD).card_key


# --- what was asked, and whether all of it is there ------------------------------------------------------------------------------------


class Indexed(NamedTuple):
    """What the card index says of one key: the positions of all events that name it, below *tree_size*."""

    key: bytes
    what: str
    positions: list[int]
    published: int
    bucket: bytes
    path: list[bytes]

    @classmethod
    def parse(cls, name: str, data: bytes) -> "Indexed":
        """Reads a member of `index/`."""
        said = canonical(data, "INDEX_MALFORMED", {"key", "what", "positions", "published", "bucket", "path"})
        try:
            key, what, positions = bytes.fromhex(said["key"]), said["what"], list(said["positions"])
            bucket, path, published = decoded(said["bucket"]), decoded(said["path"]), said["published"]
        except (AttributeError, TypeError, ValueError):
            raise Refused("INDEX_MALFORMED", name) from None
        if bucket is None or path is None or key.hex() != said["key"] or any(type(one) is not int for one in (published, *positions)):
            raise Refused("INDEX_MALFORMED", name)
        found = cls(key, what, positions, published, bucket, hashes_of(path, "INDEX_MALFORMED"))
        is_whole = what in ("card", "person") and len(found.path) == 20 and len(bucket) % 64 == 0 and positions == sorted(set(positions))
        expect(is_whole and found.id.hex() == name, "INDEX_MALFORMED", name)
        return found

    @property
    def id(self) -> bytes:
        """The name of the key in the index."""
        return hashed(b"chuanyu-index/1" if self.what == "card" else b"chuanyu-index-person/1", self.key)

    def check(self, published: Message, leaves: list[bytes]) -> None:
        """Checks that the published root has exactly this chain of leaves for the key, or none."""
        chain = bytes(32)
        for leaf in leaves:
            chain = hashed(chain, leaf)
        records = [self.bucket[at : at + 64] for at in range(0, len(self.bucket), 64)]
        ids = [record[:32] for record in records]
        number = int.from_bytes(self.id[:3], "big") >> 4
        expect(ids == sorted(set(ids)) and all(int.from_bytes(one[:3], "big") >> 4 == number for one in ids), "INDEX_WRONG", "bucket")
        blind = hashed(b"chuanyu-index-blind/1", self.key)
        own = self.id + hashed(blind, struct.pack(">Q", len(leaves)), chain)
        expect(own in records if leaves else self.id not in ids, "CARD_INCOMPLETE", f"{self.what} {self.key.hex()}")
        node = hashed(b"\0", self.bucket)
        for height, sibling in enumerate(self.path):
            node = hashed(b"\1", sibling, node) if number >> height & 1 else hashed(b"\1", node, sibling)
        expect(published.data(2) == node and published.number(3, _ENUM_BITS) == 1, "INDEX_WRONG", "root")


def canonical(data: bytes, name: str, keys: set[str] | None = None) -> dict[str, Any]:
    """Reads JSON that is written in the one way that the hub writes it."""
    # Once read, it takes twenty times as much memory.
    expect(len(data) <= MOST_JSON, "TAR_TOO_LARGE", name)
    try:
        said = json.loads(data)
        is_same = json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode() + b"\n" == data
    except (ValueError, RecursionError):
        raise Refused(name, "not JSON") from None
    expect(is_same and isinstance(said, dict) and (keys is None or set(said) == keys), name)
    assert isinstance(said, dict)
    return said


Say = Callable[[str, str], None]


# --- receipts: the hub's signed word for each batch, and its sender's signature --------------------------------------------------------

QUARANTINE = b"hub.quarantine"
RECEIPT_BOOK = str(uuid.uuid5(uuid.NAMESPACE_URL, "urn:chuanyu:receipt-book")).encode()
# Streams of the hub itself, which sends no batches.
_OWN_STREAM = re.compile(rb"hub(\..*)?|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.DOTALL)
_WORD, _NUMBER = r"([^\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]*)", r"([1-9][0-9]{0,18})"
_RECEIPT = re.compile(rf"chuanyu-receipt/1\nlog {_WORD}\nfeed {_WORD}\nnumbers {_NUMBER}-{_NUMBER}\npositions ([0-9,-]+)\n"
                      rf"recorded ([0-9]{{4}}-[0-9-]{{5}}T[0-9:]{{8}})\.([0-9]{{6}})Z\nevents ([0-9a-f]{{64}})\nkey {_WORD}\n")  # fmt: skip


class Sent(NamedTuple):
    """What the last event of a batch keeps of it: its first number, the SHA-256 of its events, its sender's key and signature."""

    first: int
    digest: bytes
    key: str
    signature: bytes


class Receipt(NamedTuple):
    """What a receipt says; *runs* are of positions, in the order of the numbers."""

    origin: str
    feed: str
    first: int
    last: int
    runs: list[tuple[int, int]]
    recorded_us: int
    digest: bytes
    key: str

    @classmethod
    def parse(cls, text: str) -> "Receipt":
        """Reads the text, exactly."""
        found = _RECEIPT.fullmatch(text)
        expect(found is not None, "RECEIPT_MALFORMED", "text")
        assert found is not None
        origin, feed, first, last, positions, second, micros, digest, key = found.groups()
        pairs = [re.fullmatch(f"{_NUMBER}-{_NUMBER}", one) for one in positions.split(",")]
        expect(all(pairs), "RECEIPT_MALFORMED", "positions")
        runs = [(int(pair[1]), int(pair[2])) for pair in pairs if pair is not None]
        try:
            at = datetime.strptime(second, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
        except ValueError:
            raise Refused("RECEIPT_MALFORMED", "time") from None
        expect(at.strftime("%Y-%m-%dT%H:%M:%S").zfill(19) == second, "RECEIPT_MALFORMED", "time")
        recorded_us = round((at - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1)) * 1_000_000 + int(micros)
        said = cls(origin, feed, int(first), int(last), runs, recorded_us, bytes.fromhex(digest), key)
        is_right = all(one <= other < 1 << 63 for one, other in [*runs, (said.first, said.last)])
        is_right = is_right and sum(other - one + 1 for one, other in runs) == said.last - said.first + 1
        expect(is_right, "RECEIPT_MALFORMED", "numbers")
        return said

    @property
    def name(self) -> str:
        """How it is named where it is refused."""
        return f"{self.feed} {self.first}-{self.last}"


class Batches:
    """What a bundle shows of feeds and of keys, to check receipts against: of each feed its numbers with (position, time), packed."""

    def __init__(self) -> None:
        """Begins with nothing."""
        self.numbers: dict[str, array[int]] = {}
        self.places: dict[str, array[int]] = {}
        self.ends: dict[tuple[str, int], Sent] = {}
        self.keys: dict[str, tuple[bytes, int]] = {}
        self.ended: dict[str, int] = {}
        self.senders: dict[str, tuple[str, int, bytes]] = {}

    def see_key(self, entry: Entry) -> bool:
        """Takes an entry about a key, and says whether it is one."""
        if entry.kind not in KEY_KINDS or entry.data is None:
            return False
        said = arm_of(entry, KEY_KINDS[entry.kind])
        stream, name = RECEIPT_BOOK, said.text(1)
        if entry.kind == b"participant_signing_key_registered":
            stream = str(uuid.uuid5(uuid.NAMESPACE_URL, name)).encode()
            self.senders[said.text(2)] = (name, said.number(3, _ENUM_BITS), said.data(4))
        elif entry.kind == b"receipt_key_taken_up":
            self.keys[name] = (said.data(3), entry.recorded_us)
        else:
            self.ended[name] = entry.recorded_us
        expect(entry.stream == stream, "QUESTION_DIFFERS", f"position {entry.position} is about a key, elsewhere")
        return True

    def see(self, entry: Entry) -> None:
        """Takes an entry of any stream."""
        if entry.data is None or _OWN_STREAM.fullmatch(entry.stream):
            return
        feed = entry.stream.decode(errors="replace")
        numbers = self.numbers.setdefault(feed, array("q"))
        if numbers and entry.sequence <= numbers[-1]:
            raise Refused("ENTRIES_DISORDERED", f"position {entry.position}")
        numbers.append(entry.sequence)
        self.places.setdefault(feed, array("q")).extend((entry.position, entry.recorded_us))
        # The field is rare and its tag is two bytes: most events need not be read for it.
        if b"\x8a\x01" in entry.data:
            kept = Message(entry.data).message(EVENT_SENT)
            if kept.data(2):
                self.ends[feed, entry.sequence] = Sent(kept.number(1), kept.data(2), kept.text(3), kept.data(4))

    def check(self, parts: Iterable[tuple[str, bytes]], origin: str, say: Say) -> None:
        """Checks the members of `receipts/`: each number that is shown has its receipt, or it is said that it has none."""
        covered = {feed: bytearray(len(numbers)) for feed, numbers in self.numbers.items()}
        open_ends, senders, unchecked = set(self.ends), set[str](), set[str]()
        before, receipts, without = ("", 0), 0, 0
        for item in _receipt_items(parts):
            said = Receipt.parse(item["text"]) if "text" in item else None
            feed, first, last = (said.feed, said.first, said.last) if said else (item["feed"], item["first"], item["last"])
            expect(feed > before[0] or (feed == before[0] and first > before[1]), "RECEIPT_MALFORMED", "order")
            before, name = (feed, last), f"{feed} {first}-{last}"
            numbers = self.numbers.get(feed, array("q"))
            low, high = bisect_left(numbers, first), bisect_right(numbers, last)
            expect(low < high, "RECEIPT_DIFFERS", f"{name} is not shown")
            if said is None:
                ends, lost = {(feed, number) for number in numbers[low:high]} & self.ends.keys(), item["lost"]
                is_lost = lost in self.keys and lost in self.ended
                expect(is_lost if lost else not ends, "RECEIPT_MISSING", name)
                open_ends -= ends
                without += 1
            else:
                self._same_batch(said, low, high, origin)
                self._signed(said, item, senders, unchecked)
                open_ends.discard((feed, last))
                receipts += 1
            covered[feed][low:high] = b"\1" * (high - low)
        for feed, flags in covered.items():
            left = min((number for name, number in open_ends if name == feed), default=0)
            expect(not left and 0 not in flags, "RECEIPT_MISSING", f"{feed} {left or self.numbers[feed][flags.index(0)]}"
                   if left or 0 in flags else "")  # fmt: skip
        if receipts:
            who = ", ".join(sorted(senders)) or "—"
            say(
                f"枢纽回执 {receipts} 份与账相符，报送方签名：{who}",
                f"{receipts} receipts are of these batches; signed by their senders: {who}",
            )
        if without:
            say(f"{without} 段编号没有回执", f"{without} runs of numbers have no receipt: the batches are older, or their key is lost")
        for what in sorted(unchecked):
            say(f"未核验 {what}", f"not checked: {what}")

    def _same_batch(self, said: Receipt, low: int, high: int, origin: str) -> None:
        """Checks that a receipt is of the batch whose numbers are shown."""
        expect(said.origin == origin, "RECEIPT_DIFFERS", f"{said.name}: of another log")
        numbers, places = self.numbers[said.feed], self.places[said.feed]
        runs, passed = iter(said.runs), said.first
        first, last = next(runs)
        for at in range(low, high):
            while numbers[at] - passed > last - first:
                passed += last - first + 1
                first, last = next(runs)
            position, recorded_us = places[2 * at], places[2 * at + 1]
            if position != first + numbers[at] - passed or recorded_us > said.recorded_us:
                raise Refused("RECEIPT_DIFFERS", said.name)
        if numbers[high - 1] == said.last:
            kept = self.ends.get((said.feed, said.last))
            is_its_own = kept is not None and kept[:2] == (said.first, said.digest) and places[2 * high - 1] == said.recorded_us
            expect(is_its_own, "RECEIPT_DIFFERS", said.name)

    def _signed(self, said: Receipt, item: dict[str, Any], senders: set[str], unchecked: set[str]) -> None:
        """Checks the hub's signature, and the sender's where there is one."""
        public, since_us = self.keys.get(said.key, (b"", 0))
        expect(bool(public), "RECEIPT_KEY_MISSING", said.key)
        is_valid = since_us <= said.recorded_us <= self.ended.get(said.key, said.recorded_us)
        signature = _given(item["signature"])
        expect(is_valid and _holds(1, public, item["text"].encode(), signature, "Ed25519", unchecked), "RECEIPT_WRONG", said.name)
        sender, kept = item["sender"], self.ends.get((said.feed, said.last))
        key, signature = (sender["key"], _given(sender["signature"])) if sender else ("", b"")
        expect(kept is None or kept[2:] == (key, signature), "SENDER_WRONG", f"{said.name}: another one is in the log")
        if sender:
            expect(key in self.senders, "RECEIPT_KEY_MISSING", key)
            participant, algorithm, public = self.senders[key]
            count = said.last - said.first + 1
            text = f"chuanyu-batch/1\nfeed {said.feed}\nfirst {said.first}\ncount {count}\nevents {said.digest.hex()}\n".encode()
            expect(_holds(algorithm, public, text, signature, "Ed25519", unchecked), "SENDER_WRONG", said.name)
            senders.add(participant)


def _holds(algorithm: int, public: bytes, text: bytes, signature: bytes, what: str, unchecked: set[str]) -> bool:
    """Says whether a signature holds, by Ed25519 (1) or SM2 (2); one that cannot be checked here is noted, and goes."""
    if len(signature) != 64 or len(public) != {1: 32, 2: 64}.get(algorithm):
        return False
    if algorithm == 2:
        return is_sm2(public, text, signature)
    try:
        return _is_signed(Key("receipts", ED25519, public, b""), text, signature)
    except NotChecked as cannot:
        unchecked.add(str(cannot))
        return True


def _given(text: str) -> bytes:
    found = decoded(text)
    expect(found is not None, "RECEIPT_MALFORMED", "base64")
    return found or b""


def _receipt_items(parts: Iterable[tuple[str, bytes]]) -> Iterator[dict[str, Any]]:
    """Yields what the members of `receipts/` say: receipts, and runs of numbers without one."""
    shapes: tuple[dict[str, Any], ...] = (
        {"text": str, "signature": str, "sender": object}, {"feed": str, "first": int, "last": int, "lost": str})  # fmt: skip
    for number, (name, data) in enumerate(parts):
        expect(name == f"{number:06d}", "MEMBER_UNKNOWN", f"receipts/{name}")
        items = canonical(data, "RECEIPT_MALFORMED", {"receipts"})["receipts"]
        expect(isinstance(items, list), "RECEIPT_MALFORMED")
        for item in items:
            fits = [shape for shape in shapes if isinstance(item, dict) and set(item) == set(shape)]
            is_right = bool(fits) and all(kind is object or type(item[field]) is kind for field, kind in fits[0].items())
            expect(is_right, "RECEIPT_MALFORMED")
            sender = item.get("sender")
            is_right = sender is None or (isinstance(sender, dict) and set(sender) == {"key", "signature"}
                                          and all(isinstance(one, str) for one in sender.values()))  # fmt: skip
            expect(is_right, "RECEIPT_MALFORMED", "sender")
            expect("text" in item or 0 < item["first"] <= item["last"] < 1 << 63, "RECEIPT_MALFORMED", "numbers")
            yield item


class Keyed:
    """A card, a person, or a decision with the card that it is about: found by keys, complete by the card index."""

    def __init__(self, question: dict[str, Any], indexed: list[Indexed], size: int) -> None:
        """*question* names the keys, of a decision also its position, the one it was answered by, and that of its rules."""
        self.question, self.indexed = question, indexed
        self.found: dict[int, Entry] = {}
        named = [f"{one.what}:{one.key.hex()}" for one in indexed]
        expect(bool(named) and sorted(named) == question["keys"], "QUESTION_DIFFERS", "the keys are not those of the index")
        expect(question.get("position", 1) > 0, "QUESTION_DIFFERS", "a decision has a position")
        cards = [one.key.hex() for one in indexed if one.what == "card"]
        expect(question.get("card", "") in cards or ("card" not in question or (not cards and question["card"] == "")),
               "QUESTION_DIFFERS", "the card is not one of the keys")  # fmt: skip
        self.batches = Batches()

    def see(self, entry: Entry) -> None:
        """Takes an entry."""
        if not self.batches.see_key(entry):
            self.found[entry.position] = entry
            self.batches.see(entry)

    def done(self, say: Say) -> tuple[int, int]:
        """Checks that nothing is missing and nothing is beside it; returns the first position that was asked for and the last."""
        wanted = {position for one in self.indexed for position in (*one.positions, one.published)}
        wanted |= {self.question[name] for name in ("position", "rules") if self.question.get(name)}
        expect(set(self.found) == wanted, "QUESTION_DIFFERS", "an entry is missing, or was not asked for")
        for one in self.indexed:
            self._complete(one, say)
        asked = [position for one in self.indexed for position in one.positions]
        if self.question["about"] == "decision":
            self._decided(say)
            return self.question["position"], self.question["position"]
        expect(all(entry.data is not None for entry in self.found.values()), "CONTENT_MISSING")
        if self.question["card"]:
            self._identifiers(bytes.fromhex(self.question["card"]), self.reach - 1, say)
        return min(asked, default=0), max(asked, default=0)

    def _complete(self, one: Indexed, say: Say) -> None:
        published = self.found[one.published]
        said = arm_of(published, INDEX_PUBLISHED)
        tree_size = said.number(1)
        expect(published.stream == b"hub.index" and 0 < tree_size <= one.published, "INDEX_WRONG", f"position {one.published}")
        expect(all(position < tree_size for position in one.positions), "INDEX_WRONG", "a position beyond the index")
        one.check(said, [self.found[position].leaf for position in one.positions])
        positions = set(one.positions)
        for entry in self.found.values():
            if entry.data is not None and entry.position < tree_size:
                is_listed = entry.position in positions
                expect((one.key in entry.data) == is_listed, "CARD_INCOMPLETE", f"position {entry.position}, in the index: {is_listed}")
        what = {"card": "卡", "person": "人"}[one.what]
        count = len(one.positions)
        say(f"索引 {what} {one.key.hex()[:16]}…：位置 {tree_size} 之前共 {count} 条，无遗漏无增添",
            f"index, {one.what} {one.key.hex()[:16]}…: {count} events before position {tree_size}, none missing, none added")  # fmt: skip
        self.reach = min(getattr(self, "reach", tree_size), tree_size)

    def _decided(self, say: Say) -> None:
        entry, as_of = self.found[self.question["position"]], self.question["as_of"]
        said = arm_of(entry, DECISION_MADE)
        expect(entry.stream == b"hub.decisions" and entry.kind == b"decision_made", "QUESTION_DIFFERS", "it is no decision")
        expect(f"card:{card_of(entry).hex()}" in self.question["keys"], "QUESTION_DIFFERS", "the decision is about another card")
        expect(said.number(5) == as_of < entry.position, "DECISION_DIFFERS", f"as of {as_of}, in the log {said.number(5)}")
        expect(as_of < self.reach, "CARD_INCOMPLETE", f"the index ends before position {as_of}")
        positions = {position for one in self.indexed for position in one.positions}
        for one in self.found.values():
            if one.position in positions and one.position <= as_of and (not one.stream.startswith(b"hub.") or one.stream == QUARANTINE):
                expect(one.data is not None, "CONTENT_MISSING", f"position {one.position}")
        self._identifiers(card_of(entry), as_of, say)
        say(f"答复在位置 {entry.position}，依据位置 {as_of} 时所知", f"decision at position {entry.position}, as of position {as_of}")
        if self.question["rules"]:
            rules = arm_of(self.found[self.question["rules"]], RULES_PUBLISHED)
            expect(self.question["rules"] < entry.position and rules.data(1) == said.data(6), "RULES_DIFFER")
            self.archive = rules.data(3)
            say(f"规则与数据摘要 {said.data(6).hex()[:16]}…，生效于位置 {self.question['rules']}",
                f"rules and reference data {said.data(6).hex()[:16]}…, in effect since position {self.question['rules']}")  # fmt: skip

    def _identifiers(self, card: bytes, until: int, say: Say) -> None:
        """Checks that each identifier that events up to a position tie to the card's number has its proof."""
        number, tied = card, list[tuple[bytes, set[bytes]]]()
        for position in sorted(self.found):
            entry = self.found[position]
            if position > until or entry.data is None or entry.kind not in TYING_KINDS:
                continue
            event = Message(entry.data)
            aliases = [Message(one) for one in event.all(EVENT_ALIASES)]
            refs = [event.message(EVENT_CARD), *aliases]
            numbers = [ref.card_key for ref in refs if ref.number(CARD_KIND, _ENUM_BITS) == CARD_NO]
            others = {ref.card_key for ref in refs if ref.number(CARD_KIND, _ENUM_BITS) != CARD_NO}
            if aliases and numbers:
                tied.append((numbers[0], others))
                number = numbers[0] if card in others else number
        wanted = {card, number}.union(*(others - {b""} for named, others in tied if named == number))
        missing = sorted(wanted - {one.key for one in self.indexed if one.what == "card"})
        expect(not missing, "IDENTIFIER_MISSING", missing[0].hex() if missing else "")
        say(f"该卡共 {len(wanted)} 个标识，各有索引证明", f"the card has {len(wanted)} identifiers, each with its proof of the index")


class Feed:
    """A run of numbers of a feed: complete if each follows the one before."""

    def __init__(self, question: dict[str, Any], indexed: list[Indexed], size: int) -> None:
        """*question* names the feed, the first and the last number."""
        self.feed, self.first, self.last = question["feed"].encode(), question["first"], question["last"]
        self.next, self.span, self.batches = self.first, (0, 0), Batches()
        expect(not indexed and self.first <= self.last, "QUESTION_DIFFERS")

    def see(self, entry: Entry) -> None:
        """Takes an entry."""
        if entry.kind in KEY_KINDS and self.batches.see_key(entry):
            return
        if entry.stream != self.feed:
            raise Refused("QUESTION_DIFFERS", f"position {entry.position} is of another feed")
        if entry.sequence != self.next:
            raise Refused("FEED_INCOMPLETE", f"number {self.next}")
        if entry.data is None:
            raise Refused("CONTENT_MISSING", f"position {entry.position}")
        self.batches.see(entry)
        self.next, self.span = self.next + 1, (self.span[0] or entry.position, entry.position)

    def done(self, say: Say) -> tuple[int, int]:
        """Checks the end; returns the first position and the last."""
        expect(self.next == self.last + 1, "FEED_INCOMPLETE", f"number {self.next}")
        count, name = self.last - self.first + 1, self.feed.decode(errors="replace")
        say(f"数据流 {name} 编号 {self.first}–{self.last} 共 {count} 条，无缺号",
            f"feed {name}, numbers {self.first} to {self.last}: {count} events, no number missing")  # fmt: skip
        return self.span


class Range:
    """A run of positions."""

    def __init__(self, question: dict[str, Any], indexed: list[Indexed], size: int) -> None:
        """*question* names the first and the last position."""
        self.first, self.last = question["first"], question["last"]
        self.next = self.first
        expect(not indexed and 0 < self.first <= self.last, "QUESTION_DIFFERS")

    def see(self, entry: Entry) -> None:
        """Takes an entry."""
        if entry.position != self.next:
            raise Refused("RANGE_INCOMPLETE", f"position {self.next}")
        if entry.data is None:
            raise Refused("CONTENT_MISSING", f"position {entry.position}")
        self.next += 1

    def done(self, say: Say) -> tuple[int, int]:
        """Checks the end; returns the first position and the last."""
        expect(self.next == self.last + 1, "RANGE_INCOMPLETE", f"position {self.next}")
        count = self.last - self.first + 1
        say(f"位置 {self.first}–{self.last} 共 {count} 条，无缺", f"positions {self.first} to {self.last}: {count} events, none missing")
        return self.first, self.last


class Day:
    """All that was recorded on a day of +08:00, of one feed or of all, between two neighbours that are of other days."""

    def __init__(self, question: dict[str, Any], indexed: list[Indexed], size: int) -> None:
        """*question* names the day, and the feed, "" for all."""
        self.day, self.feed, self.size = question["day"], question["feed"].encode(), size
        try:
            begin = datetime.fromisoformat(self.day).replace(tzinfo=BEIJING)
        except ValueError:
            raise Refused("QUESTION_DIFFERS", "day") from None
        expect(not indexed and begin.date().isoformat() == self.day, "QUESTION_DIFFERS", "day")
        self.begin_us = int(begin.timestamp()) * 1_000_000
        self.end_us, self.count, self.span = self.begin_us + 86_400_000_000, 0, (0, 0)
        self.last: Entry | None = None

    def see(self, entry: Entry) -> None:
        """Takes an entry."""
        if self.feed and entry.stream != self.feed:
            raise Refused("QUESTION_DIFFERS", f"position {entry.position} is of another feed")
        is_before, is_after = entry.recorded_us < self.begin_us, entry.recorded_us >= self.end_us
        before, last = (entry.sequence if self.feed else entry.position) - 1, self.last
        if last is None:
            expect(is_before or before == 0, "DAY_INCOMPLETE", "its beginning")
        else:
            follows = before == (last.sequence if self.feed else last.position)
            if not follows or is_before or last.recorded_us >= self.end_us:
                raise Refused("DAY_INCOMPLETE", f"before position {entry.position}")
        expect((entry.data is None) == (is_before or is_after), "CONTENT_MISSING" if entry.data is None else "QUESTION_DIFFERS")
        self.last = entry
        if not (is_before or is_after):
            self.count, self.span = self.count + 1, (self.span[0] or entry.position, entry.position)

    def done(self, say: Say) -> tuple[int, int]:
        """Checks the end; returns the first position of the day and the last."""
        last = self.last
        is_shown = last is not None and (last.recorded_us >= self.end_us or (not self.feed and last.position == self.size - 1))
        expect(is_shown or (bool(self.feed) and last is not None), "DAY_INCOMPLETE", "its end")
        name = self.feed.decode(errors="replace") or "*"
        say(f"{self.day}（北京时间）数据流 {name} 入账 {self.count} 条，无缺" + ("" if is_shown else "，止于所示最末编号"),
            f"{self.day} (+08:00), feed {name}: {self.count} events, none missing"
            + ("" if is_shown else " up to the last number shown"))  # fmt: skip
        return self.span


class Audit:
    """A request for an audit up to its delivery, with the outcome and the report that were delivered."""

    def __init__(self, question: dict[str, Any], indexed: list[Indexed], size: int) -> None:
        """*question* names the audit."""
        self.code, self.stream, self.span, self.next = question["code"], b"", (0, 0), 1
        self.delivered: Message | None = None
        expect(not indexed, "QUESTION_DIFFERS")

    def see(self, entry: Entry) -> None:
        """Takes an entry."""
        self.stream = self.stream or entry.stream
        expect(entry.stream == self.stream and self.delivered is None, "QUESTION_DIFFERS", "of another request")
        expect(entry.sequence == self.next, "FEED_INCOMPLETE", f"number {self.next}")
        if self.next == 1:
            expect(arm_of(entry, AUDIT_REQUESTED).text(1) == self.code, "QUESTION_DIFFERS", "the request of another audit")
        if entry.kind == b"audit_delivered":
            self.delivered = arm_of(entry, AUDIT_DELIVERED)
        expect(entry.data is not None, "CONTENT_MISSING", f"position {entry.position}")
        expect(bool(Message(entry.data or b"").kinds), "QUESTION_DIFFERS", f"position {entry.position} is of no kind")
        self.next, self.span = self.next + 1, (self.span[0] or entry.position, entry.position)

    def done(self, say: Say) -> tuple[int, int]:
        """Checks the end; returns the first position and the last."""
        expect(self.delivered is not None, "FEED_INCOMPLETE", "nothing was delivered")
        say(f"审计 {self.code} 自申请至交付共 {self.next - 1} 步", f"audit {self.code}: {self.next - 1} steps from request to delivery")
        return self.span

    def check_files(self, files: Iterator[tuple[str, bytes]], say: Say) -> None:
        """Compares the files with the digests that were recorded when they were delivered."""
        delivered = self.delivered or Message(b"")
        report = delivered.data(2)
        found = {name: hashlib.sha256(data).digest() for name, data in files}
        reports = [name for name in ("report.html", "report.pdf") if name in found][:1]
        expect(found.keys() <= {"outcome.json", *reports} and (bool(report) or not reports), "MEMBER_UNKNOWN", "audit/")
        expect("outcome.json" in found and (bool(reports) or not report), "MEMBER_MISSING", "audit/")
        expect(found["outcome.json"] == delivered.data(1), "OUTCOME_DIFFERS")
        expect(all(found[name] == report for name in reports), "REPORT_DIFFERS")
        say("审计结果与报告是当时交付的", "the outcome and the report are those that were delivered")


_QUESTIONS: dict[str, tuple[Any, dict[str, type]]] = {
    "decision": (Keyed, {"position": int, "as_of": int, "keys": list, "rules": int}),
    "card": (Keyed, {"card": str, "keys": list}),
    "feed": (Feed, {"feed": str, "first": int, "last": int}),
    "range": (Range, {"first": int, "last": int}),
    "day": (Day, {"day": str, "feed": str}),
    "audit": (Audit, {"code": str}),
}


def question_of(manifest: dict[str, Any], indexed: list[Indexed]) -> Any:
    """Returns what checks that the entries are what was asked for."""
    question = manifest["question"]
    about = question.get("about")
    expect(isinstance(about, str) and about in _QUESTIONS, "QUESTION_UNKNOWN")
    kind, fields = _QUESTIONS[about]
    is_whole = set(question) == {"about", *fields} and all(type(question[name]) is wanted for name, wanted in fields.items())
    expect(is_whole, "QUESTION_UNKNOWN", about)
    return kind(question, indexed, manifest["size"])


# --- the whole -----------------------------------------------------------------------------------------------------------------------


def verify(file: BinaryIO, policy: bytes | None, say: Say) -> int:
    """Checks a bundle, reports each thing that holds, and returns VERIFIED or SELF_CONSISTENT; raises Refused or NotChecked."""
    reader = Members(file)
    manifest = _manifest(reader.take("bundle.json"))
    genesis, own = reader.take("genesis"), reader.take("policy")
    judge = Policy(own if policy is None else policy)
    head = parse_note(reader.take("checkpoint"))
    lines = genesis.split(b"\n")
    is_genesis = len(lines) > 3 and lines[0] == b"chuanyu-log/1" and lines[1] == b"origin " + head.origin.encode()
    expect(is_genesis and (head.origin, head.size) == (manifest["origin"], manifest["size"]), "ORIGIN_DIFFERS")
    judged = judge.judge(head)
    _report(judged, head, say)
    notes = [*_earlier(reader, head, judge, say), (head, judged)]
    proof = reader.take_if_there("proof")
    indexed = [Indexed.parse(name, data) for name, data in reader.group("index/")]
    question = question_of(manifest, indexed)
    count = 0

    def leaves() -> Iterator[tuple[int, bytes]]:
        nonlocal count
        yield 0, hashed(b"\0", genesis)
        for entry in entries_of(reader.group("entries/")):
            if entry.position >= head.size:
                raise Refused("ENTRIES_DISORDERED", f"position {entry.position} is beyond the checkpoint")
            question.see(entry)
            count += 1
            yield entry.position, entry.leaf

    hashes = (proof[at : at + 32] for at in range(0, len(proof), 32))
    expect(len(proof) % 32 == 0 and root_of(head.size, leaves(), hashes) == head.root, "ROOT_DIFFERS")
    expect(count == manifest["entries"], "MANIFEST_MALFORMED", "entries")
    say(f"{count} 条记录在树中，内容与账相符", f"{count} entries are in the tree, and their contents are those of the log")
    _when(notes, question.done(say), say)
    if hasattr(question, "batches"):
        question.batches.check(reader.group("receipts/"), head.origin, say)
    if isinstance(question, Audit):
        question.check_files(reader.group("audit/"), say)
    _rules(reader, question, say)
    reader.end()
    return SELF_CONSISTENT if policy is None else VERIFIED


def _manifest(data: bytes) -> dict[str, Any]:
    said = canonical(data, "MANIFEST_MALFORMED")
    expect(said.get("format") == FORMAT, "FORMAT_UNKNOWN", str(said.get("format"))[:64])
    fields = {"format": str, "origin": str, "size": int, "entries": int, "question": dict}
    is_whole = set(said) == set(fields) and all(type(said[name]) is wanted for name, wanted in fields.items())
    expect(is_whole, "MANIFEST_MALFORMED")
    return said


def _report(judged: Judged, note: Note, say: Say) -> None:
    say(f"日志 {note.origin} 大小 {note.size}，签名 {'、'.join(judged.logs)}",
        f"log {note.origin}, size {note.size}, signed by {', '.join(judged.logs)}")  # fmt: skip
    if judged.seen:
        seen = ", ".join(f"{who} {_instant(at_s)}" for who, at_s in judged.seen.items())
        say(f"见证 {len(judged.seen)} 方：{seen}", f"cosigned by {len(judged.seen)}: {seen}")
    for what in judged.unchecked:
        say(f"未核验 {what}", f"not checked: {what}")


def _instant(at_s: int) -> str:
    return datetime.fromtimestamp(min(at_s, 253402300799), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _earlier(reader: Members, head: Note, judge: Policy, say: Say) -> list[tuple[Note, Judged]]:
    """Reads further checkpoints, each with the proof that the log only grew since."""
    notes: list[tuple[Note, Judged]] = []
    files = list(reader.group("checkpoints/"))
    for (name, data), (path_name, path) in zip(files[::2], files[1::2], strict=False):
        note = parse_note(data)
        expect((name, path_name) == (f"{note.size:020d}.note", f"{note.size:020d}.path"), "MEMBER_UNKNOWN", f"checkpoints/{name}")
        expect(note.origin == head.origin, "ORIGIN_DIFFERS", f"checkpoints/{name}")
        judged = judge.judge(note)
        check_growth(note, head, hashes_of(path, "CONSISTENCY_WRONG"))
        say(f"从大小 {note.size} 到 {head.size} 只有追加", f"from size {note.size} to {head.size} the log only grew")
        notes.append((note, judged))
    expect(len(files) % 2 == 0, "MEMBER_UNKNOWN", "checkpoints/")
    return notes


def _when(notes: list[tuple[Note, Judged]], span: tuple[int, int], say: Say) -> None:
    """Says between which cosignatures the events that were asked for were recorded, from a first to a last position, if there are any.

    Of each checkpoint the time that says less: one witness that lies about its time moves neither bound too far.
    """
    first, last = span
    if not last:
        return
    before = [min(judged.witnesses.values()) for note, judged in notes if note.size <= first and judged.witnesses]
    after = [max(judged.witnesses.values()) for note, judged in notes if note.size > last and judged.witnesses]
    if before:
        say(f"见证人 {_instant(max(before))} 时尚无这些记录", f"when witnesses looked at {_instant(max(before))}, none of it was recorded")
    if after:
        say(f"见证人 {_instant(min(after))} 时已全部入账", f"when witnesses looked at {_instant(min(after))}, all of it was recorded")


def _rules(reader: Members, question: Any, say: Say) -> None:
    for name, data in reader.group("rules/"):
        archive = getattr(question, "archive", b"")
        expect(name == "archive.zip" and bool(archive) and sm3(data) == archive, "RULES_DIFFER", f"rules/{name}")
        say("规则档案与账中摘要相符", "the archive of the rules is the one that the log names")


# What would move the cursor of a terminal, or turn the direction of its text: a name in a bundle is not to write the verdict.
_UNSEEN = re.compile("[\\0-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")


def shown(text: str) -> str:
    """Returns a line as it is printed: in one line, and with nothing in it that is not seen."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


VERDICTS = {
    VERIFIED: ("通过：依外部信任策略核验无误", "verified under the policy from outside"),
    SELF_CONSISTENT: (
        "仅自洽：信任策略来自证据包本身，不能证明是谁的账；请用 --policy 给出另行取得的策略",
        "only consistent with itself: the policy came with the bundle and proves nobody's record; give one from elsewhere with --policy",
    ),
    REFUSED: ("不通过；名称的含义见 docs/verify.md", "refused; docs/verify.md says what each name means"),
    NOT_READ: ("未能读取", "not read"),
    NOT_CHECKED: ("无法核验：此处缺策略所需的签名算法", "not checked: a signature that the policy needs cannot be checked here"),
}


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line and returns its exit code."""
    parser = argparse.ArgumentParser(description="核验证据包 Verifies an evidence bundle (*.hubaudit).")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--policy", type=Path, help="信任策略文件，另行取得 policy file, got from elsewhere than the bundle")
    parser.add_argument("--json", action="store_true", help="只输出一行 JSON only one line of JSON")
    options = parser.parse_args(arguments)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    lines: list[list[str]] = []
    name, detail = "", ""
    try:
        policy = options.policy.read_bytes() if options.policy is not None else None
        with options.bundle.open("rb") as file:
            code = verify(file, policy, lambda zh, en: lines.append([zh, en]))
    except Refused as refused:
        code, name, detail = REFUSED, refused.name, str(refused)
    except NotChecked as cannot:
        code, name, detail = NOT_CHECKED, "NOT_CHECKED", str(cannot)
    except OSError as unread:
        code, name = NOT_READ, "NOT_READ"
        detail = f"此文件打不开，请查对路径 this file cannot be opened; check its path: {unread.filename}: {unread.strerror}"
    zh, en = VERDICTS[code]
    if options.json:
        said = {"exit": code, "refused": name, "detail": detail, "checked": lines, "verdict": [zh, en]}
        sys.stdout.write(shown(json.dumps(said, ensure_ascii=False)) + "\n")
        return code
    for line in lines:
        sys.stdout.write(f"✓ {shown(line[0])}\n  {shown(line[1])}\n")
    if detail:
        sys.stdout.write(f"✗ {shown(detail)}\n")
    sys.stdout.write(f"{'✓' if code == VERIFIED else '✗' if code != SELF_CONSISTENT else '!'} {zh}\n  {en}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())

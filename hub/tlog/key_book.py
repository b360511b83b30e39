"""From where to where each set of the log's keys counts: what the log book in the journal says, as sizes of trees and as lines of a policy.

A set that was taken up at position p signs each tree that has p, so from size p + 1 on. One that ended at position q signs the tree of size
q + 1 last: the tree that says so. Between the two both sets sign, and who knows one of them can check.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import psycopg
from chuanyu.exchange.v1 import event_pb2
from chuanyu.exchange.v1 import log_keys_pb2 as protos
from google.protobuf.message import DecodeError

from hub.domain.errors import HubError
from hub.domain.log_book import BOOK
from hub.journal.joins import EVENTS_OF
from hub.tlog.algorithms import ED25519, ML_DSA_44, SM2, Kind, public_half
from hub.tlog.note import SignerKey, VerifierKey
from hub.tlog.policy import Within
from hub.trust.log_keys import LogKeys

KINDS: dict[protos.LogKeyKind.ValueType, Kind] = {
    protos.LOG_KEY_KIND_ED25519: ED25519,
    protos.LOG_KEY_KIND_ML_DSA_44: ML_DSA_44,
    protos.LOG_KEY_KIND_SM2: SM2,
}


class LogKeysAway(HubError):
    """启用中的日志密钥不在本机，停止签名 keys that sign the log are not on this machine, so nothing is signed; bring their files. Set:"""


class LogBookAltered(HubError):
    """日志密钥登记簿不完整，请运行 hub fsck --tlog the book of the log's keys was altered, see hub fsck --tlog. Position:"""


class KeySet(NamedTuple):
    """A set of keys by its number: public halves by kind, and under trees of which sizes it counts."""

    number: int
    keys: tuple[tuple[Kind, bytes], ...]
    within: Within

    def verifiers(self, origin: str) -> list[VerifierKey]:
        """Returns its keys under the name of a log."""
        return [VerifierKey(origin, kind, public) for kind, public in self.keys]


def known_sets(connection: psycopg.Connection) -> list[KeySet]:
    """Returns the sets on record in their order, none where keys were never rotated: the first set alone signs then.

    Raises LogBookAltered where the book cannot be followed.
    """
    sets, altered = followed(connection)
    if altered:
        raise LogBookAltered(f"{altered[0]}")
    return sets


def followed(connection: psycopg.Connection) -> tuple[list[KeySet], list[int]]:
    """Returns the sets on record as far as the book can be followed, and the positions where it cannot."""
    found: dict[int, KeySet] = {}
    altered = []
    for position, data in connection.execute(_BOOK, {"book": str(BOOK)}).fetchall():
        try:
            event = event_pb2.Event.FromString(data)
        except DecodeError:
            altered.append(position)
            continue
        if event.HasField("log_keys_taken_up"):
            said = event.log_keys_taken_up
            keys = tuple((KINDS[key.kind], key.public_key) for key in said.keys if key.kind in KINDS)
            found[said.number] = KeySet(said.number, keys, Within(position + 1 if found else 0))
        elif event.HasField("log_keys_retired") and (ended := found.get(event.log_keys_retired.number)) is not None:
            found[ended.number] = ended._replace(within=ended.within._replace(end=position + 2))
        else:
            altered.append(position)
    return list(found.values()), altered


def public_keys(keys: LogKeys) -> list[protos.LogKey]:
    """Returns the public halves of one set as an event has them."""
    private = {ED25519: keys.ed25519, ML_DSA_44: keys.ml_dsa_44, SM2: keys.sm2}
    return [protos.LogKey(kind=number, public_key=public_half(kind, private[kind])) for number, kind in KINDS.items()]


def signers_of(keys: LogKeys, origin: str) -> tuple[SignerKey, ...]:
    """Returns the keys of one set under the name of a log."""
    private = ((ED25519, keys.ed25519), (ML_DSA_44, keys.ml_dsa_44), (SM2, keys.sm2))
    return tuple(SignerKey(origin, kind, one) for kind, one in private)


def signers_at(keys: LogKeys, sets: Sequence[KeySet], origin: str, size: int) -> tuple[SignerKey, ...]:
    """Returns the keys that sign the tree of a size; raises LogKeysAway where their files are not here, or are others."""
    if not sets:
        return signers_of(keys, origin)
    here = {one.number: one for one in keys.sets}
    found: list[SignerKey] = []
    for one in sets:
        if not one.within.first <= size < one.within.end:
            continue
        own = signers_of(here[one.number], origin) if one.number in here else ()
        if [key.verifier for key in own] != one.verifiers(origin):
            raise LogKeysAway(f"{one.number}")
        found += own
    return tuple(found)


def not_ended(sets: Iterable[KeySet], keys: Iterable[VerifierKey], size: int) -> list[VerifierKey]:
    """Returns the keys without those of which the record says that they do not count at a size; what it does not know of counts."""
    others = {public for one in sets if not one.within.first <= size < one.within.end for _, public in one.keys}
    return [key for key in keys if key.public not in others]


def ends(sets: Iterable[KeySet]) -> list[int]:
    """Returns the sizes of the last trees that sets sign: each is signed, or a set would end without a tree that says so."""
    return sorted({one.within.end - 1 for one in sets if one.within.end != Within().end})


def parties(keys: LogKeys | None, sets: Sequence[KeySet], origin: str) -> Iterator[tuple[VerifierKey, Within]]:
    """Yields the log's keys with the sizes under which they count: those on record, else the first set's where it is here."""
    if sets:
        yield from ((key, one.within) for one in sets for key in one.verifiers(origin))
    elif keys is not None:
        yield from ((key.verifier, Within()) for key in signers_of(keys, origin))


def policy_lines(found: Iterable[tuple[VerifierKey, Within]]) -> list[str]:
    """Returns the lines that a policy has for keys of a log, and for the sizes under which they count."""
    lines, limits = [], []
    for key, within in found:
        lines.append(f"log {key.text}")
        named = f"{key.name}+{key.key_id.hex()}"
        limits += [f"#!from {named} {within.first}"] if within.first else []
        limits += [f"#!until {named} {within.end}"] if within.end != Within().end else []
    return [*lines, *limits]


_BOOK = f"""
    SELECT e.position, e.data FROM journal.stream s {EVENTS_OF}
    WHERE s.name = %(book)s ORDER BY e.sequence"""  # noqa: S608 (our own text)

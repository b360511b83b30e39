"""Reads what is sealed of the log: checkpoints with their cosignatures, tiles, and the proofs that they give. One function for each query.

The gRPC service, the commands and the console ask here.
"""

from collections.abc import Sequence
from typing import LiteralString, NamedTuple

import psycopg

from hub.domain.errors import HubError, NothingSealed, NotSealedYet, SizeUnknown
from hub.journal.leaves import leaves_at
from hub.tlog import note, tree
from hub.tlog.cosignatures import SignatureWrong
from hub.tlog.note import Checkpoint, Note, Signature
from hub.tlog.policy import LogSignatureMissing, LogUnknown, Policy, QuorumMissed
from hub.tlog.proof import Proof
from hub.tlog.store import reader

# How many cosigned checkpoints are looked at: the newest may lack a witness that is slow.
_LOOKED_AT = 20


class NotCosignedYet(HubError):
    """尚无满足信任策略的检查点：等待见证，或换一份策略 no checkpoint satisfies the policy yet; wait for witnesses, or give another one"""


class Sealed(NamedTuple):
    """A checkpoint of the newest incarnation, as signed and cosigned; *genesis* is the entry of leaf 0."""

    incarnation: int
    genesis: bytes
    note: Note
    head: Checkpoint

    @property
    def size(self) -> int:
        """How many leaves it has."""
        return self.head.size


def newest(connection: psycopg.Connection) -> Sealed:
    """Returns the newest checkpoint; raises NothingSealed."""
    return _one(connection, _NEWEST, 0, NothingSealed())


def newest_under(connection: psycopg.Connection, policy: Policy) -> Sealed:
    """Returns the newest checkpoint that a policy takes: witnesses sign seconds after the log. Raises NothingSealed, NotCosignedYet."""
    sizes = [size for (size,) in connection.execute(_COSIGNED_SIZES, (_LOOKED_AT,)).fetchall()]
    for found in (newest(connection), *(at_size(connection, size) for size in sizes)):
        try:
            policy.judge(found.note)
        except (LogUnknown, LogSignatureMissing, QuorumMissed, SignatureWrong):
            continue
        return found
    raise NotCosignedYet


def at_size(connection: psycopg.Connection, size: int) -> Sealed:
    """Returns the checkpoint of a size; raises SizeUnknown with the sizes nearest to it that have one."""
    found = _maybe(connection, _AT_SIZE, size)
    if found is None:
        (below, above) = connection.execute(_NEAREST, {"size": size}).fetchone() or (None, None)
        near = " and ".join(str(one) for one in (below, above) if one)
        raise SizeUnknown(f"A size is that of a checkpoint; the nearest to {size}: {near or 'none'}.")
    return found


def last_up_to(connection: psycopg.Connection, size: int) -> Sealed | None:
    """Returns the last cosigned checkpoint of a size up to this one, if there is one."""
    return _maybe(connection, _LAST_COSIGNED, size)


def first_beyond(connection: psycopg.Connection, position: int) -> Sealed | None:
    """Returns the first cosigned checkpoint that has a position, if there is one."""
    return _maybe(connection, _FIRST_COSIGNED, position)


def cosigned_size(connection: psycopg.Connection, position: int) -> int:
    """Returns the size of the newest checkpoint that has a position and a witness's line, 0 if there is none."""
    row = connection.execute(_COSIGNED_SIZE, (position,)).fetchone()
    return int(row[0]) if row is not None else 0


def inclusion(connection: psycopg.Connection, position: int, size: int = 0) -> tuple[Proof, bytes]:
    """Returns the proof that the event at a position is in the tree, and its leaf; raises NotSealedYet, SizeUnknown."""
    sealed = at_size(connection, size) if size else newest(connection)
    if not 0 < position < sealed.size:
        raise NotSealedYet
    path = tree.inclusion(position, sealed.size, reader(connection, sealed.incarnation))
    proof, leaf = Proof(position, tuple(path), sealed.note), leaves_at(connection, [position])[0]
    # What does not hold is not handed over.
    proof.check(leaf)
    return proof, leaf


def consistency(connection: psycopg.Connection, first: int, second: int) -> tuple[Sealed, Sealed, Sequence[bytes]]:
    """Returns two checkpoints by their sizes, 0 for the newest, and the proof that the log only grew; raises SizeUnknown."""
    old, new = at_size(connection, first), at_size(connection, second) if second else newest(connection)
    if old.size > new.size:
        raise SizeUnknown(f"The first, {old.size}, is larger than the second, {new.size}.")
    path = tree.consistency(old.size, new.size, reader(connection, new.incarnation))
    tree.check_consistency(old.size, new.size, path, old.head.root, new.head.root)
    return old, new, path


def _maybe(connection: psycopg.Connection, statement: LiteralString, size: int) -> Sealed | None:
    try:
        return _one(connection, statement, size, NothingSealed())
    except NothingSealed:
        return None


def _one(connection: psycopg.Connection, statement: LiteralString, size: int, refusal: HubError) -> Sealed:
    row = connection.execute(statement, {"size": size}).fetchone()
    if row is None:
        raise refusal
    incarnation, genesis, text, lines = row
    signed = note.parse(bytes(text))
    cosigned: list[Signature] = note.parse_signatures("".join(lines)) if lines else []
    whole = signed.with_lines(cosigned[: note.MOST_SIGNATURES - len(signed.signatures)])
    return Sealed(incarnation, bytes(genesis), whole, Checkpoint.parse(signed.text))


_CHECKPOINT = """
    SELECT c.incarnation, i.genesis, c.note, ARRAY(
        SELECT rtrim(s.line, E'\\n') || E'\\n' FROM tlog.cosignature s
        WHERE (s.incarnation, s.size) = (c.incarnation, c.size) ORDER BY s.witness)
    FROM tlog.checkpoint c JOIN tlog.incarnation i USING (incarnation)
    WHERE c.incarnation = (SELECT max(incarnation) FROM tlog.incarnation)"""
_COSIGNED = f"{_CHECKPOINT} AND EXISTS (SELECT FROM tlog.cosignature s WHERE (s.incarnation, s.size) = (c.incarnation, c.size))"
_NEWEST = f"{_CHECKPOINT} AND %(size)s = 0 ORDER BY c.size DESC LIMIT 1"
_AT_SIZE = f"{_CHECKPOINT} AND c.size = %(size)s"
_NEAREST = """
    SELECT max(size) FILTER (WHERE size < %(size)s), min(size) FILTER (WHERE size > %(size)s) FROM tlog.checkpoint
    WHERE incarnation = (SELECT max(incarnation) FROM tlog.incarnation) AND size > 0"""
_LAST_COSIGNED = f"{_COSIGNED} AND c.size <= %(size)s AND c.size > 0 ORDER BY c.size DESC LIMIT 1"
_FIRST_COSIGNED = f"{_COSIGNED} AND c.size > %(size)s ORDER BY c.size LIMIT 1"
_COSIGNED_SIZES = """
    SELECT DISTINCT size FROM tlog.cosignature WHERE incarnation = (SELECT max(incarnation) FROM tlog.incarnation)
    ORDER BY size DESC LIMIT %s"""
_COSIGNED_SIZE = """
    SELECT size FROM tlog.cosignature WHERE incarnation = (SELECT max(incarnation) FROM tlog.incarnation) AND size > %s
    ORDER BY size DESC LIMIT 1"""

"""The audit of the record before this one: the tree that it verified, as its delivery recorded it, and whether today's log goes on from it.

What is compared is the root in the event of the delivery, which the auditor has in the report too, and not what the tables of the log say
today of that size. A checkpoint that nobody cosigned may be removed after an hour; the root is proved from the tiles.
"""

import hashlib
from typing import NamedTuple

import psycopg
from chuanyu.exchange.v1 import audit_question_pb2 as asked
from chuanyu.exchange.v1 import audit_requests_pb2 as protos

from hub.audit.outcome import Text
from hub.audit.requests.reading import newest
from hub.audit.requests.windows import position_of
from hub.domain.audit_request import AuditRequest
from hub.journal.reader import events_at
from hub.tlog import store, tree
from hub.tlog.note import Checkpoint

_MOST_AUDITS = 1_000


class Tree(NamedTuple):
    """A tree that was verified, and the SHA-256 of its checkpoint as the log signed it."""

    head: Checkpoint
    digest: bytes


class Before(NamedTuple):
    """From where on is asked: a position, when it was recorded, the audit that ended there, and the tree that it verified."""

    position: int
    at_us: int
    code: str
    tree: Tree | None


class Grown(NamedTuple):
    """Whether the tree of the last audit begins today's, whether that was compared at all, and what is said of it."""

    holds: bool = True
    is_compared: bool = False
    said: tuple[Text, ...] = ()
    limits: tuple[Text, ...] = ()


def before(connection: psycopg.Connection, question: asked.RecordQuestion) -> Before:
    """Returns from where on a question asks: what it names, else the last audit, else the beginning."""
    position, code, verified = 0, "", None
    if question.HasField("since"):
        position = position_of(connection, question.since)
    elif (last := last_delivered(connection)) is not None and last.delivered is not None:
        position, code, verified = last.delivered.recorded_as_of, last.code, _tree(last.delivered)
    found = events_at(connection, [position]) if position else []
    return Before(position, found[0].recorded_us if found else 0, code, verified)


def last_delivered(connection: psycopg.Connection) -> AuditRequest | None:
    """Returns the last audit of the record that was delivered, None if there was none."""
    return next((one for one in newest(connection, _MOST_AUDITS) if one.kind == "record" and one.delivered is not None), None)


def _tree(delivered: protos.AuditDelivered) -> Tree | None:
    if len(delivered.tree_root) != tree.HASH:
        return None
    return Tree(Checkpoint(delivered.tree_origin, delivered.tree_size, delivered.tree_root), delivered.checkpoint_digest)


def tree_of(connection: psycopg.Connection, size: int) -> Tree | None:
    """Returns the tree of a size of the log that is written now, None where no checkpoint of it is kept."""
    log = store.newest_incarnation(connection)
    sealed = None if log is None else store.find_checkpoint(connection, log.number, size)
    if log is None or sealed is None:
        return None
    return Tree(Checkpoint(log.origin, sealed.size, sealed.root), hashlib.sha256(sealed.note).digest())


def growth(connection: psycopg.Connection, since: Before) -> Grown:
    """Compares the log of today with the tree that the last audit recorded."""
    if not since.code:
        return Grown(limits=() if since.position else (_FIRST,))
    if since.tree is None:
        return Grown(limits=(_ROOTLESS,))
    log, old = store.newest_incarnation(connection), since.tree.head
    newer = None if log is None else store.newest_checkpoint(connection, log.number)
    if log is None or newer is None or log.origin != old.origin:
        today = log.origin if log else "—"
        return _wrong(f"审计核的是日志 {old.origin}，今日是 {today}", f"that audit verified the log {old.origin}, today it is {today}")
    if newer.size < old.size:
        return _wrong(
            f"审计核过 {old.size:,} 片叶，今日只有 {newer.size:,}：日志被截断",
            f"that audit verified {old.size:,} leaves, today there are {newer.size:,}: the log was cut",
        )
    kept = tree_of(connection, old.size)
    if kept is not None and kept.digest != since.tree.digest:
        return _wrong(f"大小 {old.size:,} 的检查点被重新签名", f"the checkpoint of size {old.size:,} was signed again since")
    try:
        path = tree.consistency(old.size, newer.size, store.reader(connection, log.number))
        tree.check_growth(old.size, newer.size, path, old.root, newer.root)
    except (tree.ProofRefused, tree.TileRefused):
        return _wrong(
            f"交付时所记大小 {old.size:,} 的根不是今日之树的开头：此前的记录被改写",
            f"the root of size {old.size:,} that it recorded does not begin today's tree: what was before it was written again",
        )
    said = Text(
        f"审计 {since.code} 交付时所记的树（{old.size:,} 片叶，根 {old.root.hex()[:16]}…）是今日之树（{newer.size:,} 片叶）的开头。",
        f"The tree that audit {since.code} recorded ({old.size:,} leaves, root {old.root.hex()[:16]}…) begins today's ({newer.size:,}).",
    )
    return Grown(is_compared=True, said=(said,), limits=(_FROM_THE_EVENT,))


def _wrong(zh: str, en: str) -> Grown:
    return Grown(holds=False, is_compared=True, limits=(Text(f"与上次审计不符：{zh}。", f"It does not fit the last audit: {en}."),))


_FIRST = Text("此前没有交付过记录审计，没有可比的树。", "No audit of the record was delivered before: there is no tree to compare with.")
_ROOTLESS = Text(
    "上次审计交付时没有记下树根，无从比对。", "The last audit recorded no root when it was delivered, so that nothing was compared with it."
)
_FROM_THE_EVENT = Text(
    "所比的旧树根取自上次审计的交付事件，请与您手中上次的报告核对。",
    "The old root is the one in the event of the last delivery; compare it with the report that you have of it.",
)

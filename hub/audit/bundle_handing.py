"""Hands a bundle over: it is made beside its name, checked by both checkers, recorded as an event, and only then takes its name.

Commands and the console come here. Who asked, what for and what about is in the journal before anybody has the file, as with looks.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg
from chuanyu.exchange.v1 import event_pb2, hub_decisions_pb2, references_pb2

from hub.audit import checker, verify
from hub.audit.bundle import IndexBehind, Made, With, make
from hub.audit.bundle_question import Question
from hub.audit.sealed import NotCosignedYet, newest_under
from hub.domain.errors import HubError, NotSealedYet
from hub.domain.looks import NOT_STATED, Looker
from hub.journal.own_events import append_own
from hub.journal.reader import head_position
from hub.journal.sessions import session
from hub.projections import card_epochs
from hub.projections.card_epochs import Epoch
from hub.projections.engine import create_views, positions
from hub.projections.runner import connect
from hub.projections.views.card_index import CARD_INDEX
from hub.tlog import policy as policies
from hub.tlog.policy import Policy

_SUBJECTS = {
    "decision": hub_decisions_pb2.BUNDLE_SUBJECT_DECISION,
    "card": hub_decisions_pb2.BUNDLE_SUBJECT_CARD,
    "feed": hub_decisions_pb2.BUNDLE_SUBJECT_FEED,
    "day": hub_decisions_pb2.BUNDLE_SUBJECT_DAY,
    "range": hub_decisions_pb2.BUNDLE_SUBJECT_RANGE,
    "audit": hub_decisions_pb2.BUNDLE_SUBJECT_AUDIT,
}
# Witnesses are asked every ten seconds.
SEALED_WITHIN_S = 30.0
FOLDED_WITHIN_S = 30.0
_LOOK_EVERY_S = 0.1


class BundleNotWhole(HubError):
    """证据包未通过核验，未交出；请运行 `hub fsck` the bundle did not pass its own check and was not handed over; run `hub fsck`:"""


class Asked(NamedTuple):
    """Who asks for a bundle, what for, and about which card, if it is about one."""

    who: Looker
    purpose_code: str = ""
    card: references_pb2.CardRef | None = None


def hand_over(dsn: str, question: Question, asked: Asked, beside: With, target: Path, *, with_rules: bool = False) -> Made:
    """Writes the bundle of a question to a file; of a card or person after a root of the index over all that is recorded by now.

    *with_rules* adds the archive of a decision's rules. Raises what `make` raises, IndexBehind, IndexUnderWay, NothingToIndex,
    NotSealedYet, BundleNotWhole, NotRecorded, or OSError.
    """
    if question.keys:
        _wait_until_sealed(dsn, index_now(dsn).position, policies.parse(beside.policy))
    elif question.about == "audit":
        # Its last step may be of this second.
        _wait_until_sealed(dsn, _head(dsn), policies.parse(beside.policy))
    with session(dsn, "hub_reader", "hub-bundle") as connection, _beside(target) as fresh:
        if with_rules:
            beside = beside._replace(archive=_archive_of(connection, question))
        with fresh.open("xb") as file:
            made = make(connection, question, beside, file)
            file.flush()
            os.fsync(file.fileno())
        check(fresh, beside.policy)
        with session(dsn, "hub_writer", "hub-writer") as writer:
            append_own(writer, made_event(question, asked, made, time.time_ns() // 1_000))
        fresh.replace(target)
    return made


def check(path: Path, policy: bytes | None) -> checker.Verdict:
    """Has both checkers look at a bundle; raises BundleNotWhole with what one of them says."""
    try:
        with path.open("rb") as file:
            verdict = checker.check(file, policy)
        with path.open("rb") as file:
            verify.verify(file, policy, lambda _zh, _en: None)
    except (checker.BundleRefused, verify.Refused, verify.NotChecked) as refused:
        raise BundleNotWhole(str(refused)) from None
    return verdict


def made_event(question: Question, asked: Asked, made: Made, at_us: int) -> event_pb2.Event:
    """Returns the event of a bundle."""
    event = event_pb2.Event()
    event.occurred_at.FromMicroseconds(at_us)
    if asked.card is not None:
        event.card.CopyFrom(asked.card)
    for what, key in question.keys:
        if what == "person":
            event.holder.key = key
    said = event.bundle_made
    said.participant, said.operator = asked.who
    said.purpose_code = asked.purpose_code or NOT_STATED
    said.about, said.feed, said.day = _SUBJECTS[question.about], question.feed, question.day
    said.first, said.last = question.first or question.position, question.last or question.position
    said.tree_size, said.digest = made.tree_size, made.digest
    return event


def index_now(dsn: str) -> Epoch:
    """Publishes a root of the card index over all that is recorded by now.

    Raises IndexBehind, IndexUnderWay, NothingToIndex, NotRecorded.
    """
    with connect(dsn, "hub-index") as connection:
        create_views(connection, [CARD_INDEX])
        _wait_until_folded(connection, head_position(connection))
        return card_epochs.publish(dsn, connection, time.time_ns() // 1_000)


def _head(dsn: str) -> int:
    with session(dsn, "hub_reader", "hub-bundle") as connection:
        return head_position(connection)


def _wait_until_folded(connection: psycopg.Connection, position: int) -> None:
    """Waits until the view of the card index has a position; raises IndexBehind where it has not by then."""
    until = time.monotonic() + FOLDED_WITHIN_S
    while positions(connection, [CARD_INDEX])[CARD_INDEX.name] < position:
        if time.monotonic() > until:
            raise IndexBehind
        time.sleep(_LOOK_EVERY_S)


def _wait_until_sealed(dsn: str, position: int, rules: Policy) -> None:
    """Waits for a checkpoint that has a position and that a policy takes; raises NotSealedYet where there is none by then."""
    until = time.monotonic() + SEALED_WITHIN_S
    with session(dsn, "hub_reader", "hub-bundle") as connection:
        while not _has(connection, position, rules):
            if time.monotonic() > until:
                raise NotSealedYet
            time.sleep(_LOOK_EVERY_S)


def _has(connection: psycopg.Connection, position: int, rules: Policy) -> bool:
    try:
        return newest_under(connection, rules).size > position
    except NotCosignedYet:
        return False


@contextlib.contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """Gives a name beside a file's; what is there at the end is taken away."""
    fresh = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield fresh
    finally:
        fresh.unlink(missing_ok=True)


def _archive_of(connection: psycopg.Connection, question: Question) -> bytes:
    row = connection.execute(_ARCHIVE, {"position": question.rules}).fetchone()
    if row is None:
        return b""
    digest = event_pb2.Event.FromString(bytes(row[0])).rules_published.rules_digest
    kept = connection.execute("SELECT archive FROM journal.rule_version WHERE digest = %s", (digest,)).fetchone()
    return b"" if kept is None else bytes(kept[0])


_ARCHIVE = "SELECT data FROM journal.event WHERE position = %(position)s AND kind = 'rules_published'"

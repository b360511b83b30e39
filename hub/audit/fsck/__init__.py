"""Checks what must always hold over a running or stopped hub: one order, everything beside the journal as its events say, views = rebuilt.

It reads in bounded pages of positions, so it does not hold an old snapshot open; it changes nothing. What it examines is a table: one more
thing that can be wrong is one more function and one more row.
"""

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import psycopg
from psycopg.pq import TransactionStatus

from hub.audit.fsck import answers, card_index, contents, corrections, definitions, kept, log, order, streams, views
from hub.audit.fsck.differences import WORDS, Difference
from hub.audit.fsck.scene import MOST, Checked, Report, Scene
from hub.domain.errors import HubError
from hub.journal.archived import leave_out_unreadable
from hub.journal.sessions import session
from hub.projections import PROJECTIONS
from hub.tlog.note import Note
from hub.tlog.policy import Policy
from hub.trust.keyring import Keyring
from hub.trust.log_keys import LogKeys

__all__ = ["EXAMINATIONS", "MOST", "WORDS", "Checked", "Difference", "Report", "Scene", "check", "check_in"]


class Examination(NamedTuple):
    """What is examined, and in which part of the check: the part "" always, but what *takes_all* of history only if all can be read."""

    examine: Callable[[Scene], Iterator[Difference]]
    part: str = ""
    takes_all: bool = False

    @property
    def what(self) -> str:
        """What must hold, in words."""
        return (self.examine.__doc__ or "").splitlines()[0]


logger = logging.getLogger(__name__)

EXAMINATIONS = (
    Examination(definitions.examine_definitions),
    Examination(order.examine_head),
    Examination(order.examine_strays),
    Examination(order.examine_positions, takes_all=True),
    Examination(streams.examine_feeds),
    Examination(streams.examine_aggregates, takes_all=True),
    Examination(corrections.examine_corrections, takes_all=True),
    Examination(answers.examine_requests, takes_all=True),
    Examination(answers.examine_decisions, takes_all=True),
    Examination(kept.examine_rules),
    Examination(kept.examine_hotlist),
    Examination(kept.examine_keys),
    Examination(kept.examine_vault),
    Examination(log.examine_log, "log"),
    Examination(card_index.examine_index, "log", takes_all=True),
    Examination(contents.examine_identifiers, "identifiers"),
    Examination(views.examine_checkpoints),
    Examination(views.examine_views, "views", takes_all=True),
)


def check(
    dsn: str,
    report: Report = lambda _what, _done, _of: None,
    *,
    with_views: bool = True,
    with_identifiers: bool = False,
    with_log: bool = False,
    keyring: Keyring | None = None,
    log_keys: LogKeys | None = None,
    policy: Policy | None = None,
    others: Sequence[Note] = (),
) -> Checked:
    """Checks the journal and all that follows from it; if wanted, views against a rebuild, events for identifiers in clear, and the log.

    With the keys it also checks what only they can show. Of the log, *policy* says whose signatures count, and *others* are checkpoints
    that somebody else kept.
    """
    wanted = {"views": with_views, "identifiers": with_identifiers, "log": with_log}
    with session(dsn, "hub_projector", "hub-fsck") as connection:
        scene = Scene(connection, Checked(), keyring, report, PROJECTIONS, log_keys, policy, others=others)
        return check_in(scene, {part for part, is_wanted in wanted.items() if is_wanted})


def check_in(scene: Scene, parts: Collection[str]) -> Checked:
    """Checks in the session of a scene, within its transaction if it is in one; some *parts* on top of what is never left out."""
    # A head beyond the last event has no end that a check would come to.
    [(head, last)] = scene.rows(_HEAD) or [(None, None)]
    if head is None:
        scene.checked.add(Difference("head-missing"))
    elif (last or 0) < head:
        scene.checked.add(Difference("position-missing", first=(last or 0) + 1, last=head, missing=head - (last or 0)))
        scene.checked.holes += head - (last or 0)
    scene.checked.head = max(0, min(head or 0, last or 0))
    unreadable = leave_out_unreadable(scene.connection)
    for segment, error in unreadable:
        scene.checked.add(Difference("segment-unreadable", segment=segment.path, first=segment.first, last=segment.last, why=str(error)))
    for examination in EXAMINATIONS:
        if examination.part and examination.part not in parts:
            continue
        if unreadable and examination.takes_all:
            scene.checked.left_out.append(f"有分段无法读取 a segment cannot be read: {examination.what}")
            continue
        for difference in examined(examination, scene):
            scene.checked.add(difference)
    return scene.checked


def examined(examination: Examination, scene: Scene) -> Iterator[Difference]:
    """Yields what an examination finds; one that an altered record ends half-way is a difference, and the others follow."""
    try:
        with savepoint(scene.connection):
            yield from examination.examine(scene)
    except (HubError, psycopg.OperationalError):
        raise
    except Exception as failure:
        logger.exception("%s", examination.what)
        yield Difference("examination-broken", what=examination.what, why=type(failure).__name__)


@contextmanager
def savepoint(connection: psycopg.Connection) -> Iterator[None]:
    """Has what follows a statement that failed go on where the check is within a transaction; elsewhere each statement is by itself."""
    if connection.info.transaction_status is TransactionStatus.IDLE:
        yield
        return
    with connection.transaction():
        yield


_HEAD = "SELECT h.position, (SELECT max(e.position) FROM journal.event e) FROM journal.head h"

"""Checks what must always hold over a running or stopped hub: one order, everything beside the journal as its events say, views = rebuilt.

It reads in bounded pages of positions, so it does not hold an old snapshot open; it changes nothing. What it examines is a table: one more
thing that can be wrong is one more function and one more row.
"""

from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

from hub.audit.fsck import answers, contents, corrections, kept, order, streams, views
from hub.audit.fsck.differences import WORDS, Difference
from hub.audit.fsck.scene import MOST, Checked, Report, Scene
from hub.journal.reader import head_position
from hub.journal.sessions import session
from hub.projections import PROJECTIONS
from hub.trust.keyring import Keyring

__all__ = ["EXAMINATIONS", "MOST", "WORDS", "Checked", "Difference", "Report", "Scene", "check", "check_in"]


class Examination(NamedTuple):
    """What is examined, and in which part of the check; the part "" is never left out."""

    examine: Callable[[Scene], Iterator[Difference]]
    part: str = ""


EXAMINATIONS = (
    Examination(order.examine_head),
    Examination(order.examine_positions),
    Examination(streams.examine_feeds),
    Examination(streams.examine_aggregates),
    Examination(corrections.examine_corrections),
    Examination(answers.examine_requests),
    Examination(answers.examine_decisions),
    Examination(kept.examine_rules),
    Examination(kept.examine_hotlist),
    Examination(kept.examine_keys),
    Examination(kept.examine_vault),
    Examination(contents.examine_identifiers, "identifiers"),
    Examination(views.examine_checkpoints),
    Examination(views.examine_views, "views"),
)


def check(
    dsn: str,
    report: Report = lambda _what, _done, _of: None,
    *,
    with_views: bool = True,
    with_identifiers: bool = False,
    keyring: Keyring | None = None,
) -> Checked:
    """Checks the journal and all that follows from it; if wanted, every view against a rebuild and every event for identifiers in clear.

    With the keys it also checks what only they can show.
    """
    parts = {part for part, is_wanted in (("views", with_views), ("identifiers", with_identifiers)) if is_wanted}
    with session(dsn, "hub_projector", "hub-fsck") as connection:
        return check_in(Scene(connection, Checked(), keyring, report, PROJECTIONS), parts)


def check_in(scene: Scene, parts: Collection[str]) -> Checked:
    """Checks in the session of a scene, within its transaction if it is in one; some *parts* on top of what is never left out."""
    scene.checked.head = head_position(scene.connection)
    for examination in EXAMINATIONS:
        if not examination.part or examination.part in parts:
            for difference in examination.examine(scene):
                scene.checked.add(difference)
    return scene.checked

"""Corrections and reversals: which of the events that change each other is in force.

An event and all that correct or reverse it, each other or any of them are one family, in whatever order they came, and at most one of
them is in force. A correction takes its place; a reversal of what was reported first takes it out. A correction or reversal that
is reversed itself counts as never reported, so that what was in force before it is so again, at any depth.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple


class Member(NamedTuple):
    """An event of a family: its position, its name, the names that it changes, and which of these it says itself.

    *own* is None for an event that changes nothing. A released event also takes the place of its quarantined number (*is_quarantined*).
    """

    position: int
    name: Hashable
    changes: tuple[Hashable, ...] = ()
    own: Hashable | None = None
    is_reversal: bool = False
    is_quarantined: bool = False


def standing(members: Iterable[Member]) -> set[int]:
    """Returns the positions of the events in force, one of each family at most; *members* are whole families up to some position."""
    known = list(members)
    by_name = {member.name: member for member in known}
    released = {name: member for member in known for name in member.changes if name != member.own and _is_held(by_name, name)}
    targets = _targets(known, by_name, released)
    order = {member.position: _place(member, targets) for member in known}
    known.sort(key=lambda member: order[member.position], reverse=True)
    void = _void(known, targets, order)
    families = _families(known)
    stands: dict[Hashable, int | None] = {}
    for member in known:
        family = families[member.name]
        target = targets.get(member.position)
        is_undoing = member.is_reversal and target is not None and target.own is not None
        if family in stands or member.position in void or is_undoing or member.name in released:
            continue
        stands[family] = None if member.is_reversal else member.position
    return {position for position in stands.values() if position is not None}


def _targets(members: Iterable[Member], by_name: Mapping[Hashable, Member], released: Mapping[Hashable, Member]) -> dict[int, Member]:
    """Returns what each member changes, by position; what names a quarantined correction means the event that was released for it."""
    found = {}
    for member in members:
        if member.own is not None:
            target = released.get(member.own, by_name.get(member.own))
            if target is not None and target is not member:
                found[member.position] = target
    return found


def _is_held(by_name: Mapping[Hashable, Member], name: Hashable) -> bool:
    return name in by_name and by_name[name].is_quarantined


def _place(member: Member, targets: Mapping[int, Member]) -> tuple[int, int, int]:
    """Returns where a member counts: as soon as it is there and what it changes is there too."""
    own, chain = member.position, {member.position}
    while (target := targets.get(member.position)) is not None and target.position not in chain:
        chain.add(target.position)
        member = target
    return max(chain), len(chain), own


def _void(latest_first: Sequence[Member], targets: Mapping[int, Member], order: Mapping[int, tuple[int, int, int]]) -> set[int]:
    """Returns the corrections and reversals that are reversed by one that is not; two that reverse each other end the search."""
    void: set[int] = set()
    for member in latest_first:
        target = targets.get(member.position)
        if not member.is_reversal or member.position in void or target is None or target.own is None:
            continue
        if order[target.position] < order[member.position]:
            void.add(target.position)
    return void


def _families(members: Iterable[Member]) -> dict[Hashable, Hashable]:
    """Returns for each name the one that its family is known by."""
    parent: dict[Hashable, Hashable] = {}

    def root(name: Hashable) -> Hashable:
        while (above := parent.setdefault(name, name)) != name:
            parent[name] = parent[above]
            name = above
        return name

    for member in members:
        root(member.name)
        for changed in member.changes:
            parent[root(changed)] = root(member.name)
    return {name: root(name) for name in list(parent)}

"""What an answer rests on, read once from the journal and written to a file a lane, so that a lane is folded wholly in memory.

Events go to the lane of the key that names them. Which keys belong together is known only at the end; then what is in another lane than
its group is moved there.
"""

import pickle
import struct
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import psycopg

from hub.audit.replay.groups import Pair, name_of
from hub.audit.replay.memory import CARD_KINDS, CARD_VIEWS
from hub.audit.replay.own import DECISION
from hub.domain.acceptance import USES
from hub.domain.errors import HubError
from hub.domain.rule_input import TOKEN_MEDIA
from hub.journal.corrections import Change, changes
from hub.journal.reader import Recorded, decode, read_page
from hub.projections.projection import marks_of
from hub.projections.views.card_index import mentions
from hub.projections.views.culture import LOANS
from hub.words.outcomes import outcome_name

PAGE_POSITIONS = 10_000
_HEAD = struct.Struct("<QI")
_MARKS = marks_of(CARD_VIEWS)


class ReplayHasNoRoom(HubError):
    """临时目录的磁盘已满；清理后再试 the disk of the temporary directory is full; make room (TMPDIR) and ask again."""


class Spool(NamedTuple):
    """Where lanes are written, how many there are, and from which positions answers are wanted."""

    directory: Path
    lanes: int
    first: int
    last: int


class Scattered(NamedTuple):
    """What a run of positions had: pairs of names that belong together, who used each token first, the rules of answers, and how many."""

    pairs: set[Pair]
    tokens: dict[bytes, int]
    digests: set[bytes]
    decisions: int


class Entry(NamedTuple):
    """An event of a lane with what it changes."""

    event: Recorded
    change: Change | None


def scatter(connection: psycopg.Connection, spool: Spool, number: int, after: int, end: int) -> Scattered:
    """Writes the events with after < position <= end to the files of their lanes; *number* is that of the run of positions."""
    found = Scattered(set(), {}, set(), 0)
    decisions = 0
    try:
        for begin in range(after, end, PAGE_POSITIONS):
            decisions += _scatter_page(connection, spool, number, (begin, min(begin + PAGE_POSITIONS, end)), found)
    except OSError as error:
        raise ReplayHasNoRoom from error
    return found._replace(decisions=decisions)


def _scatter_page(connection: psycopg.Connection, spool: Spool, number: int, span: tuple[int, int], found: Scattered) -> int:
    begin, end = span
    changed, lines, decisions = changes(connection, begin, end), dict[int, list[bytes]](), 0
    events = read_page(connection, begin, end, CARD_KINDS | {DECISION}, also=changed, marks=_MARKS)
    decode(events)
    for event in events:
        if event.kind == DECISION:
            _note_token(event, found.tokens)
            if not spool.first <= event.position <= spool.last:
                continue
            decisions += 1
            found.digests.add(event.event.decision_made.rules_digest)
            names = [name_of(event.event.card.key)]
        elif not (names := _names(event, changed.get(event.position))):
            continue
        first = names[0]
        found.pairs.update((first, other) for other in names[1:] if other != first)
        data = pickle.dumps(_told(event, changed.get(event.position)), 5)
        lines.setdefault(first % spool.lanes, []).append(_HEAD.pack(first, len(data)) + data)
    for lane, some in lines.items():
        with (spool.directory / f"{lane:04d}-{number:05d}").open("ab") as file:
            file.writelines(some)
    return decisions


def _note_token(event: Recorded, tokens: dict[bytes, int]) -> None:
    made = event.event.decision_made
    token = made.subject_refs.token.key
    if token and not made.operator and event.event.medium in TOKEN_MEDIA and outcome_name(made.outcome) in USES:
        tokens.setdefault(token, event.position)


def _names(event: Recorded, change: Change | None) -> list[int]:
    """Returns the short names of all that an event names, and of what it corrects; that of its card is the first."""
    found: dict[int, None] = {}
    for one in (event, *(change.out if change is not None else ()), *((change.into,) if change is not None and change.into else ())):
        if one.event.card.key:
            found[name_of(one.event.card.key)] = None
        for mention in mentions(one):
            found[name_of(mention.key, is_person=mention.what == "person")] = None
        if one.kind in (LOANS.kinds or ()):
            found |= {name_of(_item(str(key[0])), is_person=True): None for key in LOANS.keys(one, None)}
    return list(found)


def _item(name: str) -> bytes:
    """Returns a key for what is borrowed: reports about it belong together, no matter who borrowed it."""
    return sha256(name.encode()).digest()


def _told(event: Recorded, change: Change | None) -> tuple[object, ...]:
    if change is None:
        return (*_fields(event), None)
    return (*_fields(event), ([_fields(one) for one in change.out], None if change.into is None else _fields(change.into)))


def _fields(event: Recorded) -> tuple[int, int, int, int, str, bytes]:
    return event.position, event.recorded_us, event.stream_id, event.sequence, event.kind, event.data


def _records(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yields (name, record) of a file."""
    data, at = path.read_bytes(), 0
    while at < len(data):
        name, length = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        yield name, data[at : at + length]
        at += length


def move(spool: Spool, lane: int, moved: Mapping[int, int]) -> None:
    """Copies what a lane has of other lanes' groups to where those look for it."""
    others: dict[int, list[bytes]] = {}
    for path in sorted(spool.directory.glob(f"{lane:04d}-*")):
        for name, data in _records(path):
            if (to := moved.get(name)) is not None:
                others.setdefault(to, []).append(_HEAD.pack(name, len(data)) + data)
    try:
        for to, some in others.items():
            (spool.directory / f"moved-{to:04d}-{lane:04d}").write_bytes(b"".join(some))
    except OSError as error:
        raise ReplayHasNoRoom from error


def entries(spool: Spool, lane: int, moved: Mapping[int, int]) -> list[Entry]:
    """Returns the events of a lane's groups in the order of positions."""
    own = (data for path in sorted(spool.directory.glob(f"{lane:04d}-*")) for name, data in _records(path) if name not in moved)
    come = (data for path in sorted(spool.directory.glob(f"moved-{lane:04d}-*")) for _, data in _records(path))
    found = [_entry(data) for some in (own, come) for data in some]
    found.sort(key=lambda entry: entry.event.position)
    decode(entry.event for entry in found)
    return found


def _entry(data: bytes) -> Entry:
    # Our own file, in a directory that nobody else may write to.
    *fields, change = pickle.loads(data)  # noqa: S301
    if change is None:
        return Entry(Recorded(*fields), None)
    out, into = change
    return Entry(Recorded(*fields), Change(tuple(Recorded(*one) for one in out), None if into is None else Recorded(*into)))

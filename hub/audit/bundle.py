"""Makes an evidence bundle: the answer to one question, with all that shows that it is true and whole, and nothing beside it.

It streams: a day of a million events takes no more memory than an hour. What the events say is shown of what was asked for alone; others
that a proof of completeness needs are in it as headers, without content. docs/log-format.md describes the file.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO, NamedTuple

import psycopg

from hub.audit.bundle_file import FORMAT, Held, Writer, as_json, parts
from hub.audit.bundle_question import Question, RangeNotThere, Wanted, of_audit, of_day, of_feed, of_range
from hub.audit.bundle_receipts import Numbers, has_receipts, key_positions, shown_numbers
from hub.audit.bundle_receipts import members as receipts
from hub.audit.card_identifiers import identifiers_at
from hub.audit.card_proofs import CardProof, prove
from hub.audit.sealed import Sealed, first_beyond, last_up_to, newest_under
from hub.domain.errors import HubError, NotSealedYet
from hub.journal import envelope
from hub.journal.archived import HISTORY, recalled
from hub.journal.joins import NAME_AT
from hub.projections import card_epochs
from hub.runs import Run, joined, runs_of
from hub.tlog import policy as policies
from hub.tlog import tree
from hub.tlog.several import several
from hub.tlog.store import reader
from hub.trust.receipt_keys import ReceiptKeys

_PAGE = 4_096


class IndexBehind(HubError):
    """卡索引尚未涵盖此处：请确认 `hub project` 在运行后重试 the card index does not cover this yet; see that `hub project` runs."""


class Made(NamedTuple):
    """A bundle that was written: its SHA-256 and size, how many entries it has, and the tree that its proofs lead to."""

    digest: bytes
    size: int
    entries: int
    tree_size: int


# Files by name.
Files = tuple[tuple[str, bytes], ...]


class With(NamedTuple):
    """What goes into a bundle beside the record: the policy, the keys that make receipts again, the archive of a decision's rules, and the
    outcome and report of an audit, by their names in order.
    """

    policy: bytes
    keys: ReceiptKeys
    archive: bytes = b""
    files: Files = ()


def make(connection: psycopg.Connection, question: Question, beside: With, file: BinaryIO) -> Made:
    """Writes the bundle of a question; one about a card by all of its identifiers as of then.

    Raises NotCosignedYet, NotSealedYet, IndexBehind, RangeNotThere, PolicyRefused, ReceiptKeyMissing.
    """
    policy = beside.policy
    sealed = newest_under(connection, policies.parse(policy))
    question, proofs = _proofs(connection, question, sealed)
    wanted = _wanted(connection, question, sealed, proofs)
    shown = _numbers(connection, question, wanted)
    if has_receipts(connection, shown):
        wanted = _with_keys(connection, wanted, [one.feed for one in shown], sealed.size)
    if not wanted.runs or wanted.runs[-1][1] > sealed.size:
        raise NotSealedYet
    writer, count = Writer(file), sum(end - first for first, end in wanted.runs)
    manifest = {"format": FORMAT, "origin": sealed.head.origin, "size": sealed.size, "entries": count, "question": question.said}
    writer.add("bundle.json", as_json(manifest))
    writer.add("genesis", sealed.genesis)
    writer.add("policy", policy)
    writer.add("checkpoint", sealed.note.format())
    read = reader(connection, sealed.incarnation)
    for earlier in _around(connection, sealed, wanted, policy):
        writer.add(f"checkpoints/{earlier.size:020d}.note", earlier.note.format())
        path = tree.consistency(earlier.size, sealed.size, read)
        writer.add(f"checkpoints/{earlier.size:020d}.path", b"".join(path))
    if proof := b"".join(several([(0, 1), *wanted.runs], sealed.size, read)):
        writer.add("proof", proof)
    for key in sorted(proofs, key=lambda one: one.name):
        writer.add(f"index/{key.name.hex()}", as_json(key.said))
    for name, data in parts(_held(connection, wanted)):
        writer.add(name, data)
    for name, data in receipts(connection, shown, beside.keys, sealed.head.origin):
        writer.add(name, data)
    for name, data in beside.files:
        writer.add(f"audit/{name}", data)
    if beside.archive:
        writer.add("rules/archive.zip", beside.archive)
    return Made(writer.end(), writer.size, count, sealed.size)


def _proofs(connection: psycopg.Connection, question: Question, sealed: Sealed) -> tuple[Question, list[CardProof]]:
    """Returns the question with each identifier of the card that it is about, and the proof for each."""
    if not question.keys:
        return question, []
    epoch = card_epochs.newest(connection, sealed.size)
    if epoch is None or epoch.tree_size <= question.as_of:
        raise IndexBehind
    if question.card:
        found = identifiers_at(connection, epoch, question.card, question.as_of or epoch.tree_size - 1)
        question = question._replace(keys=tuple(("card", key) for key in found))
    return question, [prove(connection, epoch, what, key) for what, key in question.keys]


def _numbers(connection: psycopg.Connection, question: Question, wanted: Wanted) -> list[Numbers]:
    """Returns the numbers that the bundle of a feed, a card or a decision shows; those of a day or a range come without receipts."""
    if question.about == "feed":
        return [Numbers(question.feed, [(question.first, question.last + 1)])]
    if question.about not in ("card", "decision"):
        return []
    positions = [position for first, end in wanted.runs for position in range(first, end) if position not in wanted.closed]
    return shown_numbers(connection, positions)


def _with_keys(connection: psycopg.Connection, wanted: Wanted, feeds: Sequence[str], size: int) -> Wanted:
    """Adds the events by which the keys of receipts and of senders were taken up."""
    beside = [(position, position + 1) for position in key_positions(connection, feeds, size)]
    return wanted._replace(runs=joined(sorted([*wanted.runs, *beside])))


def _wanted(connection: psycopg.Connection, question: Question, sealed: Sealed, proofs: Sequence[CardProof]) -> Wanted:
    head = sealed.size - 1
    if question.about == "feed":
        return of_feed(connection, question)
    if question.about == "range":
        return of_range(head, question)
    if question.about == "day":
        return of_day(connection, head, question)
    if question.about == "audit":
        return of_audit(connection, question.audit)
    named = {position for proof in proofs for position in proof.positions}
    beside = {proof.published for proof in proofs} | {position for position in (question.position, question.rules) if position}
    if not question.keys:
        raise RangeNotThere
    runs = runs_of(sorted(named | beside))
    if question.about != "decision":
        return Wanted(runs, asked=(min(named, default=0), max(named, default=0)))
    closed = frozenset(_not_of_the_decision(connection, named, question.as_of)) - beside
    return Wanted(runs, closed, (question.position, question.position))


def _not_of_the_decision(connection: psycopg.Connection, named: Iterable[int], as_of: int) -> Iterator[int]:
    """Yields what names the card and was not what the decision rested on: later events, other answers, and looks."""
    rows = connection.execute(_OWN, (sorted(named),)).fetchall()
    own = {position for (position,) in rows}
    yield from (position for position in named if position > as_of or position in own)


def _around(connection: psycopg.Connection, sealed: Sealed, wanted: Wanted, policy: bytes) -> list[Sealed]:
    """Returns cosigned checkpoints from before the first event and from soon after the last: between their times it was recorded."""
    rules = policies.parse(policy)
    first, last = wanted.asked
    if not last:
        return []
    found = {one.size: one for one in (last_up_to(connection, first), first_beyond(connection, last)) if one is not None}
    good = []
    for size in sorted(found):
        try:
            rules.judge(found[size].note)
        except HubError:
            # By another policy than today's: it would not be taken.
            continue
        if 0 < size < sealed.size and found[size].incarnation == sealed.incarnation:
            good.append(found[size])
    return good


def _held(connection: psycopg.Connection, wanted: Wanted) -> Iterator[Held]:
    for runs in _pages(wanted.runs):
        firsts, lasts = [first for first, _ in runs], [end - 1 for _, end in runs]
        with recalled(connection, list(zip(firsts, lasts, strict=True))) as history, connection.cursor(binary=True) as cursor:
            rows = cursor.execute(_ROWS.replace(HISTORY, history), (firsts, lasts)).fetchall()
        for position, recorded_us, sequence, stream, kind, digest, occurred_us, data in rows:
            inner = envelope.inner_hash(digest, occurred_us, data)
            entry = envelope.entry(position, recorded_us, sequence, stream, kind, digest, inner)
            blind = b"" if digest is None else digest[envelope.MARK_BYTES :]
            instant = envelope.NO_INSTANT if occurred_us is None else occurred_us
            yield Held(entry, None if position in wanted.closed else (blind, instant, data))


def _pages(runs: Iterable[Run]) -> Iterator[list[Run]]:
    """Cuts runs so that no page has more positions than are read at once."""
    page, room = list[Run](), _PAGE
    for start, end in runs:
        first = start
        while first < end:
            taken = min(end, first + room)
            page.append((first, taken))
            first, room = taken, room - (taken - first)
            if not room:
                yield page
                page, room = [], _PAGE
    if page:
        yield page


_ROWS = """
    SELECT e.position, (extract(epoch FROM e.recorded_at) * 1000000)::bigint, e.sequence, convert_to(s.name, 'UTF8'),
           convert_to(e.kind, 'UTF8'), e.digest, (extract(epoch FROM e.occurred_at) * 1000000)::bigint, e.data
    FROM unnest(%b::bigint[], %b::bigint[]) r (first, last)
    CROSS JOIN LATERAL (SELECT * FROM journal.history e WHERE e.position BETWEEN r.first AND r.last OFFSET 0) e
    JOIN journal.stream s USING (stream_id) ORDER BY e.position"""
_OWN = f"""
    SELECT o.position FROM unnest(%s::bigint[]) o (position) {NAME_AT} JOIN journal.stream s USING (stream_id)
    WHERE s.name LIKE 'hub.%%' AND s.name <> 'hub.quarantine'"""  # noqa: S608 (our own text)

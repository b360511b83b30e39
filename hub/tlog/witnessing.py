"""Has witnesses cosign the log: a round about every ten seconds asks each address of the policy, and stores what verifies.

A witness that is away, refuses or answers nonsense delays nothing: the round is apart from sealing. One answer stops sealing, and only
with evidence: a checkpoint that the log's own keys signed and that the log does not begin with. Then the database was put back to an
earlier state, or somebody signs elsewhere; a further signature would be a second history.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import NamedTuple

import psycopg

from hub.domain.errors import HubError
from hub.telemetry import names
from hub.tlog import add_checkpoint, contradictions, note, store, tree, web
from hub.tlog.add_checkpoint import Request
from hub.tlog.cosignatures import check
from hub.tlog.key_book import KeySet, known_sets, not_ended
from hub.tlog.note import Checkpoint, Note, VerifierKey
from hub.tlog.policy import Policy
from hub.tlog.store import Incarnation, Sealed
from hub.tlog.web import Answer, Unreachable

log = logging.getLogger(__name__)

ASKED_AT_ONCE = 8
MOST_ANSWER_BYTES = note.MOST_BYTES
# What came of asking a witness.
COSIGNED, AWAY, REFUSED, FORGED, WENT_BACK, CONTRADICTED = "cosigned", "away", "refused", "forged", "went_back", "contradicted"


class Seen(NamedTuple):
    """The checkpoint that a witness cosigned last; *signed* is True if one of the log's own keys is on it."""

    url: str
    note: Note
    checkpoint: Checkpoint
    is_own: bool


def last_seen(url: str, origin: str, keys: Sequence[VerifierKey], sets: Sequence[KeySet] = ()) -> Seen | None:
    """Asks a witness for what it cosigned last of a log, None if it knows nothing of it; raises Unreachable, NoteRefused and the like.

    A key that does not count at its size by the *sets* on record is nobody's: who stole it after its end can sign what he likes.
    """
    answer = web.call(f"{url.rstrip('/')}/{sha256(origin.encode()).hexdigest()}/checkpoint", most_bytes=MOST_ANSWER_BYTES)
    if answer.status == 404:
        return None
    if answer.status != 200:
        raise Unreachable(f"{url}: {answer.status}")
    signed = note.parse(answer.body)
    head = Checkpoint.parse(signed.text)
    # Any of the keys will do: each is the log's alone.
    own = [line for key in not_ended(sets, keys, head.size) for line in signed.of(key) if check(key, signed.text, line)]
    return Seen(url, signed, head, bool(own) and head.origin == origin)


class Answered(NamedTuple):
    """What one witness answered about a log: *seen* is None where it knows nothing of it, or where *problem* says why nobody knows."""

    url: str
    seen: Seen | None
    problem: str = ""


def all_seen(policy: Policy, origin: str, keys: Sequence[VerifierKey]) -> list[Answered]:
    """Asks every address of a policy for what it cosigned last of a log; one without the log's own signature is a problem."""
    answers = []
    for url in dict.fromkeys(party.url for party in policy.witnesses.values() if party.url):
        try:
            seen = last_seen(url, origin, keys)
        except HubError as problem:
            answers.append(Answered(url, None, str(problem)))
            continue
        if seen is not None and not seen.is_own:
            answers.append(Answered(url, None, "its checkpoint is not one that this log signed"))
        else:
            answers.append(Answered(url, seen))
    return answers


class Rounds:
    """Asks the witnesses of a policy about one log, on a session of role hub_sealer; used from one thread."""

    def __init__(self, connection: psycopg.Connection, incarnation: Incarnation, policy: Policy, keys: Sequence[VerifierKey]) -> None:
        """*keys* are the log's own; reads which size each witness cosigned last."""
        self._connection, self._incarnation, self._policy, self._keys = connection, incarnation, policy, keys
        self._addresses: dict[str, list[str]] = {}
        for name, party in policy.witnesses.items():
            if party.url:
                self._addresses.setdefault(party.url, []).append(name)
        rows = connection.execute(
            "SELECT witness, max(size) FROM tlog.cosignature WHERE incarnation = %s GROUP BY witness", (incarnation.number,)
        ).fetchall()
        self._cosigned: dict[str, int] = dict(rows)
        self._sizes = {url: min(self._cosigned.get(name, 0) for name in found) for url, found in self._addresses.items()}

    def ask(self) -> bool:
        """Asks every witness that has not cosigned the newest checkpoint, at most twice, and publishes how late each is.

        Returns False where nothing is sealed yet.
        """
        sealed = store.newest_checkpoint(self._connection, self._incarnation.number)
        if sealed is None:
            return False
        due = [url for url in self._addresses if self._lacks(url, sealed.size)]
        stale = [url for url, answer in self._asked(due, sealed).items() if self._take(url, answer, sealed, is_first=True)]
        for url, answer in self._asked(stale, sealed).items():
            self._take(url, answer, sealed, is_first=False)
        self._publish(sealed)
        return True

    def _lacks(self, url: str, size: int) -> bool:
        return any(self._cosigned.get(name, 0) < size for name in self._addresses[url])

    def _asked(self, urls: Iterable[str], sealed: Sealed) -> Mapping[str, Answer | HubError]:
        """Sends the checkpoint to each address at once, with the proof from the size that its witness had."""
        read = store.reader(self._connection, self._incarnation.number)
        signed = note.parse(sealed.note)
        bodies = {}
        for url in urls:
            old = min(self._sizes[url], sealed.size)
            bodies[url] = Request(old, tuple(tree.consistency(old, sealed.size, read)), signed).format()
        if not bodies:
            return {}
        with ThreadPoolExecutor(ASKED_AT_ONCE, "witness") as pool:
            return dict(zip(bodies, pool.map(_post, bodies, bodies.values()), strict=True))

    def _take(self, url: str, answer: Answer | HubError, sealed: Sealed, *, is_first: bool) -> bool:
        """Takes an answer; True if the witness is to be asked again, from the size that it named."""
        if isinstance(answer, HubError):
            self._count(url, AWAY, str(answer))
            return False
        try:
            if answer.status == 409 and is_first:
                return self._stale(url, add_checkpoint.parse_size(answer.body), sealed)
            if answer.status == 200:
                self._store(url, answer.body, sealed)
                return False
            self._count(url, REFUSED, f"{answer.status} {answer.body[:200].decode(errors='replace').strip()}")
            if answer.status in (409, 422):
                self._examine(url)
        except HubError as refused:
            self._count(url, FORGED, str(refused))
        return False

    def _stale(self, url: str, size: int, sealed: Sealed) -> bool:
        """Takes the size that a witness names: smaller than it cosigned is the witness's fault, larger than the log may be the hub's."""
        if size > sealed.size:
            self._examine(url)
            return False
        if size < self._sizes[url]:
            self._count(url, WENT_BACK, f"{self._sizes[url]} → {size}")
        self._sizes[url] = size
        return True

    def _store(self, url: str, body: bytes, sealed: Sealed) -> None:
        """Stores the lines that verify under the policy; raises what refuses one that claims to."""
        signed = note.parse(sealed.note)
        for line in note.parse_signatures(body.decode(errors="replace")):
            for name in self._addresses[url]:
                key = self._policy.witnesses[name].key
                if (line.name, line.key_id) != (key.name, key.key_id):
                    continue
                if not check(key, signed.text, line).signed_s:
                    raise note.NoteRefused("a witness says when it saw the checkpoint.")
                self._connection.execute(_STORE, (self._incarnation.number, sealed.size, name, line.line))
                self._cosigned[name] = sealed.size
        self._sizes[url] = sealed.size
        if self._lacks(url, sealed.size):
            self._count(url, REFUSED, "it signed with other keys than those of the policy")
        else:
            self._count(url, COSIGNED)

    def _examine(self, url: str) -> None:
        """Compares what a witness cosigned last with the log as it is by now; keeps both notes where they contradict each other."""
        seen = last_seen(url, self._incarnation.origin, self._keys, known_sets(self._connection))
        ours = store.newest_checkpoint(self._connection, self._incarnation.number)
        if seen is None or not seen.is_own or ours is None:
            self._count(url, REFUSED, "it shows no checkpoint that this log signed")
            return
        size = seen.checkpoint.size
        if size <= ours.size and tree.root(size, store.reader(self._connection, self._incarnation.number)) == seen.checkpoint.root:
            # Another process had it cosigned meanwhile, or the proof was spoiled on its way.
            self._sizes[url] = size
            return
        witness = self._addresses[url][0]
        contradictions.put(self._connection, self._incarnation.number, witness, size, ours.note, seen.note.format())
        self._count(url, CONTRADICTED, f"{size} > {ours.size}" if size > ours.size else f"{size}")
        log.critical(
            "witnessing: this log does not begin with what it signed; nothing more is signed",
            extra={"origin": self._incarnation.origin, "witness": witness, "size": size, "ours": ours.size},
        )

    def _count(self, url: str, outcome: str, reason: str = "") -> None:
        for name in self._addresses[url]:
            names.WITNESS_ANSWERS.add(name, outcome)
        if reason:
            log.warning("witnessing: %s", outcome, extra={"witness": ", ".join(self._addresses[url]), "reason": reason})

    def _publish(self, sealed: Sealed) -> None:
        """Publishes how long each witness, and the quorum, have lacked a checkpoint that was signed."""
        asked = [name for found in self._addresses.values() for name in found]
        late = {name: self._late_s(self._cosigned.get(name, 0), sealed) for name in asked}
        names.WITNESS_LAG.replace({(name,): late_s for name, late_s in late.items()})
        names.QUORUM_LAG.set(self._late_s(self._quorum_size(sealed.size), sealed))
        names.LOG_CONTRADICTIONS.set(contradictions.count(self._connection, self._incarnation.number))

    def _quorum_size(self, newest: int) -> int:
        """Returns the largest size that enough witnesses have cosigned, or a larger one with it; the newest where none is asked for."""
        sizes = sorted({newest, *self._cosigned.values()}, reverse=True)
        return next((size for size in sizes if self._policy.is_met({name: at for name, at in self._cosigned.items() if at >= size})), 0)

    def _late_s(self, size: int, sealed: Sealed) -> float:
        if size >= sealed.size:
            return 0.0
        row = self._connection.execute(_LATE, (self._incarnation.number, size)).fetchone()
        return 0.0 if row is None else max(0.0, float(row[0]))


def _post(url: str, body: bytes) -> Answer | HubError:
    try:
        return web.call(f"{url.rstrip('/')}/{add_checkpoint.PATH}", body, most_bytes=MOST_ANSWER_BYTES)
    except HubError as failure:
        return failure


def withdraw() -> None:
    """Leaves the gauges without points: another process may have the rounds, and say how late the witnesses are."""
    for gauge in (names.WITNESS_LAG, names.QUORUM_LAG, names.LOG_CONTRADICTIONS):
        gauge.replace({})


_STORE = "INSERT INTO tlog.cosignature (incarnation, size, witness, line) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING"
_LATE = """SELECT extract(epoch FROM clock_timestamp() - sealed_at) FROM tlog.checkpoint
    WHERE incarnation = %s AND size > %s ORDER BY size LIMIT 1"""

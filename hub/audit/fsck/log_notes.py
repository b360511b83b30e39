"""The signatures of the log: each checkpoint under the log's keys, each cosignature under its witness's, and notes that others kept."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from hub.audit.fsck.differences import Difference
from hub.audit.fsck.log_chain import Log
from hub.audit.fsck.scene import Scene
from hub.domain.errors import HubError
from hub.tlog.cosignatures import SignatureWrong, check_note
from hub.tlog.key_book import KeySet, followed, parties, public_keys
from hub.tlog.note import Checkpoint, CheckpointRefused, Note, NoteRefused, Signature, parse, parse_signatures
from hub.tlog.policy import NONE, Party, Policy
from hub.trust.log_keys import LogKeys

# All signatures of the newest checkpoints are checked, of the older ones the first: it is a small fraction of the work of the others.
_NEWEST = 100
_PAGE = 1_000


def policy_of(scene: Scene) -> Policy | None:
    """Returns whose signatures count: as the policy given says and, of logs that it does not name, the keys that are here."""
    given, keys = scene.given_policy, scene.log_keys
    if given is None and keys is None:
        return None
    named = {party.key.name for party in given.logs} if given is not None else set()
    origins = [origin for (origin,) in scene.rows("SELECT origin FROM tlog.incarnation") if origin not in named] if keys is not None else []
    # What cannot be followed is not what was sealed, and is found as that.
    sets, _ = followed(scene.connection)
    own = [(key, within) for origin in origins for key, within in parties(keys, _here(sets, keys), origin)]
    logs = [Party(key, "") for key, _ in own]
    counting = {key.public: within for key, within in own}
    if given is None:
        return Policy(logs, {}, {}, NONE, counting)
    return replace(given, logs=[*given.logs, *logs], within={**given.within, **counting})


def _here(sets: list[KeySet], keys: LogKeys | None) -> list[KeySet]:
    """Returns the sets on record whose files are here: who rewrites the record cannot add a key of his own."""
    own = {} if keys is None else {one.number: [key.public_key for key in public_keys(one)] for one in keys.sets}
    return [one for one in sets if own.get(one.number) == [public for _, public in one.keys]]


def examine_policy(scene: Scene) -> Iterator[Difference]:
    """A policy that names other logs alone is another hub's: that is one finding, and its witnesses are not asked for here."""
    given = scene.given_policy
    origins = [origin for (origin,) in scene.rows("SELECT origin FROM tlog.incarnation ORDER BY incarnation")]
    named = sorted({party.key.name for party in given.logs}) if given is not None else []
    if named and not set(named) & set(origins):
        scene.given_policy, scene.policy = None, None
        scene.policy = policy_of(scene)
        yield Difference("policy-of-another", origin=origins[-1], named=", ".join(named))


def examine_checkpoint_notes(scene: Scene) -> Iterator[Difference]:
    """Each checkpoint, of every incarnation, says what its row says and is signed by the log."""
    named = {party.key.name for party in scene.policy.logs} if scene.policy is not None else set()
    for (origin,) in scene.rows("SELECT origin FROM tlog.incarnation ORDER BY incarnation"):
        if origin not in named:
            scene.checked.left_out.append(f"{origin} 的检查点签名：没有其公钥 signatures of its checkpoints: no key of it is here")
    if scene.policy is None:
        return
    [(newest,)] = scene.rows("SELECT count(*) FROM tlog.checkpoint")
    for first in range(0, newest, _PAGE):
        rows = scene.rows(_CHECKPOINTS, offset=first, most=_PAGE)
        for at, (origin, size, root, data) in enumerate(rows, first):
            said = Checkpoint(origin, size, root)
            if origin in named and (code := _unsigned(scene.policy, said, data, all_keys=at >= newest - _NEWEST)) is not None:
                yield Difference(code, origin=origin, sealed=size)


def _unsigned(policy: Policy, said: Checkpoint, data: bytes, *, all_keys: bool) -> str | None:
    """Returns the code of what is wrong with the log's own signatures, None if they are right."""
    try:
        note = parse(data)
        known = [party.key for party in policy.logs if party.key.name == said.origin and note.of(party.key)]
        if not known or note.text != said.text:
            return "checkpoint-forged"
        counting = [key for key in known if policy.counts(key, said.size)]
        for key in (counting if all_keys else counting[:1]) or known:
            check_note(note, key)
    except (NoteRefused, SignatureWrong):
        return "checkpoint-forged"
    return None if counting else "checkpoint-key-ended"


def examine_cosignatures(scene: Scene, origin: str) -> Iterator[Difference]:
    """Each line of a witness is over the checkpoint that it is stored with, and the quorum is met somewhere if there is one."""
    policy, last_met = scene.policy, 0
    if policy is None or not policy.witnesses:
        return
    sizes, unknown = scene.rows(_COSIGNED), set[str]()
    for of, size, data, witnesses, lines in sizes:
        named: dict[str, object] = {}
        for witness, line in zip(witnesses, lines, strict=True):
            known = next((name for name, party in policy.witnesses.items() if witness in (name, party.key.name)), None)
            if known is None:
                # Once a witness: it may have cosigned every checkpoint.
                if witness not in unknown:
                    yield Difference("witness-unknown", witness=witness, sealed=size)
                unknown.add(witness)
            elif (wrong := _wrong(scene, policy, known, data, line)) is not None:
                yield Difference(wrong, witness=witness, sealed=size, origin=of)
            else:
                named[known] = True
        if of == origin and policy.is_met(named):
            last_met = max(last_met, size)
    if not policy.is_met({}) and not last_met:
        yield Difference("quorum-missing", quorum=policy.quorum, sealed=scene.checked.sealed)


def _wrong(scene: Scene, policy: Policy, witness: str, data: bytes, line: str) -> str | None:
    """Returns the code of what is wrong with a line, None if it is right."""
    try:
        signatures = tuple(parse_signatures(f"{line.rstrip()}\n"))
        text = parse(data).text
    except NoteRefused:
        return "cosignature-wrong"
    if _holds(Note(text, signatures), policy, witness):
        return None
    for (other,) in scene.rows(_OTHERS, most=_PAGE):
        if other != data and _holds_over(other, signatures, policy, witness):
            return "cosignature-of-another"
    return "cosignature-wrong"


def _holds_over(other: bytes, signatures: tuple[Signature, ...], policy: Policy, witness: str) -> bool:
    try:
        return _holds(Note(parse(other).text, signatures), policy, witness)
    except NoteRefused:
        return False


def _holds(note: Note, policy: Policy, witness: str) -> bool:
    try:
        check_note(note, policy.witnesses[witness].key)
    except HubError:
        return False
    return True


def examine_contradictions(scene: Scene) -> Iterator[Difference]:
    """What a witness showed the hub of another history stays evidence."""
    for witness, size, ours, theirs in scene.rows(_CONTRADICTIONS):
        yield Difference("contradicted", witness=witness, sealed=size, own=_shown(ours), note=_shown(theirs))


def examine_other_notes(scene: Scene, logs: Sequence[Log]) -> Iterator[Difference]:
    """A checkpoint that somebody else kept is of this very tree: one with another root is the evidence of two histories."""
    of_origin = {log.origin: log for log in logs}
    for note in scene.others:
        try:
            other = Checkpoint.parse(note.text)
        except CheckpointRefused:
            yield Difference("note-unknown", sealed=0, origin=note.text.partition("\n")[0])
            continue
        log = of_origin.get(other.origin)
        is_foreign = scene.policy is not None and not _is_by(scene.policy, note)
        if is_foreign or (log is None and (logs or scene.policy is None)):
            yield Difference("note-unknown", sealed=other.size, origin=other.origin)
        elif log is None or other.size > log.end:
            # Of a log that another one followed, some may be said to be lost: that is left out, and said so.
            if log is None or log is logs[-1] or other.size > _said_lost(logs, log):
                yield Difference("behind-cosigned", sealed=log.end if log else 0, other=other.size, note=_shown(note.format()))
        elif log.roots.get(other.size, other.root) != other.root:
            yield from _two_histories(scene, log.number, other, note)


def _said_lost(logs: Sequence[Log], log: Log) -> int:
    """Returns up to which size the logs that followed one say that they know of it."""
    return max((one.continued.previous.size for one in logs if one.continued and one.continued.previous.origin == log.origin), default=0)


def _is_by(policy: Policy, note: Note) -> bool:
    try:
        policy.signed_by_log(note)
    except HubError:
        return False
    return True


def _two_histories(scene: Scene, number: int, other: Checkpoint, note: Note) -> Iterator[Difference]:
    """Says who signed what: the log alone, twice, or witnesses for one of the two."""
    rows = scene.rows(_NEAREST, log=number, size=other.size)
    own = _shown(rows[0][0]) if rows else ""
    is_cosigned = scene.policy is not None and any(note.of(party.key) for party in scene.policy.witnesses.values())
    code = "split-view" if is_cosigned else "two-heads"
    yield Difference(code, sealed=other.size, note=note.format().decode(), own=own)


def _shown(note: bytes) -> str:
    """Returns a note as it is printed; one that was altered need not be text."""
    return bytes(note).decode(errors="replace")


_CHECKPOINTS = """
    SELECT i.origin, c.size, COALESCE(c.root, ''), COALESCE(c.note, '') FROM tlog.checkpoint c JOIN tlog.incarnation i USING (incarnation)
    ORDER BY c.incarnation, c.size LIMIT %(most)s OFFSET %(offset)s"""
_COSIGNED = """
    SELECT i.origin, c.size, COALESCE(c.note, ''), array_agg(s.witness ORDER BY s.witness),
           array_agg(COALESCE(s.line, '') ORDER BY s.witness)
    FROM tlog.cosignature s JOIN tlog.checkpoint c USING (incarnation, size) JOIN tlog.incarnation i USING (incarnation)
    GROUP BY 1, 2, 3 ORDER BY 1, 2"""
_CONTRADICTIONS = "SELECT witness, size, ours, theirs FROM tlog.contradiction ORDER BY incarnation, seen_at"
_OTHERS = "SELECT COALESCE(note, '') FROM tlog.checkpoint ORDER BY sealed_at DESC LIMIT %(most)s"
_NEAREST = "SELECT note FROM tlog.checkpoint WHERE incarnation = %(log)s AND size >= %(size)s ORDER BY size LIMIT 1"

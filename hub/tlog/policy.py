"""Which logs and witnesses count, and how many of them must have signed (C2SP tlog-policy).

    log <vkey> [<url>] · witness <name> <vkey> [<url>] · group <name> all|any|<k> <name>… · quorum <name>|none
    #!from <key name>+<key id> <size> · #!until <key name>+<key id> <size>

A checkpoint is valid under a policy if one of its logs signed it and its witnesses cosigned it as the quorum asks.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from hub.domain.errors import HubError
from hub.tlog.algorithms import ED25519, ED25519_COSIGNATURE, ML_DSA_44, SM2
from hub.tlog.cosignatures import SignatureWrong, Signed, check_note
from hub.tlog.note import Checkpoint, Note, VerifierKey, decimal

MOST_BYTES = 1 << 18
MOST_DEFINED = 256
LOG_KINDS = (ED25519, ML_DSA_44, SM2)
WITNESS_KINDS = (ED25519_COSIGNATURE, ML_DSA_44)
NONE = "none"


class PolicyRefused(HubError):
    """The file is not a policy; mend the line and try again."""


class LogUnknown(HubError):
    """No log of the policy has this origin; check whose checkpoint it is, or add its key to the policy."""


class LogSignatureMissing(HubError):
    """No key of the policy for this log signed the checkpoint; do not use it."""


class LogKeyEnded(LogSignatureMissing):
    """Only keys of the log that do not count at this size signed the checkpoint: ended before, or taken up later; do not use it."""


class QuorumMissed(HubError):
    """Too few witnesses of the policy cosigned the checkpoint; come back when they did."""


class Party(NamedTuple):
    """A key of a log or a witness, and where to reach it, "" where the policy does not say."""

    key: VerifierKey
    url: str


class Within(NamedTuple):
    """Under trees of which sizes a key counts: from *first* up to before *end*. So keys are rotated, and what they signed stays signed."""

    first: int = 0
    end: int = 1 << 63


class Group(NamedTuple):
    """At least *least* of the members must have witnessed."""

    least: int
    members: tuple[str, ...]


class Judged(NamedTuple):
    """A checkpoint that the policy takes: who of the log signed it, and each witness, by its name in the policy."""

    checkpoint: Checkpoint
    logs: tuple[Signed, ...]
    witnesses: Mapping[str, Signed]

    @property
    def seen_s(self) -> dict[str, int]:
        """When each witness saw it first, by the name that all its keys have: a witness is one, however many of its keys signed."""
        found: dict[str, int] = {}
        for signed in self.witnesses.values():
            found[signed.key.name] = min(signed.signed_s, found.get(signed.key.name, signed.signed_s))
        return found


@dataclass(slots=True)
class Policy:
    """A policy as it was read; *quorum* is the name of a witness or a group, or `none`."""

    logs: list[Party] = field(default_factory=list)
    witnesses: dict[str, Party] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    quorum: str = ""
    within: dict[bytes, Within] = field(default_factory=dict)

    def counts(self, key: VerifierKey, size: int) -> bool:
        """Says whether a key counts under a tree of this size."""
        within = self.within.get(key.public, Within())
        return within.first <= size < within.end

    def signed_by_log(self, note: Note) -> tuple[Checkpoint, tuple[Signed, ...]]:
        """Checks that a log of the policy signed; raises CheckpointRefused, LogUnknown, LogSignatureMissing, SignatureWrong."""
        head = Checkpoint.parse(note.text)
        keys = [party.key for party in self.logs if party.key.name == head.origin]
        if not keys:
            raise LogUnknown(f"Its origin is {head.origin}.")
        signed = tuple(check_note(note, key) for key in keys if self.counts(key, head.size) and note.of(key))
        if not signed:
            ended = [key.key_id.hex() for key in keys if note.of(key)]
            if ended:
                raise LogKeyEnded(f"Its origin is {head.origin}, its size {head.size}; signed by {', '.join(ended)}.")
            raise LogSignatureMissing(f"Its origin is {head.origin}.")
        return head, signed

    def judge(self, note: Note) -> Judged:
        """Checks a checkpoint by log and quorum; a known line that does not verify spoils the whole. Raises QuorumMissed and the above."""
        head, logs = self.signed_by_log(note)
        cosigned = self.cosigned(note)
        if not self.is_met(cosigned):
            raise QuorumMissed(f"The quorum is {self.quorum}; cosigned by: {', '.join(cosigned) or NONE}.")
        return Judged(head, logs, cosigned)

    def cosigned(self, note: Note) -> dict[str, Signed]:
        """Returns each witness of the policy that cosigned, by its name in the policy; raises SignatureWrong."""
        size = Checkpoint.parse(note.text).size
        counting = {name: party.key for name, party in self.witnesses.items() if self.counts(party.key, size)}
        found = {name: check_note(note, key) for name, key in counting.items() if note.of(key)}
        untimed = next((name for name, signed in found.items() if not signed.signed_s), None)
        if untimed:
            raise SignatureWrong(f"{untimed}: a witness says when it saw the checkpoint.")
        return found

    def is_met(self, cosigned: Mapping[str, object]) -> bool:
        """Says whether these witnesses are enough."""
        return self.quorum == NONE or self._has(self.quorum, cosigned)

    def _has(self, name: str, cosigned: Mapping[str, object]) -> bool:
        group = self.groups.get(name)
        if group is None:
            return name in cosigned
        found = [one for one in group.members if self._has(one, cosigned)]
        # Where fewer than all are asked for, a witness counts once: what it signs with a second key is no second witness.
        parties = {self.witnesses[one].key.name if one in self.witnesses else f"+{one}" for one in found}
        return len(found) == len(group.members) or len(parties) >= group.least


def parse(data: bytes) -> Policy:
    """Reads a policy file; raises PolicyRefused with the line."""
    if len(data) > MOST_BYTES:
        raise PolicyRefused(f"It has {len(data)} bytes; {MOST_BYTES} are read.")
    if data and not data.endswith(b"\n"):
        raise PolicyRefused("It does not end in a newline.")
    policy = Policy()
    for number, line in enumerate(data.split(b"\n")[:-1], 1):
        control = next((one for one in line if (one < 0x20 and one != 0x09) or one == 0x7F), None)
        if control is not None:
            raise PolicyRefused(f"Line {number} has the control character U+{control:04X}.")
        # Any octets above ASCII are part of a name as they are; this keeps them apart and whole.
        words = line.decode("utf-8", "surrogateescape").replace("\t", " ").strip(" ").split(" ")
        words = [word for word in words if word]
        if not words or (words[0].startswith("#") and not words[0].startswith("#!")):
            continue
        try:
            _READERS.get(words[0], _unknown)(policy, words[1:])
        except HubError as refused:
            raise PolicyRefused(f"Line {number}: {refused}") from None
    if not policy.quorum:
        raise PolicyRefused("It has no quorum line; `quorum none` asks for no witness.")
    return policy


class _Line(HubError):
    """This line cannot be used:"""


def _log(policy: Policy, words: Sequence[str]) -> None:
    if not 1 <= len(words) <= 2:
        raise _Line("it is `log`, a key, and perhaps an address.")
    key = VerifierKey.parse(words[0])
    if key.kind not in LOG_KINDS:
        raise _Line(f"{key.kind.name} is not a kind of key for a log.")
    if any(party.key.public == key.public for party in policy.logs):
        raise _Line("its key is on another log line too.")
    _apart(key, policy.witnesses.values())
    policy.logs.append(Party(key, *words[1:] or [""]))
    _count(policy.logs)


def _witness(policy: Policy, words: Sequence[str]) -> None:
    if not 2 <= len(words) <= 3:
        raise _Line("it is `witness`, a name, a key, and perhaps an address.")
    name, key = words[0], VerifierKey.parse(words[1])
    _fresh(policy, name)
    if key.kind not in WITNESS_KINDS:
        raise _Line(f"{key.kind.name} is not a kind of key for a witness.")
    if any(party.key.public == key.public for party in policy.witnesses.values()):
        raise _Line("its key is on another witness line too, so one witness would count twice.")
    _apart(key, policy.logs)
    policy.witnesses[name] = Party(key, *words[2:] or [""])
    _count(policy.witnesses)


def _group(policy: Policy, words: Sequence[str]) -> None:
    if len(words) < 3:
        raise _Line("it is `group`, a name, all, any or a number, and at least one member.")
    name, least, members = words[0], words[1], tuple(words[2:])
    _fresh(policy, name)
    for member in members:
        _defined(policy, member)
        if any(member in group.members for group in policy.groups.values()) or members.count(member) > 1:
            raise _Line(f"{member} is a member twice.")
    count = {"any": 1, "all": len(members)}.get(least) or decimal(least) or 0
    if not 1 <= count <= len(members):
        raise _Line(f"{least} is not all, any, or a number from 1 to {len(members)}.")
    policy.groups[name] = Group(count, members)
    _count(policy.groups)


def _quorum(policy: Policy, words: Sequence[str]) -> None:
    if len(words) != 1:
        raise _Line("it is `quorum` and one name.")
    if policy.quorum:
        raise _Line("there is a quorum line already.")
    if words[0] != NONE:
        _defined(policy, words[0])
    policy.quorum = words[0]


def _limit(policy: Policy, words: Sequence[str], *, is_end: bool) -> None:
    """Takes a line that programs without it read as a comment: they count the key under every tree."""
    if len(words) != 2 or not (size := decimal(words[1])):
        raise _Line("it is #!from or #!until, the name and the id of a key with + between them, and a size.")
    parties = [*policy.logs, *policy.witnesses.values()]
    keys = [party.key for party in parties if f"{party.key.name}+{party.key.key_id.hex()}" == words[0]]
    if len(keys) != 1:
        raise _Line(f"no line before it has the key {words[0]}.")
    before = policy.within.get(keys[0].public, Within())
    if (before.end if is_end else before.first) != (Within().end if is_end else Within().first):
        raise _Line("this is said of the key twice.")
    after = before._replace(end=size) if is_end else before._replace(first=size)
    if after.first >= after.end:
        raise _Line("the key would never count.")
    policy.within[keys[0].public] = after


def _unknown(policy: Policy, words: Sequence[str]) -> None:
    raise _Line("it begins with none of log, witness, group, quorum and #.")


def _fresh(policy: Policy, name: str) -> None:
    if name == NONE or name in policy.witnesses or name in policy.groups:
        raise _Line(f"the name {name} is taken.")


def _defined(policy: Policy, name: str) -> None:
    if name not in policy.witnesses and name not in policy.groups:
        raise _Line(f"no line before it defines {name}.")


def _apart(key: VerifierKey, others: Iterable[Party]) -> None:
    if any(party.key.public == key.public for party in others):
        raise _Line("a log is not its own witness: its key is on a log line and on a witness line.")


def _count(found: Sequence[object] | Mapping[str, object]) -> None:
    if len(found) > MOST_DEFINED:
        raise _Line(f"there are more than {MOST_DEFINED} of its kind.")


_READERS: dict[str, Callable[[Policy, Sequence[str]], None]] = {
    "log": _log,
    "witness": _witness,
    "group": _group,
    "quorum": _quorum,
    "#!from": partial(_limit, is_end=False),
    "#!until": partial(_limit, is_end=True),
}

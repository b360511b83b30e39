"""The kinds of tampering with keys of the log that have ended: a thief signs with them what came later."""

import time

from hub.audit.bundle_question import Question
from hub.bench.tampering.bundle_kinds import BundleKind
from hub.bench.tampering.bundles import bundle_of, repacked, trusted, unpacked
from hub.bench.tampering.kinds import Attack, Kind
from hub.tlog.cosignatures import sign_note
from hub.tlog.key_book import known_sets, signers_of
from hub.tlog.note import Checkpoint, Note, parse


def head_signed_with_ended_keys(attack: Attack) -> None:
    """Signs a head with keys of the log that had ended by then, in the place of those that count."""
    end = known_sets(attack.connection)[0].within.end
    size, data = attack.one_of("SELECT size, note FROM tlog.checkpoint WHERE size >= %s ORDER BY 1", end)
    attack.change("UPDATE tlog.checkpoint SET note = %s WHERE size = %s", _signed(attack, parse(data)).format(), size)


def head_signed_with_ended_keys_in_a_bundle(attack: Attack) -> tuple[bytes, bytes | None]:
    """Signs the head of a bundle with keys of the log that had ended by then, the witnesses' lines beside them."""
    first = attack.chance.randrange(10, 200)
    members = unpacked(bundle_of(attack, Question("range", first=first, last=first + 20)))
    note = parse(members["checkpoint"])
    origin = Checkpoint.parse(note.text).origin
    witnessed = [line for line in note.signatures if line.name != origin]
    return repacked({**members, "checkpoint": _signed(attack, note).with_lines(witnessed).format()}), trusted(attack)


def _signed(attack: Attack, note: Note) -> Note:
    keys = signers_of(attack.hub.log_keys, Checkpoint.parse(note.text).origin)
    return Note(note.text, tuple(sign_note(key, note.text, int(time.time())) for key in keys))


KEYS = (Kind(29, "checkpoint-key-ended", head_signed_with_ended_keys, "--tlog --policy"),)
KEY_BUNDLES = (BundleKind(29, "LOG_KEY_ENDED", head_signed_with_ended_keys_in_a_bundle, "--policy"),)

"""The kinds of tampering with an evidence bundle, and with the record before one is made of it; two checkers refuse each."""

import base64
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from chuanyu.exchange.v1 import event_pb2
from chuanyu.exchange.v1.acceptance_pb2 import AcceptanceOutcome

from hub.audit.bundle_file import Held, as_json, packed
from hub.audit.bundle_question import Question, of_card, of_decision
from hub.bench.tampering.bundles import ENTRIES, ONLY_ITSELF, Members, bundle_of, records, repacked, trusted, unpacked
from hub.bench.tampering.files_of_audits import outcome_changed_in_a_bundle, report_changed_in_a_bundle
from hub.bench.tampering.kinds import Attack
from hub.bench.tampering.log_kinds import all_signed_again_with_stolen_keys
from hub.tlog.cosignatures import sign_note
from hub.tlog.note import Checkpoint, Note, Signature, parse
from hub.tlog.several import several
from hub.tlog.store import reader
from hub.trust.batch_texts import read_receipt, receipt_text
from hub.trust.receipt_keys import read_receipt_keys


class BundleKind(NamedTuple):
    """A kind of tampering with a bundle: its number, the name by which both checkers refuse it, and what is done."""

    number: int
    code: str
    attack: Callable[[Attack], tuple[bytes, bytes | None]]
    options: str = ""

    @property
    def name(self) -> str:
        """What is done, in the words of its function."""
        return self.attack.__name__.replace("_", " ")


def _range(attack: Attack) -> tuple[Members, list[Held]]:
    """Returns the bundle of some positions in a row, unpacked."""
    first = attack.chance.randrange(10, 200)
    members = unpacked(bundle_of(attack, Question("range", first=first, last=first + attack.chance.randrange(20, 120))))
    return members, records(members)


def _put(members: Members, held: list[Held], **said: Any) -> bytes:
    manifest = as_json(json.loads(members["bundle.json"]) | said) if said else members["bundle.json"]
    return repacked({**members, "bundle.json": manifest, ENTRIES: b"".join(map(packed, held))})


def _opened(attack: Attack, held: list[Held]) -> int:
    return attack.chance.choice([at for at, one in enumerate(held) if one.content is not None])


def byte_flipped_in_a_bundle(attack: Attack) -> tuple[bytes, bytes | None]:
    """Changes one byte of what an event in a bundle says."""
    members, held = _range(attack)
    at = _opened(attack, held)
    blind, occurred_us, data = held[at].content or (b"", 0, b"")
    where = attack.chance.randrange(len(data))
    forged = data[:where] + bytes([data[where] ^ attack.chance.randrange(1, 256)]) + data[where + 1 :]
    held[at] = held[at]._replace(content=(blind, occurred_us, forged))
    return _put(members, held), trusted(attack)


def event_dropped_from_a_bundle(attack: Attack) -> tuple[bytes, bytes | None]:
    """Drops one event from a bundle, with a proof that is valid for the others."""
    members, held = _range(attack)
    del held[attack.chance.randrange(1, len(held) - 1)]
    said = json.loads(members["bundle.json"]) | {"entries": len(held)}
    return _put({**members, "proof": _proof(attack, held, said["size"])}, held, entries=len(held)), trusted(attack)


def events_exchanged_in_a_bundle(attack: Attack) -> tuple[bytes, bytes | None]:
    """Exchanges what two events of a bundle say."""
    members, held = _range(attack)
    one, other = attack.chance.sample([at for at, two in enumerate(held) if two.content is not None], 2)
    held[one], held[other] = held[one]._replace(content=held[other].content), held[other]._replace(content=held[one].content)
    return _put(members, held), trusted(attack)


def end_of_a_bundle_cut(attack: Attack) -> tuple[bytes, bytes | None]:
    """Ends a run of events early, with a proof that is valid for what is left."""
    members, held = _range(attack)
    held = held[: attack.chance.randrange(1, len(held))]
    said = json.loads(members["bundle.json"]) | {"entries": len(held)}
    return _put({**members, "proof": _proof(attack, held, said["size"])}, held, entries=len(held)), trusted(attack)


def _proof(attack: Attack, held: list[Held], size: int) -> bytes:
    positions = [int.from_bytes(one.entry[1:9], "big") for one in held]
    return b"".join(several([(0, 1), *((one, one + 1) for one in positions)], size, reader(attack.connection, 1)))


def time_set_back_in_a_bundle(attack: Attack) -> tuple[bytes, bytes | None]:
    """Has all events of a bundle be recorded earlier than they were."""
    members, held = _range(attack)
    moved_us = attack.chance.randrange(1, 10**9)
    for at, one in enumerate(held):
        recorded_us = int.from_bytes(one.entry[9:17], "big") - moved_us
        held[at] = one._replace(entry=one.entry[:9] + recorded_us.to_bytes(8, "big") + one.entry[17:])
    return _put(members, held), trusted(attack)


def _decision(attack: Attack) -> tuple[Members, Question]:
    position = attack.one_of(
        """SELECT position FROM journal.event e WHERE kind = 'decision_made'
           AND position < (SELECT max(tree_size) FROM tlog.index_epoch) ORDER BY 1"""
    )[0]
    question = of_decision(attack.connection, int(position))
    return unpacked(bundle_of(attack, question)), question


def answer_changed_in_a_bundle(attack: Attack) -> tuple[bytes, bytes | None]:
    """Has a decision in its bundle say something else."""
    members, question = _decision(attack)
    held = records(members)
    at = next(at for at, one in enumerate(held) if int.from_bytes(one.entry[1:9], "big") == question.position)
    blind, occurred_us, data = held[at].content or (b"", 0, b"")
    event = event_pb2.Event.FromString(data)
    outcomes = [value for value in AcceptanceOutcome.values() if value not in (0, event.decision_made.outcome)]
    event.decision_made.outcome = AcceptanceOutcome.ValueType(attack.chance.choice(outcomes))
    held[at] = held[at]._replace(content=(blind, occurred_us, event.SerializeToString()))
    return _put(members, held), trusted(attack)


def rules_exchanged_in_a_bundle(attack: Attack) -> tuple[bytes, bytes | None]:
    """Puts other rules into the bundle of a decision."""
    members, _ = _decision(attack)
    archive = members["rules/archive.zip"]
    at = attack.chance.randrange(len(archive))
    forged = archive[:at] + bytes([archive[at] ^ attack.chance.randrange(1, 256)]) + archive[at + 1 :]
    return repacked({**members, "rules/archive.zip": forged}), trusted(attack)


def basis_shifted_in_a_bundle(attack: Attack) -> tuple[bytes, bytes | None]:
    """Asks about a decision as if it had rested on another record."""
    members, question = _decision(attack)
    said = json.loads(members["bundle.json"])
    said["question"]["as_of"] = attack.chance.choice([one for one in range(1, question.as_of + 20) if one != question.as_of])
    return repacked({**members, "bundle.json": as_json(said)}), trusted(attack)


def witness_line_forged_in_a_bundle(attack: Attack) -> tuple[bytes, bytes | None]:
    """Puts a line in a witness's name into a bundle that the witness never wrote."""
    members, _ = _range(attack)
    note, name = parse(members["checkpoint"]), attack.chance.choice(list(attack.hub.witnesses))
    key = attack.hub.witnesses[name].verifier
    value = int(time.time()).to_bytes(8, "big") + attack.some_bytes(key.kind.signature_bytes - 8)
    return _with_line(members, note, Signature(key.name, key.key_id, value)), trusted(attack)


def witness_line_of_another_origin_in_a_bundle(attack: Attack) -> tuple[bytes, bytes | None]:
    """Puts a witness's line under the head of another log into a bundle."""
    members, _ = _range(attack)
    note, key = parse(members["checkpoint"]), attack.hub.witnesses[attack.chance.choice(list(attack.hub.witnesses))]
    head = Checkpoint.parse(note.text)
    return _with_line(members, note, sign_note(key, replace(head, origin="another.example/1").text, int(time.time()))), trusted(attack)


def _with_line(members: Members, note: Note, line: Signature) -> bytes:
    others = tuple(one for one in note.signatures if (one.name, one.key_id) != (line.name, line.key_id))
    return repacked({**members, "checkpoint": Note(note.text, (*others, line)).format()})


def fewer_witnesses_in_a_bundle(attack: Attack) -> tuple[bytes, bytes | None]:
    """Leaves the line of one witness alone in a bundle, where the policy asks for two."""
    members, _ = _range(attack)
    note, one = parse(members["checkpoint"]), attack.chance.choice(list(attack.hub.witnesses))
    gone = {key.verifier.key_id for name, key in attack.hub.witnesses.items() if name != one}
    kept = tuple(line for line in note.signatures if line.key_id not in gone)
    return repacked({**members, "checkpoint": Note(note.text, kept).format()}), trusted(attack)


def one_witness_under_two_names_in_a_policy(attack: Attack) -> tuple[bytes, bytes | None]:
    """Gives the checker a policy in which one witness counts twice."""
    members, _ = _range(attack)
    key = attack.hub.witnesses[attack.chance.choice(list(attack.hub.witnesses))].verifier.text
    return repacked(members), trusted(attack).replace(b"group", f"witness twin {key}\ngroup".encode(), 1)


def policy_in_the_bundle_alone(attack: Attack) -> tuple[bytes, bytes | None]:
    """Gives no policy from elsewhere: the bundle says itself whose signatures count."""
    return repacked(_range(attack)[0]), None


def content_of_another_event_behind_a_valid_proof(attack: Attack) -> tuple[bytes, bytes | None]:
    """Shows the content of an event that is not in the bundle, behind the valid proof of one that is."""
    members, held = _range(attack)
    at, last = _opened(attack, held), int.from_bytes(held[-1].entry[1:9], "big")
    data = attack.one_of("SELECT data FROM journal.event WHERE position > %s ORDER BY position", last)[0]
    blind, occurred_us, _ = held[at].content or (b"", 0, b"")
    held[at] = held[at]._replace(content=(blind, occurred_us, data))
    return _put(members, held), trusted(attack)


def event_changed_before_the_bundle_is_made(attack: Attack) -> tuple[bytes, bytes | None]:
    """Changes an event in the database, and then makes a bundle of it."""
    first = attack.chance.randrange(10, 200)
    position = attack.one_of("SELECT position FROM journal.event WHERE position BETWEEN %s AND %s ORDER BY 1", first, first + 20)[0]
    attack.change("UPDATE journal.event SET data = data || %s WHERE position = %s", b"\x3a\x06510000", position)
    return bundle_of(attack, Question("range", first=first, last=first + 20)), trusted(attack)


def bundle_signed_with_stolen_keys(attack: Attack) -> tuple[bytes, bytes | None]:
    """Rewrites the whole log, signs it with its own stolen keys, and makes a bundle of it."""
    all_signed_again_with_stolen_keys(attack)
    first, no_witness = attack.chance.randrange(10, 200), attack.hub.policy.replace(b"quorum two", b"quorum none")
    return bundle_of(attack, Question("range", first=first, last=first + 20), no_witness), trusted(attack)


def card_event_left_out_of_a_bundle(attack: Attack) -> tuple[bytes, bytes | None]:
    """Leaves an event out of the bundle about a card, with valid proofs for all others."""
    key = attack.one_of("SELECT key FROM views.card_standing WHERE facts LIKE '%%temporary_loss%%' ORDER BY 1")[0]
    members = unpacked(bundle_of(attack, of_card(bytes(key))))
    held, index = records(members), next(one for one in members if one.startswith("index/"))
    said = json.loads(members[index])
    position = attack.chance.choice(said["positions"])
    said["positions"].remove(position)
    held = [one for one in held if int.from_bytes(one.entry[1:9], "big") != position]
    size = json.loads(members["bundle.json"])["size"]
    changed = {**members, index: as_json(said), "proof": _proof(attack, held, size)}
    return _put(changed, held, entries=len(held)), trusted(attack)


def _feed(attack: Attack) -> tuple[Members, list[dict[str, Any]]]:
    """Returns the bundle of some batches of a feed, unpacked, and its receipts."""
    feed, last = attack.one_of(
        "SELECT name, next_sequence - 1 FROM journal.stream WHERE name LIKE 'cq.%%' AND next_sequence > 100 ORDER BY 1"
    )
    first = attack.chance.randrange(1, last - 50)
    members = unpacked(bundle_of(attack, Question("feed", feed=feed, first=first, last=attack.chance.randrange(first + 50, last + 1))))
    return members, json.loads(members[_RECEIPTS])["receipts"]


def _put_receipts(members: Members, receipts: list[dict[str, Any]]) -> bytes:
    return repacked({**members, _RECEIPTS: as_json({"receipts": receipts})})


def receipt_left_out_of_a_bundle(attack: Attack) -> tuple[bytes, bytes | None]:
    """Leaves the hub's receipt of a batch out of the bundle of a feed."""
    members, receipts = _feed(attack)
    del receipts[attack.chance.randrange(len(receipts))]
    return _put_receipts(members, receipts), trusted(attack)


def receipt_forged_in_a_bundle(attack: Attack) -> tuple[bytes, bytes | None]:
    """Puts a receipt with a signature into a bundle that the hub never gave."""
    members, receipts = _feed(attack)
    attack.chance.choice(receipts)["signature"] = base64.b64encode(attack.some_bytes(64)).decode()
    return _put_receipts(members, receipts), trusted(attack)


def receipt_of_another_batch_in_a_bundle(attack: Attack) -> tuple[bytes, bytes | None]:
    """Has the hub sign a receipt of other positions than the batch has."""
    members, receipts = _feed(attack)
    receipt, key = attack.chance.choice(receipts), read_receipt_keys(attack.hub.data_dir / "keys").newest
    says = read_receipt(receipt["text"])
    moved = attack.chance.randrange(1, 100)
    receipt["text"] = receipt_text(says._replace(positions=[(first + moved, last + moved) for first, last in says.positions]))
    receipt["signature"] = base64.b64encode(key.sign(receipt["text"])).decode()
    return _put_receipts(members, receipts), trusted(attack)


_RECEIPTS = "receipts/000000"
_FEEDS = "SELECT name, next_sequence - 1 FROM journal.stream WHERE name LIKE 'cq.%%' AND next_sequence > 60 ORDER BY 1"
_WITH, _WITHOUT = "--policy", ""


BUNDLES = (
    BundleKind(1, "CONTENT_DIFFERS", byte_flipped_in_a_bundle, _WITH),
    BundleKind(1, "ROOT_DIFFERS", event_changed_before_the_bundle_is_made, _WITH),
    BundleKind(2, "RANGE_INCOMPLETE", event_dropped_from_a_bundle, _WITH),
    BundleKind(3, "CONTENT_DIFFERS", events_exchanged_in_a_bundle, _WITH),
    BundleKind(4, "RANGE_INCOMPLETE", end_of_a_bundle_cut, _WITH),
    BundleKind(6, "ROOT_DIFFERS", time_set_back_in_a_bundle, _WITH),
    BundleKind(7, "RECEIPT_MISSING", receipt_left_out_of_a_bundle, _WITH),
    BundleKind(7, "RECEIPT_WRONG", receipt_forged_in_a_bundle, _WITH),
    BundleKind(7, "RECEIPT_DIFFERS", receipt_of_another_batch_in_a_bundle, _WITH),
    BundleKind(8, "CONTENT_DIFFERS", answer_changed_in_a_bundle, _WITH),
    BundleKind(9, "RULES_DIFFER", rules_exchanged_in_a_bundle, _WITH),
    BundleKind(10, "SIGNATURE_WRONG", witness_line_forged_in_a_bundle, _WITH),
    BundleKind(17, "CARD_INCOMPLETE", card_event_left_out_of_a_bundle, _WITH),
    BundleKind(21, "QUORUM_MISSED", bundle_signed_with_stolen_keys, _WITH),
    BundleKind(24, "SIGNATURE_WRONG", witness_line_of_another_origin_in_a_bundle, _WITH),
    BundleKind(24, "QUORUM_MISSED", fewer_witnesses_in_a_bundle, _WITH),
    BundleKind(24, "POLICY_MALFORMED", one_witness_under_two_names_in_a_policy, _WITH),
    BundleKind(25, ONLY_ITSELF, policy_in_the_bundle_alone, _WITHOUT),
    BundleKind(26, "CONTENT_DIFFERS", content_of_another_event_behind_a_valid_proof, _WITH),
    BundleKind(27, "DECISION_DIFFERS", basis_shifted_in_a_bundle, _WITH),
    BundleKind(28, "REPORT_DIFFERS", report_changed_in_a_bundle, _WITH),
    BundleKind(28, "OUTCOME_DIFFERS", outcome_changed_in_a_bundle, _WITH),
)

"""The kinds of tampering with the log, up to one who has stolen its keys and signs everything again."""

import time

from hub.bench.tampering.event_kinds import cut
from hub.bench.tampering.kinds import Attack, Kind
from hub.journal.envelope import leaf_hash
from hub.tlog import sealer, tree
from hub.tlog.cosignatures import sign_note
from hub.tlog.note import Checkpoint, Note, Signature, parse

_LEAF = """
    UPDATE journal.event e SET leaf = journal.leaf(
        e.position, e.recorded_at, e.sequence, s.name, e.occurred_at, e.kind, e.digest, e.data)
    FROM journal.stream s WHERE s.stream_id = e.stream_id AND e.position >= %s"""


def leaf_changed(attack: Attack) -> None:
    """Changes the leaf in a row, and not the row."""
    position = attack.one_of("SELECT position FROM journal.event ORDER BY 1")[0]
    attack.change("UPDATE journal.event SET leaf = %s WHERE position = %s", attack.some_bytes(32), position)


def content_changed(attack: Attack, before: int) -> int:
    """Changes what an event says and gives the row the leaf that belongs to it; returns the position."""
    statement = "SELECT position FROM journal.event WHERE kind = 'transit_journey_completed' AND position < %s ORDER BY 1"
    position = int(attack.one_of(statement, before)[0])
    attack.change("UPDATE journal.event SET data = data || %s WHERE position = %s", b"\x3a\x06510000", position)
    attack.change(_LEAF.replace(">=", "="), position)
    return position


def leaf_rewritten_with_its_row(attack: Attack) -> None:
    """Changes an event, and its leaf with it."""
    content_changed(attack, 2**62)


def tile_changed(attack: Attack) -> None:
    """Changes a hash in a full tile of leaves, and no row."""
    number, hashes = attack.one_of("SELECT number, hashes FROM tlog.tile WHERE level = 0 AND octet_length(hashes) = 8192 ORDER BY 1")
    at = attack.chance.randrange(len(hashes))
    forged = hashes[:at] + bytes([hashes[at] ^ 1]) + hashes[at + 1 :]
    attack.change("UPDATE tlog.tile SET hashes = %s WHERE level = 0 AND number = %s", forged, number)


def _sizes(attack: Attack) -> list[int]:
    return [size for (size,) in attack.rows("SELECT size FROM tlog.checkpoint ORDER BY 1")]


def grown_again(attack: Attack) -> tree.Appender:
    """Makes all tiles again from the leaves in the rows, up to what was sealed, and returns the tree."""
    [(genesis,)], sizes = attack.rows("SELECT genesis FROM tlog.incarnation"), _sizes(attack)
    rows = attack.rows("SELECT leaf FROM journal.event WHERE position < %s ORDER BY position", sizes[-1])
    grown = tree.Appender(0, ())
    for level, number, hashes in grown.add(leaf_hash(genesis) + b"".join(leaf for (leaf,) in rows)):
        attack.connection.execute(
            b"UPDATE tlog.tile SET hashes = %s WHERE (incarnation, level, number) = (1, %s, %s)", (hashes, level, number)
        )
    return grown


def tree_rewritten_with_its_row(attack: Attack) -> None:
    """Changes an event, its leaf, and every tile of the tree."""
    content_changed(attack, _sizes(attack)[-1])
    grown_again(attack)


def signed(attack: Attack, size: int, root: bytes) -> Note:
    """Returns a checkpoint with another root, signed with the log's own keys."""
    origin = parse(attack.hub.newest.format()).text.partition("\n")[0]
    text = Checkpoint(origin, size, root).text
    return Note(text, tuple(sign_note(key, text, int(time.time())) for key in sealer.signers(attack.hub.log_keys, origin)))


def _sign_again(attack: Attack, sizes: list[int]) -> None:
    [(genesis,)] = attack.rows("SELECT genesis FROM tlog.incarnation")
    leaves = [leaf_hash(genesis), *(leaf for (leaf,) in attack.rows("SELECT leaf FROM journal.event ORDER BY position"))]
    for size in sizes:
        root = tree.root_of(leaves[:size])
        attack.change("UPDATE tlog.checkpoint SET root = %s, note = %s WHERE size = %s", root, signed(attack, size, root).format(), size)


def history_forked(attack: Attack) -> None:
    """Rewrites an event with the whole tree, and has the log sign its newest head again; the earlier ones stay."""
    sizes = _sizes(attack)
    content_changed(attack, sizes[-2])
    grown_again(attack)
    _sign_again(attack, sizes[-1:])


def all_signed_again_with_stolen_keys(attack: Attack) -> None:
    """Rewrites an event with the whole tree and signs every head again; the witnesses' lines are gone. A witness kept what it saw."""
    sizes = _sizes(attack)
    content_changed(attack, sizes[-1])
    grown_again(attack)
    _sign_again(attack, sizes)
    attack.change("DELETE FROM tlog.cosignature")
    attack.others = [attack.hub.newest]


def witness_lines_kept_over_a_new_history(attack: Attack) -> None:
    """The same, with the witnesses' lines left where they were."""
    sizes = _sizes(attack)
    content_changed(attack, sizes[-1])
    grown_again(attack)
    _sign_again(attack, sizes)


def two_heads_after_a_failover(attack: Attack) -> None:
    """Another hub signed another history of the same size, which no witness saw."""
    size = attack.chance.choice(_sizes(attack))
    attack.others = [signed(attack, size, attack.some_bytes(32))]


def restored_behind_what_was_cosigned(attack: Attack) -> None:
    """Restores everything as it was at an earlier checkpoint: journal, tree and heads."""
    sizes = _sizes(attack)
    size = attack.chance.choice(sizes[:-1])
    cut(attack, size - 1)
    attack.change("DELETE FROM tlog.cosignature WHERE size > %s", size)
    attack.change("DELETE FROM tlog.checkpoint WHERE size > %s", size)
    attack.change("DELETE FROM tlog.tile")
    [(genesis,)] = attack.rows("SELECT genesis FROM tlog.incarnation")
    rows = attack.rows("SELECT leaf FROM journal.event ORDER BY position")
    for level, number, hashes in tree.Appender(0, ()).add(leaf_hash(genesis) + b"".join(leaf for (leaf,) in rows)):
        attack.connection.execute(
            b"INSERT INTO tlog.tile VALUES (1, %s, %s, %s) ON CONFLICT (incarnation, level, number) DO UPDATE SET hashes = EXCLUDED.hashes",
            (level, number, hashes),
        )
    attack.others = [attack.hub.newest]


def checkpoint_signature_forged(attack: Attack) -> None:
    """Changes a byte of the log's own signature."""
    size, data = attack.one_of("SELECT size, note FROM tlog.checkpoint ORDER BY 1")
    note = parse(data)
    first, *others = note.signatures
    at = attack.chance.randrange(len(first.value))
    value = first.value[:at] + bytes([first.value[at] ^ 1]) + first.value[at + 1 :]
    forged = Note(note.text, (Signature(first.name, first.key_id, value), *others))
    attack.change("UPDATE tlog.checkpoint SET note = %s WHERE size = %s", forged.format(), size)


def witness_line_forged(attack: Attack) -> None:
    """Puts a line in a witness's name that the witness never wrote."""
    size, witness = attack.one_of("SELECT size, witness FROM tlog.cosignature ORDER BY 1, 2")
    key = attack.hub.witnesses[witness]
    value = int(time.time()).to_bytes(8, "big") + attack.some_bytes(key.kind.signature_bytes - 8)
    line = Signature(key.name, key.verifier.key_id, value).line
    attack.change("UPDATE tlog.cosignature SET line = %s WHERE (size, witness) = (%s, %s)", line, size, witness)


def witness_line_of_another_checkpoint(attack: Attack) -> None:
    """Moves a witness's line to a checkpoint that it did not see."""
    lines = attack.rows("SELECT size, witness, line FROM tlog.cosignature ORDER BY 1, 2")
    size, witness, _ = attack.chance.choice(lines)
    line = attack.chance.choice([line for other, name, line in lines if other != size and name == witness])
    attack.change("UPDATE tlog.cosignature SET line = %s WHERE (size, witness) = (%s, %s)", line, size, witness)


def witness_line_of_another_origin(attack: Attack) -> None:
    """Takes a line that a witness really wrote, under the head of another log."""
    size, witness, root = attack.one_of(
        "SELECT size, witness, root FROM tlog.cosignature JOIN tlog.checkpoint USING (incarnation, size) ORDER BY 1, 2"
    )
    text = Checkpoint("another.example/1", size, root).text
    line = sign_note(attack.hub.witnesses[witness], text, int(time.time())).line
    attack.change("UPDATE tlog.cosignature SET line = %s WHERE (size, witness) = (%s, %s)", line, size, witness)


def fewer_witnesses_than_asked(attack: Attack) -> None:
    """Leaves the lines of one witness alone, where the policy asks for two."""
    attack.change("DELETE FROM tlog.cosignature WHERE witness <> %s", attack.chance.choice(list(attack.hub.witnesses)))


def one_witness_under_two_names(attack: Attack) -> None:
    """Has one witness count twice: its key is in the policy under another name too."""
    name = attack.chance.choice(list(attack.hub.witnesses))
    lines = attack.policy.decode().splitlines()
    lines.insert(
        lines.index(f"witness {name} {attack.hub.witnesses[name].verifier.text}"),
        f"witness twin {attack.hub.witnesses[name].verifier.text}",
    )
    attack.policy = "".join(f"{line}\n" for line in lines).encode()


_LOG, _POLICY, _AGAINST = "--tlog", "--tlog --policy", "--tlog --policy --against"
LOG = (
    Kind(5, "history-forked", history_forked, _LOG),
    Kind(10, "cosignature-wrong", witness_line_forged, _POLICY),
    Kind(10, "checkpoint-forged", checkpoint_signature_forged, _LOG),
    Kind(19, "leaf-rewritten", leaf_rewritten_with_its_row, _LOG),
    Kind(19, "leaf-altered", leaf_changed, _LOG),
    Kind(20, "root-differs", tree_rewritten_with_its_row, _LOG),
    Kind(20, "tile-altered", tile_changed, _LOG),
    Kind(21, "split-view", all_signed_again_with_stolen_keys, _AGAINST),
    Kind(21, "cosignature-wrong", witness_lines_kept_over_a_new_history, _POLICY),
    Kind(22, "two-heads", two_heads_after_a_failover, _AGAINST),
    Kind(23, "behind-cosigned", restored_behind_what_was_cosigned, _AGAINST),
    Kind(24, "cosignature-of-another", witness_line_of_another_checkpoint, _POLICY),
    Kind(24, "cosignature-wrong", witness_line_of_another_origin, _POLICY),
    Kind(24, "quorum-missing", fewer_witnesses_than_asked, _POLICY),
    Kind(24, "PolicyRefused", one_witness_under_two_names, _POLICY),
)

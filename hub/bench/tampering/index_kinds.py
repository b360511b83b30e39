"""The kinds of tampering with the card index: an event of a card is left out, or a root is given for another size."""

import struct

from hub.audit.card_proofs import chain_over
from hub.bench.tampering.kinds import Attack, Kind
from hub.journal.leaves import leaves_at

_POSITION = struct.Struct(">q")


def event_left_out_of_the_index(attack: Attack) -> None:
    """Leaves an event out of the index, with a count and a chain that fit the others."""
    name, packed = attack.one_of("SELECT id, positions FROM views.card_index WHERE count > 1 ORDER BY 1")
    positions = [one for (one,) in _POSITION.iter_unpack(packed)]
    positions.remove(attack.chance.choice(positions))
    count, chain = chain_over(leaves_at(attack.connection, positions))
    packed = b"".join(map(_POSITION.pack, positions))
    attack.change("UPDATE views.card_index SET (count, chain, positions) = (%s, %s, %s) WHERE id = %s", count, chain, packed, name)


def index_of_another_size(attack: Attack) -> None:
    """Has a root of the index count for another size."""
    attack.change("UPDATE tlog.index_epoch SET tree_size = tree_size - %s", attack.chance.randrange(1, 100))


def buckets_of_the_index_changed(attack: Attack) -> None:
    """Changes the roots that a root of the index is made of."""
    tree_size, roots = attack.one_of("SELECT tree_size, group_roots FROM tlog.index_epoch ORDER BY 1")
    at = attack.chance.randrange(len(roots))
    forged = roots[:at] + bytes([roots[at] ^ 1]) + roots[at + 1 :]
    attack.change("UPDATE tlog.index_epoch SET group_roots = %s WHERE tree_size = %s", forged, tree_size)


def bucket_hash_of_the_index_changed(attack: Attack) -> None:
    """Changes a hash of a bucket that proofs are made with, and nothing else."""
    number, hashes = attack.one_of("SELECT number, hashes FROM tlog.index_group ORDER BY 1")
    at = attack.chance.randrange(len(hashes))
    forged = hashes[:at] + bytes([hashes[at] ^ 1]) + hashes[at + 1 :]
    attack.change("UPDATE tlog.index_group SET hashes = %s WHERE number = %s", forged, number)


_LOG = "--tlog"
INDEX = (
    Kind(17, "index-root-differs", event_left_out_of_the_index, _LOG),
    Kind(17, "index-groups", buckets_of_the_index_changed, _LOG),
    Kind(17, "index-groups", bucket_hash_of_the_index_changed, _LOG),
    Kind(18, "index-epoch", index_of_another_size, _LOG),
)

"""What a province finds by its receipts alone: the hub shows a log without what it signed for. `province-adapter audit` compares them."""

import tempfile
from collections import Counter
from pathlib import Path

from adapters.kit.comparing import NOWHERE, Comparison
from adapters.kit.log_copy import LogCopy
from adapters.kit.log_trust import read_keys
from adapters.kit.proofs import HubKey
from hub.bench.tampering.event_kinds import cut
from hub.bench.tampering.kinds import Attack, Kind
from hub.bench.tampering.log_kinds import signed
from hub.domain.instants import microseconds_of
from hub.journal.envelope import leaf_hash
from hub.journal.receipts import known_keys, log_origin, receipt_for
from hub.tlog import files, tree
from hub.trust.receipt_keys import read_receipt_keys


def batch_gone_that_has_a_receipt(attack: Attack) -> None:
    """Ends the log before a batch for which its sender has a receipt, and signs that as all there is."""
    feed, number, position = attack.one_of(_BATCHES)
    keys = read_receipt_keys(attack.hub.data_dir / "keys")
    given = receipt_for(attack.connection, keys, log_origin(attack.connection, ""), feed, number)
    attack.receipts = [f"{given.text}signature {given.signature.hex()}\n"]
    [(genesis,)] = attack.rows("SELECT genesis FROM tlog.incarnation")
    leaves = [leaf for (leaf,) in attack.rows("SELECT leaf FROM journal.event WHERE position < %s ORDER BY position", position)]
    head = signed(attack, position, tree.root_of([leaf_hash(genesis), *leaves]))
    cut(attack, position - 1)
    attack.change("DELETE FROM tlog.checkpoint WHERE size < (SELECT max(size) FROM tlog.checkpoint)")
    attack.change("UPDATE tlog.checkpoint SET size = %s, note = %s", position, head.format())


def audited(attack: Attack) -> Counter[str]:
    """Returns what a province finds, by name, in a copy of the log as the hub shows it now."""
    known = {
        key.key_id: HubKey(
            key.public_key, microseconds_of(key.valid_from), None if key.valid_until is None else microseconds_of(key.valid_until)
        )
        for key in known_keys(attack.connection)
    }
    with tempfile.TemporaryDirectory() as folder:
        files.write_all(attack.connection, files.log_of(attack.connection), Path(folder))
        copy = LogCopy(folder)
        head = copy.checkpoint(read_keys(attack.policy.decode().splitlines()))
        comparison = Comparison(head, copy.entries(head), [])
        comparison.receipts(attack.receipts, known, 0.0)
    return Counter(difference.name for difference in comparison.result.differences)


# Batches of provinces; before the first of them is what the hub recorded of itself.
_BATCHES = """
    SELECT s.name, b.last_sequence, b.first_position FROM journal.batch b JOIN journal.stream s USING (stream_id)
    WHERE s.is_feed AND s.name NOT LIKE 'hub.%%' ORDER BY 3"""
RECEIPTS = (Kind(7, NOWHERE, batch_gone_that_has_a_receipt, "province-adapter audit"),)

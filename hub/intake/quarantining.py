"""What takes the number of a bad event: its kind and reasons in the journal, no value of it; the original goes, sealed, to the vault."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from chuanyu.exchange.v1 import event_pb2

from hub.domain.declared_loss import declared_loss, may_declare_loss
from hub.domain.event_rules import Context, Violation
from hub.intake.batches import Prepared, read_event
from hub.intake.identifiers import Identifiers
from hub.journal.batch import Batch
from hub.journal.vault import Sealing, original_name, seal
from hub.trust.keyring import Keyring

# The end of 2099: a substitute's instant must stay one that the database can hold.
_LATEST_S = 4_102_444_800
PIECE_BYTES = 64 * 1024


class Quarantining:
    """Puts events into quarantine, for one process."""

    def __init__(self, keyring: Keyring, identifiers: Identifiers) -> None:
        """*keyring* seals the originals, *identifiers* has the keys of cards whose loss is declared."""
        self._keyring, self._identifiers = keyring, identifiers

    def take(
        self,
        prepared: Prepared,
        offset: int,
        event: event_pb2.Event,
        kind: str | None,
        reasons: list[Violation],
        sent: bytes,
        context: Context | None,
    ) -> event_pb2.Event:
        """Returns what takes the event's number: its declared kind and reasons, no value of it. Its original is still to be sealed.

        It names the card where the event declares a loss of it. Without *context* the event was admitted before.
        """
        prepared.quarantined[offset] = reasons
        stand_in = event_pb2.Event()
        stand_in.occurred_at.seconds = max(0, min(event.occurred_at.seconds, _LATEST_S))
        stand_in.event_quarantined.declared_kind = kind or ""
        add_violations(stand_in.event_quarantined.violations, reasons)
        if kind is not None and may_declare_loss(kind):
            # As it was sent: its references may have become keys meanwhile.
            original = read_event(sent)
            card = declared_loss(original, kind, reasons, context.rights if context is not None else None) if original else None
            if card is not None:
                self._identifiers.name_card(prepared, stand_in.event_quarantined.blocked_card, card)
                if context is not None and any(path.startswith("occurred_at") for path, _ in reasons):
                    stand_in.occurred_at.seconds = context.now_s
        return stand_in

    async def seal_all(self, prepared: Prepared, sent: Sequence[bytes], pause: Callable[[], Awaitable[None]]) -> None:
        """Seals the originals of a batch, with a *pause* whenever some of it is done: a megabyte takes 9 ms."""
        batch = prepared.batch
        for offset in prepared.quarantined:
            sealing = Sealing(self._keyring, original_name(batch.stream_id, batch.first_sequence + offset))
            for at in range(0, len(sent[offset]), PIECE_BYTES):
                sealing.add(sent[offset][at : at + PIECE_BYTES])
                await pause()
            batch.originals.append((offset, *sealing.end()))

    def seal(self, batch: Batch, offset: int, sent: bytes) -> None:
        """Seals the original of one event of a batch."""
        batch.originals.append((offset, *seal(self._keyring, original_name(batch.stream_id, batch.first_sequence + offset), sent)))


def add_violations(recorded: Any, reasons: Sequence[Violation]) -> None:
    """Adds reasons to a field of RuleViolation, as many and as long as the journal keeps, without words: those are for answers."""
    for path, rule in reasons[:64]:
        recorded.add(field_path=path[:256], rule_id=rule[:64])

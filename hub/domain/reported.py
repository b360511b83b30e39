"""What ledgers are folded from: reports of events as they were recorded, and who they are about."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from chuanyu.exchange.v1 import event_pb2

from hub.domain.business_keys import card_key
from hub.domain.instants import DAY_US

# A report whose partner has not come waits for so many days; then that is a finding. Files of either side come within three.
GRACE_DAYS = 3


class Reported(NamedTuple):
    """One event: its kind and what it says, when it happened, and where it is recorded."""

    kind: str
    event: event_pb2.Event
    occurred_us: int
    position: int

    @property
    def message(self) -> Any:
        """What the kind says."""
        return getattr(self.event, self.kind)

    @property
    def when(self) -> tuple[int, int]:
        """What reports are ordered by."""
        return self.occurred_us, self.position

    @property
    def province(self) -> str:
        """The province where it happened, "" if that is not said."""
        return self.event.service_region[:2]

    @property
    def card(self) -> bytes:
        """The key of the card that it names, empty if it names none."""
        return card_key(self.event)


class LedgerFinding(NamedTuple):
    """What does not go together: the report that it is about, and the other one; 0 if there is none."""

    code: str
    position: int
    against_position: int = 0


class Person(NamedTuple):
    """Who reports may be about: by the keys of documents, and by those of all cards."""

    holders: frozenset[bytes]
    cards: frozenset[bytes]

    def is_of(self, one: Reported) -> bool:
        """Whether a report is about this person."""
        return one.event.holder.key in self.holders or one.card in self.cards


NOBODY = Person(frozenset(), frozenset())


def in_order(reports: Iterable[Reported], at_us: int | None = None) -> list[Reported]:
    """Returns reports by when they happened; of those that say the same of the same instant the one recorded first.

    With *at_us* only what had happened by then.
    """
    kept: dict[tuple[str, int, bytes], Reported] = {}
    for one in sorted(reports, key=lambda one: one.when):
        if at_us is None or one.occurred_us <= at_us:
            kept.setdefault((one.kind, one.occurred_us, one.message.SerializeToString(deterministic=True)), one)
    return list(kept.values())


def has_waited(one: Reported, at_us: int) -> bool:
    """Whether a report has waited longer for its partner than it may."""
    return at_us - one.occurred_us > GRACE_DAYS * DAY_US

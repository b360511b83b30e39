"""A card event by event: how it was before and after each, from its own events folded again."""

from collections.abc import Iterator
from typing import NamedTuple

from hub.audit.replay.memory import CARD_KINDS, Memory
from hub.audit.replay.own import DECISION, Own
from hub.domain.card import PolicyAt, standing
from hub.domain.card_machines import LIVES
from hub.domain.standing import Standing
from hub.journal.reader import Recorded

# What is compared before and after an event, beside the lives.
FURTHER = ("block_until_us", "expires_on", "concession_binding", "reissue_pending", "replacement_pending")


class Step(NamedTuple):
    """One event of a card, and how the card was at one instant by the record before it and with it."""

    recorded: Recorded
    before: Standing
    after: Standing

    @property
    def changed(self) -> list[tuple[str, str, str]]:
        """What is another, as (name, before, after)."""
        names = [life.name for life in LIVES] + list(FURTHER)
        pairs = ((name, getattr(self.before, name), getattr(self.after, name)) for name in names)
        return [(name, _said(old), _said(new)) for name, old, new in pairs if old != new]


def _said(value: object) -> str:
    return "" if value is None else str(value)


def steps(own: Own, through: int, policy_at: PolicyAt, valid_us: int) -> Iterator[Step]:
    """Yields the events of a card up to a position, with its standing at an instant before and after each.

    Events that name other cards of its holder, and change nothing of it, are left out.
    """
    memory, key = Memory(), own.key
    for event in own.events:
        if event.position > through:
            break
        is_fold = event.kind in CARD_KINDS or event.position in own.changed
        before = standing(memory.facts(key), valid_us, policy_at)
        if is_fold:
            memory.fold(event, own.changed.get(event.position))
        after = standing(memory.facts(key), valid_us, policy_at) if is_fold else before
        step = Step(event, before, after)
        if step.changed or (event.position in own.named and (is_fold or event.kind == DECISION)):
            yield step

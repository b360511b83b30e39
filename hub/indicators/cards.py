"""The cards as they were known: under all their identifiers, with their facts, where they were issued, their banks, and whose they are.

A card is its holder's, and after a corrected document the corrected person's, also where an older report comes later.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache

from hub.domain import reference
from hub.domain.card import FROM_EITHER_SIDE, STATE_KINDS, Fact, PolicyAt, Standing, policies_of, standing, with_fact
from hub.indicators.record import Known
from hub.journal.reader import Recorded
from hub.projections.views.card_alias import CARD_ALIAS
from hub.projections.views.card_standing import fact_told, predecessor

CARD_KINDS = STATE_KINDS
_MADE = ("card_registered", "production_returned", "bank_account_opened", "card_applied", "production_batched", "bank_account_activated")


@dataclass(slots=True)
class CardKnown:
    """A card; *region* is that of the first report that names one, said at *region_us*."""

    key: bytes
    province: str = ""
    region: str = ""
    region_us: int = 0
    facts: list[Fact] = field(default_factory=list)
    told: list[Recorded] = field(default_factory=list)

    def standing(self, at_us: int) -> Standing:
        """Returns what the card could do at an instant."""
        return standing(self.facts, at_us, _policies(self.province))

    def holder(self, at_us: int) -> bytes:
        """Returns the key of whose card it was at an instant by all that was known, empty if nobody said."""
        told = sorted((one for one in self.told if one.event.holder.key), key=lambda one: (one.occurred_us, one.position))
        # The issuer says whose a card is; the other side's word counts where the issuer's is missing.
        own = [one for one in told if one.kind not in FROM_EITHER_SIDE] or told
        right = {one.event.holder.key: key for one in told if (key := one.event.holder_data_corrected.corrected_holder.key)}
        found = next((one.event.holder.key for one in reversed(own) if one.occurred_us <= at_us), b"")
        seen: set[bytes] = set()
        while found in right and found not in seen:
            seen.add(found)
            found = right[found]
        return found

    def bank(self, at_us: int) -> str:
        """Returns the code of the bank that was reported last, empty if none was."""
        said = [one for one in self.told if one.kind in _MADE and one.occurred_us <= at_us]
        banks = (
            getattr(getattr(one.event, one.kind), "bank_code", "") for one in sorted(said, key=lambda one: one.occurred_us, reverse=True)
        )
        return next((bank for bank in banks if bank), "")

    @property
    def has_died_us(self) -> int | None:
        """When the holder's death was reported to have ended this card, None if it was not."""
        return next((fact.occurred_us for fact in self.facts if fact.detail.get("death")), None)


@cache
def _policies(province: str) -> PolicyAt:
    return policies_of(reference.load(), province)


def cards(known: Known) -> list[CardKnown]:
    """Returns all cards, in the order of their keys."""
    numbers = {key[0]: state[0] for key, state in known.states(CARD_ALIAS).items()}
    found: dict[bytes, CardKnown] = {}
    for one in known.events(CARD_KINDS):
        for key, fact in _facts(one):
            number = numbers.get(key, key)
            card = found.setdefault(number, CardKnown(number))
            card.facts = with_fact(card.facts, fact)
            if key == one.event.card.key:
                _note(card, one)
    return [found[number] for number in sorted(found)]


def _facts(one: Recorded) -> Iterator[tuple[bytes, Fact]]:
    for key, is_before in ((one.event.card.key, False), (predecessor(one), True)):
        if key and (fact := fact_told(one, is_before)) is not None:
            yield key, fact


def _note(card: CardKnown, one: Recorded) -> None:
    card.told.append(one)
    card.province = card.province or one.event.card.issuing_province
    region = one.event.issuer_region
    if region and (not card.region or one.occurred_us < card.region_us):
        card.region, card.region_us = region, one.occurred_us


def persons(found: Iterable[CardKnown], at_us: int) -> dict[bytes, list[CardKnown]]:
    """Returns the cards of each person that was named, by the person's key."""
    people: dict[bytes, list[CardKnown]] = {}
    for card in found:
        if holder := card.holder(at_us):
            people.setdefault(holder, []).append(card)
    return people

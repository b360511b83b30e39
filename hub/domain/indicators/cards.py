"""What is counted of a card and its holder: e-cards (K1), cards issued (K2), enabling (K8), replacements (K9), purses (K15), banks (K16).

A card is its holder's, and after a corrected document the corrected person's, also where an older report comes later.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

from chuanyu.exchange.v1 import card_lifecycle_pb2 as lifecycle

from hub.domain import reference
from hub.domain.card import FROM_EITHER_SIDE, Fact, PolicyAt, Standing, policies_of, standing
from hub.domain.indicators.counted import Asked, Counts, One
from hub.domain.indicators.places import said
from hub.domain.instants import MINUTE_US, local_day
from hub.domain.reported import Reported

_MADE = ("card_registered", "production_returned", "bank_account_opened", "card_applied", "production_batched", "bank_account_activated")
_NO_ECARD = frozenset({"NOT_SIGNED", "RELEASED"})
# Handed over: sealed or later. One whose issuer reported only that it is in use was handed over before.
_ISSUED = frozenset({"SEALED", "ACTIVE", "FORMALLY_LOST", "APP_LOCKED", "TEMP_LOST", "CANCELLED"})
_NO_PURSE = frozenset({"ABSENT", "MIGRATED", "CLOSED"})
_ENABLED, _BANK = "social_function_activated", "bank_account_activated"


@dataclass(slots=True)
class CardKnown:
    """A card under all its identifiers; *region* is that of the first report that names one, said at *region_us*.

    It is complete once it is asked: what it is at an instant is found once, whatever number of indicators want to know.
    """

    key: bytes
    province: str = ""
    region: str = ""
    region_us: int = 0
    facts: list[Fact] = field(default_factory=list)
    told: list[Reported] = field(default_factory=list)
    _states: dict[int, Standing] = field(default_factory=dict)
    _holders: dict[int, bytes] = field(default_factory=dict)
    _places: dict[str, str] | None = None

    def note(self, one: Reported) -> None:
        """Adds a report that is addressed by the card."""
        self.told.append(one)
        self.province = self.province or one.event.card.issuing_province
        region = one.event.issuer_region
        if region and (not self.region or one.occurred_us < self.region_us):
            self.region, self.region_us = region, one.occurred_us

    def standing(self, at_us: int) -> Standing:
        """Returns what the card could do at an instant."""
        state = self._states.get(at_us)
        if state is None:
            state = self._states[at_us] = standing(self.facts, at_us, _policies(self.province))
        return state

    def holder(self, at_us: int) -> bytes:
        """Returns the key of whose card it was at an instant by all that was known, empty if nobody said."""
        found = self._holders.get(at_us)
        if found is None:
            found = self._holders[at_us] = self._held_by(at_us)
        return found

    def _held_by(self, at_us: int) -> bytes:
        told = sorted((one for one in self.told if one.event.holder.key), key=lambda one: one.when)
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
        named = [one for one in self.told if one.kind in _MADE and one.occurred_us <= at_us]
        banks = (getattr(one.message, "bank_code", "") for one in sorted(named, key=lambda one: one.occurred_us, reverse=True))
        return next((bank for bank in banks if bank), "")

    @property
    def has_died_us(self) -> int | None:
        """When the holder's death was reported to have ended this card, None if it was not."""
        return next((fact.occurred_us for fact in self.facts if fact.detail.get("death")), None)

    @property
    def places(self) -> dict[str, str]:
        """Where it was issued."""
        if self._places is None:
            meant = said(reference.load(), self.region, local_day(self.region_us) if self.region else None)
            self._places = {"province": self.province, **meant}
        return self._places


@cache
def _policies(province: str) -> PolicyAt:
    return policies_of(reference.load(), province)


class Held(NamedTuple):
    """What a card is for the count of persons at the end of a day: the person's, with an e-card or handed over; *places* is of the card."""

    holder: bytes
    has_ecard: bool
    is_issued: bool
    has_died: bool
    places: tuple[tuple[str, str], ...]


def held(card: CardKnown, at_us: int) -> Held:
    """Returns what a card is for the count of persons."""
    state = card.standing(at_us)
    has_died = card.has_died_us is not None and card.has_died_us <= at_us
    return Held(card.holder(at_us), _has_ecard(state), _is_third(state), has_died, tuple(card.places.items()))


def _has_ecard(state: Standing) -> bool:
    return state.ecard_status not in _NO_ECARD


def _is_third(state: Standing) -> bool:
    return state.generation == "THIRD" and state.social_status in _ISSUED


def _ecards(card: CardKnown, asked: Asked) -> Iterator[One]:
    if _has_ecard(card.standing(asked.end_us)):
        yield One(card.key)


def _ecards_of_nobody(card: CardKnown, asked: Asked) -> Iterator[One]:
    if not card.holder(asked.end_us):
        yield from _ecards(card, asked)


def _third_generation(card: CardKnown, asked: Asked) -> Iterator[One]:
    """K2: a third-generation card that was handed over, by what it is on the day."""
    state = card.standing(asked.end_us)
    if _is_third(state):
        in_force = "ENDED" if state.social_status == "CANCELLED" else "IN_FORCE"
        yield One(card.key, places=card.places | {"state": in_force})


def _transit_purses(card: CardKnown, asked: Asked) -> Iterator[One]:
    """K15: a third-generation card in force, and whether a purse is on it."""
    state = card.standing(asked.end_us)
    if _is_third(state) and state.social_status != "CANCELLED":
        yield One(card.key, state.transit_purse_status not in _NO_PURSE, card.places)


def _enabled_together(card: CardKnown, asked: Asked) -> Iterator[One]:
    """K8: a card enabled in the window, and whether the account was activated in the same visit or within the minutes of the definition."""
    enabled = next((fact for fact in card.facts if fact.kind == _ENABLED), None)
    if enabled is not None and asked.has(enabled.occurred_us):
        apart = _minutes_apart(card, enabled, asked.end_us)
        is_near = apart is not None and abs(apart) <= asked.definition.parameters["minutes"] * MINUTE_US
        yield One(card.key, bool(enabled.detail.get("bank")) or is_near, card.places)


def _bank_first(card: CardKnown, asked: Asked) -> Iterator[One]:
    """A card enabled in the window whose account seems to come first: two clocks."""
    enabled = next((fact for fact in card.facts if fact.kind == _ENABLED), None)
    if enabled is not None and asked.has(enabled.occurred_us):
        apart = _minutes_apart(card, enabled, asked.end_us)
        if apart is not None and apart < 0:
            yield One(card.key)


def _minutes_apart(card: CardKnown, enabled: Fact, at_us: int) -> int | None:
    """Returns how much later the account was activated, in microseconds, below zero for earlier; None where it was not."""
    apart = [fact.occurred_us - enabled.occurred_us for fact in card.facts if fact.kind == _BANK and fact.occurred_us <= at_us]
    return min(apart, key=abs, default=None)


def _kept_accounts(card: CardKnown, asked: Asked) -> Iterator[One]:
    """K9: replacements in the window of a card that had an account, and whether it was kept."""
    for one in card.told:
        if one.kind != "replacement_applied" or not asked.has(one.occurred_us):
            continue
        says = one.event.replacement_applied
        if says.keeps_bank_account or card.standing(one.occurred_us).bank_account_status not in ("NONE", "CLOSED"):
            reason = lifecycle.ReplacementReason.Name(says.reason).removeprefix("REPLACEMENT_REASON_")
            yield One((card.key, one.position), says.keeps_bank_account, card.places | {"reason": reason})


def _banks(card: CardKnown, asked: Asked) -> Iterator[One]:
    """K16: the bank of a card with a live account; each bank is one, however many cards it has."""
    if card.standing(asked.end_us).bank_account_status == "ACTIVE" and (bank := card.bank(asked.end_us)):
        yield One(bank, places=card.places)


OF_A_CARD: Counts[CardKnown] = {
    "K1:cards": _ecards,
    "K1:cards_of_nobody": _ecards_of_nobody,
    "K2": _third_generation,
    "K8": _enabled_together,
    "K8:bank_first": _bank_first,
    "K9": _kept_accounts,
    "K15": _transit_purses,
    "K16": _banks,
}


def of_a_person(cards: list[Held]) -> Iterator[tuple[str, One]]:
    """Yields what is counted of a person by his cards: K1, living persons with an e-card; and beside K2, who has what it counts."""
    if any(card.is_issued for card in cards):
        yield "K2:persons", One(cards[0].holder)
    if not any(card.has_died for card in cards):
        for card in cards:
            if card.has_ecard:
                yield "K1", One(card.holder, places=dict(card.places))

"""What is counted of cards and holders: e-cards (K1), cards issued (K2), purses (K15), enabling (K8), replacements (K9), banks (K16)."""

from collections.abc import Iterable, Iterator
from datetime import date

from chuanyu.exchange.v1 import card_lifecycle_pb2 as lifecycle

from hub.domain.card import Fact
from hub.domain.instants import MINUTE_US, local_day
from hub.indicators.cards import CardKnown, cards, persons
from hub.indicators.counted import Asked, Found, One, first_day
from hub.indicators.places import places
from hub.indicators.record import Known

_NO_ECARD = frozenset({"NOT_SIGNED", "RELEASED"})
# Handed over: sealed or later. One whose issuer reported only that it is in use was handed over before.
_ISSUED = frozenset({"SEALED", "ACTIVE", "FORMALLY_LOST", "APP_LOCKED", "TEMP_LOST", "CANCELLED"})
_NO_PURSE = frozenset({"ABSENT", "MIGRATED", "CLOSED"})
_ENABLED, _BANK = "social_function_activated", "bank_account_activated"


def ecards(known: Known, asked: Asked) -> Found:
    """K1: living persons with an e-card, each once in a province and once in all."""
    at_us, found = asked.end_us, cards(known)
    people = persons(found, at_us)
    ones = []
    for person, own in people.items():
        if not any(card.has_died_us is not None and card.has_died_us <= at_us for card in own):
            ones += [One(person, places=_places(card, asked)) for card in own if _has_ecard(card, at_us)]
    signed = [card for card in found if _has_ecard(card, at_us)]
    return Found(tuple(ones), _first(found), {"cards": len(signed), "cards_of_nobody": sum(not card.holder(at_us) for card in signed)})


def third_generation(known: Known, asked: Asked) -> Found:
    """K2: third-generation cards that were handed over, by what they are on the day."""
    at_us, found = asked.end_us, cards(known)
    ones = []
    for card in found:
        state = card.standing(at_us)
        if state.generation == "THIRD" and state.social_status in _ISSUED:
            in_force = "ENDED" if state.social_status == "CANCELLED" else "IN_FORCE"
            ones.append(One(card.key, places=_places(card, asked) | {"state": in_force}))
    return Found(tuple(ones), _first(found), {"persons": len({card.holder(at_us) for card in _of(found, ones)} - {b""})})


def transit_purses(known: Known, asked: Asked) -> Found:
    """K15: third-generation cards in force, and whether a purse is on them."""
    at_us, found = asked.end_us, cards(known)
    ones = []
    for card in found:
        state = card.standing(at_us)
        if state.generation == "THIRD" and state.social_status in _ISSUED - {"CANCELLED"}:
            ones.append(One(card.key, state.transit_purse_status not in _NO_PURSE, _places(card, asked)))
    return Found(tuple(ones), _first(found))


def enabled_together(known: Known, asked: Asked) -> Found:
    """K8: cards enabled in the window, and whether the account was activated in the same visit or within the minutes of the definition."""
    found = cards(known)
    ones, bank_first = [], 0
    for card in found:
        enabled = next((fact for fact in card.facts if fact.kind == _ENABLED), None)
        if enabled is None or not asked.has(enabled.occurred_us):
            continue
        apart = _minutes_apart(card.facts, enabled, asked.end_us)
        # Two clocks: the account may seem to come first.
        bank_first += apart is not None and apart < 0
        is_near = apart is not None and abs(apart) <= asked.definition.parameters["minutes"] * MINUTE_US
        ones.append(One(card.key, bool(enabled.detail.get("bank")) or is_near, _places(card, asked)))
    return Found(tuple(ones), _first(found), {"bank_first": bank_first})


def _minutes_apart(facts: Iterable[Fact], enabled: Fact, at_us: int) -> int | None:
    """Returns how much later the account was activated, in microseconds, below zero for earlier; None where it was not."""
    apart = [fact.occurred_us - enabled.occurred_us for fact in facts if fact.kind == _BANK and fact.occurred_us <= at_us]
    return min(apart, key=abs, default=None)


def kept_accounts(known: Known, asked: Asked) -> Found:
    """K9: replacements in the window of cards that had an account, and whether it was kept."""
    found = cards(known)
    ones = []
    for card in found:
        for one in card.told:
            if one.kind != "replacement_applied" or not asked.has(one.occurred_us):
                continue
            said = one.event.replacement_applied
            if said.keeps_bank_account or card.standing(one.occurred_us).bank_account_status not in ("NONE", "CLOSED"):
                reason = lifecycle.ReplacementReason.Name(said.reason).removeprefix("REPLACEMENT_REASON_")
                ones.append(One((card.key, one.position), said.keeps_bank_account, _places(card, asked) | {"reason": reason}))
    return Found(tuple(ones), _first(found))


def banks(known: Known, asked: Asked) -> Found:
    """K16: banks that have a live account on a card, each once in a province and once in all."""
    at_us, found = asked.end_us, cards(known)
    live = (card for card in found if card.standing(at_us).bank_account_status == "ACTIVE")
    ones = [One(bank, places=_places(card, asked)) for card in live if (bank := card.bank(at_us))]
    return Found(tuple(ones), _first(found))


def _has_ecard(card: CardKnown, at_us: int) -> bool:
    return card.standing(at_us).ecard_status not in _NO_ECARD


def _places(card: CardKnown, asked: Asked) -> dict[str, str]:
    said_on = local_day(card.region_us) if card.region else asked.day
    return {"province": card.province, **places(asked.reference, card.region, said_on, asked.day)}


def _of(found: Iterable[CardKnown], ones: Iterable[One]) -> Iterator[CardKnown]:
    named = {one.subject for one in ones}
    return (card for card in found if card.key in named)


def _first(found: Iterable[CardKnown]) -> date | None:
    return first_day(one.occurred_us for card in found for one in card.told)

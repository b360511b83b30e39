"""The people and cards that the traffic is about: some with a card of each province, children, elders, sealed cards.

A world is made from its random source alone. Card, purse and account numbers are counted, never drawn, so that no two
cards share one; where counting begins depends on the source, so that two worlds hardly ever meet.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from random import Random
from typing import Final

from adapters.simulator.people import COUNTIES, Person, new_person
from adapters.simulator.places import BANKS, BINS, ISSUER_AREAS, ISSUERS

EVENTS_A_CARD: Final = 22
CARDS_A_SIDE_AT_LEAST: Final = 50
# A world that is not bounded by a number of events: a small town on either side. Those that are known at first are soon registered, so
# that their use can begin.
CARDS_WITHOUT_END: Final = 2_000
KNOWN_AT_FIRST: Final = 200
BOTH_PROVINCES: Final = 0.12
GENERATION_3_SINCE: Final = date(2021, 12, 31)
# Prime to 10^8, so that counting in these steps meets every number of eight digits once.
_STEP: Final = 61_803_399


class Status(StrEnum):
    """AAZ502, as far as the traffic brings cards there."""

    SEALED = "0"
    ACTIVE = "1"
    FORMALLY_LOST = "2"
    LOCKED = "3"
    TEMP_LOST = "4"
    CANCELLED = "9"


@dataclass(slots=True, eq=False)
class Card:
    """One card; empty strings are identifiers it does not have. `pending` is reissue, replacement or empty.

    `document` is the one that it carries, or carried last.
    """

    holder: Person
    province: str
    card_no: str
    ident_code: str
    region: str
    version: str
    is_temporary: bool
    issued_on: date
    bank_code: str
    account: str
    transit_no: str
    sign_no: str
    status: Status = Status.ACTIVE
    pending: str = ""
    document: str = ""
    has_document: bool = False
    ecard: str = ""
    purse_counter: int = 0
    balance_fen: int = 0

    @property
    def expires_on(self) -> date:
        """Returns the end of the bank function, ten years after issue."""
        return self.issued_on.replace(year=self.issued_on.year + 10, day=min(self.issued_on.day, 28))


class World:
    """Cards by issuing province; a card that is replaced gives its place to its successor.

    *coming* are those that are not registered yet, nor used: `arrive` puts one among the others.
    """

    def __init__(self, rng: Random, start: datetime, cards_a_side: int, known_at_first: int) -> None:
        """Makes the people and cards as they are at *start*; of each side so many are known, the others are coming."""
        self._rng, self._today = rng, start.date()
        self._offset, self._made = rng.randrange(10**8), 0
        self._taken: set[str] = set()
        self.cards: dict[str, list[Card]] = {"51": [], "50": []}
        self.transit: dict[str, list[Card]] = {"51": [], "50": []}
        self.coming: dict[str, deque[Card]] = {"51": deque(), "50": deque()}
        self._known_at_first = known_at_first
        people = [new_person(rng, "51", self._today, self._taken) for _ in range(cards_a_side)]
        for person in people:
            self._add(person, "51")
        for number in range(cards_a_side):
            moved = people[number] if rng.random() < BOTH_PROVINCES else None
            self._add(moved or new_person(rng, "50", self._today, self._taken), "50")

    def _add(self, person: Person, province: str) -> None:
        days_ago = int(self._rng.triangular(20, 5_400, 700))
        # No card is older than its holder.
        days_ago = min(days_ago, (self._today - person.born_on).days - 1)
        card = self.new_card(person, province, self._today - timedelta(days=days_ago))
        card.status = self._status(card)
        if len(self.cards[province]) < self._known_at_first:
            self._place(card)
        else:
            self.coming[province].append(card)

    def arrive(self, card: Card) -> None:
        """Puts a card that was coming among those that are used."""
        self.coming[card.province].remove(card)
        self._place(card)

    @property
    def known_share(self) -> float:
        """The share of the cards that are known."""
        known, coming = (sum(map(len, cards.values())) for cards in (self.cards, self.coming))
        return known / (known + coming)

    def _place(self, card: Card) -> None:
        self.cards[card.province].append(card)
        if card.transit_no:
            self.transit[card.province].append(card)

    def newcomer(self, province: str, on: date) -> Card:
        """Returns a card for somebody new, produced but not yet in anybody's hands."""
        card = self.new_card(new_person(self._rng, province, self._today, self._taken), province, on)
        card.status = Status.SEALED
        self._place(card)
        return card

    def successor(self, old: Card, on: date) -> Card:
        """Returns the new card of *old*'s holder, in its place; *old* is cancelled."""
        card = self.new_card(old.holder, old.province, on)
        card.region, card.sign_no, card.ecard = old.region, old.sign_no, old.ecard
        card.document, card.has_document = old.document, old.has_document
        old.status = Status.CANCELLED
        self.remove(old)
        self._place(card)
        return card

    def remove(self, card: Card) -> None:
        """Takes a cancelled card out of use."""
        self.cards[card.province].remove(card)
        if card.transit_no:
            self.transit[card.province].remove(card)

    def new_card(self, person: Person, province: str, issued_on: date) -> Card:
        """Returns a card with numbers of its own, which is not in the world yet."""
        rng = self._rng
        self._made += 1
        number = (self._offset + self._made * _STEP) % 10**8
        version = _version(rng, issued_on)
        is_temporary = rng.random() < 0.015
        bank = "" if is_temporary or version == "1.00" or person.age_group == "child" else rng.choice(BANKS)
        has_purse = version == "3.00" and not is_temporary and rng.random() < 0.9
        return Card(
            holder=person,
            province=province,
            card_no=f"{'S' if province == '51' else 'A'}{number:08d}",
            ident_code=f"{COUNTIES[province]}D156000005{rng.getrandbits(64):016X}",
            region=rng.choice(ISSUERS[province]),
            version=version,
            is_temporary=is_temporary,
            issued_on=issued_on,
            bank_code=bank,
            account=with_luhn(f"{BINS[bank]}{province}{number:010d}") if bank else "",
            transit_no=f"310{ISSUER_AREAS[province]}0{number:011d}" if has_purse else "",
            sign_no=sign_no(province, number) if rng.random() < 0.6 else "",
            purse_counter=rng.randrange(400),
            balance_fen=rng.randrange(2_000, 20_000),
        )

    def _status(self, card: Card) -> Status:
        # Sichuan's interface registers a card by enabling it: what is sealed there the hub has not heard of.
        if card.province == "51":
            return Status.ACTIVE
        shares = ((0.06, Status.SEALED), (0.07, Status.TEMP_LOST), (0.08, Status.FORMALLY_LOST), (0.085, Status.LOCKED))
        drawn = self._rng.random()
        return next((status for limit, status in shares if drawn < limit), Status.ACTIVE)

    def any_card(self, province: str, fits: Callable[[Card], bool] = lambda _: True) -> Card:
        """Returns a usable card of *province* that *fits*, or after some tries any usable one."""
        return _drawn(self._rng, self.cards[province], fits)

    def any_purse(self, province: str) -> Card:
        """Returns a usable card of *province* with a transit purse."""
        return _drawn(self._rng, self.transit[province], lambda _: True)


def _drawn(rng: Random, cards: list[Card], fits: Callable[[Card], bool]) -> Card:
    usable, count = None, len(cards)
    for _ in range(40):
        card = cards[int(rng.random() * count)]
        if card.status is Status.ACTIVE:
            if fits(card):
                return card
            usable = card
    assert usable is not None, "nearly all cards of a world are usable"
    return usable


def cards_a_side(event_count: int) -> int:
    """Returns how many cards of each province fit traffic of *event_count* events, 0 meaning without end."""
    return max(CARDS_A_SIDE_AT_LEAST, event_count // (2 * EVENTS_A_CARD)) if event_count else CARDS_WITHOUT_END


def known_at_first(event_count: int) -> int:
    """Returns how many of them are registered before any use: all, but of those of traffic without end."""
    return cards_a_side(event_count) if event_count else KNOWN_AT_FIRST


def sign_no(province: str, number: int) -> str:
    """Returns the 签发号 of the e-card beside the card numbered *number*."""
    return f"qf-{province}{number:010d}"


def with_luhn(digits: str) -> str:
    """Returns *digits* with the check digit of a bank account."""
    doubled = [int(digit) * (2 - number % 2) for number, digit in enumerate(reversed(digits))]
    total = sum(value // 10 + value % 10 for value in doubled)
    return f"{digits}{-total % 10}"


def _version(rng: Random, issued_on: date) -> str:
    if issued_on >= GENERATION_3_SINCE:
        return "3.00" if rng.random() < 0.9 else "2.00"
    return "2.00" if issued_on.year >= 2012 else "1.00"

"""Abuse that is planted into a simulated month, and what looks like it and is none: each on a card or a person of its own.

Each draws how flagrant it is, so that some are within a rule's tolerance and ought to be missed: recall is below one by that.
"""

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from chuanyu.exchange.v1 import acceptance_pb2 as acceptance
from chuanyu.exchange.v1 import event_pb2
from chuanyu.exchange.v1 import references_pb2 as references
from chuanyu.exchange.v1 import usage_transit_pb2 as transit

from adapters.simulator.people import check_digit
from hub.domain.instants import DAY_US, SECOND_US, set_timestamp
from hub.domain.unusual_use.steps import participant_key

CARDS, USES = "cq.card-center", "cq.usage"
ELSEWHERE = "sc.usage"
CHONGQING, CHENGDU = "500103", "510104"
_MINUTE_US, _HOUR_US = 60 * SECOND_US, 3_600 * SECOND_US
Told = tuple[str, event_pb2.Event]


class Plant(NamedTuple):
    """What is planted: the rule that should find it, "" for one that only looks like abuse; who it is about; its events by feed.

    *asked* are answers of the hub, which are no province's events; *participant* is the subject where there is no card.
    """

    rule: str
    looks_like: str
    card: references.CardRef | None
    person: references.PersonRef | None
    participant: str
    told: list[Told]
    asked: list[event_pb2.Event]


class Planting:
    """Makes what is planted; all follows from the random source and the month's first instant."""

    def __init__(self, dice: Random, first_us: int, days: int) -> None:
        """*first_us* is when the month begins."""
        self._dice, self._first_us, self._days, self._made = dice, first_us, days, 0

    def plants(self, each: int) -> Iterator[Plant]:
        """Yields so much for each rule, and as much that only looks like it."""
        for make in (
            self._travel, self._lost, self._dead, self._replayed, self._paid_twice, self._concession, self._pharmacies, self._pins,
            self._enumerated,
        ):  # fmt: skip
            for number in range(2 * each):
                yield make(number % 2 == 0)

    def _card(self) -> references.CardRef:
        self._made += 1
        kind = references.CARD_IDENTIFIER_KIND_CARD_NO
        return references.CardRef(issuing_province="50", kind=kind, clear=f"A9{self._made:07d}")

    def _at(self) -> int:
        # Not in the first and last days, so that what follows is in the month, too.
        return self._first_us + self._dice.randrange(3, self._days - 6) * DAY_US + self._dice.randrange(8 * 3_600, 20 * 3_600) * SECOND_US

    def _plant(self, rule: str, card: references.CardRef, told: list[Told], *, is_abuse: bool, until_us: int = 2**62) -> Plant:
        """Makes what is planted on a card with an ordinary life besides, until it is lost: a ride every third day, in one city."""
        registered = _event(card, self._first_us)
        registered.issuer_region = "500199"
        registered.card_registered.status, registered.card_registered.generation, registered.card_registered.card_kind = 5, 3, 1  # type: ignore[assignment]
        days = (self._first_us + day * DAY_US + 2 * _HOUR_US for day in range(0, self._days, 3))
        rides = [(USES, _ride(card, at, CHONGQING, 500 + number)) for number, at in enumerate(days) if at < until_us]
        return Plant(rule if is_abuse else "", rule, card, None, "", [(CARDS, registered), *rides, *told], [])

    def _travel(self, is_abuse: bool) -> Plant:
        """One chip in Chengdu so many minutes after Chongqing; or after a journey by train."""
        card, at = self._card(), self._at()
        gap = self._dice.randrange(1, 45) * _MINUTE_US if is_abuse else self._dice.randrange(75, 400) * _MINUTE_US
        told = [(USES, _ride(card, at, CHONGQING, 1)), (ELSEWHERE, _ride(card, at + gap, CHENGDU, 2))]
        return self._plant("IMPOSSIBLE_TRAVEL", card, told, is_abuse=is_abuse)

    def _lost(self, is_abuse: bool) -> Plant:
        """A use so many minutes after a loss; or before it, reported late."""
        card, at = self._card(), self._at()
        lost = _event(card, at)
        lost.formal_loss_reported.channel = 1  # type: ignore[assignment]
        used = at + self._dice.randrange(2, 300) * _MINUTE_US if is_abuse else at - self._dice.randrange(1, 60) * _MINUTE_US
        told = [(CARDS, lost), (USES, _ride(card, used, CHONGQING, 3))]
        return self._plant("USE_AFTER_LOSS", card, told, is_abuse=is_abuse, until_us=at)

    def _dead(self, is_abuse: bool) -> Plant:
        """A use some hours after the holder's death; or before it."""
        card, at = self._card(), self._at()
        died = _event(card, at)
        died.card_cancelled.reason = 1  # type: ignore[assignment]
        used = at + self._dice.randrange(12, 100) * _HOUR_US if is_abuse else at - self._dice.randrange(1, 40) * _HOUR_US
        told = [(USES, _ride(card, used, CHONGQING, 3)), (CARDS, died)]
        return self._plant("DECEASED_HOLDER", card, told, is_abuse=is_abuse, until_us=at)

    def _replayed(self, is_abuse: bool) -> Plant:
        """An answer refuses a code as used; or only the claim says so, and no answer had used it."""
        card, at = self._card(), self._at()
        answer = _answer(card, at, "ECARD_TOKEN_USED")
        if is_abuse:
            answer.decision_made.bases.add(
                rule_id="A06",
                basis=2,
                claim=acceptance.SAID_YES,
                record=acceptance.SAID_NO,
                record_position=7,
                contradicts=True,
            )
        return self._plant("TOKEN_REPLAY", card, [], is_abuse=is_abuse)._replace(asked=[answer])

    def _paid_twice(self, is_abuse: bool) -> Plant:
        """Both provinces pay for one project and period; or for two projects, or one payment comes back."""
        self._made += 1
        at, first17 = self._at(), f"50019919{self._dice.randrange(40, 60)}0101{self._made:03d}"
        person = references.PersonRef(id_type=references.ID_TYPE_RESIDENT_ID, clear=first17 + check_digit(first17))
        other = "CXJMYLJ" if is_abuse or self._made % 2 else "NCDB"
        told = [
            (USES, self._row("paid", person, at, CHONGQING, project_code="CXJMYLJ", period="2025-09")),
            (ELSEWHERE, self._row("paid", person, at + DAY_US, CHENGDU, project_code=other, period="2025-09")),
        ]
        if not is_abuse and other == "CXJMYLJ":
            told.append((ELSEWHERE, self._row("returned", person, at + 2 * DAY_US, CHENGDU, reason=1)))
        return Plant("DUPLICATE_BENEFIT" if is_abuse else "", "DUPLICATE_BENEFIT", None, person, "", told, [])

    def _row(self, what: str, person: references.PersonRef, at_us: int, region: str, **says: str | int) -> event_pb2.Event:
        event = event_pb2.Event(service_region=region, scenario="FND.PAY", holder=person)
        set_timestamp(event.occurred_at, at_us)
        message = getattr(event, f"fund_row_{what}")
        message.batch_no, message.row_no, message.amount_fen = f"BENCH-{region}", self._made, 12_000
        for name, value in says.items():
            setattr(message, name, value)
        return event

    def _concession(self, is_abuse: bool) -> Plant:
        """Two bus rides with a concession so many seconds apart; or a few minutes."""
        card, at = self._card(), self._at()
        gap = self._dice.randrange(5, 75) if is_abuse else self._dice.randrange(120, 1_800)
        told = [(USES, _ride(card, at + after * SECOND_US, CHONGQING, 10 + after, concession=True)) for after in (0, gap)]
        return self._plant("CONCESSION_ABUSE", card, told, is_abuse=is_abuse)

    def _pharmacies(self, is_abuse: bool) -> Plant:
        """Three pharmacies within so many minutes; or three times the same one."""
        card, at = self._card(), self._at()
        step = self._dice.randrange(5, 70) * _MINUTE_US
        told = [(USES, self._bought(card, at + number * step, f"P5001{number if is_abuse else 0:07d}")) for number in range(3)]
        return self._plant("PHARMACY_BURST", card, told, is_abuse=is_abuse)

    def _bought(self, card: references.CardRef, at_us: int, pharmacy: str) -> event_pb2.Event:
        self._made += 1
        event = _event(card, at_us)
        event.service_region, event.scenario, event.medium = CHONGQING, "MED.RX", acceptance.MEDIUM_CONTACT
        said = event.medical_settlement_completed
        said.institution_code, said.visit_id, said.settlement_id = pharmacy, f"V{self._made}", f"BENCH{self._made}"
        said.visit_type = 5  # type: ignore[assignment]
        said.money.total_fen = said.money.cash_fen = said.money.person_total_fen = 4_000
        return event

    def _pins(self, is_abuse: bool) -> Plant:
        """Five wrong PINs within so many seconds each; or three."""
        card, at = self._card(), self._at()
        step = self._dice.randrange(5, 170) * SECOND_US
        told = []
        for number in range(5 if is_abuse else 3):
            event = _event(card, at + number * step)
            event.pin_verification_failed.SetInParent()
            told.append((CARDS, event))
        return self._plant("PIN_BURST", card, told, is_abuse=is_abuse)

    def _enumerated(self, is_abuse: bool) -> Plant:
        """A participant asks about 25 unknown cards, so many seconds apart; or about 12."""
        self._made += 1
        at, step = self._at(), self._dice.randrange(2, 35)
        urn = f"urn:chuanyu:participant:bench.asker-{self._made}"
        asked = []
        for number in range(25 if is_abuse else 12):
            answer = _answer(self._card(), at + number * step * SECOND_US, "CARD_UNKNOWN")
            answer.decision_made.participant = urn
            asked.append(answer)
        return Plant("CARD_ENUMERATION" if is_abuse else "", "CARD_ENUMERATION", None, None, urn, [], asked)


def _event(card: references.CardRef, at_us: int) -> event_pb2.Event:
    event = event_pb2.Event(card=card)
    event.source.system = "bench"
    set_timestamp(event.occurred_at, at_us)
    return event


def _ride(card: references.CardRef, at_us: int, region: str, counter: int, *, concession: bool = False) -> event_pb2.Event:
    event = _event(card, at_us)
    event.service_region, event.scenario, event.medium = region, "TRA.BUS", acceptance.MEDIUM_CONTACTLESS
    said = event.transit_journey_completed
    said.tap.mode, said.tap.purse_counter = transit.TRANSIT_MODE_BUS, counter
    said.fare_full_fen, said.fare_paid_fen = 200, 0 if concession else 180
    if concession:
        said.concession_type, said.concession_units = transit.CONCESSION_TYPE_ELDER, 1
    return event


def _answer(card: references.CardRef, at_us: int, reason: str) -> event_pb2.Event:
    event = _event(card, at_us)
    event.service_region, event.scenario, event.medium = CHENGDU, "CUL.MUS", acceptance.MEDIUM_ECARD_QR
    event.decision_made.participant = "urn:chuanyu:participant:sc.card-center"
    event.decision_made.outcome = acceptance.ACCEPTANCE_OUTCOME_DENY
    event.decision_made.reason_codes.append(reason)
    return event


def subject_of(plant: Plant, key_of: dict[str, bytes]) -> bytes:
    """Returns the key of whom it is about; *key_of* has the keys of cards and persons by their identifiers."""
    if plant.participant:
        return participant_key(plant.participant)
    named = plant.card if plant.card is not None else plant.person
    return key_of[named.clear if named is not None else ""]

"""Whose cards are in histories by chance: cards change hands, documents are corrected, a transit number goes from one card to another."""

from datetime import date
from typing import Any

from chuanyu.exchange.v1 import event_pb2, references_pb2
from hypothesis import HealthCheck
from hypothesis import strategies as st

from tests.indicators.random_history import One
from tests.recording import about, key_of, name_card

# 2025-11-01 in +08:00, at noon.
NOVEMBER_S, DAY_S = 1_761_969_600, 86_400
DAYS = [
    date.fromisoformat(day) for day in ("2024-12-31", "2025-10-31", "2025-11-04", "2025-11-09", "2025-12-31", "2026-01-01", "2026-03-01")
]
PEOPLE, CARDS, NUMBERS = ("P1", "P2", "P3"), ("A", "B", "C"), ("T1", "T2")
TRANSIT = references_pb2.CARD_IDENTIFIER_KIND_TRANSIT_CARD_NO
IN_ONE_JOURNAL: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}


def of_person(event: event_pb2.Event, person: str) -> event_pb2.Event:
    event.holder.id_type, event.holder.key = references_pb2.ID_TYPE_RESIDENT_ID, key_of(person)
    return event


def told_of(example: int, name: str, day: int) -> event_pb2.Event:
    """An event about a card by its number or its transit number, or about a person by his document alone."""
    name, at_s = f"{name}/{example}", NOVEMBER_S + day * DAY_S
    if name[0] == "P":
        event = of_person(event_pb2.Event(), name)
        event.occurred_at.seconds = at_s
        return event
    event = about(name, at_s)
    if name[0] == "T":
        name_card(event.card, name, kind=TRANSIT)
    return event


def whose(kind: str, example: int, name: str, person: str, other: str, tied: str, day: int) -> event_pb2.Event:
    """Whose a card is by its issuer or by who hands it over, whose it is after all, and which transit number is tied to it."""
    event = of_person(told_of(example, name, day), f"{person}/{example}")
    getattr(event, kind).SetInParent()
    if kind == "card_registered":
        event.card_registered.status, event.card_registered.generation = 5, 3
        if tied and name in CARDS:
            name_card(event.card_aliases.add(), f"{tied}/{example}", kind=TRANSIT)
    if kind == "holder_data_corrected":
        right = event.holder_data_corrected.corrected_holder
        right.id_type, right.key = references_pb2.ID_TYPE_RESIDENT_ID, key_of(f"{other}/{example}")
    return event


days = st.integers(-2, 9) | st.sampled_from([-320, 65])
WHOSE = st.builds(
    lambda kind, *says: lambda example: whose(kind, example, *says),
    st.sampled_from(["card_registered", "card_registered", "card_handed_over", "holder_data_corrected"]),
    st.sampled_from([*CARDS, *CARDS, *NUMBERS]), st.sampled_from(PEOPLE), st.sampled_from(PEOPLE), st.sampled_from(["", *NUMBERS]), days,
)  # fmt: skip


class People:
    """Whose each name is on a day, by what was in force."""

    def __init__(self, told: list[One], day: date) -> None:
        self._tied = {
            alias.key: one.event.card.key
            for one in told
            if one.kind in ("card_registered", "holder_data_corrected") and one.event.card.kind != TRANSIT
            for alias in one.event.card_aliases
        }
        reports: dict[bytes, list[One]] = {}
        for one in sorted(told, key=lambda one: (one.at_s, one.position)):
            if one.kind in ("card_registered", "card_handed_over", "holder_data_corrected"):
                reports.setdefault(self._number(one.event.card.key), []).append(one)
        self._holders = {number: self._holder(some, day) for number, some in reports.items()}

    def _number(self, card: bytes) -> bytes:
        return self._tied.get(card, card)

    @staticmethod
    def _holder(reports: list[One], day: date) -> bytes:
        right = {
            one.event.holder.key: one.event.holder_data_corrected.corrected_holder.key
            for one in reports
            if one.kind == "holder_data_corrected"
        }
        by_issuer = [one for one in reports if one.kind != "card_handed_over"] or reports
        found = next((one.event.holder.key for one in reversed(by_issuer) if one.day <= day), b"")
        met: list[bytes] = []
        while found in right and found not in met:
            met.append(found)
            found = right[found]
        return found

    def of(self, event: event_pb2.Event) -> bytes:
        if not event.card.key:
            return event.holder.key
        number = self._number(event.card.key)
        return self._holders.get(number) or number

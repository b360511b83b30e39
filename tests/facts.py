"""Facts of a card as tests write them: a kind, an hour, what the message says; and any facts, for properties."""

from itertools import count
from typing import Any

from chuanyu.exchange.v1 import event_pb2
from hypothesis import strategies as st

from hub.domain.card import STATE_KINDS, Fact, Standing, fact_of, standing, with_fact

HOUR_US = 3_600_000_000
DAY_HOURS = 24
# 2025-09-01 00:00 in +08:00, hour 0 of every history.
BEGAN_US = 1_756_656_000_000_000
STATUSES = {
    "APPLIED": 1, "IN_PRODUCTION": 2, "PRODUCED": 3, "SEALED": 4, "ACTIVE": 5, "FORMALLY_LOST": 6, "APP_LOCKED": 7,
    "TEMP_LOST": 8, "CANCELLED": 9, "REJECTED": 10, "PRODUCTION_FAILED": 11,
}  # fmt: skip


_UNTIL = {
    "card_registered": "status_until",
    "temporary_loss_reported": "effective_until",
    "provisional_block_placed": "expires_at",
}


def at(hour: float) -> int:
    """The instant of an hour, in microseconds since 1970."""
    return BEGAN_US + int(hour * HOUR_US)


def told(kind: str, hour: float, position: int = 0, until_hour: float | None = None, **says: Any) -> Fact:
    """The fact of one event; *says* are fields of its message, *until_hour* is when a loss or block runs out."""
    event = event_pb2.Event()
    message = getattr(event, kind)
    message.SetInParent()
    for name, value in says.items():
        setattr(message, name, value)
    if until_hour is not None:
        getattr(message, _UNTIL[kind]).FromMicroseconds(at(until_hour))
    return fact_of(kind, event, at(hour), position)


def registered(status: str, hour: float = 0, **says: Any) -> Fact:
    """The issuer's statement of a standing."""
    return told("card_registered", hour, status=STATUSES[status], generation=3, card_kind=1, **says)


def history(*facts: Fact) -> list[Fact]:
    """Facts in the order they were reported, as a card keeps them."""
    kept: list[Fact] = []
    for position, fact in zip(count(1), facts, strict=False):
        kept = with_fact(kept, fact._replace(position=position))
    return kept


def stands(facts: list[Fact], hour: float, temp_loss_days: int = 7) -> Standing:
    """The standing at an hour."""
    return standing(facts, at(hour), temp_loss_days)


def is_usable(facts: list[Fact], hour: float) -> bool:
    """Whether the social function can be used at an hour."""
    card = stands(facts, hour)
    return card.social_status == "ACTIVE" and card.block_until_us is None


_ANY_HOUR = st.integers(0, 400)
_MORE = {
    "card_registered": st.fixed_dictionaries({
        "status": st.sampled_from(list(STATUSES.values())),
        "generation": st.integers(1, 3),
        "card_kind": st.integers(1, 2),
    }),
    "production_returned": st.fixed_dictionaries({"succeeded": st.booleans()}),
    "temporary_loss_reported": st.fixed_dictionaries({"until_hour": st.none() | _ANY_HOUR}),
    "provisional_block_placed": st.fixed_dictionaries({"until_hour": _ANY_HOUR}),
}  # fmt: skip


def any_fact() -> st.SearchStrategy[Fact]:
    """Any fact a card may keep, within 400 hours."""
    return _ANY_FACT


def _facts_of(kind: str) -> st.SearchStrategy[Fact]:
    return st.builds(lambda hour, more: told(kind, hour, **more), _ANY_HOUR, _MORE.get(kind, st.just({})))


# Made once: a strategy that is made for each draw takes a hundred times as long as what is tested by it.
_ANY_FACT = st.one_of([_facts_of(kind) for kind in sorted(STATE_KINDS)])


def any_history(most: int = 8) -> st.SearchStrategy[list[Fact]]:
    """Any history of up to *most* facts."""
    return st.lists(any_fact(), max_size=most).map(lambda facts: history(*facts))

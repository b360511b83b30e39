"""By what a use is known: a tap by its purse, and tellings are kept in one form."""

import json

import pytest
from chuanyu.exchange.v1 import event_pb2
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.business_keys import business_key
from hub.domain.tellings import Telling, packed, unpacked

CARD_NO, IDENT, TRANSIT = 1, 2, 3
KINDS = ["transit_entry_recorded", "transit_exit_recorded", "transit_journey_completed", "transit_purse_topped_up"]


def tap(kind: str, *named: tuple[int, bytes]) -> event_pb2.Event:
    event = event_pb2.Event()
    for ref, (identifier, key) in zip([event.card, *(event.card_aliases.add() for _ in named[1:])], named, strict=True):
        ref.issuing_province, ref.kind, ref.key = "50", identifier, key  # type: ignore[assignment]
    getattr(event, kind).tap.purse_counter = 7
    return event


@pytest.mark.parametrize("kind", KINDS)
def test_a_tap_of_a_card_named_by_its_number_too_is_that_of_its_transit_number_alone(kind: str) -> None:
    gate = business_key(kind, tap(kind, (TRANSIT, b"t")))
    assert business_key(kind, tap(kind, (CARD_NO, b"c"), (TRANSIT, b"t"))) == gate
    assert business_key(kind, tap(kind, (TRANSIT, b"t"), (CARD_NO, b"c"))) == gate
    assert business_key(kind, tap(kind, (CARD_NO, b"c"), (IDENT, b"i"), (TRANSIT, b"t"))) == gate
    assert business_key(kind, tap(kind, (TRANSIT, b"u"))) != gate


@pytest.mark.parametrize("kind", KINDS)
def test_a_tap_without_a_transit_number_is_that_of_the_card_number(kind: str) -> None:
    card = business_key(kind, tap(kind, (CARD_NO, b"c")))
    assert business_key(kind, tap(kind, (IDENT, b"i"), (CARD_NO, b"c"))) == card


TEXT, NUMBER = st.text(st.characters(exclude_categories=["Cs"]), max_size=8), st.integers(-(2**63), 2**63 - 1)
TELLINGS = st.builds(
    Telling, NUMBER, st.just("fund_row_paid"), NUMBER, NUMBER, st.tuples(NUMBER, NUMBER), TEXT, TEXT, TEXT, TEXT, NUMBER,
    NUMBER, NUMBER, TEXT, TEXT, TEXT, NUMBER, TEXT, NUMBER, TEXT,
)  # fmt: skip


@given(st.lists(TELLINGS, min_size=1, max_size=3))
def test_a_row_has_its_tellings_as_json_and_gives_them_back(tellings: list[Telling]) -> None:
    written = packed(tellings)
    assert unpacked(written) == tellings
    assert written == json.dumps([row[: len(row)] for row in json.loads(written)], separators=(",", ":"), ensure_ascii=False)

"""Settlements: each part to the fen whatever order the reports come in, refunds that wait, that undo, that go too far."""

from typing import Any

import pytest
from chuanyu.exchange.v1 import event_pb2
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.medical.settlements import PARTS, Settlement, chain_of, settlements_at
from hub.domain.reported import GRACE_DAYS, Reported
from tests.recording import AT_S, refund, settlement

DAY_S = 86_400
END_US = (AT_S + 30 * DAY_S) * 1_000_000


def told(event: event_pb2.Event, position: int) -> Reported:
    return Reported(event.WhichOneof("kind") or "", event, event.occurred_at.seconds * 1_000_000, position)


def folded(*events: event_pb2.Event, at_us: int = END_US) -> list[Settlement]:
    return settlements_at([told(event, position) for position, event in enumerate(events, 1)], at_us)


def one(*events: event_pb2.Event, at_us: int = END_US) -> Settlement:
    [found] = folded(*events, at_us=at_us)
    return found


def codes(found: Settlement) -> list[str]:
    return [finding.code for finding in found.findings]


def at(event: event_pb2.Event, **says: Any) -> event_pb2.Event:
    for name, value in says.items():
        setattr(event.medical_settlement_reversed, name, value)
    return event


@given(st.lists(st.integers(1, 2_000), max_size=6), st.randoms(use_true_random=False))
def test_what_is_left_is_each_part_less_what_was_given_back_of_it(amounts: list[int], random: Any) -> None:
    events = [settlement(fen=20_000), *(refund(f"R{number}", fen=fen, at_s=AT_S + number + 1) for number, fen in enumerate(amounts))]
    random.shuffle(events)
    net, given_back = one(*events).net, [event.medical_settlement_reversed.money for event in events if event.WhichOneof("kind") != "x"]
    settled = settlement(fen=20_000).medical_settlement_completed.money
    for part in PARTS:
        assert getattr(net, part) == getattr(settled, part) - sum(getattr(money, part) for money in given_back)
    assert net.total_fen == net.fund_total_fen + net.person_total_fen and net.person_total_fen == net.cash_fen


@pytest.mark.parametrize(("fen", "state"), [(8_600, "REVERSED"), (1_600, "PARTLY_REVERSED")])
def test_a_refund_is_of_all_or_of_a_part(fen: int, state: str) -> None:
    assert one(settlement(), refund(fen=fen)).state == state


def test_a_refund_waits_for_its_settlement_and_then_is_a_finding() -> None:
    grace_us = GRACE_DAYS * DAY_S * 1_000_000
    back_us = refund().occurred_at.seconds * 1_000_000
    assert (one(refund(), at_us=back_us + grace_us).state, codes(one(refund(), at_us=back_us + grace_us))) == ("WAITING", [])
    assert codes(one(refund(), at_us=back_us + grace_us + 1)) == ["REFUND_WITHOUT_SETTLEMENT"]
    assert (one(refund(), settlement()).state, codes(one(refund(), settlement()))) == ("REVERSED", [])


def test_a_refund_of_a_refund_undoes_it_at_any_depth() -> None:
    chain = [settlement(), refund("R1", "S1"), refund("R2", "R1", AT_S + 120), refund("R3", "R2", AT_S + 180)]
    assert [one(*chain[:count]).state for count in range(1, 5)] == ["COMPLETED", "REVERSED", "COMPLETED", "REVERSED"]
    assert [refund.is_undone for refund in one(*chain).refunds] == [False, True, False]


def test_refunds_that_name_each_other_do_not_go_round_for_ever() -> None:
    found = folded(settlement(), refund("R1", "R2"), refund("R2", "R1"))
    assert [(one.settlement_id, one.state) for one in found] == [("S1", "COMPLETED")]


def test_more_of_a_part_than_was_settled_is_a_finding() -> None:
    found = one(settlement(), refund(fen=9_000))
    assert (codes(found), found.net.total_fen) == (["REFUND_BEYOND_SETTLEMENT"], -400)


def test_a_refund_before_its_settlement_or_of_another_person_is_a_finding() -> None:
    assert codes(one(settlement(), refund(at_s=AT_S - 60))) == ["REFUND_BEFORE_SETTLEMENT"]
    other = refund()
    other.card.key = bytes(32)
    assert codes(one(settlement(), other)) == ["REFUND_OTHER_PERSON"]


def test_one_number_of_two_institutions_is_two_settlements() -> None:
    elsewhere = settlement(fen=100)
    elsewhere.medical_settlement_completed.institution_code = "H51010000002"
    assert [(found.institution, found.state) for found in folded(settlement(), elsewhere, refund())] == [
        ("H51010000001", "REVERSED"),
        ("H51010000002", "COMPLETED"),
    ]


def test_what_is_reported_twice_counts_once_and_differently_is_a_finding() -> None:
    assert one(settlement(), settlement(), refund(fen=1_600), refund(fen=1_600)).net.total_fen == 7_000
    assert codes(one(settlement(), settlement(fen=9_000, at_s=AT_S + 1))) == ["SETTLEMENT_DIFFERS"]


def test_a_visit_settled_again_after_a_refund_is_one_chain_and_twice_without_one_a_finding() -> None:
    again = settlement("S2", at_s=AT_S + 120)
    chain, net, findings = chain_of(folded(settlement(), refund(), again))
    assert ([one.settlement_id for one in chain], net.total_fen, findings) == (["S1", "S2"], 8_600, [])
    _, net, [finding] = chain_of(folded(settlement(), again))
    assert (net.total_fen, finding.code, finding.position, finding.against_position) == (17_200, "VISIT_SETTLED_TWICE", 2, 1)


def test_a_settlement_that_came_after_the_refund_that_names_it_by_number_is_given_back() -> None:
    back = refund()
    back.reverses.feed, back.reverses.sequence = "sc.usage", 2
    [found] = settlements_at([told(back, 1)], END_US, [told(settlement(), 2)])
    assert found.state == "REVERSED"
    [found] = settlements_at([told(refund(), 1)], END_US, [told(settlement(), 2)])
    assert found.state == "WAITING"

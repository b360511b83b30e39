"""Records over claims: what follows from a claim and a record, and when a register is heard."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.card import Fact
from hub.domain.instants import HOUR_US
from hub.domain.records.known import Declaration, Records, Register, packed, records_of, unpacked
from hub.domain.records.payments import given_up, last_word, rows_paid
from hub.domain.records.weighing import UNKNOWN, Basis, OnRecord, Reasons, weigh

YES, NO = OnRecord(True, 7), OnRecord(False, 8)
REASONS = Reasons("RECORDED_NO", claimed_no="CLAIMED_NO", silent="SILENT", unverified="UNVERIFIED")
# For each claim and record: the reason, and on what it rests.
MATRIX = [
    (True, YES, None, "RECORD"),
    (True, NO, "RECORDED_NO", "RECORD"),
    (True, UNKNOWN, "UNVERIFIED", "CLAIM"),
    (False, YES, "CLAIMED_NO", "CLAIM"),
    (False, NO, "RECORDED_NO", "RECORD"),
    (False, UNKNOWN, "CLAIMED_NO", "CLAIM"),
    (None, YES, None, "RECORD"),
    (None, NO, "RECORDED_NO", "RECORD"),
    (None, UNKNOWN, "SILENT", ""),
]
# Of the hub's own facts the record alone says it.
OWN = [(claim, record, None if record is YES else "RECORDED_NO", "RECORD") for claim in (True, False, None) for record in (YES, NO)]
REGISTER = ("CERTIFICATIONS", "50")


@pytest.mark.parametrize(("claim", "record", "reason", "basis"), MATRIX)
def test_the_stricter_of_claim_and_record_gives_the_reason(claim: bool | None, record: OnRecord, reason: str | None, basis: str) -> None:
    assert weigh(claim, record, REASONS) == (reason, basis, claim, record)


@pytest.mark.parametrize(("claim", "record", "reason", "basis"), OWN)
def test_the_hubs_own_record_alone_gives_the_reason(claim: bool | None, record: OnRecord, reason: str | None, basis: str) -> None:
    assert weigh(claim, record, REASONS, is_hubs_own=True) == (reason, basis, claim, record)


def test_only_a_yes_and_a_no_contradict_each_other() -> None:
    said = (True, False, None)
    found = {(claim, record) for claim in said for record in said if Basis("A41", "CLAIM", claim, record, 0).contradicts}
    assert found == {(True, False), (False, True)}


def at(hour: int) -> int:
    return hour * HOUR_US


def whole(last: int, *declared: tuple[int, int]) -> Records:
    """A register that was declared at some hours for so many hours, and reported at last in an hour."""
    declarations = tuple(Declaration(position, at(hour), at(hours)) for position, (hour, hours) in enumerate(declared, 1))
    return Records(registers={REGISTER: Register(declarations, at(last))})


@pytest.mark.parametrize(
    ("hour", "expected"),
    [(9, UNKNOWN), (10, OnRecord(False, 1)), (35, OnRecord(False, 1)), (36, UNKNOWN)],
    ids=["before it was declared", "declared", "still fresh", "silent for too long"],
)
def test_silence_says_no_only_while_the_register_is_complete_and_fresh(hour: int, expected: OnRecord) -> None:
    assert whole(11, (10, 24)).silence(at(hour), REGISTER) == expected


def test_silence_says_nothing_of_a_register_that_nobody_declared() -> None:
    assert Records().silence(at(10), REGISTER) == UNKNOWN
    assert whole(11, (10, 24)).silence(at(10), REGISTER, ("CERTIFICATIONS", "51")) == UNKNOWN


def test_a_fact_of_a_silent_register_is_unknown_and_one_of_an_undeclared_register_is_heard() -> None:
    assert whole(11, (10, 24)).says(REGISTER, at(36), 5, holds=True) == UNKNOWN
    assert whole(11, (10, 24)).says(REGISTER, at(35), 5, holds=True) == OnRecord(True, 5)
    assert Records().says(REGISTER, at(10_000), 5, holds=True) == OnRecord(True, 5)


def test_a_later_declaration_has_its_own_limit() -> None:
    records = whole(20, (10, 1), (20, 48))
    assert [records.registers[REGISTER].is_silent(at(hour)) for hour in (15, 21, 68, 69)] == [False, False, False, True]


def test_facts_of_several_rows_are_one_record() -> None:
    one, other = Fact(at(2), 4, "consent_granted", {}), Fact(at(1), 9, "consent_granted", {})
    assert records_of([[one, other], [other]], {}).facts == (other, one)


def test_a_record_comes_back_from_text_as_it_was() -> None:
    records = Records((Fact(at(1), 4, "consent_granted", {"by": "50"}),), whole(11, (10, 24)).registers)
    assert unpacked(json.loads(json.dumps(packed(records)))) == records


def row(kind: str, hour: int, fen: int = 100, **named: str) -> Fact:
    """A report of row 1 of a batch; its payment names project and period."""
    return Fact(at(hour), hour, f"fund_row_{kind}", {"by": "50", "row": ["B1", 1], "fen": fen, **named})


PAID = row("paid", 1, project_code="P", period="2025-09")
FIRST = PAID._replace(detail=PAID.detail | {"bank_serial": "1"})
SECOND = row("repaid", 3, bank_serial="2")


@pytest.mark.parametrize(
    ("reports", "is_paid"),
    [
        ([PAID], True),
        ([PAID, row("returned", 2)], False),
        ([row("returned", 2), PAID._replace(position=9)], False),
        ([PAID, row("returned", 2), row("repaid", 3)], True),
        ([PAID, row("returned", 2), row("returned", 2), row("repaid", 2)], True),
        ([PAID, row("repaid", 3), row("returned", 4)], False),
        ([PAID, row("recovered", 2, 60), row("recovered", 2, 60)], True),
        ([PAID, row("recovered", 2, 60), row("recovered", 3, 40)], False),
        # The return of the first payment, reported again after the row was paid again; and of the second one.
        ([FIRST, row("returned", 2, bank_serial="1"), SECOND, row("returned", 5, bank_serial="1")], True),
        ([FIRST, row("returned", 2, bank_serial="1"), SECOND, row("returned", 5, bank_serial="2")], False),
        ([FIRST, row("returned", 2, bank_serial="1"), SECOND, row("returned", 5)], False),
    ],
)
def test_a_row_is_paid_net_of_what_came_back_whatever_order_it_is_told_in(reports: list[Fact], is_paid: bool) -> None:
    for told in (reports, reports[::-1]):
        assert [paid for _, paid in rows_paid(told, "P", "2025-09")] == [is_paid]


def test_a_row_is_of_the_project_and_period_that_its_payment_names() -> None:
    assert rows_paid([PAID], "P", "2025-10") == rows_paid([PAID], "Q", "2025-09") == rows_paid([row("returned", 2)], "P", "2025-09") == []
    assert [paid for _, paid in rows_paid([row("paid", 1, project_code="P")], "P", "2025-09")] == [None], "it may be of any period"
    assert rows_paid([row("paid", 1, period="2025-08")], "P", "2025-09") == []
    again = row("repaid", 3, project_code="P", period="2025-09")
    assert rows_paid([row("returned", 2), again], "P", "2025-09") == [(again, True)], "its first payment never arrived"
    other = PAID._replace(detail=PAID.detail | {"by": "51"})
    assert len(rows_paid([PAID, other], "P", "2025-09")) == 2


A, B, C = "aa", "bb", "cc"


def test_the_last_word_of_a_bank_is_about_the_account_that_is_named_or_that_of_the_card() -> None:
    back = row("returned", 2, account=A, issuer="50", reason="CLOSED")
    assert last_word([back, row("paid", 1, account=A)], A, "50") == back, "a payment of before"
    assert last_word([back, row("repaid", 3, account=A)], A, "51") == row("repaid", 3, account=A)
    assert last_word([back], B, "50") is None and last_word([back], "", "50") == back and last_word([], "", "50") is None
    assert last_word([back], "", "51") is None, "another card of the same person"
    assert last_word([row("returned", 2, issuer="50")], A, "50") is None and last_word([row("returned", 2)], "", "50") is None
    assert last_word([row("recovered", 3, account=A), back], A, "50") == back


_KINDS = st.sampled_from(["paid", "returned", "repaid", "recovered"])
_REPORTS = st.lists(st.tuples(_KINDS, st.integers(1, 6), st.sampled_from([40, 60, 100])), min_size=1, max_size=8)


@given(_REPORTS, st.randoms(use_true_random=False))
def test_what_is_paid_of_a_row_is_the_same_however_often_and_in_whatever_order_it_is_reported(reports: Any, chance: Any) -> None:
    rows = enumerate(row(kind, hour, fen, project_code="P", period="2025-09") for kind, hour, fen in reports)
    facts = [fact._replace(position=at) for at, fact in rows]
    told = facts + [fact._replace(position=fact.position + 100) for fact in facts]
    chance.shuffle(told)
    once, often = ([paid for _, paid in rows_paid(some, "P", "2025-09")] for some in (facts, told))
    assert often == once
    assert [paid for _, paid in rows_paid([*told, row("returned", 9)], "P", "2025-09")] == [False], "all of it came back"
    assert not any(paid for _, paid in rows_paid([fact for fact in facts if fact.kind in _TAKEN], "P", "2025-09")), "nothing was paid"


_TAKEN = ("fund_row_returned", "fund_row_recovered")


def test_an_account_that_gave_way_is_given_up_until_it_is_in_use_again() -> None:
    first, back = (
        Fact(at(hour), hour, "fund_account_repointed", {"from": one, "to": other}) for hour, one, other in ((1, A, B), (2, B, A))
    )
    assert given_up([first], A) == first and given_up([first], B) is None and given_up([first], C) is None
    assert given_up([first, back], A) is None and given_up([first, back], B) == back

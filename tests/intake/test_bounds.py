"""Every number that comes from outside has bounds of its field that the database can store, and sums of money add up."""

from collections.abc import Iterator

import pytest
from buf.validate import validate_pb2
from chuanyu.exchange.v1 import (
    event_pb2,
    usage_medical_pb2,
    usage_transit_pb2,
)
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from hub.domain.event_rules import is_real_date
from hub.domain.money import wrong_sums
from hub.domain.services import SERVICES
from hub.intake.compiled_rules import accepts

REQUESTS = [method.input_type for service in SERVICES.values() for method in service.methods]
NUMBERS = {
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 2**64 - 1),
    FieldDescriptor.TYPE_DOUBLE: (float("-inf"), float("inf")),
    FieldDescriptor.TYPE_FLOAT: (float("-inf"), float("inf")),
}
INT64 = range(-(2**63), 2**63)


def numbers(descriptor: Descriptor, seen: set[str]) -> Iterator[FieldDescriptor]:
    """Every number in messages of a type, however deep."""
    if descriptor.full_name in seen or not descriptor.full_name.startswith("chuanyu."):
        return
    seen.add(descriptor.full_name)
    for field in descriptor.fields:
        if field.message_type is not None:
            yield from numbers(field.message_type, seen)
        elif field.type in NUMBERS:
            yield field


SEEN: set[str] = set()
FROM_OUTSIDE = [field for root in (event_pb2.Event.DESCRIPTOR, *REQUESTS) for field in numbers(root, SEEN)]


def bounds(field: FieldDescriptor) -> tuple[float, float]:
    """The least and the greatest value that the field's annotation lets pass."""
    rules = field.GetOptions().Extensions[validate_pb2.field]
    rules = rules.repeated.items if field.is_repeated else rules
    least, most = NUMBERS[field.type]
    kind = rules.WhichOneof("type")
    said = {rule.name: value for rule, value in getattr(rules, kind).ListFields()} if kind else {}
    return said.get("gte", least), said.get("lte", most)


@pytest.mark.parametrize("field", FROM_OUTSIDE, ids=lambda field: str(field.full_name).removeprefix("chuanyu.exchange.v1."))
def test_every_number_from_outside_has_a_greatest_value_that_the_database_stores(field: FieldDescriptor) -> None:
    least, most = bounds(field)
    widest = NUMBERS[field.type]
    assert least in INT64
    assert most in INT64
    assert most < widest[1] or most == INT64[-1], "no greatest value is annotated"
    assert least > widest[0] or least == 0, "no least value is annotated"


def test_the_walk_finds_the_numbers_it_is_about() -> None:
    names = {field.full_name.removeprefix("chuanyu.exchange.v1.") for field in FROM_OUTSIDE}
    assert {"EventRef.sequence", "TransitTap.purse_counter", "CheckAcceptanceRequest.min_position", "MedicalMoney.total_fen"} <= names


# Native widths (JT/T 978): the greatest value that the card or the terminal can count to passes, the next one does not.


@pytest.mark.parametrize(
    ("field", "most"),
    [("purse_counter", 0xFFFF), ("psam_sequence", 0xFFFF_FFFF), ("balance_after_fen", 0xFFFF_FFFF)],
)
def test_what_a_tap_counts_fits_its_native_field(field: str, most: int) -> None:
    tap = usage_transit_pb2.TransitTap(mode=usage_transit_pb2.TRANSIT_MODE_BUS)
    setattr(tap, field, most)
    assert accepts(tap.DESCRIPTOR)(tap)
    setattr(tap, field, most + 1)
    assert not accepts(tap.DESCRIPTOR)(tap)


# Money


def settlement(**money: int) -> usage_medical_pb2.MedicalSettlementCompleted:
    return usage_medical_pb2.MedicalSettlementCompleted(money=usage_medical_pb2.MedicalMoney(**money))


WHOLE = {
    "total_fen": 10_000,
    "pooled_fund_fen": 4_000,
    "civil_servant_fen": 100,
    "enterprise_supplement_fen": 200,
    "resident_critical_fen": 300,
    "employee_large_sum_fen": 400,
    "medical_aid_fen": 500,
    "other_fund_fen": 600,
    "fund_total_fen": 6_100,
    "person_total_fen": 3_700,
    "personal_account_fen": 1_000,
    "cash_fen": 2_500,
    "family_account_fen": 200,
    "hospital_share_fen": 200,
}


def test_a_settlement_whose_parts_make_the_whole_passes() -> None:
    assert wrong_sums("medical_settlement_completed", settlement(**WHOLE)) == []


@pytest.mark.parametrize(
    ("part", "whole"),
    [
        ("total_fen", ["money.total_fen"]),
        ("hospital_share_fen", ["money.total_fen"]),
        ("pooled_fund_fen", ["money.fund_total_fen"]),
        ("other_fund_fen", ["money.fund_total_fen"]),
        ("cash_fen", ["money.person_total_fen"]),
        ("family_account_fen", ["money.person_total_fen"]),
        ("fund_total_fen", ["money.fund_total_fen", "money.total_fen"]),
        ("person_total_fen", ["money.person_total_fen", "money.total_fen"]),
    ],
)
def test_a_part_that_is_one_fen_off_is_told_by_the_sum_it_breaks(part: str, whole: list[str]) -> None:
    assert wrong_sums("medical_settlement_completed", settlement(**{**WHOLE, part: WHOLE[part] + 1})) == whole


@pytest.mark.parametrize(
    "money",
    [
        {"total_fen": 8_600},
        {"total_fen": 8_600, "fund_total_fen": 5_000, "cash_fen": 3_600},
        {"total_fen": 8_600, "fund_total_fen": 5_000, "person_total_fen": 3_600},
    ],
)
def test_a_group_of_parts_that_the_source_leaves_out_is_not_held_against_it(money: dict[str, int]) -> None:
    assert wrong_sums("medical_settlement_completed", settlement(**money)) == []


def test_nobody_pays_more_than_the_full_fare() -> None:
    journey = usage_transit_pb2.TransitJourneyCompleted(fare_full_fen=200, fare_paid_fen=201)
    assert wrong_sums("transit_journey_completed", journey) == ["fare_full_fen"]


def test_a_fare_without_a_full_one_beside_it_passes() -> None:
    assert wrong_sums("transit_journey_completed", usage_transit_pb2.TransitJourneyCompleted(fare_paid_fen=200)) == []


@pytest.mark.parametrize("day", ["0001-01-01", "1879-12-31", "2200-01-01", "9999-12-31", "2025-02-30", "20250101", ""])
def test_a_day_that_stands_for_none_is_no_day(day: str) -> None:
    assert not is_real_date(day)


@pytest.mark.parametrize("day", ["1880-01-01", "2024-02-29", "2199-12-31"])
def test_a_day_of_the_calendar_is_one(day: str) -> None:
    assert is_real_date(day)

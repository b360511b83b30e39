"""What a holder's number says of the birth date: it is taken where none is reported, and what contradicts it is found."""

import pytest
from chuanyu.exchange.v1 import event_pb2, references_pb2

from hub.domain.birth_dates import settle_birth_date

RESIDENT, PASSPORT = references_pb2.ID_TYPE_RESIDENT_ID, references_pb2.ID_TYPE_PASSPORT
PERMANENT, DISABLED = references_pb2.ID_TYPE_FOREIGN_PERMANENT_RESIDENT, references_pb2.ID_TYPE_DISABILITY_CARD


def settled(kind: str, holder: str, told: str, id_type: int = RESIDENT) -> tuple[str, list[tuple[str, str]]]:
    event = event_pb2.Event()
    if holder:
        event.holder.id_type, event.holder.clear = id_type, holder  # type: ignore[assignment]
    message = getattr(event, kind)
    message.birth_date = told
    broken = settle_birth_date(event, kind, message)
    return message.birth_date, broken


@pytest.mark.parametrize("kind", ["card_registered", "card_applied"])
@pytest.mark.parametrize(
    ("holder", "id_type", "told", "expected"),
    [
        ("500199198503120015", RESIDENT, "", "1985-03-12"),
        ("51019919900307002x", RESIDENT, "", "1990-03-07"),
        ("810000199001010019", RESIDENT, "", "1990-01-01"),
        ("950840198706051217", PERMANENT, "", "1987-06-05"),
        ("50019919850312001511", DISABLED, "", "1985-03-12"),
        ("500199198503120015", RESIDENT, "1985-03-12", "1985-03-12"),
        ("X12345678", PASSPORT, "1985-03-12", "1985-03-12"),
        ("X12345678", PASSPORT, "", ""),
        ("500199198503120016", RESIDENT, "", ""),
        ("", RESIDENT, "1985-03-12", "1985-03-12"),
    ],
)
def test_a_birth_date_is_the_one_that_is_told_or_the_one_in_the_number(
    kind: str, holder: str, id_type: int, told: str, expected: str
) -> None:
    assert settled(kind, holder, told, id_type) == (expected, [])


@pytest.mark.parametrize("kind", ["card_registered", "card_applied"])
def test_a_birth_date_that_is_not_the_one_in_the_number_is_a_contradiction(kind: str) -> None:
    assert settled(kind, "500199198503120015", "1985-03-21")[1] == [(f"{kind}.birth_date", "contradicts_number")]


def test_a_correction_goes_by_the_corrected_number_and_not_by_the_one_that_was_wrong() -> None:
    assert settled("holder_data_corrected", "500199198503120015", "1985-03-21") == ("1985-03-21", [])
    event = event_pb2.Event()
    event.holder_data_corrected.corrected_holder.id_type = RESIDENT
    event.holder_data_corrected.corrected_holder.clear = "500199198503120015"
    assert settle_birth_date(event, "holder_data_corrected", event.holder_data_corrected) == []
    assert event.holder_data_corrected.birth_date == "1985-03-12"
    event.holder_data_corrected.birth_date = "1985-03-21"
    broken = settle_birth_date(event, "holder_data_corrected", event.holder_data_corrected)
    assert broken == [("holder_data_corrected.birth_date", "contradicts_number")]


def test_what_tells_no_birth_date_is_left_as_it_is() -> None:
    event = event_pb2.Event()
    event.holder.id_type, event.holder.clear = RESIDENT, "500199198503120015"
    event.card_cancelled.SetInParent()
    assert settle_birth_date(event, "card_cancelled", event.card_cancelled) == []

"""Texts of a question that hold a number of a person or a card are refused, and ordinary numbers of native systems are not."""

import random

import pytest
from chuanyu.exchange.v1 import card_service_pb2

from hub.domain.texts import holds_identifier
from tests.clients import DEADLINE_S, Province, refused
from tests.messages import question

CAUGHT = ["500199198503211232", "13812341234", "A12345678"]


@pytest.mark.parametrize("written", ["{}", "q-{}", "{}/1", "号{}", "ID:{};"])
@pytest.mark.parametrize("number", CAUGHT)
def test_an_identifier_in_a_text_is_found_wherever_it_stands(number: str, written: str) -> None:
    assert holds_identifier(written.format(number))


def test_a_bank_account_is_found_by_its_check_digit() -> None:
    found = [last for last in range(10) if holds_identifier(f"622202020011223344{last}")]
    assert len(found) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "first-call-1",
        "20260303100501123456",
        "1764403200123456789",
        "20260303",
        "500199198503211233",
        "12812341234",
        "PSAM510199000017",
        "S20260303",
        "SETL-2026-000000123",
        "4b8b45018a02f8da26e15f1f488b6cf8",
        "510100",
    ],
)
def test_ordinary_numbers_of_native_systems_pass(text: str) -> None:
    assert not holds_identifier(text)


def test_numbers_of_other_lengths_never_hit() -> None:
    chosen = random.Random(7)
    for length in (6, 8, 9, 10, 12, 13, 14, 15, 20, 24, 32):
        assert not any(holds_identifier("".join(chosen.choices("0123456789", k=length))) for _ in range(500))


@pytest.mark.parametrize("field", ["request_id", "venue_code"])
@pytest.mark.parametrize("number", CAUGHT)
def test_a_question_that_holds_one_is_refused_with_its_path_and_without_its_value(field: str, number: str, sichuan: Province) -> None:
    request = question("free-text", "A12345678")
    setattr(request, field, f"no {number}")
    refusal = refused(lambda: sichuan.cards.CheckAcceptance(request, timeout=DEADLINE_S))
    assert (refusal.reason, refusal.violations) == ("REQUEST_INVALID", [(field, "identifier_in_clear")])
    assert number not in refusal.text


def test_a_purpose_is_no_card_number(sichuan: Province) -> None:
    request = card_service_pb2.GetCardRequest(card=question("x", "T00000001").card, purpose_code="T00000001")
    refusal = refused(lambda: sichuan.cards.GetCard(request, timeout=DEADLINE_S))
    assert refusal.violations == [("purpose_code", "identifier_in_clear")]


def test_a_refusal_names_every_text_at_once(sichuan: Province) -> None:
    request = question(CAUGHT[0], "T00000001")
    request.venue_code = CAUGHT[1]
    refusal = refused(lambda: sichuan.cards.CheckAcceptance(request, timeout=DEADLINE_S))
    assert [path for path, _ in refusal.violations] == ["request_id", "venue_code"]


@pytest.mark.parametrize("field", ["request_id", "venue_code"])
def test_what_only_has_the_form_of_a_card_number_is_a_native_number_in_a_question_as_in_an_event(field: str, sichuan: Province) -> None:
    request = question("free-text-2", "T00000001")
    setattr(request, field, f"{field[0].upper()}51010601")
    assert sichuan.cards.CheckAcceptance(request, timeout=DEADLINE_S).position

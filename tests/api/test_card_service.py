"""CardService over mutual TLS: what each side may see of a card, what is answered, and that it is recorded first."""

import itertools
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import grpc
import psycopg
import pytest
from chuanyu.exchange.v1 import (
    acceptance_pb2,
    card_lifecycle_pb2,
    card_service_pb2,
    event_pb2,
    feed_service_pb2,
    hub_decisions_pb2,
    references_pb2,
    service_items_pb2,
)

from hub.admin.agreements import Officer
from hub.admin.service_items import approve_version, draft_version
from hub.api.cards.service import STREAM_CHECKS
from hub.api.cards.view_wait import VIEW_WAIT_S
from hub.domain.acceptance import rules_digest
from hub.domain.agreement import Agreement
from hub.journal.migrate import migrate
from hub.journal.recorder import AggregateStore
from hub.journal.sessions import CONNECT_WITHIN_S
from hub.postgres.server import stop_any
from hub.postgres.users import Users
from tests.clients import DEADLINE_S, Operators, Province, journal, recorded_at, refused, refused_in_stream
from tests.hub_process import SICHUAN, RunningHub, running_hub
from tests.messages import AT_S, lost, name_card, question, registered

Status = card_lifecycle_pb2
CONTACT, CONTACTLESS, ECARD_QR, ID_CARD = (
    acceptance_pb2.MEDIUM_CONTACT, acceptance_pb2.MEDIUM_CONTACTLESS, acceptance_pb2.MEDIUM_ECARD_QR,
    acceptance_pb2.MEDIUM_ID_CARD)  # fmt: skip
ACCEPT, NO_CONCESSION, REFER, DENY = (
    acceptance_pb2.ACCEPTANCE_OUTCOME_ACCEPT, acceptance_pb2.ACCEPTANCE_OUTCOME_ACCEPT_NO_CONCESSION,
    acceptance_pb2.ACCEPTANCE_OUTCOME_REFER_ISSUER, acceptance_pb2.ACCEPTANCE_OUTCOME_DENY)  # fmt: skip
_numbers = itertools.count(1)
# 2020-01-01 in +08:00, before the first agreement.
LONG_AGO_S = 1_577_808_000
DAY_S = 86_400


@pytest.fixture(scope="module")
def operators(shared_hub: RunningHub) -> Iterator[Province]:
    """Who may ask for any instant."""
    operators = Operators(shared_hub)
    yield operators
    operators.channel.close()


def local_s(text: str) -> int:
    """Seconds since 1970 of a local time in +08:00."""
    return int(datetime.fromisoformat(text).replace(tzinfo=timezone(timedelta(hours=8))).timestamp())


def asked(
    card_no: str, scenario: str = "TRA.MET", region: str = "510100", medium: int = CONTACTLESS, at_s: int = 0,
    position: int = 0, issuer: str = "50",
) -> card_service_pb2.CheckAcceptanceRequest:  # fmt: skip
    """A question under an id of its own."""
    request = question(f"question-{next(_numbers)}", card_no, issuer, scenario, region, position)
    request.medium = medium  # type: ignore[assignment]
    request.claims.ecard_token, request.claims.police_terminal_matched = acceptance_pb2.ECARD_TOKEN_VALID, True
    if at_s:
        request.at.seconds = at_s
    return request


def reasons(answer: card_service_pb2.CheckAcceptanceResponse) -> list[str]:
    return [reason.code for reason in answer.reasons]


def card(card_no: str, position: int = 0, province: str = "50") -> card_service_pb2.GetCardRequest:
    request = card_service_pb2.GetCardRequest(min_position=position)
    name_card(request.card, card_no, province)
    return request


# GetCard


def test_the_issuer_sees_the_five_lives(chongqing: Province) -> None:
    event = registered("G00000001")
    event.card_registered.transit_enabled, event.card_registered.expires_on = True, "2033-06-01"
    position = chongqing.tell("cq.card-center", event, *accounts("G00000001"))
    answer = chongqing.cards.GetCard(card("G00000001", position), timeout=DEADLINE_S)
    assert answer.lives == card_service_pb2.CardLives(
        social_status=Status.SOCIAL_STATUS_ACTIVE,
        bank_account_status=card_service_pb2.BANK_ACCOUNT_STATUS_ACTIVE,
        transit_purse_status=card_service_pb2.TRANSIT_PURSE_STATUS_ACTIVE,
        pin_status=card_service_pb2.PIN_STATUS_LOCKED,
        ecard_status=card_service_pb2.ECARD_STATUS_SIGNED,
        generation=Status.CARD_GENERATION_THIRD,
        card_kind=Status.CARD_KIND_REGULAR,
        expires_on="2033-06-01",
    )


def accounts(card_no: str) -> list[event_pb2.Event]:
    """Bank account and purse active, PIN locked, e-card signed."""
    events = []
    for number in range(4):
        event = event_pb2.Event()
        event.occurred_at.seconds = AT_S + 1 + number
        name_card(event.card, card_no, "50")
        events.append(event)
    events[0].bank_account_activated.bank_code = "102"
    events[1].transit_purse_activated.SetInParent()
    events[2].pin_locked.wrong_tries = 6
    events[3].ecard_signed.issue_level = 3
    return events


def test_the_issuer_sees_when_a_temporary_loss_runs_out(chongqing: Province) -> None:
    position = chongqing.tell("cq.card-center", registered("G00000002"), lost("G00000002", at_s=AT_S + 60))
    request = card("G00000002", position)
    request.valid_at.seconds = AT_S + 3600
    lives = chongqing.cards.GetCard(request, timeout=DEADLINE_S).lives
    assert (lives.social_status, lives.social_status_until.seconds) == (
        Status.SOCIAL_STATUS_TEMP_LOST, AT_S + 60 + 7 * DAY_S)  # fmt: skip


def test_a_card_is_seen_as_it_was_at_the_instant_asked_for(chongqing: Province) -> None:
    position = chongqing.tell("cq.card-center", registered("G00000003"), lost("G00000003", at_s=AT_S + 60))
    request = card("G00000003", position)
    request.valid_at.seconds = AT_S + 59
    lives = chongqing.cards.GetCard(request, timeout=DEADLINE_S).lives
    assert lives.social_status == Status.SOCIAL_STATUS_ACTIVE


def test_the_other_province_sees_no_lives(chongqing: Province, sichuan: Province) -> None:
    position = chongqing.tell("cq.card-center", registered("G00000004"))
    answer = sichuan.cards.GetCard(card("G00000004", position), timeout=DEADLINE_S)
    assert not answer.HasField("lives")


def test_the_other_province_sees_usability_by_scenario(chongqing: Province, sichuan: Province) -> None:
    position = chongqing.tell("cq.card-center", registered("G00000005"))
    request = card("G00000005", position)
    request.medium = CONTACTLESS  # type: ignore[assignment]
    answer = sichuan.cards.GetCard(request, timeout=DEADLINE_S)
    usable = {row.scenario: (row.outcome, list(row.reason_codes)) for row in answer.usability}
    assert usable["TRA.MET"] == (ACCEPT, [])
    assert usable["TRA.ELD"] == (NO_CONCESSION, ["ELDER_NO_SCHEME", "CONCESSION_NOT_MUTUAL"])
    assert usable["TOU.HTL"] == (DENY, ["NO_AGREEMENT", "ID_CARD"])


def test_the_other_province_asks_about_now_only(chongqing: Province, sichuan: Province) -> None:
    position = chongqing.tell("cq.card-center", registered("G00000010"))
    request = card("G00000010", position)
    request.valid_at.seconds = AT_S + 3600
    refusal = refused(lambda: sichuan.cards.GetCard(request, timeout=DEADLINE_S))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "NOT_PERMITTED")


def test_the_other_province_sees_every_scenario_of_the_catalogue(chongqing: Province, sichuan: Province) -> None:
    position = chongqing.tell("cq.card-center", registered("G00000006"))
    answer = sichuan.cards.GetCard(card("G00000006", position), timeout=DEADLINE_S)
    assert len(answer.usability) == 28


def test_the_other_province_asks_for_places_of_its_own_only(chongqing: Province, sichuan: Province) -> None:
    position = chongqing.tell("cq.card-center", registered("G00000007"))
    request = card("G00000007", position)
    request.service_region = "500103"
    refusal = refused(lambda: sichuan.cards.GetCard(request, timeout=DEADLINE_S))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "NOT_PERMITTED")


def test_the_other_province_asks_for_places_that_exist_only(chongqing: Province, sichuan: Province) -> None:
    position = chongqing.tell("cq.card-center", registered("G00000009"))
    request = card("G00000009", position)
    request.service_region = "519999"
    refusal = refused(lambda: sichuan.cards.GetCard(request, timeout=DEADLINE_S))
    assert (refusal.reason, refusal.violations) == ("REQUEST_INVALID", [("service_region", "unknown_region")])


def test_a_card_the_hub_does_not_know_is_not_found(chongqing: Province) -> None:
    refusal = refused(lambda: chongqing.cards.GetCard(card("G99999999"), timeout=DEADLINE_S))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "CARD_NOT_FOUND")


def test_the_same_number_in_the_other_province_is_another_card(chongqing: Province, sichuan: Province) -> None:
    position = chongqing.tell("cq.card-center", registered("G00000008"))
    refusal = refused(lambda: sichuan.cards.GetCard(card("G00000008", position, "51"), timeout=DEADLINE_S))
    assert refusal.reason == "CARD_NOT_FOUND"


def test_a_malformed_card_number_is_an_invalid_request(chongqing: Province) -> None:
    refusal = refused(lambda: chongqing.cards.GetCard(card("G1"), timeout=DEADLINE_S))
    assert (refusal.reason, refusal.violations) == ("REQUEST_INVALID", [("card.clear", "length")])


def test_an_instant_outside_the_calendar_is_an_invalid_request(chongqing: Province) -> None:
    request = card("G00000001")
    request.valid_at.seconds = 10**14
    refusal = refused(lambda: chongqing.cards.GetCard(request, timeout=DEADLINE_S))
    assert (refusal.reason, refusal.violations) == ("REQUEST_INVALID", [("valid_at", "impossible_instant")])


# A card named otherwise


IDENT = "500199D15600000500A1B2C3D4E5F607"


def ident(code: str, province: str = "50", position: int = 0) -> card_service_pb2.GetCardRequest:
    request = card_service_pb2.GetCardRequest(min_position=position)
    request.card.issuing_province, request.card.clear = province, code
    request.card.kind = references_pb2.CARD_IDENTIFIER_KIND_CARD_IDENT_CODE
    return request


def registered_with_ident(card_no: str, code: str) -> event_pb2.Event:
    event = registered(card_no)
    alias = event.card_aliases.add(issuing_province="50", clear=code)
    alias.kind = references_pb2.CARD_IDENTIFIER_KIND_CARD_IDENT_CODE
    return event


def test_a_card_is_found_by_its_identification_code(chongqing: Province) -> None:
    position = chongqing.tell("cq.card-center", registered_with_ident("H00000001", IDENT))
    answer = chongqing.cards.GetCard(ident(IDENT, position=position), timeout=DEADLINE_S)
    assert answer.lives.social_status == Status.SOCIAL_STATUS_ACTIVE


def test_a_loss_of_the_number_denies_the_identification_code(chongqing: Province, operators: Province) -> None:
    code = "500199D1560000050000000000000002"
    position = chongqing.tell("cq.card-center", registered_with_ident("H00000002", code), lost("H00000002"))
    request = asked("H00000002", at_s=AT_S + 3600, position=position)
    request.card.CopyFrom(ident(code).card)
    assert reasons(operators.cards.CheckAcceptance(request, timeout=DEADLINE_S)) == ["LOST_TEMP"]


def test_a_loss_of_the_identification_code_denies_the_number(chongqing: Province, operators: Province) -> None:
    code = "500199D1560000050000000000000003"
    by_code = lost("H00000003")
    by_code.card.CopyFrom(ident(code).card)
    position = chongqing.tell("cq.card-center", registered_with_ident("H00000003", code), by_code)
    request = asked("H00000003", at_s=AT_S + 3600, position=position)
    assert reasons(operators.cards.CheckAcceptance(request, timeout=DEADLINE_S)) == ["LOST_TEMP"]


def test_naming_ones_own_province_does_not_open_the_other_sides_card(chongqing: Province, sichuan: Province) -> None:
    code = "500199D1560000050000000000000004"
    position = chongqing.tell("cq.card-center", registered_with_ident("H00000004", code))
    refusal = refused(lambda: sichuan.cards.GetCard(ident(code, "51", position), timeout=DEADLINE_S))
    assert refusal.reason == "CARD_NOT_FOUND"


def test_naming_ones_own_province_is_no_way_round_an_agreement(chongqing: Province, sichuan: Province) -> None:
    code = "500199D1560000050000000000000005"
    position = chongqing.tell("cq.card-center", registered_with_ident("H00000005", code))
    request = asked("H00000005", "TOU.HTL", position=position)
    request.card.CopyFrom(ident(code, "51").card)
    assert reasons(sichuan.cards.CheckAcceptance(request, timeout=DEADLINE_S)) == ["CARD_UNKNOWN"]


def test_a_card_is_asked_for_by_its_identifier_never_by_the_hubs_key(sichuan: Province) -> None:
    request = asked("H00000001")
    request.card.key = bytes(32)
    refusal = refused(lambda: sichuan.cards.CheckAcceptance(request, timeout=DEADLINE_S))
    assert (refusal.reason, refusal.violations) == ("REQUEST_INVALID", [("card.key", "clear_only")])


def test_no_province_changes_the_other_sides_card_by_its_identification_code(chongqing: Province, sichuan: Province) -> None:
    code = "500199D1560000050000000000000006"
    chongqing.tell("cq.card-center", registered_with_ident("H00000006", code))
    cancelled = lost("H00000006")
    cancelled.card.CopyFrom(ident(code, "51").card)
    cancelled.card_cancelled.reason = 5
    position = sichuan.tell("sc.card-center", cancelled)
    answer = chongqing.cards.GetCard(card("H00000006", position), timeout=DEADLINE_S)
    assert answer.lives.social_status == Status.SOCIAL_STATUS_ACTIVE


# A01 to A05


def test_an_unknown_card_is_referred_to_its_issuer(sichuan: Province) -> None:
    answer = sichuan.cards.CheckAcceptance(asked("K99999999"), timeout=DEADLINE_S)
    assert (answer.outcome, reasons(answer)) == (REFER, ["CARD_UNKNOWN"])


def test_an_active_card_is_accepted_without_reasons(chongqing: Province, sichuan: Province) -> None:
    position = chongqing.tell("cq.card-center", registered("K00000001"))
    answer = sichuan.cards.CheckAcceptance(asked("K00000001", position=position), timeout=DEADLINE_S)
    assert (answer.outcome, reasons(answer)) == (ACCEPT, [])


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("APPLIED", "CARD_NOT_ISSUED"),
        ("IN_PRODUCTION", "CARD_NOT_ISSUED"),
        ("PRODUCED", "CARD_NOT_ISSUED"),
        ("SEALED", "CARD_SEALED"),
        ("FORMALLY_LOST", "LOST_FORMAL"),
        ("APP_LOCKED", "LOCKED"),
        ("CANCELLED", "CANCELLED"),
        ("REJECTED", "CARD_NOT_ISSUED"),
        ("PRODUCTION_FAILED", "CARD_NOT_ISSUED"),
    ],
)
def test_only_an_active_card_is_accepted(status: str, reason: str, chongqing: Province, sichuan: Province) -> None:
    event = registered(f"L{Status.SocialStatus.Value(f'SOCIAL_STATUS_{status}'):08}")
    event.card_registered.status = Status.SocialStatus.Value(f"SOCIAL_STATUS_{status}")
    position = chongqing.tell("cq.card-center", event)
    answer = sichuan.cards.CheckAcceptance(asked(event.card.clear, position=position), timeout=DEADLINE_S)
    assert (answer.outcome, reasons(answer)) == (DENY, [reason])


def test_a_reason_comes_with_rule_text_and_advice(chongqing: Province, sichuan: Province) -> None:
    event = registered("K00000002")
    event.card_registered.status = Status.SOCIAL_STATUS_SEALED
    position = chongqing.tell("cq.card-center", event)
    answer = sichuan.cards.CheckAcceptance(asked("K00000002", "MED.OP", position=position), timeout=DEADLINE_S)
    assert answer.reasons[0] == card_service_pb2.Reason(
        code="CARD_SEALED",
        rule_id="A02",
        text_zh="这张卡的社保功能尚未启用。",
        text_en="The social function of the card has not been enabled.",
        advice_zh="请通过电子社保卡、掌上12333线上启用，或到发卡省任一服务网点启用。",
        advice_en="Enable it online (e-card or the 12333 app), or at any outlet of the issuing province.",
    )


def test_what_is_done_about_a_card_needs_no_active_one(chongqing: Province, sichuan: Province) -> None:
    event = registered("K00000003")
    event.card_registered.status = Status.SOCIAL_STATUS_FORMALLY_LOST
    position = chongqing.tell("cq.card-center", event)
    answer = sichuan.cards.CheckAcceptance(asked("K00000003", "CARD.REPL", position=position), timeout=DEADLINE_S)
    assert answer.outcome == ACCEPT


def loss_requested(card_no: str, at_s: int) -> event_pb2.Event:
    event = event_pb2.Event()
    event.occurred_at.seconds = at_s
    name_card(event.card, card_no, "50")
    event.loss_request_submitted.loss_type, event.loss_request_submitted.accepted_at_region = 1, "510100"
    return event


@pytest.mark.parametrize(
    ("after_s", "expected"),
    [
        (-1, []),
        (0, ["PROVISIONAL_BLOCK"]),
        (3 * DAY_S - 1, ["PROVISIONAL_BLOCK"]),
        (3 * DAY_S, []),
    ],
)
def test_a_loss_request_blocks_for_72_hours(
    after_s: int, expected: list[str], chongqing: Province, sichuan: Province, operators: Province
) -> None:
    chongqing.tell("cq.card-center", registered("K00000004", at_s=AT_S - DAY_S))
    position = sichuan.tell("sc.card-center", loss_requested("K00000004", AT_S))
    request = asked("K00000004", at_s=AT_S + after_s, position=position)
    assert reasons(operators.cards.CheckAcceptance(request, timeout=DEADLINE_S)) == expected


@pytest.mark.parametrize(
    ("at", "scenario", "region", "medium", "outcome", "expected"),
    [
        ("2020-11-30T23:59:59", "TRA.QR", "510100", ECARD_QR, DENY, ["NO_AGREEMENT"]),
        ("2020-12-01T00:00:00", "TRA.QR", "510100", ECARD_QR, ACCEPT, []),
        ("2020-12-01T00:00:00", "TRA.QR", "510100", CONTACTLESS, DENY, ["MEDIUM_NOT_COVERED"]),
        ("2026-01-01T00:00:00", "TRA.QR", "510300", ECARD_QR, DENY, ["NO_AGREEMENT"]),
        ("2021-05-31T23:59:59", "CUL.LIB.BRW", "510100", ECARD_QR, DENY, ["NO_AGREEMENT"]),
        ("2021-06-01T00:00:00", "CUL.LIB.BRW", "510100", ECARD_QR, ACCEPT, []),
        ("2021-06-01T00:00:00", "CUL.LIB.BRW", "510100", CONTACT, DENY, ["MEDIUM_NOT_COVERED"]),
        ("2022-04-22T23:59:59", "CUL.LIB.BRW", "510100", CONTACT, DENY, ["MEDIUM_NOT_COVERED"]),
        ("2022-04-23T00:00:00", "CUL.LIB.BRW", "510100", CONTACT, ACCEPT, []),
        ("2025-01-13T23:59:59", "CUL.LIB.BRW", "510300", CONTACT, DENY, ["NO_AGREEMENT"]),
        ("2025-01-14T00:00:00", "CUL.LIB.BRW", "510300", CONTACT, ACCEPT, []),
        ("2025-12-01T23:59:59", "CUL.LIB.IN", "511900", CONTACT, DENY, ["NO_AGREEMENT"]),
        ("2025-12-02T00:00:00", "CUL.LIB.IN", "511900", CONTACT, ACCEPT, []),
        ("2020-01-01T00:00:00", "CUL.LIB.RET", "511900", CONTACT, ACCEPT, ["RETURN_ALWAYS_ACCEPTED"]),
        ("2024-12-31T23:59:59", "TRA.MET", "510100", CONTACTLESS, DENY, ["NO_AGREEMENT"]),
        ("2025-01-01T00:00:00", "TRA.MET", "510100", CONTACTLESS, ACCEPT, []),
        ("2025-01-01T00:00:00", "TRA.MET", "510100", CONTACT, DENY, ["MEDIUM_NOT_COVERED"]),
        ("2025-01-01T00:00:00", "MED.OP", "511900", ECARD_QR, ACCEPT, []),
        ("2026-01-01T00:00:00", "TRA.ELD", "510100", CONTACTLESS, NO_CONCESSION, ["AGE_UNKNOWN", "CONCESSION_NOT_MUTUAL"]),
        ("2026-01-01T00:00:00", "TOU.HTL", "510100", CONTACT, DENY, ["NO_AGREEMENT"]),
        ("2026-01-01T00:00:00", "CARD.PIN", "510100", CONTACT, REFER, ["PIN_AT_ISSUER"]),
    ],
)
def test_a_chongqing_card_in_sichuan_needs_an_agreement_in_force(
    at: str, scenario: str, region: str, medium: int, outcome: int, expected: list[str],
    chongqing: Province, operators: Province,
) -> None:  # fmt: skip
    position = chongqing.tell("cq.card-center", registered("K00000005", at_s=LONG_AGO_S))
    request = asked("K00000005", scenario, region, medium, local_s(at), position)
    answer = operators.cards.CheckAcceptance(request, timeout=DEADLINE_S)
    assert (answer.outcome, reasons(answer)) == (outcome, expected)


@pytest.mark.parametrize(
    ("at", "scenario", "region", "medium", "outcome", "expected"),
    [
        ("2021-05-31T23:59:59", "CUL.LIB.BRW", "500106", CONTACT, DENY, ["NO_AGREEMENT"]),
        ("2021-06-01T00:00:00", "CUL.LIB.BRW", "500106", CONTACT, ACCEPT, []),
        ("2022-04-22T23:59:59", "CUL.LIB.BRW", "500106", ID_CARD, DENY, ["MEDIUM_NOT_COVERED"]),
        ("2022-04-23T00:00:00", "CUL.LIB.BRW", "500106", ID_CARD, ACCEPT, []),
        ("2025-01-13T23:59:59", "CUL.LIB.BRW", "500101", CONTACT, DENY, ["NO_AGREEMENT"]),
        ("2025-01-14T00:00:00", "CUL.LIB.BRW", "500101", CONTACT, ACCEPT, []),
    ],
)
def test_a_sichuan_card_in_chongqing_has_agreements_of_its_own(
    at: str, scenario: str, region: str, medium: int, outcome: int, expected: list[str],
    sichuan: Province, operators: Province,
) -> None:  # fmt: skip
    position = sichuan.tell("sc.card-center", registered("S00000001", "51", at_s=LONG_AGO_S))
    request = asked("S00000001", scenario, region, medium, local_s(at), position, issuer="51")
    answer = operators.cards.CheckAcceptance(request, timeout=DEADLINE_S)
    assert (answer.outcome, reasons(answer)) == (outcome, expected)


def test_at_home_no_agreement_is_needed(chongqing: Province) -> None:
    position = chongqing.tell("cq.card-center", registered("K00000006"))
    request = asked("K00000006", "TOU.HTL", "500103", CONTACT, position=position)
    assert chongqing.cards.CheckAcceptance(request, timeout=DEADLINE_S).outcome == ACCEPT


@pytest.fixture(scope="module")
def hotel_agreement(shared_hub: RunningHub) -> None:
    """Hotels took Chongqing cards by chip in the first half of 2025."""
    at = datetime.now(UTC)
    terms = hub_decisions_pb2.AgreementTerms(
        scenarios=["TOU.HTL"], issuer_provinces=["50"], serving_provinces=["51"], media=[CONTACT],
        concession=1, settlement=1)  # fmt: skip
    terms.valid_from.seconds, terms.valid_to.seconds = local_s("2025-01-01"), local_s("2025-07-01")
    draft = hub_decisions_pb2.AgreementDrafted(agreement_code="HOTEL-TRIAL/1", terms=terms)
    agreement_id = Agreement.create_id("HOTEL-TRIAL", datetime(2025, 1, 1, tzinfo=UTC).date())
    agreement = Agreement.begin("agreement_drafted", draft, agreement_id, at)
    for side in ("50", "51"):
        agreement.sign(hub_decisions_pb2.AgreementSigned(side=side, maker=f"maker-{side}", checker=f"checker-{side}"), at)
    store = AggregateStore(shared_hub.dsn)
    store.save(agreement)
    store.close()


@pytest.mark.parametrize(
    ("at", "medium", "expected"),
    [
        ("2024-12-31T23:59:59", CONTACT, ["NO_AGREEMENT"]),
        ("2025-01-01T00:00:00", CONTACT, []),
        ("2025-01-01T00:00:00", ECARD_QR, ["MEDIUM_NOT_COVERED"]),
        ("2025-06-30T23:59:59", CONTACT, []),
        ("2025-07-01T00:00:00", CONTACT, ["AGREEMENT_EXPIRED"]),
    ],
)
@pytest.mark.usefixtures("hotel_agreement")
def test_an_agreement_that_has_ended_is_said_to_have_expired(
    at: str, medium: int, expected: list[str], chongqing: Province, operators: Province
) -> None:
    position = chongqing.tell("cq.card-center", registered("K00000007", at_s=LONG_AGO_S))
    request = asked("K00000007", "TOU.HTL", "510100", medium, local_s(at), position)
    assert reasons(operators.cards.CheckAcceptance(request, timeout=DEADLINE_S)) == expected


def temporary(card_no: str) -> event_pb2.Event:
    event = registered(card_no)
    event.card_registered.card_kind = Status.CARD_KIND_TEMPORARY
    return event


def test_a_temporary_card_is_not_accepted_abroad(chongqing: Province, sichuan: Province) -> None:
    position = chongqing.tell("cq.card-center", temporary("K00000008"))
    answer = sichuan.cards.CheckAcceptance(asked("K00000008", position=position), timeout=DEADLINE_S)
    assert (answer.outcome, reasons(answer)) == (DENY, ["TEMP_CARD_LOCAL_ONLY"])


def test_a_temporary_card_is_accepted_at_home(chongqing: Province) -> None:
    position = chongqing.tell("cq.card-center", temporary("K00000009"))
    request = asked("K00000009", region="500103", at_s=AT_S + 3600, position=position)
    assert chongqing.cards.CheckAcceptance(request, timeout=DEADLINE_S).outcome == ACCEPT


def test_all_reasons_are_given_in_the_order_of_the_rules(chongqing: Province, sichuan: Province) -> None:
    event = temporary("K00000010")
    event.card_registered.status = Status.SOCIAL_STATUS_SEALED
    chongqing.tell("cq.card-center", event)
    position = sichuan.tell("sc.card-center", loss_requested("K00000010", int(time.time()) - 60))
    request = asked("K00000010", "CON.CPN", position=position)
    assert reasons(sichuan.cards.CheckAcceptance(request, timeout=DEADLINE_S)) == [
        "CARD_SEALED", "PROVISIONAL_BLOCK", "NO_AGREEMENT", "TEMP_CARD_LOCAL_ONLY"]  # fmt: skip


def test_a_loss_counts_for_uses_after_it_only_however_late_it_is_told(chongqing: Province, operators: Province) -> None:
    position = chongqing.tell("cq.card-center", registered("K00000011"), lost("K00000011", at_s=AT_S + 3600))
    before = asked("K00000011", at_s=AT_S + 3540, position=position)
    after = asked("K00000011", at_s=AT_S + 4800, position=position)
    assert reasons(operators.cards.CheckAcceptance(before, timeout=DEADLINE_S)) == []
    assert reasons(operators.cards.CheckAcceptance(after, timeout=DEADLINE_S)) == ["LOST_TEMP"]


# The receipt


def test_the_decision_stands_in_the_journal_at_its_position(shared_hub: RunningHub, chongqing: Province, sichuan: Province) -> None:
    position = chongqing.tell("cq.card-center", registered("R00000001"))
    request = asked("R00000001", position=position)
    answer = sichuan.cards.CheckAcceptance(request, timeout=DEADLINE_S)
    recorded = recorded_at(shared_hub.dsn, answer.position)
    decision = recorded.event.decision_made
    assert (recorded.kind, decision.request_id, decision.participant) == ("decision_made", request.request_id, SICHUAN)
    assert (decision.outcome, list(decision.agreement_codes)) == (ACCEPT, ["ORD-TRANSIT/1"])
    assert (decision.as_of_position, decision.rules_digest) == (answer.as_of_position, rules_digest())
    assert recorded.event.occurred_at == answer.decided_for


def test_the_recorded_decision_carries_the_question(shared_hub: RunningHub, chongqing: Province, sichuan: Province) -> None:
    position = chongqing.tell("cq.card-center", registered("R00000002"))
    request = asked("R00000002", position=position)
    request.venue_code, request.claims.emergency = "CD-METRO-0101", True
    answer = sichuan.cards.CheckAcceptance(request, timeout=DEADLINE_S)
    event = recorded_at(shared_hub.dsn, answer.position).event
    assert (event.scenario, event.service_region, event.medium, event.venue_code) == (
        "TRA.MET", "510100", CONTACTLESS, "CD-METRO-0101")  # fmt: skip
    assert event.decision_made.claims.emergency
    assert (event.card.issuing_province, len(event.card.key)) == ("50", 32)


def unlinked(chongqing: Province, card_no: str) -> int:
    """A child's card whose relative was linked, and is no more."""
    events = [registered(card_no), *(name_only(card_no) for _ in range(3))]
    events[1].ecard_signed.issue_level = 1
    for event, kind in ((events[2], "ecard_family_linked"), (events[3], "ecard_family_unlinked")):
        relative = getattr(event, kind).relative
        relative.id_type, relative.clear = references_pb2.ID_TYPE_RESIDENT_ID, RELATIVE
    return [chongqing.tell("cq.card-center", event) for event in events][-1]


def name_only(card_no: str) -> event_pb2.Event:
    event = event_pb2.Event()
    event.occurred_at.seconds = AT_S
    name_card(event.card, card_no, "50")
    return event


def by_a_guardian(card_no: str, position: int) -> card_service_pb2.CheckAcceptanceRequest:
    request = asked(card_no, "GOV.CASE", position=position)
    request.claims.acting_as, request.claims.authority_proven = acceptance_pb2.ACTING_AS_GUARDIAN, True
    request.subject_refs.actor.id_type, request.subject_refs.actor.clear = references_pb2.ID_TYPE_RESIDENT_ID, RELATIVE
    return request


RELATIVE = "500199199003070028"


def test_a_claim_that_the_record_contradicts_is_answered_by_the_record_in_words(
    shared_hub: RunningHub, chongqing: Province, sichuan: Province
) -> None:
    position = unlinked(chongqing, "R00000041")
    answer = sichuan.cards.CheckAcceptance(by_a_guardian("R00000041", position), timeout=DEADLINE_S)
    assert reasons(answer) == ["PROOF_OF_AUTHORITY"]
    [basis] = answer.bases
    assert (basis.rule_id, basis.basis, basis.contradicts) == ("A41", acceptance_pb2.BASIS_KIND_RECORD, True)
    assert "不一致" in basis.text_zh and "contradict" in basis.text_en
    # Where the record is, is the issuer's to know.
    assert basis.record_position == 0
    recorded = recorded_at(shared_hub.dsn, answer.position).event.decision_made
    assert [one.record_position for one in recorded.bases] == [position]
    assert not recorded.bases[0].text_zh
    assert (recorded.subject_refs.actor.clear, len(recorded.subject_refs.actor.key)) == ("", 32)
    for caller, shown in ((chongqing, position), (sichuan, 0)):
        why = caller.cards.ExplainAcceptance(
            card_service_pb2.ExplainAcceptanceRequest(decision_position=answer.position), timeout=DEADLINE_S
        )
        rule = next(rule for rule in why.rules if rule.rule_id == "A41")
        assert (rule.basis.record_position, rule.basis.contradicts, why.same_as_recorded) == (shown, True, True)
        assert [one.record_position for one in why.recorded.bases] == [shown]


@pytest.mark.parametrize(
    ("part", "value", "broken"),
    [
        ("key", bytes(32), ("subject_refs.actor.key", "clear_only")),
        ("clear", "500199199003070029", ("subject_refs.actor.clear", "check_digit")),
    ],
)
def test_who_acts_is_named_by_a_good_number(part: str, value: object, broken: tuple[str, str], sichuan: Province) -> None:
    request = by_a_guardian("R00000042", 0)
    setattr(request.subject_refs.actor, part, value)
    refusal = refused(lambda: sichuan.cards.CheckAcceptance(request, timeout=DEADLINE_S))
    assert (refusal.reason, refusal.violations) == ("REQUEST_INVALID", [broken])


def test_a_reference_holds_no_identifier_in_clear(sichuan: Province) -> None:
    request = by_a_guardian("R00000042", 0)
    request.subject_refs.filing_no = f"BA {RELATIVE}"
    refusal = refused(lambda: sichuan.cards.CheckAcceptance(request, timeout=DEADLINE_S))
    assert (refusal.reason, refusal.violations) == ("REQUEST_INVALID", [("subject_refs.filing_no", "identifier_in_clear")])


def test_an_item_is_weighed_by_what_officers_had_approved_when_it_was_asked_about(
    shared_hub: RunningHub, chongqing: Province, sichuan: Province
) -> None:
    position = chongqing.tell("cq.card-center", registered("R00000045"))

    def ask(seen: int) -> card_service_pb2.CheckAcceptanceResponse:
        request = asked("R00000045", "GOV.CASE", position=seen)
        request.subject_refs.item_id, request.claims.item_shared = "SJ045", True
        return sichuan.cards.CheckAcceptance(request, timeout=DEADLINE_S)

    before = ask(position)
    version = service_items_pb2.ServiceItemVersion(state=service_items_pb2.SERVICE_ITEM_STATE_LIVE, valid_from="2025-01-01")
    item = service_items_pb2.ServiceItemDefinition(name_zh="另一事项", department="人社")
    drafted = service_items_pb2.ServiceItemDrafted(item_id="SJ045", version=version, definition=item)
    with closing(AggregateStore(shared_hub.dsn)) as store:
        draft_version(store, drafted, Officer("51", "5101"), datetime.now(UTC))
        approved = approve_version(store, "SJ045", Officer("51", "5102"), datetime.now(UTC))
    after = ask(approved)
    assert (reasons(before), reasons(after)) == ([], ["ITEM_NOT_SHARED"])
    assert (before.bases[0].basis, after.bases[0].basis) == (acceptance_pb2.BASIS_KIND_CLAIM, acceptance_pb2.BASIS_KIND_RECORD)
    for answer in (before, after):
        why = chongqing.cards.ExplainAcceptance(
            card_service_pb2.ExplainAcceptanceRequest(decision_position=answer.position), timeout=DEADLINE_S
        )
        [rule] = [rule for rule in why.rules if rule.rule_id == "A40"]
        at = approved if answer is after else 0
        assert (why.same_as_recorded, rule.basis.basis, rule.basis.record_position) == (True, answer.bases[0].basis, at)
    assert [seen.value for seen in rule.saw if seen.name == "catalogue.item"] == [f"50 NOT_YET, 51 LIVE, {approved}"]


def signed(card_no: str) -> list[event_pb2.Event]:
    events = [registered(card_no), name_only(card_no)]
    events[1].ecard_signed.issue_level = 1
    return events


def showing(card_no: str, token: str, position: int) -> card_service_pb2.CheckAcceptanceRequest:
    request = asked(card_no, "MED.REG", medium=ECARD_QR, position=position)
    request.subject_refs.token.clear = token
    return request


def test_a_token_that_is_shown_to_many_at_once_is_used_once(shared_hub: RunningHub, chongqing: Province, sichuan: Province) -> None:
    position = [chongqing.tell("cq.card-center", event) for event in signed("R00000051")][-1]
    under_way = [sichuan.cards.CheckAcceptance.future(showing("R00000051", "once", position), timeout=DEADLINE_S) for _ in range(12)]
    answers = [call.result() for call in under_way]
    [used] = [answer.position for answer in answers if answer.outcome == ACCEPT]
    others = [answer for answer in answers if answer.outcome != ACCEPT]
    assert {(answer.outcome, *reasons(answer)) for answer in others} == {(DENY, "ECARD_TOKEN_USED")}
    recorded = [recorded_at(shared_hub.dsn, answer.position).event.decision_made for answer in others]
    assert {one.record_position for decision in recorded for one in decision.bases} == {used}
    assert all(decision.bases[0].contradicts for decision in recorded)
    assert not any(decision.subject_refs.token.clear for decision in recorded)


def test_a_repeat_of_the_question_that_used_a_token_gets_its_answer(chongqing: Province, sichuan: Province) -> None:
    position = [chongqing.tell("cq.card-center", event) for event in signed("R00000052")][-1]
    request = showing("R00000052", "repeated", position)
    first, second = (sichuan.cards.CheckAcceptance(request, timeout=DEADLINE_S) for _ in range(2))
    assert (first.outcome, first) == (ACCEPT, second)


def test_an_answer_about_a_used_token_is_explained_as_it_was(chongqing: Province, sichuan: Province) -> None:
    position = [chongqing.tell("cq.card-center", event) for event in signed("R00000053")][-1]
    first, second = (sichuan.cards.CheckAcceptance(showing("R00000053", "explained", position), timeout=DEADLINE_S) for _ in range(2))
    for answer, outcome in ((first, ACCEPT), (second, DENY)):
        request = card_service_pb2.ExplainAcceptanceRequest(decision_position=answer.position)
        why = chongqing.cards.ExplainAcceptance(request, timeout=DEADLINE_S)
        assert (why.outcome, why.same_as_recorded) == (outcome, True)


def test_what_operators_try_out_uses_no_token(chongqing: Province, sichuan: Province, operators: Province) -> None:
    position = [chongqing.tell("cq.card-center", event) for event in signed("R00000054")][-1]
    tried = operators.cards.CheckAcceptance(showing("R00000054", "tried", position), timeout=DEADLINE_S)
    answer = sichuan.cards.CheckAcceptance(showing("R00000054", "tried", position), timeout=DEADLINE_S)
    again = operators.cards.CheckAcceptance(showing("R00000054", "tried", position), timeout=DEADLINE_S)
    assert (tried.outcome, answer.outcome, reasons(again)) == (ACCEPT, ACCEPT, ["ECARD_TOKEN_USED"])


def test_the_answer_rests_on_a_snapshot_before_its_receipt(chongqing: Province, sichuan: Province) -> None:
    position = chongqing.tell("cq.card-center", registered("R00000003"))
    answer = sichuan.cards.CheckAcceptance(asked("R00000003", position=position), timeout=DEADLINE_S)
    assert position <= answer.as_of_position < answer.position


def test_a_repeat_of_a_request_id_gets_the_same_answer(chongqing: Province, sichuan: Province) -> None:
    position = chongqing.tell("cq.card-center", registered("R00000004"))
    request = asked("R00000004", position=position)
    first = sichuan.cards.CheckAcceptance(request, timeout=DEADLINE_S)
    assert sichuan.cards.CheckAcceptance(request, timeout=DEADLINE_S) == first


def test_a_repeat_gets_the_old_answer_even_if_the_card_has_changed(chongqing: Province, sichuan: Province) -> None:
    now_s = int(time.time())
    position = chongqing.tell("cq.card-center", registered("R00000005"))
    request = asked("R00000005", position=position)
    first = sichuan.cards.CheckAcceptance(request, timeout=DEADLINE_S)
    chongqing.tell("cq.card-center", lost("R00000005", at_s=now_s - 60))
    assert sichuan.cards.CheckAcceptance(request, timeout=DEADLINE_S) == first


def test_a_repeat_records_nothing(shared_hub: RunningHub, chongqing: Province, sichuan: Province) -> None:
    position = chongqing.tell("cq.card-center", registered("R00000006"))
    request = asked("R00000006", position=position)
    sichuan.cards.CheckAcceptance(request, timeout=DEADLINE_S)
    sichuan.cards.CheckAcceptance(request, timeout=DEADLINE_S)
    ids = [event.event.decision_made.request_id for event in journal(shared_hub.dsn) if event.kind == "decision_made"]
    assert ids.count(request.request_id) == 1


def test_repeats_at_the_same_moment_get_one_answer(chongqing: Province, sichuan: Province) -> None:
    position = chongqing.tell("cq.card-center", registered("R00000007"))
    request = asked("R00000007", position=position)
    calls = [sichuan.cards.CheckAcceptance.future(request, timeout=DEADLINE_S) for _ in range(20)]
    assert len({call.result().position for call in calls}) == 1


def test_another_question_under_a_used_id_is_refused(sichuan: Province) -> None:
    request = asked("R00000008")
    sichuan.cards.CheckAcceptance(request, timeout=DEADLINE_S)
    request.scenario = "TRA.BUS"
    refusal = refused(lambda: sichuan.cards.CheckAcceptance(request, timeout=DEADLINE_S))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")


def test_a_request_id_is_the_participants_own(chongqing: Province, sichuan: Province) -> None:
    mine, theirs = question("the-same-id", "R00000009"), question("the-same-id", "R00000009", region="500103")
    first = sichuan.cards.CheckAcceptance(mine, timeout=DEADLINE_S)
    second = chongqing.cards.CheckAcceptance(theirs, timeout=DEADLINE_S)
    assert first.position < second.position


# What is refused


def test_a_position_not_reached_in_time_is_behind(sichuan: Province) -> None:
    began_s = time.monotonic()
    refusal = refused(lambda: sichuan.cards.CheckAcceptance(asked("K00000001", position=10**9), timeout=DEADLINE_S))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "VIEW_BEHIND")
    # The call's own deadline would have another code.
    assert time.monotonic() - began_s >= VIEW_WAIT_S


def test_a_place_outside_the_callers_province_is_not_permitted(sichuan: Province) -> None:
    refusal = refused(lambda: sichuan.cards.CheckAcceptance(asked("K00000001", region="500103"), timeout=DEADLINE_S))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "NOT_PERMITTED")


def invalid(**changes: object) -> card_service_pb2.CheckAcceptanceRequest:
    request = asked("K00000001")
    for name, value in changes.items():
        setattr(request, name, value)
    return request


def with_card(clear: str, kind: int, province: str = "50") -> card_service_pb2.CheckAcceptanceRequest:
    request = asked(clear, issuer=province)
    request.card.kind = kind  # type: ignore[assignment]
    return request


def at_instant(seconds: int) -> card_service_pb2.CheckAcceptanceRequest:
    request = asked("K00000001", issuer="51")
    request.at.seconds = seconds
    return request


@pytest.mark.parametrize(
    ("request_", "violation"),
    [
        (invalid(scenario="TRA.ROCKET"), ("scenario", "unknown_scenario")),
        (invalid(scenario=""), ("scenario", "string.min_len")),
        (invalid(service_region="519999"), ("service_region", "unknown_region")),
        (invalid(service_region="51"), ("service_region", "string.pattern")),
        (invalid(medium=0), ("medium", "enum.not_in")),
        (invalid(medium=99), ("medium", "enum.defined_only")),
        (invalid(request_id=""), ("request_id", "string.min_len")),
        (invalid(request_id="x" * 65), ("request_id", "string.max_len")),
        (with_card("K1", 1), ("card.clear", "length")),
        (with_card("K0000000!", 1), ("card.clear", "charset")),
        (with_card("9104870005619999999", 3), ("card.clear", "prefix")),
        (with_card("K00000001", 0), ("card.kind", "enum.not_in")),
        (with_card("K00000001", 1, "22"), ("card.issuing_province", "string.in")),
        (with_card("", 1), ("card.clear", "string.min_len")),
        (at_instant(int(time.time()) + 2 * DAY_S), ("at", "in_the_future")),
        (at_instant(-(10**14)), ("at", "impossible_instant")),
        (at_instant(10**14), ("at", "impossible_instant")),
    ],
)
def test_a_question_that_breaks_a_rule_names_the_field(
    request_: card_service_pb2.CheckAcceptanceRequest, violation: tuple[str, str], sichuan: Province
) -> None:
    refusal = refused(lambda: sichuan.cards.CheckAcceptance(request_, timeout=DEADLINE_S))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_INVALID")
    assert refusal.violations == [violation]


def test_a_question_about_no_card_is_invalid(sichuan: Province) -> None:
    request = asked("K00000001")
    request.ClearField("card")
    refusal = refused(lambda: sichuan.cards.CheckAcceptance(request, timeout=DEADLINE_S))
    assert refusal.violations == [("card", "required")]


def test_a_region_that_has_ended_is_unknown_today(chongqing: Province) -> None:
    refusal = refused(lambda: chongqing.cards.CheckAcceptance(asked("K00000001", region="500112"), timeout=DEADLINE_S))
    assert refusal.violations == [("service_region", "unknown_region")]


def test_a_region_that_has_ended_is_known_for_its_time(chongqing: Province) -> None:
    position = chongqing.tell("cq.card-center", registered("K00000012", at_s=LONG_AGO_S))
    request = asked("K00000012", region="500112", at_s=local_s("2025-11-05T23:59:59"), position=position)
    assert chongqing.cards.CheckAcceptance(request, timeout=DEADLINE_S).outcome == ACCEPT


def test_a_region_is_known_for_a_year_after_its_end_as_in_events(chongqing: Province) -> None:
    position = chongqing.tell("cq.card-center", registered("K00000013", at_s=LONG_AGO_S))
    # 500112 ended with 2025-11-05.
    for day in ("2025-11-06T00:00:00", "2026-11-06T23:59:59"):
        request = asked("K00000013", region="500112", at_s=local_s(day), position=position)
        assert chongqing.cards.CheckAcceptance(request, timeout=DEADLINE_S).outcome == ACCEPT
    after = asked("K00000013", region="500112", at_s=local_s("2026-11-07T00:00:00"), position=position)
    assert refused(lambda: chongqing.cards.CheckAcceptance(after, timeout=DEADLINE_S)).violations == [("service_region", "unknown_region")]


# Another time than now


@pytest.mark.parametrize("offset_s", [-DAY_S, -1, 0, DAY_S - 60])
def test_who_does_not_issue_a_card_asks_for_no_other_time_than_now(offset_s: int, sichuan: Province) -> None:
    request = asked("K00000001", at_s=int(time.time()) + offset_s)
    refusal = refused(lambda: sichuan.cards.CheckAcceptance(request, timeout=DEADLINE_S))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "NOT_PERMITTED")


# StreamAcceptance


def streamed(*requests: card_service_pb2.CheckAcceptanceRequest) -> Iterator[card_service_pb2.StreamAcceptanceRequest]:
    return iter([card_service_pb2.StreamAcceptanceRequest(check=request) for request in requests])


def test_a_stream_answers_every_question_once(sichuan: Province) -> None:
    requests = [asked(f"T{number:08}") for number in range(600)]
    answers = list(sichuan.cards.StreamAcceptance(streamed(*requests), timeout=DEADLINE_S))
    assert sorted(answer.request_id for answer in answers) == sorted(request.request_id for request in requests)


def test_a_refused_question_is_answered_in_the_stream(sichuan: Province) -> None:
    answers = list(sichuan.cards.StreamAcceptance(streamed(asked("T00000001", "TRA.ROCKET")), timeout=DEADLINE_S))
    refusal = refused_in_stream(answers[0].refused)
    assert (refusal.reason, refusal.violations) == ("REQUEST_INVALID", [("scenario", "unknown_scenario")])


def test_a_stream_stays_open_after_a_refused_question(sichuan: Province) -> None:
    requests = streamed(asked("T00000001"), asked("T1"), asked("T00000001", region="500103"), asked("T00000001"))
    answers = sichuan.cards.StreamAcceptance(requests, timeout=DEADLINE_S)
    assert sorted(answer.WhichOneof("result") for answer in answers) == ["answered", "answered", "refused", "refused"]


def test_a_fault_of_the_hub_is_answered_in_the_stream_and_the_next_question_is_too(shared_hub: RunningHub, sichuan: Province) -> None:
    request = asked("T00000002")
    sichuan.cards.CheckAcceptance(request, timeout=DEADLINE_S)
    with psycopg.connect(shared_hub.dsn, autocommit=True) as connection:
        # A repeat is answered from a position that does not exist.
        connection.execute("UPDATE journal.request SET position = 0 WHERE position = (SELECT max(position) FROM journal.request)")
    requests = streamed(request, *(asked("T00000002") for _ in range(STREAM_CHECKS)))
    answers = {answer.request_id: answer for answer in sichuan.cards.StreamAcceptance(requests, timeout=DEADLINE_S)}
    assert refused_in_stream(answers.pop(request.request_id).refused).reason == "INTERNAL"
    assert [answer.WhichOneof("result") for answer in answers.values()] == ["answered"] * STREAM_CHECKS


def test_a_recorded_reason_of_a_newer_release_is_given_without_words(shared_hub: RunningHub, sichuan: Province) -> None:
    request = asked("T00000003")
    first = sichuan.cards.CheckAcceptance(request, timeout=DEADLINE_S)
    with psycopg.connect(shared_hub.dsn, autocommit=True) as connection:
        [(data,)] = connection.execute("SELECT data FROM journal.event WHERE position = %s", (first.position,)).fetchall()
        event = event_pb2.Event.FromString(data)
        event.decision_made.reason_codes[:] = ["OF_A_NEWER_RELEASE"]
        newer = event.SerializeToString(deterministic=True)
        connection.execute("UPDATE journal.event SET data = %s WHERE position = %s", (newer, first.position))
    again = sichuan.cards.CheckAcceptance(request, timeout=DEADLINE_S)
    assert list(again.reasons) == [card_service_pb2.Reason(code="OF_A_NEWER_RELEASE")]


def test_a_position_not_reached_holds_up_no_other_question_and_tells_how_far_the_view_is(sichuan: Province) -> None:
    requests = streamed(asked("T00000001", position=10**9), asked("T00000001"))
    answers = list(sichuan.cards.StreamAcceptance(requests, timeout=DEADLINE_S))
    assert [answer.WhichOneof("result") for answer in answers] == ["answered", "refused"]
    assert int(refused_in_stream(answers[1].refused).metadata["as_of_position"]) > 0


# When PostgreSQL is away


@dataclass(frozen=True, slots=True)
class OwnPostgres:
    """A PostgreSQL that can go away and come back."""

    directory: Path

    def start(self) -> str:
        """Starts it, and returns its conninfo."""
        # Not from here: to become another user a process forks, and a fork of a process with gRPC at work may abort.
        start = f"from hub.postgres import server; print(server.EmbeddedPostgres(server.Path({str(self.directory)!r})).start())"
        command = [sys.executable, "-c", start]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.strip()

    def stop(self) -> None:
        """Stops it."""
        stop_any(self.directory)


@dataclass(frozen=True, slots=True)
class Detached:
    """A hub whose PostgreSQL is its own."""

    postgres: OwnPostgres
    sichuan: Province


@pytest.fixture(scope="module")
def detached(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Detached]:
    directory = Path(tempfile.mkdtemp(prefix="hub-test-"))
    directory.chmod(0o755)
    postgres = OwnPostgres(directory)
    # Who starts it is gone at once: it goes on for who uses it.
    users = Users(directory)
    users.join()
    try:
        dsn = postgres.start()
        migrate(dsn)
        with running_hub(dsn, tmp_path_factory.mktemp("detached")) as hub:
            sichuan = Province(hub, SICHUAN)
            # Once this is in the views, the agreements that were loaded before it are too.
            position = sichuan.tell("sc.card-center", registered("W00000000", "51"))
            sichuan.cards.GetCard(card("W00000000", position, "51"), timeout=DEADLINE_S)
            yield Detached(postgres, sichuan)
    finally:
        postgres.stop()
        shutil.rmtree(directory)


@pytest.fixture
def away(detached: Detached) -> Province:
    """Sichuan, which asked before, while PostgreSQL is away."""
    detached.postgres.stop()
    return detached.sichuan


@pytest.fixture
def back(detached: Detached) -> Detached:
    """The hub with its PostgreSQL there, or there again."""
    detached.postgres.start()
    return detached


def test_an_answer_that_cannot_be_recorded_is_not_given(away: Province) -> None:
    refusal = refused(lambda: away.cards.CheckAcceptance(asked("W00000001"), timeout=DEADLINE_S))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "NOT_RECORDED")


def test_that_it_cannot_be_recorded_is_said_at_once(away: Province) -> None:
    # Longer than a participant is taken as known without a look, so that the look fails too.
    time.sleep(1.1)
    began_s = time.monotonic()
    refused(lambda: away.cards.CheckAcceptance(asked("W00000002"), timeout=DEADLINE_S))
    assert time.monotonic() - began_s < CONNECT_WITHIN_S


def test_in_a_stream_it_is_answered_as_refused(away: Province) -> None:
    answers = list(away.cards.StreamAcceptance(streamed(asked("W00000003")), timeout=DEADLINE_S))
    assert refused_in_stream(answers[0].refused).reason == "NOT_RECORDED"


def test_a_card_cannot_be_read(away: Province) -> None:
    refusal = refused(lambda: away.cards.GetCard(card("W00000004"), timeout=DEADLINE_S))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "JOURNAL_UNAVAILABLE")


def test_where_a_feed_stands_cannot_be_told(away: Province) -> None:
    refusal = refused(lambda: away.next_sequence("sc.usage"))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "JOURNAL_UNAVAILABLE")


def test_the_same_question_is_answered_once_postgresql_is_back(back: Detached) -> None:
    request = asked("W00000005")
    back.postgres.stop()
    refused(lambda: back.sichuan.cards.CheckAcceptance(request, timeout=DEADLINE_S))
    back.postgres.start()
    assert back.sichuan.cards.CheckAcceptance(request, timeout=DEADLINE_S).outcome == REFER


def test_an_append_waits_for_postgresql_to_come_back(back: Detached) -> None:
    feed_stands_at = back.sichuan.next_sequence("sc.usage")
    request = feed_service_pb2.AppendEventsRequest(
        feed="sc.usage", first_sequence=feed_stands_at, events=[registered("S00000001", "51")])  # fmt: skip
    back.postgres.stop()
    under_way = back.sichuan.feeds.AppendEvents.future(request, timeout=DEADLINE_S)
    back.postgres.start()
    try:
        answer = under_way.result()
    except grpc.RpcError as refusal:
        # A server that needs more than a second to start is not waited for: senders send again.
        assert refusal.code() is grpc.StatusCode.UNAVAILABLE
        answer = back.sichuan.feeds.AppendEvents(request, timeout=DEADLINE_S)
    assert list(answer.outcomes) == [feed_service_pb2.EVENT_OUTCOME_RECORDED]

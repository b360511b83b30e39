"""The acceptance rules A06 to A90, pure: each side of each, the overrides, and what `explain` says of them."""

import dataclasses
from datetime import date
from typing import Any

import pytest
from chuanyu.exchange.v1 import acceptance_pb2 as acceptance

from hub.commands.rules import PAGE, page
from hub.domain import reference
from hub.domain.acceptance import RULES, Answer, Question, decide, explain
from hub.domain.agreement import Agreements, Terms
from hub.domain.card import Fact
from hub.domain.rule_input import age_on
from hub.domain.rules import offline_mode
from hub.domain.succession import DIED
from tests.facts import at, history, registered, told

TABLES = reference.load()
BOTH = frozenset({"50", "51"})
ALL = Terms("ALL/1", frozenset(TABLES.scenario_codes), BOTH, BOTH, (), frozenset(), frozenset(), 0, None)
CHENGDU, CHONGQING = "510100", "500103"
CARD = history(registered("ACTIVE", transit_enabled=True, birth_date="1955-09-02"))
HOUR = 50.0


def said(
    scenario: str, region: str = CHENGDU, medium: str = "CONTACT", facts: list[Fact] = CARD, *,
    hour: float = HOUR, issuer: str = "50", agreements: tuple[Terms, ...] = (ALL,), **claims: Any,
) -> Answer:  # fmt: skip
    """The answer about a Chongqing card; claims by their field names."""
    entered = claims.pop("entered_hour", None)
    message = acceptance.AcceptanceClaims(**claims)
    if entered is not None:
        message.entered_at.FromMicroseconds(at(entered))
    question = Question(issuer, scenario, region, acceptance.Medium.Value(f"MEDIUM_{medium}"), at(hour), "", message)
    return decide(facts, Agreements(agreements), TABLES, question)


def card(*facts: Fact, **says: Any) -> list[Fact]:
    """An active Chongqing card and what happened to it."""
    return history(registered("ACTIVE", transit_enabled=True, birth_date="1955-09-02", **says), *facts)


BOUND = {"concession_bound": True, "concession_units_left": 3, "resides_in_service_city": True}
SIGNED = told("ecard_signed", 1)
# rule, what is asked, outcome, reasons
TABLE: list[tuple[str, dict[str, Any], str, tuple[str, ...]]] = [
    ("A06", {"scenario": "CUL.MUS", "medium": "ECARD_QR", "facts": card(SIGNED)}, "ACCEPT", ()),
    ("A06", {"scenario": "CUL.MUS", "medium": "ECARD_QR"}, "DENY", ("ECARD_NOT_SIGNED",)),
    ("A06", {"scenario": "CUL.MUS", "medium": "ECARD_SHOW", "ecard_token": "ECARD_TOKEN_VALID"}, "ACCEPT", ()),
    ("A06", {"scenario": "CUL.MUS", "medium": "ECARD_QR", "facts": card(SIGNED), "ecard_token": "ECARD_TOKEN_EXPIRED"},
     "DENY", ("ECARD_TOKEN_EXPIRED",)),
    ("A06", {"scenario": "CUL.MUS", "medium": "ECARD_QR", "facts": card(SIGNED), "ecard_token": "ECARD_TOKEN_USED"},
     "DENY", ("ECARD_TOKEN_USED",)),
    ("A06", {"scenario": "CUL.MUS", "medium": "ECARD_LOGIN", "facts": card(SIGNED), "ecard_token": "ECARD_TOKEN_SIGNATURE_INVALID"},
     "DENY", ("ECARD_SIGNATURE_INVALID",)),
    ("A06", {"scenario": "CUL.MUS", "medium": "ECARD_QR", "facts": card(SIGNED, told("ecard_suspended", 2))}, "DENY", ("ECARD_SUSPENDED",)),
    ("A06", {"scenario": "CUL.MUS", "medium": "ECARD_QR", "facts": card(SIGNED, told("ecard_made_unavailable", 2))},
     "DENY", ("ECARD_UNAVAILABLE",)),
    ("A06", {"scenario": "CUL.MUS", "medium": "ECARD_QR", "facts": card(SIGNED, told("ecard_released", 2))}, "DENY", ("ECARD_RELEASED",)),
    ("A06", {"scenario": "MED.REG", "medium": "ECARD_QR", "facts": card(SIGNED, told("temporary_loss_reported", 10))},
     "DENY", ("LOST_TEMP", "ECARD_SUSPENDED")),
    ("A06", {"scenario": "MED.REG", "medium": "ECARD_QR",
             "facts": card(SIGNED, told("temporary_loss_reported", 10), told("ecard_reauthorized", 11))}, "ACCEPT", ()),
    ("A06", {"scenario": "MED.REG", "medium": "CONTACT",
             "facts": card(SIGNED, told("temporary_loss_reported", 10), told("ecard_reauthorized", 11))}, "DENY", ("LOST_TEMP",)),
    ("A07", {"scenario": "CUL.MUS", "chip_authenticated": True}, "ACCEPT", ()),
    ("A07", {"scenario": "CUL.MUS", "chip_authenticated": False}, "DENY", ("CARD_AUTH_FAIL",)),
    ("A07", {"scenario": "CUL.MUS", "medium": "FACE", "chip_authenticated": False}, "ACCEPT", ()),
    ("A08", {"scenario": "MED.OP", "facts": card(Fact(at(1), 0, DIED, {}))}, "REFER_ISSUER", ("HOLDER_TO_VERIFY",)),
    ("A08", {"scenario": "TRA.MET", "hour": 0.5, "facts": card(Fact(at(1), 0, DIED, {}))}, "ACCEPT", ()),
    ("A08", {"scenario": "MED.OP", "facts": card(Fact(at(1), 0, DIED, {}), told("card_cancelled", 2))}, "DENY", ("CANCELLED",)),
    ("A09", {"scenario": "CUL.MUS", "medium": "WORK_PERMIT", "document_in_force": True}, "ACCEPT", ()),
    ("A09", {"scenario": "CUL.MUS", "medium": "WORK_PERMIT", "document_in_force": False}, "STEP_UP", ("DOCUMENT_NOT_IN_FORCE",)),
    ("A09", {"scenario": "CUL.MUS", "medium": "CONTACT", "document_in_force": False}, "ACCEPT", ()),
    ("A10", {"scenario": "MED.OP", "insured": True}, "ACCEPT", ()),
    ("A10", {"scenario": "MED.OP", "insured": False}, "DENY", ("NOT_INSURED",)),
    ("A10", {"scenario": "MED.OP", "region": CHONGQING, "insured": False}, "DENY", ("NOT_INSURED",)),
    ("A11", {"scenario": "MED.IP"}, "STEP_UP", ("FILE_NOW",)),
    ("A11", {"scenario": "MED.IP", "filing_valid": True}, "ACCEPT", ("FILING_UNVERIFIED",)),
    ("A11", {"scenario": "MED.CHR", "emergency": True}, "ACCEPT", ()),
    ("A11", {"scenario": "MED.IP", "region": CHONGQING}, "ACCEPT", ()),
    ("A12", {"scenario": "MED.RX", "institution_open": False}, "DENY", ("INSTITUTION_NOT_OPEN",)),
    ("A12", {"scenario": "MED.OP", "institution_open": True}, "ACCEPT", ()),
    ("A12", {"scenario": "MED.RX", "region": CHONGQING, "institution_open": False}, "ACCEPT", ()),
    ("A13", {"scenario": "MED.REG", "institution_contracted": False}, "DENY", ("INSTITUTION_NOT_CONTRACTED",)),
    ("A13", {"scenario": "MED.REG", "institution_contracted": True}, "ACCEPT", ()),
    ("A14", {"scenario": "MED.RX", "amount_fen": 5_000}, "STEP_UP", ("PIN",)),
    ("A14", {"scenario": "MED.RX", "amount_fen": 5_000, "auth_level": "AUTH_LEVEL_PIN"}, "ACCEPT", ()),
    ("A14", {"scenario": "MED.RX", "amount_fen": 0}, "ACCEPT", ()),
    ("A14", {"scenario": "MED.RX", "amount_fen": 5_000, "medium": "FACE"}, "ACCEPT", ()),
    ("A20", {"scenario": "TRA.MET", "medium": "CONTACTLESS"}, "ACCEPT", ()),
    ("A20", {"scenario": "TRA.MET", "medium": "CONTACTLESS",
             "facts": history(told("card_registered", 0, status=5, generation=2, card_kind=1))}, "DENY", ("NO_TRANSIT_APP",)),
    ("A20", {"scenario": "TRA.BUS", "medium": "CONTACTLESS", "facts": history(registered("ACTIVE"))}, "DENY", ("NO_TRANSIT_APP",)),
    ("A21", {"scenario": "TRA.BUS", "medium": "CONTACTLESS", "purse_balance_fen": 100, "least_fare_fen": 200}, "DENY", ("BALANCE",)),
    ("A21", {"scenario": "TRA.BUS", "medium": "CONTACTLESS", "purse_balance_fen": 200, "least_fare_fen": 200}, "ACCEPT", ()),
    ("A21", {"scenario": "TRA.BUS", "medium": "CONTACTLESS", "on_device_hotlist": True}, "DENY", ("HOTLIST",)),
    ("A21", {"scenario": "TRA.BUS", "medium": "CONTACTLESS", "facts": card(told("transit_purse_hotlisted", 5))}, "DENY", ("HOTLIST",)),
    ("A22", {"scenario": "TRA.ELD", "region": CHONGQING, "medium": "CONTACTLESS", **BOUND}, "ACCEPT", ()),
    ("A22", {"scenario": "TRA.ELD", "region": CHONGQING, "medium": "CONTACTLESS", "hour": -2_000.0,
             "facts": history(registered("ACTIVE", hour=-3_000, transit_enabled=True, birth_date="1955-01-01"))},
     "ACCEPT_NO_CONCESSION", ("ELDER_NO_SCHEME",)),
    ("A22", {"scenario": "TRA.ELD", "region": CHONGQING, "medium": "CONTACTLESS",
             "facts": history(registered("ACTIVE", transit_enabled=True))}, "ACCEPT_NO_CONCESSION", ("AGE_UNKNOWN",)),
    ("A22", {"scenario": "TRA.ELD", "region": CHONGQING, "medium": "CONTACTLESS",
             "facts": history(registered("ACTIVE", transit_enabled=True, birth_date="1970-01-01"))},
     "ACCEPT_NO_CONCESSION", ("ELDER_AGE",)),
    ("A22", {"scenario": "TRA.ELD", "region": CHONGQING, "medium": "CONTACTLESS", **BOUND, "resides_in_service_city": False},
     "ACCEPT_NO_CONCESSION", ("ELDER_RESIDENCE",)),
    ("A22", {"scenario": "TRA.ELD", "region": CHONGQING, "medium": "CONTACTLESS", **BOUND, "concession_bound": False},
     "ACCEPT_NO_CONCESSION", ("ELDER_NOT_BOUND",)),
    ("A22", {"scenario": "TRA.ELD", "region": CHONGQING, "medium": "CONTACTLESS", **BOUND, "concession_units_left": 0},
     "ACCEPT_NO_CONCESSION", ("ELDER_NO_UNITS",)),
    ("A23", {"scenario": "TRA.ELD", "medium": "CONTACTLESS", **BOUND}, "ACCEPT_NO_CONCESSION", ("CONCESSION_NOT_MUTUAL",)),
    ("A23", {"scenario": "TRA.ELD", "medium": "CONTACTLESS", **BOUND, "agreements": ()}, "DENY", ("NO_AGREEMENT", "CONCESSION_NOT_MUTUAL")),
    ("A23", {"scenario": "TRA.ELD", "region": CHONGQING, "medium": "CONTACTLESS", **BOUND}, "ACCEPT", ()),
    ("A24", {"scenario": "TRA.MET", "medium": "CONTACTLESS", "is_exit": True, "entered_hour": HOUR - 1}, "ACCEPT", ()),
    ("A24", {"scenario": "TRA.MET", "medium": "CONTACTLESS", "is_exit": True, "entered_hour": HOUR + 0.14}, "ACCEPT", ()),
    ("A24", {"scenario": "TRA.MET", "medium": "CONTACTLESS", "is_exit": True, "entered_hour": HOUR - 5}, "ACCEPT", ("INCOMPLETE_JOURNEY",)),
    ("A24", {"scenario": "TRA.MET", "medium": "CONTACTLESS", "is_exit": True}, "ACCEPT", ("INCOMPLETE_JOURNEY",)),
    ("A31", {"scenario": "CUL.LIB.BRW", "reader_registered": True}, "ACCEPT", ()),
    ("A31", {"scenario": "CUL.LIB.BRW", "reader_registered": False}, "STEP_UP", ("REGISTER_READER",)),
    ("A31", {"scenario": "CUL.LIB.BRW", "reader_blocked": True}, "DENY", ("READER_BLOCKED",)),
    ("A31", {"scenario": "CUL.LIB.IN", "reader_blocked": True}, "ACCEPT", ()),
    ("A32", {"scenario": "CUL.LIB.RET", "facts": history(registered("FORMALLY_LOST")), "agreements": ()},
     "ACCEPT", ("RETURN_ALWAYS_ACCEPTED",)),
    ("A32", {"scenario": "CUL.LIB.RET", "facts": []}, "ACCEPT", ("RETURN_ALWAYS_ACCEPTED",)),
    ("A33", {"scenario": "TOU.GATE", "ticket_held": True}, "ACCEPT", ()),
    ("A33", {"scenario": "TOU.GATE", "ticket_held": False}, "ACCEPT_NO_CONCESSION", ("TICKET_NEEDED",)),
    ("A33", {"scenario": "TOU.GATE", "concession_document": False}, "ACCEPT_NO_CONCESSION", ("CONCESSION_DOCUMENT_MISSING",)),
    ("A34", {"scenario": "TOU.HTL"}, "STEP_UP", ("ID_CARD",)),
    ("A34", {"scenario": "TOU.HTL", "police_terminal_matched": True}, "ACCEPT", ()),
    ("A40", {"scenario": "GOV.CASE", "item_shared": False}, "DENY", ("ITEM_NOT_SHARED",)),
    ("A40", {"scenario": "GOV.CASE", "channel_allowed": False}, "STEP_UP", ("OTHER_CHANNEL",)),
    ("A40", {"scenario": "GOV.ID", "item_auth_level": "AUTH_LEVEL_FACE", "auth_level": "AUTH_LEVEL_PIN"}, "STEP_UP", ("AUTH_LEVEL",)),
    ("A40", {"scenario": "GOV.ID", "item_auth_level": "AUTH_LEVEL_PIN", "auth_level": "AUTH_LEVEL_FACE"}, "ACCEPT", ()),
    ("A41", {"scenario": "GOV.CASE", "acting_as": "ACTING_AS_AGENT"}, "STEP_UP", ("PROOF_OF_AUTHORITY",)),
    ("A41", {"scenario": "GOV.CASE", "acting_as": "ACTING_AS_GUARDIAN", "authority_proven": True}, "ACCEPT", ()),
    ("A41", {"scenario": "GOV.CASE", "acting_as": "ACTING_AS_HOLDER"}, "ACCEPT", ()),
    ("A50", {"scenario": "HR.SUB", "facts": history(registered("SEALED"))}, "DENY", ("CARD_SEALED",)),
    ("A51", {"scenario": "HR.CERT", "already_certified": True}, "ACCEPT", ("ALREADY_CERTIFIED",)),
    ("A51", {"scenario": "HR.CERT"}, "ACCEPT", ()),
    ("A60", {"scenario": "FND.PAY", "facts": card(told("bank_account_opened", 1), told("bank_account_activated", 2))}, "ACCEPT", ()),
    ("A60", {"scenario": "FND.PAY"}, "REFER_ISSUER", ("ACCOUNT_UNKNOWN",)),
    ("A60", {"scenario": "FND.PAY", "facts": card(told("bank_account_opened", 1))}, "DENY", ("ACCOUNT_INACTIVE",)),
    ("A60", {"scenario": "FND.PAY", "facts": card(told("bank_account_opened", 1), told("bank_account_activated", 2)),
             "payee_name_matches": False}, "DENY", ("ACCOUNT_NAME",)),
    ("A61", {"scenario": "FND.PAY", "facts": card(told("bank_account_opened", 1), told("bank_account_activated", 2)),
             "already_paid": True}, "DENY", ("DUPLICATE",)),
    ("A61", {"scenario": "FND.PAY", "facts": card(told("bank_account_opened", 1), told("bank_account_activated", 2))}, "ACCEPT", ()),
    ("A70", {"scenario": "CARD.LOSS"}, "STEP_UP", ("IDENTITY",)),
    ("A70", {"scenario": "CARD.LOSS", "auth_level": "AUTH_LEVEL_PIN"}, "ACCEPT", ()),
    ("A70", {"scenario": "CARD.LOSS", "auth_level": "AUTH_LEVEL_PIN", "chip_authenticated": False,
             "facts": card(told("loss_request_submitted", 10, loss_type=1))}, "ACCEPT", ()),
    ("A71", {"scenario": "CARD.REPL", "is_online": True, "told_number_changes": True,
             "facts": card(told("bank_account_opened", 1), told("bank_account_activated", 2))}, "STEP_UP", ("BANK_LOSS_FIRST",)),
    ("A71", {"scenario": "CARD.REPL", "is_online": True}, "STEP_UP", ("NUMBER_WILL_CHANGE",)),
    ("A71", {"scenario": "CARD.REPL", "is_online": True, "told_number_changes": True}, "ACCEPT", ()),
    ("A71", {"scenario": "CARD.REPL"}, "ACCEPT", ()),
    ("A72", {"scenario": "CARD.PIN"}, "REFER_ISSUER", ("PIN_AT_ISSUER",)),
    ("A72", {"scenario": "CARD.PIN", "region": CHONGQING}, "ACCEPT", ()),
    ("A80", {"scenario": "GOV.ID", "group_service": True}, "ACCEPT", ("GROUP_EXTRA_WITHHELD",)),
    ("A80", {"scenario": "GOV.ID", "group_service": True, "group_basis": True}, "ACCEPT", ()),
    ("A80", {"scenario": "GOV.ID", "group_service": True, "group_basis": True, "group_opted_out": True},
     "ACCEPT", ("GROUP_EXTRA_WITHHELD",)),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "asked", "outcome", "reasons"), TABLE)
def test_a_rule_says_what_was_agreed(rule: str, asked: dict[str, Any], outcome: str, reasons: tuple[str, ...]) -> None:
    assert said(**asked)[:2] == (outcome, reasons), rule


def test_every_rule_from_a06_on_is_in_the_table_with_both_sides() -> None:
    always = {"A32", "A34", "A72"}
    for rule in RULES:
        if rule.rule_id >= "A06":
            spoke = {any(TABLES.reason(code).rule == rule.rule_id for code in codes) for name, _, _, codes in TABLE if name == rule.rule_id}
            assert True in spoke, rule.rule_id
            assert False in spoke or rule.rule_id in always, rule.rule_id


def test_a_mutual_agreement_gives_the_concession_across_the_border() -> None:
    mutual = dataclasses.replace(ALL, concession="MUTUAL")
    assert said("TRA.ELD", medium="CONTACTLESS", agreements=(mutual,), **BOUND)[:2] == ("ACCEPT", ())


def test_an_elders_ride_rests_on_the_agreement_about_the_ride() -> None:
    rides = Terms("R/1", frozenset({"TRA.MET"}), frozenset({"50"}), frozenset({"51"}), (), frozenset(), frozenset(), 0, None)
    assert said("TRA.ELD", medium="CONTACTLESS", agreements=(rides,), **BOUND).agreement_codes == ("R/1",)


@pytest.mark.parametrize(
    ("birth_date", "day", "age"),
    [
        ("1960-09-01", date(2025, 8, 31), 64),
        ("1960-09-01", date(2025, 9, 1), 65),
        ("2011-09-01", date(2025, 8, 31), 13),
        ("2011-09-01", date(2025, 9, 1), 14),
        ("2008-02-29", date(2025, 2, 28), 16),
        ("2008-02-29", date(2025, 3, 1), 17),
    ],
)
def test_a_birthday_begins_at_local_midnight(birth_date: str, day: date, age: int) -> None:
    assert age_on(birth_date, day) == age


@pytest.mark.parametrize(
    ("day", "rule", "age"),
    [
        (date(2025, 2, 27), "02-28", 16),
        (date(2025, 2, 28), "02-28", 17),
        (date(2025, 2, 28), "03-01", 16),
        (date(2025, 3, 1), "03-01", 17),
        (date(2028, 2, 28), "02-28", 19),
        (date(2028, 2, 29), "03-01", 20),
    ],
)
def test_a_birthday_of_29_february_is_in_a_common_year_as_the_serving_city_says(day: date, rule: str, age: int) -> None:
    assert age_on("2008-02-29", day, rule) == age


@pytest.mark.parametrize(("hour", "reasons"), [(23.99, ("ELDER_AGE",)), (24.0, ())])
def test_a22_the_concession_starts_at_local_midnight_of_the_birthday(hour: float, reasons: tuple[str, ...]) -> None:
    facts = history(registered("ACTIVE", transit_enabled=True, birth_date="1960-09-02"))
    assert said("TRA.ELD", CHONGQING, "CONTACTLESS", facts, hour=hour, **BOUND).reason_codes == reasons


@pytest.mark.parametrize(
    ("scenario", "mode"),
    [
        ("TRA.MET", "DEVICE_HOTLIST"),
        ("CUL.LIB.BRW", "CACHED_STATUS_24H"),
        ("MED.OP", "FAIL_CLOSED"),
        ("FND.PAY", "FAIL_CLOSED"),
        ("GOV.CASE", "FAIL_CLOSED"),
        ("GOV.ID", "FAIL_CLOSED"),
        ("CARD.LOSS", "FAIL_CLOSED"),
    ],
)
def test_a90_every_scenario_has_a_mode_without_the_hub(scenario: str, mode: str) -> None:
    assert offline_mode(scenario) == mode


def test_explain_asks_the_same_rules_and_shows_what_they_saw() -> None:
    claims = acceptance.AcceptanceClaims(purse_balance_fen=100, least_fare_fen=200)
    question = Question("50", "TRA.MET", CHENGDU, acceptance.MEDIUM_CONTACTLESS, at(HOUR), "", claims)
    verdicts = explain(CARD, Agreements((ALL,)), TABLES, question)
    assert [verdict.rule.rule_id for verdict in verdicts] == [rule.rule_id for rule in RULES]
    spoken = [verdict for verdict in verdicts if verdict.reason_code]
    assert [(verdict.rule.rule_id, verdict.reason_code) for verdict in spoken] == [("A21", "BALANCE")]
    assert dict(spoken[0].saw)["claims.purse_balance_fen"] == "100"
    assert {verdict.rule.rule_id for verdict in verdicts if verdict.is_asked} >= {"A01", "A04", "A20", "A21", "A24"}
    assert not next(verdict for verdict in verdicts if verdict.rule.rule_id == "A10").is_asked


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.rule_id)
def test_explain_can_show_all_that_a_rule_looks_at(rule: Any) -> None:
    question = Question("50", rule.scenarios[0].replace("*", "OP") if rule.scenarios[0] != "*" else "CUL.MUS", CHENGDU, 1, at(HOUR))
    for verdict in explain(CARD, Agreements((ALL,)), TABLES, question):
        assert all(isinstance(value, str) for _, value in verdict.saw)


def test_every_reason_belongs_to_a_rule_and_has_words_and_a_rule_has_titles() -> None:
    rules = {rule.rule_id for rule in RULES}
    for code, reason in TABLES.reasons.items():
        assert code == "OK" or reason.rule in rules, code
        assert reason.text_zh, code
        assert reason.text_en, code
    assert all(rule.title_zh and rule.title_en and rule.ask.__doc__ for rule in RULES)


def test_the_page_is_written_from_the_rules() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: hub rules --write-docs"

"""The acceptance rules A01 to A05, pure: each side of each; the order of all rules, and that an answer is always given."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from chuanyu.exchange.v1 import acceptance_pb2
from hypothesis import given
from hypothesis import strategies as st

from hub.domain import reference
from hub.domain.acceptance import OUTCOMES, Answer, Question, decide, rules_digest
from hub.domain.agreement import Agreements, Terms, terms_of
from hub.domain.agreement_table import seed_agreements
from hub.domain.card import Fact
from hub.domain.instants import local_day
from hub.domain.reference import Reference
from tests.facts import any_history, at, history, registered, told

TABLES = reference.load()
SEEDED = tuple(
    terms_of(agreement.code, agreement.terms) for agreement in seed_agreements(TABLES.agreements, datetime(2026, 1, 1, tzinfo=UTC))
)
CONTACT, CONTACTLESS, ECARD_QR, ECARD_SHOW = (
    acceptance_pb2.MEDIUM_CONTACT, acceptance_pb2.MEDIUM_CONTACTLESS, acceptance_pb2.MEDIUM_ECARD_QR,
    acceptance_pb2.MEDIUM_ECARD_SHOW)  # fmt: skip
ACTIVE = history(registered("ACTIVE"))


def us(text: str) -> int:
    """Microseconds since 1970 of a local time in +08:00."""
    return int(datetime.fromisoformat(text).replace(tzinfo=timezone(timedelta(hours=8))).timestamp()) * 1_000_000


def agreed(**changes: object) -> Terms:
    """An agreement: Chongqing's cards, for the metro of Sichuan, by any medium, from hour 0 to hour 100."""
    terms = {
        "code": "X/1", "scenarios": frozenset({"CUL.MUS"}), "issuer_provinces": frozenset({"50"}),
        "serving_provinces": frozenset({"51"}), "serving_regions": (), "venues": frozenset(), "media": frozenset(),
        "from_us": at(0), "to_us": at(100)}  # fmt: skip
    return Terms(**{**terms, **changes})  # type: ignore[arg-type]


def asked(
    scenario: str = "CUL.MUS", region: str = "510100", medium: int = CONTACTLESS, hour: float = 50, issuer: str = "50",
    venue: str = "",
) -> Question:  # fmt: skip
    return Question(issuer, scenario, region, medium, at(hour), venue)


def answer(facts: list[Fact], question: Question, *agreements: Terms) -> Answer:
    return decide(facts, Agreements(agreements), TABLES, question)


def reasons(facts: list[Fact], question: Question, *agreements: Terms) -> tuple[str, ...]:
    return answer(facts, question, *agreements).reason_codes


# A01 to A03


def test_a01_an_unknown_card_is_referred_to_its_issuer() -> None:
    said = answer([], asked(), agreed())
    assert (said.outcome, said.reason_codes) == ("REFER_ISSUER", ("CARD_UNKNOWN",))


def test_a01_a_card_that_began_after_the_instant_is_unknown_at_it() -> None:
    assert reasons(history(registered("ACTIVE", 60)), asked(hour=50), agreed()) == ("CARD_UNKNOWN",)


def test_a02_an_active_card_is_accepted() -> None:
    said = answer(ACTIVE, asked(), agreed())
    assert (said.outcome, said.reason_codes) == ("ACCEPT", ())


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("SEALED", "CARD_SEALED"),
        ("TEMP_LOST", "LOST_TEMP"),
        ("FORMALLY_LOST", "LOST_FORMAL"),
        ("APP_LOCKED", "LOCKED"),
        ("CANCELLED", "CANCELLED"),
        ("APPLIED", "CARD_NOT_ISSUED"),
        ("IN_PRODUCTION", "CARD_NOT_ISSUED"),
        ("PRODUCED", "CARD_NOT_ISSUED"),
        ("REJECTED", "CARD_NOT_ISSUED"),
        ("PRODUCTION_FAILED", "CARD_NOT_ISSUED"),
    ],
)
def test_a02_any_other_status_is_denied_with_its_reason(status: str, reason: str) -> None:
    said = answer(history(registered(status)), asked(), agreed())
    assert (said.outcome, said.reason_codes) == ("DENY", (reason,))


@pytest.mark.parametrize(
    ("scenario", "expected"),
    [("CARD.LOSS", ("IDENTITY",)), ("CARD.APPLY", ()), ("CARD.ACT", ()), ("CARD.REPL", ()), ("CARD.PIN", ("PIN_AT_ISSUER",))],
)
def test_a02_what_is_done_about_the_card_itself_needs_no_active_card(scenario: str, expected: tuple[str, ...]) -> None:
    terms = agreed(scenarios=frozenset({scenario}))
    assert reasons(history(registered("FORMALLY_LOST")), asked(scenario), terms) == expected


def test_a02_counts_at_home_too() -> None:
    assert reasons(history(registered("SEALED")), asked("MED.OP", "500103")) == ("CARD_SEALED",)


def test_a03_a_provisional_block_denies() -> None:
    facts = history(registered("ACTIVE"), told("loss_request_submitted", 10, loss_type=1))
    said = answer(facts, asked(), agreed())
    assert (said.outcome, said.reason_codes) == ("DENY", ("PROVISIONAL_BLOCK",))


def test_a03_counts_for_what_is_done_about_the_card_itself() -> None:
    facts = history(registered("ACTIVE"), told("loss_request_submitted", 10, loss_type=1))
    assert reasons(facts, asked("CARD.REPL"), agreed(scenarios=frozenset({"CARD.REPL"}))) == ("PROVISIONAL_BLOCK",)


def test_a03_ends_with_the_block() -> None:
    facts = history(registered("ACTIVE"), told("loss_request_submitted", 10, loss_type=1))
    assert reasons(facts, asked(hour=82), agreed()) == ()


# A04


@pytest.mark.parametrize(("hour", "expected"), [(-1, "NO_AGREEMENT"), (0, None), (99.999, None), (100, "AGREEMENT_EXPIRED")])
def test_a04_an_agreement_holds_from_its_instant_until_its_end(hour: float, expected: str | None) -> None:
    facts = history(registered("ACTIVE", -1000))
    assert reasons(facts, asked(hour=hour), agreed()) == ((expected,) if expected else ())


@pytest.mark.parametrize(("hour", "expected"), [(9, ()), (10, ("AGREEMENT_SUSPENDED",)), (60, ())])
def test_a04_while_it_is_suspended_an_agreement_does_not_hold(hour: float, expected: tuple[str, ...]) -> None:
    assert reasons(ACTIVE, asked(hour=hour), agreed(suspended=((at(10), at(60)),))) == expected


def test_a04_without_an_end_an_agreement_holds_for_good() -> None:
    assert reasons(ACTIVE, asked(hour=100_000), agreed(to_us=None)) == ()


def test_a04_at_home_no_agreement_is_asked_for() -> None:
    assert reasons(ACTIVE, asked(region="500103")) == ()


def test_a04_the_place_decides_whether_it_is_home_not_the_holder() -> None:
    assert reasons(ACTIVE, asked(region="510100")) == ("NO_AGREEMENT",)


@pytest.mark.parametrize(
    "terms",
    [
        agreed(scenarios=frozenset({"TRA.BUS"})),
        agreed(issuer_provinces=frozenset({"51"})),
        agreed(serving_provinces=frozenset({"50"})),
        agreed(serving_regions=("5103", "510700")),
        agreed(venues=frozenset({"CD-METRO"})),
    ],
    ids=["another scenario", "the other direction", "another side", "another place", "another venue"],
)
def test_a04_an_agreement_about_something_else_is_none(terms: Terms) -> None:
    assert reasons(ACTIVE, asked(), terms) == ("NO_AGREEMENT",)


def test_a04_a_prefix_covers_the_regions_below_it() -> None:
    assert reasons(ACTIVE, asked(region="510107"), agreed(serving_regions=("5101",))) == ()


def test_a04_a_listed_venue_is_covered() -> None:
    assert reasons(ACTIVE, asked(venue="CD-METRO"), agreed(venues=frozenset({"CD-METRO"}))) == ()


@pytest.mark.parametrize(("scenario", "expected"), [("CUL.LIB.BRW", ()), ("CUL.LIB.IN", ()), ("CUL.MUS", ("NO_AGREEMENT",))])
def test_a04_a_group_covers_the_scenarios_below_it(scenario: str, expected: tuple[str, ...]) -> None:
    assert reasons(ACTIVE, asked(scenario), agreed(scenarios=frozenset({"CUL.LIB.*"}))) == expected


def test_a04_a_medium_that_is_not_listed_is_not_covered() -> None:
    assert reasons(ACTIVE, asked(medium=CONTACT), agreed(media=frozenset({ECARD_QR}))) == ("MEDIUM_NOT_COVERED",)


def test_a04_one_agreement_that_covers_the_medium_is_enough() -> None:
    terms = agreed(media=frozenset({ECARD_QR})), agreed(code="Y/1", media=frozenset({CONTACT}))
    assert reasons(ACTIVE, asked(medium=CONTACT), *terms) == ()


def test_a04_an_ended_version_is_no_reason_while_the_next_holds() -> None:
    terms = agreed(to_us=at(40)), agreed(code="X/2", from_us=at(40), to_us=None)
    assert reasons(ACTIVE, asked(hour=40), *terms) == ()


def test_a04_the_library_agreement_of_2021_takes_other_media_in_each_direction() -> None:
    sichuan = Question("50", "CUL.LIB.BRW", "510100", CONTACT, us("2021-06-01"))
    chongqing = Question("51", "CUL.LIB.BRW", "500106", CONTACT, us("2021-06-01"))
    facts = history(registered("ACTIVE", -100_000))
    assert reasons(facts, sichuan, *SEEDED) == ("MEDIUM_NOT_COVERED",)
    assert reasons(facts, chongqing, *SEEDED) == ()


def test_a04_of_the_history_every_version_is_in_force_somewhere() -> None:
    assert sorted(terms.code for terms in SEEDED) == [
        "ELDER-CQ-LOCAL/1", "LIB-CQ-HOSTS/1", "LIB-CQ-HOSTS/2", "LIB-CQ-HOSTS/3", "LIB-CQ-HOSTS/4", "LIB-SC-HOSTS/1",
        "LIB-SC-HOSTS/2", "LIB-SC-HOSTS/3", "LIB-SC-HOSTS/4", "ORD-CARD/1", "ORD-FUND/1", "ORD-GOV/1", "ORD-HR/1",
        "ORD-MEDICAL/1", "ORD-MUSEUMS/1", "ORD-SCENIC-SPOTS/1", "ORD-TRANSIT/1", "QR-CQ-HOSTS/1",
        "QR-SC-HOSTS/1"]  # fmt: skip


# A05


def temporary() -> list[Fact]:
    return history(registered("ACTIVE")._replace(detail={"status": "ACTIVE", "card_kind": "TEMPORARY"}))


def test_a05_a_temporary_card_is_denied_abroad() -> None:
    # G15.
    said = answer(temporary(), asked(), agreed())
    assert (said.outcome, said.reason_codes) == ("DENY", ("TEMP_CARD_LOCAL_ONLY",))


def test_a05_a_temporary_card_is_accepted_at_home() -> None:
    assert reasons(temporary(), asked(region="500103")) == ()


def changed(parameter: str, value: str) -> Reference:
    """The tables with another value of a parameter in Chongqing."""
    [row] = TABLES.policies[parameter, "50"]
    return replace(TABLES, policies={**TABLES.policies, (parameter, "50"): (replace(row, value=value),)})


def test_a05_a_temporary_card_is_accepted_abroad_where_its_province_lets_it() -> None:
    said = decide(temporary(), Agreements((agreed(),)), changed("tempCardCrossRegion", "true"), asked())
    assert said.reason_codes == ()


def test_a05_a_temporary_card_is_denied_after_its_days_at_home_too() -> None:
    last, over = (asked(region="500103", hour=days * 24) for days in (59, 61))
    assert (reasons(temporary(), last), reasons(temporary(), over)) == ((), ("TEMP_CARD_EXPIRED",))


# A02, where a province lets the social function end with the card


def expired() -> list[Fact]:
    return history(registered("ACTIVE")._replace(detail={"status": "ACTIVE", "expires_on": "2025-08-31"}))


def test_a02_an_expired_card_is_accepted_while_its_social_function_survives() -> None:
    assert reasons(expired(), asked(region="500103")) == ()


def test_a02_an_expired_card_is_denied_where_its_social_function_ends_with_it() -> None:
    said = decide(expired(), Agreements(()), changed("socialFunctionSurvivesExpiry", "false"), asked(region="500103"))
    assert (said.outcome, said.reason_codes) == ("DENY", ("CARD_EXPIRED",))


# An unknown card


def test_a03_a_block_holds_for_a_card_the_hub_does_not_know() -> None:
    facts = history(told("loss_request_submitted", 1, loss_type=1))
    assert reasons(facts, asked(hour=2), agreed()) == ("CARD_UNKNOWN", "PROVISIONAL_BLOCK")


# Golden cases


def test_g10_of_two_cards_the_one_not_lost_stays_usable() -> None:
    lost = history(registered("ACTIVE"), told("formal_loss_reported", 1))
    assert reasons(lost, asked(), agreed()) == ("LOST_FORMAL",)
    assert reasons(ACTIVE, asked(issuer="51"), agreed(issuer_provinces=frozenset({"51"}))) == ()


def test_g16_a_sealed_card_is_told_to_be_enabled_online() -> None:
    (code,) = reasons(history(registered("SEALED")), asked("MED.OP"), agreed(scenarios=frozenset({"MED.OP"})))
    assert "12333" in TABLES.reason(code).advice_en


# The answer as a whole


def test_all_reasons_are_given_in_the_order_of_the_rules() -> None:
    sealed = registered("SEALED")._replace(detail={"status": "SEALED", "card_kind": "TEMPORARY"})
    facts = history(sealed, told("loss_request_submitted", 10, loss_type=1))
    assert reasons(facts, asked()) == ("CARD_SEALED", "PROVISIONAL_BLOCK", "NO_AGREEMENT", "TEMP_CARD_LOCAL_ONLY")


def test_the_strictest_reason_gives_the_outcome() -> None:
    said = answer([], asked())
    assert (said.outcome, said.reason_codes) == ("DENY", ("CARD_UNKNOWN", "NO_AGREEMENT"))


def test_an_answer_names_the_agreements_it_rests_on() -> None:
    by_ecard = agreed(code="Y/1", media=frozenset({ECARD_SHOW}))
    for_buses = agreed(code="Z/1", scenarios=frozenset({"TRA.BUS"}))
    assert answer(ACTIVE, asked(), agreed(), by_ecard, for_buses).agreement_codes == ("X/1",)


def test_an_answer_at_home_rests_on_no_agreement() -> None:
    at_home = agreed(serving_provinces=frozenset({"50"}))
    assert answer(ACTIVE, asked(region="500103"), at_home).agreement_codes == ()


QUESTIONS = st.builds(
    Question,
    issuing_province=st.sampled_from(["50", "51"]),
    scenario=st.sampled_from(sorted(TABLES.scenario_codes)),
    service_region=st.sampled_from(sorted(TABLES.regions)),
    medium=st.integers(1, 8),
    at_us=st.integers(0, us("9999-12-31")),
    venue_code=st.sampled_from(["", "CD-METRO"]),
)
AGREEMENTS = st.lists(st.sampled_from([*SEEDED, agreed(venues=frozenset({"CD-METRO"}))]), unique=True).map(tuple)


@given(any_history(), AGREEMENTS, QUESTIONS)
def test_an_answer_is_always_given(facts: list[Fact], agreements: tuple[Terms, ...], question: Question) -> None:
    said = answer(facts, question, *agreements)
    assert said.outcome in OUTCOMES
    outcomes = [TABLES.reason(code).outcome for code in said.reason_codes]
    assert said.outcome == max(outcomes, key=OUTCOMES.index, default="ACCEPT")


@given(any_history(), AGREEMENTS, QUESTIONS)
def test_the_same_question_gets_the_same_answer(facts: list[Fact], agreements: tuple[Terms, ...], question: Question) -> None:
    assert answer(facts, question, *agreements) == answer(facts, question, *agreements)


@given(any_history(), AGREEMENTS, QUESTIONS, st.randoms())
def test_the_order_of_agreements_is_nothing(facts, agreements, question, random) -> None:  # type: ignore[no-untyped-def]
    shuffled = list(agreements)
    random.shuffle(shuffled)
    assert answer(facts, question, *agreements)[:2] == answer(facts, question, *shuffled)[:2]


# What the rules are given


@pytest.mark.parametrize(
    ("at_us", "day"),
    [(us("2025-01-01T00:00:00") - 1, date(2024, 12, 31)), (us("2025-01-01T00:00:00"), date(2025, 1, 1))],
)
def test_a_day_begins_at_local_midnight(at_us: int, day: date) -> None:
    assert local_day(at_us) == day


def test_rules_and_data_have_one_digest() -> None:
    assert (len(rules_digest()), rules_digest()) == (32, rules_digest())

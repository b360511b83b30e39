"""The fold of a card: L1 to L18, the other lives, what runs out, contradictions; the order of arrival is nothing."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.card import STATE_KINDS, Standing, with_fact, without_fact
from hub.domain.event_rules import KIND_NUMBERS
from tests.facts import DAY_HOURS, STATUSES, any_fact, any_history, at, history, is_usable, registered, stands, told

# (from, kind, to): what the machine of the social function allows, L1 to L16.
ALLOWED = [
    ("REJECTED", "card_applied", "APPLIED"),
    ("APPLIED", "application_rejected", "REJECTED"),
    ("APPLIED", "production_batched", "IN_PRODUCTION"),
    ("PRODUCTION_FAILED", "production_batched", "IN_PRODUCTION"),
    ("IN_PRODUCTION", "card_handed_over", "SEALED"),
    ("PRODUCED", "card_handed_over", "SEALED"),
    ("SEALED", "social_function_activated", "ACTIVE"),
    ("PRODUCED", "social_function_activated", "ACTIVE"),
    ("ACTIVE", "temporary_loss_reported", "TEMP_LOST"),
    ("APP_LOCKED", "temporary_loss_reported", "TEMP_LOST"),
    ("TEMP_LOST", "temporary_loss_expired", "ACTIVE"),
    ("ACTIVE", "formal_loss_reported", "FORMALLY_LOST"),
    ("TEMP_LOST", "formal_loss_reported", "FORMALLY_LOST"),
    ("APP_LOCKED", "formal_loss_reported", "FORMALLY_LOST"),
    ("SEALED", "formal_loss_reported", "FORMALLY_LOST"),
    ("TEMP_LOST", "loss_released", "ACTIVE"),
    ("FORMALLY_LOST", "loss_released", "ACTIVE"),
    ("ACTIVE", "app_locked", "APP_LOCKED"),
    ("APP_LOCKED", "app_unlocked", "ACTIVE"),
    ("ACTIVE", "card_superseded", "CANCELLED"),
    ("FORMALLY_LOST", "card_superseded", "CANCELLED"),
]
SOCIAL_KINDS = sorted({kind for _, kind, _ in ALLOWED})
NOT_ALLOWED = sorted(set(product(STATUSES, SOCIAL_KINDS)) - {step[:2] for step in ALLOWED})


# The social function, L1 to L18


@pytest.mark.parametrize(("before", "kind", "after"), ALLOWED)
def test_an_allowed_fact_moves_the_card(before: str, kind: str, after: str) -> None:
    card = stands(history(registered(before), told(kind, 1)), 1)
    assert (card.social_status, card.contradictions) == (after, ())


@pytest.mark.parametrize(("before", "kind"), NOT_ALLOWED)
def test_a_fact_that_is_not_allowed_is_a_contradiction(before: str, kind: str) -> None:
    assert stands(history(registered(before), told(kind, 1)), 1).contradictions == (2,)


@pytest.mark.parametrize(("before", "kind"), [pair for pair in NOT_ALLOWED if pair[0] != "ACTIVE"])
def test_a_contradiction_makes_no_card_usable(before: str, kind: str) -> None:
    assert stands(history(registered(before), told(kind, 1)), 1).social_status != "ACTIVE"


def test_l1_an_application_is_where_a_card_begins() -> None:
    card = stands(history(told("card_applied", 0, generation=3, card_kind=2)), 0)
    assert (card.social_status, card.generation, card.card_kind) == ("APPLIED", "THIRD", "TEMPORARY")


def test_l1_an_application_takes_no_card_in_use_away() -> None:
    assert stands(history(registered("ACTIVE"), told("card_applied", 1)), 1).social_status == "ACTIVE"


@pytest.mark.parametrize(("succeeded", "after"), [(True, "PRODUCED"), (False, "PRODUCTION_FAILED")])
def test_l4_production_returns_a_card_or_a_failure(succeeded: bool, after: str) -> None:
    facts = history(registered("IN_PRODUCTION"), told("production_returned", 1, succeeded=succeeded))
    assert stands(facts, 1).social_status == after


def test_l4_production_tells_what_card_it_is() -> None:
    says = {"succeeded": True, "generation": 3, "expires_on": "2035-09-01", "transit_enabled": True}
    returned = told("production_returned", 1, **says)
    card = stands(history(told("card_applied", 0), returned), 1)
    assert (card.generation, card.expires_on, card.transit_purse_status) == ("THIRD", "2035-09-01", "LOADED")


def test_l5_l6_a_card_handed_over_is_sealed_until_it_is_enabled() -> None:
    facts = history(registered("PRODUCED"), told("card_handed_over", 1), told("social_function_activated", 2))
    assert [stands(facts, hour).social_status for hour in (1, 2)] == ["SEALED", "ACTIVE"]


def test_l8_a_temporary_loss_that_ends_leaves_the_lock_that_was_there() -> None:
    facts = history(registered("APP_LOCKED"), told("temporary_loss_reported", 1), told("temporary_loss_expired", 2))
    assert stands(facts, 2).social_status == "APP_LOCKED"


def test_l10_a_release_does_not_enable_a_card_that_never_was() -> None:
    facts = history(registered("SEALED"), told("formal_loss_reported", 1), told("loss_released", 2))
    assert stands(facts, 2).social_status == "SEALED"


def test_l12_an_unlocking_does_not_enable_a_card_that_never_was() -> None:
    facts = history(registered("SEALED"), told("app_locked", 1), told("app_unlocked", 2))
    assert stands(facts, 2).social_status == "SEALED"


def test_l11_a_lock_during_a_temporary_loss_does_not_end_the_loss() -> None:
    facts = history(registered("ACTIVE"), told("temporary_loss_reported", 1), told("app_locked", 2), told("app_unlocked", 3))
    assert stands(facts, 3).social_status == "TEMP_LOST"


def test_l13_a_release_after_a_reissue_was_applied_for_is_refused() -> None:
    # G7, Sichuan's rule.
    facts = history(registered("ACTIVE"), told("formal_loss_reported", 1), told("reissue_applied", 2), told("loss_released", 3))
    card = stands(facts, 3)
    assert (card.social_status, card.reissue_pending, card.contradictions) == ("FORMALLY_LOST", True, (4,))


def test_l13_a_release_before_a_reissue_is_applied_for_counts() -> None:
    facts = history(registered("ACTIVE"), told("formal_loss_reported", 1), told("loss_released", 2))
    assert stands(facts, 2).social_status == "ACTIVE"


@pytest.mark.parametrize("before", sorted(set(STATUSES) - {"FORMALLY_LOST"}))
def test_l13_a_reissue_of_a_card_that_is_not_formally_lost_is_a_contradiction(before: str) -> None:
    assert stands(history(registered(before), told("reissue_applied", 1)), 1).contradictions == (2,)


def test_l14_a_replaced_card_works_until_the_new_one_is_enabled() -> None:
    # G8.
    facts = history(registered("ACTIVE"), told("replacement_applied", 1, reason=1), told("card_superseded", 100))
    assert [(stands(facts, hour).social_status, stands(facts, hour).replacement_pending) for hour in (1, 99, 100)] == [
        ("ACTIVE", True), ("ACTIVE", True), ("CANCELLED", True)]  # fmt: skip


@pytest.mark.parametrize("before", STATUSES)
def test_l16_any_card_can_be_cancelled(before: str) -> None:
    facts = history(registered(before), told("card_cancelled", 1, reason=1))
    assert stands(facts, 1).social_status == "CANCELLED"


@pytest.mark.parametrize("kind", SOCIAL_KINDS)
def test_l16_a_cancelled_card_stays_cancelled(kind: str) -> None:
    facts = history(registered("ACTIVE"), told("card_cancelled", 1, reason=1), told(kind, 2))
    assert stands(facts, 2).social_status == "CANCELLED"


def test_l16_no_later_statement_brings_a_cancelled_card_back() -> None:
    card = stands(history(registered("ACTIVE"), told("card_cancelled", 1, reason=1), registered("ACTIVE", 2)), 2)
    assert (card.social_status, card.contradictions) == ("CANCELLED", (3,))


def test_l17_corrected_holder_data_change_no_state() -> None:
    facts = history(registered("ACTIVE", birth_date="1985-03-12"), told("holder_data_corrected", 1, birth_date="1985-03-21"))
    card = stands(facts, 1)
    assert (card.social_status, card.birth_date, card.contradictions) == ("ACTIVE", "1985-03-21", ())


def test_l18_a_moved_insured_region_changes_no_state() -> None:
    card = stands(history(registered("ACTIVE"), told("insured_region_moved", 1, from_region="510199", to_region="500199")), 1)
    assert (card.social_status, card.insured_region, card.contradictions) == ("ACTIVE", "500199", ())


def test_a_card_nobody_told_of_is_unknown() -> None:
    assert stands([], 0) == Standing()


@pytest.mark.parametrize(
    ("kind", "after"),
    [("temporary_loss_reported", "TEMP_LOST"), ("formal_loss_reported", "FORMALLY_LOST"), ("app_locked", "APP_LOCKED")],
)
def test_a_fact_about_a_card_not_met_before_counts(kind: str, after: str) -> None:
    card = stands(history(told(kind, 0)), 0)
    assert (card.social_status, card.contradictions) == (after, ())


# What runs out


def test_a_temporary_loss_runs_out_after_the_days_of_its_province() -> None:
    facts = history(registered("ACTIVE"), told("temporary_loss_reported", 1))
    last_hour = 1 + 7 * DAY_HOURS
    assert [stands(facts, hour).social_status for hour in (last_hour - 0.001, last_hour)] == ["TEMP_LOST", "ACTIVE"]


def test_the_days_of_a_temporary_loss_are_given_from_outside() -> None:
    facts = history(registered("ACTIVE"), told("temporary_loss_reported", 1))
    assert stands(facts, 1, temp_loss_days=15).social_status_until_us == at(1 + 15 * DAY_HOURS)


def test_an_end_that_the_report_names_wins_over_the_days() -> None:
    facts = history(registered("ACTIVE"), told("temporary_loss_reported", 1, until_hour=10))
    assert [stands(facts, hour).social_status for hour in (9, 10)] == ["TEMP_LOST", "ACTIVE"]


def test_a_temporary_loss_that_runs_out_leaves_the_lock_that_was_there() -> None:
    facts = history(registered("APP_LOCKED"), told("temporary_loss_reported", 1, until_hour=10))
    assert stands(facts, 10).social_status == "APP_LOCKED"


def test_a_second_report_of_the_same_loss_does_not_extend_it() -> None:
    # G5: the second answer is "already".
    facts = history(
        registered("ACTIVE"), told("temporary_loss_reported", 1, until_hour=10), told("temporary_loss_reported", 5, until_hour=50)
    )
    assert stands(facts, 10).social_status == "ACTIVE"


def test_a_loss_reported_again_after_it_ran_out_is_a_new_loss() -> None:
    facts = history(
        registered("ACTIVE"), told("temporary_loss_reported", 1, until_hour=10), told("temporary_loss_reported", 20, until_hour=30)
    )
    assert [stands(facts, hour).social_status for hour in (10, 20, 30)] == ["ACTIVE", "TEMP_LOST", "ACTIVE"]


def test_an_expiry_told_after_the_loss_ran_out_changes_nothing() -> None:
    facts = history(registered("APP_LOCKED"), told("temporary_loss_reported", 1, until_hour=10), told("temporary_loss_expired", 11))
    assert stands(facts, 11).social_status == "APP_LOCKED"


def test_a_formal_loss_does_not_run_out() -> None:
    facts = history(registered("ACTIVE"), told("formal_loss_reported", 1))
    assert stands(facts, 100 * 365 * DAY_HOURS).social_status == "FORMALLY_LOST"


def test_a_registered_temporary_loss_runs_out_when_it_says() -> None:
    facts = history(registered("TEMP_LOST", until_hour=10))
    assert [stands(facts, hour).social_status for hour in (9, 10)] == ["TEMP_LOST", "ACTIVE"]


def test_facts_after_the_instant_do_not_count() -> None:
    # G4: a tap at 09:59 is valid although the loss of 10:00 was reported first.
    facts = history(registered("ACTIVE"), told("temporary_loss_reported", 10))
    assert [stands(facts, hour).social_status for hour in (9.99, 10)] == ["ACTIVE", "TEMP_LOST"]


# The provisional block


def blocked(*later: object) -> list:  # type: ignore[type-arg]
    return history(registered("ACTIVE"), told("loss_request_submitted", 1, loss_type=1), *later)  # type: ignore[arg-type]


def test_a_loss_request_blocks_for_72_hours_from_the_request() -> None:
    assert [stands(blocked(), hour).block_until_us for hour in (1, 72.999, 73)] == [at(73), at(73), None]


def test_a_block_leaves_the_social_status_as_it_is() -> None:
    assert stands(blocked(), 2).social_status == "ACTIVE"


@pytest.mark.parametrize(
    "kind",
    ["loss_request_refused", "provisional_block_lifted", "temporary_loss_reported", "formal_loss_reported"],
)
def test_the_issuers_word_lifts_the_block(kind: str) -> None:
    assert stands(blocked(told(kind, 5)), 5).block_until_us is None


def test_a_placed_block_ends_when_it_says() -> None:
    facts = history(registered("ACTIVE"), told("provisional_block_placed", 1, until_hour=20))
    assert [stands(facts, hour).block_until_us for hour in (19, 20)] == [at(20), None]


@pytest.mark.parametrize("status", ["TEMP_LOST", "FORMALLY_LOST", "CANCELLED"])
def test_a_card_that_is_lost_already_is_not_blocked(status: str) -> None:
    facts = history(registered(status), told("loss_request_submitted", 1, loss_type=1))
    assert stands(facts, 1).block_until_us is None


def test_a_contradiction_does_not_lift_a_block() -> None:
    facts = history(
        registered("SEALED"), told("loss_request_submitted", 1, loss_type=1), told("temporary_loss_reported", 2), registered("ACTIVE", 3)
    )
    assert not is_usable(facts, 3)


# The other lives


@pytest.mark.parametrize(
    ("kind", "life", "after"),
    [
        ("bank_account_opened", "bank_account_status", "OPENED_INACTIVE"),
        ("bank_account_activated", "bank_account_status", "ACTIVE"),
        ("bank_account_oral_loss_reported", "bank_account_status", "ORAL_LOSS"),
        ("bank_account_formal_loss_reported", "bank_account_status", "FORMAL_LOSS"),
        ("bank_account_loss_released", "bank_account_status", "ACTIVE"),
        ("bank_account_frozen", "bank_account_status", "FROZEN"),
        ("bank_account_unfrozen", "bank_account_status", "ACTIVE"),
        ("bank_account_stopped", "bank_account_status", "STOPPED"),
        ("bank_account_resumed", "bank_account_status", "ACTIVE"),
        ("bank_account_expired", "bank_account_status", "EXPIRED"),
        ("bank_account_closed", "bank_account_status", "CLOSED"),
        ("transit_purse_loaded", "transit_purse_status", "LOADED"),
        ("transit_purse_activated", "transit_purse_status", "ACTIVE"),
        ("transit_purse_hotlisted", "transit_purse_status", "HOTLISTED"),
        ("transit_purse_delisted", "transit_purse_status", "DELISTED"),
        ("transit_purse_migrated", "transit_purse_status", "MIGRATED"),
        ("transit_purse_closed", "transit_purse_status", "CLOSED"),
        ("pin_set", "pin_status", "SET"),
        ("pin_locked", "pin_status", "LOCKED"),
        ("pin_reset", "pin_status", "SET"),
        ("ecard_signed", "ecard_status", "SIGNED"),
        ("ecard_suspended", "ecard_status", "SUSPENDED"),
        ("ecard_resumed", "ecard_status", "SIGNED"),
        ("ecard_reauthorized", "ecard_status", "SIGNED"),
        ("ecard_made_unavailable", "ecard_status", "UNAVAILABLE"),
        ("ecard_released", "ecard_status", "RELEASED"),
    ],
)
def test_a_life_follows_its_own_facts_and_leaves_the_social_function(kind: str, life: str, after: str) -> None:
    card = stands(history(registered("ACTIVE"), told(kind, 1)), 1)
    assert (getattr(card, life), card.social_status) == (after, "ACTIVE")


def test_a_bank_function_that_ended_leaves_a_valid_social_card() -> None:
    facts = history(registered("ACTIVE", expires_on="2025-01-01"), told("bank_account_expired", 1))
    assert is_usable(facts, 2)


@pytest.mark.parametrize(
    ("kind", "ecard"),
    [
        ("formal_loss_reported", "UNAVAILABLE"),
        ("app_locked", "UNAVAILABLE"),
        ("card_cancelled", "UNAVAILABLE"),
        ("temporary_loss_reported", "SUSPENDED"),
    ],
)
def test_the_ecard_follows_the_plastic_card(kind: str, ecard: str) -> None:
    facts = history(registered("ACTIVE"), told("ecard_signed", 1), told(kind, 2))
    assert stands(facts, 2).ecard_status == ecard


def test_a_holder_may_authorise_the_ecard_again_during_a_temporary_loss() -> None:
    # G18.
    facts = history(registered("ACTIVE"), told("ecard_signed", 1), told("temporary_loss_reported", 2), told("ecard_reauthorized", 3))
    assert [stands(facts, hour).ecard_status for hour in (2, 3)] == ["SUSPENDED", "SIGNED"]


def test_the_ecard_comes_back_when_the_loss_ends() -> None:
    facts = history(registered("ACTIVE"), told("ecard_signed", 1), told("temporary_loss_reported", 2, until_hour=9))
    assert stands(facts, 9).ecard_status == "SIGNED"


# Properties


def test_every_state_kind_is_a_kind_of_event() -> None:
    assert set(KIND_NUMBERS) >= STATE_KINDS


@given(st.data(), any_history())
def test_the_order_of_arrival_is_nothing(data: st.DataObject, facts: list) -> None:  # type: ignore[type-arg]
    kept: list = []  # type: ignore[type-arg]
    for fact in data.draw(st.permutations(facts)):
        kept = with_fact(kept, fact)
    assert kept == facts


@given(st.data(), st.lists(any_fact(), max_size=8, unique_by=lambda fact: fact.occurred_us))
def test_positions_that_follow_arrival_change_no_standing(data: st.DataObject, facts: list) -> None:  # type: ignore[type-arg]
    in_order, as_arrived = history(*facts), history(*data.draw(st.permutations(facts)))
    hour = data.draw(st.integers(0, 600))
    one, other = stands(in_order, hour), stands(as_arrived, hour)
    assert replace(one, findings=()) == replace(other, findings=())
    assert len(one.contradictions) == len(other.contradictions)


@given(any_history(), st.integers(0, 7))
def test_a_fact_told_twice_changes_nothing(facts: list, number: int) -> None:  # type: ignore[type-arg]
    assert all(with_fact(facts, fact) == facts for fact in facts[number : number + 1])


@given(any_history(), any_fact())
def test_a_reversal_leaves_what_was_before(facts: list, fact) -> None:  # type: ignore[no-untyped-def,type-arg]
    late = fact._replace(position=99)
    assert without_fact(with_fact(facts, late), 99) == facts


@given(any_history(), st.integers(0, 600))
def test_no_contradiction_ever_makes_a_card_usable(facts: list, hour: int) -> None:  # type: ignore[type-arg]
    for position in stands(facts, hour).contradictions:
        assert not is_usable(facts, hour) or is_usable(without_fact(facts, position), hour)


@given(any_history(), st.integers(0, 600))
def test_what_has_not_happened_yet_is_nothing(facts: list, hour: int) -> None:  # type: ignore[type-arg]
    happened = [fact for fact in facts if fact.occurred_us <= at(hour)]
    assert stands(facts, hour) == stands(happened, hour)

"""The five machines of a card by their tables: each row on both sides, what restricts at once, policy by the day of the fact."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.commands.machines import page
from hub.domain import reference
from hub.domain.card import FROM_EITHER_SIDE, STATE_KINDS, Fact, Policy, policies_of, policy_of, standing, with_fact
from hub.domain.card_machines import BACK, LIVES, MIRRORED, SAME, SOCIAL, Life
from hub.domain.card_policy import PARAMETERS, renews_too_early
from hub.domain.event_rules import LIFECYCLE_KINDS
from tests.facts import BEGAN_US, DAY_HOURS, HOUR_US, STATUSES, any_fact, any_history, at, history, registered, stands, told

# A way into each state, by facts that the tables allow; the social function is registered in its state.
WAYS = {
    "bank_account_status": {
        "OPENED_INACTIVE": ["bank_account_opened"],
        "ACTIVE": ["bank_account_opened", "bank_account_activated"],
        "ORAL_LOSS": ["bank_account_activated", "bank_account_oral_loss_reported"],
        "FORMAL_LOSS": ["bank_account_activated", "bank_account_formal_loss_reported"],
        "FROZEN": ["bank_account_activated", "bank_account_frozen"],
        "STOPPED": ["bank_account_activated", "bank_account_stopped"],
        "EXPIRED": ["bank_account_activated", "bank_account_expired"],
        "CLOSED": ["bank_account_activated", "bank_account_closed"],
    },
    "transit_purse_status": {
        "LOADED": ["transit_purse_loaded"],
        "ACTIVE": ["transit_purse_loaded", "transit_purse_activated"],
        "HOTLISTED": ["transit_purse_activated", "transit_purse_hotlisted"],
        "DELISTED": ["transit_purse_hotlisted", "transit_purse_delisted"],
        "MIGRATED": ["transit_purse_activated", "transit_purse_migrated"],
        "CLOSED": ["transit_purse_activated", "transit_purse_closed"],
    },
    "pin_status": {"SET": ["pin_set"], "LOCKED": ["pin_set", "pin_locked"]},
    "ecard_status": {
        "SIGNED": ["ecard_signed"],
        "SUSPENDED": ["ecard_signed", "ecard_suspended"],
        "UNAVAILABLE": ["ecard_signed", "ecard_made_unavailable"],
        "RELEASED": ["ecard_signed", "ecard_released"],
    },
}
SAYS: dict[str, dict[str, Any]] = {
    "transit_concession_bound": {"binding": 3},
    "transit_concession_rebound": {"from_binding": 3, "to_binding": 2},
    "production_returned": {"succeeded": True},
    "production_returned failed": {"succeeded": False},
}
STATES = {life.name: set(WAYS.get(life.name, STATUSES)) for life in LIVES}


def steps(is_allowed: bool) -> list[tuple[Life, str, str]]:
    """Every (life, state, fact) that the tables allow, or do not."""
    found = []
    for life in LIVES:
        for state, name in product(sorted(STATES[life.name]), life.steps):
            sources = life.steps[name].sources
            if (not sources or state in sources) == is_allowed and not (life is SOCIAL and state == "CANCELLED"):
                found.append((life, state, name))
    return found


def in_state(life: Life, state: str, then: str) -> list[Fact]:
    """A card whose life is in the state, and one fact more."""
    last = [told(then.split(maxsplit=1)[0], 50, **SAYS.get(then, {}))]
    if life is SOCIAL:
        return history(registered(state), *last)
    way = [told(kind, hour, **SAYS.get(kind, {})) for hour, kind in enumerate(WAYS[life.name][state], 1)]
    return history(registered("ACTIVE"), *way, *last)


def after(life: Life, facts: list[Fact], policy: Policy = Policy(social_pin_max_tries=1)) -> Any:  # noqa: B008
    card = standing(facts, at(50), policy)
    return getattr(card, life.name), card.contradictions


def named(step: tuple[Life, str, str]) -> str:
    return f"{step[0].name}-{step[1]}-{step[2]}"


@pytest.mark.parametrize("step", steps(True), ids=named)
def test_a_fact_that_its_table_allows_is_no_finding(step: tuple[Life, str, str]) -> None:
    assert after(step[0], in_state(*step))[1] == ()


@pytest.mark.parametrize("step", [step for step in steps(True) if step[0].steps[step[2]].target not in (BACK, SAME)], ids=named)
def test_a_fact_that_its_table_allows_leads_where_it_says(step: tuple[Life, str, str]) -> None:
    life, _, name = step
    held = {"ORAL_LOSS", "FORMAL_LOSS", "STOPPED", "FROZEN"}
    state, _ = after(life, in_state(*step))
    target = life.steps[name].target
    # Of two restrictions of an account the stricter one shows.
    strictest = max(step[1], target, key=life.less_usable.index) if {step[1], target} <= held else target
    assert state == strictest


@pytest.mark.parametrize("step", steps(False), ids=named)
def test_a_fact_that_its_table_does_not_allow_is_a_finding(step: tuple[Life, str, str]) -> None:
    facts = in_state(*step)
    assert after(step[0], facts)[1] == (len(facts),)


@pytest.mark.parametrize("step", steps(False), ids=named)
def test_a_fact_that_its_table_does_not_allow_never_restores_a_life(step: tuple[Life, str, str]) -> None:
    life, before, _ = step
    state, _ = after(life, in_state(*step))
    ranks = {name: rank for rank, name in enumerate(life.less_usable, 1)}
    assert state == before or ranks.get(state, 0) > ranks.get(before, 0)


def test_a_finding_names_both_events_and_how() -> None:
    facts = history(registered("ACTIVE"), told("formal_loss_reported", 1), told("reissue_applied", 2), told("loss_released", 3))
    assert stands(facts, 3).findings == ((4, 3, "RELEASE_AFTER_REISSUE"),)


def test_the_same_told_twice_is_a_note() -> None:
    # G5.
    facts = history(registered("ACTIVE"), told("temporary_loss_reported", 1), told("temporary_loss_reported", 1))
    assert [(f.against_position, f.code) for f in stands(facts, 1).findings] == [(2, "ALREADY_SO")]


def test_a_fact_after_cancellation_is_told_as_such() -> None:
    facts = history(registered("ACTIVE"), told("card_cancelled", 1, reason=1), told("app_locked", 2))
    assert stands(facts, 2).findings == ((3, 2, "AFTER_CANCELLATION"),)


def test_every_row_l1_to_l18_is_in_the_social_table() -> None:
    assert {step.row for step in SOCIAL.steps.values()} == {f"L{number}" for number in range(1, 19)}


def test_every_kind_of_a_cards_life_is_in_a_table() -> None:
    in_tables = {name.split()[0] for life in LIVES for name in life.steps}
    assert in_tables | {"card_registered"} == LIFECYCLE_KINDS | {"transit_concession_rebound"}


def test_every_kind_of_a_cards_life_is_a_fact_of_the_card() -> None:
    assert LIFECYCLE_KINDS <= STATE_KINDS


def test_what_either_side_may_tell_are_facts_of_a_card() -> None:
    assert FROM_EITHER_SIDE <= STATE_KINDS


# (a) Social function


def test_l4_a_card_that_came_back_may_be_handed_over_later() -> None:
    facts = history(registered("PRODUCED"), told("card_returned", 1), told("card_handed_over", 2))
    assert [stands(facts, hour).social_status for hour in (1, 2)] == ["RETURNED", "SEALED"]


def test_l8_the_issuers_timer_confirms_what_ran_out() -> None:
    facts = history(registered("ACTIVE"), told("temporary_loss_reported", 1, until_hour=10), told("temporary_loss_expired", 10))
    assert (stands(facts, 10).social_status, stands(facts, 10).findings) == ("ACTIVE", ())


def test_l14_a_replacement_of_a_card_not_in_use_is_a_finding() -> None:
    facts = history(registered("APP_LOCKED"), told("replacement_applied", 1, reason=2))
    assert stands(facts, 1).findings == ((2, 1, "REPLACEMENT_OF_CARD_NOT_IN_USE"),)


def test_l18_a_move_from_a_region_that_is_not_the_known_one_is_a_finding() -> None:
    facts = history(
        told("insured_region_moved", 1, from_region="510199", to_region="510100"),
        told("insured_region_moved", 2, from_region="510199", to_region="500199"),
    )
    assert (stands(facts, 2).findings, stands(facts, 2).insured_region) == (((2, 1, "MOVED_FROM_ELSEWHERE"),), "500199")


# (b) Bank account


def test_what_restricts_an_account_restricts_it_at_once() -> None:
    facts = history(
        told("bank_account_activated", 1), told("bank_account_oral_loss_reported", 2), told("bank_account_frozen", 3),
        told("bank_account_loss_released", 4), told("bank_account_unfrozen", 5),
    )  # fmt: skip
    states = [stands(facts, hour).bank_account_status for hour in (2, 3, 4, 5)]
    assert (states, stands(facts, 5).findings) == (["ORAL_LOSS", "FROZEN", "FROZEN", "ACTIVE"], ())


def test_a_released_account_that_was_never_activated_is_not_active() -> None:
    facts = history(told("bank_account_opened", 1), told("bank_account_frozen", 2), told("bank_account_unfrozen", 3))
    assert stands(facts, 3).bank_account_status == "OPENED_INACTIVE"


def test_an_oral_loss_at_the_bank_runs_out_when_it_says() -> None:
    loss = told("bank_account_oral_loss_reported", 2)._replace(detail={"until": at(9)})
    facts = history(told("bank_account_activated", 1), loss)
    assert [stands(facts, hour).bank_account_status for hour in (8, 9)] == ["ORAL_LOSS", "ACTIVE"]


def test_a_bank_may_activate_the_account_with_the_card() -> None:
    facts = history(registered("SEALED"), told("bank_account_opened", 1), told("social_function_activated", 2, bank_activated=True))
    assert stands(facts, 2).bank_account_status == "ACTIVE"


def test_a_loss_asked_for_at_the_bank_is_pending_until_the_bank_reports_it() -> None:
    facts = history(told("bank_account_activated", 1), told("finance_loss_requested", 2), told("bank_account_formal_loss_reported", 3))
    assert [(stands(facts, h).bank_account_status, stands(facts, h).finance_loss_pending) for h in (2, 3)] == [
        ("ACTIVE", True), ("FORMAL_LOSS", False)]  # fmt: skip


# (c) Transit purse


def test_one_medium_carries_the_concession() -> None:
    facts = history(told("transit_concession_bound", 1, binding=2), told("transit_concession_bound", 2, binding=3))
    assert [stands(facts, hour).concession_binding for hour in (0, 1, 2)] == ["NONE", "ELDER_CARD", "SOCIAL_CARD"]


def test_a_closed_purse_takes_no_concession() -> None:
    facts = history(told("transit_purse_loaded", 1), told("transit_purse_closed", 2), told("transit_concession_bound", 3, binding=3))
    assert (stands(facts, 3).concession_binding, stands(facts, 3).contradictions) == ("NONE", (3,))


# (d) PIN


def wrong_pins(count: int, first_hour: int = 1, **says: int) -> list[Fact]:
    return [told("pin_verification_failed", first_hour + number, **says) for number in range(count)]


@pytest.mark.parametrize(("most", "tries", "after"), [(6, 5, "INITIAL"), (6, 6, "LOCKED"), (3, 2, "INITIAL"), (3, 3, "LOCKED")])
def test_wrong_pins_lock_it_at_the_provinces_number(most: int, tries: int, after: str) -> None:
    assert standing(history(*wrong_pins(tries)), at(50), Policy(social_pin_max_tries=most)).pin_status == after


def test_a_pin_that_is_set_anew_has_all_its_tries() -> None:
    facts = history(*wrong_pins(5), told("pin_set", 10), *wrong_pins(5, 20))
    assert (stands(facts, 50).pin_status, stands(facts, 50).pin_wrong_tries) == ("SET", 5)


def test_a_reset_opens_a_locked_pin() -> None:
    facts = history(*wrong_pins(6), told("pin_reset", 10))
    assert [stands(facts, hour).pin_status for hour in (6, 10)] == ["LOCKED", "SET"]


def test_a_locked_pin_cannot_be_changed() -> None:
    facts = history(*wrong_pins(6), told("pin_set", 10))
    assert (stands(facts, 10).pin_status, stands(facts, 10).findings) == ("LOCKED", ((7, 6, "PIN_OUT_OF_ORDER"),))


def test_the_tries_that_a_reader_says_are_left_count() -> None:
    facts = history(*wrong_pins(5), *wrong_pins(1, 10, tries_left=5))
    assert stands(facts, 50).pin_wrong_tries == 1


# (e) E-card


@pytest.mark.parametrize(("status", "ecard"), sorted(MIRRORED.items()))
def test_a_signed_ecard_mirrors_its_card(status: str, ecard: str) -> None:
    now = registered(status, 2) if status != "RETURNED" else told("card_returned", 2)
    facts = history(registered("PRODUCED"), told("ecard_signed", 1), now)
    assert stands(facts, 2).ecard_status == ecard


def test_an_ecard_goes_on_with_the_successor_of_its_card() -> None:
    facts = history(registered("ACTIVE"), told("ecard_signed", 1), told("card_superseded", 2))
    assert stands(facts, 2).ecard_status == "SIGNED"


def test_a_province_may_leave_no_ecard_during_a_temporary_loss() -> None:
    facts = history(registered("ACTIVE"), told("ecard_signed", 1), told("temporary_loss_reported", 2), told("ecard_reauthorized", 3))
    assert standing(facts, at(3), Policy(ecard_while_temp_lost="UNUSABLE")).ecard_status == "UNAVAILABLE"


def test_a_released_ecard_is_signed_anew() -> None:
    facts = history(registered("ACTIVE"), told("ecard_signed", 1), told("ecard_released", 2), told("ecard_signed", 3))
    assert [stands(facts, hour).ecard_status for hour in (2, 3)] == ["RELEASED", "SIGNED"]


def test_an_ecard_ends_when_its_validity_does() -> None:
    facts = history(registered("ACTIVE"), told("ecard_signed", 1)._replace(detail={"until": at(9)}))
    assert [stands(facts, hour).ecard_status for hour in (8, 9)] == ["SIGNED", "UNAVAILABLE"]


def test_relatives_are_kept_while_they_are_linked() -> None:
    def relative(kind: str, hour: int, who: str) -> Fact:
        return told(kind, hour)._replace(detail={"relative": who})

    linked = [relative("ecard_family_linked", 2, "b"), relative("ecard_family_linked", 3, "a")]
    facts = history(told("ecard_signed", 1), *linked, relative("ecard_family_unlinked", 4, "b"))
    assert [stands(facts, hour).ecard_relatives for hour in (3, 4)] == [("a", "b"), ("a",)]


# Policy


def days_of(year: int) -> Policy:
    return Policy(temp_loss_days=15 if year == 2025 else 5)


def by_year(at_us: int) -> Policy:
    """Fifteen days of a temporary loss in 2025, five before and after."""
    return days_of(date.fromordinal(date(1970, 1, 1).toordinal() + at_us // (24 * HOUR_US)).year)


def test_a_loss_runs_by_the_days_of_the_day_it_was_reported() -> None:
    reported = Fact(BEGAN_US + 121 * DAY_HOURS * HOUR_US, 2, "temporary_loss_reported", {})
    facts = [registered("ACTIVE"), reported]
    # Reported on the last day of 2025, asked about in 2026.
    statuses = [standing(facts, reported.occurred_us + days * 24 * HOUR_US, by_year).social_status for days in (5, 14, 15)]
    assert statuses == ["TEMP_LOST", "TEMP_LOST", "ACTIVE"]


def test_the_policy_is_that_of_the_local_day() -> None:
    # Ten days of a temporary loss from the second of September 2025 on, which begins at 16:00 UTC.
    [seven] = reference.load().policies["tempLossDays", "50"]
    changed_on = date(2025, 9, 2)
    versions = (replace(seven, valid_to=changed_on), replace(seven, value="10", valid_from=changed_on))
    changed = replace(reference.load(), policies={("tempLossDays", "50"): versions})
    assert [policies_of(changed, "50")(at(hour)).temp_loss_days for hour in (23.999, 24)] == [7, 10]


def test_a_province_may_never_release_a_formal_loss() -> None:
    facts = history(registered("ACTIVE"), told("formal_loss_reported", 1), told("loss_released", 2))
    card = standing(facts, at(2), Policy(formal_loss_releasable=False))
    assert (card.social_status, card.findings) == ("FORMALLY_LOST", ((3, 2, "FORMAL_LOSS_NOT_RELEASABLE"),))


def test_a_provisional_block_lasts_the_hours_of_its_province() -> None:
    facts = history(registered("ACTIVE"), told("loss_request_submitted", 1, loss_type=1))
    assert standing(facts, at(2), Policy(provisional_block_hours=24)).block_until_us == at(25)


@pytest.mark.parametrize("province", ["50", "51"])
def test_the_policy_of_a_province_comes_from_its_table(province: str) -> None:
    assert policy_of(reference.load(), province, BEGAN_US)[:9] == (7, True, 6, 72, "REAUTHORISE", True, 60, 10, 60)


@pytest.mark.parametrize("at_us", [-(2**62), 0, 2**62])
def test_every_instant_has_a_policy(at_us: int) -> None:
    assert policies_of(reference.load(), "50")(at_us) == policy_of(reference.load(), "50", at_us)


def test_every_parameter_of_the_policy_is_one_of_the_table() -> None:
    assert {*PARAMETERS, "kin"} == set(Policy._fields)


@pytest.mark.parametrize(
    ("expires_on", "issued_on", "day", "is_early"),
    [
        ("2026-03-01", "", 60, False),
        ("2026-03-01", "", 61, True),
        ("", "2016-03-01", 60, False),
        ("", "2016-03-01", 61, True),
        # A card of 29 February 2016 lapses on 28 February 2026.
        ("", "2016-02-29", 60 + 1, False),
        ("", "", 3650, False),
    ],
)
def test_a_renewal_is_due_in_the_last_days_of_the_bank_function(expires_on: str, issued_on: str, day: int, is_early: bool) -> None:
    noon_us = (date(2026, 3, 1) - timedelta(days=day) - date(1970, 1, 1)).days * 24 * HOUR_US + 4 * HOUR_US
    assert renews_too_early(noon_us, expires_on, issued_on, Policy()) is is_early


# Into 渝北 and out of its successor; then out of a place it never was at.
MOVES = ((1, "500103", "500112"), (2, "500157", "500103"), (3, "500103", "500109"), (4, "500106", "500103"))


def test_a_region_that_was_split_is_no_other_place() -> None:
    moved = [told("insured_region_moved", hour, from_region=start, to_region=end) for hour, start, end in MOVES]
    facts = history(registered("ACTIVE"), *moved)
    by_table = policies_of(reference.load(), "50")
    assert standing(facts, at(5), by_table).findings == ((5, 4, "MOVED_FROM_ELSEWHERE"),)


# The page


def test_the_page_says_what_the_tables_say() -> None:
    text = (Path(__file__).parents[2] / "docs" / "cards.md").read_text(encoding="utf-8")
    assert page(text, reference.load()) == text, "run: .venv/bin/hub docs"


def test_every_machine_is_drawn_on_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "cards.md").read_text(encoding="utf-8")
    assert all(f"<!-- generated: {life.name} -->" in page for life in LIVES)


# Properties

IN_EVERY_STATE = {life.name: {life.initial, *(s for step in life.steps.values() for s in (*step.sources, step.target))} for life in LIVES}


@given(any_history(12), st.integers(0, 600))
def test_any_history_leaves_every_life_in_a_state_of_its_table(facts: list[Fact], hour: int) -> None:
    card = stands(facts, hour)
    for life in LIVES:
        assert (getattr(card, life.name) or "") in IN_EVERY_STATE[life.name] - {BACK, SAME} | {""}


@given(st.data(), st.lists(any_fact(), max_size=10))
def test_findings_do_not_depend_on_the_order_of_arrival(data: st.DataObject, facts: list[Fact]) -> None:
    told_in_order = history(*facts)
    kept: list[Fact] = []
    for fact in data.draw(st.permutations([*told_in_order, *told_in_order])):
        kept = with_fact(kept, fact)
    assert stands(kept, 600).findings == stands(told_in_order, 600).findings


@given(any_history(10))
def test_a_finding_names_two_events_of_the_history_the_later_one_first(facts: list[Fact]) -> None:
    order = {fact.position: number for number, fact in enumerate(facts)}
    for finding in stands(facts, 600).findings:
        assert order[finding.position] > order.get(finding.against_position, -1)

"""Findings: uses after a loss whichever was reported first, contradictions with both events, second cards of one person; live = rebuilt."""

import io

import psycopg
import pytest
from chuanyu.exchange.v1 import acceptance_pb2, event_pb2, references_pb2
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from hub.commands.findings import listing
from hub.domain.card import Fact, policies_of, standing
from hub.domain.findings import MEANINGS, USE_KINDS, Use, use_after
from hub.domain.reference import load
from hub.journal.reader import Recorded
from hub.projections import DECIDED_BY
from hub.projections.engine import Projection, advance
from hub.projections.ledgers import Rows, fold_events
from hub.projections.rebuild import digest, rebuild
from hub.projections.views.findings import (
    FINDINGS,
    FINDINGS_KEPT,
    Found,
    Listed,
    found_of,
    is_harmless,
    listed,
    policies_of_province,
)
from hub.projections.views.person_cards import PERSON_CARDS, held_of, listed_persons
from tests.facts import any_history, at, history, registered, told
from tests.recording import (
    AT_S,
    Recording,
    about,
    correcting,
    enabled,
    journey,
    key_of,
    lost,
    name_card,
    reversing,
)
from tests.recording import registered as registered_event

CARDS, HOUR_S = "cq.card-center", 3_600
CARD = "A00000001"
POLICY = policies_of(load(), "50")


def use(hour: float, medium: int = acceptance_pb2.MEDIUM_CONTACTLESS) -> Use:
    return Use(at(hour), 99, medium)


def code(facts: list[Fact], used: Use) -> tuple[int, str] | None:
    finding = use_after(facts, used, POLICY)
    return None if finding is None else (finding.against_position, finding.code)


# A use after a loss


def test_a_use_after_a_loss_is_a_finding_with_both_events_and_one_before_it_is_not() -> None:
    # G4: reported at 10:00, a tap at 09:59 and one at 10:20.
    facts = history(registered("ACTIVE"), told("temporary_loss_reported", 10))
    assert [code(facts, use(hour)) for hour in (9.99, 10, 10.34)] == [None, None, (2, "USE_AFTER_LOSS")]


def test_a_use_after_a_loss_that_ran_out_is_in_order() -> None:
    facts = history(registered("ACTIVE"), told("temporary_loss_reported", 10, until_hour=20))
    assert [code(facts, use(hour)) for hour in (19, 20)] == [(2, "USE_AFTER_LOSS"), None]


def test_a_use_after_a_cancellation_is_a_finding() -> None:
    facts = history(registered("ACTIVE"), told("card_cancelled", 10, reason=1))
    assert code(facts, use(11)) == (2, "USE_AFTER_CANCELLATION")


def test_a_loss_counts_from_the_request_that_reached_any_side() -> None:
    facts = history(registered("ACTIVE"), told("loss_request_submitted", 10, loss_type=1), told("temporary_loss_reported", 12))
    assert code(facts, use(11)) == (2, "USE_AFTER_LOSS")


def test_a_request_that_the_issuer_refused_was_no_loss() -> None:
    facts = history(registered("ACTIVE"), told("loss_request_submitted", 10, loss_type=1), told("loss_request_refused", 12))
    assert code(facts, use(11)) is None


def test_an_ecard_authorised_again_may_be_used_during_a_temporary_loss() -> None:
    # G18.
    facts = history(registered("ACTIVE"), told("ecard_signed", 1), told("temporary_loss_reported", 10), told("ecard_reauthorized", 12))
    shown = [code(facts, use(hour, acceptance_pb2.MEDIUM_ECARD_QR)) for hour in (11, 13)]
    assert (shown, code(facts, use(13))) == ([(3, "USE_AFTER_LOSS"), None], (3, "USE_AFTER_LOSS"))


@pytest.mark.parametrize("medium", [acceptance_pb2.MEDIUM_ID_CARD, acceptance_pb2.MEDIUM_FACE, acceptance_pb2.MEDIUM_YUKUAI_CODE])
def test_whoever_shows_something_else_does_not_use_the_card(medium: int) -> None:
    assert code(history(registered("FORMALLY_LOST")), use(1, medium)) is None


def test_a_book_may_always_be_returned() -> None:
    # G14.
    assert "library_item_returned" not in USE_KINDS


def test_a_card_nobody_told_of_has_no_findings() -> None:
    assert code([], use(1)) is None


@settings(max_examples=100, deadline=None)
@given(any_history(10), st.integers(0, 600))
def test_every_finding_has_a_meaning(facts: list[Fact], hour: int) -> None:
    found = [*standing(facts, at(600), POLICY).findings, *filter(None, [use_after(facts, use(hour), POLICY)])]
    assert {finding.code for finding in found} <= MEANINGS.keys()


# The view of a card's findings


def fold(views: psycopg.Connection, view: Projection, page_events: int = 10_000) -> None:
    while advance(views, view, page_events=page_events):
        pass


def found(views: psycopg.Connection, card_no: str = CARD) -> list[tuple[int, int, str]]:
    """(position, against, code) of a card's findings."""
    fold(views, FINDINGS)
    return [(one.found.position, one.found.against_position, one.found.code) for one in listed(views, key_of(card_no))]


def released(at_s: int) -> event_pb2.Event:
    event = about(CARD, at_s)
    event.loss_released.SetInParent()
    return event


def test_a_tap_that_arrives_after_the_loss_is_found(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(registered_event(CARD), lost(CARD, AT_S + HOUR_S), feed=CARDS)
    journal.append(journey(CARD, at_s=AT_S + HOUR_S - 60), journey(CARD, at_s=AT_S + HOUR_S + 1_200))
    assert found(views) == [(4, 2, "USE_AFTER_LOSS")]


def test_a_tap_that_arrived_before_the_loss_is_found(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(journey(CARD, at_s=AT_S + HOUR_S - 60), journey(CARD, at_s=AT_S + HOUR_S + 1_200))
    assert found(views) == []
    journal.append(registered_event(CARD), lost(CARD, AT_S + HOUR_S), feed=CARDS)
    assert found(views) == [(2, 4, "USE_AFTER_LOSS")]


def test_a_finding_vanishes_when_a_late_fact_puts_history_right(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(registered_event(CARD), lost(CARD, AT_S + HOUR_S), feed=CARDS)
    journal.append(journey(CARD, at_s=AT_S + 3 * HOUR_S))
    assert found(views) == [(3, 2, "USE_AFTER_LOSS")]
    journal.append(released(AT_S + 2 * HOUR_S), feed=CARDS)
    assert found(views) == []


def test_a_reversed_tap_is_no_finding(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(registered_event(CARD), lost(CARD), feed=CARDS)
    journal.append(journey(CARD, at_s=AT_S + HOUR_S), reversing(journey(CARD, at_s=AT_S + HOUR_S), 1))
    assert found(views) == []


def test_a_tap_corrected_to_another_card_leaves_the_finding_there(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(lost(CARD), lost("A00000002"), feed=CARDS)
    journal.append(journey(CARD, at_s=AT_S + HOUR_S), correcting(journey("A00000002", at_s=AT_S + HOUR_S), 1))
    assert (found(views), found(views, "A00000002")) == ([], [(4, 2, "USE_AFTER_LOSS")])


def test_a_loss_that_is_reversed_takes_its_findings_away(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(registered_event(CARD), lost(CARD), feed=CARDS)
    journal.append(journey(CARD, at_s=AT_S + HOUR_S))
    journal.append(reversing(lost(CARD), 2, CARDS), feed=CARDS)
    assert found(views) == []


def test_a_use_of_a_superseded_card_is_found(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(registered_event(CARD), enabled("A00000002", AT_S + HOUR_S, predecessor=CARD), feed=CARDS)
    journal.append(journey(CARD, at_s=AT_S + 1_800), journey(CARD, at_s=AT_S + 2 * HOUR_S))
    assert found(views) == [(4, 2, "USE_AFTER_CANCELLATION")]


def test_a_tap_by_the_transit_number_belongs_to_the_card_it_names_too(journal: Recording, views: psycopg.Connection) -> None:
    tap = journey("3105000000000000001", at_s=AT_S + HOUR_S)
    tap.card.kind = references_pb2.CARD_IDENTIFIER_KIND_TRANSIT_CARD_NO
    name_card(tap.card_aliases.add(), CARD)
    journal.append(lost(CARD), feed=CARDS)
    journal.append(tap)
    assert found(views) == [(2, 1, "USE_AFTER_LOSS")]


def test_contradicting_facts_are_found(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(registered_event(CARD), released(AT_S + HOUR_S), feed=CARDS)
    assert found(views) == [(2, 1, "SOCIAL_OUT_OF_ORDER")]


def test_a_finding_says_what_was_told_when(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(lost(CARD), feed=CARDS)
    journal.append(journey(CARD, at_s=AT_S + HOUR_S))
    fold(views, FINDINGS)
    [one] = listed(views)
    recorded = views.execute("SELECT (extract(epoch FROM recorded_at) * 1000000)::bigint FROM journal.event WHERE position = 2").fetchone()
    assert (one.about, one.key, one.issuing_province) == ("card", key_of(CARD).hex(), "50")
    assert one.found[3:] == ("transit_journey_completed", (AT_S + HOUR_S) * 1_000_000, (recorded or [0])[0], 2)


def rows_of(events: list[event_pb2.Event]) -> Rows:
    """The rows of the view after events that arrive in this order."""
    rows = Rows()
    for position, event in enumerate(events, 1):
        recorded = Recorded(position, 0, 1, position, event.WhichOneof("kind") or "", event.SerializeToString())
        assert fold_events(FINDINGS, [(position, recorded, None, list(FINDINGS.keys(recorded, None)))], rows, set()) == set()
    return rows


def test_a_use_is_only_added_where_nothing_makes_it_a_finding() -> None:
    rows = rows_of([registered_event(CARD), *([journey(CARD, at_s=AT_S + HOUR_S)] * 1_000)])
    assert len(rows.items[key_of(CARD),]) == 1_000
    assert rows.states[key_of(CARD),] == rows_of([registered_event(CARD)]).states[key_of(CARD),]


def test_a_loss_told_late_finds_each_use_of_the_card_whatever_their_number(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(*(journey(CARD, at_s=AT_S + HOUR_S + number) for number in range(FINDINGS_KEPT + 100)))
    assert found(views) == []
    journal.append(registered_event(CARD), lost(CARD, AT_S + HOUR_S + FINDINGS_KEPT), feed=CARDS)
    assert [position for position, _, _ in found(views)] == list(range(FINDINGS_KEPT + 2, FINDINGS_KEPT + 101))


def test_a_row_keeps_a_bounded_number_of_late_uses() -> None:
    card = rows_of([lost(CARD), *([journey(CARD, at_s=AT_S + HOUR_S)] * (2 * FINDINGS_KEPT))]).states[key_of(CARD),]
    assert card is not None
    assert (found_of(card.findings)[0].position, card.finding_count) == (FINDINGS_KEPT + 2, FINDINGS_KEPT)


def folded(events: list[event_pb2.Event]) -> set[tuple[int, str, str]]:
    """(when, kind, code) of the findings of one card whose events arrive in this order."""
    card = rows_of(events).states.get((key_of(CARD),))
    return {(one.occurred_us, one.kind, one.code) for one in found_of(card.findings)} if card is not None else set()


@settings(max_examples=150, deadline=None)
@given(any_history(10), st.integers(0, 600), st.integers(0, 8), st.booleans())
def test_no_use_is_a_finding_before_what_may_make_it_one(facts: list[Fact], hour: int, medium: int, is_payment: bool) -> None:
    use = Use(at(hour), 1_000, medium, is_payment)
    if use_after(facts, use, policies_of_province("50")) is not None:
        assert any(fact.occurred_us < use.occurred_us and not is_harmless(fact) for fact in facts)


_TOLD = [registered_event, lost, journey, lambda card, at_s: released(at_s), lambda _, at_s: enabled("A00000002", at_s, CARD)]


@settings(max_examples=60, deadline=None)
@given(st.data(), st.lists(st.tuples(st.integers(0, 300), st.sampled_from(_TOLD)), max_size=9, unique_by=lambda told: told[0]))
def test_the_order_of_arrival_changes_no_finding(data: st.DataObject, told_at: list) -> None:  # type: ignore[type-arg]
    events = [make(CARD, at_s=AT_S + hour * HOUR_S) for hour, make in told_at]
    assert folded(data.draw(st.permutations(events))) == folded(events)


# The cards of a person

HOLDER, OTHER = "500199194001010014", "500199199002020025"


def held(event: event_pb2.Event, person: str = HOLDER, province: str = "50") -> event_pb2.Event:
    event.holder.id_type, event.holder.key = references_pb2.ID_TYPE_RESIDENT_ID, key_of(person)
    event.card.issuing_province = province
    return event


def temporary(card_no: str) -> event_pb2.Event:
    event = registered_event(card_no)
    event.card_registered.card_kind = 2
    return event


def cards(views: psycopg.Connection, person: str = HOLDER) -> list[tuple[str, bytes, str | None, bool]]:
    """(issuing province, card, status, is current) of a person's cards."""
    fold(views, PERSON_CARDS)
    row = views.execute("SELECT cards FROM views.person_cards WHERE key = %s", (key_of(person),)).fetchone()
    return [(card.issuing_province, bytes.fromhex(card.card), card.status, card.is_current) for card in held_of(row[0])] if row else []


def counts(views: psycopg.Connection) -> tuple[int, int, int]:
    fold(views, PERSON_CARDS)
    row = views.execute("SELECT current_count, temporary_count, finding_count FROM views.person_cards").fetchone()
    assert row is not None
    return row[0], row[1], row[2]


def test_one_person_may_hold_a_card_of_each_province(journal: Recording, views: psycopg.Connection) -> None:
    # G10.
    journal.append(held(registered_event(CARD)), feed=CARDS)
    journal.append(held(registered_event(CARD + "S", AT_S + 60), province="51"), feed="sc.card-center")
    assert cards(views) == [("50", key_of(CARD), "ACTIVE", True), ("51", key_of(CARD + "S"), "ACTIVE", True)]
    assert counts(views) == (2, 0, 0)


def test_a_second_current_card_of_one_province_is_a_finding(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(held(registered_event("A00000002", AT_S + 60)), held(registered_event(CARD)), feed=CARDS)
    assert counts(views) == (2, 0, 1)
    [one] = listed_persons(views)
    assert (one.about, one.found[:4]) == ("person", (1, 2, "SECOND_CURRENT_CARD", "card_registered"))


def test_a_replaced_card_is_current_until_its_successor_is_enabled(journal: Recording, views: psycopg.Connection) -> None:
    # G8.
    new = held(about("A00000002", AT_S + HOUR_S))
    new.card_handed_over.SetInParent()
    journal.append(held(registered_event(CARD)), new, feed=CARDS)
    assert (cards(views)[0][2:], cards(views)[1][2:]) == (("ACTIVE", True), ("SEALED", False))
    journal.append(held(enabled("A00000002", AT_S + 2 * HOUR_S, predecessor=CARD)), feed=CARDS)
    assert (cards(views)[0][2:], cards(views)[1][2:], counts(views)) == (("CANCELLED", False), ("ACTIVE", True), (1, 0, 0))


def test_a_supersession_links_predecessor_and_successor(journal: Recording, views: psycopg.Connection) -> None:
    replaced = held(about(CARD, AT_S + 60))
    replaced.replacement_applied.keeps_bank_account = True
    journal.append(held(registered_event(CARD)), replaced, held(enabled("A00000002", predecessor=CARD)), feed=CARDS)
    fold(views, PERSON_CARDS)
    row = views.execute("SELECT cards FROM views.person_cards").fetchone()
    old, new = held_of((row or [""])[0])
    assert (old.superseded_by, new.supersedes) == (key_of("A00000002").hex(), key_of(CARD).hex())
    assert (old.keeps_bank_account, new.keeps_bank_account) == (True, False)


def test_a_temporary_card_is_counted_apart(journal: Recording, views: psycopg.Connection) -> None:
    # G15.
    journal.append(held(registered_event(CARD)), held(temporary("A00000002")), feed=CARDS)
    assert counts(views) == (1, 1, 0)


@pytest.mark.parametrize(("before", "codes"), [("replacement_applied", []), ("app_locked", ["APPLIED_BESIDE_CURRENT_CARD"])])
def test_an_application_beside_a_current_card_is_a_finding_unless_that_is_to_be_replaced(
    journal: Recording, views: psycopg.Connection, before: str, codes: list[str]
) -> None:
    # L1.
    old, new = held(about(CARD, AT_S + 60)), held(about("A00000002", AT_S + HOUR_S))
    getattr(old, before).SetInParent()
    new.card_applied.card_kind = 1
    journal.append(held(registered_event(CARD)), old, new, feed=CARDS)
    fold(views, PERSON_CARDS)
    assert [one.found.code for one in listed_persons(views)] == codes


def test_a_card_registered_under_a_wrong_document_goes_over_to_the_right_one(journal: Recording, views: psycopg.Connection) -> None:
    corrected = held(about(CARD, AT_S + HOUR_S))
    corrected.holder_data_corrected.corrected_holder.id_type = references_pb2.ID_TYPE_RESIDENT_ID
    corrected.holder_data_corrected.corrected_holder.key = key_of(OTHER)
    journal.append(held(registered_event(CARD)), corrected, feed=CARDS)
    assert (cards(views), cards(views, OTHER)) == ([], [("50", key_of(CARD), None, True)])


def test_a_reversed_registration_leaves_no_card(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(held(registered_event(CARD)), reversing(held(registered_event(CARD)), 1, CARDS), feed=CARDS)
    assert cards(views) == []


# Both


@pytest.mark.parametrize("view", [FINDINGS, PERSON_CARDS], ids=lambda view: view.name)
@pytest.mark.parametrize("page_events", [1, 3])
def test_live_is_rebuilt_digest_for_digest(journal: Recording, views: psycopg.Connection, view: Projection, page_events: int) -> None:
    journal.append(*(held(registered_event(card)) for card in (CARD, "A00000002")), lost(CARD, AT_S + 2 * HOUR_S), feed=CARDS)
    journal.append(*(journey(CARD, at_s=AT_S + hour * HOUR_S) for hour in range(6)), correcting(journey("A00000002"), 4))
    journal.append(lost(CARD, AT_S + HOUR_S), held(enabled("A00000003", predecessor="A00000002")), feed=CARDS)
    journal.append(reversing(lost(CARD, AT_S + 2 * HOUR_S), 3, CARDS), held(registered_event("A00000004")), feed=CARDS)
    fold(views, view, page_events)
    once = digest(views, view)
    assert rebuild(views, view).is_equal
    assert digest(views, view) == once


def test_no_answer_rests_on_these_views() -> None:
    assert not {FINDINGS, PERSON_CARDS} & set(DECIDED_BY)


# The command


def findings_command(dsn: str, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str]:
    from hub.cli import app

    monkeypatch.setenv("HUB_DSN", dsn)
    result = CliRunner().invoke(app, ["findings", *arguments])
    return result.exit_code, result.output


def test_the_command_lists_findings_with_both_events(
    dsn: str, journal: Recording, views: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.append(lost(CARD), feed=CARDS)
    journal.append(journey(CARD, at_s=AT_S + HOUR_S))
    fold(views, FINDINGS)
    _, lines = findings_command(dsn, monkeypatch, "--json")
    assert '"position": 2, "against_position": 1, "code": "USE_AFTER_LOSS", "kind": "transit_journey_completed"' in lines


def test_the_command_refuses_what_is_no_key(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    status, output = findings_command(dsn, monkeypatch, "--card", "A00000001")
    assert (status, "64" in output) == (2, True)


def test_raised_findings_of_no_state_or_rule_are_refused_not_none(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    status, output = findings_command(dsn, monkeypatch, "raised", "--state", "OPEN")
    assert (status, "DETECTED" in output) == (2, True)
    status, output = findings_command(dsn, monkeypatch, "raised", "--rule", "PIN")
    assert (status, "PIN_BURST" in output) == (1, True)
    assert findings_command(dsn, monkeypatch, "raised", "--state", "detected", "--rule", "pin_burst", "--json") == (0, "[]\n")


def test_thirty_days_before_the_first_day_that_there_is_begin_with_it(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    status, output = findings_command(dsn, monkeypatch, "simulate", "PIN_BURST", "--to", "0001-01-10")
    assert (status, "first_day=0001-01-01" in output) == (1, True)


def test_the_command_says_of_how_many_findings_its_list_is(
    dsn: str, journal: Recording, views: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.append(lost(CARD), feed=CARDS)
    journal.append(journey(CARD, at_s=AT_S + HOUR_S))
    journal.append(journey(CARD, at_s=AT_S + 2 * HOUR_S))
    fold(views, FINDINGS)
    assert "newest 1 of 2 findings" in findings_command(dsn, monkeypatch, "--most", "1")[1]


def test_a_hundred_columns_cut_nothing_off_the_list() -> None:
    long = max(MEANINGS, key=len)
    found = Found(123_456_789, 123_456_788, long, "medical_settlement_completed", 1_790_000_000_000_000, 0, 0)
    screen = Console(width=100, file=io.StringIO())
    screen.print(listing([Listed("person", "0123456789abcdef" * 4, "50", found)]))
    drawn = screen.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in drawn
    assert drawn.count("0123456789abcdef") == 4
    for text in ("123456789", "123456788", long, "medical_settlement_completed", "2026-09-", "+08:00"):
        assert text in drawn

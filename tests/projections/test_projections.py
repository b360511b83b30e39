"""The views on a real PostgreSQL: live = rebuilt, twice = once, corrections move what they correct, a broken event stops only its key."""

import json
import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from chuanyu.exchange.v1 import (
    card_lifecycle_pb2,
    control_pb2,
    event_pb2,
    findings_pb2,
    hub_decisions_pb2,
    references_pb2,
    service_items_pb2,
)

from hub.admin.agreements import Officer
from hub.admin.registry import load_agreements
from hub.admin.service_items import approve_version, draft_version
from hub.domain import reference
from hub.domain.card import standing
from hub.domain.loss import Loss, Report
from hub.domain.unusual_use.finding import Finding, Said
from hub.domain.unusual_use.patterns import Found
from hub.domain.unusual_use.rule_book import first_version, rule_named
from hub.journal.reader import Recorded, head_position
from hub.journal.recorder import AggregateStore
from hub.projections import PROJECTIONS, runner
from hub.projections.engine import Key, Projection, Row, advance, create_views, positions
from hub.projections.rebuild import ParkedEventsPreventSwitch, RebuildUnderWay, RebuiltViewDiffers, digest, rebuild
from hub.projections.views.agreements import AGREEMENTS, read_agreements
from hub.projections.views.card_alias import CARD_ALIAS
from hub.projections.views.card_answers import CARD_ANSWERS, MOST_A_MONTH, answers_about
from hub.projections.views.card_rows import card_rows, facts_in
from hub.projections.views.card_standing import CARD_STANDING, facts_of
from hub.projections.views.contradictions import CLAIM_TALLY, CODES_SHOWN_AGAIN, listed_contradicted, listed_shown_again
from hub.projections.views.daily_usage import DAILY_USAGE, MOST_REPEATS
from hub.projections.views.decision_tally import DECISION_TALLY, Window, outcomes, reasons
from hub.projections.views.feed_progress import FEED_PROGRESS
from hub.projections.views.holder_cards import HOLDER_CARDS
from tests.beside import others_beside
from tests.databases import Emptied
from tests.recording import (
    AT_S,
    SICHUAN,
    Recording,
    about,
    case_event,
    certified,
    consumption,
    contradicted,
    correcting,
    decided,
    declared,
    elders_ride,
    eligible,
    enabled,
    entered,
    filing,
    fund_batch,
    fund_row,
    institution,
    journey,
    key_of,
    library,
    looked_at,
    lost,
    name_card,
    refund,
    registered,
    repointed,
    reversing,
    settlement,
    shown,
    venue,
    verdict,
)

HOUR_S, DAY_S = 3_600, 86_400


@pytest.fixture(scope="module")
def with_notes(server_dsn: str) -> Iterator[Emptied]:
    """A database with the view of the tests' own."""

    def prepare(dsn: str) -> None:
        with runner.connect(dsn) as connection:
            create_views(connection, (NOTES,))

    database = Emptied(server_dsn, f"hub_notes_{os.getpid()}", prepare)
    yield database
    database.drop()


@pytest.fixture
def dsn(with_notes: Emptied) -> str:
    """The database, with empty views."""
    return with_notes.dsn


@pytest.fixture
def superuser(dsn: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


def fold(views: psycopg.Connection, view: Projection, page_events: int = 10_000) -> None:
    while advance(views, view, page_events=page_events):
        pass


def with_alias(event: event_pb2.Event, identifier: str, kind: int = references_pb2.CARD_IDENTIFIER_KIND_TRANSIT_CARD_NO) -> event_pb2.Event:
    name_card(event.card_aliases.add(), identifier, kind=kind)
    return event


def held(event: event_pb2.Event, person: str = "500199194001010014") -> event_pb2.Event:
    event.holder.id_type, event.holder.key = references_pb2.ID_TYPE_RESIDENT_ID, key_of(person)
    return event


def quarantined() -> event_pb2.Event:
    event = event_pb2.Event()
    event.occurred_at.seconds = AT_S
    event.event_quarantined.declared_kind = "transit_journey_completed"
    return event


# A small view of the tests' own: the last note of each card, kept in source.message_id. It cannot read the note "broken", and
# names no row for the note "nameless".


def note(card_no: str, text: str) -> event_pb2.Event:
    event = about(card_no)
    event.source.message_id = text
    event.identity_presented.window_code = "1"
    return event


def _note_keys(recorded: Recorded, _: Recorded | None) -> Iterator[Key]:
    if recorded.event.source.message_id == "nameless":
        raise ValueError
    yield (recorded.event.card.key,)
    if recorded.event.source.message_id == "twice":
        yield (recorded.event.card.key,)


def _note_evolve(_: Key, row: Row | None, recorded: Recorded, __: Recorded | None) -> Row:
    text = recorded.event.source.message_id
    if text == "broken":
        raise ValueError
    return (f"{row[0]} {text}" if row is not None else text,)


def _mended_evolve(_: Key, row: Row | None, recorded: Recorded, __: Recorded | None) -> Row:
    text = recorded.event.source.message_id
    return (f"{row[0]} {text}" if row is not None else text,)


def _make_notes(evolve: Any, keys: Any = _note_keys) -> Projection:
    return Projection("test_notes", (("key", "bytea"),), (("notes", "text"),), frozenset({"identity_presented"}), keys, evolve)


NOTES = _make_notes(_note_evolve)
MENDED_NOTES = _make_notes(_mended_evolve)


def notes(views: psycopg.Connection) -> dict[bytes, str]:
    return dict(views.execute("SELECT key, notes FROM views.test_notes").fetchall())


def parked(views: psycopg.Connection) -> list[tuple[int, str]]:
    return views.execute("SELECT position, error FROM views.parked WHERE view = 'test_notes' ORDER BY position").fetchall()


# What every view has something of


def record_a_history(dsn: str, journal: Recording) -> None:
    """Something for every view: late facts, corrections and reversals near and far, aliases, a bad event, the agreements."""
    store = AggregateStore(dsn)
    load_agreements(store, datetime(2025, 1, 1, tzinfo=UTC))
    cards = [f"A{number:08d}" for number in range(5)]
    store.save(*a_loss(about(cards[4]).card))
    suspended = service_items_pb2.ServiceItemVersion(state=service_items_pb2.SERVICE_ITEM_STATE_SUSPENDED, valid_from="2026-01-01")
    for side in ("50", "51"):
        drafted = service_items_pb2.ServiceItemDrafted(item_id="TB057", version=suspended)
        draft_version(store, drafted, Officer(side, f"{side}01"), datetime(2025, 12, 1, tzinfo=UTC))
    approve_version(store, "TB057", Officer("50", "5002"), datetime(2025, 12, 2, tzinfo=UTC))
    store.close()
    journal.append(*(with_alias(registered(card), f"310{card}") for card in cards), feed="cq.card-center")
    journal.append(lost(cards[0], AT_S + DAY_S), lost(cards[0], AT_S + HOUR_S), quarantined(), feed="cq.card-center")
    journal.append(correcting(lost(cards[1], AT_S + DAY_S), 6, "cq.card-center"), feed="cq.card-center")
    journal.append(enabled("A00000009", predecessor=cards[2]), feed="cq.card-center")
    journal.append(*(journey(card, at_s=AT_S + at * HOUR_S) for at, card in enumerate(cards * 3)))
    journal.append(correcting(journey(cards[1], 200), 2), reversing(journey(cards[2]), 3), correcting(journey(cards[3], 100), 16))
    journal.append(with_alias(lost(cards[4]), "310A00000000"), reversing(lost(cards[0]), 6, "cq.card-center"), feed="cq.card-center")
    journal.append(held(registered("A00000010")), held(enabled("A00000010", predecessor=cards[3])), feed="cq.card-center")
    journal.append(case_event("submitted"), case_event("accepted", at_s=AT_S + DAY_S))
    journal.append(*contradicted(cards[0]))
    journal.append(decided(cards[0]), decided(cards[0], "LOST_TEMP", "NO_TRANSIT_APP"), looked_at(cards[0]))
    journal.append(declared(control_pb2.REGISTER_CERTIFICATIONS), feed="cq.card-center")
    journal.append(held(certified(cards[1])), certified(cards[1], "2026", AT_S + DAY_S), certified(cards[2]))
    last = journal.next_sequence("cq.usage") - 1
    journal.append(correcting(certified(cards[3]), last), reversing(certified(cards[1], "2026", AT_S + DAY_S), last - 1))
    closed = journal.next_sequence("cq.usage") + 1
    journal.append(eligible("E1"), correcting(eligible("E1", since="2025-09-02"), journal.next_sequence("cq.usage")), eligible("E2"))
    journal.append(institution("opened"), institution("closed"), correcting(institution("closed", "H50010300002"), closed))
    journal.append(filing(), correcting(filing(valid_to="2025-10-31"), journal.next_sequence("cq.usage")), settlement(), refund())
    journal.append(*(elders_ride(cards[0], counter) for counter in (1, 2, 2)))
    ridden = journal.next_sequence("cq.usage") - 1
    journal.append(correcting(elders_ride(cards[0], 3), ridden - 2), reversing(elders_ride(cards[0], 2), ridden))
    journal.append(
        library("borrowed"), library("returned", AT_S + DAY_S), venue("gate_entered", gate="EAST"), venue("gate_left", gate="EAST")
    )
    journal.append(
        fund_batch("published", amount_total_fen=20_000), fund_batch("sent", row_count=2, amount_total_fen=20_000),
        fund_row("sent", account="OLD"), fund_row("sent", 2), fund_row("paid", 2, AT_S + HOUR_S, bank_serial="B2"),
        fund_row("returned", 1, AT_S + HOUR_S, reason=5, bank_serial="B1"), repointed("OLD", "NEW", AT_S + DAY_S),
        fund_row("sent", 1, AT_S + DAY_S, account="NEW", attempt=2), fund_row("returned", 3, AT_S + HOUR_S, reason=2),
    )  # fmt: skip
    paid = journal.next_sequence("cq.usage") - 5
    journal.append(correcting(fund_row("paid", 2, AT_S + HOUR_S, 9_999), paid), reversing(fund_row("returned", 3), paid + 4))
    journal.append(
        consumption("coupon_granted", coupon_id="C1", face_fen=500, funder="F"), consumption("coupon_granted", coupon_id="C2"),
        consumption("coupon_redeemed", AT_S + HOUR_S, coupon_id="C1", used_fen=500), consumption("points_earned", account_id="J", points=9),
        consumption("points_spent", AT_S + HOUR_S, account_id="J", points=4),
    )  # fmt: skip
    spent = journal.next_sequence("cq.usage") - 1
    journal.append(reversing(consumption("coupon_reversed", AT_S + DAY_S, coupon_id="C1", returned_fen=500), spent - 2))
    journal.append(correcting(consumption("points_spent", AT_S + HOUR_S, account_id="J", points=5), spent))
    gate = journal.next_sequence("cq.usage")
    journal.append(*(entered(cards[0], counter, AT_S + counter * HOUR_S) for counter in range(12)), entered(cards[1], 3))
    journal.append(correcting(entered(cards[0], 11, AT_S + HOUR_S), gate + 11), reversing(entered(cards[1], 3), gate + 12))
    refused = journal.next_sequence("cq.usage")
    journal.append(verdict("rejected", 1), verdict("rejected", 2, reason=2), reversing(verdict("rejected", 1), refused))
    store = AggregateStore(dsn)
    store.save(a_finding())
    store.close()


def a_finding() -> Finding:
    """A finding that was cleared and is open again."""
    at = datetime(2025, 12, 3, tzinfo=UTC)
    found = Found("2025-09-01", (1, 2), 900, ("50", "51"))
    made = Finding.raise_of(first_version(rule_named("IMPOSSIBLE_TRAVEL")), bytes(32), found, None, at)
    by = findings_pb2.FindingOfficer(participant="hub.operators", person="han.mei")
    made.decide(Said(findings_pb2.FINDING_STEP_REVIEW, by), at)
    made.decide(Said(findings_pb2.FINDING_STEP_CLEAR, by, "CLOCK_WRONG"), at)
    made.see(found._replace(positions=(1, 2, 3)), 9, at)
    return made


def a_loss(card: references_pb2.CardRef) -> list[Loss]:
    """A loss that both sides asked for and the issuer refused, and one that waits."""
    requests = [Report(feed, 1, 100 + number, AT_S * 1_000_000) for number, feed in enumerate(("sc.card-center", "cq.card-center"))]
    losses = [Loss.open(card, loss_type, "510100", requests[0]) for loss_type in (1, 2)]
    for loss in losses:
        loss.place_block(requests[0].occurred_us + 72 * HOUR_S * 1_000_000)
        loss.forward(requests[0].occurred_us)
    losses[0].repeat(requests[1], is_lost=False)
    losses[0].refuse(Report("cq.card-center", 2, 102, AT_S * 1_000_000), "NOT_HOLDER")
    return losses


# Daily usage


def usage(views: psycopg.Connection) -> dict[tuple[str, str, str, str], tuple[int, int]]:
    """(uses, fen) of each cell that has any."""
    fold(views, DAILY_USAGE)
    rows = views.execute("SELECT day, issuer, region, scenario, uses, amount_fen FROM views.daily_usage").fetchall()
    return {row[:4]: row[4:] for row in rows if row[4:] != (0, 0)}


METRO = ("2025-09-01", "50", "510100", "TRA.MET")
METRO_NEXT_DAY = ("2025-09-02", "50", "510100", "TRA.MET")


def test_a_use_counts_with_its_money_by_day_issuer_region_and_scenario(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(journey(fare_fen=360), journey(fare_fen=240))
    assert usage(views) == {METRO: (2, 600)}


def test_a_fact_told_without_end_counts_once_and_its_row_does_not_grow(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(*(journey() for _ in range(2 * MOST_REPEATS)))
    assert usage(views) == {METRO: (1, 360)}
    assert views.execute("SELECT max(finding_count) FROM views.daily_usage_facts").fetchone() == (MOST_REPEATS,)


LAST_SECOND_OF_SEPTEMBER_1_S = 1_756_742_399


def test_the_day_of_a_use_begins_at_midnight_in_china(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(shown(at_s=LAST_SECOND_OF_SEPTEMBER_1_S), shown(at_s=LAST_SECOND_OF_SEPTEMBER_1_S + 1))
    assert usage(views) == {("2025-09-01", "50", "510100", "GOV.ID"): (1, 0), ("2025-09-02", "50", "510100", "GOV.ID"): (1, 0)}


def test_the_business_day_of_transit_begins_at_four_in_china(journal: Recording, views: psycopg.Connection) -> None:
    last_second_s = LAST_SECOND_OF_SEPTEMBER_1_S + 4 * HOUR_S
    journal.append(journey(at_s=last_second_s), journey(at_s=last_second_s + 1))
    assert usage(views) == {METRO: (1, 360), METRO_NEXT_DAY: (1, 360)}


def test_the_sources_business_day_wins_over_the_calendar(journal: Recording, views: psycopg.Connection) -> None:
    night_bus = journey()
    night_bus.business_date = "2025-09-02"
    journal.append(night_bus)
    assert usage(views) == {METRO_NEXT_DAY: (1, 360)}


def test_a_correction_moves_a_use_to_another_cell(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(journey(), correcting(journey(at_s=AT_S + DAY_S), 1))
    assert usage(views) == {METRO_NEXT_DAY: (1, 360)}


def test_a_correction_in_the_same_cell_counts_once(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(journey(fare_fen=360), correcting(journey(fare_fen=200), 1))
    assert usage(views) == {METRO: (1, 200)}


def test_a_correction_reaches_a_use_of_an_earlier_page(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(journey())
    fold(views, DAILY_USAGE)
    journal.append(correcting(journey(at_s=AT_S + DAY_S), 1))
    assert usage(views) == {METRO_NEXT_DAY: (1, 360)}


def test_a_correction_reaches_a_use_of_another_feed(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(journey(fare_fen=360), feed="cq.card-center")
    journal.append(correcting(journey(fare_fen=200), 1, "cq.card-center"))
    assert usage(views) == {METRO: (1, 200)}


def test_a_reversal_takes_a_use_out(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(journey(), journey(), reversing(journey(), 1))
    assert usage(views) == {METRO: (1, 360)}


def test_a_second_reversal_takes_nothing_more_out(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(journey(), journey(), reversing(journey(), 1), reversing(journey(), 1))
    assert usage(views) == {METRO: (1, 360)}


def test_a_use_whose_reversal_is_reversed_counts_again(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(journey(), reversing(journey(), 1), reversing(journey(), 2))
    assert usage(views) == {METRO: (1, 360)}


def test_a_use_whose_correction_is_reversed_counts_again_as_it_was(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(journey(fare_fen=360), correcting(journey(fare_fen=200, at_s=AT_S + DAY_S), 1), reversing(journey(), 2))
    assert usage(views) == {METRO: (1, 360)}


def test_a_correction_reversed_in_a_later_page_gives_the_use_back(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(journey(fare_fen=360), correcting(journey(fare_fen=200), 1))
    assert usage(views) == {METRO: (1, 200)}
    journal.append(reversing(journey(), 2))
    assert usage(views) == {METRO: (1, 360)}


def test_a_use_that_comes_after_its_reversal_does_not_count(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(reversing(journey(), 2))
    assert usage(views) == {}
    journal.append(journey(), journey(fare_fen=240))
    assert usage(views) == {METRO: (1, 240)}


def test_a_correction_that_comes_after_its_reversal_changes_nothing(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(journey(fare_fen=360), reversing(journey(), 3), correcting(journey(fare_fen=200), 1))
    assert usage(views) == {METRO: (1, 360)}


def test_a_correction_of_a_correction_stands_alone(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(journey(), correcting(journey(fare_fen=200), 1), correcting(journey(fare_fen=100), 2))
    assert usage(views) == {METRO: (1, 100)}


def test_a_second_correction_of_the_original_stands_alone(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(journey(), correcting(journey(fare_fen=200), 1), correcting(journey(fare_fen=100), 1))
    assert usage(views) == {METRO: (1, 100)}


def test_a_correction_of_the_original_after_one_of_its_correction_stands_alone(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(
        journey(), correcting(journey(fare_fen=300), 1), correcting(journey(fare_fen=200), 2), correcting(journey(fare_fen=100), 1)
    )
    assert usage(views) == {METRO: (1, 100)}


def test_a_correction_of_a_correction_that_no_longer_stands_replaces_the_one_that_does(
    journal: Recording, views: psycopg.Connection
) -> None:
    journal.append(
        journey(), correcting(journey(fare_fen=300), 1), correcting(journey(fare_fen=200), 1), correcting(journey(fare_fen=100), 2)
    )
    assert usage(views) == {METRO: (1, 100)}


def test_a_reversal_of_a_corrected_use_takes_the_correction_out(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(journey(), correcting(journey(fare_fen=200), 1), reversing(journey(), 1))
    assert usage(views) == {}


def test_a_use_whose_correction_was_reversed_cannot_be_reversed_again(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(journey(), journey(), correcting(journey(fare_fen=200), 1), reversing(journey(), 3), reversing(journey(), 1))
    assert usage(views) == {METRO: (1, 360)}


def test_a_correction_after_a_reversal_counts(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(journey(), reversing(journey(), 1), correcting(journey(fare_fen=200), 1))
    assert usage(views) == {METRO: (1, 200)}


def test_a_correction_of_a_quarantined_event_counts(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(quarantined(), correcting(journey(), 1))
    assert usage(views) == {METRO: (1, 360)}


def test_a_correction_of_an_event_still_to_come_takes_its_place(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(correcting(journey(fare_fen=200), 2), journey(fare_fen=360))
    assert usage(views) == {METRO: (1, 200)}


def test_two_events_that_correct_each_other_end_the_search_for_what_stands(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(correcting(journey(fare_fen=300), 2), correcting(journey(fare_fen=200), 1), correcting(journey(fare_fen=100), 1))
    assert usage(views) == {METRO: (1, 100)}


def test_a_correction_into_a_kind_that_is_no_use_takes_the_use_out(journal: Recording, views: psycopg.Connection) -> None:
    entry = about("A00000001")
    entry.transit_entry_recorded.SetInParent()
    journal.append(journey(), correcting(entry, 1))
    assert usage(views) == {}


def test_a_medical_settlement_is_taken_out_by_its_reversal(journal: Recording, views: psycopg.Connection) -> None:
    settled, undone = about("A00000001"), about("A00000001")
    settled.service_region, settled.scenario = "510100", "MED.OP"
    settled.medical_settlement_completed.money.total_fen = 12_000
    undone.medical_settlement_reversed.SetInParent()
    journal.append(settled, reversing(undone, 1))
    assert usage(views) == {}


def test_a_cell_holds_more_than_the_greatest_amounts(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(shown(amount_fen=2**63 - 1), shown(amount_fen=1), journey())
    assert usage(views) == {("2025-09-01", "50", "510100", "GOV.ID"): (2, 2**63), METRO: (1, 360)}


# Card standing


def facts(views: psycopg.Connection, card_no: str) -> list[tuple[int, str]]:
    """(position, kind) of a card's facts in their order."""
    fold(views, CARD_STANDING)
    row = views.execute("SELECT facts FROM views.card_standing WHERE key = %s", (key_of(card_no),)).fetchone()
    return [] if row is None else [(fact.position, fact.kind) for fact in facts_of(row[0])]


CARDS = "cq.card-center"


def test_facts_that_come_late_stand_where_they_happened(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(lost("A00000001", AT_S + HOUR_S), registered("A00000001", AT_S), feed=CARDS)
    assert facts(views, "A00000001") == [(2, "card_registered"), (1, "temporary_loss_reported")]


def test_facts_of_one_instant_stand_in_the_order_of_the_journal(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(registered("A00000001", AT_S), lost("A00000001", AT_S), feed=CARDS)
    assert facts(views, "A00000001") == [(1, "card_registered"), (2, "temporary_loss_reported")]


def test_a_standing_follows_from_the_facts_up_to_its_instant(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(lost("A00000001", AT_S + HOUR_S), registered("A00000001", AT_S), feed=CARDS)
    fold(views, CARD_STANDING)
    [row] = views.execute("SELECT facts FROM views.card_standing").fetchall()
    statuses = [standing(facts_of(row[0]), (AT_S + offset_s) * 1_000_000, 7).social_status for offset_s in (-1, 0, HOUR_S)]
    assert statuses == [None, "ACTIVE", "TEMP_LOST"]


def test_a_correction_takes_the_corrected_fact_out(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(registered("A00000001"), lost("A00000001"), correcting(lost("A00000001", AT_S + HOUR_S), 2, CARDS), feed=CARDS)
    assert facts(views, "A00000001") == [(1, "card_registered"), (3, "temporary_loss_reported")]


def test_a_correction_to_another_card_takes_the_fact_out_of_the_wrong_card(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(registered("A00000001"), lost("A00000001"), correcting(lost("A00000002"), 2, CARDS), feed=CARDS)
    assert facts(views, "A00000001") == [(1, "card_registered")]


def test_a_correction_to_another_card_puts_the_fact_there(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(registered("A00000001"), lost("A00000001"), correcting(lost("A00000002"), 2, CARDS), feed=CARDS)
    assert facts(views, "A00000002") == [(3, "temporary_loss_reported")]


def test_a_correction_of_a_correction_leaves_the_last_fact(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(lost("A00000001"), correcting(lost("A00000002"), 1, CARDS), correcting(lost("A00000001"), 2, CARDS), feed=CARDS)
    assert (facts(views, "A00000001"), facts(views, "A00000002")) == ([(3, "temporary_loss_reported")], [])


def test_a_reversal_takes_a_fact_out(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(registered("A00000001"), lost("A00000001"), reversing(lost("A00000001"), 2, CARDS), feed=CARDS)
    assert facts(views, "A00000001") == [(1, "card_registered")]


def test_a_reversed_correction_gives_the_fact_back(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(registered("A00000001"), lost("A00000001"), correcting(lost("A00000001", AT_S + HOUR_S), 2, CARDS), feed=CARDS)
    journal.append(reversing(lost("A00000001"), 3, CARDS), feed=CARDS)
    assert facts(views, "A00000001") == [(1, "card_registered"), (2, "temporary_loss_reported")]


def test_a_reversed_correction_to_another_card_gives_the_fact_back_to_the_first(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(lost("A00000001"), correcting(lost("A00000002"), 1, CARDS), reversing(lost("A00000002"), 2, CARDS), feed=CARDS)
    assert (facts(views, "A00000001"), facts(views, "A00000002")) == ([(1, "temporary_loss_reported")], [])


def test_a_reversed_correction_of_an_enabling_supersedes_the_first_predecessor(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(registered("A00000001"), enabled("A00000002", predecessor="A00000001"), feed=CARDS)
    journal.append(correcting(enabled("A00000002"), 2, CARDS), reversing(enabled("A00000002"), 3, CARDS), feed=CARDS)
    assert facts(views, "A00000001") == [(1, "card_registered"), (2, "card_superseded")]


def test_two_families_that_a_late_event_makes_one_keep_one_fact(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(lost("A00000001"), correcting(lost("A00000002"), 3, CARDS), correcting(lost("A00000003"), 1, CARDS), feed=CARDS)
    told = [facts(views, card) for card in ("A00000001", "A00000002", "A00000003")]
    assert told == [[], [(2, "temporary_loss_reported")], []]


def test_a_card_without_facts_has_no_row(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(lost("A00000001"), reversing(lost("A00000001"), 1, CARDS), feed=CARDS)
    fold(views, CARD_STANDING)
    assert views.execute("SELECT * FROM views.card_standing").fetchall() == []


def test_a_correction_into_a_kind_that_is_no_fact_takes_the_fact_out(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(registered("A00000001"), lost("A00000001"), correcting(shown("A00000001"), 2, CARDS), feed=CARDS)
    assert facts(views, "A00000001") == [(1, "card_registered")]


def test_enabling_a_card_supersedes_its_predecessor(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(registered("A00000001"), enabled("A00000002", predecessor="A00000001"), feed=CARDS)
    assert facts(views, "A00000001") == [(1, "card_registered"), (2, "card_superseded")]


def test_a_reversed_enabling_gives_the_predecessor_back(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(registered("A00000001"), enabled("A00000002", predecessor="A00000001"), feed=CARDS)
    journal.append(reversing(enabled("A00000002"), 2, CARDS), feed=CARDS)
    assert facts(views, "A00000001") == [(1, "card_registered")]


def test_an_enabling_corrected_to_have_no_predecessor_gives_it_back(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(registered("A00000001"), enabled("A00000002", predecessor="A00000001"), feed=CARDS)
    journal.append(correcting(enabled("A00000002"), 2, CARDS), feed=CARDS)
    assert facts(views, "A00000001") == [(1, "card_registered")]


def test_an_enabling_corrected_to_another_predecessor_supersedes_that_one(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(registered("A00000003"), enabled("A00000002", predecessor="A00000001"), feed=CARDS)
    journal.append(correcting(enabled("A00000002", predecessor="A00000003"), 2, CARDS), feed=CARDS)
    assert facts(views, "A00000003") == [(1, "card_registered"), (3, "card_superseded")]


def test_an_enabling_corrected_to_another_card_does_not_supersede_the_wrong_card(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(registered("A00000001"), enabled("A00000001"), correcting(enabled("A00000002"), 2, CARDS), feed=CARDS)
    assert facts(views, "A00000001") == [(1, "card_registered")]


def test_a_correction_of_a_quarantined_event_is_a_fact(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(quarantined(), correcting(enabled("A00000001"), 1, CARDS), feed=CARDS)
    assert facts(views, "A00000001") == [(2, "social_function_activated")]


# Card aliases, agreements, feeds


def aliases(views: psycopg.Connection) -> dict[bytes, bytes]:
    fold(views, CARD_ALIAS)
    return dict(views.execute("SELECT key, card_key FROM views.card_alias").fetchall())


def test_an_identifier_leads_to_the_card_number_named_with_it(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(with_alias(registered("A00000001"), "3105000000000000001"), feed=CARDS)
    assert aliases(views) == {key_of("3105000000000000001"): key_of("A00000001")}


def test_an_event_addressed_by_another_identifier_ties_it_to_the_number_it_names(journal: Recording, views: psycopg.Connection) -> None:
    event = event_pb2.Event()
    event.occurred_at.seconds = AT_S
    name_card(event.card, "3105000000000000001", kind=references_pb2.CARD_IDENTIFIER_KIND_TRANSIT_CARD_NO)
    event.transit_purse_loaded.issuer_id = "31050000"
    journal.append(with_alias(event, "A00000001", references_pb2.CARD_IDENTIFIER_KIND_CARD_NO), feed=CARDS)
    assert aliases(views) == {key_of("3105000000000000001"): key_of("A00000001")}


def test_what_the_other_side_may_report_too_ties_nothing(journal: Recording, views: psycopg.Connection) -> None:
    event = event_pb2.Event()
    event.occurred_at.seconds = AT_S
    name_card(event.card, "A00000001")
    event.temporary_loss_reported.channel = 1
    journal.append(with_alias(event, "3105000000000000001"), feed=CARDS)
    assert aliases(views) == {}


def test_an_identifier_leads_to_the_number_named_last(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(*(with_alias(registered(card_no), "3105000000000000001") for card_no in ("A00000001", "A00000002")), feed=CARDS)
    assert aliases(views) == {key_of("3105000000000000001"): key_of("A00000002")}


def test_an_event_that_names_one_identifier_ties_nothing(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(registered("A00000001"), feed=CARDS)
    assert aliases(views) == {}


def test_every_agreement_of_the_reference_table_is_in_its_view(dsn: str, views: psycopg.Connection) -> None:
    store = AggregateStore(dsn)
    load_agreements(store, datetime(2025, 1, 1, tzinfo=UTC))
    store.close()
    fold(views, AGREEMENTS)
    codes = [row[0] for row in views.execute("SELECT code FROM views.agreement_history ORDER BY code")]
    assert codes == sorted(f"{row.agreement_id}/{row.version}" for row in reference.load().agreements)


def agreement(kind: str) -> event_pb2.Event:
    event = event_pb2.Event()
    event.occurred_at.seconds = AT_S
    getattr(event, kind).SetInParent()
    return event


def terms(scenario: str, from_s: int = AT_S) -> hub_decisions_pb2.AgreementTerms:
    """Chongqing's cards in all of Sichuan."""
    made = hub_decisions_pb2.AgreementTerms(scenarios=[scenario], issuer_provinces=["50"], serving_provinces=["51"])
    made.valid_from.seconds = from_s
    return made


def in_force(views: psycopg.Connection, scenario: str, at_s: int) -> list[str]:
    about = read_agreements(views)[1].about(scenario, "50", "510100", "")
    return [terms.code for terms in about if terms.is_in_force(at_s * 1_000_000)]


@pytest.mark.parametrize(("kind", "instant"), [("agreement_ended", "ended_at"), ("agreement_suspended", "from_at")])
def test_an_end_or_a_suspension_takes_an_agreement_out_of_force_at_its_instant(
    journal: Recording, views: psycopg.Connection, kind: str, instant: str
) -> None:
    activated, closed = agreement("agreement_activated"), agreement(kind)
    activated.agreement_activated.agreement_code = "TRA/1"
    activated.agreement_activated.terms.CopyFrom(terms("TRA.BUS"))
    getattr(getattr(closed, kind), instant).seconds = AT_S + DAY_S
    journal.append(activated, closed)
    fold(views, AGREEMENTS)
    assert in_force(views, "TRA.BUS", AT_S + DAY_S - 1) == ["TRA/1"]
    assert in_force(views, "TRA.BUS", AT_S + DAY_S) == []


def test_an_amendment_replaces_the_terms_from_its_instant(journal: Recording, views: psycopg.Connection) -> None:
    activated, amended = agreement("agreement_activated"), agreement("agreement_amended")
    activated.agreement_activated.agreement_code = "TRA/1"
    activated.agreement_activated.terms.CopyFrom(terms("TRA.BUS"))
    amended.agreement_amended.terms.CopyFrom(terms("TRA.MET", AT_S + DAY_S))
    journal.append(activated, amended)
    fold(views, AGREEMENTS)
    assert in_force(views, "TRA.BUS", AT_S + DAY_S - 1) == ["TRA/1"]
    assert in_force(views, "TRA.MET", AT_S + DAY_S - 1) == []
    assert in_force(views, "TRA.BUS", AT_S + DAY_S) == []
    assert in_force(views, "TRA.MET", AT_S + DAY_S) == ["TRA/1.2"]


def test_a_feed_shows_how_far_it_is_and_how_much_of_it_is_quarantined(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(journey(), feed="sc.usage")
    journal.append(journey(), quarantined(), journey())
    fold(views, FEED_PROGRESS)
    row = views.execute(
        "SELECT events, quarantined, last_sequence, last_position FROM views.feed_progress WHERE stream_id = %s",
        (journal.streams["cq.usage"],),
    ).fetchone()
    assert row == (3, 1, 3, 4)


# Parked events


def test_an_event_that_cannot_be_folded_is_parked_with_the_later_ones_of_its_key(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(note("A00000001", "one"), note("A00000001", "broken"), note("A00000001", "two"))
    fold(views, NOTES)
    assert parked(views) == [(2, "ValueError"), (3, "an earlier event of this key is parked")]


def test_events_of_a_later_page_are_parked_with_their_key_too(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(note("A00000001", "broken"))
    fold(views, NOTES)
    journal.append(note("A00000001", "two"))
    fold(views, NOTES)
    assert parked(views) == [(1, "ValueError"), (2, "an earlier event of this key is parked")]


def test_a_parked_key_stays_as_it_was_before(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(note("A00000001", "one"), note("A00000001", "broken"), note("A00000001", "two"))
    fold(views, NOTES)
    assert notes(views) == {key_of("A00000001"): "one"}


def test_other_keys_go_on_beside_a_parked_one(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(note("A00000001", "broken"), note("A00000002", "one"), note("A00000002", "two"))
    fold(views, NOTES)
    assert notes(views) == {key_of("A00000002"): "one two"}


def test_a_view_with_parked_events_moves_on(dsn: str, journal: Recording, views: psycopg.Connection) -> None:
    journal.append(note("A00000001", "broken"), note("A00000002", "one"))
    fold(views, NOTES)
    assert positions(views, [NOTES]) == {"test_notes": 2}


def test_an_event_whose_rows_cannot_be_named_is_parked_alone(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(note("A00000001", "nameless"), note("A00000001", "one"))
    fold(views, NOTES)
    assert (parked(views), notes(views)) == ([(1, "ValueError")], {key_of("A00000001"): "one"})


def test_an_event_that_names_a_row_twice_is_folded_once(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(note("A00000001", "twice"))
    fold(views, NOTES)
    assert notes(views) == {key_of("A00000001"): "twice"}


def test_an_event_that_names_a_parked_row_twice_does_not_stop_the_view(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(note("A00000001", "broken"), note("A00000001", "twice"))
    fold(views, NOTES)
    assert positions(views, [NOTES]) == {"test_notes": 2}


def test_the_digest_includes_what_is_parked(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(note("A00000001", "broken"))
    fold(views, NOTES)
    before = digest(views, NOTES)
    views.execute("DELETE FROM views.parked")
    assert digest(views, NOTES) != before


def test_a_rebuild_parks_alike(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(note("A00000001", "one"), note("A00000001", "broken"), note("A00000002", "nameless"), note("A00000001", "two"))
    fold(views, NOTES, page_events=1)
    assert rebuild(views, NOTES, switch=False).is_equal


def test_no_switch_happens_while_events_are_parked(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(note("A00000001", "broken"))
    fold(views, NOTES)
    with pytest.raises(ParkedEventsPreventSwitch):
        rebuild(views, NOTES)


def test_a_refused_switch_leaves_the_live_view(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(note("A00000001", "one"), note("A00000002", "broken"))
    fold(views, NOTES)
    before = digest(views, NOTES)
    with pytest.raises(ParkedEventsPreventSwitch):
        rebuild(views, NOTES)
    assert digest(views, NOTES) == before


def test_a_mended_view_takes_the_parked_events_in(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(note("A00000001", "broken"), note("A00000001", "two"))
    fold(views, NOTES)
    rebuild(views, MENDED_NOTES, even_if_different=True)
    assert (notes(views), parked(views)) == ({key_of("A00000001"): "broken two"}, [])


# Rebuilds


def test_a_view_that_differs_from_its_rebuild_is_not_switched(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(note("A00000001", "one"))
    fold(views, NOTES)
    views.execute("UPDATE views.test_notes SET notes = 'other'")
    with pytest.raises(RebuiltViewDiffers):
        rebuild(views, NOTES)


def test_a_view_that_differs_is_kept(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(note("A00000001", "one"))
    fold(views, NOTES)
    views.execute("UPDATE views.test_notes SET notes = 'other'")
    with pytest.raises(RebuiltViewDiffers):
        rebuild(views, NOTES)
    assert notes(views) == {key_of("A00000001"): "other"}


def test_a_view_that_differs_is_switched_on_demand(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(note("A00000001", "one"))
    fold(views, NOTES)
    views.execute("UPDATE views.test_notes SET notes = 'other'")
    rebuild(views, NOTES, even_if_different=True)
    assert notes(views) == {key_of("A00000001"): "one"}


def test_the_live_view_goes_on_while_it_is_rebuilt(dsn: str, journal: Recording, views: psycopg.Connection) -> None:
    journal.append(note("A00000001", "one"))
    fold(views, NOTES)
    moved: list[int] = []

    def meanwhile(_view: str, _done: int, _head: int) -> None:
        if not moved:
            journal.append(note("A00000002", "two"))
            with runner.connect(dsn) as live:
                moved.append(advance(live, NOTES))

    rebuild(views, NOTES, report=meanwhile)
    assert (moved, notes(views)) == ([1], {key_of("A00000001"): "one", key_of("A00000002"): "two"})


def test_both_views_are_compared_at_one_position(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(note("A00000001", "one"))
    fold(views, NOTES)
    journal.append(note("A00000001", "two"))
    assert rebuild(views, NOTES, switch=False).position == 2


def test_views_equal_their_rebuild_while_a_runner_folds_and_a_province_writes(
    dsn: str, journal: Recording, views: psycopg.Connection
) -> None:
    stop = threading.Event()
    live = threading.Thread(target=runner.run, args=(dsn, stop, others_beside))
    live.start()
    try:
        for number in range(30):
            journal.append(*(journey(f"A{card:08d}", at_s=AT_S + number * HOUR_S) for card in range(20)))
            view = PROJECTIONS[number % len(PROJECTIONS)]
            assert rebuild(views, view).is_equal
    finally:
        stop.set()
        live.join()


def test_a_rebuild_without_switch_leaves_nothing_behind(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(note("A00000001", "one"), note("A00000001", "broken"))
    rebuild(views, NOTES, switch=False)
    left = views.execute("""
        SELECT relname FROM pg_class WHERE relname LIKE '%fresh%'
        UNION SELECT view FROM views.checkpoint WHERE view LIKE '%fresh%'
        UNION SELECT view FROM views.parked WHERE view LIKE '%fresh%'""")
    assert left.fetchall() == []


def test_a_rebuild_begins_anew_where_one_was_broken_off(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(note("A00000001", "one"))

    def break_off(_view: str, _done: int, _head: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuild(views, NOTES, report=break_off)
    rebuild(views, NOTES)
    assert notes(views) == {key_of("A00000001"): "one"}


def test_a_view_is_rebuilt_by_one_at_a_time(dsn: str, journal: Recording, views: psycopg.Connection) -> None:
    journal.append(note("A00000001", "one"))
    refused: list[str] = []

    def meanwhile(_view: str, _done: int, _head: int) -> None:
        with runner.connect(dsn) as other, pytest.raises(RebuildUnderWay) as refusal:
            rebuild(other, NOTES)
        refused.append(refusal.value.metadata["view"])

    assert (rebuild(views, NOTES, report=meanwhile).switched, refused) == (True, ["test_notes"])


def test_a_view_may_be_rebuilt_again_and_again(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(with_alias(registered("A00000001"), "3105000000000000001"), feed=CARDS)
    fold(views, CARD_ALIAS)
    assert [rebuild(views, CARD_ALIAS).switched for _ in range(3)] == [True, True, True]


def test_a_switched_view_keeps_its_indexes(journal: Recording, views: psycopg.Connection) -> None:
    rebuild(views, CARD_ALIAS)
    columns = views.execute("SELECT count(*) FROM pg_indexes WHERE schemaname = 'views' AND tablename = 'card_alias'").fetchone()
    assert columns == (2,)


def test_a_switched_view_may_be_read_by_the_edges(journal: Recording, views: psycopg.Connection, superuser: psycopg.Connection) -> None:
    journal.append(note("A00000001", "one"))
    rebuild(views, NOTES)
    superuser.execute("SET ROLE hub_reader")
    assert notes(superuser) == {key_of("A00000001"): "one"}


# The runner


@pytest.fixture
def running(dsn: str, views: psycopg.Connection) -> Iterator[threading.Thread]:
    """The runner in a thread."""
    stop = threading.Event()
    thread = threading.Thread(target=runner.run, args=(dsn, stop, others_beside))
    thread.start()
    yield thread
    stop.set()
    thread.join()


def until_folded(views: psycopg.Connection, *chosen: Projection) -> None:
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s:
        if set(positions(views, chosen).values()) == {head_position(views)}:
            return
        time.sleep(0.01)
    raise AssertionError(f"not folded: {positions(views, chosen)}, head {head_position(views)}")


def until_said(caplog: pytest.LogCaptureFixture, line: str) -> None:
    deadline_s = time.monotonic() + 60
    while line not in caplog.messages:
        assert time.monotonic() < deadline_s, f"never said: {line}"
        time.sleep(0.01)


def test_the_runner_folds_every_view_up_to_the_head(journal: Recording, views: psycopg.Connection, running: threading.Thread) -> None:
    journal.append(journey())
    until_folded(views, *PROJECTIONS)
    assert running.is_alive()


def test_the_runner_goes_on_after_its_connection_was_cut(
    journal: Recording, views: psycopg.Connection, superuser: psycopg.Connection, running: threading.Thread
) -> None:
    journal.append(journey())
    until_folded(views, *PROJECTIONS)
    superuser.execute(
        """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
           WHERE application_name = 'hub-projector' AND datname = current_database() AND pid <> %s""",
        (views.info.backend_pid,),
    )
    journal.append(journey())
    until_folded(views, *PROJECTIONS)
    assert running.is_alive()


def test_a_runner_that_waits_takes_over_once_the_other_has_ended_and_says_both(
    dsn: str, journal: Recording, views: psycopg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="hub.projections.runner")
    stops = [threading.Event(), threading.Event()]
    first, second = (threading.Thread(target=runner.run, args=(dsn, stop, others_beside)) for stop in stops)
    try:
        first.start()
        journal.append(journey())
        until_folded(views, *PROJECTIONS)
        second.start()
        waits, takes_over = "another process folds; this one waits to take over", "the other process has ended; this one folds now"
        until_said(caplog, f"projections: {waits}")
        assert takes_over not in caplog.text
        stops[0].set()
        until_said(caplog, f"projections: {takes_over}")
        journal.append(journey())
        until_folded(views, *PROJECTIONS)
    finally:
        for stop, thread in zip(stops, (first, second), strict=True):
            stop.set()
            thread.join()
    assert [caplog.messages.count(f"projections: {line}") for line in (waits, takes_over)] == [1, 1]


def test_the_runner_goes_on_once_a_server_that_was_read_only_takes_writes_again(
    journal: Recording, views: psycopg.Connection, superuser: psycopg.Connection, running: threading.Thread
) -> None:
    until_folded(views, *PROJECTIONS)
    name = superuser.info.dbname
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'hub-projector' AND pid <> %s"
    superuser.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
    superuser.execute(cut, (views.info.backend_pid,))
    time.sleep(1.5)
    superuser.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = off".encode())
    superuser.execute(cut, (views.info.backend_pid,))
    journal.append(journey())
    until_folded(views, *PROJECTIONS)
    assert running.is_alive()


def test_the_runner_goes_on_after_it_stood_still_for_too_long(
    dsn: str, journal: Recording, views: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = threading.Event()

    def evolve_slowly_once(key: Key, row: Row | None, recorded: Recorded, corrected: Recorded | None) -> Row:
        if not slow.is_set():
            slow.set()
            time.sleep(0.5)
        return _note_evolve(key, row, recorded, corrected)

    sluggish = _make_notes(evolve_slowly_once)
    monkeypatch.setattr(runner, "PROJECTIONS", (sluggish,))
    monkeypatch.setattr(runner, "_SETTINGS", {"idle_in_transaction_session_timeout": "100ms"})
    stop = threading.Event()
    create_views(views, [sluggish])
    thread = threading.Thread(target=runner.follow, args=(dsn, stop))
    thread.start()
    journal.append(note("A00000001", "one"))
    try:
        until_folded(views, sluggish)
    finally:
        stop.set()
        thread.join()
    assert notes(views) == {key_of("A00000001"): "one"}


# Holders' cards and the facts that follow from them


def holders(views: psycopg.Connection, person: str = "500199194001010014") -> tuple[dict[str, list[str]], bool]:
    """The cards of a holder by province, and whether answers look at them."""
    fold(views, HOLDER_CARDS)
    row = views.execute("SELECT cards, is_shared FROM views.holder_cards WHERE key = %s", (key_of(person),)).fetchone()
    assert row is not None
    return json.loads(row[0]), row[1]


def hexed(*cards: str) -> list[str]:
    return [key_of(card).hex() for card in cards]


def known(views: psycopg.Connection, card: str) -> list[tuple[int, str]]:
    """(position, kind) of a card's facts with those that follow from its holder's other cards."""
    for view in (CARD_STANDING, CARD_ALIAS, HOLDER_CARDS):
        fold(views, view)
    return [(fact.position, fact.kind) for fact in facts_in(views, key_of(card))]


def test_a_holders_cards_are_those_that_events_name_with_him(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(held(registered("A00000001")), held(registered("A00000002")), registered("A00000003"), feed=CARDS)
    assert holders(views) == ({"50": hexed("A00000001", "A00000002")}, True)


def test_one_card_of_each_province_is_not_shared(journal: Recording, views: psycopg.Connection) -> None:
    other = held(registered("S00000001"))
    other.card.issuing_province = "51"
    journal.append(held(registered("A00000001")), other, feed=CARDS)
    assert holders(views) == ({"50": hexed("A00000001"), "51": hexed("S00000001")}, False)


def test_a_card_corrected_to_another_holder_is_no_longer_his(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(held(registered("A00000001")), held(registered("A00000002")), feed=CARDS)
    journal.append(correcting(held(registered("A00000002"), "another"), 2, CARDS), feed=CARDS)
    assert (holders(views), holders(views, "another")[0]) == (({"50": hexed("A00000001")}, False), {"50": hexed("A00000002")})


def test_a_card_without_a_number_is_not_taken_for_another_card(journal: Recording, views: psycopg.Connection) -> None:
    by_code = held(enabled("code-of-A00000001"))
    by_code.card.kind = references_pb2.CARD_IDENTIFIER_KIND_CARD_IDENT_CODE
    journal.append(held(registered("A00000001")), by_code, feed=CARDS)
    assert (holders(views), known(views, "A00000001")) == (({"50": hexed("A00000001")}, False), [(1, "card_registered")])


def test_a_card_enabled_under_another_of_its_identifiers_does_not_end_itself(journal: Recording, views: psycopg.Connection) -> None:
    code = references_pb2.CARD_IDENTIFIER_KIND_CARD_IDENT_CODE
    by_code = held(enabled("code-of-A00000001"))
    by_code.card.kind = code
    name_card(by_code.card_aliases.add(), "A00000001")
    journal.append(held(with_alias(registered("A00000001"), "code-of-A00000001", code)), held(registered("A00000002")), by_code, feed=CARDS)
    assert known(views, "A00000001") == [(1, "card_registered"), (3, "social_function_activated")]
    assert known(views, "A00000002") == [(2, "card_registered"), (3, "card_replaced")]


def test_a_view_of_an_older_release_gets_its_columns_and_goes_on(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(held(registered("A00000001")), feed=CARDS)
    fold(views, CARD_STANDING)
    views.execute("ALTER TABLE views.card_standing DROP COLUMN holders, DROP COLUMN holder")
    create_views(views, (CARD_STANDING,))
    journal.append(lost("A00000001"), feed=CARDS)
    assert facts(views, "A00000001") == [(1, "card_registered"), (2, "temporary_loss_reported")]
    rebuild(views, CARD_STANDING, even_if_different=True)
    assert views.execute("SELECT holder FROM views.card_standing").fetchall() == [(key_of("500199194001010014"),)]


def sichuan(event: event_pb2.Event) -> event_pb2.Event:
    event.card.issuing_province = "51"
    return event


def test_cards_of_other_provinces_are_read_only_for_a_holder_whose_death_was_told(journal: Recording, views: psycopg.Connection) -> None:
    code = references_pb2.CARD_IDENTIFIER_KIND_CARD_IDENT_CODE
    journal.append(with_alias(held(registered("A00000001")), "code-of-A00000001", code), sichuan(held(registered("S00000001"))), feed=CARDS)
    assert known(views, "S00000001") == [(2, "card_registered")]
    assert card_rows(views, [key_of("S00000001")])[key_of("S00000001")].elsewhere == ()
    # Report under another identifier, without the holder.
    died = about("code-of-A00000001")
    died.card.kind, died.card_cancelled.reason = code, card_lifecycle_pb2.CANCELLATION_REASON_DEATH
    journal.append(died, feed=CARDS)
    assert known(views, "S00000001") == [(2, "card_registered"), (3, "holder_died")]
    assert known(views, "A00000001") == [(1, "card_registered"), (3, "card_cancelled")]


def test_answers_are_counted_by_minute_and_by_reason(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(decided("A00000001"), decided("A00000002", "LOST_TEMP", "NO_TRANSIT_APP"), decided("A00000003", "LOST_TEMP"))
    fold(views, DECISION_TALLY)
    ever = Window(0, 2**40)
    assert sorted((outcome, answers) for _, outcome, answers in outcomes(views, ever, step=2**40)) == [(1, 1), (5, 2)]
    assert reasons(views, ever) == [("LOST_TEMP", 2), ("NO_TRANSIT_APP", 1)]
    assert (outcomes(views, ever._replace(issuer="51")), reasons(views, ever._replace(serving="50"))) == ([], [])


def test_a_card_knows_its_answers_the_newest_first(journal: Recording, views: psycopg.Connection) -> None:
    card = "A00000001"
    first, _, third, look = journal.append(decided(card), decided("A00000002"), decided(card, "LOST_TEMP"), looked_at(card))
    fold(views, CARD_ANSWERS)
    decisions = answers_about(views, [key_of(card)], "decision_made", 10)
    assert [one.position for one in decisions] == [third, first]
    assert [one.position for one in answers_about(views, [key_of(card)], "card_record_queried", 10)] == [look]
    assert [one.position for one in answers_about(views, [key_of(card)], "decision_made", 1)] == [third]


def test_a_card_that_is_asked_about_without_end_has_no_row_without_end() -> None:
    recorded = Recorded(1, 0, 1, 1, "decision_made", decided().SerializeToString())
    row: Row | None = None
    for _ in range(MOST_A_MONTH + 1):
        row = CARD_ANSWERS.evolve((), row, recorded, None)
    assert row is not None and len(row[0]) == 8 * MOST_A_MONTH


# Codes shown twice, and claims that the record contradicts


def test_a_code_that_is_shown_again_is_a_finding_of_its_card(journal: Recording, views: psycopg.Connection) -> None:
    first, second = journal.append(*contradicted(used=7))
    tried, claimed = contradicted(weighed=1)[0], contradicted(weighed=1)[0]
    tried.decision_made.operator = "op"
    claimed.decision_made.bases[0].record, claimed.decision_made.bases[0].record_position = 0, 0
    journal.append(tried, claimed, decided())
    fold(views, CODES_SHOWN_AGAIN)
    found = [(one.key, one.found.position, one.found.against_position, one.found.code) for one in listed_shown_again(views)]
    assert found == [(key_of("A00000001").hex(), position, 7, "QR_REPLAY") for position in (first, second)]
    assert listed_shown_again(views, key_of("A00000002")) == []


def test_claims_that_the_record_contradicts_are_a_finding_above_a_rate(journal: Recording, views: psycopg.Connection) -> None:
    agreed, differ = contradicted(weighed=2)
    journal.append(*[agreed] * 18, differ)
    fold(views, CLAIM_TALLY)
    assert listed_contradicted(views) == [], "nineteen are too few"
    [position] = journal.append(differ)
    fold(views, CLAIM_TALLY)
    [one] = listed_contradicted(views)
    assert (one.about, one.key, one.found.position, one.found.code) == ("participant", f"{SICHUAN} A06", position, "CLAIM_CONTRADICTED")
    journal.append(*[agreed] * 20)
    fold(views, CLAIM_TALLY)
    assert listed_contradicted(views) == [], "two in forty are to be expected"

"""Every view over any history: live = rebuilt, twice = once, whatever comes late, twice, corrected, corrected again or out of order."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from chuanyu.exchange.v1 import event_pb2, references_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.domain.funds.rows import fold_row
from hub.journal.reader import Recorded
from hub.projections import DECIDED_BY, PROJECTIONS
from hub.projections.engine import advance, positions
from hub.projections.ledgers import Rows, fold_events
from hub.projections.rebuild import digest, drop_fresh, fresh_copy
from hub.projections.together import advance_as_one, advance_side_by_side
from hub.projections.views.daily_usage import DAILY_USAGE
from hub.projections.views.fund_row_state import reports_in
from tests.recording import (
    AT_S,
    Recording,
    about,
    case_event,
    consumption,
    correcting,
    enabled,
    filing,
    fund_batch,
    fund_row,
    journey,
    key_of,
    library,
    lost,
    name_card,
    registered,
    reversing,
    shown,
    venue,
)

HOUR_S = 3_600
CARDS = ("A00000001", "A00000002", "A00000003")
HOLDER = "500199194001010014"
OTHERS = [view for view in PROJECTIONS if view not in DECIDED_BY]
Make = Callable[[str, int], event_pb2.Event]


def held(event: event_pb2.Event) -> event_pb2.Event:
    event.holder.id_type, event.holder.key = references_pb2.ID_TYPE_RESIDENT_ID, key_of(HOLDER)
    return event


def tap(card: str, at_s: int) -> event_pb2.Event:
    event = journey(card, at_s=at_s)
    read = event.transit_journey_completed.tap
    read.purse_counter, read.psam, read.psam_sequence = at_s // HOUR_S % 7 + 1, "p", 1
    name_card(event.card_aliases.add(), f"310{card}", kind=references_pb2.CARD_IDENTIFIER_KIND_TRANSIT_CARD_NO)
    return event


def paid(card: str, at_s: int) -> event_pb2.Event:
    event = about(card, at_s)
    event.service_region, event.scenario = "500103", "FND.PAY"
    row = event.fund_row_paid
    row.batch_no, row.row_no, row.amount_fen = "B", at_s // HOUR_S % 5 + 1, 10_000
    row.project_code = "NCDB" if at_s // HOUR_S % 3 else ""
    return event


def sent(card: str, at_s: int) -> event_pb2.Event:
    event = about(card, at_s)
    event.service_region, event.scenario = "500103", "FND.PAY"
    row = event.fund_row_sent
    row.batch_no, row.row_no, row.amount_fen, row.attempt = "B", at_s // HOUR_S % 5 + 1, 10_000, at_s // HOUR_S % 2 + 1
    row.project_code = ("NCDB", "NCDB", "GLJT")[at_s // HOUR_S % 3]
    return event


def returned(card: str, at_s: int) -> event_pb2.Event:
    event = about(card, at_s)
    event.service_region, event.scenario = "500103", "FND.PAY"
    row = event.fund_row_returned
    row.batch_no, row.row_no, row.amount_fen = "B", at_s // HOUR_S % 5 + 1, 10_000
    return event


def listed(card: str, at_s: int) -> event_pb2.Event:
    """Who became eligible, by his card or by his document."""
    event = about(card, at_s) if at_s // HOUR_S % 2 else held(about(card, at_s))
    if at_s // HOUR_S % 4 == 2:
        event.ClearField("card")
    event.service_region = "500103"
    event.payee_became_eligible.project_code = "NCDB"
    event.payee_became_eligible.eligible_from = f"202{5 + at_s // HOUR_S % 5 // 4}-08-{30 + at_s // HOUR_S % 2}"
    return event


def settled(card: str, at_s: int) -> event_pb2.Event:
    event = about(card, at_s)
    event.service_region, event.scenario = "510100", "MED.OP"
    settlement = event.medical_settlement_completed
    settlement.settlement_id, settlement.institution_code = f"S{at_s // HOUR_S % 4}", "H1"
    settlement.money.total_fen = 8_600
    return event


def given_back(card: str, at_s: int) -> event_pb2.Event:
    event = about(card, at_s)
    event.service_region, event.scenario = "510100", "MED.OP"
    back = event.medical_settlement_reversed
    back.settlement_id, back.original_settlement_id, back.institution_code = f"R{at_s // HOUR_S % 6}", f"S{at_s // HOUR_S % 4}", "H1"
    back.money.total_fen = 4_300
    return event


def cancelled(card: str, at_s: int) -> event_pb2.Event:
    event = about(card, at_s)
    event.service_region, event.medical_filing_cancelled.filing_no = "500103", f"F{at_s // HOUR_S % 3}"
    return event


def quarantined(_: str, at_s: int) -> event_pb2.Event:
    event = event_pb2.Event()
    event.occurred_at.seconds = at_s
    event.event_quarantined.declared_kind = "transit_journey_completed"
    return event


def refused(_: str, at_s: int) -> event_pb2.Event:
    event = event_pb2.Event()
    event.occurred_at.seconds = at_s
    event.transit_clearing_rejected.trip.feed, event.transit_clearing_rejected.trip.sequence = "cq.usage", at_s // HOUR_S % 9 + 1
    event.transit_clearing_rejected.reason = 2  # type: ignore[assignment]
    return event


def about_case(kind: str) -> Make:
    def make(_: str, at_s: int) -> event_pb2.Event:
        event = case_event(kind, f"N{at_s // HOUR_S % 2}", at_s)
        event.service_region = ("510100", "500103")[at_s // HOUR_S % 3 % 2]
        return event

    return make


USES: tuple[Make, ...] = (
    tap, paid, returned, settled, lambda card, at_s: shown(card, 100, at_s), lambda card, at_s: journey(card, at_s=at_s),
)  # fmt: skip
MAKES: tuple[Make, ...] = (
    *USES, sent, given_back, listed, listed,
    lambda card, at_s: held(sent(card, at_s)),
    lambda _, at_s: fund_row("recovered", at_s // HOUR_S % 5 + 1, at_s, 3_000, batch_no="B"), lambda _, at_s: fund_batch("sent", "B", at_s),
    refused, quarantined, lost,
    lambda card, at_s: held(registered(card, at_s)),
    lambda card, at_s: held(enabled(card, at_s, predecessor=CARDS[0])),
    lambda card, at_s: filing(f"F{at_s // HOUR_S % 3}", card, at_s), cancelled,
    lambda card, at_s: library("borrowed", at_s, card), lambda _, at_s: library("returned", at_s),
    lambda _, at_s: venue("gate_left", at_s, gate="E"),
    lambda _, at_s: consumption("coupon_redeemed", at_s, coupon_id="C", merchant_id="M", used_fen=at_s // HOUR_S % 3),
    lambda _, at_s: consumption("coupon_reversed", at_s, coupon_id="C"),
    about_case("submitted"), about_case("received"), about_case("accepted"), about_case("transferred"), about_case("decided"),
)  # fmt: skip
EVENTS = st.builds(
    lambda make, card, hour: make(card, AT_S + hour * HOUR_S), st.sampled_from(MAKES), st.sampled_from(CARDS), st.integers(-30, 30)
)
# How an event changes another: by which of the two, and how far before or after the end of its feed that one is.
CHANGES = st.none() | st.tuples(st.sampled_from([correcting, reversing]), st.integers(-8, 3))
EVENT = st.tuples(EVENTS, CHANGES, st.sampled_from(["cq.usage", "cq.card-center"]), st.integers(1, 2))
HISTORY = st.lists(EVENT, min_size=1, max_size=20)
# Each example goes on in the journal of those before it.
IN_ONE_JOURNAL = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}
History = list[tuple[event_pb2.Event, Any, str, int]]


# What takes time is that every view is rebuilt: so few examples, and long ones.
@settings(max_examples=2, **IN_ONE_JOURNAL)
@given(st.lists(EVENT, min_size=30, max_size=60), st.integers(1, 9))
def test_live_is_rebuilt(journal: Recording, views: psycopg.Connection, history: History, page_events: int) -> None:
    every_view_is_its_rebuild(journal, views, history, page_events)


@pytest.mark.slow
@settings(max_examples=100, **IN_ONE_JOURNAL)
@given(HISTORY, st.integers(1, 9))
def test_live_is_rebuilt_after_every_short_history(
    journal: Recording, views: psycopg.Connection, history: History, page_events: int
) -> None:
    every_view_is_its_rebuild(journal, views, history, page_events)


def record(journal: Recording, history: History) -> None:
    for event, change, feed, times in history:
        if change is not None:
            how, offset = change
            how(event, max(1, journal.next_sequence(feed) + offset), feed)
        journal.append(*[event] * times, feed=feed)


def every_view_is_its_rebuild(journal: Recording, views: psycopg.Connection, history: History, page_events: int) -> None:
    record(journal, history)
    while advance_as_one(views, DECIDED_BY, page_events=page_events).moved:
        pass
    while advance_side_by_side(views, OTHERS, page_events):
        pass
    assert len(set(positions(views, PROJECTIONS).values())) == 1
    for view in PROJECTIONS:
        fresh = fresh_copy(views, view)
        while advance(views, fresh):
            pass
        assert digest(views, fresh) == digest(views, view), view.name
        drop_fresh(views, view)
    assert views.execute("SELECT * FROM views.parked").fetchall() == []
    assert views.execute("SELECT coalesce(sum(amount_fen), 0) FROM views.daily_usage WHERE scenario = 'FND.PAY'").fetchone() == (
        left(views),
    )


def left(views: psycopg.Connection) -> int:
    """What the rows of all fund batches come to, in fen."""
    return sum(fold_row(reports_in(text)).left_fen for (text,) in views.execute("SELECT reports FROM views.fund_row_facts"))


@settings(max_examples=2, **IN_ONE_JOURNAL)
@given(st.lists(EVENT, min_size=10, max_size=40), st.integers(1, 9))
def test_the_short_way_makes_the_rows_of_the_long_one(
    journal: Recording, views: psycopg.Connection, history: History, page_events: int
) -> None:
    record(journal, history)
    assert DAILY_USAGE.first is not None
    short = fresh_copy(views, DAILY_USAGE)
    while advance(views, short, page_events=page_events):
        pass
    made = digest(views, short)
    drop_fresh(views, DAILY_USAGE)
    long = fresh_copy(views, replace(DAILY_USAGE, first=None))
    while advance(views, long, page_events=page_events):
        pass
    assert digest(views, long) == made
    drop_fresh(views, DAILY_USAGE)


def counted(events: list[event_pb2.Event]) -> Counter[tuple[str, ...]]:
    """Uses and money by business day and cell of uses that arrive in this order."""
    rows = Rows()
    for position, event in enumerate(events, 1):
        recorded = Recorded(position, position, 1, position, event.WhichOneof("kind") or "", event.SerializeToString())
        assert fold_events(DAILY_USAGE, [(position, recorded, None, list(DAILY_USAGE.keys(recorded, None)))], rows, set()) == set()
    sums: Counter[tuple[str, ...]] = Counter()
    for (day, _, *cell), (uses, fen) in rows.sums.items():
        sums[day, *cell, "uses"] += uses
        sums[day, *cell, "fen"] += fen
    return Counter({key: value for key, value in sums.items() if value})


USE = st.builds(
    lambda make, card, hour: make(card, AT_S + hour * HOUR_S), st.sampled_from(USES), st.sampled_from(CARDS), st.integers(0, 30)
)


@settings(max_examples=100, deadline=None)
@given(st.lists(USE, max_size=8), st.randoms(use_true_random=False))
def test_twice_is_once(uses: list[event_pb2.Event], random) -> None:  # type: ignore[no-untyped-def]
    twice = [*uses, *uses]
    random.shuffle(twice)
    assert counted(twice) == counted(uses)

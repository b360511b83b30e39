"""What the hub does by itself: windows are cut when their time has come, and days are reconciled once the sides have begun."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import psycopg
import pytest

from hub.journal.reader import head_position
from hub.journal.recorder import AggregateStore
from hub.reconciliation.reading import day_book
from hub.reconciliation.runner import Runner
from hub.settlement import reading
from tests.reconciliation.acting import DAY, Acting, at, fold, text_of
from tests.recording import Recording, recorded_with_their_events, register_owners


@pytest.fixture
def acting(dsn: str, journal: Recording, views: psycopg.Connection) -> Iterator[Acting]:
    register_owners(dsn)
    with closing(AggregateStore(dsn)) as store:
        acting = Acting(journal, views, store)
        acting.use({"use": "a", "fen": 200})
        with psycopg.connect(dsn, autocommit=True) as superuser:
            # All was recorded on the evening of that day.
            superuser.execute("UPDATE journal.event SET recorded_at = '2025-09-01 20:00+08'")
            recorded_with_their_events(superuser)
        fold(views)
        yield acting


def stated(acting: Acting) -> list[str]:
    """Returns the business days of the statements of a scheme, in order."""
    return [one.issued.business_day for one in reading.listed(acting.views, "QR")][::-1]


def breaks(acting: Acting, side: str) -> list[str]:
    """Returns the breaks of the day with a side."""
    book = day_book(acting.views, side, DAY)
    return [text_of(one) for one in book.breaks.values()] if book is not None else []


def test_nothing_is_stated_and_no_silence_broken_before_somebody_begins(dsn: str, acting: Acting) -> None:
    before = head_position(acting.views)
    Runner(dsn, acting.views).round(at("2025-09-03 12:00"))
    assert head_position(acting.views) == before


def test_windows_are_cut_when_their_time_has_come_each_once(dsn: str, acting: Acting) -> None:
    list(acting.statements.issue("QR", DAY, at("2025-09-02 06:00")))
    runner = Runner(dsn, acting.views)
    for now, days in (("2025-09-03 05:59", 1), ("2025-09-03 06:00", 2), ("2025-09-05 06:00", 4), ("2025-09-05 06:01", 4)):
        # What the hub itself recorded has the hour of this test, so it is in no window yet.
        fold(acting.views)
        runner.round(at(now))
        assert stated(acting) == [(DAY + timedelta(days=number)).isoformat() for number in range(days)]


def test_days_are_reconciled_when_totals_are_due_and_when_they_change(dsn: str, acting: Acting) -> None:
    acting.totals({"totals": "51", "cells": []})
    runner = Runner(dsn, acting.views)
    runner.round(at("2025-09-02 11:00"))
    assert (breaks(acting, "51"), breaks(acting, "50")) == (["LONG 50 510100 TRA.QR +1 +200 NOT_IN_TOTALS OPEN"], [])
    runner.round(at("2025-09-02 12:00"))
    assert breaks(acting, "50") == ["MISSING_TOTALS the day +0 +0 NO_TOTALS OPEN"]
    before = head_position(acting.views)
    runner.round(at("2025-09-02 12:01"))
    assert head_position(acting.views) == before
    acting.totals({"totals": "51", "version": 2, "cells": [["50", "510100", "TRA.QR", 1, 200]]})
    runner.round(at("2025-09-02 12:02"))
    assert breaks(acting, "51") == ["LONG 50 510100 TRA.QR +1 +200 NOT_IN_TOTALS CLOSED CORRECTED"]


def test_counts_that_are_behind_are_waited_for(dsn: str, acting: Acting) -> None:
    list(acting.statements.issue("QR", DAY, at("2025-09-02 06:00")))
    acting.journal.append(acting.told["a"][2])
    with psycopg.connect(dsn, autocommit=True) as superuser:
        superuser.execute("UPDATE journal.event SET recorded_at = '2025-09-02 20:00+08' WHERE position > 1")
        recorded_with_their_events(superuser)
    runner = Runner(dsn, acting.views)
    runner.round(at("2025-09-03 06:00"))
    assert stated(acting) == ["2025-09-01"]
    fold(acting.views)
    runner.round(at("2025-09-03 06:00"))
    assert stated(acting) == ["2025-09-01", "2025-09-02"]


def test_a_day_that_the_hub_has_not_counted_so_far_is_compared_in_a_later_round(dsn: str, acting: Acting) -> None:
    acting.use({"use": "b", "fen": 300})
    acting.totals({"totals": "51", "cells": [["50", "510100", "TRA.QR", 1, 200]], "through": [["sc.usage", 2]], "lagging": True})
    runner = Runner(dsn, acting.views)
    runner.round(at("2025-09-02 11:00"))
    assert breaks(acting, "51") == []
    fold(acting.views)
    runner.round(at("2025-09-02 11:00"))
    assert breaks(acting, "51") == ["LONG 50 510100 TRA.QR +1 +300 NOT_IN_TOTALS OPEN"]

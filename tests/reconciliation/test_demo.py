"""What the demo shows of reconciliation, on a journal of a few rides."""

from datetime import datetime, timedelta
from pathlib import Path

import psycopg
from rich.console import Console

from hub.demo.reconciliation import show_reconciliation
from hub.domain.instants import LOCAL
from hub.stage import Stage
from tests.reconciliation.acting import fold, ride
from tests.recording import Recording, register_owners


def test_the_demo_finds_a_fen_of_the_newest_day_explains_and_closes_it(
    dsn: str, journal: Recording, views: psycopg.Connection, tmp_path: Path
) -> None:
    register_owners(dsn)
    # As in the demo: no use is of today.
    yesterday, before = (datetime.now(LOCAL).date() - timedelta(days=days) for days in (1, 2))
    rides = [ride("A00000001", 200), ride("A00000002", 300, region="510300", scenario=""), ride("A00000003", 400)]
    for one, day in zip(rides, (yesterday, yesterday, before), strict=True):
        one.business_date = day.isoformat()
    journal.append(*rides, feed="sc.usage")
    fold(views)
    screen = Console(record=True, width=200)
    assert show_reconciliation(Stage(tmp_path, dsn, {}), screen) == []
    said = screen.export_text()
    assert f".venv/bin/hub reconcile --day {yesterday.isoformat()}；四川总数 2 个单元" in said
    assert "AMOUNT" in said and "-1 分 fen" in said and "✓" in said

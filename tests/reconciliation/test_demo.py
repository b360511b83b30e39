"""What the demo shows of reconciliation, on a journal of a few rides."""

from datetime import datetime
from pathlib import Path

import psycopg
from rich.console import Console

from hub.demo.reconciliation import show_reconciliation
from hub.domain.instants import LOCAL
from hub.stage import Stage
from tests.reconciliation.acting import fold, ride
from tests.recording import Recording, register_owners


def test_the_demo_finds_a_fen_explains_and_closes_it(dsn: str, journal: Recording, views: psycopg.Connection, tmp_path: Path) -> None:
    register_owners(dsn)
    rides = [ride("A00000001", 200), ride("A00000002", 300, region="510300")]
    for one in rides:
        one.business_date = datetime.now(LOCAL).date().isoformat()
    journal.append(*rides, feed="sc.usage")
    fold(views)
    screen = Console(record=True, width=200)
    assert show_reconciliation(Stage(tmp_path, dsn, {}), screen) == []
    said = screen.export_text()
    assert "AMOUNT" in said and "-1 分 fen" in said and "✓" in said

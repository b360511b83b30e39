"""An event that is named by its number is found by its batch alone, however long its feed is."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from hub.journal.corrections import FAMILIES, changes
from tests.recording import OWNERS, Recording, correcting, journey

BATCHES = 60


@pytest.fixture
def journal(dsn: str) -> Iterator[Recording]:
    recording = Recording(dsn)
    # The server takes all feeds for equally long, as they never are.
    for feed in OWNERS:
        recording.append(journey(), journey(), feed=feed)
    for _ in range(BATCHES):
        recording.append(journey(), journey())
    yield recording
    recording.close()


def rows_read(plan: dict[str, Any]) -> float:
    """How many batches a plan, as it was run, read, those included that it then left out."""
    mine = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0) if plan.get("Relation Name") == "batch" else 0
    return mine * plan["Actual Loops"] + sum(rows_read(part) for part in plan.get("Plans", ()))


def test_what_a_correction_changes_is_found_without_reading_all_batches_before_it(dsn: str, journal: Recording) -> None:
    [position] = journal.append(correcting(journey(), BATCHES))
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("ANALYZE")
        asked = {"streams": [journal.streams["cq.usage"]], "sequences": [BATCHES], "end": position}
        row = connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {FAMILIES}".encode(), asked).fetchone()
        assert row is not None
        assert rows_read(row[0][0]["Plan"]) < BATCHES / 4
        [change] = changes(connection, position - 1, position).values()
    assert ([one.sequence for one in change.out], change.into and change.into.position) == ([BATCHES], position)

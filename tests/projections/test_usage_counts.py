"""Counts in two times: of a business day, as they were known at any position or instant."""

import json
from collections import Counter

import psycopg
import pytest
from typer.testing import CliRunner

from hub.domain.errors import ViewBehind
from hub.journal.reader import head_position
from hub.journal.times import last_position_by
from hub.projections.engine import advance
from hub.projections.rebuild import rebuild
from hub.projections.views import blocks
from hub.projections.views.daily_usage import DAILY_USAGE
from hub.projections.views.usage_counts import Counts, Wanted, changed, counts
from hub.projections.views.usage_ways import Way, Ways
from tests.recording import AT_S, Recording, correcting, journey, reversing, shown

HOUR_S, DAY_S = 3_600, 86_400
DAY = "2025-09-01"
ANY = Wanted()
METRO = Wanted(DAY, "2025-09-02", "50", "510100", "TRA.MET")


def record_over_days(dsn: str, journal: Recording) -> int:
    """Late, repeated, corrected and reversed uses, of which three at a time were recorded on one day; returns the head."""
    journal.append(journey(fare_fen=360), journey("A00000002", fare_fen=200), shown("A00000003"))
    journal.append(journey("A00000002", at_s=AT_S + HOUR_S, fare_fen=100), correcting(journey(fare_fen=300), 1), journey(fare_fen=360))
    journal.append(reversing(journey("A00000002"), 2), correcting(journey(at_s=AT_S + DAY_S, fare_fen=250), 5), shown("A00000003"))
    journal.append(reversing(journey(), 8), reversing(journey("A00000002"), 7), journey("A00000004", at_s=AT_S + 2 * HOUR_S))
    journal.append(reversing(journey("A00000004"), 12), journey("A00000004", at_s=AT_S + DAY_S))
    with psycopg.connect(dsn, autocommit=True) as superuser:
        head = head_position(superuser)
        # The journal's own time does not go back: what was recorded is put into days of the past.
        superuser.execute(
            "UPDATE journal.batch SET recorded_at = recorded_at - make_interval(days => ((%s - first_position) / 3)::int)", (head,)
        )
        superuser.execute(
            """UPDATE journal.event e SET recorded_at = b.recorded_at FROM journal.batch b
               WHERE e.position BETWEEN b.first_position AND b.first_position + b.last_sequence - b.first_sequence"""
        )
    return head


def found(views: psycopg.Connection, wanted: Wanted = ANY, position: int | None = None) -> Counts:
    return counts(views, wanted, position)


@pytest.mark.parametrize("wanted", [ANY, Wanted(DAY), METRO], ids=["all", "day", "cell"])
def test_a_count_is_known_at_each_position_as_it_was_counted_then(
    dsn: str, journal: Recording, views: psycopg.Connection, wanted: Wanted
) -> None:
    head = record_over_days(dsn, journal)
    then = []
    while advance(views, DAILY_USAGE, page_events=1):
        then.append(found(views, wanted))
    assert len({one.cells for one in then}) > 5
    assert [found(views, wanted, position) for position in range(1, head + 1)] == then
    assert found(views, wanted, 0).cells == ()


def test_what_changed_between_two_positions_is_the_difference_of_what_was_known(
    dsn: str, journal: Recording, views: psycopg.Connection
) -> None:
    head = record_over_days(dsn, journal)
    while advance(views, DAILY_USAGE):
        pass
    known = [{one.cell: (one.uses, one.fen) for one in found(views, ANY, position).cells} for position in range(head + 1)]
    for after in range(head + 1):
        for until in range(after, head + 1):
            difference = {
                cell: (known[until].get(cell, (0, 0))[0] - before[0], known[until].get(cell, (0, 0))[1] - before[1])
                for cell in known[after].keys() | known[until].keys()
                for before in [known[after].get(cell, (0, 0))]
            }
            assert changed(views, after, until) == {cell: one for cell, one in difference.items() if one != (0, 0)}


def test_uses_by_province_are_known_at_each_position_by_eras_blocks_and_the_rest(
    dsn: str, journal: Recording, views: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 2)
    monkeypatch.setattr(blocks, "ERA", 6)
    head = record_over_days(dsn, journal)
    while advance(views, DAILY_USAGE, page_events=1):
        pass

    def known(position: int) -> dict[Way, int]:
        uses = Counter[Way]()
        for one in found(views, Wanted(DAY, "2025-09-02"), position).cells:
            uses[Way(one.cell.issuer, one.cell.region[:2], one.cell.scenario)] += one.uses
        return dict(uses)

    then = [known(position) for position in range(head + 1)]
    assert len({str(one) for one in then}) > 4
    assert [Ways(views, position).of(DAY, "2025-09-02") for position in range(head + 1)] == then
    assert rebuild(views, DAILY_USAGE).is_equal
    # A release before had no blocks, and did not say since when a fact counts.
    views.execute("UPDATE views.daily_usage_facts SET first_position = NULL")
    views.execute("TRUNCATE views.usage_blocks")
    assert [Ways(views, position).of(DAY, "2025-09-02") for position in range(head + 1)] == then
    with pytest.raises(ViewBehind):
        Ways(views, head + 1)


def test_sums_by_the_day_of_knowing_come_to_the_counts(dsn: str, journal: Recording, views: psycopg.Connection) -> None:
    record_over_days(dsn, journal)
    while advance(views, DAILY_USAGE, page_events=2):
        pass
    summed = views.execute("""
        SELECT business_day, issuer, region, scenario, sum(uses), sum(amount_fen) FROM views.usage_delta
        GROUP BY 1, 2, 3, 4 HAVING (sum(uses), sum(amount_fen)) <> (0, 0) ORDER BY 1, 2, 3, 4""").fetchall()
    assert summed == views.execute("SELECT * FROM views.daily_usage ORDER BY 1, 2, 3, 4").fetchall()
    assert views.execute("SELECT count(DISTINCT known_day) FROM views.usage_delta").fetchone() == (5,)
    assert rebuild(views, DAILY_USAGE).is_equal


def test_what_is_taken_off_and_added_again_leaves_no_row_of_nothing(
    journal: Recording, views: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 2)
    journal.append(journey(fare_fen=360), correcting(journey(fare_fen=300), 1), reversing(journey(), 2))
    while advance(views, DAILY_USAGE, page_events=1):
        pass
    assert views.execute("SELECT FROM views.usage_blocks WHERE uses = 0 AND amount_fen = 0").fetchone() is None
    assert rebuild(views, DAILY_USAGE).is_equal


def test_rows_of_the_release_before_go_on_from_their_counts(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(journey(fare_fen=360), shown("A00000003"))
    while advance(views, DAILY_USAGE):
        pass
    views.execute("UPDATE views.daily_usage_facts SET changed_position = NULL, was_changed = NULL")
    views.execute(
        r"UPDATE views.daily_usage_facts SET counted = E'2025-09-01\t50\t510100\tTRA.MET\t1\t360' WHERE tellings LIKE '%journey%'"
    )
    journal.append(correcting(journey(fare_fen=300), 1))
    while advance(views, DAILY_USAGE):
        pass
    assert [(one.cell.scenario, one.uses, one.fen) for one in found(views).cells] == [("GOV.ID", 1, 0), ("TRA.MET", 1, 300)]


def test_what_the_view_has_not_reached_is_refused(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(journey())
    with pytest.raises(ViewBehind):
        found(views, position=1)
    with pytest.raises(ViewBehind):
        changed(views, 0, 1)


def test_an_instant_is_the_position_of_the_last_event_recorded_by_then(dsn: str, journal: Recording, views: psycopg.Connection) -> None:
    head = record_over_days(dsn, journal)
    rows = views.execute("SELECT position, (extract(epoch FROM recorded_at) * 1000000)::bigint FROM journal.event").fetchall()
    for position, at_us in rows:
        assert last_position_by(views, at_us - 1) < position <= last_position_by(views, at_us)
    assert (last_position_by(views, 0), last_position_by(views, 2**62)) == (0, head)


def ask(dsn: str, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str]:
    from hub.cli import app

    monkeypatch.setenv("HUB_DSN", dsn)
    result = CliRunner().invoke(app, ["usage", *arguments])
    return result.exit_code, result.output


def test_the_command_says_what_was_known_when(
    dsn: str, journal: Recording, views: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = record_over_days(dsn, journal)
    while advance(views, DAILY_USAGE):
        pass
    row = views.execute("SELECT recorded_at FROM journal.event WHERE position = 2")
    [instant] = row.fetchone() or [None]
    _, then = ask(dsn, monkeypatch, "--day", DAY, "--known-at", instant.isoformat(), "--json")
    _, now = ask(dsn, monkeypatch, "--day", DAY, "--json")
    assert [json.loads(text.splitlines()[-1])[name] for text in (then, now) for name in ("as_of_position", "uses", "amount_fen")] == [
        3, 3, 560, head, 5, 960,
    ]  # fmt: skip
    assert "510100" in ask(dsn, monkeypatch, "--day", DAY)[1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--known-at", "2025-09-01", "--known-position", "1"], "not both"),
        (["--known-at", "2025-09-01T10:00"], "zone is missing"),
        (["--known-position", "99"], "has not reached"),
        (["--day", "2025-09-31"], "no day"),
        (["--until", "2025-09-30"], "--day"),
    ],
)
def test_the_command_refuses_what_cannot_be_asked(
    dsn: str, views: psycopg.Connection, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    from hub.cli import app

    monkeypatch.setenv("HUB_DSN", dsn)
    result = CliRunner().invoke(app, ["usage", *arguments])
    assert result.exit_code != 0
    assert says in f"{result.output}{result.exception}"

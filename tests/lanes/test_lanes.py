"""Views folded from segments are the live ones, digest for digest; what several units touch is folded together; a stop harms nothing."""

import contextlib
import os
import random
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pyarrow as pa
import pytest
from chuanyu.exchange.v1 import event_pb2
from typer.testing import CliRunner

from hub.cli import app
from hub.domain.errors import HubError
from hub.export.lanes import bucket_of, lane_of
from hub.export.manifest import ExportDamaged, ExportMissing, ExportOfAnotherHub
from hub.export.reading import Segments
from hub.export.writing import export
from hub.journal.reader import head_position
from hub.journal.sessions import locks, session
from hub.lanes import columns, touches, units
from hub.lanes import rebuild as lanes
from hub.lanes.rebuild import RebuildStopped, rebuild_from
from hub.lanes.touches import Touches
from hub.projections import PROJECTIONS, runner
from hub.projections.engine import create_views
from hub.projections.projection import FRESH, View
from hub.projections.rebuild import RebuildUnderWay, RebuiltViewDiffers, digest
from hub.projections.views.card_standing import CARD_STANDING
from tests.databases import fresh_database
from tests.forked import children_called
from tests.projections.test_projections import NOTES, held, note, record_a_history, with_alias
from tests.recording import AT_S, Recording, correcting, enabled, journey, key_of, lost, registered, reversing, shown
from tests.seeds import one_in

CARDS = [f"A{number:08d}" for number in range(12)]
NAMES = [view.name for view in PROJECTIONS]


def digests(views: psycopg.Connection) -> dict[str, str]:
    return {view.name: digest(views, view) for view in PROJECTIONS}


def head_exported(directory: Path) -> int:
    return Segments(directory).position


def leftovers(views: psycopg.Connection) -> list[str]:
    rows = views.execute("SELECT relname FROM pg_class WHERE relname LIKE '%\\_\\_fresh' AND relkind = 'r'").fetchall()
    return [name for (name,) in rows]


# A history for lanes: cards and persons in many of them, and whatever may lead from one to another.


def about_a_card(chance: random.Random, card: str) -> event_pb2.Event:
    at_s = AT_S + chance.randrange(200_000)
    event = chance.choice(
        (
            lambda: registered(card, at_s),
            lambda: lost(card, at_s),
            lambda: enabled(card, at_s, chance.choice([*CARDS, ""])),
            lambda: with_alias(registered(card, at_s), f"310{chance.choice(CARDS)}"),
            lambda: with_alias(enabled(card, at_s), f"310{card}"),
        )
    )()
    return held(event, f"50019919400101001{chance.randrange(4)}") if chance.random() < 0.5 else event


def a_use(chance: random.Random, card: str) -> event_pb2.Event:
    event = journey(card, chance.randrange(100, 900), AT_S + chance.randrange(200_000))
    tap = event.transit_journey_completed.tap
    tap.purse_counter, tap.psam = chance.randrange(1, 6), "653000012345"
    if chance.random() < 0.3:
        # The other side names the same purse by its transit number alone.
        with_alias(event, f"310{card}")
    return chance.choice((event, event, shown(card, 100, AT_S + chance.randrange(200_000))))


def a_verdict(chance: random.Random) -> event_pb2.Event:
    event = event_pb2.Event()
    event.occurred_at.seconds = AT_S
    trip = event.transit_clearing_rejected.trip if chance.random() < 0.5 else event.transit_clearing_accepted.trip
    trip.feed, trip.sequence = "cq.usage", chance.randrange(1, 150)
    return event


def record_by_chance(journal: Recording, seed: int, batches: int) -> None:
    """Corrections and reversals name numbers before and after them, of events about other cards, too."""
    chance = random.Random(seed)
    for _ in range(batches):
        made = []
        for _ in range(chance.randrange(1, 9)):
            event = a_use(chance, chance.choice(CARDS)) if chance.random() < 0.8 else a_verdict(chance)
            if not event.HasField("card"):
                made.append(event)
                continue
            change = chance.random()
            if change < 0.15:
                correcting(event, chance.randrange(1, 150))
            elif change < 0.25:
                reversing(event, chance.randrange(1, 150))
            made.append(event)
        journal.append(*made)
        cards = [about_a_card(chance, chance.choice(CARDS)) for _ in range(chance.randrange(1, 4))]
        if chance.random() < 0.3:
            correcting(cards[0], chance.randrange(1, 60), "cq.card-center")
        journal.append(*cards, feed="cq.card-center")


# Each rebuilds every view: the last of them has all that is recorded by chance.
@pytest.mark.parametrize("seed", one_in(5, [4, 0, 1, 2, 3]))
def test_rebuilt_from_segments_and_the_rest_of_the_journal_is_live_at_random_positions(
    dsn: str, journal: Recording, views: psycopg.Connection, tmp_path: Path, seed: int
) -> None:
    record_by_chance(journal, seed, 40)
    chance, head = random.Random(seed), head_position(views)
    runner.catch_up(views)
    # Early in one history, late in another.
    export(dsn, tmp_path, upto=chance.randrange(1 + seed * head // 5, (seed + 1) * head // 5 + 1))
    # Of some segments there are rows beside the events, of later ones there are none.
    columns.bring(tmp_path)
    export(dsn, tmp_path, upto=chance.randrange(head_exported(tmp_path), head + 1))
    results = rebuild_from(dsn, tmp_path, PROJECTIONS, processes=1, switch=False)
    assert {result.view: result.is_equal for result in results} == dict.fromkeys(NAMES, True), seed


@pytest.mark.slow
def test_a_history_by_chance_leads_from_unit_to_unit_in_every_way(
    dsn: str, journal: Recording, views: psycopg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_by_chance(journal, 0, 40)
    runner.catch_up(views)
    export(dsn, tmp_path)
    columns.bring(tmp_path)
    monkeypatch.setattr(lanes, "SHARED_AT_ONCE", 3)
    portions, shared = lanes._portions, []

    def noted(view: View, paths: list[Path]) -> Iterator[pa.Array]:
        for portion in portions(view, paths):
            shared.append(view.name.removesuffix(FRESH))
            yield portion

    monkeypatch.setattr(lanes, "_portions", noted)
    assert all(result.is_equal for result in rebuild_from(dsn, tmp_path, PROJECTIONS, processes=1, switch=False))
    assert {"card_standing", "card_alias", "holder_cards", "person_cards", "daily_usage"} <= set(shared)
    assert len(shared) > len(set(shared))


@pytest.fixture(scope="module")
def history(server_dsn: str) -> Iterator[str]:
    """The name of a database with a history that every view has folded: each of the tests that fold it again has a copy."""
    name = f"hub_lanes_{os.getpid()}"
    with fresh_database(server_dsn, name) as dsn:
        with contextlib.closing(Recording(dsn)) as journal, runner.connect(dsn) as views:
            record_a_history(dsn, journal)
            runner.catch_up(views)
        yield name


@pytest.fixture
def told(server_dsn: str, history: str) -> Iterator[str]:
    """A database with the history."""
    with fresh_database(server_dsn, f"{history}_copy", history) as dsn:
        yield dsn


def indexes(views: psycopg.Connection) -> list[tuple[str, str]]:
    rows = views.execute("SELECT tablename, regexp_replace(indexdef, 'INDEX \\S+ ON', '') FROM pg_indexes WHERE schemaname = 'views'")
    return sorted(rows.fetchall())


@pytest.mark.slow
def test_processes_fold_every_view_as_the_live_ones_and_what_is_switched_goes_on_with_its_keys_and_indexes(
    told: str, tmp_path: Path
) -> None:
    with contextlib.closing(Recording(told)) as journal, runner.connect(told) as views:
        before = digests(views), indexes(views)
        export(told, tmp_path)
        columns.bring(tmp_path)
        results = rebuild_from(told, tmp_path, PROJECTIONS, processes=2)
        assert {result.view: (result.is_equal, result.switched) for result in results} == dict.fromkeys(NAMES, (True, True))
        assert ((digests(views), indexes(views)), leftovers(views)) == (before, [])
        journal.append(registered("A00000007"), feed="cq.card-center")
        journal.append(journey("A00000007"), correcting(journey(CARDS[1], 150), 2))
        runner.catch_up(views)
        assert all(result.is_equal for result in rebuild_from(told, tmp_path, PROJECTIONS, processes=1, switch=False))


def test_what_is_parked_is_parked_alike(
    dsn: str, journal: Recording, views: psycopg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for where in (units, runner):
        monkeypatch.setattr(where, "PROJECTIONS", (*PROJECTIONS, NOTES))
    create_views(views, [NOTES])
    texts = ("a", "broken", "b", "nameless", "c")
    journal.append(*(note(card, text) for text in texts for card in CARDS[:3]))
    runner.catch_up(views)
    export(dsn, tmp_path)
    [result] = rebuild_from(dsn, tmp_path, [NOTES], processes=1, switch=False)
    assert result.is_equal
    assert views.execute("SELECT count(*) FROM views.parked").fetchone() == (3 * 4,)


# What is wrong


# Some views are enough for it: how one is folded from segments is the matter of the tests before.
SOME = PROJECTIONS[:6] if CARD_STANDING in PROJECTIONS[:6] else (*PROJECTIONS[:5], CARD_STANDING)


def test_a_rebuild_that_differs_is_refused_and_kept(told: str, tmp_path: Path) -> None:
    export(told, tmp_path)
    with runner.connect(told) as views:
        views.execute("DELETE FROM views.card_standing WHERE key = %s", (key_of("A00000000"),))
        with pytest.raises(RebuiltViewDiffers):
            rebuild_from(told, tmp_path, SOME, processes=1)
        assert leftovers(views) == ["card_standing__fresh"]
        assert not rebuild_from(told, tmp_path, [CARD_STANDING], processes=1, even_if_different=True)[0].is_equal
        assert rebuild_from(told, tmp_path, [CARD_STANDING], processes=1)[0].is_equal


def test_a_rebuild_stopped_half_way_leaves_the_live_views_and_the_next_one_is_whole(told: str, tmp_path: Path) -> None:
    export(told, tmp_path)

    def kill(what: str, done: int, _of: int) -> None:
        if what.startswith("units") and done == 1:
            for child in children_called(units.NAME):
                child.kill()

    with runner.connect(told) as views:
        before = digests(views)
        with pytest.raises(RebuildStopped):
            rebuild_from(told, tmp_path, SOME, processes=2, report=kill)
        assert (digests(views), leftovers(views)) == (before, [])
    assert all(result.is_equal for result in rebuild_from(told, tmp_path, SOME, processes=1))


def test_an_export_that_cannot_be_read_leaves_the_live_views(told: str, tmp_path: Path) -> None:
    path = tmp_path / export(told, tmp_path).manifest.segments[0].path
    content = bytearray(path.read_bytes())
    content[len(content) // 2 - 500 : len(content) // 2 + 500] = bytes(1000)
    path.write_bytes(content)
    refusals: list[tuple[Path, type[HubError]]] = [(tmp_path, ExportDamaged), (tmp_path / "nothing", ExportMissing)]
    with runner.connect(told) as views:
        before = digests(views)
        for directory, refusal in refusals:
            with pytest.raises(refusal):
                rebuild_from(told, directory, SOME, processes=1)
        assert (digests(views), leftovers(views)) == (before, [])


def test_the_export_of_another_journal_is_refused(dsn: str, journal: Recording, views: psycopg.Connection, tmp_path: Path) -> None:
    journal.append(registered(CARDS[0]), feed="cq.card-center")
    export(dsn, tmp_path)
    with psycopg.connect(dsn, autocommit=True) as owner:
        owner.execute("UPDATE journal.event SET recorded_at = recorded_at + interval '1 second'")
    with pytest.raises(ExportOfAnotherHub):
        rebuild_from(dsn, tmp_path, PROJECTIONS, processes=1)


def test_two_rebuilds_of_a_view_at_once_are_one_too_many(dsn: str, journal: Recording, views: psycopg.Connection, tmp_path: Path) -> None:
    journal.append(registered(CARDS[0]), feed="cq.card-center")
    export(dsn, tmp_path)
    with session(dsn, "hub_projector", "other") as other:
        assert locks(other, "hub.rebuild.card_standing")
        with pytest.raises(RebuildUnderWay):
            rebuild_from(dsn, tmp_path, PROJECTIONS, processes=1)


def test_the_command_rebuilds_from_an_export(told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_DSN", told)
    monkeypatch.setenv("HUB_DATA_DIR", str(tmp_path / "data"))
    export(told, tmp_path / "to")
    done = CliRunner().invoke(app, ["rebuild", "card_alias", "--from", str(tmp_path / "to"), "--processes", "1"])
    assert (done.exit_code, "equal" in done.stdout) == (0, True)


# Units and touches


def test_a_unit_is_a_lane_until_there_are_too_many_events_for_that() -> None:
    assert [lanes._buckets_a_unit(position) for position in (1, 2_000_000, 3_000_000, 10_000_000)] == [1024, 1024, 512, 128]


def test_rows_that_one_event_touched_belong_together_and_so_on(tmp_path: Path) -> None:
    paths = []
    for unit, events in enumerate(([(1, "ab"), (2, "cd")], [(3, "bc"), (4, "e")], [(5, "e"), (6, "fg")])):
        touched = Touches()
        for position, names in events:
            touched.add([(position, (name.encode(),)) for name in names])
        paths.append(tmp_path / str(unit))
        touched.write(paths[-1])
    hashes = {touches.hash_of((name.encode(),)): name for name in "abcdefg"}
    assert sorted(hashes[one] for one in touches.shared(paths).to_pylist()) == ["b", "c", "e"]
    one = touches.shared(paths).filter(touches.pc.equal(touches.shared(paths), touches.hash_of((b"b",))))
    assert sorted(hashes[one] for one in touches.closure(paths, one).to_pylist()) == ["a", "b", "c", "d"]
    assert [touches.positions_of(path, one).to_pylist() for path in paths] == [[1], [3], []]


def test_hashes_are_compared_in_rounds_where_there_are_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for unit in range(2):
        touched = Touches()
        touched.add([(1, (f"{number}".encode(),)) for number in range(unit * 50, unit * 50 + 100)])
        touched.write(tmp_path / str(unit))
    paths = [tmp_path / "0", tmp_path / "1"]
    at_once = sorted(touches.shared(paths).to_pylist())
    monkeypatch.setattr(touches, "HASHES_AT_ONCE", 30)
    assert sorted(touches.shared(paths).to_pylist()) == at_once
    assert len(at_once) == 50


def test_the_cards_of_these_tests_are_in_many_lanes() -> None:
    assert len({lane_of(bucket_of(key_of(card))) for card in CARDS}) > 8

"""Rows that are written beside the events are those that a fold makes, and columns that are not of this code, or torn, are not taken."""

from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.domain.errors import HubError
from hub.export.beside import path_of, write_beside
from hub.export.manifest import ExportDamaged
from hub.export.reading import Segments
from hub.export.writing import export
from hub.lanes import columns
from hub.lanes.rebuild import rebuild_from
from hub.projections import runner
from hub.projections.rebuild import RebuiltViewDiffers
from hub.projections.views.daily_usage import DAILY_USAGE
from tests.projections.test_any_history import EVENT, IN_ONE_JOURNAL, History, record
from tests.projections.test_projections import record_a_history
from tests.recording import Recording, decided, journey

SUM = f"{DAILY_USAGE.name}.sum.amount_fen"


def is_rebuilt_alike(dsn: str, directory: Path) -> bool:
    [result] = rebuild_from(dsn, directory, [DAILY_USAGE], processes=1, switch=False)
    return result.is_equal


def rewritten(directory: Path, version: str) -> Path:
    """Writes the columns of the one segment again, with other amounts, as a version."""
    [segment] = Segments(directory).manifest.segments
    path = path_of(directory, segment)
    with pq.ParquetFile(path) as file:
        groups = [file.read_row_group(number) for number in range(file.num_row_groups)]
    at = groups[0].column_names.index(SUM)
    write_beside(directory, segment, version, (one.set_column(at, SUM, touched(one[SUM])) for one in groups))
    return path


def touched(amounts: pa.ChunkedArray) -> pa.Array:
    return pa.array([None if one is None else one + 1 for one in amounts.to_pylist()], pa.int64())


def test_columns_are_what_the_events_make_and_no_others_are_taken(
    dsn: str, journal: Recording, views: psycopg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_a_history(dsn, journal)
    # Beyond what sums of columns may come to.
    journal.append(*(journey("A00000011", fen) for fen in (2**62, 2**61, 100)))
    runner.catch_up(views)
    export(dsn, tmp_path)
    assert is_rebuilt_alike(dsn, tmp_path)
    assert columns.bring(tmp_path) > 0
    columns.check(tmp_path)
    assert (columns.bring(tmp_path), is_rebuilt_alike(dsn, tmp_path)) == (0, True)
    # Those of another release are passed over, and written again by this one.
    rewritten(tmp_path, "other")
    columns.check(tmp_path)
    assert is_rebuilt_alike(dsn, tmp_path)
    assert columns.bring(tmp_path) > 0
    # Those that say they are of this one are taken: both see that they were changed.
    rewritten(tmp_path, columns.version())
    refusals: list[type[HubError]] = []
    for look in (lambda: columns.check(tmp_path), lambda: rebuild_from(dsn, tmp_path, [DAILY_USAGE], processes=1)):
        with pytest.raises(HubError) as refused:
            look()
        refusals.append(refused.type)
    assert refusals == [ExportDamaged, RebuiltViewDiffers]


# That all views come to the same by columns is in the tests of lanes, too.
# Each example goes on in the journal and the export of those before it: a further segment, some of them without columns.
@pytest.mark.slow
@settings(max_examples=4, **IN_ONE_JOURNAL)
@given(st.lists(EVENT, min_size=10, max_size=40), st.booleans())
def test_parts_come_to_what_the_live_views_are(
    dsn: str, journal: Recording, views: psycopg.Connection, tmp_path: Path, history: History, are_kept: bool
) -> None:
    # An answer alone in its lane: a view looks for bytes that it has not, so that its part has no rows.
    journal.append(decided("A00000099"))
    record(journal, history)
    runner.catch_up(views)
    export(dsn, tmp_path)
    if are_kept:
        columns.bring(tmp_path)
    results = rebuild_from(dsn, tmp_path, columns.kept_views(), processes=1, switch=False)
    assert [result.view for result in results if not result.is_equal] == []


def test_columns_whose_bytes_were_torn_are_refused_by_name(dsn: str, journal: Recording, views: psycopg.Connection, tmp_path: Path) -> None:
    record_a_history(dsn, journal)
    runner.catch_up(views)
    export(dsn, tmp_path)
    columns.bring(tmp_path)
    [segment] = Segments(tmp_path).manifest.segments
    path = path_of(tmp_path, segment)
    content = bytearray(path.read_bytes())
    content[100 : len(content) // 2] = bytes(len(content) // 2 - 100)
    path.write_bytes(content)
    for look in (lambda: columns.check(tmp_path), lambda: rebuild_from(dsn, tmp_path, [DAILY_USAGE], processes=1)):
        with pytest.raises(ExportDamaged):
            look()
    # The next export mends it.
    assert columns.bring(tmp_path) > 0
    assert is_rebuilt_alike(dsn, tmp_path)

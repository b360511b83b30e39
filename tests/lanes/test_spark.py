"""The tasks of a rebuild on Spark come to the views as they are, also where an executor is killed in the middle."""

import importlib.util
import itertools
import pickle
import shutil
from pathlib import Path

import psutil
import psycopg
import pytest
from typer.testing import CliRunner

from hub.cli import app
from hub.domain.errors import HubError
from hub.export.manifest import ExportMissing
from hub.export.writing import export
from hub.journal.reader import head_position
from hub.lanes import columns
from hub.lanes.rebuild import RebuildStopped, rebuild_from
from hub.lanes.spark import SparkMissing, SparkUnusable, Task, carry_out, executors_of
from hub.lanes.units import leave, session
from hub.projections import PROJECTIONS, runner
from tests.lanes.test_lanes import NAMES, digests, leftovers, record_by_chance
from tests.projections.test_projections import record_a_history
from tests.recording import Recording

LOCAL = "local-cluster[2,1,1024]"
has_spark = importlib.util.find_spec("pyspark") is not None
on_spark = pytest.mark.skipif(not has_spark or shutil.which("java") is None, reason="Spark or Java is not installed")
_calls = itertools.count(1)


def written(dsn: str) -> int:
    """What a task may do: it writes in the session of its process, and returns what no second call would."""
    with session(dsn) as connection:
        connection.execute("INSERT INTO views.written VALUES (1)")
    return next(_calls)


def refused(dsn: str) -> None:
    """A task that writes and then finds what it cannot read."""
    written(dsn)
    raise ExportMissing


def tasks(views: psycopg.Connection, dsn: str) -> tuple[Task, Task]:
    views.execute("CREATE TABLE views.written (number integer)")
    views.execute("CREATE TABLE views.results (number integer PRIMARY KEY, result bytea NOT NULL)")
    made = [Task(dsn, "views.results", number, pickle.dumps((fn, (dsn,), {}))) for number, fn in enumerate((written, refused))]
    return made[0], made[1]


def test_a_task_that_is_run_again_writes_nothing_more_and_answers_as_before(dsn: str, views: psycopg.Connection) -> None:
    task, _ = tasks(views, dsn)
    first = carry_out(task)
    leave()
    assert (carry_out(task), pickle.loads(first)[1]) == (first, None)  # noqa: S301 (of this test)
    assert views.execute("SELECT count(*) FROM views.written").fetchone() == (1,)
    leave()


def test_a_task_that_is_refused_has_written_nothing_and_says_why(dsn: str, views: psycopg.Connection) -> None:
    _, task = tasks(views, dsn)
    value, error = pickle.loads(carry_out(task))  # noqa: S301 (of this test)
    assert (value, type(error)) == (None, ExportMissing)
    assert views.execute("SELECT count(*) FROM views.written").fetchone() == (0,)
    leave()


@pytest.mark.skipif(has_spark, reason="Spark is installed")
def test_without_spark_it_is_said_what_to_install(dsn: str) -> None:
    with pytest.raises(SparkMissing, match="Spark is not installed"), executors_of(LOCAL, dsn, RebuildStopped):
        pass


def test_spark_needs_an_export(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_DSN", dsn)
    result = CliRunner().invoke(app, ["rebuild", "all", "--spark", LOCAL])
    assert result.exit_code == 2 and "--from" in result.output


@pytest.mark.slow
@on_spark
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("seed", range(3))
def test_the_views_are_the_same_on_spark_also_where_an_executor_is_killed(
    dsn: str, journal: Recording, views: psycopg.Connection, tmp_path: Path, seed: int
) -> None:
    record_a_history(dsn, journal)
    record_by_chance(journal, seed, 40)
    runner.catch_up(views)
    before = digests(views)
    export(dsn, tmp_path, upto=head_position(views) - 10 * seed)
    columns.bring(tmp_path)
    killed: list[psutil.Process] = []

    def kill(what: str, done: int, _of: int) -> None:
        if seed and done == 3 and what.startswith("units"):
            killed.extend(
                one for one in psutil.Process().children(recursive=True) if "CoarseGrainedExecutorBackend" in " ".join(one.cmdline())
            )
            killed[0].kill()

    results = rebuild_from(dsn, tmp_path, PROJECTIONS, spark=LOCAL, report=kill)
    assert {result.view: (result.is_equal, result.switched) for result in results} == dict.fromkeys(NAMES, (True, True))
    assert (digests(views), leftovers(views)) == (before, [])
    assert bool(killed) == bool(seed)


@pytest.mark.slow
@on_spark
def test_a_spark_that_does_not_start_is_refused_with_what_it_said(dsn: str) -> None:
    with pytest.raises(SparkUnusable, match="Java"), executors_of("nonsense", dsn, RebuildStopped):
        pass


@pytest.mark.slow
@on_spark
@pytest.mark.timeout(600)
def test_what_a_task_is_refused_for_is_the_rebuilds_refusal(
    dsn: str, journal: Recording, views: psycopg.Connection, tmp_path: Path
) -> None:
    record_by_chance(journal, 0, 10)
    runner.catch_up(views)
    before = digests(views)
    export(dsn, tmp_path)
    next(tmp_path.rglob("*.parquet")).write_bytes(b"PAR1")
    with pytest.raises(HubError):
        rebuild_from(dsn, tmp_path, PROJECTIONS, spark=LOCAL)
    assert (digests(views), leftovers(views)) == (before, [])

"""The tasks of a rebuild on Spark: the same functions, called by its executors on as many machines as it has.

Each machine has this hub installed, reaches the database, and sees the export and TMPDIR, where the notes are, under the same paths. Spark
runs a task again whose executor was lost. What a task writes is one transaction with its result, so that a task which had come to its end
answers with that instead of writing twice.
"""

import itertools
import os
import pickle
import secrets
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hub.domain.errors import HubError
from hub.lanes.units import SESSION, leave, session
from hub.projections.runner import connect

# So many tasks wait at each executor's door, so that it need not wait for the next.
TASKS_A_CORE = 2
_KEPT, _KEEP = "SELECT result FROM {} WHERE number = %s", "INSERT INTO {} VALUES (%s, %s)"
_SETTINGS = {"spark.app.name": "hub rebuild", "spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false"}


class SparkMissing(HubError):
    """Spark is not installed here: pip install 'chuanyu-exchange-hub[spark]', and Java 17."""


class SparkUnusable(HubError):
    """Spark does not start, or its master does not answer; look at what it said, and whether Java 17 is installed:"""


@dataclass(frozen=True, slots=True)
class Task:
    """One call: where its result is kept, under which number, and the pickled function with its arguments."""

    dsn: str
    table: str
    number: int
    call: bytes


@contextmanager
def executors_of(master: str, dsn: str, stopped: type[HubError]) -> Iterator[Executor]:
    """Gives the executors of a Spark master such as `spark://host:7077` or `local-cluster[2,1,1024]`.

    Raises SparkMissing, SparkUnusable, and *stopped* where a task fails for good.
    """
    try:
        from pyspark import SparkConf, SparkContext
    except ImportError:
        raise SparkMissing from None
    # Executors run the Python that has this hub.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    table = f"views.lane_results_{secrets.token_hex(4)}"
    with connect(dsn, SESSION) as connection:
        connection.execute(f"CREATE UNLOGGED TABLE {table} (number integer PRIMARY KEY, result bytea NOT NULL)".encode())
        try:
            try:
                context = SparkContext(conf=SparkConf().setMaster(master).setAll(list(_SETTINGS.items())))
            # Without Java it is a RuntimeError, of another master whatever Java says.
            except Exception as failure:
                raise SparkUnusable(str(failure).strip().partition("\n")[0][:200]) from failure
            executor = _OnSpark(context, dsn, table, stopped)
            try:
                yield executor
            finally:
                executor.shutdown(wait=False, cancel_futures=True)
                context.stop()
        finally:
            connection.execute(f"DROP TABLE {table}".encode())


class _OnSpark(Executor):
    """One Spark job a call, so that calls are taken as they come; as many at once as there are cores for."""

    def __init__(self, context: Any, dsn: str, table: str, stopped: type[HubError]) -> None:
        self._context, self._dsn, self._table, self._stopped = context, dsn, table, stopped
        self._numbers = itertools.count(1)
        self._jobs = ThreadPoolExecutor(TASKS_A_CORE * context.defaultParallelism)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Has an executor call it."""
        return self._jobs.submit(self._run, Task(self._dsn, self._table, next(self._numbers), pickle.dumps((fn, args, kwargs))))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Begins no further call."""
        self._jobs.shutdown(wait=wait, cancel_futures=cancel_futures)

    def _run(self, task: Task) -> Any:
        from py4j.protocol import Py4JError

        try:
            [result] = self._context.parallelize([task], 1).map(carry_out).collect()
        except Py4JError as failure:
            raise self._stopped from failure
        # What a task of this hub has made.
        value, error = pickle.loads(result)  # noqa: S301
        if error is not None:
            raise error
        return value


def carry_out(task: Task) -> bytes:
    """Calls what a task says in one transaction with its result, or returns the result that it has; an executor of Spark calls this."""
    fn, args, kwargs = pickle.loads(task.call)  # noqa: S301 (of the process that made the rebuild)
    try:
        with session(task.dsn) as connection:
            kept = connection.execute(_KEPT.format(task.table).encode(), (task.number,)).fetchone()
            if kept is not None:
                return bytes(kept[0])
            with connection.transaction():
                result = pickle.dumps((fn(*args, **kwargs), None))
                connection.execute(_KEEP.format(task.table).encode(), (task.number, result))
            return result
    except HubError as error:
        leave()
        return pickle.dumps((None, error))

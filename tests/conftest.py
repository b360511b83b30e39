"""Fixtures: one real PostgreSQL a session, one fresh database a test (copied from a migrated template)."""

import contextlib
import gc
import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import hypothesis
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from hub.api.process_tuning import collect_seldom
from hub.file_lock import await_lock
from hub.journal.migrate import migrate
from hub.postgres.server import discard, running
from hub.projections import PROJECTIONS, runner
from hub.projections.engine import create_views
from tests.clients import Province
from tests.databases import Emptied, clean_seldom, fresh_database, wait_for_the_disk
from tests.hub_process import CHONGQING, SICHUAN, BegunHub, RunningHub, running_hub
from tests.recording import Recording
from tests.spread import scope_of

_numbers = itertools.count(1)
# How long an example takes is the machine's matter. `make test-slow` tries each property with more examples.
hypothesis.settings.register_profile("hub", deadline=None, max_examples=25)
hypothesis.settings.register_profile("slow", deadline=None, max_examples=150)


# The files that take longest, those that wait between those that work: begun last, one of them would be all that is left to wait for.
LONG = (
    "test_standby",
    "test_faults",
    "test_connections",
    "test_audit_runs",
    "test_demo_evidence",
    "test_crash",
    "test_upgrade",
    "test_lanes",
    "test_erasure_restore",
    "test_browser",
    "test_audit",
    "test_journal",
    "test_replay",
    "test_simulator",
    "test_scenarios",
    "test_embedded",
    "test_backup",
    "test_tampering",
    "test_projections",
    "test_every_view",
    "test_as_of_position",
    "test_as_of",
    "test_participants",
    "test_pace",
    "test_full_disk",
    "test_demo_stopping",
    "test_meeting",
    "test_counts",
    "test_quota",
)


def pytest_configure(config: pytest.Config) -> None:
    """Has all that is started begin without the width of this terminal."""
    # GNU readline, which pytest imports, hands the width of a terminal to all that it starts: tables would be folded to it.
    for size in ("COLUMNS", "LINES"):
        os.environ.pop(size, None)
    hypothesis.settings.load_profile("slow" if config.option.markexpr == "slow" else "hub")
    os.environ.pop("HUB_TEST_SHARED", None)
    if config.getoption("processes", 0):
        os.environ["HUB_TEST_SHARED"] = str(_reachable_directory())


def pytest_unconfigure() -> None:
    """Deletes what the processes of the run had in common."""
    if (shared := os.environ.pop("HUB_TEST_SHARED", None)) is not None:
        discard(Path(shared))
        shutil.rmtree(shared)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Puts the long files first, those that need most of the machine not all at once; properties are in both runs."""
    for item in items if config.option.markexpr == "slow" else ():
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker("slow")
    rank = {name: number for number, name in enumerate(LONG)}
    first: dict[str, int] = {}
    for item in items:
        scope = scope_of(item)
        first[scope] = min(first.get(scope, len(LONG)), rank.get(item.path.stem, len(LONG)))
    # Those of one scope stay together, since one process runs them.
    items.sort(key=lambda item: (first[scope := scope_of(item)], scope))


def pytest_collection_finish() -> None:
    """Has the garbage collector pass by the thousands of tests and all that they import: they stay to the end."""
    gc.freeze()
    gc.enable()
    collect_seldom()


@pytest.fixture(scope="session")
def server_dsn() -> Iterator[str]:
    """A PostgreSQL with a migrated template database with empty views; HUB_TEST_DSN names a real server instead."""
    if dsn := os.environ.get("HUB_TEST_DSN"):
        yield _with_template(dsn)
        return
    data_dir = _reachable_directory()
    try:
        shared = _shared()
        if shared is not None:
            subprocess.run(["cp", "-a", shared / "postgres", data_dir / "postgres"], check=True)
        with running(data_dir, discards=True) as dsn:
            yield dsn if shared is not None else _with_template(_thrown_away(dsn))
    finally:
        discard(data_dir)
        shutil.rmtree(data_dir)


def _reachable_directory() -> Path:
    made = Path(tempfile.mkdtemp(prefix="hub-test-"))
    # The server's user passes through it.
    made.chmod(0o711)
    return made


def _shared() -> Path | None:
    """Where the stopped cluster is that each process of a run begins with a copy of, with what has begun; the first that needs it makes it.

    None where there is but one process, and where the server's user cannot reach the directory: the cluster is not in it then.
    """
    if "HUB_TEST_SHARED" not in os.environ:
        return None
    shared = Path(os.environ["HUB_TEST_SHARED"])
    with (shared / "lock").open("w") as lock:
        await_lock(lock)
        if not (shared / "made").exists():
            with running(shared) as dsn:
                _make_begun(_with_template(_thrown_away(dsn)), shared / "begun")
            (shared / "made").touch()
    return None if (shared / "postgres").is_symlink() else shared


def _thrown_away(dsn: str) -> str:
    """Has a server do without what only those need that are kept: only a crash of the machine would lose anything by it."""
    wait_for_the_disk(dsn, "off")
    clean_seldom(dsn)
    return dsn


def _with_template(dsn: str) -> str:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS hub_template WITH (FORCE)")
        connection.execute("CREATE DATABASE hub_template")
    template = make_conninfo(dsn, dbname="hub_template")
    migrate(template)
    # A projector makes the views that are not there; here most tests would each wait for the same hundred statements.
    with runner.connect(template) as projector:
        create_views(projector, PROJECTIONS)
    return dsn


@pytest.fixture(scope="session")
def emptied(server_dsn: str) -> Iterator[Emptied]:
    """The database that the tests of a process have one after the other."""
    database = Emptied(server_dsn, f"hub_test_{os.getpid()}")
    yield database
    database.drop()


@pytest.fixture
def dsn(emptied: Emptied) -> str:
    """A database as good as fresh, migrated, with empty views."""
    return emptied.dsn


@pytest.fixture
def journal(dsn: str) -> Iterator[Recording]:
    """What records events as intake would have, in a fresh database."""
    recording = Recording(dsn)
    yield recording
    recording.close()


@pytest.fixture
def views(dsn: str) -> Iterator[psycopg.Connection]:
    """A projector's session over empty views."""
    with runner.connect(dsn) as connection:
        yield connection


@pytest.fixture(scope="session")
def begun(server_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of a hub that has started once, with database `hub_begun`: most of what a first start does is made only here."""
    if "HUB_TEST_DSN" not in os.environ and (shared := _shared()) is not None:
        return shared / "begun"
    return _make_begun(server_dsn, tmp_path_factory.mktemp("begun"))


def _make_begun(server_dsn: str, data_dir: Path) -> Path:
    data_dir.mkdir(exist_ok=True)
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS hub_begun WITH (FORCE)")
        connection.execute("CREATE DATABASE hub_begun TEMPLATE hub_template STRATEGY FILE_COPY")
    with running_hub(make_conninfo(server_dsn, dbname="hub_begun"), data_dir) as hub:
        hub.certificate(CHONGQING)
    return data_dir


@pytest.fixture(scope="session")
def begun_hub(server_dsn: str, begun: Path) -> BegunHub:
    """Runs a hub that goes on where the one that has begun ended, with a database of its own and files below a directory."""

    @contextlib.contextmanager
    def run(data_dir: Path, settings: Mapping[str, str] | None = None, *, apart: bool = False) -> Iterator[RunningHub]:
        for kept in ("certificates", "keys"):
            shutil.copytree(begun / kept, data_dir / kept)
        with (
            fresh_database(server_dsn, f"hub_test_{os.getpid()}_{next(_numbers)}", "hub_begun") as dsn,
            running_hub(dsn, data_dir, settings=settings, apart=apart, begun=True) as hub,
        ):
            yield hub

    return run


@pytest.fixture
def hub(begun_hub: BegunHub, tmp_path: Path) -> Iterator[RunningHub]:
    """A hub of its own for one test."""
    with begun_hub(tmp_path) as hub:
        yield hub


@pytest.fixture(scope="module")
def hub_settings() -> dict[str, str]:
    """Further settings of the hub of a module; a module that has some overrides this."""
    return {}


@pytest.fixture(scope="module")
def shared_hub(begun_hub: BegunHub, tmp_path_factory: pytest.TempPathFactory, hub_settings: dict[str, str]) -> Iterator[RunningHub]:
    """One hub for the tests of a module that do not disturb it."""
    with begun_hub(tmp_path_factory.mktemp("hub"), hub_settings) as hub:
        yield hub


@pytest.fixture(scope="module")
def chongqing(shared_hub: RunningHub) -> Iterator[Province]:
    """Chongqing's card centre, at the hub of the module."""
    province = Province(shared_hub, CHONGQING)
    yield province
    province.channel.close()


@pytest.fixture(scope="module")
def sichuan(shared_hub: RunningHub) -> Iterator[Province]:
    """Sichuan's card centre, at the hub of the module."""
    province = Province(shared_hub, SICHUAN)
    yield province
    province.channel.close()

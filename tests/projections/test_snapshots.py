"""A replay from a snapshot finds what one from the beginning finds; a snapshot that is not the one of the journal is refused by name."""

import json
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from hub.cli import app
from hub.domain.errors import HubError
from hub.journal.reader import head_position
from hub.projections import DECIDED_BY, runner, snapshots
from hub.projections.rebuild import RebuiltViewDiffers, rebuild
from hub.projections.snapshots import (
    SnapshotDiffers,
    SnapshotLacksView,
    SnapshotUnknown,
    SnapshotUnreadable,
    SnapshotUnwritable,
    ViewsNotReady,
    keep,
    load,
    position_of,
)
from hub.projections.views.card_standing import CARD_STANDING
from hub.projections.views.daily_usage import DAILY_USAGE
from tests.projections.test_projections import record_a_history
from tests.recording import Recording, correcting, journey, lost, registered


def test_a_replay_from_a_snapshot_is_live(
    dsn: str, journal: Recording, views: psycopg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ViewsNotReady):
        keep(dsn, views, tmp_path)
    record_a_history(dsn, journal)
    runner.catch_up(views)
    with pytest.raises(SnapshotUnwritable):
        keep(dsn, views, Path("/proc/nowhere"))
    kept = keep(dsn, views, tmp_path)
    assert (kept.event_position, position_of(views, kept.path)) == (head_position(views), kept.position)
    # What comes later corrects what came before it, and adds to rows that the snapshot has.
    journal.append(registered("A00000007"), correcting(lost("A00000000"), 2, "cq.card-center"), feed="cq.card-center")
    journal.append(journey("A00000007"))
    runner.catch_up(views)
    for view in DECIDED_BY:
        assert rebuild(views, view, switch=False, begin=lambda connection, view: load(connection, kept.path, kept.position, view)).is_equal
    monkeypatch.setenv("HUB_DSN", dsn)
    monkeypatch.setenv("HUB_DATA_DIR", str(tmp_path / "data"))
    done = CliRunner().invoke(app, ["replay", "views", "--snapshot", str(kept.path), "--json"])
    assert done.exit_code == 0, done.output
    views.execute("UPDATE views.card_standing SET issuing_province = '99'")
    with pytest.raises(RebuiltViewDiffers):
        rebuild(views, CARD_STANDING, begin=lambda connection, view: load(connection, kept.path, kept.position, view))


def test_the_command_keeps_a_snapshot_and_what_is_not_it_is_refused(
    dsn: str, journal: Recording, views: psycopg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_a_history(dsn, journal)
    runner.catch_up(views)
    monkeypatch.setenv("HUB_DSN", dsn)
    monkeypatch.setenv("HUB_DATA_DIR", str(tmp_path / "data"))
    done = CliRunner().invoke(app, ["replay", "snapshot", "--to", str(tmp_path), "--json"])
    said = json.loads(done.stdout.splitlines()[-1])
    path, content = Path(said["path"]), Path(said["path"]).read_bytes()
    assert position_of(views, path) == said["position"]

    def refusal(changed: bytes) -> type[HubError]:
        path.write_bytes(changed)
        with pytest.raises(HubError) as refused:
            position_of(views, path)
        return refused.type

    altered = bytearray(content)
    altered[len(content) // 2] ^= 1
    other = content.replace(b'"position": %d' % said["position"], b'"position": 7', 1)
    found = [refusal(changed) for changed in (bytes(altered), content[:-9], other, b"no snapshot", b"")]
    assert found == [SnapshotDiffers, SnapshotDiffers, SnapshotUnknown, SnapshotUnreadable, SnapshotUnreadable]
    path.write_bytes(content)
    with pytest.raises(SnapshotLacksView):
        load(views, path, said["position"], DAILY_USAGE)
    assert CliRunner().invoke(app, ["replay", "views", "daily_usage", "--snapshot", str(path)]).exit_code != 0
    # One of a release with other columns.
    monkeypatch.setattr(snapshots, "_head", lambda table: {"table": table.name, "columns": []})
    with pytest.raises(SnapshotUnreadable):
        rebuild(views, CARD_STANDING, begin=lambda connection, view: load(connection, path, said["position"], view))
    assert views.execute("SELECT to_regclass('views.card_standing__fresh')").fetchone() == (None,)

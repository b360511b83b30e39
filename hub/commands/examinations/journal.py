"""The journal: its head, its partitions, holes near its end. `hub fsck` looks at all of it."""

from hub.api.edge.readiness import PARTITIONS_AHEAD
from hub.commands.examinations import Examined, Scene, examination, fault, ok, warning
from hub.journal.reader import first_position, head_position
from hub.monitoring.hole_watch import RANGE_POSITIONS, holes_in
from hub.monitoring.vitals import partitions_ahead


@examination("日志头 head of the journal", needs_database=True)
def head(scene: Scene) -> Examined:
    """The head is the position of the last event."""
    row = scene.connection.execute(
        "SELECT h.position, COALESCE((SELECT max(position) FROM journal.event), 0) FROM journal.head h"
    ).fetchone()
    assert row is not None
    if row[0] != row[1]:
        return fault(f"头 head {row[0]:,}，最后事件 last event {row[1]:,}", "停止写入并运行 hub fsck。Stop the writers and run `hub fsck`")
    return ok(f"{row[0]:,}")


@examination("预建分区 partitions ahead", needs_database=True)
def partitions(scene: Scene) -> Examined:
    """The next ones exist already."""
    ahead = partitions_ahead(scene.connection)
    if ahead < PARTITIONS_AHEAD:
        return warning(f"{ahead}，需要 needed {PARTITIONS_AHEAD}", "运行中的 hub serve 会自行补建。A running `hub serve` makes them")
    return ok(str(ahead))


@examination("近期缺口 holes near the head", needs_database=True)
def holes(scene: Scene) -> Examined:
    """The newest positions have an event each."""
    position = head_position(scene.connection)
    after = max(0, position - RANGE_POSITIONS, first_position(scene.connection) - 1)
    missing = holes_in(scene.connection, after, position)
    if missing:
        return fault(f"{missing} 个位置无事件 positions have no event, after {after:,}", "hub fsck；缺口从不正常。A hole is never normal")
    return ok(f"最近 {position - after:,} 个位置无缺口 none in the last {position - after:,} positions")

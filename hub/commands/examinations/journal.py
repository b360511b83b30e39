"""The journal: its head, its partitions, holes near its end, and what `hub fsck`, which looks at all of it, found last."""

import time

from hub.api.edge.readiness import PARTITIONS_AHEAD
from hub.audit.verdicts import last
from hub.commands.examinations import Examined, Scene, examination, fault, ok, warning
from hub.commands.wording import local
from hub.export.shelf import directory_of
from hub.journal.archived import all_segments, here_from
from hub.journal.reader import head_position
from hub.monitoring.hole_watch import RANGE_POSITIONS, holes_in
from hub.monitoring.vitals import partitions_ahead
from hub.projections.waiting import waiting

# Two nights.
OLD_S = 172_800


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
    after = max(0, position - RANGE_POSITIONS, here_from(scene.connection) - 1)
    missing = holes_in(scene.connection, after, position)
    if missing:
        return fault(f"{missing} 个位置无事件 positions have no event, after {after:,}", "hub fsck；缺口从不正常。A hole is never normal")
    return ok(f"最近 {position - after:,} 个位置无缺口 none in the last {position - after:,} positions")


@examination("归档的分段 archived segments", needs_database=True)
def archived_segments(scene: Scene) -> Examined:
    """Each is where it is expected, and as long as it was."""
    away = all_segments(scene.connection)
    for one in away:
        path = directory_of(one) / one.path
        if not path.is_file() or path.stat().st_size != one.size_bytes:
            names = ", ".join(waiting(scene.connection))
            text = f"{path}；等待它的视图 views that wait: {names}" if names else str(path)
            return fault(text, "放回原处，或设置 HUB_ARCHIVE_DIR。Put it back, or set HUB_ARCHIVE_DIR (docs/archive.md)")
    return ok(f"{len(away):,}，至位置 up to position {away[-1].last:,}" if away else "无归档 nothing is archived")


@examination("最近一次核对 last check")
def last_check(scene: Scene) -> Examined:
    """What `hub fsck` found last, and that it was not long ago."""
    verdict = last(scene.config.data_dir)
    if verdict is None:
        return ok("本机尚未运行过 hub fsck never run on this data directory")
    text = f"{local(verdict.at_us)}, 位置 position {verdict.head:,}"
    if not verdict.is_clean:
        advice = "先保留证据，再看 docs/tampering.md。Keep the evidence, then see docs/tampering.md"
        return fault(f"{text}, 不符 differences {max(1, verdict.differences):,}", advice)
    if time.time() - verdict.at_us / 1e6 > OLD_S:
        return warning(text, "每夜运行 hub fsck --tlog。Run `hub fsck --tlog` every night")
    return ok(text)

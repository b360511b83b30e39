"""Where partitions of the journal are archived: their rows leave once segments are seen to have each of them, and may come back.

What is archived is noted first, while all rows are there, so that readers know of the segments before they need them. The rows go when
every transaction from before the note has ended. Each step is a transaction; a run that is cut short is gone on with by the same command.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import psycopg
from chuanyu.exchange.v1 import archiving_pb2 as protos

from hub import durable
from hub.admin import partition_swap
from hub.domain.archiving import (
    APPROVED,
    UNDONE,
    Archiving,
    ArchivingNotRequested,
    ArchivingRequestedAlready,
    ArchivingSamePerson,
)
from hub.domain.errors import HubError
from hub.export.manifest import MANIFEST, ExportMissing, Segment
from hub.export.reading import Segments
from hub.export.shelf import directory_of, segment_of
from hub.export.verifying import Place, is_in_journal, whole
from hub.intake.request_rules import refuse_identifiers, refuse_invalid
from hub.journal import archived
from hub.journal.leaves import DERIVED
from hub.journal.reader import head_position
from hub.journal.recorder import AggregateStore
from hub.journal.sessions import alone, session
from hub.tlog.store import newest_checkpoint, newest_incarnation, reader
from hub.tlog.tree import HASH, WIDTH

_ALONE = "hub.archiving"
# So many tiles of the log are compared at once.
_TILES_AT_ONCE = 64

Report = Callable[[str, int, int], None]


class PartitionUnknown(HubError):
    """没有这个分区，见 `hub archive list` there is no such partition; see `hub archive list`."""


class PartitionOpen(HubError):
    """该分区仍在写入，写满后才能归档 the partition is still written; it can be archived once the head is beyond it."""


class PartitionNotSealed(HubError):
    """该分区尚未全部封存并由见证签署 the log is not sealed and cosigned up to its end; see `hub status` and docs/witness.md:"""


class PartitionNotExported(HubError):
    """该分区尚未全部导出到此目录，先运行 `hub export` the export does not reach the end of the partition; run `hub export`:"""


class PartitionStillRead(HubError):
    """有视图尚未读完该分区，待其跟上后再试 a view has not read all of it yet:"""


class PartitionDiffers(HubError):
    """分段与日志树不符，保留两者并运行 `hub fsck --tlog` rows are not what the log has sealed; keep both and run `hub fsck --tlog`."""


class SegmentsChanged(HubError):
    """分段与申请时的不同；由申请人重新导出并核对 the segments are others than those that were asked for; put those back."""


class ArchivingUnderWay(HubError):
    """另一进程正在归档或恢复分区 another process archives a partition or brings one back; wait for it."""


class ArchivingNotPermitted(HubError):
    """归档须用迁移的登录，见 HUB_MIGRATE_DSN archiving takes the login of migrations (HUB_MIGRATE_DSN):"""


class ArchivingHasNoRoom(HubError):
    """数据库磁盘已满，未丢任何内容；清理后再次运行 the disk of the database is full, nothing is lost; make room and run it again:"""


class Partition(NamedTuple):
    """A partition from *first* to *last*; *is_away*: segments have its events; *is_leaving*: its rows are here too, after a stop."""

    number: int
    first: int
    last: int
    is_away: bool
    is_leaving: bool
    archiving: Archiving | None
    obstacle: HubError | None = None

    @property
    def state(self) -> str:
        """A word: ARCHIVED, LEAVING where a run was cut short, what was decided, READY, or OPEN where something is in the way."""
        if self.is_away:
            return "LEAVING" if self.is_leaving else "ARCHIVED"
        if self.archiving is not None and self.archiving.state != UNDONE:
            return self.archiving.state
        return "READY" if self.obstacle is None else "OPEN"


class ArchivingDesk:
    """Works on one connection of the schemas' owner; used from one thread."""

    def __init__(self, connection: psycopg.Connection, store: AggregateStore, cosigned_size: int) -> None:
        """*cosigned_size* is that of the newest checkpoint that the policy of this hub takes, 0 if it takes none."""
        self._connection, self._store, self._cosigned = connection, store, cosigned_size

    def all(self) -> list[Partition]:
        """Returns the partitions up to the head, with what is in the way of archiving each beside its export."""
        return [self._partition(number) for number in range(head_position(self._connection) // partition_swap.size(self._connection) + 1)]

    def request(self, number: int, directory: Path, operator: str, at: datetime) -> Partition:
        """Asks for a partition to be archived with the segments in *directory*; raises what is in the way, or ArchivingRequestedAlready."""
        found = self._fit(number)
        segments = _segments_of(found, directory)
        requested = protos.ArchivingRequested(
            first_position=found.first, last_position=found.last, digest=_digest(segments), operator=operator
        )
        refuse_invalid(requested)
        refuse_identifiers(requested, "operator")
        archiving = found.archiving
        if archiving is None:
            archiving = Archiving.begin("archiving_requested", requested, Archiving.create_id(found.first), at)
        else:
            archiving.request(requested, at)
        self._store.save(archiving)
        return self._partition(number)

    def approve(
        self, number: int, directory: Path, operator: str, at: datetime, report: Report = lambda _what, _done, _of: None
    ) -> Partition:
        """Compares each row with its segment and the log, approves, and has the rows go; goes on with what was approved before.

        Raises what is in the way, ArchivingUnderWay, ArchivingNotRequested, ArchivingSamePerson, SegmentsChanged, ArchivingHeldUp; where
        something is not as it was SegmentAway, ExportDamaged, SegmentForeign, ExportDiffers or PartitionDiffers. Then no row has gone.
        """
        refuse_invalid(protos.ArchivingApproved(operator=operator))
        with alone(self._connection, _ALONE, ArchivingUnderWay()):
            found = self._partition(number)
            if (archiving := found.archiving) is None:
                raise ArchivingNotRequested
            archiving.check_open_for(operator)
            if found.is_away:
                self._go_on(found, report)
                return self._partition(number)
            if operator == archiving.requested.operator:
                # It was approved, and a restore may have brought the rows back since: again this takes two.
                raise ArchivingSamePerson
            segments = _segments_of(self._fit(number), directory)
            if _digest(segments) != archiving.requested.digest:
                raise SegmentsChanged
            directory = directory.resolve()
            with whole([(directory, segment) for segment in segments], report) as check_unchanged:
                self._verify(directory, segments, report)
                archiving.approve(operator, at)
                self._store.save(archiving)
                partition_swap.note(self._connection, number, segments, directory)
                partition_swap.swap(self._connection, number, partition_swap.KEPT, check_unchanged)
            return self._partition(number)

    def restore(self, number: int, operator: str, at: datetime, report: Report = lambda _what, _done, _of: None) -> Partition:
        """Brings the rows back, or has them stay where none has gone yet.

        Raises ArchivingNotRequested, ArchivingUnderWay, ArchivingHeldUp; where segments are not as they were SegmentAway, ExportDamaged,
        SegmentForeign, SegmentsLackRows or PartitionDiffers. Then nothing is changed.
        """
        refuse_invalid(protos.ArchivingUndone(operator=operator))
        with alone(self._connection, _ALONE, ArchivingUnderWay()):
            found = self._partition(number)
            if (archiving := found.archiving) is None or archiving.state != APPROVED:
                raise ArchivingNotRequested
            if found.is_away and partition_swap.is_whole(self._connection, number, found.last - found.first + 1):
                partition_swap.stay(self._connection, number)
            elif found.is_away:
                self._bring_back(found, report)
            archiving.undo(operator, at)
            self._store.save(archiving)
            return self._partition(number)

    def _partition(self, number: int) -> Partition:
        size, head = partition_swap.size(self._connection), head_position(self._connection)
        first, last = max(1, number * size), (number + 1) * size - 1
        if number < 0 or first > max(head, 1):
            raise PartitionUnknown
        is_away = bool(archived.segments(self._connection, [(first, last)]))
        archiving = self._store.get(Archiving, Archiving.create_id(first))
        is_leaving = is_away and partition_swap.is_there(self._connection, partition_swap.KEPT, number)
        return Partition(number, first, last, is_away, is_leaving, archiving, None if is_away else self._obstacle(last, head))

    def _fit(self, number: int) -> Partition:
        """Returns a partition that nothing is in the way of; raises what is."""
        found = self._partition(number)
        if found.is_away:
            raise ArchivingRequestedAlready
        if found.obstacle is not None:
            raise found.obstacle
        return found

    def _obstacle(self, last: int, head: int) -> HubError | None:
        if last >= head:
            return PartitionOpen()
        if last >= self._cosigned:
            return PartitionNotSealed(position=last, cosigned=self._cosigned)
        behind = self._connection.execute(_BEHIND, (last,)).fetchone()
        return None if behind is None else PartitionStillRead(f"{behind[0]}, {behind[1]}")

    def _verify(self, directory: Path, segments: list[Segment], report: Report) -> None:
        """Raises unless segments that are whole have the very rows of the journal, and these are what was sealed; then all is on disk."""
        for number, segment in enumerate(segments, 1):
            is_in_journal(self._connection, segment)
            self._compare_with_log(segment.first, segment.last, segment.path, _LEAVES)
            report("journal 日志", number, len(segments))
        durable.sync(directory / MANIFEST)
        durable.sync(directory)

    def _go_on(self, found: Partition, report: Report) -> None:
        """Has the rows go that a run which was cut short has left: days may lie between, so the segments are checked again."""
        partition_swap.drop_loaded(self._connection, found.number)
        if found.is_leaving:
            with whole(_places(self._segments_away(found)), report) as check_unchanged:
                partition_swap.swap(self._connection, found.number, partition_swap.KEPT, check_unchanged)

    def _bring_back(self, found: Partition, report: Report) -> None:
        """Loads the rows from their segments, and has them take their place once each leaf is seen to be the one that was sealed."""
        away = self._segments_away(found)
        with (
            whole(_places(away), report) as check_unchanged,
            partition_swap.loaded(self._connection, found.number, away, report) as table,
        ):
            for one in away:
                self._compare_with_log(one.first, one.last, one.path, _LEAVES_LOADED.format(table=table))
            partition_swap.swap(self._connection, found.number, partition_swap.FULL, check_unchanged)

    def _segments_away(self, found: Partition) -> list[archived.Away]:
        return archived.segments(self._connection, [(found.first, found.last)])

    def _compare_with_log(self, first: int, last: int, path: str, leaves: str) -> None:
        """Raises PartitionDiffers unless the leaves of some positions are those of the tiles, as far as the log is sealed here."""
        log = newest_incarnation(self._connection)
        sealed = None if log is None else newest_checkpoint(self._connection, log.number)
        if log is None or sealed is None:
            return
        read, last = reader(self._connection, log.number), min(last, sealed.size - 1)
        for begin in range(first, last + 1, WIDTH * _TILES_AT_ONCE):
            end = min(begin + WIDTH * _TILES_AT_ONCE - 1, last)
            row = self._connection.execute(leaves.encode(), (begin, end), binary=True).fetchone()
            tiles = b"".join(read(0, number, WIDTH) for number in range(begin // WIDTH, end // WIDTH + 1))
            at = begin % WIDTH * HASH
            if row is None or row[0] is None or bytes(row[0]) != tiles[at : at + (end - begin + 1) * HASH]:
                raise PartitionDiffers(path)


@contextmanager
def archiving_desk(owner_dsn: str, cosigned_size: Callable[[psycopg.Connection], int]) -> Iterator[ArchivingDesk]:
    """Yields the desk; raises ArchivingNotPermitted where the login is not the owner's, ArchivingHasNoRoom where the disk is full."""
    store = AggregateStore(owner_dsn)
    try:
        with session(owner_dsn, None, "hub-archive") as connection:
            yield ArchivingDesk(connection, store, cosigned_size(connection))
    except psycopg.errors.InsufficientPrivilege as refused:
        raise ArchivingNotPermitted(str(refused).strip().splitlines()[0]) from None
    except psycopg.errors.DiskFull as full:
        raise ArchivingHasNoRoom(str(full).strip().splitlines()[0]) from None
    finally:
        store.close()


def _segments_of(partition: Partition, directory: Path) -> list[Segment]:
    """Returns the segments that have the positions of a partition and no others; raises PartitionNotExported or what the reader raises."""
    try:
        manifest = Segments(directory).manifest
    except ExportMissing:
        raise PartitionNotExported(str(directory)) from None
    mine = [segment for segment in manifest.segments if segment.last >= partition.first and segment.first <= partition.last]
    if not mine or (mine[0].first, mine[-1].last) != (partition.first, partition.last):
        raise PartitionNotExported(str(directory))
    return mine


def _places(away: list[archived.Away]) -> list[Place]:
    return [(directory_of(one), segment_of(one)) for one in away]


def _digest(segments: list[Segment]) -> bytes:
    return hashlib.new("sm3", "".join(segment.digest for segment in segments).encode()).digest()


_BEHIND = "SELECT view, position FROM views.checkpoint WHERE position < %s ORDER BY position, view LIMIT 1"
_LEAVES = f"""
    SELECT string_agg({DERIVED}, ''::bytea ORDER BY e.position)
    FROM journal.event e JOIN journal.stream s USING (stream_id) WHERE e.position BETWEEN %s AND %s"""  # noqa: S608 (our own text)
_LEAVES_LOADED = "SELECT string_agg(leaf, ''::bytea ORDER BY position) FROM {table} WHERE position BETWEEN %s AND %s"

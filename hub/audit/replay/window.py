"""What a replay needs of the record: all of it from its first position on, and when a position was recorded."""

import psycopg

from hub.domain.audit_errors import AuditWindowBefore
from hub.domain.errors import HubError
from hub.journal.reader import first_position


class HistoryArchived(HubError):
    """所需的早期记录已移出数据库；请先从归档恢复 the earlier record has left the database; bring the archived partitions back first."""


def require_whole(connection: psycopg.Connection) -> None:
    """Raises HistoryArchived where the journal no longer begins at its first position: what was known is a fold from there."""
    if first_position(connection) > 1:
        raise HistoryArchived


def recorded_us(connection: psycopg.Connection, position: int) -> int:
    """Returns when a position was recorded; raises AuditWindowBefore where there is none."""
    row = connection.execute(
        "SELECT (extract(epoch FROM recorded_at) * 1000000)::bigint FROM journal.event WHERE position = %s", (position,)
    ).fetchone()
    if row is None:
        raise AuditWindowBefore
    return int(row[0])

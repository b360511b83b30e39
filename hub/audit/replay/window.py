"""What a replay needs of the record: all of it from its first position on, and when a position was recorded."""

import psycopg

from hub.domain.audit_errors import AuditWindowBefore
from hub.domain.errors import HubError
from hub.domain.instants import in_local
from hub.journal.reader import first_position
from hub.journal.times import recorded_at


class HistoryArchived(HubError):
    """所需的早期记录已移出数据库；请先从归档恢复 the earlier record has left the database; bring the archived partitions back first."""


def require_whole(connection: psycopg.Connection) -> None:
    """Raises HistoryArchived where the journal no longer begins at its first position: what was known is a fold from there."""
    if first_position(connection) > 1:
        raise HistoryArchived


def recorded_us(connection: psycopg.Connection, position: int) -> int:
    """Returns when a position was recorded; raises AuditWindowBefore where there is none."""
    at_us = recorded_at(connection, position)
    if at_us is None:
        raise nothing_yet(connection)
    return at_us


def nothing_yet(connection: psycopg.Connection, field: str = "") -> AuditWindowBefore:
    """Returns the refusal of a time before the first event; it says when that was, where the journal still has it."""
    first_us = recorded_at(connection, 1)
    said = "" if first_us is None else f"（最早 the first {in_local(first_us):%Y-%m-%d %H:%M:%S}）"
    return AuditWindowBefore(said, field=field) if field else AuditWindowBefore(said)

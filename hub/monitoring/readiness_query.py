"""One small query that says whether the hub can do its work: is the database there, how late are the views, do the clocks agree.

It runs on the event loop, on a connection of its own, and is given up when no answer comes.
"""

import asyncio
import struct
import time
from dataclasses import dataclass

import psycopg

from hub.journal.loop_connection import LoopConnection
from hub.journal.sessions import session, set_up
from hub.journal.statements import ConnectionLost, GroupFailed
from hub.monitoring.vitals import FOLLOWS_S, LACKS_STANDBY, LAG_S, PARTITIONS_AHEAD, ClockVitals
from hub.projections import DECIDED_BY

ANSWER_WITHIN_S = 2.0


class Unreadable(Exception):
    """The database does not say how it is; the message says why, Chinese first."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the database said: of the deciding views *views* are there, and the latest is *view*, at *position*, *lag_s* late.

    *head* is the position of the newest event, *ahead_s* how far its time is ahead of the database's clock, unless that was accepted.
    *lacks_standby* means that commits wait for a synchronous standby and none is there, *follows_s* how far a standby is behind.
    """

    partitions_ahead: int
    views: int
    view: str
    position: int
    lag_s: float
    clock: ClockVitals
    head: int
    ahead_s: float = 0.0
    lacks_standby: bool = False
    follows_s: float = 0.0


class ReadinessQuery:
    """Used from one event loop, a reading at a time."""

    def __init__(self, dsn: str) -> None:
        """*dsn* names a login that may SET ROLE hub_writer."""
        self._dsn = dsn
        self._connection = LoopConnection(dsn, "hub-readiness", _SESSION, _READ)
        # The head as it was at an instant, and not folded up to since.
        self._seen_head, self._seen_at = 0, 0.0

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    async def read(self) -> Reading:
        """Takes a reading; raises Unreadable."""
        began = time.monotonic()
        try:
            result = await asyncio.wait_for(self._connection.query(), ANSWER_WITHIN_S)
        except TimeoutError:
            raise Unreadable(f"数据库无应答 database: no answer within {ANSWER_WITHIN_S:.0f} s") from None
        except (ConnectionLost, psycopg.Error):
            raise Unreadable("数据库不可达 database: cannot be reached") from None
        except GroupFailed as refused:
            raise Unreadable(f"数据库拒绝读取 database: refuses to be read, {refused}") from None
        half_s = (time.monotonic() - began) / 2
        numbers = [_INT8.unpack(result.get_value(0, column) or bytes(8))[0] for column in range(7)]
        now_us, head, ahead, views, position, lag_us, ahead_us = numbers
        view = (result.get_value(0, 7) or b"").decode()
        lacks_standby = result.get_value(0, 8) == b"\x01"
        follows_s = _FLOAT8.unpack(result.get_value(0, 9) or bytes(8))[0]
        lag_s = max(lag_us / 1e6, self._unfolded_s(position, head))
        clock = ClockVitals(time.time() - half_s - now_us / 1e6, half_s)
        return Reading(ahead, views, view, position, lag_s, clock, head, ahead_us / 1e6, lacks_standby, follows_s)

    def _unfolded_s(self, position: int, head: int) -> float:
        """How long there was something to fold, as seen from here: after a jump the journal may be ahead of the database's clock."""
        if position >= self._seen_head:
            self._seen_head, self._seen_at = head, time.monotonic()
        return time.monotonic() - self._seen_at if position < head else 0.0

    async def make_partitions(self) -> None:
        """Makes the partitions ahead that are missing: the writer itself looks once in a million positions."""
        await asyncio.to_thread(_make_partitions, self._dsn)


def _make_partitions(dsn: str) -> None:
    """Makes them, or lets the next reading report that they are still missing."""
    try:
        with session(dsn, "hub_writer", "hub-readiness", {"lock_timeout": "1s"}, connect_timeout_s=5) as connection:
            connection.execute("SELECT journal.ensure_partitions()")
    except psycopg.Error:
        return


_INT8, _FLOAT8 = struct.Struct(">q"), struct.Struct(">d")
# As the login itself: a lesser role does not see whether the standby is there.
_SESSION = set_up(None, {"plan_cache_mode": "force_generic_plan", "jit": "off", "statement_timeout": "5s"})
_DECIDED_BY = "'{" + ",".join(projection.name for projection in DECIDED_BY) + "}'"
_READ = f"""
    SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, h.position, {PARTITIONS_AHEAD},
           (SELECT count(*) FROM views.checkpoint WHERE view = ANY ({_DECIDED_BY})), l.position, l.lag_us,
           CASE WHEN h.recorded_at > journal.accepted_time()
                THEN (extract(epoch FROM h.recorded_at - clock_timestamp()) * 1000000)::bigint ELSE 0 END, l.view,
           {LACKS_STANDBY}, {FOLLOWS_S}
    FROM journal.head h LEFT JOIN LATERAL (
        SELECT c.view, c.position, ({LAG_S} * 1000000)::bigint AS lag_us
        FROM views.checkpoint c WHERE c.view = ANY ({_DECIDED_BY}) ORDER BY c.position LIMIT 1) l ON true"""  # noqa: S608 (our own text)

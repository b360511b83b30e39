"""Waits in the server for events: one statement from here where a look every few milliseconds would be fifty a second.

So an idle hub is idle, and what comes is seen as soon. NOTIFY would be sooner, but it makes commits take turns at a lock of the whole
server (`head_watcher`).
"""

import psycopg


def await_head(connection: psycopg.Connection, position: int, every_s: float, patience_s: float) -> None:
    """Returns once the head lies beyond a position, or after *patience_s*; looks every *every_s*, first after that time.

    The session is in autocommit: each look sees what is committed by then.
    """
    looks = max(1, round(patience_s / every_s))
    connection.execute(_AWAIT.format(looks=looks, every_s=every_s, position=position).encode())


_AWAIT = """
    DO $$ BEGIN
        FOR look IN 1..{looks} LOOP
            PERFORM pg_sleep({every_s});
            EXIT WHEN (SELECT position FROM journal.head) > {position};
        END LOOP;
    END $$"""

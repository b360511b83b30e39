"""Which traces the events of some positions came from: how folds, deliveries and audits link back to the appends."""

import psycopg

from hub.telemetry import names
from hub.telemetry.spans import Call

MOST_LINKS = 128


def link_back(connection: psycopg.Connection, call: Call, after: int, through: int, operation: str) -> None:
    """Links what was done with positions after … through to their appends, and has it kept if one of those is kept."""
    call.links = sampled_traces(connection, after, through)
    call.is_sampled = bool(call.links)
    call.attributes.update(
        {
            names.MESSAGING_SYSTEM: "hub.journal",
            names.MESSAGING_OPERATION: operation,
            names.FIRST_POSITION: after + 1,
            names.LAST_POSITION: through,
        }
    )


def sampled_traces(connection: psycopg.Connection, after: int, through: int) -> list[str]:
    """Returns the trace parents of the kept traces among the batches of positions after … through, MOST_LINKS at most."""
    rows = connection.execute(
        """WITH begin AS (SELECT max(first_position) AS position FROM journal.batch WHERE first_position <= %(after)s + 1)
           SELECT t.parent FROM begin, journal.batch b CROSS JOIN LATERAL unnest(b.trace_parents) t (parent)
           WHERE b.first_position BETWEEN begin.position AND %(through)s AND t.parent LIKE '%%-01' LIMIT %(most)s""",
        {"after": after, "through": through, "most": MOST_LINKS},
    ).fetchall()
    return [row[0] for row in rows]


def trace_at(connection: psycopg.Connection, position: int) -> str:
    """Returns the trace parent of a decision of the hub's, "" if none was kept."""
    row = connection.execute(
        """SELECT trace_parents[%(position)s - first_position + 1] FROM journal.batch
           WHERE first_position <= %(position)s ORDER BY first_position DESC LIMIT 1""",
        {"position": position},
    ).fetchone()
    return "" if row is None or row[0] is None else str(row[0])

"""Which traces the events of some positions came from: how folds, deliveries and audits link back to the appends."""

import psycopg

from hub.domain.participant import DECISIONS_FEED
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


def traces_at(connection: psycopg.Connection, position: int) -> list[str] | None:
    """Returns the trace parents an event may have come from: that of a decision, all of a batch of events; None if there is no event."""
    row = connection.execute(
        """SELECT b.first_position, b.trace_parents, s.name FROM journal.batch b JOIN journal.stream s USING (stream_id)
           WHERE b.first_position <= %(position)s AND b.first_position + b.last_sequence - b.first_sequence >= %(position)s
           ORDER BY b.first_position DESC LIMIT 1""",
        {"position": position},
    ).fetchone()
    if row is None:
        return None
    first, parents, stream = row
    return [parent for parent in (parents[position - first :][:1] if stream == DECISIONS_FEED else parents) if parent]

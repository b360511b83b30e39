"""Which agreement an event is about: most of an agreement's events do not say it, and those recorded long ago never will.

Its code and the version in force after the event are folded from the agreement's own events, as everything about it is.
"""

import psycopg
from chuanyu.exchange.v1 import agreement_history_pb2, event_pb2
from chuanyu.exchange.v1 import subscription_service_pb2 as protos

from hub.domain.agreement_history import evolve
from hub.journal.joins import EVENTS_OF_BATCH
from hub.journal.reader import Recorded


def agreement_of(connection: psycopg.Connection, recorded: Recorded) -> protos.AgreementName:
    """Returns the agreement of an event of one, as it was with that event."""
    history: agreement_history_pb2.AgreementHistory | None = None
    for kind, data in connection.execute(_EVENTS_UP_TO, (recorded.stream_id, recorded.position)):
        history = evolve(history, getattr(event_pb2.Event.FromString(data), kind))
    assert history is not None, "the event itself is one of them"
    return protos.AgreementName(code=history.agreement_code, version=len(history.versions))


_EVENTS_UP_TO = f"""
    SELECT e.kind, e.data FROM journal.batch b
    {EVENTS_OF_BATCH}
    WHERE b.stream_id = %s AND e.position <= %s ORDER BY e.position"""  # noqa: S608 (our own text)

"""View: every agreement with all its versions, suspensions and signatures; decisions read it whole."""

import psycopg
from chuanyu.exchange.v1 import agreement_history_pb2

from hub.domain.agreement import Agreements, terms_in
from hub.domain.agreement_history import evolve as evolve_history
from hub.journal.reader import Recorded
from hub.projections.projection import Key, Projection, Row


def keys(recorded: Recorded, _: Recorded | None) -> tuple[Key, ...]:
    """Names the agreement's stream."""
    return ((recorded.stream_id,),)


def evolve(_: Key, row: Row | None, recorded: Recorded, __: Recorded | None) -> Row | None:
    """Folds the event into the agreement's history, as its aggregate does; one that is in it already changes nothing."""
    if row is not None and recorded.position <= row[2]:
        return row
    before = None if row is None else agreement_history_pb2.AgreementHistory.FromString(row[1])
    after = evolve_history(before, getattr(recorded.event, recorded.kind))
    return after.agreement_code, after.SerializeToString(deterministic=True), recorded.position


def read_agreements(connection: psycopg.Connection) -> tuple[int, Agreements]:
    """Returns all agreements there are, and the position of the last event among them, 0 if there is none."""
    rows = connection.execute("SELECT code, history, position FROM views.agreement_history ORDER BY code, stream_id").fetchall()
    histories = (agreement_history_pb2.AgreementHistory.FromString(bytes(data)) for _, data, _ in rows)
    return max((row[2] for row in rows), default=0), Agreements(terms for history in histories for terms in terms_in(history))


def find_history(connection: psycopg.Connection, code: str) -> agreement_history_pb2.AgreementHistory | None:
    """Returns what became of the agreement with a code, None if there is none."""
    row = connection.execute("SELECT history FROM views.agreement_history WHERE code = %s ORDER BY stream_id LIMIT 1", (code,)).fetchone()
    return None if row is None else agreement_history_pb2.AgreementHistory.FromString(bytes(row[0]))


AGREEMENTS = Projection(
    name="agreement_history",
    key_columns=(("stream_id", "bigint"),),
    value_columns=(("code", "text"), ("history", "bytea"), ("position", "bigint")),
    kinds=frozenset(
        {
            "agreement_drafted",
            "agreement_amendment_drafted",
            "agreement_signed",
            "agreement_activated",
            "agreement_amended",
            "agreement_suspended",
            "agreement_resumed",
            "agreement_ended",
        }
    ),
    keys=keys,
    evolve=evolve,
    follows_corrections=False,
)

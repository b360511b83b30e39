"""Documents and codes that a person's cards carry, as messages and from the views. Service and command ask here."""

import psycopg
from chuanyu.exchange.v1 import card_service_pb2 as protos
from chuanyu.exchange.v1 import control_pb2 as control

from hub.admin.snapshots import snapshot
from hub.domain.instants import local_day, set_timestamp
from hub.domain.records.documents import WITHDRAWN, documents_in
from hub.domain.records.known import Records, records_of
from hub.domain.reported import Person
from hub.projections.views.card_standing import facts_of
from hub.projections.views.holder_record import HOLDER_RECORD


def carried_documents(records: Records, at_us: int) -> list[protos.CarriedDocument]:
    """Returns what each province said last of each document, and whether it is in force on the local day."""
    day, found = local_day(at_us).isoformat(), []
    for one in documents_in(records.facts, at_us):
        document = protos.CarriedDocument(
            document=control.CardDocument.Value(f"CARD_DOCUMENT_{one.document}"),
            valid_from=one.valid_from,
            valid_to=one.valid_to,
            in_force=one.is_in_force(day),
            province=one.province,
            position=one.last.position,
        )
        if one.last.kind == WITHDRAWN:
            set_timestamp(document.withdrawn_at, one.last.occurred_us)
        found.append(document)
    return found


def list_documents(connection: psycopg.Connection, person: Person, at_us: int) -> protos.GetCardResponse:
    """Returns the documents of a person, without the lives of a card."""
    with snapshot(connection, HOLDER_RECORD, 0) as position:
        rows = [facts_of(text) for (text,) in connection.execute(_FACTS.encode(), ([*person.cards, *person.holders],))]
    answer = protos.GetCardResponse(documents=carried_documents(records_of(rows, {}), at_us), as_of_position=position)
    set_timestamp(answer.valid_at, at_us)
    return answer


_FACTS = f"SELECT facts FROM views.{HOLDER_RECORD.name} WHERE key = ANY (%s)"  # noqa: S608 (the name of our own view)

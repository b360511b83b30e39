"""TransitService: the journeys of a person, and trips that clearing refused; the look at a person is recorded first."""

import psycopg
from chuanyu.exchange.v1 import transit_service_pb2 as protos

from hub.admin.journeys import list_journeys, list_rejected_trips
from hub.api.cards.looks import Looks
from hub.api.cards.persons import Persons, asked_by
from hub.api.cards.view_wait import when_seen
from hub.api.edge.directory import Caller
from hub.api.edge.handlers import Gate, Methods, service, unary
from hub.api.edge.turns import Reads
from hub.domain.errors import RoleMissing
from hub.domain.looks import Shown
from hub.domain.reference import Reference
from hub.domain.reported import Person
from hub.intake.identifiers import Identifiers
from hub.intake.message_reader import reader
from hub.intake.request_rules import refuse_invalid

OPERATOR, CLEARING = "TRANSIT_OPERATOR", "CLEARING"


class TransitService:
    """Reads only, but for the look at a person's record, which is recorded before anything is shown."""

    def __init__(self, dsn: str, identifiers: Identifiers, reference: Reference, looks: Looks) -> None:
        """*dsn* names a login that may SET ROLE hub_reader; the other parts are shared with CardService."""
        self._reads = Reads(dsn, "hub_reader", "hub-transit")
        self._persons, self._reference = Persons(self._reads, identifiers, looks), reference

    def close(self) -> None:
        """Closes what was opened."""
        self._reads.close()

    def handler(self, gate: Gate) -> Methods:
        """The gRPC handler of the service."""
        return service(
            "chuanyu.exchange.v1.TransitService",
            {
                "ListJourneys": unary(gate, reader(protos.ListJourneysRequest), self.list_journeys),
                "ListRejectedTrips": unary(gate, reader(protos.ListRejectedTripsRequest), self.list_rejected_trips),
            },
        )

    async def list_journeys(self, request: protos.ListJourneysRequest, caller: Caller) -> protos.ListJourneysResponse:
        """Gives the journeys of a person; raises RoleMissing, RequestInvalid, NotRecorded or ViewBehind."""
        refuse_invalid(request, "purpose_code")
        is_issuer = caller.rights.issues(request.card.issuing_province)
        if not is_issuer and OPERATOR not in caller.rights.roles:
            raise RoleMissing(role=OPERATOR)
        asked = asked_by(caller)._replace(province="") if is_issuer else asked_by(caller)

        def ask(connection: psycopg.Connection, person: Person) -> protos.ListJourneysResponse:
            return list_journeys(connection, self._reference, person, request, asked)

        return await self._persons.answer(request, caller, ask, Shown.SHOWN_RECORD_JOURNEYS)

    async def list_rejected_trips(self, request: protos.ListRejectedTripsRequest, caller: Caller) -> protos.ListRejectedTripsResponse:
        """Gives trips that clearing refused; raises RequestInvalid or ViewBehind."""
        refuse_invalid(request)

        def ask(connection: psycopg.Connection) -> protos.ListRejectedTripsResponse:
            return list_rejected_trips(connection, self._reference, request, asked_by(caller))

        async def of_days() -> protos.ListRejectedTripsResponse:
            return await self._reads.read(caller.urn, ask)  # type: ignore[no-any-return]

        return await when_seen(of_days)

"""CultureService: a person as a reader, loans of a person or an item, visits of a person; the look at a person is recorded first."""

import psycopg
from chuanyu.exchange.v1 import culture_service_pb2 as protos

from hub.admin.culture import get_reader, list_loans, list_visits
from hub.api.cards.looks import Looks
from hub.api.cards.persons import Persons, asked_by, require_serving, scenarios_of
from hub.api.cards.view_wait import when_seen
from hub.api.edge.directory import Caller
from hub.api.edge.handlers import Gate, Methods, service, unary
from hub.api.edge.turns import Reads
from hub.domain.errors import RequestInvalid
from hub.domain.looks import Shown
from hub.domain.reference import Reference
from hub.domain.reported import Person
from hub.intake.identifiers import Identifiers
from hub.intake.message_reader import reader
from hub.intake.request_rules import refuse_invalid


class CultureService:
    """Reads only, but for the look at a person's record, which is recorded before anything is shown."""

    def __init__(self, dsn: str, identifiers: Identifiers, reference: Reference, looks: Looks) -> None:
        """*dsn* names a login that may SET ROLE hub_reader; the other parts are shared with CardService."""
        self._reads = Reads(dsn, "hub_reader", "hub-culture")
        self._persons = Persons(self._reads, identifiers, looks)
        self._libraries, self._venues = scenarios_of(reference, "CUL.LIB."), scenarios_of(reference, "CUL.MUS", "TOU.GATE")

    def close(self) -> None:
        """Closes what was opened."""
        self._reads.close()

    def handler(self, gate: Gate) -> Methods:
        """The gRPC handler of the service."""
        return service(
            "chuanyu.exchange.v1.CultureService",
            {
                "GetReader": unary(gate, reader(protos.GetReaderRequest), self.get_reader),
                "ListLoans": unary(gate, reader(protos.ListLoansRequest), self.list_loans),
                "ListVenueVisits": unary(gate, reader(protos.ListVenueVisitsRequest), self.list_visits),
            },
        )

    async def get_reader(self, request: protos.GetReaderRequest, caller: Caller) -> protos.GetReaderResponse:
        """Gives a person as a reader; raises RoleMissing, RequestInvalid, NotRecorded or ViewBehind."""
        refuse_invalid(request, "purpose_code")
        require_serving(caller, self._libraries)

        def ask(connection: psycopg.Connection, person: Person) -> protos.GetReaderResponse:
            return get_reader(connection, person, request, asked_by(caller))

        return await self._persons.answer(request, caller, ask, Shown.SHOWN_RECORD_LOANS)

    async def list_loans(self, request: protos.ListLoansRequest, caller: Caller) -> protos.ListLoansResponse:
        """Gives the loans of a person or of an item; raises RoleMissing, RequestInvalid, NotRecorded or ViewBehind."""
        refuse_invalid(request, "purpose_code", "barcode")
        require_serving(caller, self._libraries)
        if request.HasField("card") == bool(request.barcode):
            raise RequestInvalid([("barcode", "card_or_barcode")])

        def ask(connection: psycopg.Connection, person: Person | None) -> protos.ListLoansResponse:
            return list_loans(connection, person, request, asked_by(caller))

        if request.HasField("card"):
            return await self._persons.answer(request, caller, ask, Shown.SHOWN_RECORD_LOANS)

        async def of_item() -> protos.ListLoansResponse:
            return await self._reads.read(caller.urn, ask, None)  # type: ignore[no-any-return]

        return await when_seen(of_item)

    async def list_visits(self, request: protos.ListVenueVisitsRequest, caller: Caller) -> protos.ListVenueVisitsResponse:
        """Gives the visits and bookings of a person; raises RoleMissing, RequestInvalid, NotRecorded or ViewBehind."""
        refuse_invalid(request, "purpose_code")
        require_serving(caller, self._venues)

        def ask(connection: psycopg.Connection, person: Person) -> protos.ListVenueVisitsResponse:
            return list_visits(connection, person, request, asked_by(caller))

        return await self._persons.answer(request, caller, ask, Shown.SHOWN_RECORD_VISITS)

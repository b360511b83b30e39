"""MedicalService: filings and medical uses of a person, once the look is recorded, and chains of settlements, which name nobody."""

import psycopg
from chuanyu.exchange.v1 import medical_service_pb2 as protos

from hub.admin.medical import get_chain, list_filings, list_uses, window
from hub.api.cards.looks import Looks
from hub.api.cards.persons import Persons, asked_by, require_serving, scenarios_of
from hub.api.cards.view_wait import when_seen
from hub.api.edge.directory import Caller
from hub.api.edge.handlers import Gate, Methods, service, unary
from hub.api.edge.turns import Reads
from hub.domain.instants import local_day
from hub.domain.looks import Shown
from hub.domain.reference import Reference
from hub.domain.reported import Person
from hub.intake.identifiers import Identifiers
from hub.intake.message_reader import reader
from hub.intake.request_rules import instant_us, now_us, refuse_invalid

INSURER = "MEDICAL_INSURER"


class MedicalService:
    """Reads only, but for the look at a person's record, which is recorded before anything is shown."""

    def __init__(self, dsn: str, identifiers: Identifiers, reference: Reference, looks: Looks) -> None:
        """*dsn* names a login that may SET ROLE hub_reader; the other parts are shared with CardService."""
        self._reads = Reads(dsn, "hub_reader", "hub-medical")
        self._persons, self._reference = Persons(self._reads, identifiers, looks), reference
        self._scenarios = scenarios_of(reference, "MED.")

    def close(self) -> None:
        """Closes what was opened."""
        self._reads.close()

    def handler(self, gate: Gate) -> Methods:
        """The gRPC handler of the service."""
        return service(
            "chuanyu.exchange.v1.MedicalService",
            {
                "ListFilings": unary(gate, reader(protos.ListFilingsRequest), self.list_filings),
                "GetSettlementChain": unary(gate, reader(protos.GetSettlementChainRequest), self.get_chain),
                "ListMedicalUses": unary(gate, reader(protos.ListMedicalUsesRequest), self.list_uses),
            },
        )

    async def list_filings(self, request: protos.ListFilingsRequest, caller: Caller) -> protos.ListFilingsResponse:
        """Gives the filings of a person; raises RoleMissing, RequestInvalid, NotRecorded or ViewBehind."""
        refuse_invalid(request, "purpose_code")
        require_serving(caller, self._scenarios, INSURER)
        at_us = instant_us(request, "at")

        def ask(connection: psycopg.Connection, person: Person) -> protos.ListFilingsResponse:
            return list_filings(connection, self._reference, person, request, at_us, asked_by(caller))

        return await self._persons.answer(request, caller, ask, Shown.SHOWN_RECORD_FILINGS)

    async def get_chain(self, request: protos.GetSettlementChainRequest, caller: Caller) -> protos.GetSettlementChainResponse:
        """Gives the chain of a settlement; raises SettlementNotFound, NotPermitted, RoleMissing, RequestInvalid or ViewBehind."""
        refuse_invalid(request)
        require_serving(caller, self._scenarios, INSURER)

        async def ask() -> protos.GetSettlementChainResponse:
            return await self._reads.read(caller.urn, get_chain, request, asked_by(caller))  # type: ignore[no-any-return]

        return await when_seen(ask)

    async def list_uses(self, request: protos.ListMedicalUsesRequest, caller: Caller) -> protos.ListMedicalUsesResponse:
        """Gives the settlements of a person that the caller's province insures; raises RequestInvalid, NotRecorded or ViewBehind."""
        refuse_invalid(request, "purpose_code")
        window(request.from_on, request.to_on, local_day(now_us()))

        def ask(connection: psycopg.Connection, person: Person) -> protos.ListMedicalUsesResponse:
            return list_uses(connection, person, request, asked_by(caller))

        return await self._persons.answer(request, caller, ask, Shown.SHOWN_RECORD_MEDICAL_USES)

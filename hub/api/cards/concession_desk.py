"""Says how many units of a city's concession a person has, once the look is recorded."""

import psycopg
from chuanyu.exchange.v1 import card_service_pb2 as protos

from hub.admin.concessions import get_balance
from hub.api.cards.looks import Looks
from hub.api.cards.persons import Persons
from hub.api.edge.directory import Caller
from hub.api.edge.turns import Reads
from hub.domain.errors import NotPermitted
from hub.domain.looks import Shown
from hub.domain.reference import Reference
from hub.domain.reported import Person
from hub.domain.rule_input import ELDER
from hub.intake.identifiers import Identifiers
from hub.intake.request_rules import instant_us, refuse_invalid, refuse_outside, refuse_unknown_region

OPERATOR = "TRANSIT_OPERATOR"


class ConcessionDesk:
    """Reads only, but for the look at a person's record, which is recorded before anything is shown."""

    def __init__(self, reads: Reads, identifiers: Identifiers, reference: Reference, looks: Looks) -> None:
        """All parts are shared with the other services of the process."""
        self._persons, self._reference = Persons(reads, identifiers, looks), reference

    async def get_balance(self, request: protos.GetConcessionBalanceRequest, caller: Caller) -> protos.GetConcessionBalanceResponse:
        """Returns the balance; raises RequestInvalid, NotPermitted, RoleMissing, NotRecorded or ViewBehind."""
        refuse_invalid(request, "purpose_code")
        at_us = instant_us(request, "at")
        refuse_unknown_region(self._reference, request.region, at_us, "region")
        is_issuer, is_operator = caller.rights.issues(request.card.issuing_province), OPERATOR in caller.rights.roles
        if not is_issuer:
            refuse_outside(caller.province, request.region)
            if request.HasField("at"):
                raise NotPermitted("only the card's issuer asks for another time than now")
            if not is_operator:
                caller.rights.require_serving(ELDER, request.region)

        def ask(connection: psycopg.Connection, person: Person) -> protos.GetConcessionBalanceResponse:
            return get_balance(connection, self._reference, person, request, at_us, with_entries=is_issuer or is_operator)

        return await self._persons.answer(request, caller, ask, Shown.SHOWN_RECORD_UNITS)

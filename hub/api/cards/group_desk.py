"""Says whether a person has the extra of a group's service, once the question is recorded."""

import psycopg
from chuanyu.exchange.v1 import card_service_pb2 as protos

from hub.admin.groups import check_group_service
from hub.api.cards.looks import Looks
from hub.api.cards.persons import Persons
from hub.api.edge.directory import Caller
from hub.api.edge.turns import Reads
from hub.domain.looks import Shown
from hub.domain.reference import Reference
from hub.domain.reported import Person
from hub.intake.identifiers import Identifiers
from hub.intake.request_rules import card_named, now_us, refuse_invalid, refuse_outside, refuse_unknown_region


class GroupDesk:
    """Reads only, but for the question about a person, which is recorded before it is answered."""

    def __init__(self, reads: Reads, identifiers: Identifiers, reference: Reference, looks: Looks) -> None:
        """All parts are shared with the other services of the process."""
        self._persons, self._identifiers, self._reference = Persons(reads, identifiers, looks), identifiers, reference

    async def check(self, request: protos.CheckGroupServiceRequest, caller: Caller) -> protos.CheckGroupServiceResponse:
        """Returns whether the extra is given; raises RequestInvalid, NotPermitted, RoleMissing, QuotaExceeded or ViewBehind."""
        refuse_invalid(request, "purpose_code", "service", "scenario")
        at_us = now_us()
        refuse_unknown_region(self._reference, request.service_region, at_us, "service_region")
        refuse_outside(caller.province, request.service_region)
        caller.rights.require_serving(request.scenario, request.service_region)
        caller.allowance.groups.take(self._identifiers.key_of(card_named(request.card)), request.service)

        def ask(connection: psycopg.Connection, person: Person) -> protos.CheckGroupServiceResponse:
            return check_group_service(connection, self._reference, person, request, at_us)

        return await self._persons.answer(request, caller, ask, Shown.SHOWN_RECORD_GROUP_SERVICE)

"""ConsumptionService: a coupon, those of a person with their points, what a funder's come to; the look at a person is recorded first."""

from collections.abc import Callable
from typing import Any

import psycopg
from chuanyu.exchange.v1 import consumption_service_pb2 as protos

from hub.admin.consumption import get_coupon, get_funding, list_coupons
from hub.api.cards.looks import Looks
from hub.api.cards.persons import Persons, asked_by, require_serving, scenarios_of
from hub.api.cards.view_wait import when_seen
from hub.api.edge.directory import Caller
from hub.api.edge.handlers import Gate, Methods, service, unary
from hub.api.edge.turns import Reads
from hub.domain.looks import Shown
from hub.domain.reference import Reference
from hub.domain.reported import Person
from hub.intake.identifiers import Identifiers
from hub.intake.message_reader import reader
from hub.intake.request_rules import refuse_invalid


class ConsumptionService:
    """Reads only, but for the look at a person's record, which is recorded before anything is shown."""

    def __init__(self, dsn: str, identifiers: Identifiers, reference: Reference, looks: Looks) -> None:
        """*dsn* names a login that may SET ROLE hub_reader; the other parts are shared with CardService."""
        self._reads = Reads(dsn, "hub_reader", "hub-consumption")
        self._persons = Persons(self._reads, identifiers, looks)
        self._scenarios = scenarios_of(reference, "CON.")

    def close(self) -> None:
        """Closes what was opened."""
        self._reads.close()

    def handler(self, gate: Gate) -> Methods:
        """The gRPC handler of the service."""
        return service(
            "chuanyu.exchange.v1.ConsumptionService",
            {
                "GetCoupon": unary(gate, reader(protos.GetCouponRequest), self.get_coupon),
                "ListCoupons": unary(gate, reader(protos.ListCouponsRequest), self.list_coupons),
                "GetCouponFunding": unary(gate, reader(protos.GetCouponFundingRequest), self.get_funding),
            },
        )

    async def get_coupon(self, request: protos.GetCouponRequest, caller: Caller) -> protos.GetCouponResponse:
        """Gives a coupon, which names nobody; raises CouponNotFound, RoleMissing, RequestInvalid or ViewBehind."""
        refuse_invalid(request)
        require_serving(caller, self._scenarios, "ISSUER")
        return await self._read(caller, get_coupon, request)  # type: ignore[no-any-return]

    async def list_coupons(self, request: protos.ListCouponsRequest, caller: Caller) -> protos.ListCouponsResponse:
        """Gives the coupons and points of a person; raises RoleMissing, RequestInvalid, NotRecorded or ViewBehind."""
        refuse_invalid(request, "purpose_code")
        require_serving(caller, self._scenarios, "ISSUER")

        def ask(connection: psycopg.Connection, person: Person) -> protos.ListCouponsResponse:
            return list_coupons(connection, person, request, asked_by(caller))

        return await self._persons.answer(request, caller, ask, Shown.SHOWN_RECORD_COUPONS)

    async def get_funding(self, request: protos.GetCouponFundingRequest, caller: Caller) -> protos.GetCouponFundingResponse:
        """Gives what a funder's coupons come to; raises NotPermitted, CouponsTooMany, RequestInvalid or ViewBehind."""
        refuse_invalid(request)
        return await self._read(caller, get_funding, request)  # type: ignore[no-any-return]

    async def _read(self, caller: Caller, ask: Callable[..., Any], request: Any) -> Any:
        async def attempt() -> Any:
            def work(connection: psycopg.Connection) -> Any:
                return ask(connection, request, asked_by(caller))

            return await self._reads.read(caller.urn, work)

        return await when_seen(attempt)

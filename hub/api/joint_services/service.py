"""ServiceItemService: the catalogue on any day, and what a card holder can use of it today."""

from datetime import date

from chuanyu.exchange.v1 import acceptance_pb2
from chuanyu.exchange.v1 import service_item_service_pb2 as protos

from hub.api.cards.card_reader import CardReader
from hub.api.cards.looks import Looks
from hub.api.edge.directory import Caller
from hub.api.edge.handlers import Gate, Methods, service, unary
from hub.api.edge.turns import Reads
from hub.api.joint_services.catalogues import Catalogues
from hub.domain.errors import CardNotFound
from hub.domain.instants import local_day
from hub.domain.joint_services.answers import compare, get_item, list_items
from hub.domain.joint_services.usable import SCENARIO, Holder, list_usable
from hub.domain.looks import Look, Shown, card_by_key
from hub.domain.records.documents import DOCUMENT_OF
from hub.domain.reference import Reference
from hub.intake.identifiers import Identifiers
from hub.intake.message_reader import reader
from hub.intake.request_rules import card_named, now_us, refuse_invalid, refuse_outside, refuse_unknown_region


class ServiceItemService:
    """Reads only: `hub items draft` and `approve` change the catalogue."""

    def __init__(self, dsn: str, cards: CardReader, identifiers: Identifiers, reference: Reference, looks: Looks) -> None:
        """*dsn* names a login that may SET ROLE hub_reader; the other parts are shared with CardService."""
        self._reads = Reads(dsn, "hub_reader", "hub-items")
        self._catalogues = Catalogues(self._reads, reference)
        self._cards, self._identifiers, self._reference, self._looks = cards, identifiers, reference, looks

    def close(self) -> None:
        """Closes what was opened."""
        self._reads.close()

    def handler(self, gate: Gate) -> Methods:
        """The gRPC handler of the service."""
        return service(
            "chuanyu.exchange.v1.ServiceItemService",
            {
                "ListServiceItems": unary(gate, reader(protos.ListServiceItemsRequest), self.list_items),
                "GetServiceItem": unary(gate, reader(protos.GetServiceItemRequest), self.get_item),
                "ListUsableItems": unary(gate, reader(protos.ListUsableItemsRequest), self.list_usable),
                "CompareCatalogue": unary(gate, reader(protos.CompareCatalogueRequest), self.compare),
            },
        )

    async def list_items(self, request: protos.ListServiceItemsRequest, caller: Caller) -> protos.ListServiceItemsResponse:
        """Gives a page of items; raises BeforeCatalogue or RequestInvalid."""
        refuse_invalid(request)
        catalogue = await self._catalogues.current(caller.urn)
        answer: protos.ListServiceItemsResponse = await self._reads.run(caller.urn, list_items, catalogue, request, _today())
        return answer

    async def get_item(self, request: protos.GetServiceItemRequest, caller: Caller) -> protos.GetServiceItemResponse:
        """Gives one item; raises UnknownItem, BeforeCatalogue or RequestInvalid."""
        refuse_invalid(request)
        catalogue = await self._catalogues.current(caller.urn)
        answer: protos.GetServiceItemResponse = await self._reads.run(caller.urn, get_item, catalogue, request, _today())
        return answer

    async def compare(self, request: protos.CompareCatalogueRequest, caller: Caller) -> protos.CompareCatalogueResponse:
        """Gives what changed between two days; raises BeforeCatalogue or RequestInvalid."""
        refuse_invalid(request)
        catalogue = await self._catalogues.current(caller.urn)
        answer: protos.CompareCatalogueResponse = await self._reads.run(caller.urn, compare, catalogue, request)
        return answer

    async def list_usable(self, request: protos.ListUsableItemsRequest, caller: Caller) -> protos.ListUsableItemsResponse:
        """Gives what a holder can use at a place, once the look is recorded; raises as GetCard does."""
        refuse_invalid(request, "purpose_code")
        caller.allowance.misses.refuse_if_spent()
        at_us, province = now_us(), request.card.issuing_province
        refuse_unknown_region(self._reference, request.service_region, at_us)
        if not caller.rights.issues(province):
            refuse_outside(caller.province, request.service_region)
            caller.rights.require_serving(SCENARIO, request.service_region)
        card_key = self._identifiers.key_of(card_named(request.card))
        catalogue = await self._catalogues.current(caller.urn)
        read = await self._cards.read(card_key, request.min_position, with_documents=request.medium in DOCUMENT_OF)
        shown = Shown.SHOWN_RECORD_USABILITY if read.facts else Shown.SHOWN_RECORD_NOTHING
        looked = card_by_key(province, request.card.kind, card_key)
        await self._looks.record(caller, Look(looked, shown, request.purpose_code, read.as_of_position))
        if not read.facts:
            raise CardNotFound
        holder = Holder(
            facts=read.facts,
            agreements=read.agreements,
            issuing_province=province,
            region=request.service_region,
            medium=request.medium or acceptance_pb2.MEDIUM_CONTACT,
            auth_level=request.auth_level,
            deciding_province=request.deciding_province or province,
            materials_at_hand=frozenset(request.materials_at_hand),
            at_us=at_us,
            records=read.records,
        )
        answer: protos.ListUsableItemsResponse = await self._reads.run(caller.urn, list_usable, catalogue, holder, read.as_of_position)
        return answer


def _today() -> date:
    return local_day(now_us())

"""Examples of the calls about service items: answers from the tables at hand, on a fixed day."""

from collections.abc import Callable, Mapping
from datetime import date

from chuanyu.exchange.v1 import acceptance_pb2
from chuanyu.exchange.v1 import service_item_service_pb2 as protos

from hub.commands.pages.reference.samples import Example, card
from hub.domain import reference
from hub.domain.joint_services.answers import compare, get_item, list_items, version_of
from hub.domain.joint_services.catalogue import Catalogue

_DAY = date(2026, 3, 2)


def _catalogue() -> Catalogue:
    return Catalogue(reference.load(), None)


def _list_items() -> Example:
    request = protos.ListServiceItemsRequest(filter=protos.ServiceItemFilter(text="社保卡", shared=True), page_size=1)
    return Example(request, list_items(_catalogue(), request, _DAY))


def _get_item() -> Example:
    request = protos.GetServiceItemRequest(code="TB057", as_of="2026-03-02")
    return Example(request, get_item(_catalogue(), request, _DAY))


def _list_usable() -> Example:
    request = protos.ListUsableItemsRequest(
        card=card(), service_region="510100", auth_level=acceptance_pb2.AUTH_LEVEL_CARD, purpose_code="HOLDER_ASKED"
    )
    loss = reference.load().reasons["LOST_TEMP"]
    missing = protos.Missing(kind=protos.MISSING_KIND_CARD, code=loss.code, text_zh=loss.text_zh, text_en=loss.text_en)
    answer = protos.ListUsableItemsResponse(
        missing_for_all=[missing],
        items=[protos.UsableItem(item_id="TB057", name_zh="异地就医登记备案", department="医保", not_known=["AUTH_LEVEL", "MATERIALS"])],
        deciding_province="50",
        as_of_position=180_239,
        as_of="2026-03-02",
        version=version_of(_catalogue()),
    )
    return Example(request, answer)


def _compare() -> Example:
    request = protos.CompareCatalogueRequest(from_on="2020-11-03", to_on="2021-04-01")
    return Example(request, compare(_catalogue(), request))


EXAMPLES: Mapping[str, Callable[[], Example]] = {
    "ListServiceItems": _list_items,
    "GetServiceItem": _get_item,
    "ListUsableItems": _list_usable,
    "CompareCatalogue": _compare,
}

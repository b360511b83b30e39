"""The demo's look at service items: how large the catalogue is, a search, and what the holder of an accepted card can use in Chengdu."""

import grpc
from chuanyu.exchange.v1 import references_pb2, service_item_service_pb2_grpc
from chuanyu.exchange.v1 import service_item_service_pb2 as protos
from rich.console import Console

from hub.stage import CARD_CENTRES
from hub.trust.authority import CertificateFiles

DEADLINE_S = 10.0
SEARCHED = "社保卡"
REGION = "510100"


def look_at_items(target: str, certificates: dict[str, CertificateFiles], card_no: str) -> list[str]:
    """Returns what Sichuan's card centre learns, a line each, of a Chongqing card; raises grpc.RpcError."""
    with certificates[CARD_CENTRES["51"]].channel(target) as channel:
        service = service_item_service_pb2_grpc.ServiceItemServiceStub(channel)
        found = service.ListServiceItems(
            protos.ListServiceItemsRequest(filter=protos.ServiceItemFilter(text=SEARCHED), page_size=3), timeout=DEADLINE_S
        )
        request = protos.ListUsableItemsRequest(service_region=REGION, purpose_code="DEMO")
        request.card.issuing_province, request.card.clear = "50", card_no
        request.card.kind = references_pb2.CARD_IDENTIFIER_KIND_CARD_NO
        usable = service.ListUsableItems(request, timeout=DEADLINE_S)
    figures = found.figures
    total = next(figure for figure in figures.published if figure.measure == "ITEMS" and not figure.batch)
    names = "、".join(item.definition.name_zh for item in found.items)
    return [
        f"公布 published {total.value}（{total.published_on} {total.source}）",
        f"已知 named {figures.named}，双方在办 shared {figures.named_shared}",
        f"检索 search {SEARCHED} → {names} … {found.total}",
        f"渝卡在成都 a Chongqing card in Chengdu: {usable.usable_count} / {len(usable.items)} 项可办 usable",
        *(f"  缺 missing: {missing.code} {missing.text_zh}" for missing in usable.missing_for_all),
    ]


def show_items(screen: Console, target: str, certificates: dict[str, CertificateFiles], card_no: str) -> list[str]:
    """Prints them; returns what went wrong, nothing if all was answered."""
    try:
        lines = look_at_items(target, certificates, card_no)
    except grpc.RpcError as refusal:
        return [f"service items: {refusal.code().name}"]
    screen.print("川渝通办事项 service items:", highlight=False)
    for line in lines:
        screen.print(f"  {line}", soft_wrap=True, highlight=False)
    return []

"""`hub items`: the catalogue of 川渝通办 on any day, what a card holder can use of it, and how officers of a side change it."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from chuanyu.exchange.v1 import acceptance_pb2, references_pb2, service_item_service_pb2_grpc, service_items_pb2
from chuanyu.exchange.v1 import service_item_service_pb2 as protos
from chuanyu.exchange.v1 import usage_government_pb2 as government
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from hub.admin.agreements import Officer
from hub.admin.message_toml import fill, read_toml
from hub.admin.service_items import approve_version, draft_version, read_book, read_catalogue
from hub.commands import items_screen
from hub.commands.address import checked_address
from hub.commands.asking import Operator, asking
from hub.commands.database import database
from hub.commands.looking import Purpose
from hub.commands.officer_desk import Side, desk, done, now, refusals
from hub.config import Config
from hub.domain.instants import local_day, microseconds_of
from hub.domain.joint_services.answers import compare as compared
from hub.domain.joint_services.answers import get_item, list_items
from hub.domain.joint_services.catalogue import Catalogue
from hub.intake.request_rules import refuse_invalid
from hub.journal.sessions import session

Answer = TypeVar("Answer", bound=Message)

app = typer.Typer(help="川渝通办事项目录：查询、检索、可办、比较、变更。The catalogue of service items, on any day.", no_args_is_help=True)

Code = Annotated[str, typer.Argument(help="事项编号、基本编码或实施编码。Id, base code or implementing code.")]
AsOf = Annotated[str, typer.Option("--at", help="哪一天（北京时间），默认今天。On which day, +08:00; today if left out.")]
Most = Annotated[int, typer.Option(min=1, max=200, help="每页条数。How many a page.")]
Page = Annotated[str, typer.Option(help="上一页给出的页码标记。What the page before gave.")]
Json = Annotated[bool, typer.Option("--json", help="输出一行 JSON，与 gRPC 相同。One line of JSON, the same as by gRPC.")]


@app.command("list")
def list_(
    at: AsOf = "",
    department: Annotated[str, typer.Option(help="主管部门，如 人社。Department in charge.")] = "",
    mode: Annotated[str, typer.Option(help="办理模式：FULL_ONLINE COLLECT_FORWARD JOINT。Mode.")] = "",
    side: Annotated[str, typer.Option(help="模式与状态看哪一方：50 或 51。The side that mode and state are asked of.")] = "",
    state: Annotated[str, typer.Option(help="状态：DRAFT LIVE SUSPENDED WITHDRAWN NOT_YET NOT_KNOWN。State.")] = "",
    shared: Annotated[bool | None, typer.Option(help="只列双方都办的，或只列其余。Those that both sides offer, or the others.")] = None,
    most: Most = 50,
    page: Page = "",
    as_json: Json = False,
) -> None:
    """列出某日的事项与数量。List the items of a day, with the figures."""
    wanted = protos.ServiceItemFilter(department=department, province=side, shared=shared)
    wanted.mode = _value(government.CaseMode, "CASE_MODE", mode, "--mode")
    wanted.state = _value(service_items_pb2.ServiceItemState, "SERVICE_ITEM_STATE", state, "--state")
    request = protos.ListServiceItemsRequest(filter=wanted, as_of=at, page_size=most, page_token=page)
    _listed(request, as_json, items_screen.show_figures)


@app.command()
def search(
    text: Annotated[
        str, typer.Argument(help="名称、俗称、拼音或首字母、编码。A name, another word for it, pinyin or its initials, a code.")
    ],
    at: AsOf = "",
    most: Most = 20,
    as_json: Json = False,
) -> None:
    """检索事项，最相符的在前。Search items, the best match first."""
    request = protos.ListServiceItemsRequest(filter=protos.ServiceItemFilter(text=text), as_of=at, page_size=most)
    _listed(request, as_json, items_screen.show_list)


@app.command()
def show(code: Code, at: AsOf = "", as_json: Json = False) -> None:
    """查看一个事项：双方如何办理，何时起。Show one item: how both sides handle it, since when."""
    request = protos.GetServiceItemRequest(code=code, as_of=at)
    with refusals(), _catalogue() as catalogue:
        refuse_invalid(request)
        answer = get_item(catalogue, request, _today())
    _print(answer, as_json, items_screen.show_item)


@app.command()
def compare(
    from_on: Annotated[str, typer.Argument(help="较早的一天，如 2020-11-03。The earlier day.")],
    to_on: Annotated[str, typer.Argument(help="较晚的一天。The later day.")],
    as_json: Json = False,
) -> None:
    """比较两日的目录：公布数、已知事项、逐项变化。Compare two days: published figures, named items, each change."""
    request = protos.CompareCatalogueRequest(from_on=from_on, to_on=to_on)
    with refusals(), _catalogue() as catalogue:
        refuse_invalid(request)
        answer = compared(catalogue, request)
    _print(answer, as_json, items_screen.show_comparison)


@app.command()
def usable(
    card_no: Annotated[str, typer.Argument(help="社会保障卡卡号。Card number, nine characters.")],
    issuer: Annotated[str, typer.Option(help="发卡省 50 或 51。Issuing province.")],
    region: Annotated[str, typer.Option(help="办事地区划代码。Region of service.")] = "510100",
    level: Annotated[str, typer.Option(help="认证等级：NONE CARD PIN FACE FACE_AND_ID。How surely the holder is known.")] = "CARD",
    deciding: Annotated[str, typer.Option(help="审批方，默认发卡省。Side that decides; the issuing one if left out.")] = "",
    material: Annotated[list[str] | None, typer.Option(help="手头材料的代码，可多次。A material at hand, by its code.")] = None,
    purpose: Purpose = "",
    operator: Operator = "",
    target: Annotated[str, typer.Option(help="枢纽地址。Hub to ask.", callback=checked_address)] = "",
    as_json: Json = False,
) -> None:
    """以运维身份询问：这张卡的持有人此地可办什么，还缺什么；查看先入账。Ask what a card holder can use here, and what is missing."""
    request = protos.ListUsableItemsRequest(
        service_region=region, deciding_province=deciding, materials_at_hand=material or [], purpose_code=purpose
    )
    request.card.issuing_province, request.card.clear = issuer, card_no
    request.card.kind = references_pb2.CARD_IDENTIFIER_KIND_CARD_NO
    request.auth_level = _value(acceptance_pb2.AuthLevel, "AUTH_LEVEL", level, "--level")
    with asking(Config(), target, operator) as (channel, metadata):
        stub = service_item_service_pb2_grpc.ServiceItemServiceStub(channel)
        answer = stub.ListUsableItems(request, timeout=10, metadata=metadata)
    _print(answer, as_json, items_screen.show_usable)


@app.command()
def draft(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="事项版本文件（TOML）。File of a version in TOML.")],
    side: Side,
    officer: Annotated[str, typer.Option("--officer", help="经办人工号。Staff number of the officer who drafts.")],
) -> None:
    """起草本方如何办理一个事项，自某日起；另一人复核后才生效。Draft how your side handles an item; another officer approves it."""
    drafted = service_items_pb2.ServiceItemDrafted()
    drafted.version.state = service_items_pb2.SERVICE_ITEM_STATE_LIVE
    with refusals():
        fill(drafted, read_toml(file.read_bytes()), "item_id", "version")
    with desk() as store:
        done(drafted.item_id, draft_version(store, drafted, Officer(side, officer), now()), "已起草 drafted")


@app.command()
def approve(
    item_id: Annotated[str, typer.Argument(help="事项编号。Id of the item.")],
    side: Side,
    checker: Annotated[str, typer.Option(help="复核人工号，须另有其人。Staff number of the checker, another person.")],
) -> None:
    """复核本方起草的版本；自其起始日起生效。Approve what your side drafted; it holds from its first day on."""
    with desk() as store:
        done(item_id, approve_version(store, item_id, Officer(side, checker), now()), "已复核 approved")


@app.command()
def waiting(as_json: Json = False) -> None:
    """列出等待复核的版本。List the versions that wait for approval."""
    with database(Config()) as dsn, session(dsn, "hub_reader", "hub-items") as connection:
        book = read_book(connection)
    found = [] if book is None else [proposal for _, proposal in sorted(book.proposals.items())]
    if as_json:
        typer.echo(json.dumps([MessageToDict(proposal, preserving_proto_field_name=True) for proposal in found], ensure_ascii=False))
        return
    for proposal in found:
        typer.echo(f"{proposal.item_id} {proposal.province} 自 from {proposal.version.valid_from}，经办 maker {proposal.officer}")
    typer.echo(f"{len(found)} 份待复核 waiting for approval")


@contextmanager
def _catalogue() -> Iterator[Catalogue]:
    with database(Config()) as dsn, session(dsn, "hub_reader", "hub-items") as connection:
        yield read_catalogue(connection)


def _listed(request: protos.ListServiceItemsRequest, as_json: bool, show: Callable[[protos.ListServiceItemsResponse], None]) -> None:
    with refusals(), _catalogue() as catalogue:
        refuse_invalid(request)
        answer = list_items(catalogue, request, _today())
    _print(answer, as_json, show)


def _print(answer: Answer, as_json: bool, show: Callable[[Answer], None]) -> None:
    """Prints an answer, as one line of JSON if that is wanted."""
    if as_json:
        typer.echo(json.dumps(MessageToDict(answer, preserving_proto_field_name=True), ensure_ascii=False))
    else:
        show(answer)


def _value(enum: Any, prefix: str, name: str, option: str) -> Any:
    if not name:
        return 0
    found = dict(enum.items()).get(f"{prefix}_{name}")
    if not found:
        known = " ".join(one.removeprefix(f"{prefix}_") for one, number in enum.items() if number)
        raise typer.BadParameter(f"取值为 one of {known}", param_hint=option)
    return found


def _today() -> Any:
    return local_day(microseconds_of(now()))

"""`hub cases`: cases of both sides as one list, and one case with all that was reported of it; the answers are those of the service."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

import psycopg
import typer
from chuanyu.exchange.v1 import case_service_pb2 as protos
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from hub.admin.cases import get_case, get_timeline, list_cases
from hub.admin.service_items import read_catalogue
from hub.admin.snapshots import Asked
from hub.commands import cases_screen
from hub.commands.database import database
from hub.commands.officer_desk import now, refusals
from hub.config import Config
from hub.domain.instants import local_day, microseconds_of
from hub.intake.request_rules import refuse_invalid
from hub.journal.sessions import session

Answer = TypeVar("Answer", bound=Message)
PROVINCES = ("50", "51")

app = typer.Typer(help="川渝通办办件：列表、单个办件、时间线。Cases of both sides: a list, one case, its timeline.", no_args_is_help=True)

Side = Annotated[str, typer.Argument(help="办理方：50 重庆，51 四川。The side that handles it.")]
CaseNo = Annotated[str, typer.Argument(help="办件编号。Number of the case.")]
Json = Annotated[bool, typer.Option("--json", help="输出一行 JSON，与 gRPC 相同。One line of JSON, the same as by gRPC.")]


@app.command("list")
def list_(
    side: Annotated[str, typer.Option(help="哪一方参与：50 或 51。A side of the case, whichever part it has.")] = "",
    handling: Annotated[str, typer.Option(help="办理方。The side that handles it.")] = "",
    deciding: Annotated[str, typer.Option(help="决定方。The side that decides.")] = "",
    state: Annotated[list[str] | None, typer.Option(help="状态，如 ACCEPTED，可多次。State; may be repeated.")] = None,
    next_: Annotated[
        str, typer.Option("--next", help="下一步由谁：50 51 HANDLING DECIDING APPLICANT。Who has to act: a province or a part.")
    ] = "",
    overdue: Annotated[bool, typer.Option("--overdue", help="只列超期未办结的。Only open cases past their due day.")] = False,
    findings: Annotated[bool, typer.Option("--findings", help="只列有发现的。Only cases with findings.")] = False,
    package: Annotated[str, typer.Option(help="一件事编号。Number of a package.")] = "",
    most: Annotated[int, typer.Option(min=1, max=200, help="每页条数。How many a page.")] = 50,
    page: Annotated[str, typer.Option(help="上一页给出的页码标记。What the page before gave.")] = "",
    as_json: Json = False,
) -> None:
    """列出办件：谁办、到哪一步、下一步由谁、何时到期。List cases: whose, how far, who acts next, by when."""
    wanted = protos.CaseFilter(
        province=side, handling_province=handling, deciding_province=deciding, overdue=overdue, with_findings=findings, package_no=package
    )
    wanted.states.extend(_value(protos.CaseState, "CASE_STATE", name, "--state") for name in state or ())
    if next_ in PROVINCES:
        wanted.next_province = next_
    elif next_:
        wanted.next_actor = _value(protos.CaseActor, "CASE_ACTOR", next_, "--next")
    request = protos.ListCasesRequest(filter=wanted, page_size=most, page_token=page)
    with _reading(request) as (connection, asked):
        answer = list_cases(connection, read_catalogue(connection), request, asked)
    _print(answer, as_json, cases_screen.show_list)


@app.command()
def show(
    side: Side,
    case_no: CaseNo,
    at_position: Annotated[int, typer.Option(min=0, help="按该位置已知。As it was known at this position; 0 for now.")] = 0,
    on: Annotated[str, typer.Option(help="截至某日（北京时间）。As it was at the end of this day, +08:00.")] = "",
    as_json: Json = False,
) -> None:
    """查看一个办件，附双方时间线图。Show one case, with its timeline of both sides as a picture."""
    request = protos.GetCaseRequest(as_of_position=at_position, on=on)
    request.key.handling_province, request.key.case_no = side, case_no
    with _reading(request) as (connection, asked):
        answer = get_case(connection, read_catalogue(connection), request, asked)
        timeline = get_timeline(connection, protos.GetCaseTimelineRequest(key=request.key), asked)
    _print(answer, as_json, lambda found: cases_screen.show_case(found, timeline))


@app.command()
def timeline(side: Side, case_no: CaseNo, as_json: Json = False) -> None:
    """查看一个办件的全部上报，含已更正的。Show all that was reported of a case, also what was corrected since."""
    request = protos.GetCaseTimelineRequest()
    request.key.handling_province, request.key.case_no = side, case_no
    with _reading(request) as (connection, asked):
        answer = get_timeline(connection, request, asked)
    _print(answer, as_json, cases_screen.show_timeline)


@contextmanager
def _reading(request: Message) -> Iterator[tuple[psycopg.Connection, Asked]]:
    """Gives a connection and who asks: operators see the cases of both sides."""
    with refusals():
        refuse_invalid(request)
        with database(Config()) as dsn, session(dsn, "hub_reader", "hub-cases") as connection:
            yield connection, Asked("", local_day(microseconds_of(now())))


def _print(answer: Answer, as_json: bool, show: Callable[[Answer], None]) -> None:
    """Prints an answer, as one line of JSON if that is wanted."""
    if as_json:
        typer.echo(json.dumps(MessageToDict(answer, preserving_proto_field_name=True), ensure_ascii=False))
    else:
        show(answer)


def _value(enum: Any, prefix: str, name: str, option: str) -> Any:
    found = dict(enum.items()).get(f"{prefix}_{name}")
    if not found:
        known = " ".join(one.removeprefix(f"{prefix}_") for one, number in enum.items() if number)
        raise typer.BadParameter(f"取值为 one of {known}", param_hint=option)
    return found

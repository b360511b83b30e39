"""Questions about cases 办件 in scenarios: what they ask for, how an answer is compared, and how both read on the page."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chuanyu.exchange.v1 import case_service_pb2 as protos

from hub.admin.cases import CaseRow, case_answer, permitted
from hub.admin.snapshots import Asked
from hub.domain import reference as tables
from hub.domain.errors import CaseNotFound, HubError, NotPermitted
from hub.domain.instants import local_day
from hub.domain.joint_services.cases import CaseKey
from hub.domain.joint_services.catalogue import Catalogue
from hub.projections.projection import Key
from hub.projections.views.cases import Reports, encode
from hub.scenarios.filling import Names
from hub.scenarios.scenario import Ask, local_text
from hub.words.kinds import PROVINCE_WORDS

# What a question must say, what it may say, and what its answer may be compared with.
QUESTION = (
    frozenset({"handling", "case_no", "on"}),
    frozenset({"asker", "known_at"}),
    frozenset(
        {
            "refused", "state", "next", "next_provinces", "deciding", "item", "granted", "stars", "follow_up", "counted",
            "started_on", "deemed", "due", "provisional", "paused_days", "overdue",
            "filed_region", "regions_now", "package_open", "package_closed", "findings",
        }
    ),
)  # fmt: skip
REFUSALS: Mapping[type[HubError], str] = {CaseNotFound: "CASE_NOT_FOUND", NotPermitted: "NOT_PERMITTED"}
_WORDS = {
    "refused": "拒绝 refused",
    "state": "状态 state",
    "next": "下一步由 next",
    "next_provinces": "下一步由省 next provinces",
    "deciding": "决定方 deciding side",
    "item": "事项 item",
    "granted": "准予 granted",
    "stars": "星级 stars",
    "follow_up": "须回访 to be followed up",
    "counted": "计入两免分母 in the base of 两免",
    "started_on": "起算 clock started",
    "deemed": "视为受理 receipt counts as acceptance",
    "due": "到期 due",
    "provisional": "暂定 provisional",
    "paused_days": "中止工作日 working days paused",
    "overdue": "超期 overdue",
    "filed_region": "提交地 filed in",
    "regions_now": "今属 now",
    "package_open": "一件事未办完 package, open",
    "package_closed": "一件事已办完 package closed",
}


def request_of(ask: Ask, names: Names, position: int = 0) -> protos.GetCaseRequest:
    """Returns the question as the service takes it, as of a position."""
    request = protos.GetCaseRequest(as_of_position=position, on=ask.day)
    request.key.handling_province, request.key.case_no = ask.handling, names.run + ask.case_no
    return request


def answered_from(rows: Mapping[Key, Reports], ask: Ask, names: Names, position: int) -> protos.GetCaseResponse:
    """Returns the answer from rows in memory, *position* being the last; raises as the service does."""
    request = request_of(ask, names)
    found = {key: row_of(CaseKey(*key), reports) for key, reports in rows.items()}
    row = permitted(found.get((request.key.handling_province, request.key.case_no)), request.key, Asked(ask.asker, local_day(0)))
    parts = [part for part in found.values() if part.key.handling_province == row.key.handling_province]
    return case_answer(row, parts, Catalogue(tables.load(), None), request, local_day(0), position)


def row_of(key: CaseKey, reports: Reports) -> CaseRow:
    """Returns a row as the view has it."""
    _, _, _, sides, _, _, changed_at, _, _ = encode(reports)
    return CaseRow(key, reports, sides, changed_at)


def case_of(answer: protos.GetCaseResponse, names: Mapping[int, str]) -> dict[str, Any]:
    """Returns an answer by the names of *then*; *names* are those of the steps by position."""
    record, clock = answer.record, answer.record.clock
    return {
        "refused": "",
        "state": protos.CaseState.Name(record.state).removeprefix("CASE_STATE_"),
        "next": [protos.CaseActor.Name(actor).removeprefix("CASE_ACTOR_") for actor in record.next_actors],
        "next_provinces": list(record.next_provinces),
        "deciding": record.deciding_province,
        "item": record.item_id,
        "granted": record.granted if record.HasField("granted") else "",
        "stars": record.stars,
        "follow_up": record.needs_follow_up,
        "counted": record.is_counted,
        "started_on": clock.started_on,
        "deemed": clock.is_deemed,
        "due": clock.due_on,
        "provisional": clock.due_is_provisional,
        "paused_days": clock.paused_days,
        "overdue": clock.is_overdue,
        "filed_region": f"{record.filed_region.code} {record.filed_region.name_zh}".strip(),
        "regions_now": [f"{region.code} {region.name_zh}" for region in record.regions_now],
        "package_open": answer.package.open,
        "package_closed": local_text(answer.package.closed_at.ToMicroseconds()) if answer.package.HasField("closed_at") else "",
        "findings": [_finding(finding, names) for finding in record.findings],
    }


def _finding(finding: protos.CaseFinding, names: Mapping[int, str]) -> dict[str, str]:
    against = {"against": names[finding.against_position]} if finding.against_position in names else {}
    return {"step": names.get(finding.position, ""), "code": finding.code, **against}


def refused(error: HubError) -> dict[str, Any]:
    """Returns a refusal by the names of *then*."""
    return {"refused": REFUSALS[type(error)]}


def ask_text(ask: Ask) -> str:
    """Says what is asked."""
    known = f"（按 {local_text(ask.known_us)} 已告知的事实 with what was reported by then）" if ask.known_us is not None else ""
    asker = f"，{PROVINCE_WORDS[ask.asker]} 询问 asks" if ask.asker != ask.handling else ""
    return f"{ask.day}{known}: 办件 case `{ask.case_no}`（{PROVINCE_WORDS[ask.handling]} 办理 handles it）{asker}"


def then_text(then: Mapping[str, Any]) -> str:
    """Says what must be answered, all but findings."""
    said = [f"{_WORDS[name]} `{_value(value)}`" for name, value in then.items() if name != "findings"]
    return ", ".join(said)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "是 yes" if value else "否 no"
    if isinstance(value, list):
        return "、".join(map(str, value)) or "没有 none"
    return str(value) if value != "" else "没有 none"


def known(ask: Ask) -> Ask:
    """Returns the question without the time as of which it is answered: the reports of that time alone are there."""
    return replace(ask, known_us=None)

"""Writes docs/roles.md from the one table of roles: what each role does, and which role each call and each event kind needs."""

from collections.abc import Iterator
from pathlib import Path

from chuanyu.exchange.v1 import event_pb2

from hub.domain.role_table import READS, TELLING, Needed, role_table
from hub.domain.roles import NO_PARTS, PARTS
from hub.words.names import PARTICIPANT_ROLES

_DOES = {
    "ISSUER": "报送本省卡的状态，独享明文标识与卡的五种状态 states its province's cards; alone gets identifiers in clear",
    "SERVICE_POINT": "在其场景和区划内报送用卡并询问互认 reports uses and asks, in its scenarios and regions",
    "SERVICE_WINDOW": "受理挂失、申领等，含对方省的卡 takes losses and applications, also for the other side's cards",
    "BANK": "报送银行账户与发放结果 reports bank accounts and what became of payments",
    "FUND_PAYER": "报送发放批次 reports batches of payments",
    "TRANSIT_OPERATOR": "报送交通钱包与优待 reports transit purses and concessions",
    "ECARD_PLATFORM": "报送电子社保卡 reports e-cards",
    "MEDICAL_INSURER": "报送备案与结算 reports filings and settlements",
    "CLEARING": "报送清分与对账 reports clearing and reconciliation",
    "READER": "订阅其范围内的事件 subscribes to what its scope names",
}
MEANINGS = {role: (PARTICIPANT_ROLES[role][0], does) for role, does in _DOES.items()}

PAGE = Path(__file__).parent.parent.parent / "docs" / "roles.md"
_HEAD = """# 角色 Roles

What a participant may do. It has no role when it is registered, and whatever it has no role for is refused. This page is written by
`hub participants roles --write-docs` from `hub/domain/roles.csv`, the table that the hub itself reads; a test holds the two together.
[participants.md](participants.md#roles) says how roles are granted and what a refusal looks like.

| role | 名称 | what it does | needs | may have |
|---|---|---|---|---|
"""
_READS = """
## 订阅 What a READER reads

Always as far as it concerns its province: the card is its province's, or it happened there, or its province's participants reported it.
Identifiers are in clear for the ISSUER of the card alone.

| scope | kinds |
|---|---|
"""
_CALLS = """
## 调用 Calls

| call | any role of |
|---|---|
"""
_KINDS = """
## 事件 Events

An event of a kind that its sender may not report takes its number and is quarantined: `role_missing` where no role is for the kind,
`role_scope` where the role does not reach so far. A SERVICE_POINT serves the scenario of the event, and that is one of the kind's.

| kind | any role of | scenarios of a service point | read as |
|---|---|---|---|
"""
# Scopes that go by who reported or asked; the others by the kind.
_OWN = {
    "OWN_EVENTS": "whatever it reported itself",
    "OWN_DECISIONS": "`decision_made`, of its own questions",
    "QUARANTINE": "`event_quarantined`, `quarantine_reevaluated`, `quarantine_original_opened`, of its own events",
}
_OPTIONS = {
    "scenarios": "`--scenario`",
    "regions": "`--region`",
    "issuer_regions": "`--issuer-region`",
    "banks": "`--bank`",
    "reads": "`--read`",
}


def write() -> str:
    """Writes the page and returns where it is."""
    PAGE.write_text(page(), encoding="utf-8")
    return str(PAGE)


def page() -> str:
    """Returns the page."""
    return "".join(_lines())


def _lines() -> Iterator[str]:
    table = role_table()
    yield _HEAD
    for role, (title, meaning) in MEANINGS.items():
        parts = PARTS.get(role, NO_PARTS)
        needs, may = (", ".join(_OPTIONS[part] for part in some) for some in parts)
        yield f"| {role} | {title} | {meaning} | {needs} | {may} |\n"
    yield _READS
    for read in READS:
        kinds = [kind for kind, needed in table.kinds.items() if needed.read_as == read]
        yield f"| {read} | {_OWN.get(read) or ', '.join(f'`{kind}`' for kind in kinds)} |\n"
    yield _CALLS
    for call, needed in table.calls.items():
        yield f"| {call.rpartition('.')[2]} | {_roles(needed) or 'every participant'} |\n"
    yield _KINDS
    for field in event_pb2.Event.DESCRIPTOR.oneofs_by_name["kind"].fields:
        needed = table.kinds[field.name]
        yield f"| `{field.name}` | {_roles(needed) or '— the hub alone'} | {' '.join(needed.scenarios)} | {needed.read_as} |\n"


def _roles(needed: Needed) -> str:
    return "any but READER" if needed.roles == TELLING else ", ".join(needed.roles)

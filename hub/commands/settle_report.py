"""A statement as a report: the outcome of which the signed PDF is made, as reports of audits are, so that anybody can check it."""

from chuanyu.exchange.v1 import settlements_pb2 as protos
from google.protobuf.json_format import MessageToDict

from hub.audit.outcome import MOST_ROWS, Line, Moment, Outcome, Table, Text
from hub.domain import reference
from hub.domain.instants import microseconds, microseconds_of
from hub.domain.settlement.lines import net_fen
from hub.domain.settlement.statement import Statement
from hub.settlement.files import yuan
from hub.words.further_kinds import kind_words
from hub.words.names import PROVINCES
from hub.words.settlement import ROUTES, STATES

_COLUMNS = (
    Text("行", "line"), Text("业务日", "business day"), Text("发卡省", "issuer"), Text("地区", "place"), Text("场景", "scenario"),
    Text("次数", "uses"), Text("金额（元）", "yuan"), Text("应付方", "owes"),
)  # fmt: skip


def outcome_of(found: Statement) -> Outcome:
    """Returns a statement as a report shows it; the same statement and steps give the same."""
    issued = found.issued
    scheme = reference.load().schemes.versions[issued.scheme][-1]
    rows = [_row(number, one) for number, one in enumerate(issued.lines, 1)]
    return Outcome(
        question=Text(f"结算单 {found.code} {scheme.name_zh}", f"Statement {found.code} {scheme.name_en}"),
        answer=_answer(found),
        holds=None,
        recorded_as_of=issued.cut_position,
        facts={"statement": found.code, "digest": issued.digest.hex(), "issued": MessageToDict(issued, preserving_proto_field_name=True)},
        timeline=tuple(_moment(kind, microseconds_of(at)) for kind, at, _ in found.steps),
        tables=tuple(
            Table(Text("明细", "Lines"), _COLUMNS, tuple(rows[begin : begin + MOST_ROWS])) for begin in range(0, len(rows), MOST_ROWS)
        ),
        verified=(Text(f"摘要 SHA-256 {issued.digest.hex()}", f"SHA-256 {issued.digest.hex()}"),),
        limits=(Text("出账后不再改变；之后到的计入下一张。", "It never changes; what comes later is in the next one."),),
        recorded_us=microseconds(issued.cut_at),
        about=(
            Line(Text("业务日", "Business day"), Text(issued.business_day, issued.business_day)),
            Line(Text("清算", "Route"), Text(*ROUTES["NATIONAL" if found.is_memo else "BILATERAL"])),
            Line(Text("状态", "State"), Text(*STATES[found.state])),
            Line(Text("重庆应付", "50 owes"), _money(issued.owed_by_50_fen)),
            Line(Text("四川应付", "51 owes"), _money(issued.owed_by_51_fen)),
        ),
    )  # fmt: skip


def _answer(found: Statement) -> Text:
    net = net_fen(found.issued)
    if found.is_memo:
        return Text("仅备查，不支付。", "A memo: nothing is paid by it.")
    if net == 0:
        return Text("双方相抵，无需支付。", "Nothing to pay.")
    payer, payee = (PROVINCES[side] for side in (("50", "51") if net > 0 else ("51", "50")))
    return Text(f"{payer[0]}应付{payee[0]} {yuan(abs(net))} 元。", f"{payer[1]} pays {payee[1]} {yuan(abs(net))} yuan.")


def _row(number: int, one: protos.StatementLine) -> tuple[str | int | Text, ...]:
    payer = Text(*PROVINCES[one.payer_province]) if one.payer_province else "—"
    issuer = Text(*PROVINCES[one.issuer_province])
    return number, one.business_day, issuer, one.service_region, one.scenario, one.uses, yuan(one.amount_fen), payer


def _moment(kind: str, at_us: int) -> Moment:
    return Moment(at_us, at_us, 0, Text(*kind_words(kind)))


def _money(fen: int) -> Text:
    return Text(f"{yuan(fen)} 元", f"{yuan(fen)} yuan")

"""How journeys and refused trips read on a terminal."""

from collections.abc import Iterable

import typer
from chuanyu.exchange.v1 import transit_service_pb2 as protos
from chuanyu.exchange.v1 import usage_transit_pb2 as transit
from google.protobuf.timestamp_pb2 import Timestamp

from hub.commands.medical_screen import finding_line
from hub.commands.wording import folded, local, screen, table, whole
from hub.domain.findings import MEANINGS
from hub.domain.instants import microseconds
from hub.words.ledgers import JOURNEY_FINDINGS, JOURNEY_STATES, REJECTIONS, TRIP_DISPUTE_OUTCOMES

FINDINGS = JOURNEY_FINDINGS | {
    code: (MEANINGS[code].text_zh, MEANINGS[code].text_en) for code in ("USE_TOLD_AGAIN", "USE_TOLD_DIFFERENTLY")
}
_MISSING = {protos.MISSING_TAP_ENTRY: "缺进站 entry missing", protos.MISSING_TAP_EXIT: "缺出站 exit missing"}


def show_journeys(answer: protos.ListJourneysResponse) -> None:
    """Draws journeys, with lost taps after them."""
    drawn = table(
        whole("业务日\nbusiness day"),
        whole("状态\nstate"),
        whole("进\nentered"),
        whole("出\nleft"),
        whole("钱包 轮次 计数\npurse epoch counter"),
        whole("票价、实付（分）\nfare, paid (fen)"),
        folded("备注\nnotes"),
    )
    for one in answer.journeys:
        state = _state(one.state)
        counters = "→".join(str(getattr(one, name)) for name in ("counter_in", "counter_out") if one.HasField(name))
        drawn.add_row(
            f"{one.business_day}\n{one.region}",
            f"{JOURNEY_STATES[state][0]} {state}",
            _where(one, "entered_at", one.line_in, one.station_in),
            _where(one, "left_at", one.line_out, one.station_out),
            f"{one.purse} {one.epoch} {counters or '—'}",
            f"{one.fare_full_fen} {one.fare_paid_fen}",
            "\n".join(_notes(one)),
        )
    screen().print(drawn)
    for gap in answer.gaps:
        between = f"{gap.after_counter} … {gap.before_counter}"
        typer.echo(f"⚠ 缺漏 {gap.missing} 次刷卡 taps missing: 钱包 purse {gap.purse}，轮次 epoch {gap.epoch}，计数 counters {between}")
    for finding in answer.findings:
        typer.echo(f"⚠ {finding_line(finding, FINDINGS)}")
    typer.echo(
        f"{answer.total} 次行程 journeys，计数 counted {answer.uses}，实付 paid {answer.paid_fen} 分 fen，"
        f"{answer.as_of}，位置 as of position {answer.as_of_position:,}"
    )


def _state(state: int) -> str:
    return protos.JourneyState.Name(protos.JourneyState.ValueType(state)).removeprefix("JOURNEY_STATE_")


def _where(one: protos.Journey, field: str, line: str, station: str) -> str:
    return f"{_at(getattr(one, field))}\n{line} {station}".rstrip() if one.HasField(field) else "—"  # type: ignore[arg-type]


def _notes(one: protos.Journey) -> Iterable[str]:
    if one.missing in _MISSING:
        yield _MISSING[one.missing]
    if one.HasField("transfer_of"):
        yield f"换乘优惠 transfer discount {one.discount_fen} 分 fen，首程 first leg {one.transfer_of}"
    if one.HasField("disputed_at"):
        yield f"争议 disputed {_at(one.disputed_at)} {one.dispute_reason}".rstrip()
    if one.dispute_outcome:
        yield " ".join(TRIP_DISPUTE_OUTCOMES[transit.TripDisputeOutcome.Name(one.dispute_outcome).removeprefix("TRIP_DISPUTE_OUTCOME_")])
    if one.rejection:
        yield " ".join(REJECTIONS[_reason(one.rejection)])
    if one.concession_units:
        yield f"优待 {one.concession_units} 次 units"
    yield from (finding_line(finding, FINDINGS) for finding in one.findings)


def _reason(reason: int) -> str:
    return transit.ClearingRejection.Name(transit.ClearingRejection.ValueType(reason)).removeprefix("CLEARING_REJECTION_")


def show_rejected(answer: protos.ListRejectedTripsResponse) -> None:
    """Draws trips that clearing refused."""
    drawn = table(
        whole("拒绝时间\nrefused at"),
        whole("原因\nreason"),
        whole("行程编号\ntrip"),
        whole("现状\nstate"),
        whole("发卡地、服务地\nissuer, region"),
        whole("行程时间\ntrip at"),
        whole("实付（分）\npaid (fen)"),
    )
    for one in answer.trips:
        state = _state(one.state)
        drawn.add_row(
            _at(one.rejected_at),
            " ".join(REJECTIONS[_reason(one.reason)]),
            f"{one.trip.feed} #{one.trip.sequence}",
            f"{JOURNEY_STATES[state][0]} {state}",
            f"{one.issuing_province or '—'} {one.region or '—'}",
            _at(one.occurred_at) if one.HasField("occurred_at") else "未上报 not reported",
            str(one.fare_paid_fen),
        )
    screen().print(drawn)
    several = f"{len(answer.trips)} 次 trips，" if answer.next_page_token else f"{answer.total} 次 trips，" if answer.total else ""
    typer.echo(f"{several}{answer.as_of}，位置 as of position {answer.as_of_position:,}")
    if answer.next_page_token:
        typer.echo(f"下一页 next page: --page {answer.next_page_token}")


def _at(at: Timestamp) -> str:
    return local(microseconds(at))[:16]

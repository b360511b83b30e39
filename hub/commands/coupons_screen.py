"""How coupons, points and what a funder owes read on a terminal."""

from collections.abc import Iterable

import typer
from chuanyu.exchange.v1 import consumption_service_pb2 as protos
from google.protobuf.timestamp_pb2 import Timestamp

from hub.commands.medical_screen import finding_line
from hub.commands.wording import folded, local, screen, table, whole
from hub.domain.instants import microseconds
from hub.words.ledgers import COUPON_FINDINGS, COUPON_STATES, FUNDING, yuan


def show_coupon(answer: protos.GetCouponResponse) -> None:
    """Prints a coupon."""
    _draw([answer.coupon])
    typer.echo(f"{answer.as_of}，位置 as of position {answer.as_of_position:,}")


def show_coupons(answer: protos.ListCouponsResponse) -> None:
    """Draws coupons and accounts of points."""
    _draw(answer.coupons)
    for one in answer.accounts:
        typer.echo(
            f"积分 points {one.account_id}: 余额 balance {one.balance:,} = 增加 earned {one.earned:,} + 调整 adjusted {one.adjusted:,}"
            f" − 使用 spent {one.spent:,}" + (f" + 未足额 not covered {one.uncovered:,}" if one.uncovered else "")
        )
        for fault in one.findings:
            typer.echo(f"  ⚠ {finding_line(fault, COUPON_FINDINGS)}")
    typer.echo(f"{answer.total} 张券 coupons，{answer.as_of}，位置 as of position {answer.as_of_position:,}")


def _draw(coupons: Iterable[protos.Coupon]) -> None:
    drawn = table(
        whole("券\ncoupon"),
        whole("状态\nstate"),
        whole("面额（元）\nface, yuan"),
        whole("出资方应付\nfunded, yuan"),
        whole("出资方\nfunder"),
        whole("末日\nlast day"),
        folded("核销、备注\nredeemed, notes"),
    )
    for one in coupons:
        state = protos.CouponState.Name(one.state).removeprefix("COUPON_STATE_")
        notes = [_redemption(use) for use in one.redemptions] + [f"⚠ {finding_line(finding, COUPON_FINDINGS)}" for finding in one.findings]
        drawn.add_row(
            f"{one.issuing_province}/{one.coupon_id}", f"{COUPON_STATES[state][0]} {state}", yuan(one.face_fen), yuan(one.funded_fen),
            one.funder or "—", one.expires_on or "—", "\n".join(notes),
        )  # fmt: skip
    screen().print(drawn)


def _redemption(one: protos.CouponRedemption) -> str:
    back = f"，退回 returned {yuan(one.returned_fen)}" if one.returned_fen else ""
    return f"{_at(one.redeemed_at)} {one.region} {one.merchant_id} {yuan(one.used_fen)}{back}"


def show_funding(answer: protos.GetCouponFundingResponse) -> None:
    """Draws what a funder's coupons come to."""
    drawn = table(whole(""), whole("张\ncoupons"), whole("面额（元）\nface, yuan"), whole("出资方应付（元）\nfunded, yuan"))
    for name, (chinese, english) in FUNDING.items():
        figures: protos.CouponFigures = getattr(answer, name)
        drawn.add_row(f"{chinese} {english}", f"{figures.coupons:,}", yuan(figures.face_fen), yuan(figures.funded_fen))
    screen().print(drawn)
    typer.echo(f"有发现的 with findings {answer.with_findings}，{answer.as_of}，位置 as of position {answer.as_of_position:,}")


def _at(at: Timestamp) -> str:
    return local(microseconds(at))[:16]

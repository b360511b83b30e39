"""What answers say of coupons and points: their messages; the service, the commands and the console share them."""

from collections.abc import Iterable

from chuanyu.exchange.v1 import consumption_service_pb2 as protos

from hub.domain.consumption.coupons import Coupon, Figures, Redemption
from hub.domain.consumption.points import ADJUSTED, EARNED, SPENT, Account, Entry
from hub.domain.instants import timestamp
from hub.domain.medical.answers import finding_messages

MOST, MOST_ENTRIES = 200, 100


def coupon_message(coupon: Coupon, redemptions: Iterable[Redemption]) -> protos.Coupon:
    """Returns a coupon as answers have it, with some of its redemptions."""
    message = protos.Coupon(
        issuing_province=coupon.issuer, coupon_id=coupon.coupon_id, state=protos.CouponState.Value(f"COUPON_STATE_{coupon.state}"),
        face_fen=coupon.face_fen, funded_fen=coupon.funded_fen, redemptions=map(_redemption, redemptions),
        findings=finding_messages(coupon.findings),
    )  # fmt: skip
    if coupon.granted is not None:
        said = coupon.granted.message
        message.min_spend_fen, message.funder, message.expires_on = said.min_spend_fen, said.funder, said.expires_on
        message.granted_at.CopyFrom(timestamp(coupon.granted.occurred_us))
    return message


def _redemption(one: Redemption) -> protos.CouponRedemption:
    said = one.said.message
    return protos.CouponRedemption(
        redeemed_at=timestamp(one.said.occurred_us), region=one.said.event.service_region, merchant_id=said.merchant_id,
        used_fen=said.used_fen, returned_fen=one.returned_fen, funded_fen=one.funded_fen, position=one.said.position,
    )  # fmt: skip


def account_message(account: Account) -> protos.PointsAccount:
    """Returns an account of points as answers have it."""
    return protos.PointsAccount(
        issuing_province=account.issuer, account_id=account.account_id, balance=account.balance, uncovered=account.uncovered,
        earned=account.of(EARNED), spent=-account.of(SPENT), adjusted=account.of(ADJUSTED),
        entries=map(_entry, account.entries[: -MOST_ENTRIES - 1 : -1]), findings=finding_messages(account.findings),
    )  # fmt: skip


def _entry(one: Entry) -> protos.PointsEntry:
    return protos.PointsEntry(
        at=timestamp(one.said.occurred_us), points=one.points, balance=one.balance, position=one.said.position,
        reason_code=getattr(one.said.message, "reason_code", ""), region=one.said.event.service_region,
    )  # fmt: skip


def figures_message(figures: Figures) -> protos.CouponFigures:
    """Returns figures as answers have them."""
    return protos.CouponFigures(**figures._asdict())

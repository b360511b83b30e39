"""Coupons and points by B1 call, on the person's card of either province. The fields are this adapter's convention."""

from collections.abc import Callable, Mapping
from typing import Final

from chuanyu.exchange.v1 import usage_coupon_pb2 as coupon
from chuanyu.exchange.v1.event_pb2 import Event

from adapters.chongqing.call_fields import Fields, choice, count, fen, iso_date, need

SCENARIO: Final = "CON.CPN"


def _granted(fields: Fields) -> list[Event]:
    need(fields, "面额")
    granted = coupon.CouponGranted(
        coupon_id=need(fields, "券号"),
        face_fen=fen(fields, "面额"),
        min_spend_fen=fen(fields, "最低消费"),
        funder=fields.get("出资方", ""),
        expires_on=iso_date(fields, "有效期至"),
    )
    return [Event(coupon_granted=granted, scenario=SCENARIO)]


def _redeemed(fields: Fields) -> list[Event]:
    need(fields, "核销金额")
    redeemed = coupon.CouponRedeemed(coupon_id=need(fields, "券号"), merchant_id=need(fields, "商户编号"), used_fen=fen(fields, "核销金额"))
    return [Event(coupon_redeemed=redeemed, scenario=SCENARIO)]


def _returned(fields: Fields) -> list[Event]:
    returned = coupon.CouponReversed(coupon_id=need(fields, "券号"), returned_fen=fen(fields, "退回金额"))
    return [Event(coupon_reversed=returned, scenario=SCENARIO)]


def _expired(fields: Fields) -> list[Event]:
    return [Event(coupon_expired=coupon.CouponExpired(coupon_id=need(fields, "券号")), scenario=SCENARIO)]


def _points(fields: Fields) -> tuple[str, int, str]:
    need(fields, "积分")
    return need(fields, "积分账户"), count(fields, "积分", 9), fields.get("事由", "")


def _earned(fields: Fields) -> list[Event]:
    account, points, reason = _points(fields)
    return [Event(points_earned=coupon.PointsEarned(account_id=account, points=points, reason_code=reason), scenario=SCENARIO)]


def _spent(fields: Fields) -> list[Event]:
    account, points, reason = _points(fields)
    return [Event(points_spent=coupon.PointsSpent(account_id=account, points=points, reason_code=reason), scenario=SCENARIO)]


def _adjusted(fields: Fields) -> list[Event]:
    account, points, reason = _points(fields)
    points *= choice(fields, "方向", {"增": 1, "减": -1})
    adjusted = coupon.PointsAdjusted(account_id=account, points_delta=points, reason_code=reason)
    return [Event(points_adjusted=adjusted, scenario=SCENARIO)]


# What each operation builds, from the fields of its call.
CONSUMPTION: Final[Mapping[str, Callable[[Fields], list[Event]]]] = {
    "消费券发放": _granted,
    "消费券核销": _redeemed,
    "消费券退回": _returned,
    "消费券过期": _expired,
    "积分增加": _earned,
    "积分使用": _spent,
    "积分调整": _adjusted,
}

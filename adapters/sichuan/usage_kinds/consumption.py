"""Coupons and points: what a use of CON.CPN says, by `czlx` in its extension; without one a redemption.

FF 发放 · HX 核销 · TH 退回 · GQ 过期 · JZ 积分增加 · JS 积分使用 · JT 积分调整
qid 券号 · shbh 商户编号 · me 面额 · zdxf 最低消费 · czf 出资方 · yxqz 有效期至 · zhh 积分账户 · jf 积分 · fx 方向 (F is fewer) · sy 事由
"""

from collections.abc import Callable, Mapping
from typing import Final

from chuanyu.exchange.v1 import usage_coupon_pb2 as coupon
from chuanyu.exchange.v1.event_pb2 import Event

from adapters.sichuan.fields import Fields


def _granted(_native: Fields, extension: Fields) -> Event:
    granted = coupon.CouponGranted(
        coupon_id=extension.text("qid"),
        face_fen=extension.fen("me", required=True),
        min_spend_fen=extension.fen("zdxf"),
        funder=extension.text("czf"),
        expires_on=extension.day("yxqz"),
    )
    return Event(coupon_granted=granted)


def _redeemed(native: Fields, extension: Fields) -> Event:
    redeemed = coupon.CouponRedeemed(coupon_id=extension.text("qid"), merchant_id=extension.text("shbh"), used_fen=native.fen("je"))
    return Event(coupon_redeemed=redeemed)


def _returned(native: Fields, extension: Fields) -> Event:
    return Event(coupon_reversed=coupon.CouponReversed(coupon_id=extension.text("qid"), returned_fen=native.fen("je")))


def _expired(_native: Fields, extension: Fields) -> Event:
    return Event(coupon_expired=coupon.CouponExpired(coupon_id=extension.text("qid")))


def _earned(_native: Fields, extension: Fields) -> Event:
    earned = coupon.PointsEarned(account_id=extension.text("zhh"), points=extension.count("jf"), reason_code=extension.text("sy"))
    return Event(points_earned=earned)


def _spent(_native: Fields, extension: Fields) -> Event:
    spent = coupon.PointsSpent(account_id=extension.text("zhh"), points=extension.count("jf"), reason_code=extension.text("sy"))
    return Event(points_spent=spent)


def _adjusted(_native: Fields, extension: Fields) -> Event:
    sign = extension.code("fx", {"Z": 1, "F": -1}, 1)
    points = sign * extension.count("jf")
    adjusted = coupon.PointsAdjusted(account_id=extension.text("zhh"), points_delta=points, reason_code=extension.text("sy"))
    return Event(points_adjusted=adjusted)


_BUILDS: Final[Mapping[str, Callable[[Fields, Fields], Event]]] = {
    "FF": _granted,
    "HX": _redeemed,
    "TH": _returned,
    "GQ": _expired,
    "JZ": _earned,
    "JS": _spent,
    "JT": _adjusted,
}


def consumption(native: Fields, extension: Fields) -> Event:
    """Returns what a use of CON.CPN says; raises ParameterInvalid."""
    return extension.code("czlx", _BUILDS, _redeemed)(native, extension)

"""Examples of the calls about coupons and points: a coupon redeemed in the other province, folded as the service folds it."""

from collections.abc import Callable, Mapping
from datetime import date, datetime

from chuanyu.exchange.v1 import consumption_service_pb2 as protos
from chuanyu.exchange.v1 import event_pb2
from chuanyu.exchange.v1 import usage_coupon_pb2 as coupon
from google.protobuf.message import Message

from hub.admin.consumption import coupon_answer, coupons_answer, funding_answer
from hub.admin.snapshots import Asked, Told
from hub.commands.pages.reference.samples import Example, card
from hub.domain.instants import LOCAL, microseconds_of, timestamp
from hub.domain.reported import Reported

_DAY, _POSITION, _COUPON, _FUNDER = date(2026, 3, 31), 180_260, "XF20260301000017", "CQ-COMMERCE"
_ASKED = Asked("50", _DAY)


def _reported(kind: str, message: Message, day: int, position: int, region: str = "500103") -> Reported:
    at_us = microseconds_of(datetime(2026, 3, day, 9, tzinfo=LOCAL))
    event = event_pb2.Event(service_region=region, occurred_at=timestamp(at_us))
    event.card.issuing_province, event.card.key = "50", bytes(32)
    getattr(event, kind).CopyFrom(message)
    return Reported(kind, event, at_us, position)


def _coupons() -> Told:
    granted = coupon.CouponGranted(coupon_id=_COUPON, face_fen=5_000, min_spend_fen=20_000, funder=_FUNDER, expires_on="2026-03-31")
    redeemed = coupon.CouponRedeemed(coupon_id=_COUPON, merchant_id="M510100000001", used_fen=5_000)
    told = [_reported("coupon_granted", granted, 1, 180_230), _reported("coupon_redeemed", redeemed, 8, 180_250, "510100")]
    return Told(told, [])


def _coupon() -> Example:
    request = protos.GetCouponRequest(issuing_province="50", coupon_id=_COUPON)
    return Example(request, coupon_answer(_coupons(), request, _ASKED, _POSITION))


def _of_person() -> Example:
    earned, spent = coupon.PointsEarned(account_id="J1", points=300), coupon.PointsSpent(account_id="J1", points=120)
    points = Told([_reported("points_earned", earned, 1, 180_231), _reported("points_spent", spent, 9, 180_251)], [])
    request = protos.ListCouponsRequest(card=card(), purpose_code="HOLDER_REQUEST")
    return Example(request, coupons_answer(_coupons(), points, request, _ASKED, _POSITION))


def _funding() -> Example:
    request = protos.GetCouponFundingRequest(issuing_province="50", funder=_FUNDER, granted_from="2026-03-01")
    first = date(2026, 3, 1)
    return Example(request, funding_answer(_coupons(), request, (first, first, _DAY), _POSITION))


EXAMPLES: Mapping[str, Callable[[], Example]] = {"GetCoupon": _coupon, "ListCoupons": _of_person, "GetCouponFunding": _funding}

"""Where coupons and points are read: a coupon, those of a person, and what a funder's come to. Service, command and console ask here."""

from datetime import date

import psycopg
from chuanyu.exchange.v1 import consumption_service_pb2 as protos

from hub.admin.snapshots import Asked, Told, end_us, is_side, snapshot, told_of, told_under
from hub.domain.consumption.answers import MOST, account_message, coupon_message, figures_message
from hub.domain.consumption.coupons import Coupon, Figures, coupons_at, funding_of
from hub.domain.consumption.points import Account, accounts_at
from hub.domain.errors import NotPermitted, RequestInvalid
from hub.domain.instants import epoch_day_of, midnight_us
from hub.domain.joint_services.answers import day_asked
from hub.domain.reported import Person
from hub.domain.settlement_errors import CouponNotFound, CouponsTooMany
from hub.projections.views.consumption import COUPONS, POINTS, funder_name, ledger_name

MOST_COUNTED = 20_000


def get_coupon(connection: psycopg.Connection, request: protos.GetCouponRequest, asked: Asked) -> protos.GetCouponResponse:
    """Returns a coupon; raises CouponNotFound, RequestInvalid or ViewBehind."""
    at = request.as_of_position
    with snapshot(connection, COUPONS, max(request.min_position, at)) as position:
        told = told_under(connection, COUPONS, [ledger_name(request.issuing_province, request.coupon_id)], at)
    return coupon_answer(told, request, asked, at or position)


def coupon_answer(told: Told, request: protos.GetCouponRequest, asked: Asked, position: int) -> protos.GetCouponResponse:
    """Returns the answer from the reports of the coupon."""
    on = day_asked(request.on, "on", asked.today)
    found = coupons_at(told.reports, end_us(on))
    if not found:
        raise CouponNotFound
    return protos.GetCouponResponse(coupon=_coupon(found[0], asked), as_of_position=position, as_of=on.isoformat())


def _coupon(coupon: Coupon, asked: Asked) -> protos.Coupon:
    sides = {coupon.issuer}
    shown = (one for one in coupon.redemptions if is_side(sides | {one.said.province}, asked.province))
    return coupon_message(coupon, shown)


def list_coupons(
    connection: psycopg.Connection, person: Person, request: protos.ListCouponsRequest, asked: Asked
) -> protos.ListCouponsResponse:
    """Returns the coupons and accounts of points of a person; raises RequestInvalid or ViewBehind."""
    at = request.as_of_position
    with snapshot(connection, COUPONS, max(request.min_position, at)) as position:
        coupons, points = _whole(connection, person, at), told_of(connection, POINTS, person, at)
    return coupons_answer(coupons, points, request, asked, at or position)


def _whole(connection: psycopg.Connection, person: Person, at: int) -> Told:
    """Reads all that is reported of the coupons of a person, also what names the person in no way that the hub knows."""
    own = told_of(connection, COUPONS, person, at)
    return told_under(connection, COUPONS, {ledger_name(*_name(one)) for one in coupons_at(own.reports, _ALWAYS)}, at)


def _name(one: Coupon) -> tuple[str, str]:
    return one.issuer, one.coupon_id


_ALWAYS = end_us(date.max)


def coupons_answer(
    coupons: Told, points: Told, request: protos.ListCouponsRequest, asked: Asked, position: int
) -> protos.ListCouponsResponse:
    """Returns the answer from the reports about the person."""
    on = day_asked(request.on, "on", asked.today)
    found = [
        one
        for one in coupons_at(coupons.reports, end_us(on))
        if is_side(_sides(one), asked.province) and (one.state == "OPEN" or not request.open)
    ]
    accounts = [one for one in accounts_at(points.reports, end_us(on)) if is_side(_sides_of(one), asked.province)]
    answer = protos.ListCouponsResponse(total=len(found), as_of_position=position, as_of=on.isoformat())
    answer.coupons.extend(_coupon(one, asked) for one in found[-MOST:])
    answer.accounts.extend(map(account_message, accounts[:MOST]))
    return answer


def _sides(coupon: Coupon) -> set[str]:
    return {coupon.issuer, *(one.province for one in coupon.reports)}


def _sides_of(account: Account) -> set[str]:
    return {account.issuer, *(one.said.province for one in account.entries)}


def get_funding(connection: psycopg.Connection, request: protos.GetCouponFundingRequest, asked: Asked) -> protos.GetCouponFundingResponse:
    """Returns what a funder's coupons come to; raises NotPermitted, CouponsTooMany, RequestInvalid or ViewBehind."""
    if not is_side({request.issuing_province}, asked.province):
        raise NotPermitted("what the other side's funders owe is in the statements")
    first, last, on = funding_days(request, asked)
    at = request.as_of_position
    with snapshot(connection, COUPONS, max(request.min_position, at)) as position:
        also = funder_name(request.issuing_province, request.funder)
        found = connection.execute(_GRANTS, (also, midnight_us(epoch_day_of(first)), end_us(last), MOST_COUNTED + 1)).fetchall()
        if len(found) > MOST_COUNTED:
            raise CouponsTooMany(most=MOST_COUNTED)
        told = told_under(connection, COUPONS, [name for (name,) in found], at)
    return funding_answer(told, request, (first, last, on), at or position)


def funding_days(request: protos.GetCouponFundingRequest, asked: Asked) -> tuple[date, date, date]:
    """Returns the days of a question: of the first and the last grant, and until when things had happened; raises RequestInvalid."""
    on = day_asked(request.on, "on", asked.today)
    first = day_asked(request.granted_from, "granted_from", asked.today)
    last = day_asked(request.granted_until, "granted_until", first)
    if last < first:
        raise RequestInvalid([("granted_until", "not_after")])
    return first, last, on


def funding_answer(
    told: Told, request: protos.GetCouponFundingRequest, days: tuple[date, date, date], position: int
) -> protos.GetCouponFundingResponse:
    """Returns the answer from the reports of coupons that the funder granted."""
    first, last, on = days
    own = [
        one
        for one in coupons_at(told.reports, end_us(on))
        if one.granted is not None
        and (one.issuer, one.granted.message.funder) == (request.issuing_province, request.funder)
        and midnight_us(epoch_day_of(first)) <= one.granted.occurred_us <= end_us(last)
    ]
    sums = funding_of(own)

    def of(name: str) -> protos.CouponFigures:
        return figures_message(sums.get(name, Figures()))

    return protos.GetCouponFundingResponse(
        granted=of("GRANTED"), redeemed_in_chongqing=of("REDEEMED.50"), redeemed_in_sichuan=of("REDEEMED.51"), expired=of("EXPIRED"),
        open=of("OPEN"), with_findings=sum(bool(one.findings) for one in own), as_of_position=position, as_of=on.isoformat(),
    )  # fmt: skip


_GRANTS = (
    f"SELECT DISTINCT name FROM views.{COUPONS.name} WHERE also <> '' AND also = %s AND occurred_us BETWEEN %s AND %s "  # noqa: S608
    "LIMIT %s"
).encode()

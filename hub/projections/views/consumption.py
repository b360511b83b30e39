"""Views: reports of coupons by coupon, grants also by funder; and of accounts of points by account."""

from hub.domain.consumption.coupons import COUPON_KINDS, GRANTED, RETURNED
from hub.domain.consumption.points import POINTS_KINDS
from hub.journal.reader import Recorded
from hub.projections.views.reports import reports_view

_BY_PERSON = ("card WHERE card <> ''", "holder WHERE holder <> ''")


def ledger_name(issuer: str, number: str) -> str:
    """Returns under which name the reports of a coupon or an account are."""
    return f"{issuer}/{number}"


def funder_name(issuer: str, funder: str) -> str:
    """Returns under which name the grants of a funder are also looked for."""
    return f"{issuer} {funder}"


def _issuer(recorded: Recorded) -> str:
    return recorded.event.card.issuing_province or recorded.event.service_region[:2]


def _coupon(recorded: Recorded) -> tuple[str, str]:
    message, issuer = getattr(recorded.event, recorded.kind), _issuer(recorded)
    return ledger_name(issuer, message.coupon_id), funder_name(issuer, message.funder) if recorded.kind == GRANTED else ""


def _account(recorded: Recorded) -> tuple[str, str]:
    return ledger_name(_issuer(recorded), getattr(recorded.event, recorded.kind).account_id), ""


_BY_FUNDER = "also, occurred_us WHERE also <> ''"
COUPONS = reports_view("coupon", COUPON_KINDS, _coupon, (*_BY_PERSON, _BY_FUNDER), frozenset({RETURNED}))
POINTS = reports_view("points", POINTS_KINDS, _account, _BY_PERSON)

"""Coupons 消费券: granted, redeemed, given back, expired; what the funder owes for each, from nothing up to its face value.

A coupon is known by the province that issued the card it is for, and by its id. A redemption uses it up: what it leaves of the face value
lapses. Once all of a redemption came back the coupon is open again, until its last day is over.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from hub.domain.instants import local_day
from hub.domain.reported import LedgerFinding, Reported, has_waited, in_order

GRANTED, REDEEMED, RETURNED, EXPIRED = "coupon_granted", "coupon_redeemed", "coupon_reversed", "coupon_expired"
# In the order in which they follow each other where they are of the same instant.
_ORDER = {GRANTED: 0, REDEEMED: 1, RETURNED: 2, EXPIRED: 3}
COUPON_KINDS = frozenset(_ORDER)
OPEN, USED, LAPSED, GRANT_UNKNOWN = "OPEN", "REDEEMED", "EXPIRED", "GRANT_UNKNOWN"


@dataclass(slots=True)
class Redemption:
    """One time that a coupon was redeemed: what it may take at most, and what came back."""

    said: Reported
    most_fen: int
    returned_fen: int = 0
    is_back: bool = False

    @property
    def left_fen(self) -> int:
        """What did not come back."""
        return int(self.said.message.used_fen) - self.returned_fen

    @property
    def funded_fen(self) -> int:
        """What the funder owes for it."""
        return min(self.most_fen, self.left_fen)


@dataclass(slots=True)
class Coupon:
    """What became of a coupon by an instant."""

    issuer: str
    coupon_id: str
    granted: Reported | None = None
    expired: Reported | None = None
    redemptions: list[Redemption] = field(default_factory=list)
    findings: list[LedgerFinding] = field(default_factory=list)
    is_over: bool = False

    @property
    def in_force(self) -> Redemption | None:
        """The redemption that uses it up, None where it is not used up."""
        last = self.redemptions[-1] if self.redemptions else None
        return last if last is not None and not last.is_back else None

    @property
    def state(self) -> str:
        """What became of it."""
        if self.in_force is not None:
            return USED
        if self.expired is not None or self.is_over:
            return LAPSED
        return OPEN if self.granted is not None else GRANT_UNKNOWN

    @property
    def face_fen(self) -> int:
        """Its face value, 0 where nobody reported the grant."""
        return int(self.granted.message.face_fen) if self.granted is not None else 0

    @property
    def funded_fen(self) -> int:
        """What the funder owes for it."""
        return sum(one.funded_fen for one in self.redemptions)

    @property
    def reports(self) -> Iterator[Reported]:
        """The reports that made it what it is."""
        yield from (one for one in (self.granted, self.expired) if one is not None)
        yield from (one.said for one in self.redemptions)


class Figures(NamedTuple):
    """A number of coupons, their face value, and what is owed for them."""

    coupons: int = 0
    face_fen: int = 0
    funded_fen: int = 0


def issuer_of(one: Reported) -> str:
    """Returns the province whose card a report names; where it names none, the province where it happened."""
    return one.event.card.issuing_province or one.province


def coupons_at(reports: Iterable[Reported], at_us: int) -> list[Coupon]:
    """Returns the coupons that reports make, with what had happened by an instant, by when they were first reported."""
    parts: dict[tuple[str, str], list[Reported]] = {}
    for one in sorted(in_order(reports, at_us), key=lambda one: (one.occurred_us, _ORDER[one.kind], one.position)):
        parts.setdefault((issuer_of(one), one.message.coupon_id), []).append(one)
    return [_coupon(Coupon(*name), told, at_us) for name, told in parts.items()]


def _coupon(coupon: Coupon, told: list[Reported], at_us: int) -> Coupon:
    """Goes through the reports of a coupon: what it is granted for counts from the first grant on, whichever comes first to the hub."""
    coupon.granted = next((one for one in told if one.kind == GRANTED), None)
    last_day = coupon.granted.message.expires_on if coupon.granted is not None else ""
    coupon.is_over = bool(last_day) and local_day(at_us).isoformat() > last_day
    for one in told:
        if one.kind == GRANTED:
            _grant(coupon, one)
        elif one.kind == REDEEMED:
            _redeem(coupon, one, last_day, at_us)
        elif one.kind == RETURNED:
            _give_back(coupon, one, at_us)
        elif coupon.in_force is not None:
            coupon.findings.append(LedgerFinding("EXPIRED_AFTER_REDEMPTION", one.position, coupon.in_force.said.position))
        else:
            coupon.expired = coupon.expired or one
    return coupon


def _grant(coupon: Coupon, one: Reported) -> None:
    first = coupon.granted
    assert first is not None, "one of them is the first"
    if one is not first and one.message != first.message:
        coupon.findings.append(LedgerFinding("GRANT_DIFFERS", one.position, first.position))


def _redeem(coupon: Coupon, one: Reported, last_day: str, at_us: int) -> None:
    """Redeems a coupon; a second redemption of what is used up counts nothing, one of an expired coupon counts."""
    granted, used = coupon.granted, coupon.in_force
    if used is not None:
        coupon.findings.append(LedgerFinding("REDEEMED_TWICE", one.position, used.said.position))
        return
    if granted is None:
        if has_waited(one, at_us):
            coupon.findings.append(LedgerFinding("REDEEMED_WITHOUT_GRANT", one.position))
    elif one.occurred_us < granted.occurred_us:
        coupon.findings.append(LedgerFinding("REDEEMED_BEFORE_GRANT", one.position, granted.position))
    if coupon.expired is not None:
        coupon.findings.append(LedgerFinding("REDEEMED_AFTER_EXPIRY", one.position, coupon.expired.position))
    elif last_day and local_day(one.occurred_us).isoformat() > last_day:
        coupon.findings.append(LedgerFinding("REDEEMED_AFTER_EXPIRY", one.position, granted.position if granted is not None else 0))
    most_fen = coupon.face_fen if granted is not None else one.message.used_fen
    if granted is not None and one.message.used_fen > most_fen:
        coupon.findings.append(LedgerFinding("USED_BEYOND_FACE", one.position, granted.position))
    coupon.redemptions.append(Redemption(one, most_fen))


def _give_back(coupon: Coupon, one: Reported, at_us: int) -> None:
    """Takes a redemption back: without an amount, or with all that is left, as a whole."""
    used = coupon.in_force
    if used is None:
        if has_waited(one, at_us):
            coupon.findings.append(LedgerFinding("RETURN_WITHOUT_REDEMPTION", one.position))
        return
    if one.message.returned_fen > used.left_fen:
        coupon.findings.append(LedgerFinding("RETURNED_BEYOND", one.position, used.said.position))
    used.returned_fen += min(one.message.returned_fen or used.left_fen, used.left_fen)
    used.is_back = not used.left_fen


def funding_of(coupons: Iterable[Coupon]) -> dict[str, Figures]:
    """Returns what granted coupons come to: GRANTED is the sum of OPEN, EXPIRED and, by the province that served, REDEEMED.50 and .51."""
    sums: dict[str, Figures] = {}
    for one in coupons:
        used = one.in_force
        name = f"{one.state}.{used.said.province}" if used is not None else one.state
        for sum_of in ("GRANTED", name):
            known = sums.get(sum_of, Figures())
            sums[sum_of] = Figures(known.coupons + 1, known.face_fen + one.face_fen, known.funded_fen + one.funded_fen)
    return sums

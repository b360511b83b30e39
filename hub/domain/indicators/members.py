"""What is counted of members of priority groups (K12): who had a lawful basis in the year, and whether a service of it was given to them.

A person is one member under all names: what is said of any card that is his on the day counts, and what is said of him by his document. An
opt-out under one of them leaves him out. A basis that ended keeps what was given in its days; one that is reversed was none.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta

from hub.domain.indicators.counted import Asked, One
from hub.domain.indicators.facts import SERVED
from hub.domain.indicators.steps import Step, Told, breakdown, days_told, stepped, tally, turns_of
from hub.domain.indicators.units import Days, holder_on
from hub.domain.instants import epoch_day_of, local_day, midnight_us
from hub.domain.reported import Reported
from hub.domain.rules.any_use import AUTOMATED

MEMBERS, GROUP = "K12", "priority_group"
BASIS, _GRANTED, _WITHDRAWN = "group_basis_registered", "consent_granted", "consent_withdrawn"
MEMBER_KINDS = frozenset({BASIS, SERVED, _GRANTED, _WITHDRAWN})
# Of whom, and what was said: of a card that is one person's on some days and another's on others, or of a person; None for always.
Said = tuple[Days | None, Sequence[Reported]]


def is_of_members(one: Reported) -> bool:
    """Whether a report says something of a member: of consents only that to being decided about automatically does."""
    return one.kind in (BASIS, SERVED) or (one.kind in MEMBER_KINDS and one.message.purpose_code == AUTOMATED)


def began(basis: Reported) -> int:
    """Returns the instant from which on a basis holds."""
    return midnight_us(epoch_day_of(date.fromisoformat(basis.message.valid_from)))


def days_of(told: Iterable[Reported]) -> dict[Step, tuple[int, int]]:
    """Returns how many bases there are of each first day."""
    return days_told(MEMBERS, (began(one) for one in told if one.kind == BASIS))


def member(subject: bytes, told: Sequence[Reported], asked: Asked) -> Told:
    """Yields one person in all, and in each group that he had a basis of in the year until the day."""
    if _has_opted_out(told, asked):
        return
    groups: dict[str, bool] = {}
    services = [one for one in told if one.kind == SERVED and asked.has(one.occurred_us)]
    for basis in told:
        if basis.kind == BASIS and _holds_in(basis, asked.first_day, asked.day):
            group, was_served = basis.message.group_code, any(_is_given_by(basis, one) for one in services)
            groups[group] = groups.get(group, False) or was_served
    for group, was_served in groups.items():
        yield breakdown(MEMBERS, (GROUP,)), One(subject, was_served, {GROUP: group})
    if groups:
        yield breakdown(MEMBERS, ()), One(subject, any(groups.values()))


def _is_given_by(basis: Reported, service: Reported) -> bool:
    day = local_day(service.occurred_us)
    return service.message.service in basis.message.services and _holds_in(basis, day, day)


def _holds_in(basis: Reported, first: date, last: date) -> bool:
    says = basis.message
    return says.valid_from <= last.isoformat() and (not says.valid_to or says.valid_to >= first.isoformat())


def _has_opted_out(told: Sequence[Reported], asked: Asked) -> bool:
    """Whether the last word on automatic decisions is a withdrawal, or a consent that has ended; where there is none nobody opted out."""
    consents = [one for one in told if one.kind in (_GRANTED, _WITHDRAWN) and one.occurred_us <= asked.end_us]
    last = max(consents, key=lambda one: one.when, default=None)
    if last is None:
        return False
    until = last.message.expires_on if last.kind == _GRANTED else ""
    return last.kind == _WITHDRAWN or (until != "" and until < asked.day.isoformat())


def steps_of_member(holder: bytes, said: Sequence[Said], subject: bytes) -> dict[Step, tuple[int, int]]:
    """Returns the steps of a person, or with no *holder* of a card on days on which nobody said whose it is."""
    reports = [one for _, some in said for one in some]
    if not any(one.kind == BASIS for one in reports):
        return {}
    days = set(turns_of(at_us for one in reports for at_us in _turns(one)))
    days |= {day for held, _ in said for day in held or () if day > min(days)}

    def at(asked: Asked) -> dict[tuple[str, str], tuple[int, int]]:
        day = epoch_day_of(asked.day)
        own = [one for held, some in said if held is None or holder_on(held, day) == holder for one in some]
        return tally(member(subject, own, asked.of(MEMBERS)))

    return stepped(days, at)


def _turns(one: Reported) -> Iterator[int]:
    """Yields the instants by which a report may make somebody a member or end that."""
    if one.kind == BASIS:
        yield began(one)
        yield from _after(one.message.valid_to)
    else:
        yield one.occurred_us
        yield from _after(one.message.expires_on if one.kind == _GRANTED else "")


def _after(last: str) -> Iterator[int]:
    """Yields the instant at which what holds until a last day holds no more."""
    if last:
        yield midnight_us(epoch_day_of(date.fromisoformat(last) + timedelta(days=1)))

"""Weighs what a service point claims of a condition against what the hub recorded of it.

A fact belongs to its owner. Where claim and record differ, the stricter of the two gives the outcome: a desk that says no may know more, a
desk that says yes may not know it yet. What the hub itself decides (which token was used, what its catalogue has) is on record alone.
Nothing recorded is not a no, and an owner that has been silent for longer than it said is not heard.
"""

from typing import NamedTuple


class OnRecord(NamedTuple):
    """Whether a condition holds by what the hub recorded, and at which position; None where it is not known."""

    says: bool | None
    position: int = 0


UNKNOWN = OnRecord(None)


class Weighed(NamedTuple):
    """What a rule concludes: a reason's code or None, on what it rests, and what each side said."""

    reason_code: str | None
    basis: str
    claim: bool | None
    record: OnRecord

    @property
    def contradicts(self) -> bool:
        """Whether claim and record contradict each other."""
        return contradict(self.claim, self.record.says)


class Basis(NamedTuple):
    """On what the conclusion of one rule rests: CLAIM or RECORD, what each side said, and where the record is."""

    rule_id: str
    basis: str
    claim: bool | None
    record: bool | None
    record_position: int

    @property
    def contradicts(self) -> bool:
        """Whether claim and record contradict each other."""
        return contradict(self.claim, self.record)


def contradict(claim: bool | None, record: bool | None) -> bool:
    """Whether one says yes and the other no."""
    return None not in (claim, record) and claim is not record


class Reasons(NamedTuple):
    """The reasons a rule may give: where the record says no, the claim says no, nobody says anything, or a claim alone says yes."""

    recorded_no: str
    claimed_no: str | None = None
    silent: str | None = None
    unverified: str | None = None


def weigh(claim: bool | None, record: OnRecord, reasons: Reasons, *, is_hubs_own: bool = False) -> Weighed:
    """Returns what follows from a claim and a record, each None where it says nothing."""
    says = record.says
    if says is not None and (is_hubs_own or claim is not False or says is False):
        return Weighed(None if says else reasons.recorded_no, "RECORD", claim, record)
    if claim is False:
        return Weighed(reasons.claimed_no or reasons.recorded_no, "CLAIM", claim, record)
    return Weighed(reasons.unverified, "CLAIM", claim, record) if claim else Weighed(reasons.silent, "", claim, record)

"""Settlements with their refunds 退费, to the fen: what each part was, what was given back, what is left; and the chain of a visit.

A settlement is known by its institution and its setl_id, whatever number or order it is reported under. A refund names the setl_id that it
gives back; that of a refund undoes the refund. One without a settlement waits, and is a finding after its grace. A visit that is
settled again after a refund has another setl_id, and is part of the chain by its mdtrt_id.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

from chuanyu.exchange.v1 import usage_medical_pb2 as medical

from hub.domain.reported import LedgerFinding, Reported, has_waited, in_order

COMPLETED, REVERSED = "medical_settlement_completed", "medical_settlement_reversed"
SETTLEMENT_KINDS = frozenset({COMPLETED, REVERSED})
WITHOUT_SETTLEMENT, BEYOND, BEFORE = "REFUND_WITHOUT_SETTLEMENT", "REFUND_BEYOND_SETTLEMENT", "REFUND_BEFORE_SETTLEMENT"
DIFFERS, OTHER_PERSON, SETTLED_TWICE = "SETTLEMENT_DIFFERS", "REFUND_OTHER_PERSON", "VISIT_SETTLED_TWICE"
# The parts that add up, in the order of the national interface; what is left of a settlement is found part by part.
PARTS = tuple(
    field.name
    for field in medical.MedicalMoney.DESCRIPTOR.fields
    if field.name not in ("deductible_fen", "account_balance_fen", "pooled_ratio_e4")
)


class Refund(NamedTuple):
    """A refund as reported, and what it gives back: its money without what refunds of it give back."""

    said: Reported
    given: medical.MedicalMoney

    @property
    def is_undone(self) -> bool:
        """Whether nothing is given back by it any more."""
        return not any(getattr(self.given, part) for part in PARTS)

    @property
    def original(self) -> str:
        """The setl_id that it gives back."""
        return str(self.said.message.original_settlement_id)


class Settlement(NamedTuple):
    """A settlement and its refunds on a day; *said* is None while it is not reported."""

    institution: str
    settlement_id: str
    said: Reported | None
    refunds: tuple[Refund, ...]
    net: medical.MedicalMoney
    findings: tuple[LedgerFinding, ...]

    @property
    def state(self) -> str:
        """How far it is."""
        if self.said is None:
            return "WAITING"
        if not self.standing:
            return "COMPLETED"
        return "PARTLY_REVERSED" if any(getattr(self.net, part) for part in PARTS) else "REVERSED"

    @property
    def standing(self) -> list[Reported]:
        """The refunds of the settlement itself that are not undone."""
        return [refund.said for refund in self.refunds if refund.original == self.settlement_id and not refund.is_undone]

    @property
    def visit(self) -> tuple[str, str]:
        """The visit that it is of; empty if that is not known."""
        return (self.institution, self.said.message.visit_id) if self.said is not None and self.said.message.visit_id else ("", "")

    @property
    def regions(self) -> tuple[str, str]:
        """参保地 and 就医地, as far as they are known: a settlement that does not say them is of the card's issuer, and of its place."""
        one = self.said or self.refunds[0].said
        message = one.message
        insured = getattr(message, "insured_region", "") or one.event.issuer_region or one.event.card.issuing_province
        return insured, getattr(message, "treatment_region", "") or one.event.service_region


def settlement_names(message: Any) -> tuple[str, str]:
    """Returns by what a report of a settlement or refund is looked for: its own setl_id, the one that it gives back, and its visit."""
    if isinstance(message, medical.MedicalSettlementReversed):
        return message.settlement_id, message.original_settlement_id
    return message.settlement_id, visit_name(message.institution_code, message.visit_id)


def visit_name(institution: str, visit_id: str) -> str:
    """Returns by what the settlements of a visit are looked for; no setl_id has a space."""
    return f"{institution} {visit_id}" if visit_id else ""


def settlements_at(reports: Iterable[Reported], at_us: int, late: Iterable[Reported] = ()) -> list[Settlement]:
    """Returns the settlements that reports make, with what had happened by an instant, by when they were settled.

    *late* are reports that came after what takes them out: a settlement that a refund names by its number is there to be given back of.
    """
    told = in_order(reports, at_us)
    named = {_original(one) for one in told if one.kind == REVERSED and one.event.HasField("reverses")}
    told = in_order([*told, *(one for one in late if one.kind == COMPLETED and _own(one) in named)], at_us)
    refunds: dict[tuple[str, str], list[Reported]] = {}
    for one in told:
        if one.kind == REVERSED:
            refunds.setdefault(_original(one), []).append(one)
    said: dict[tuple[str, str], list[Reported]] = {}
    for one in told:
        if one.kind == COMPLETED:
            said.setdefault(_own(one), []).append(one)
    # A refund of a refund belongs to what the first of them gives back.
    own = {_own(one) for one in told if one.kind == REVERSED}
    waiting = [key for key in refunds if key not in said and key not in own]
    found = [_settlement(key, said.get(key, ()), refunds, at_us) for key in (*said, *waiting)]
    return sorted(found, key=lambda one: (one.said or one.refunds[0].said).when)


def _own(one: Reported) -> tuple[str, str]:
    return one.message.institution_code, one.message.settlement_id


def _original(one: Reported) -> tuple[str, str]:
    return one.message.institution_code, one.message.original_settlement_id


def _settlement(
    key: tuple[str, str], said: Iterable[Reported], refunds: Mapping[tuple[str, str], list[Reported]], at_us: int
) -> Settlement:
    tellings = list(said)
    given = tuple(_given_back(key, refunds, frozenset({key})))
    net = medical.MedicalMoney()
    if tellings:
        net.CopyFrom(tellings[-1].message.money)
        _take(net, given, key[1])
    one = Settlement(*key, tellings[-1] if tellings else None, given, net, ())
    return one._replace(findings=tuple(_findings(one, tellings, at_us)))


def _given_back(
    key: tuple[str, str], refunds: Mapping[tuple[str, str], list[Reported]], seen: frozenset[tuple[str, str]]
) -> Iterator[Refund]:
    """Yields the refunds of a settlement, each followed by those of it; of one that is reported twice the last report counts."""
    told: dict[str, Reported] = {}
    for one in refunds.get(key, ()):
        told[one.message.settlement_id] = one
    for settlement_id, one in told.items():
        own = (key[0], settlement_id)
        further = () if own in seen else tuple(_given_back(own, refunds, seen | {own}))
        given = medical.MedicalMoney()
        given.CopyFrom(one.message.money)
        _take(given, further, settlement_id)
        yield Refund(one, given)
        yield from further


def _take(money: medical.MedicalMoney, refunds: Iterable[Refund], settlement_id: str) -> None:
    """Takes what refunds of a settlement, or of a refund, give back off its money."""
    for refund in refunds:
        if refund.original == settlement_id:
            for part in PARTS:
                setattr(money, part, getattr(money, part) - getattr(refund.given, part))


def _findings(one: Settlement, tellings: list[Reported], at_us: int) -> Iterator[LedgerFinding]:
    for earlier, later in pairwise(tellings):
        if earlier.message != later.message:
            yield LedgerFinding(DIFFERS, later.position, earlier.position)
    use = one.said
    for back in one.standing:
        if use is None:
            if has_waited(back, at_us):
                yield LedgerFinding(WITHOUT_SETTLEMENT, back.position)
        elif back.occurred_us < use.occurred_us:
            yield LedgerFinding(BEFORE, back.position, use.position)
        if use is not None and _is_another_person(back, use):
            yield LedgerFinding(OTHER_PERSON, back.position, use.position)
    if use is not None and one.standing and any(getattr(one.net, part) < 0 for part in PARTS):
        yield LedgerFinding(BEYOND, one.standing[-1].position, use.position)


def _is_another_person(one: Reported, other: Reported) -> bool:
    """Whether two reports name different persons: by documents of one kind, else by cards of one province."""
    mine, theirs = one.event, other.event
    if mine.holder.key and theirs.holder.key:
        return mine.holder.id_type == theirs.holder.id_type and mine.holder.key != theirs.holder.key
    named = bool(one.card and other.card) and mine.card.kind == theirs.card.kind
    return named and mine.card.issuing_province == theirs.card.issuing_province and one.card != other.card


def chain_of(settlements: Iterable[Settlement]) -> tuple[list[Settlement], medical.MedicalMoney, list[LedgerFinding]]:
    """Returns the settlements of one visit with the sum of what is left of them, and a finding for each that is as good as another."""
    chain, total = list(settlements), medical.MedicalMoney()
    found: list[LedgerFinding] = []
    standing: Settlement | None = None
    for one in chain:
        for part in PARTS:
            setattr(total, part, getattr(total, part) + getattr(one.net, part))
        if one.said is None or one.state == "REVERSED":
            continue
        if standing is not None and standing.said is not None and _is_same_bill(standing, one):
            found.append(LedgerFinding(SETTLED_TWICE, one.said.position, standing.said.position))
        standing = one
    return chain, total, found


def _is_same_bill(one: Settlement, other: Settlement) -> bool:
    """Whether two settlements of a visit have the same money, and neither is given back: a visit may have several bills."""
    assert one.said is not None and other.said is not None, "both were reported"
    return bool(one.said.message.money == other.said.message.money)

"""A case 办件, folded from what both sides reported of it: one state for both, in whatever order the reports arrived.

The state follows from the steps that were reached, not from their arrival: a decision that comes before the acceptance is a decision.
Reports that do not go together stay, the later one counts, and a finding names both. The item's version is that of the submission.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any, NamedTuple

from chuanyu.exchange.v1 import service_items_pb2 as items
from chuanyu.exchange.v1 import usage_government_pb2 as government

from hub.domain.errors import BeforeCatalogue, UnknownItem
from hub.domain.instants import local_day
from hub.domain.joint_services.catalogue import Catalogue
from hub.domain.reference import Reference

ORDER, UNKNOWN_ITEM, SIDE_MISMATCH = "CASE_ORDER", "CASE_UNKNOWN_ITEM", "CASE_SIDE_MISMATCH"
# The step that each kind is; kinds of one step take each other's place.
STEPS = {
    "case_submitted": 1,
    "case_received": 2,
    "case_forwarded": 2,
    "case_supplement_requested": 3,
    "case_supplemented": 3,
    "case_accepted": 4,
    "case_not_accepted": 4,
    "case_transferred": 5,
    "case_decided": 6,
    "case_delivered": 7,
    "case_rated": 8,
}
STATES = {
    "case_submitted": "SUBMITTED",
    "case_received": "RECEIVED",
    "case_forwarded": "RECEIVED",
    "case_supplement_requested": "SUPPLEMENT_REQUESTED",
    "case_supplemented": "SUPPLEMENTED",
    "case_accepted": "ACCEPTED",
    "case_not_accepted": "NOT_ACCEPTED",
    "case_transferred": "TRANSFERRED",
    "case_decided": "DECIDED",
    "case_delivered": "DELIVERED",
    "case_rated": "RATED",
    "case_withdrawn": "WITHDRAWN",
}
WITHDRAWN = "case_withdrawn"
# A case that was not accepted because nobody answered the request for a supplement.
NO_RESPONSE = "CLOSED_NO_RESPONSE"
CLOSED = frozenset({"NOT_ACCEPTED", NO_RESPONSE, "DECIDED", "DELIVERED", "RATED", "WITHDRAWN"})
# Steps that may be reported again and again, among themselves in any order.
_AGAIN = frozenset({2, 3, 5, 8})
# What two reports of one step must agree in.
_RESULTS = ("granted", "stars", "reason_code")
# A rating so low opens a follow-up.
FOLLOW_UP_STARS = 2


class CaseFact(NamedTuple):
    """What one event says of a case: its kind and message, when it happened, where it is recorded, which province and region it is of."""

    kind: str
    message: Any
    occurred_us: int
    position: int
    province: str
    region: str = ""

    @property
    def when(self) -> tuple[int, int]:
        """What facts are ordered by."""
        return self.occurred_us, self.position


class CaseKey(NamedTuple):
    """Names a case: both provinces may have one of the same number."""

    handling_province: str
    case_no: str


class CaseFinding(NamedTuple):
    """What does not go together: the report that it is about, and the other one; 0 if there is none."""

    code: str
    position: int
    against_position: int = 0


class Case(NamedTuple):
    """One case as both sides see it; instants are microseconds since 1970, None for what is not reported."""

    key: CaseKey
    state: str
    item_code: str
    item_id: str
    version: items.ServiceItemVersion | None
    package_no: str
    mode: int
    deciding_province: str
    sides: tuple[str, ...]
    filed_region: str
    agency: str
    region: str
    is_forwarded: bool
    granted: bool | None
    stars: int
    form_waived: bool
    materials_waived: tuple[str, ...]
    facts: tuple[CaseFact, ...]
    findings: tuple[CaseFinding, ...]

    @property
    def is_closed(self) -> bool:
        """Whether nothing more is to be done, but for handing over and rating."""
        return self.state in CLOSED

    @property
    def needs_follow_up(self) -> bool:
        """Whether the applicant was not content."""
        return 0 < self.stars <= FOLLOW_UP_STARS

    @property
    def is_counted(self) -> bool:
        """Whether it is in the base of 两免: closed, and not withdrawn."""
        return self.is_closed and self.state != "WITHDRAWN"

    def first_us(self, kind: str) -> int | None:
        """Returns when something was reported to have happened first."""
        return min((fact.occurred_us for fact in self.facts if fact.kind == kind), default=None)

    def last(self, *kinds: str) -> CaseFact | None:
        """Returns the last fact of some kinds."""
        return max((fact for fact in self.facts if fact.kind in kinds), key=lambda fact: fact.when, default=None)


def key_of(fact: CaseFact) -> CaseKey:
    """Names the case of a fact; who does not name the side that handles it is that side."""
    ref = fact.message.case_ref
    return CaseKey(ref.handling_province or fact.province, ref.case_no)


def fold(facts: Iterable[CaseFact], catalogue: Catalogue | None) -> Case:
    """Returns the case of some facts, all of one key and at least one, in any order; without a catalogue no item is pinned."""
    told = _once(facts)
    begun = next((fact for fact in told if fact.kind == "case_submitted"), told[0])
    ref = begun.message.case_ref
    reached = {fact.kind: fact for fact in told}
    item_id, version, unknown = _pinned(begun, catalogue)
    moved = [fact for fact in told if fact.kind in ("case_forwarded", "case_transferred")]
    decided, rated = reached.get("case_decided"), reached.get("case_rated")
    submitted = begun.message if begun.kind == "case_submitted" else government.CaseSubmitted()
    key = key_of(begun)
    named = ref.deciding_province or key.handling_province
    return Case(
        key=key,
        state=_state(reached),
        item_code=ref.item_code,
        item_id=item_id,
        version=version,
        package_no=ref.package_no,
        mode=submitted.mode,
        deciding_province=_deciding(moved, named),
        sides=tuple(sorted({key.handling_province, named, *(side for fact in moved if (side := _moved_to(fact)))} - {""})),
        filed_region=begun.region if begun.kind == "case_submitted" else "",
        agency=next((fact.message.to_agency for fact in reversed(moved) if fact.message.to_agency), ""),
        region=next((fact.message.to_region for fact in reversed(moved) if fact.kind == "case_transferred"), ""),
        is_forwarded=bool(moved),
        granted=decided.message.granted if decided is not None else None,
        stars=rated.message.stars if rated is not None else 0,
        form_waived=submitted.form_waived,
        materials_waived=tuple(submitted.materials_waived),
        facts=told,
        findings=(*unknown, *_out_of_order(told), *_other_sides(told, begun, key)),
    )


def _once(facts: Iterable[CaseFact]) -> tuple[CaseFact, ...]:
    """Returns the facts in order of time; of those that say the same of the same instant the one recorded first."""
    kept: dict[tuple[str, int, bytes], CaseFact] = {}
    for fact in sorted(facts, key=lambda fact: fact.when):
        kept.setdefault((fact.kind, fact.occurred_us, fact.message.SerializeToString(deterministic=True)), fact)
    return tuple(kept.values())


def _state(reached: dict[str, CaseFact]) -> str:
    steps = [fact for fact in reached.values() if fact.kind in STEPS]
    furthest = max(steps, key=lambda fact: (STEPS[fact.kind], fact.when), default=None)
    withdrawn = reached.get(WITHDRAWN)
    # What was decided is not open any more: of a withdrawal and a decision the later one counts.
    if withdrawn is not None and (furthest is None or STEPS[furthest.kind] < STEPS["case_decided"] or furthest.when < withdrawn.when):
        return STATES[WITHDRAWN]
    if furthest is not None and furthest.kind == "case_not_accepted" and _is_unanswered(reached, furthest):
        return NO_RESPONSE
    # Only pauses of the clock: it was submitted, though nobody has reported that yet.
    return STATES[furthest.kind] if furthest is not None else "SUBMITTED"


def _is_unanswered(reached: dict[str, CaseFact], ended: CaseFact) -> bool:
    """Whether a supplement was requested before the end, and none came after that."""
    asked, answered = reached.get("case_supplement_requested"), reached.get("case_supplemented")
    return asked is not None and asked.when < ended.when and (answered is None or answered.when < asked.when)


def _deciding(moved: list[CaseFact], named: str) -> str:
    return next((side for fact in reversed(moved) if (side := _moved_to(fact))), named)


def _moved_to(fact: CaseFact) -> str:
    """Returns the side that a case was forwarded or transferred to, "" if that is not said."""
    region = fact.message.to_region[:2] if fact.kind == "case_transferred" else ""
    return str(fact.message.to_province or region)


def _pinned(begun: CaseFact, catalogue: Catalogue | None) -> tuple[str, items.ServiceItemVersion | None, tuple[CaseFinding, ...]]:
    """Returns the item and the deciding side's version on the day of the submission, and the finding where the catalogue has none."""
    ref = begun.message.case_ref
    if catalogue is None:
        return "", None, ()
    try:
        item_id = catalogue.item_id(ref.item_code)
        entry = catalogue.on(local_day(begun.occurred_us)).entries[item_id]
    except (UnknownItem, BeforeCatalogue):
        return "", None, (CaseFinding(UNKNOWN_ITEM, begun.position),)
    return item_id, entry.side(ref.deciding_province or key_of(begun).handling_province).version, ()


def _out_of_order(told: tuple[CaseFact, ...]) -> Iterator[CaseFinding]:
    """Yields each fact that comes after one of a later step, or after a withdrawal, and a case that nobody submitted."""
    if all(fact.kind != "case_submitted" for fact in told):
        yield CaseFinding(ORDER, told[0].position)
    furthest: CaseFact | None = None
    for fact in told:
        step = STEPS.get(fact.kind, 0)
        if fact.kind == WITHDRAWN:
            if furthest is not None and STEPS.get(furthest.kind, 0) >= STEPS["case_decided"]:
                yield CaseFinding(ORDER, fact.position, furthest.position)
            furthest = fact
        elif step:
            before = STEPS.get(furthest.kind, len(STEPS)) if furthest is not None else 0
            if before > step or (before == step and step not in _AGAIN and not _is_other_witness(fact, furthest)):
                assert furthest is not None
                yield CaseFinding(ORDER, fact.position, furthest.position)
            else:
                furthest = fact


def _is_other_witness(fact: CaseFact, furthest: CaseFact | None) -> bool:
    """Whether the other side reports what one side has reported already, by its own clock."""
    return (
        furthest is not None
        and furthest.kind == fact.kind
        and furthest.province != fact.province
        and all(getattr(fact.message, name) == getattr(furthest.message, name) for name in _RESULTS if hasattr(fact.message, name))
    )


def _other_sides(told: tuple[CaseFact, ...], begun: CaseFact, key: CaseKey) -> Iterator[CaseFinding]:
    """Yields each fact that names other sides, or another item, than the submission, and a case of which nobody says who handles it."""
    first = begun.message.case_ref
    if not key.handling_province:
        yield CaseFinding(SIDE_MISMATCH, begun.position)
    for fact in told:
        ref = fact.message.case_ref
        said = ((ref.deciding_province, first.deciding_province), (ref.item_code, first.item_code))
        if any(one and other and one != other for one, other in said):
            yield CaseFinding(SIDE_MISMATCH, fact.position, begun.position)


def regions_as_of(reference: Reference, region: str, on: date) -> tuple[str, ...]:
    """Returns what a region is on a day: itself, or those that it was split into or merged with; a case keeps the one it was filed in."""
    codes = (region, *reference.kin.get(region, ()))
    if reference.region(region, on) is not None:
        return (region,)
    return tuple(code for code in codes if reference.region(code, on) is not None)


def closed_us(cases: Iterable[Case]) -> int | None:
    """Returns when a package was closed: with the last of its cases; None while one of them is open."""
    ended = []
    for case in cases:
        if not case.is_closed:
            return None
        last = case.last("case_not_accepted", "case_decided", WITHDRAWN)
        ended.append(last.occurred_us if last is not None else case.facts[-1].occurred_us)
    return max(ended, default=None)

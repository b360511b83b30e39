"""An agreement between the two sides: whose cards, where, for what, by which medium, from when; and whether it covers a use.

An agreement is drafted by an officer of one side, signed by both (a maker and a checker on each, four people), and then active. It
takes effect by instant, not by the moment someone switches it on; so do amendments, suspensions and ends.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import NAMESPACE_URL, UUID, uuid5

from chuanyu.exchange.v1 import agreement_history_pb2 as stored
from chuanyu.exchange.v1 import hub_decisions_pb2 as decisions
from google.protobuf.message import Message

from hub.domain import agreement_history
from hub.domain.aggregate import HubAggregate
from hub.domain.agreement_history import TABLE_OFFICER, evolve
from hub.domain.errors import (
    AgreementExists,
    AgreementHasEnded,
    AgreementNotSigned,
    AgreementNotSuspended,
    AgreementSuspendedAlready,
    NothingToSign,
    OfficerRepeated,
    SideSignedAlready,
    ValidityReversed,
)
from hub.domain.instants import microseconds, microseconds_of

SIDES = ("50", "51")


@dataclass(frozen=True, slots=True)
class Terms:
    """One version of an agreement, as `decide` needs it; an empty set means all. Instants in microseconds since 1970.

    *suspended* are the times, half-open, in which it is suspended; no end is None.
    """

    code: str
    scenarios: frozenset[str]
    issuer_provinces: frozenset[str]
    serving_provinces: frozenset[str]
    serving_regions: tuple[str, ...]
    venues: frozenset[str]
    media: frozenset[int]
    from_us: int
    to_us: int | None
    concession: str = "NONE"
    suspended: tuple[tuple[int, int | None], ...] = ()

    def covers_place(self, region: str, venue: str, kin: tuple[str, ...] = ()) -> bool:
        """Whether region and venue are among the listed ones; *kin* are the codes the region had before a split, or has since."""
        listed = self.serving_regions
        is_there = not listed or region.startswith(listed) or any(code.startswith(listed) for code in kin)
        return is_there and (not self.venues or venue in self.venues)

    def covers_scenario(self, scenario: str) -> bool:
        """Whether the scenario is listed, by itself or by a group such as CUL.LIB.*."""
        return scenario in self.scenarios or any(pattern.endswith(".*") and scenario.startswith(pattern[:-1]) for pattern in self.scenarios)

    def is_in_force(self, at_us: int) -> bool:
        """Whether it is in force at an instant: begun, not ended, not suspended."""
        return self.spans(at_us) and not self.is_suspended(at_us)

    def spans(self, at_us: int) -> bool:
        """Whether an instant lies between its beginning and its end, be it suspended or not."""
        return self.from_us <= at_us and (self.to_us is None or at_us < self.to_us)

    def is_suspended(self, at_us: int) -> bool:
        """Whether an instant lies in a suspension."""
        return bool(self.suspended) and agreement_history.is_suspended(self.suspended, at_us)


class Agreements:
    """All agreements there are, found by scenario and direction without asking each of them."""

    def __init__(self, terms: Iterable[Terms]) -> None:
        """Order is kept: answers name agreements in it."""
        self._all = tuple(terms)
        self._found: dict[tuple[str, str, str], tuple[Terms, ...]] = {}

    def __iter__(self) -> Iterator[Terms]:
        """All terms, in their order."""
        return iter(self._all)

    def about(self, scenario: str, issuer: str, region: str, venue: str, kin: tuple[str, ...] = ()) -> list[Terms]:
        """Returns the agreements that speak of this scenario, direction and place, in force or not; *kin* as in `covers_place`."""
        key = (scenario, issuer, region[:2])
        found = self._found.get(key)
        if found is None:
            found = tuple(
                terms
                for terms in self._all
                if issuer in terms.issuer_provinces and region[:2] in terms.serving_provinces and terms.covers_scenario(scenario)
            )
            # Scenarios and provinces come from our own tables, so the index stays small.
            self._found[key] = found
        return [terms for terms in found if terms.covers_place(region, venue, kin)]


def terms_of(code: str, message: decisions.AgreementTerms) -> Terms:
    """Reads the stored terms of the agreement *code*."""
    return Terms(
        code=code,
        scenarios=frozenset(message.scenarios),
        issuer_provinces=frozenset(message.issuer_provinces),
        serving_provinces=frozenset(message.serving_provinces),
        serving_regions=tuple(message.serving_regions),
        venues=frozenset(message.venues),
        media=frozenset(message.media),
        from_us=microseconds(message.valid_from),
        to_us=microseconds(message.valid_to) if message.HasField("valid_to") else None,
        concession=decisions.ConcessionTerms.Name(message.concession).removeprefix("CONCESSION_TERMS_"),
    )


def terms_in(history: stored.AgreementHistory) -> list[Terms]:
    """Returns the versions that hold at some instant, the first under the agreement's code, later ones under CODE.2 and so on."""
    suspended = agreement_history.pauses(history)
    return [
        replace(terms_of(version_code(history.agreement_code, number), terms), to_us=to_us, suspended=suspended)
        for number, terms, from_us, to_us in agreement_history.versions(history)
        if to_us is None or from_us < to_us
    ]


def version_code(code: str, number: int) -> str:
    """Names one version of an agreement."""
    return code if number == 1 else f"{code}.{number}"


class Agreement(HubAggregate):
    """Drafted, signed by both sides, active; amended the same way, suspended and resumed, ended."""

    def __init__(self, drafted: decisions.AgreementDrafted) -> None:
        """Starts from the draft."""
        self.history = evolve(None, drafted)

    @staticmethod
    def create_id(code: str, valid_from: date) -> UUID:
        """The id follows from code and first day, so that loading the same history twice appends it once."""
        return uuid5(NAMESPACE_URL, f"urn:chuanyu:agreement:{code}:{valid_from.isoformat()}")

    @staticmethod
    def create_drafted_id(code: str) -> UUID:
        """The id of an agreement that operators draft follows from its code, so that one code is drafted once."""
        return uuid5(NAMESPACE_URL, f"urn:chuanyu:agreement:{code}")

    @property
    def code(self) -> str:
        """Short code people use."""
        return self.history.agreement_code

    @property
    def terms(self) -> decisions.AgreementTerms:
        """The terms signed last; before any is signed, those drafted."""
        return self.history.versions[-1].terms if self.history.versions else self.history.proposal.terms

    def status(self, at: datetime) -> str:
        """DRAFT, SIGNED (not begun yet), ACTIVE, SUSPENDED or ENDED at an instant."""
        return agreement_history.status(self.history, microseconds_of(at))

    def missing_sides(self) -> list[str]:
        """Returns the sides whose signature the proposal waits for; none if nothing waits."""
        if not self.history.HasField("proposal"):
            return []
        signed = {signature.side for signature in self.history.proposal.signatures}
        return [side for side in SIDES if side not in signed]

    def redraft(self, drafted: decisions.AgreementDrafted, at: datetime) -> None:
        """Replaces a draft that is not signed by both sides; signatures it had lapse."""
        if self.history.versions:
            raise AgreementExists(agreement=self.code)
        self._require_open(at)
        self.record("agreement_drafted", drafted, at)

    def draft_amendment(self, drafted: decisions.AgreementAmendmentDrafted, at: datetime) -> None:
        """Proposes new terms; the old ones hold until both sides have signed and the new ones begin. An earlier proposal lapses."""
        self._require_signed()
        self._require_open(at, microseconds(drafted.terms.valid_from))
        self.record("agreement_amendment_drafted", drafted, at)

    def sign(self, signed: decisions.AgreementSigned, at: datetime) -> None:
        """Records one side's signature; the second one makes the proposal hold from the instant of its terms."""
        if not self.history.HasField("proposal"):
            raise NothingToSign(agreement=self.code)
        self._require_open(at)
        proposal = self.history.proposal
        if signed.side not in self.missing_sides():
            raise SideSignedAlready(side=signed.side)
        _require_four_people(proposal, signed)
        self.take_signature(signed, at)

    def take_signature(self, signed: decisions.AgreementSigned, at: datetime) -> None:
        """Records a signature that has been checked or is on record; the second one activates or amends."""
        numbered = decisions.AgreementSigned(
            side=signed.side, maker=signed.maker, checker=signed.checker, amendment=self.history.proposal.amendment
        )
        self.record("agreement_signed", numbered, at)
        if self.missing_sides():
            return
        terms = self.history.proposal.terms
        if self.history.versions:
            corrects_record = self.history.proposal.officer == TABLE_OFFICER
            self.record("agreement_amended", decisions.AgreementAmended(terms=terms, corrects_record=corrects_record), at)
        else:
            self.record("agreement_activated", decisions.AgreementActivated(agreement_code=self.code, terms=terms), at)

    def suspend(self, suspended: decisions.AgreementSuspended, at: datetime) -> None:
        """Suspends it from an instant, until it is resumed."""
        self._require_signed()
        from_us = microseconds(suspended.from_at)
        self._require_open(at, from_us)
        if self.history.pauses and not self.history.pauses[-1].HasField("until_at"):
            raise AgreementSuspendedAlready(agreement=self.code)
        last = microseconds(self.history.pauses[-1].until_at) if self.history.pauses else self._begins_us()
        if from_us < last:
            raise ValidityReversed("A suspension begins after the agreement and after the last suspension.", field="from_at")
        self.record("agreement_suspended", suspended, at)

    def resume(self, resumed: decisions.AgreementResumed, at: datetime) -> None:
        """Ends the suspension at an instant."""
        self._require_signed()
        until_us = microseconds(resumed.from_at)
        self._require_open(at, until_us)
        if not self.history.pauses or self.history.pauses[-1].HasField("until_at"):
            raise AgreementNotSuspended(agreement=self.code)
        if until_us <= microseconds(self.history.pauses[-1].from_at):
            raise ValidityReversed("A suspension ends after it began.", field="from_at")
        self.record("agreement_resumed", resumed, at)

    def end(self, ended: decisions.AgreementEnded, at: datetime) -> None:
        """Ends it at an instant; before both sides have signed, withdraws the draft."""
        if self.history.HasField("ended_at"):
            raise AgreementHasEnded(agreement=self.code)
        self._require_open(at)
        if self.history.versions and microseconds(ended.ended_at) <= self._begins_us():
            raise ValidityReversed("An agreement ends after it began.", field="ended_at")
        self.record("agreement_ended", ended, at)

    def apply(self, kind: str, message: Message) -> None:
        """Folds one event."""
        self.history = evolve(self.history, message)

    def _begins_us(self) -> int:
        return min(version.from_us for version in agreement_history.versions(self.history))

    def _require_signed(self) -> None:
        if not self.history.versions:
            raise AgreementNotSigned(agreement=self.code, missing=",".join(self.missing_sides()))

    def _require_open(self, at: datetime, instant_us: int = 0) -> None:
        """Refuses a change made after the agreement has ended, or one that would take effect after its end."""
        ends_at = self.history.ended_at if self.history.HasField("ended_at") else None
        if self.status(at) == "ENDED" or (ends_at is not None and microseconds(ends_at) <= instant_us):
            raise AgreementHasEnded(agreement=self.code)


def _require_four_people(proposal: stored.AgreementProposal, signed: decisions.AgreementSigned) -> None:
    """Refuses an officer who acts twice; who drafted it may be the maker of their own side and nothing else."""
    others = {_person(officer) for signature in proposal.signatures for officer in (signature.maker, signature.checker)}
    maker, checker, drafter = _person(signed.maker), _person(signed.checker), _person(proposal.officer)
    if maker == checker:
        raise OfficerRepeated(field="checker", rule="maker_is_not_checker")
    if maker in others:
        raise OfficerRepeated(field="maker", rule="four_people")
    if checker in others or checker == drafter:
        raise OfficerRepeated(field="checker", rule="four_people")
    if maker == drafter and signed.side != proposal.side:
        raise OfficerRepeated(field="maker", rule="drafter_is_of_own_side")


def _person(officer: str) -> str:
    """A staff number however it is typed."""
    return officer.strip().casefold()

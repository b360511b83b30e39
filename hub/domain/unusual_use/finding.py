"""A finding from its rise to its decision: detected, under review, confirmed or cleared; stale once its evidence was corrected away.

It is one of its rule, its subject and its local day, however often it is found. What was cleared stays cleared for that evidence; evidence
that nobody has decided about opens it again. It changes no answer: nothing that answers reads it.
"""

from datetime import datetime
from typing import Any, NamedTuple, Self
from uuid import NAMESPACE_URL, UUID, uuid5

from chuanyu.exchange.v1 import findings_pb2 as protos
from chuanyu.exchange.v1 import references_pb2 as references

from hub.domain.aggregate import Step, SteppedAggregate
from hub.domain.unusual_use.errors import FindingReasonUnknown, FindingStep
from hub.domain.unusual_use.patterns import Found
from hub.domain.unusual_use.rule_book import Version

DETECTED, UNDER_REVIEW, CONFIRMED, CLEARED, STALE = "DETECTED", "UNDER_REVIEW", "CONFIRMED", "CLEARED", "STALE"
RAISED, CHANGED, REOPENED, WENT_STALE = "finding_raised", "finding_evidence_changed", "finding_reopened", "finding_went_stale"
FINDING_KINDS = frozenset({RAISED, CHANGED, REOPENED, WENT_STALE, "finding_review_begun", "finding_confirmed", "finding_cleared"})
# Why people decide so. A code is never renamed or removed.
CONFIRMED_FOR = ("CARD_LENT", "CARD_STOLEN", "CARD_COPIED", "PAID_TWICE", "AFTER_DEATH", "PROBING", "OTHER")
CLEARED_FOR = ("LAWFUL_USE", "CLOCK_WRONG", "WRONG_DATA", "TRAINING", "FAMILY_MANAGED", "BOTH_ENTITLED", "TEST_CARD", "OTHER")
_STEPS = {
    protos.FINDING_STEP_REVIEW: ("finding_review_begun", UNDER_REVIEW, (DETECTED,), ("",)),
    protos.FINDING_STEP_CONFIRM: ("finding_confirmed", CONFIRMED, (UNDER_REVIEW,), CONFIRMED_FOR),
    protos.FINDING_STEP_CLEAR: ("finding_cleared", CLEARED, (UNDER_REVIEW,), CLEARED_FOR),
}
STATES_AFTER = {kind: state for kind, state, _, _ in _STEPS.values()} | {RAISED: DETECTED, REOPENED: DETECTED, WENT_STALE: STALE}


class Said(NamedTuple):
    """What somebody decides: the step, why, and a remark."""

    step: protos.FindingStep.ValueType
    by: protos.FindingOfficer
    reason_code: str = ""
    note: str = ""


def id_of(rule_code: str, subject: bytes, day: str) -> UUID:
    """The id follows from the rule, the subject and the day."""
    return uuid5(NAMESPACE_URL, f"urn:chuanyu:finding:{rule_code}:{subject.hex()}:{day}")


def code_of(rule_code: str, subject: bytes, day: str) -> str:
    """Returns the code by which people speak of it; no key can be read from it."""
    return f"FD-{day.replace('-', '')}-{id_of(rule_code, subject, day).hex[:8].upper()}"


def match_no(subject: bytes) -> str:
    """Returns the number by which both provinces speak of one person or card, without either's identifiers."""
    return uuid5(NAMESPACE_URL, f"urn:chuanyu:match:{subject.hex()}").hex[:12].upper()


class Finding(SteppedAggregate):
    """Begins when a rule raises it."""

    def __init__(self, raised: protos.FindingRaised) -> None:
        """Starts from the first event."""
        self.raised, self.state, self.reason_code = raised, DETECTED, ""
        self.evidence = raised.evidence
        self.card = raised.card if raised.HasField("card") else None
        # Which positions somebody has decided about: on these alone it stays decided.
        self._decided: frozenset[int] = frozenset()

    @classmethod
    def raise_of(cls, version: Version, subject: bytes, found: Found, card: references.CardRef | None, at: datetime) -> Self:
        """Raises a finding; *card* is what it is about, None for a person or a participant."""
        code = version.rule.code
        raised = protos.FindingRaised(
            finding_code=code_of(code, subject, found.day), rule_code=code, rule_version=version.number, subject_key=subject,
            day=found.day, evidence=evidence_of(found), card=card,
        )  # fmt: skip
        made = cls.begin(RAISED, raised, id_of(code, subject, found.day), at)
        made.steps = (Step(RAISED, at, raised),)
        return made

    @property
    def positions(self) -> frozenset[int]:
        """The positions that it rests on."""
        return frozenset(self.evidence.positions)

    def see(self, found: Found | None, as_of: int, at: datetime) -> None:
        """Takes what its rule finds now of the same subject and day, nothing where that is gone; the same once more records nothing."""
        code = self.raised.finding_code
        if found is None:
            if self.state not in (CLEARED, STALE):
                self.record(WENT_STALE, protos.FindingWentStale(finding_code=code, as_of_position=as_of), at)
            return
        evidence, positions = evidence_of(found), frozenset(found.positions)
        if self.state == STALE or (self.state == CLEARED and positions - self._decided):
            self.record(REOPENED, protos.FindingReopened(finding_code=code, evidence=evidence), at)
        elif evidence != self.evidence and self.state != CLEARED:
            self.record(CHANGED, protos.FindingEvidenceChanged(finding_code=code, evidence=evidence), at)

    def decide(self, said: Said, at: datetime) -> None:
        """Takes what somebody decides; raises FindingStep or FindingReasonUnknown."""
        kind, _, states, reasons = _STEPS[said.step]
        if self.state not in states:
            raise FindingStep(state=self.state)
        if said.reason_code not in reasons:
            raise FindingReasonUnknown(known=" ".join(filter(None, reasons)))
        message = protos.FindingDecision(finding_code=self.raised.finding_code, by=said.by, reason_code=said.reason_code, note=said.note)
        self.record(kind, message, at)

    def apply(self, kind: str, message: Any) -> None:
        """Folds one event after the first."""
        self.state = STATES_AFTER.get(kind, self.state)
        if kind in (CHANGED, REOPENED):
            self.evidence = message.evidence
        if kind in ("finding_confirmed", "finding_cleared"):
            self.reason_code, self._decided = message.reason_code, self.positions
        elif kind in (REOPENED, WENT_STALE):
            self.reason_code = ""


def evidence_of(found: Found) -> protos.FindingEvidence:
    """Returns what is found as evidence."""
    return protos.FindingEvidence(positions=found.positions, measured=max(found.measured, 0), provinces=found.provinces)

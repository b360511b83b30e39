"""All that a rule may look at: the question with its claims, the card's standing, what is on record of its holder, agreements, tables."""

from calendar import isleap
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple

from chuanyu.exchange.v1 import acceptance_pb2 as acceptance

from hub.domain.agreement import Terms
from hub.domain.card_facts import Fact
from hub.domain.instants import day_of, epoch_day, local_day
from hub.domain.records.documents import DOCUMENT_OF
from hub.domain.records.known import NOTHING, Records
from hub.domain.reference import Reference
from hub.domain.standing import Standing

ECARD_MEDIA = frozenset({acceptance.MEDIUM_ECARD_QR, acceptance.MEDIUM_ECARD_SHOW, acceptance.MEDIUM_ECARD_LOGIN})
# 渝快码 and 人才码 carry the e-card's token.
TOKEN_MEDIA = ECARD_MEDIA | {acceptance.MEDIUM_YUKUAI_CODE, acceptance.MEDIUM_TALENT_CODE}
CHIP_MEDIA = frozenset({acceptance.MEDIUM_CONTACT, acceptance.MEDIUM_CONTACTLESS})
METRO = "TRA.MET"
RIDES = ("TRA.BUS", METRO)
ELDER = "TRA.ELD"
BORROWING = "CUL.LIB.BRW"
# What only the issuing province knows: the card's lives and its holder's age. The block is the hub's own, whatever it knows of the card.
OF_THE_CARD = ("standing.", "holder.")
PROVISIONAL_BLOCK = "standing.block_until_us"
# What the hub recorded beside the card's lives.
ON_RECORD = "record."
_NO_CLAIMS = acceptance.AcceptanceClaims()
_NO_REFS = acceptance.SubjectRefs()


class Question(NamedTuple):
    """What a service point asks; *at_us* in microseconds since 1970, *medium* as in the protos."""

    issuing_province: str
    scenario: str
    service_region: str
    medium: int
    at_us: int
    venue_code: str = ""
    claims: acceptance.AcceptanceClaims = _NO_CLAIMS
    refs: acceptance.SubjectRefs = _NO_REFS

    @property
    def is_cross_province(self) -> bool:
        """Whether the card is used outside the province that issued it."""
        return self.issuing_province != self.service_region[:2]

    @property
    def institution(self) -> str:
        """The code of the medical institution, "" where the question is about none or does not say it."""
        return self.refs.institution_code if self.scenario.startswith("MED.") else ""

    @property
    def is_exit(self) -> bool:
        """Whether a gate of the metro asks as the holder leaves."""
        return self.scenario == METRO and self.claims.is_exit

    @property
    def document(self) -> str:
        """The document or code that is shown and has days of its own, "" where the card itself is shown, or none."""
        return DOCUMENT_OF.get(self.medium, "")

    @property
    def names_a_record(self) -> bool:
        """Whether it names itself what is on record: a group's service, an institution, an exit, or a document that is shown."""
        return bool(self.claims.group_service or self.institution or self.is_exit or self.document)

    @property
    def token(self) -> bytes:
        """The key of what an e-card showed, b"" where another medium was shown or the question does not say it."""
        return self.refs.token.key if self.medium in TOKEN_MEDIA else b""


class RuleInput(NamedTuple):
    """All that a rule may look at.

    *about* are the agreements that speak of this scenario, direction and place; *in_force* those of them that hold at the instant. *facts*
    are the card's, *records* what is on record of its holder beside them.
    """

    question: Question
    standing: Standing
    about: list[Terms]
    in_force: list[Terms]
    reference: Reference
    facts: Sequence[Fact] = ()
    records: Records = NOTHING

    def covering(self) -> list[Terms]:
        """Returns the agreements in force that cover the medium."""
        medium = self.question.medium
        return [terms for terms in self.in_force if not terms.media or medium in terms.media]

    def policy(self, parameter: str, place: str) -> str:
        """Returns a policy parameter of a province or region on the question's day, empty where the table is silent."""
        return _policy(self.reference, parameter, place, epoch_day(self.question.at_us))

    def serving_policy(self, parameter: str) -> str:
        """Returns a policy parameter of the place where the card is used: its city's or, where there is none, its province's."""
        return self.policy(parameter, self.question.service_region)

    def issuing_policy(self, parameter: str) -> str:
        """Returns a policy parameter of the province that issued the card."""
        return self.policy(parameter, self.question.issuing_province)

    def age(self) -> int | None:
        """Returns the holder's age in whole years on the local day by the serving city's rule, None if the birth date is unknown."""
        born = self.standing.birth_date
        if not born:
            return None
        return age_on(born, local_day(self.question.at_us), self.serving_policy("leapDayBirthday") if born.endswith("02-29") else "")

    def claimed(self, claim: str) -> bool | None:
        """Returns what the service point says of a claim, None if it says nothing."""
        claims: Any = self.question.claims
        return bool(getattr(claims, claim)) if claims.HasField(claim) else None

    def denies(self, claim: str) -> bool:
        """Whether the service point says that the claim does not hold; what it does not say is not denied."""
        claims: Any = self.question.claims
        return claims.HasField(claim) and not getattr(claims, claim)


def age_on(birth_date: str, day: date, leap_day_birthday: str = "") -> int:
    """Returns the whole years on a day of who was born on *birth_date* (yyyy-MM-dd): a birthday begins at local midnight.

    *leap_day_birthday* (MM-dd) is when a birthday of 29 February is in a common year; empty is 03-01.
    """
    year, month, of_month = (int(part) for part in birth_date.split("-"))
    if leap_day_birthday and (month, of_month) == (2, 29) and not isleap(day.year):
        month, of_month = (int(part) for part in leap_day_birthday.split("-"))
    return day.year - year - ((day.month, day.day) < (month, of_month))


@lru_cache(4_096)
def _policy(reference: Reference, parameter: str, place: str, day: int) -> str:
    policy = reference.policy(parameter, place, day_of(day))
    return policy.value if policy is not None else ""

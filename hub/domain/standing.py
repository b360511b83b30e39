"""What a card may do at an instant: its five lives, the block the hub has placed, and the facts that contradict each other."""

from dataclasses import dataclass, field
from typing import NamedTuple

from hub.domain.card_facts import Fact


class Finding(NamedTuple):
    """Two events that contradict each other, by their positions (*against_position* 0 where no event is known), and how."""

    position: int
    against_position: int
    code: str


class Block(NamedTuple):
    """A provisional block: the position of its request, when it runs out, the request's name, and whether a formal loss was asked for.

    The name is feed#number once the hub has placed the block, and #number before. A *declared* one is that of a quarantined event: only
    what settles the event ends it.
    """

    position: int
    until_us: int
    request: str = ""
    is_formal: bool = False
    is_declared: bool = False

    def is_asked_by(self, request: str) -> bool:
        """Whether a request of this name asked for it."""
        if not self.request or self.request == request:
            return True
        return self.request.startswith("#") and request.endswith(self.request)

    def is_answered_by(self, loss: str) -> bool:
        """Whether the issuer's report of a loss confirms its request: a temporary one does not confirm a formal request."""
        return not self.is_declared and (loss == "FORMALLY_LOST" or not self.is_formal)


@dataclass
class Standing:
    """The five lives of a card at an instant; *social_status* None means that the hub knows no such card."""

    social_status: str | None = None
    social_status_until_us: int | None = None
    bank_account_status: str = "NONE"
    transit_purse_status: str = "ABSENT"
    pin_status: str = "INITIAL"
    ecard_status: str = "NOT_SIGNED"
    generation: str = ""
    card_kind: str = ""
    birth_date: str = ""
    expires_on: str = ""
    issued_on: str = ""
    # Until when a temporary card is good, None for any other.
    temporary_until_us: int | None = None
    insured_region: str = ""
    reissue_pending: bool = False
    replacement_pending: bool = False
    is_superseded: bool = False
    block_until_us: int | None = None
    prior_status: str = "ACTIVE"
    base_status: str = "ACTIVE"
    lost_at_us: int | None = None
    finance_loss_pending: bool = False
    concession_binding: str = "NONE"
    pin_wrong_tries: int = 0
    ecard_authorized_at_us: int = 0
    ecard_until_us: int | None = None
    ecard_relatives: tuple[str, ...] = ()
    # How the bank account is without what restricts it, and what does.
    bank_base: str = "ACTIVE"
    bank_holds: tuple[str, ...] = ()
    bank_loss_until_us: int | None = None
    # Where the holder's death was reported of another of his cards; 0 where it was not.
    death_position: int = field(default=0, compare=False)
    # The position of the fact that each is as it is by; 0 where none was reported.
    social_position: int = field(default=0, compare=False)
    bank_position: int = field(default=0, compare=False)
    transit_position: int = field(default=0, compare=False)
    pin_position: int = field(default=0, compare=False)
    ecard_position: int = field(default=0, compare=False)
    reissue_position: int = field(default=0, compare=False)
    region_position: int = field(default=0, compare=False)
    has_ends: bool = False
    ran_out: bool = False
    blocks: tuple[Block, ...] = field(default=(), compare=False)
    findings: tuple[Finding, ...] = ()

    @property
    def contradictions(self) -> tuple[int, ...]:
        """The positions of the facts that contradict an earlier one, in the order of the facts."""
        return tuple(dict.fromkeys(finding.position for finding in self.findings))


def found(card: Standing, fact: Fact, against_position: int, code: str) -> None:
    """Adds a finding: the fact contradicts the one at *against_position*."""
    card.findings = (*card.findings, Finding(fact.position, against_position, code))

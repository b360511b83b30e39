"""A card: its facts, how they fold into the five lives, its standing at an instant, and the facts that contradict each other.

Facts come late and doubled, so a card keeps them ordered by (occurred_at, position) and the standing is derived. Contradictions
are recorded, never refused: a fact its machine does not allow is a finding, and changes the standing only if that makes the card
less usable. What is kept of an event is in `card_facts`, the machines are tables in `card_machines`, what a province may set is in
`card_policy`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from hub.domain.card_facts import Fact, fact_of, with_fact, without_fact
from hub.domain.card_machines import BACK, BANK, ECARD, MIRRORED, PIN, SAME, SOCIAL, TRANSIT, Life
from hub.domain.card_policy import DAY_US, Policy, PolicyAt, always, policies_of, policy_of, renews_too_early, temporary_until_us
from hub.domain.succession import DIED, FOLLOWED, REPLACED

__all__ = [
    "BEFORE_A_NUMBER",
    "DAY_US",
    "FROM_EITHER_SIDE",
    "STATE_KINDS",
    "Fact",
    "Finding",
    "Policy",
    "PolicyAt",
    "Standing",
    "fact_of",
    "policies_of",
    "policy_of",
    "standing",
    "with_fact",
    "without_fact",
]

HOUR_US = 3_600_000_000


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
    # How the bank account stands apart from what restricts it, and what does.
    bank_base: str = "ACTIVE"
    bank_holds: tuple[str, ...] = ()
    bank_loss_until_us: int | None = None
    # Where the holder's death was told of another of his cards; 0 where it was not.
    death_position: int = field(default=0, compare=False)
    # The position of the fact that each is as it is by; 0 where none told.
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


_BLOCK = frozenset(
    {
        "loss_request_submitted",
        "loss_request_refused",
        "provisional_block_placed",
        "provisional_block_lifted",
        "event_quarantined",
    }
)

# Card kinds the other province may report too [D]; the rest is the issuer's.
FROM_EITHER_SIDE = frozenset(
    {
        "card_applied",
        "card_handed_over",
        "social_function_activated",
        "temporary_loss_reported",
        "reissue_applied",
        "replacement_applied",
        "pin_verification_failed",
        "loss_request_submitted",
    }
)

# An application has no card number yet (L1): these may be about the holder alone, and the issuer is the province of `issuer_region`.
BEFORE_A_NUMBER = frozenset({"card_applied", "application_rejected", "production_batched", "production_returned"})


def standing(facts: Iterable[Fact], at_us: int, policy: PolicyAt | Policy | int = 7) -> Standing:
    """Folds the facts that had occurred at an instant (microseconds since 1970) and lets run out what runs out by then.

    Each fact runs by the policy of its own instant; one policy, or just its days of a temporary loss, stands for every instant.
    """
    policy_at = policy if callable(policy) else always(policy)
    # Every default is an attribute of the class: a card is made without setting them all.
    card: Standing = object.__new__(Standing)
    for fact in facts:
        if fact.occurred_us > at_us:
            break
        if card.has_ends:
            _expire(card, fact.occurred_us)
        _EVOLVE[fact.kind](card, fact, policy_at)
    if card.has_ends:
        _expire(card, at_us)
    if card.ecard_status == "SIGNED":
        card.ecard_status = _mirrored(card, at_us, policy_at)
    return card


def _expire(card: Standing, at_us: int) -> None:
    """Ends a temporary loss, a provisional block and a bank's oral loss whose time is over at *at_us*."""
    if card.social_status == "TEMP_LOST" and card.social_status_until_us is not None and at_us >= card.social_status_until_us:
        _end_temporary_loss(card)
        card.ran_out = True
    if card.block_until_us is not None and at_us >= card.block_until_us:
        card.block_until_us, card.blocks = None, ()
    if card.bank_loss_until_us is not None and at_us >= card.bank_loss_until_us:
        card.bank_loss_until_us = None
        _hold(card, {"ORAL_LOSS"}, "")


def _found(card: Standing, fact: Fact, against_position: int, code: str) -> None:
    card.findings = (*card.findings, Finding(fact.position, against_position, code))


# The social function


def _end_temporary_loss(card: Standing) -> None:
    card.social_status, card.social_status_until_us, card.lost_at_us = card.prior_status, None, None


_SOCIAL_RANK = {"ACTIVE": 0, **{state: rank for rank, state in enumerate(SOCIAL.less_usable, 1)}}
_RESTRICTING = frozenset(SOCIAL.less_usable)
_IN_HAND = frozenset({"ACTIVE", "TEMP_LOST", "FORMALLY_LOST", "APP_LOCKED"})


def _against_social(card: Standing, fact: Fact, sources: frozenset[str], target: str, policy_at: PolicyAt) -> tuple[int, str] | None:
    """Returns which fact this one contradicts and how, None if the machine allows it."""
    status = card.social_status
    if status == "CANCELLED":
        return card.social_position, "ALREADY_SO" if target == "CANCELLED" else "AFTER_CANCELLATION"
    if fact.kind == "loss_released":
        if card.reissue_pending:
            # Once a re-issue has been applied for, a loss can no longer be released (Sichuan's rule, G7).
            return card.reissue_position, "RELEASE_AFTER_REISSUE"
        if status == "FORMALLY_LOST" and not policy_at(fact.occurred_us).formal_loss_releasable:
            return card.social_position, "FORMAL_LOSS_NOT_RELEASABLE"
    if status is None or not sources or status in sources:
        return None
    return card.social_position, "ALREADY_SO" if status == target else SOCIAL.finding


def _evolve_replaced(card: Standing, fact: Fact, policy_at: PolicyAt) -> None:
    """Ends a card as another one of its holder is enabled, if it is in use or began before that one (L6)."""
    if card.social_status in (None, "CANCELLED", "REJECTED") or not policy_at(fact.occurred_us).one_per_province:
        return
    if card.social_status in _IN_HAND or fact.detail["is_earlier"]:
        card.social_status, card.social_status_until_us, card.social_position = "CANCELLED", None, fact.position
        card.is_superseded, card.ran_out = True, False


def _evolve_died(card: Standing, fact: Fact, _: PolicyAt) -> None:
    card.death_position = card.death_position or fact.position


def _evolve_social(card: Standing, fact: Fact, policy_at: PolicyAt) -> None:
    kind = fact.kind
    sources, target, _ = _SOCIAL["production_returned failed" if fact.detail.get("failed") else kind]
    status = card.social_status
    if kind == "temporary_loss_expired" and card.ran_out:
        # The issuer's timer says what the fold found by itself (L8 is idempotent).
        return
    is_plain = status in sources and kind != "loss_released"
    against = None if is_plain else _against_social(card, fact, sources, target, policy_at)
    if against is not None:
        _found(card, fact, *against)
        if status == "CANCELLED" or target not in _RESTRICTING or _SOCIAL_RANK[target] <= _SOCIAL_RANK.get(status or "", -1):
            return
    card.social_position, card.ran_out = fact.position, False
    if kind == "temporary_loss_expired":
        _end_temporary_loss(card)
        return
    if target == "APP_LOCKED" and status == "TEMP_LOST":
        # The loss stays in force; the lock is what it will run out to.
        card.prior_status = target
        return
    # What restricted the card is over: it is as it was before, so that a card never enabled is not enabled by a loss that ends.
    target = card.base_status if target == BACK else target
    if fact.detail:
        _make(card, fact, policy_at)
    card.social_status, card.social_status_until_us = target, None
    if target in ("TEMP_LOST", "FORMALLY_LOST"):
        card.lost_at_us = fact.occurred_us
        if card.blocks and against is None:
            _unblock(card, lambda block: block.is_answered_by(target))
    if target == "TEMP_LOST":
        if (until_us := fact.detail.get("until")) is None:
            until_us = fact.occurred_us + policy_at(fact.occurred_us).temp_loss_days * DAY_US
        card.social_status_until_us = until_us
        card.prior_status, card.has_ends = status or "ACTIVE", True
    elif target not in _RESTRICTING:
        card.base_status, card.lost_at_us, card.reissue_pending = target, None, False
    elif kind == "card_superseded":
        card.is_superseded = True


def _evolve_reissue(card: Standing, fact: Fact, _: PolicyAt) -> None:
    if card.social_status != "FORMALLY_LOST":
        _found(card, fact, card.social_position, "REISSUE_WITHOUT_FORMAL_LOSS")
    card.reissue_pending, card.reissue_position = True, fact.position


def _evolve_replacement(card: Standing, fact: Fact, policy_at: PolicyAt) -> None:
    if card.social_status not in (None, "ACTIVE"):
        _found(card, fact, card.social_position, "REPLACEMENT_OF_CARD_NOT_IN_USE")
    elif fact.detail.get("expiry") and renews_too_early(fact.occurred_us, card.expires_on, card.issued_on, policy_at(fact.occurred_us)):
        _found(card, fact, card.social_position, "RENEWED_TOO_EARLY")
    card.replacement_pending = True


def _evolve_holder_data(card: Standing, fact: Fact, policy_at: PolicyAt) -> None:
    _make(card, fact, policy_at)


def _evolve_region(card: Standing, fact: Fact, policy_at: PolicyAt) -> None:
    before, now = fact.detail["from"], card.insured_region
    # A region that was split or merged is the same place under another code.
    if now and before and before != now and (before, now) not in policy_at(fact.occurred_us).kin:
        _found(card, fact, card.region_position, "MOVED_FROM_ELSEWHERE")
    card.insured_region, card.region_position = fact.detail["to"], fact.position


def _evolve_registration(card: Standing, fact: Fact, policy_at: PolicyAt) -> None:
    _make(card, fact, policy_at)
    status = fact.detail["status"]
    if card.social_status == "CANCELLED" and status != "CANCELLED":
        _found(card, fact, card.social_position, "AFTER_CANCELLATION")
        return
    if fact.detail.get("transit") and card.transit_purse_status == "LOADED":
        # The issuer states what stands: a purse that it enabled is in use, not just on the card.
        card.transit_purse_status = "ACTIVE"
    card.social_status, card.prior_status, card.social_position = status, "ACTIVE", fact.position
    if status == "ACTIVE":
        card.base_status, card.social_status_until_us, card.lost_at_us, card.ran_out = "ACTIVE", None, None, False
        return
    card.base_status = "ACTIVE" if status in _RESTRICTING else status
    card.social_status_until_us, card.ran_out = fact.detail.get("until"), False
    card.has_ends = card.has_ends or card.social_status_until_us is not None
    card.lost_at_us = fact.occurred_us if status in ("TEMP_LOST", "FORMALLY_LOST") else None


def _make(card: Standing, fact: Fact, policy_at: PolicyAt) -> None:
    """Keeps what the card is: generation, kind, dates, and whether it carries a purse or an account, where the fact says so."""
    for name, value in fact.detail.items():
        if name in _MADE:
            setattr(card, name, value)
        elif name == "transit" and card.transit_purse_status == "ABSENT":
            card.transit_purse_status, card.transit_position = "LOADED", fact.position
        elif name == "bank":
            _bank_along(card, fact)
    if card.card_kind == "TEMPORARY" and card.temporary_until_us is None and fact.kind in _ISSUING:
        card.temporary_until_us = temporary_until_us(fact.occurred_us, card.issued_on, policy_at(fact.occurred_us))


_MADE = frozenset({"generation", "card_kind", "expires_on", "issued_on", "birth_date"})
_ISSUING = frozenset({"card_registered", "production_returned", "card_handed_over", "social_function_activated"})


# The provisional block of a loss request [D]


def _evolve_block(card: Standing, fact: Fact, policy_at: PolicyAt) -> None:
    """Each request has a block of its own, until it is answered or has run out: one request's end leaves another's block in place."""
    detail = fact.detail
    if fact.kind in ("loss_request_submitted", "event_quarantined"):
        _evolve_request(card, fact, policy_at)
    elif fact.kind == "provisional_block_placed":
        if card.social_status not in ("FORMALLY_LOST", "CANCELLED"):
            _block(card, Block(detail.get("position", 0), detail["until"], detail.get("request", ""), detail.get("formal", False)))
    elif fact.kind == "loss_request_refused":
        _unblock(card, lambda block: block.is_asked_by(detail.get("request", "")))
    else:
        positions = detail.get("positions")
        _unblock(card, lambda block: not positions or block.position in positions)


def _evolve_request(card: Standing, fact: Fact, policy_at: PolicyAt) -> None:
    """Blocks the card for a request that finds something to do, and for a loss that was declared by an event in quarantine."""
    is_formal, is_declared = fact.detail.get("formal", False), fact.kind == "event_quarantined"
    if not is_declared and card.social_status == "CANCELLED":
        _found(card, fact, card.social_position, "AFTER_CANCELLATION")
    elif not is_declared and (card.social_status == "FORMALLY_LOST" or (card.social_status == "TEMP_LOST" and not is_formal)):
        _found(card, fact, card.social_position, "ALREADY_SO")
    else:
        until_us = fact.occurred_us + policy_at(fact.occurred_us).provisional_block_hours * HOUR_US
        _block(card, Block(fact.position, until_us, fact.detail.get("request", ""), is_formal, is_declared))


def _block(card: Standing, block: Block) -> None:
    before = next((known for known in card.blocks if known.position == block.position), block)
    block = block._replace(is_formal=block.is_formal or before.is_formal)
    card.blocks = (*(known for known in card.blocks if known.position != block.position), block)
    card.block_until_us = max(known.until_us for known in card.blocks)
    card.has_ends = True


def _unblock(card: Standing, is_ended: Callable[[Block], bool]) -> None:
    """Ends those of the blocks; a quarantined event's is no request's to end."""
    card.blocks = tuple(block for block in card.blocks if block.is_declared or not is_ended(block))
    card.block_until_us = max((block.until_us for block in card.blocks), default=None)


# The bank account


_BANK_RANK = {state: rank for rank, state in enumerate(BANK.less_usable, 1)}
_LOSSES = frozenset({"ORAL_LOSS", "FORMAL_LOSS"})
_ENDED = frozenset({"EXPIRED", "CLOSED"})


def _hold(card: Standing, over: Iterable[str], begun: str) -> None:
    """Takes restrictions off the account and puts one on; the strictest of all that stand is its state."""
    holds = {hold for hold in card.bank_holds if hold not in over}
    if begun:
        holds.add(begun)
    card.bank_holds = tuple(sorted(holds, key=_BANK_RANK.__getitem__))
    card.bank_account_status = card.bank_base if card.bank_base in _ENDED or not holds else card.bank_holds[-1]


def _evolve_bank(card: Standing, fact: Fact, _: PolicyAt) -> None:
    sources, target, _row = BANK.steps[fact.kind]
    status = card.bank_account_status
    # What ends is one of the restrictions that stand, even if a stricter one hides it; an account nobody told of may begin anywhere.
    is_so = not sources.isdisjoint(card.bank_holds) and card.bank_base not in _ENDED if target == BACK else status in sources
    if card.bank_position and not is_so:
        _found(card, fact, card.bank_position, "ALREADY_SO" if status == target else BANK.finding)
        if _BANK_RANK.get(target, 0) <= _BANK_RANK.get(status, 0):
            return
    if target == SAME:
        card.finance_loss_pending = not _LOSSES.intersection(card.bank_holds)
        return
    card.bank_position = fact.position
    if target == BACK:
        _hold(card, sources, "")
    elif target not in _BANK_RANK or target in _ENDED:
        card.bank_base = target
        _hold(card, (), "")
    elif target in _LOSSES:
        card.finance_loss_pending, card.bank_loss_until_us = False, fact.detail.get("until")
        card.has_ends = card.has_ends or card.bank_loss_until_us is not None
        _hold(card, _LOSSES, target)
    else:
        _hold(card, (), target)


def _bank_along(card: Standing, fact: Fact) -> None:
    """Opens or activates the account that came with the card or was activated with it (L4, L6)."""
    target = "ACTIVE" if fact.kind == "social_function_activated" else "OPENED_INACTIVE"
    if card.bank_position == 0 or (target == "ACTIVE" and card.bank_base == "OPENED_INACTIVE"):
        card.bank_base, card.bank_position = target, fact.position
        _hold(card, (), "")


# Transit purse, PIN and e-card


def _step(card: Standing, fact: Fact, life: Life, since: str, name: str) -> bool:
    """Moves a life by its table, and tells whether the fact was allowed; a life nobody told of yet may begin anywhere."""
    sources, target, _ = life.steps[name]
    status, position = getattr(card, life.name), getattr(card, since)
    is_allowed = position == 0 or status in sources
    if not is_allowed:
        _found(card, fact, position, "ALREADY_SO" if status == target else life.finding)
        ranks = life.less_usable
        if target not in ranks or (status in ranks and ranks.index(status) >= ranks.index(target)):
            return False
    if target != SAME:
        setattr(card, life.name, target)
        setattr(card, since, fact.position)
    return is_allowed


def _evolve_transit(card: Standing, fact: Fact, _: PolicyAt) -> None:
    if _step(card, fact, TRANSIT, "transit_position", fact.kind) and "binding" in fact.detail:
        # One medium carries the concession: a binding takes the place of the one before.
        card.concession_binding = fact.detail["binding"]


def _evolve_pin(card: Standing, fact: Fact, policy_at: PolicyAt) -> None:
    name = fact.kind
    if name == "pin_verification_failed":
        most = policy_at(fact.occurred_us).social_pin_max_tries
        left = fact.detail.get("left")
        # The reader's word on the tries left also tells of a right PIN in between, of which there is no event.
        tries = card.pin_wrong_tries + 1 if left is None else max(1, most - left)
        if tries >= most:
            name = "pin_verification_failed last"
        if _step(card, fact, PIN, "pin_position", name):
            card.pin_wrong_tries = tries
    elif _step(card, fact, PIN, "pin_position", name) and name != "pin_locked":
        card.pin_wrong_tries = 0


def _evolve_ecard(card: Standing, fact: Fact, _: PolicyAt) -> None:
    kind = fact.kind
    if not _step(card, fact, ECARD, "ecard_position", kind):
        return
    if kind in ("ecard_reauthorized", "ecard_signed"):
        card.ecard_authorized_at_us = fact.occurred_us
    if kind == "ecard_signed":
        card.ecard_until_us = fact.detail.get("until")
    elif kind == "ecard_family_linked":
        card.ecard_relatives = tuple(sorted({*card.ecard_relatives, fact.detail["relative"]}))
    elif kind == "ecard_family_unlinked":
        card.ecard_relatives = tuple(known for known in card.ecard_relatives if known != fact.detail["relative"])


def _evolve_followed(card: Standing, fact: Fact, policy_at: PolicyAt) -> None:
    """Takes over the predecessor's e-card, unless one was signed for this card; one that the cancellation ended is usable again."""
    if card.ecard_position:
        return
    findings = card.findings
    for told in fact.detail["facts"]:
        _evolve_ecard(card, Fact(*told), policy_at)
    card.findings = findings
    if card.ecard_status == "UNAVAILABLE":
        card.ecard_status = "SIGNED"


def _mirrored(card: Standing, at_us: int, policy_at: PolicyAt) -> str:
    """Returns what a signed e-card can do by its plastic card [S14][S15]: it mirrors it, but not naively."""
    status = card.social_status
    if card.ecard_until_us is not None and at_us >= card.ecard_until_us:
        return "UNAVAILABLE"
    if status is None or (status == "CANCELLED" and card.is_superseded):
        # A successor is enabled: the e-card goes on with it, without a new application.
        return "SIGNED"
    if status != "TEMP_LOST":
        return MIRRORED[status]
    lost_at_us = card.lost_at_us or 0
    if policy_at(lost_at_us or at_us).ecard_while_temp_lost != "REAUTHORISE":
        return "UNAVAILABLE"
    return "SIGNED" if card.ecard_authorized_at_us > lost_at_us else MIRRORED[status]


_SOCIAL = {kind: step for kind, step in SOCIAL.steps.items() if step.target != SAME}
_EVOLVE: dict[str, Callable[[Standing, Fact, PolicyAt], None]] = {
    **{kind: _evolve_social for kind in _SOCIAL if " " not in kind},
    **dict.fromkeys(BANK.steps, _evolve_bank),
    **dict.fromkeys(TRANSIT.steps, _evolve_transit),
    **{kind: _evolve_pin for kind in PIN.steps if " " not in kind},
    **dict.fromkeys(ECARD.steps, _evolve_ecard),
    **dict.fromkeys(_BLOCK, _evolve_block),
    "card_registered": _evolve_registration,
    "reissue_applied": _evolve_reissue,
    "replacement_applied": _evolve_replacement,
    "holder_data_corrected": _evolve_holder_data,
    "insured_region_moved": _evolve_region,
    REPLACED: _evolve_replaced,
    FOLLOWED: _evolve_followed,
    DIED: _evolve_died,
}
STATE_KINDS = frozenset(_EVOLVE) - {REPLACED, FOLLOWED, DIED}

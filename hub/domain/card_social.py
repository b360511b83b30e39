"""The social function of a card: how facts move it, and what else they say of the card (L1 to L12)."""

from hub.domain.card_bank import open_along
from hub.domain.card_blocks import end_blocks
from hub.domain.card_facts import Fact
from hub.domain.card_machines import BACK, SAME, SOCIAL
from hub.domain.card_policy import PolicyAt, renews_too_early, temporary_until_us
from hub.domain.instants import DAY_US
from hub.domain.standing import Standing, found

_SOCIAL_RANK = {"ACTIVE": 0, **{state: rank for rank, state in enumerate(SOCIAL.less_usable, 1)}}
_RESTRICTING = frozenset(SOCIAL.less_usable)
_IN_HAND = frozenset({"ACTIVE", "TEMP_LOST", "FORMALLY_LOST", "APP_LOCKED"})
SOCIAL_STEPS = {kind: step for kind, step in SOCIAL.steps.items() if step.target != SAME}
_MADE = frozenset({"generation", "card_kind", "expires_on", "issued_on", "birth_date"})
_ISSUING = frozenset({"card_registered", "production_returned", "card_handed_over", "social_function_activated"})


def evolve_social(card: Standing, fact: Fact, policy_at: PolicyAt) -> None:
    """Moves the social function by its table; what the table does not allow is a finding."""
    kind = fact.kind
    sources, target, _ = SOCIAL_STEPS["production_returned failed" if fact.detail.get("failed") else kind]
    status = card.social_status
    if kind == "temporary_loss_expired" and card.ran_out:
        # The issuer's timer says what the fold found by itself (L8 is idempotent).
        return
    is_plain = status in sources and kind != "loss_released"
    against = None if is_plain else _against_social(card, fact, sources, target, policy_at)
    if against is not None:
        found(card, fact, *against)
        if status == "CANCELLED" or target not in _RESTRICTING or _SOCIAL_RANK[target] <= _SOCIAL_RANK.get(status or "", -1):
            return
    card.social_position, card.ran_out = fact.position, False
    if kind == "temporary_loss_expired":
        end_temporary_loss(card)
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
            end_blocks(card, lambda block: block.is_answered_by(target))
    if target == "TEMP_LOST":
        if (until_us := fact.detail.get("until")) is None:
            until_us = fact.occurred_us + policy_at(fact.occurred_us).temp_loss_days * DAY_US
        card.social_status_until_us = until_us
        card.prior_status, card.has_ends = status or "ACTIVE", True
    elif target not in _RESTRICTING:
        card.base_status, card.lost_at_us, card.reissue_pending = target, None, False
    elif kind == "card_superseded":
        card.is_superseded = True


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


def end_temporary_loss(card: Standing) -> None:
    """Ends a temporary loss: the card is as it was before."""
    card.social_status, card.social_status_until_us, card.lost_at_us = card.prior_status, None, None


def evolve_replaced(card: Standing, fact: Fact, policy_at: PolicyAt) -> None:
    """Ends a card as another one of its holder is enabled, if it is in use or began before that one (L6)."""
    if card.social_status in (None, "CANCELLED", "REJECTED") or not policy_at(fact.occurred_us).one_per_province:
        return
    if card.social_status in _IN_HAND or fact.detail["is_earlier"]:
        card.social_status, card.social_status_until_us, card.social_position = "CANCELLED", None, fact.position
        card.is_superseded, card.ran_out = True, False


def evolve_died(card: Standing, fact: Fact, _: PolicyAt) -> None:
    """Notes where the holder's death was reported of another of his cards."""
    card.death_position = card.death_position or fact.position


def evolve_reissue(card: Standing, fact: Fact, _: PolicyAt) -> None:
    """Notes that a new card was applied for in place of a lost one."""
    if card.social_status != "FORMALLY_LOST":
        found(card, fact, card.social_position, "REISSUE_WITHOUT_FORMAL_LOSS")
    card.reissue_pending, card.reissue_position = True, fact.position


def evolve_replacement(card: Standing, fact: Fact, policy_at: PolicyAt) -> None:
    """Notes that a new card was applied for in place of a damaged or expiring one."""
    if card.social_status not in (None, "ACTIVE"):
        found(card, fact, card.social_position, "REPLACEMENT_OF_CARD_NOT_IN_USE")
    elif fact.detail.get("expiry") and renews_too_early(fact.occurred_us, card.expires_on, card.issued_on, policy_at(fact.occurred_us)):
        found(card, fact, card.social_position, "RENEWED_TOO_EARLY")
    card.replacement_pending = True


def evolve_holder_data(card: Standing, fact: Fact, policy_at: PolicyAt) -> None:
    """Takes over what a correction says of the card."""
    _make(card, fact, policy_at)


def evolve_region(card: Standing, fact: Fact, policy_at: PolicyAt) -> None:
    """Moves the card to another insured region."""
    before, now = fact.detail["from"], card.insured_region
    # A region that was split or merged is the same place under another code.
    if now and before and before != now and (before, now) not in policy_at(fact.occurred_us).kin:
        found(card, fact, card.region_position, "MOVED_FROM_ELSEWHERE")
    card.insured_region, card.region_position = fact.detail["to"], fact.position


def evolve_registration(card: Standing, fact: Fact, policy_at: PolicyAt) -> None:
    """Takes the issuer's statement of the standing."""
    _make(card, fact, policy_at)
    status = fact.detail["status"]
    if card.social_status == "CANCELLED" and status != "CANCELLED":
        found(card, fact, card.social_position, "AFTER_CANCELLATION")
        return
    if fact.detail.get("transit") and card.transit_purse_status == "LOADED":
        # The issuer states what is so: a purse that it enabled is in use, not just on the card.
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
            open_along(card, fact)
    if card.card_kind == "TEMPORARY" and card.temporary_until_us is None and fact.kind in _ISSUING:
        card.temporary_until_us = temporary_until_us(fact.occurred_us, card.issued_on, policy_at(fact.occurred_us))

"""A card: its facts, how they fold into the five lives, its standing at an instant, and the facts that contradict each other.

Facts come late and doubled, so a card keeps them ordered by (occurred_at, position) and the standing is derived. Contradictions
are recorded, never refused: a fact its machine does not allow is a finding, and changes the standing only if that makes the card
less usable. What is kept of an event is in `card_facts`, the machines are tables in `card_machines`, what a province may set is in
`card_policy`.
"""

from collections.abc import Callable, Iterable

from hub.domain.card_bank import evolve_bank, restrict
from hub.domain.card_blocks import BLOCK_KINDS, evolve_block
from hub.domain.card_facts import Fact, fact_of, with_fact, without_fact
from hub.domain.card_functions import evolve_ecard, evolve_followed, evolve_pin, evolve_transit, mirrored
from hub.domain.card_machines import BANK, ECARD, PIN, TRANSIT
from hub.domain.card_policy import Policy, PolicyAt, always, policies_of, policy_of
from hub.domain.card_social import (
    SOCIAL_STEPS,
    end_temporary_loss,
    evolve_died,
    evolve_holder_data,
    evolve_region,
    evolve_registration,
    evolve_reissue,
    evolve_replaced,
    evolve_replacement,
    evolve_social,
)
from hub.domain.standing import Finding, Standing
from hub.domain.succession import DIED, FOLLOWED, REPLACED

__all__ = [
    "BEFORE_A_NUMBER",
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


_EVOLVE: dict[str, Callable[[Standing, Fact, PolicyAt], None]] = {
    **{kind: evolve_social for kind in SOCIAL_STEPS if " " not in kind},
    **dict.fromkeys(BANK.steps, evolve_bank),
    **dict.fromkeys(TRANSIT.steps, evolve_transit),
    **{kind: evolve_pin for kind in PIN.steps if " " not in kind},
    **dict.fromkeys(ECARD.steps, evolve_ecard),
    **dict.fromkeys(BLOCK_KINDS, evolve_block),
    "card_registered": evolve_registration,
    "reissue_applied": evolve_reissue,
    "replacement_applied": evolve_replacement,
    "holder_data_corrected": evolve_holder_data,
    "insured_region_moved": evolve_region,
    REPLACED: evolve_replaced,
    FOLLOWED: evolve_followed,
    DIED: evolve_died,
}
STATE_KINDS = frozenset(_EVOLVE) - {REPLACED, FOLLOWED, DIED}


def standing(facts: Iterable[Fact], at_us: int, policy: PolicyAt | Policy | int = 7) -> Standing:
    """Folds the facts that had occurred at an instant (microseconds since 1970) and lets run out what runs out by then.

    Each fact runs by the policy of its own instant; one policy, or just its days of a temporary loss, is taken for every instant.
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
        card.ecard_status = mirrored(card, at_us, policy_at)
    return card


def _expire(card: Standing, at_us: int) -> None:
    """Ends a temporary loss, a provisional block and a bank's oral loss whose time is over at *at_us*."""
    if card.social_status == "TEMP_LOST" and card.social_status_until_us is not None and at_us >= card.social_status_until_us:
        end_temporary_loss(card)
        card.ran_out = True
    if card.block_until_us is not None and at_us >= card.block_until_us:
        card.block_until_us, card.blocks = None, ()
    if card.bank_loss_until_us is not None and at_us >= card.bank_loss_until_us:
        card.bank_loss_until_us = None
        restrict(card, {"ORAL_LOSS"}, "")

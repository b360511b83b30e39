"""The provisional blocks of a card: each loss request has one of its own, until it is answered or has run out [D]."""

from collections.abc import Callable

from hub.domain.card_facts import Fact
from hub.domain.card_policy import PolicyAt
from hub.domain.instants import HOUR_US
from hub.domain.standing import Block, Standing, found

BLOCK_KINDS = frozenset(
    {
        "loss_request_submitted",
        "loss_request_refused",
        "provisional_block_placed",
        "provisional_block_lifted",
        "event_quarantined",
    }
)


def evolve_block(card: Standing, fact: Fact, policy_at: PolicyAt) -> None:
    """Each request has a block of its own, until it is answered or has run out: one request's end leaves another's block in place."""
    detail = fact.detail
    if fact.kind in ("loss_request_submitted", "event_quarantined"):
        _evolve_request(card, fact, policy_at)
    elif fact.kind == "provisional_block_placed":
        if card.social_status not in ("FORMALLY_LOST", "CANCELLED"):
            _block(card, Block(detail.get("position", 0), detail["until"], detail.get("request", ""), detail.get("formal", False)))
    elif fact.kind == "loss_request_refused":
        end_blocks(card, lambda block: block.is_asked_by(detail.get("request", "")))
    else:
        positions = detail.get("positions")
        end_blocks(card, lambda block: not positions or block.position in positions)


def _evolve_request(card: Standing, fact: Fact, policy_at: PolicyAt) -> None:
    """Blocks the card for a request that finds something to do, and for a loss that was declared by an event in quarantine."""
    is_formal, is_declared = fact.detail.get("formal", False), fact.kind == "event_quarantined"
    if not is_declared and card.social_status == "CANCELLED":
        found(card, fact, card.social_position, "AFTER_CANCELLATION")
    elif not is_declared and (card.social_status == "FORMALLY_LOST" or (card.social_status == "TEMP_LOST" and not is_formal)):
        found(card, fact, card.social_position, "ALREADY_SO")
    else:
        until_us = fact.occurred_us + policy_at(fact.occurred_us).provisional_block_hours * HOUR_US
        _block(card, Block(fact.position, until_us, fact.detail.get("request", ""), is_formal, is_declared))


def _block(card: Standing, block: Block) -> None:
    before = next((known for known in card.blocks if known.position == block.position), block)
    block = block._replace(is_formal=block.is_formal or before.is_formal)
    card.blocks = (*(known for known in card.blocks if known.position != block.position), block)
    card.block_until_us = max(known.until_us for known in card.blocks)
    card.has_ends = True


def end_blocks(card: Standing, is_ended: Callable[[Block], bool]) -> None:
    """Ends those of the blocks; a quarantined event's is no request's to end."""
    card.blocks = tuple(block for block in card.blocks if block.is_declared or not is_ended(block))
    card.block_until_us = max((block.until_us for block in card.blocks), default=None)

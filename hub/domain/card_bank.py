"""The bank account of a card: what restricts it, and the strictest restriction as its state."""

from collections.abc import Iterable

from hub.domain.card_facts import Fact
from hub.domain.card_machines import BACK, BANK, SAME
from hub.domain.card_policy import PolicyAt
from hub.domain.standing import Standing, found

_BANK_RANK = {state: rank for rank, state in enumerate(BANK.less_usable, 1)}
_LOSSES = frozenset({"ORAL_LOSS", "FORMAL_LOSS"})
_ENDED = frozenset({"EXPIRED", "CLOSED"})


def evolve_bank(card: Standing, fact: Fact, _: PolicyAt) -> None:
    """Moves the bank account by its table: a restriction begins, ends, or gives way to a stricter one."""
    sources, target, _row = BANK.steps[fact.kind]
    status = card.bank_account_status
    # What ends is one of the restrictions in force, even if a stricter one hides it; an account that was not reported may begin anywhere.
    is_so = not sources.isdisjoint(card.bank_holds) and card.bank_base not in _ENDED if target == BACK else status in sources
    if card.bank_position and not is_so:
        found(card, fact, card.bank_position, "ALREADY_SO" if status == target else BANK.finding)
        if _BANK_RANK.get(target, 0) <= _BANK_RANK.get(status, 0):
            return
    if target == SAME:
        card.finance_loss_pending = not _LOSSES.intersection(card.bank_holds)
        return
    card.bank_position = fact.position
    if target == BACK:
        restrict(card, sources, "")
    elif target not in _BANK_RANK or target in _ENDED:
        card.bank_base = target
        restrict(card, (), "")
    elif target in _LOSSES:
        card.finance_loss_pending, card.bank_loss_until_us = False, fact.detail.get("until")
        card.has_ends = card.has_ends or card.bank_loss_until_us is not None
        restrict(card, _LOSSES, target)
    else:
        restrict(card, (), target)


def open_along(card: Standing, fact: Fact) -> None:
    """Opens or activates the account that came with the card or was activated with it (L4, L6)."""
    target = "ACTIVE" if fact.kind == "social_function_activated" else "OPENED_INACTIVE"
    if card.bank_position == 0 or (target == "ACTIVE" and card.bank_base == "OPENED_INACTIVE"):
        card.bank_base, card.bank_position = target, fact.position
        restrict(card, (), "")


def restrict(card: Standing, over: Iterable[str], begun: str) -> None:
    """Takes restrictions off the account and puts one on; the strictest of all in force is its state."""
    holds = {hold for hold in card.bank_holds if hold not in over}
    if begun:
        holds.add(begun)
    card.bank_holds = tuple(sorted(holds, key=_BANK_RANK.__getitem__))
    card.bank_account_status = card.bank_base if card.bank_base in _ENDED or not holds else card.bank_holds[-1]

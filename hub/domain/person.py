"""The cards of one person: at most one current card of each province, temporary ones apart, and which card took whose place.

One person may lawfully hold two live cards, one of each province [S12]. Within a province a second current card
is a finding, where its policy says one a person. A card that is being replaced stays current until its successor is enabled (G8).
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from hub.domain.card import Fact, Finding, PolicyAt, standing

_EVER_US = 2**62
# A card of which only the holder is reported may be in use; one that is not handed over or not enabled yet is not.
_IN_HAND = frozenset({"ACTIVE", "TEMP_LOST", "FORMALLY_LOST", "APP_LOCKED"})
_CURRENT = _IN_HAND | {None}
PLACE_KINDS = frozenset(
    {
        "card_registered",
        "card_applied",
        "application_rejected",
        "production_batched",
        "production_returned",
        "card_returned",
        "card_handed_over",
        "social_function_activated",
        "reissue_applied",
        "replacement_applied",
        "card_superseded",
        "card_cancelled",
    }
)


class HeldCard(NamedTuple):
    """A card of a person: since when (the first fact), its status by what was reported with the holder, and the card that took its place.

    *keeps_bank_account* says that its successor has its bank account (同号换卡).
    """

    card: str
    issuing_province: str
    since_us: int
    since_position: int
    status: str | None
    is_temporary: bool
    is_current: bool
    superseded_by: str
    supersedes: str
    keeps_bank_account: bool


class Cards(NamedTuple):
    """All cards of a person in the order they began, and what breaks "one card a person and province"."""

    held: tuple[HeldCard, ...]
    findings: tuple[Finding, ...]


def cards_of(told: Mapping[tuple[str, str], list[Fact]], policies: Callable[[str], PolicyAt]) -> Cards:
    """Folds what was reported of each (issuing province, card): the facts of PLACE_KINDS, in their order."""
    held = sorted((_held(province, card, facts) for (province, card), facts in told.items()), key=_began)
    return Cards(tuple(held), tuple(sorted([*_second_cards(held, policies), *_applied_beside(told, policies)])))


def _began(card: HeldCard) -> tuple[int, int, str]:
    return card.since_us, card.since_position, card.card


def _held(province: str, card: str, facts: list[Fact]) -> HeldCard:
    stands = standing(facts, _EVER_US)
    successors = [fact.detail["successor"] for fact in facts if fact.detail.get("successor")]
    predecessors = [fact.detail["predecessor"] for fact in facts if fact.detail.get("predecessor")]
    return HeldCard(
        card=card,
        issuing_province=province,
        since_us=facts[0].occurred_us,
        since_position=facts[0].position,
        status=stands.social_status,
        is_temporary=stands.card_kind == "TEMPORARY",
        is_current=stands.social_status in _CURRENT,
        superseded_by=successors[-1] if successors else "",
        supersedes=predecessors[-1] if predecessors else "",
        keeps_bank_account=any(fact.detail.get("same_account") for fact in facts),
    )


def _second_cards(held: Iterable[HeldCard], policies: Callable[[str], PolicyAt]) -> Iterable[Finding]:
    first: dict[str, HeldCard] = {}
    for card in held:
        if not card.is_current or card.is_temporary:
            continue
        earlier = first.setdefault(card.issuing_province, card)
        if earlier is not card and policies(card.issuing_province)(card.since_us).one_per_province:
            yield Finding(card.since_position, earlier.since_position, "SECOND_CURRENT_CARD")


def _applied_beside(told: Mapping[tuple[str, str], list[Fact]], policies: Callable[[str], PolicyAt]) -> Iterable[Finding]:
    """Yields applications made while a current card of the province was neither lost nor to be replaced (L1)."""
    for (province, card), facts in told.items():
        for fact in facts:
            if fact.kind != "card_applied" or fact.detail.get("card_kind") == "TEMPORARY":
                continue
            if not policies(province)(fact.occurred_us).one_per_province:
                continue
            for (issuer, other), known in told.items():
                stands = standing(known, fact.occurred_us)
                is_due = stands.reissue_pending or stands.replacement_pending or stands.card_kind == "TEMPORARY"
                if issuer == province and other != card and stands.social_status in _IN_HAND and not is_due:
                    yield Finding(fact.position, stands.social_position, "APPLIED_BESIDE_CURRENT_CARD")

"""What happens to cards besides being used: which step is next for a card, and its standing afterwards.

The steps are those of the standard's state machine, as far as the issuer's native interface can say them. A card in
trouble is seen to before long, so losses end in a release or a new card.
"""

from collections import deque
from datetime import date
from random import Random
from typing import Final

from adapters.simulator.world import Card, Status, World, sign_no

# Steps and their weights by the present state: a status, or what is pending.
_STEPS: Final[dict[str, dict[str, tuple[tuple[str, float], ...]]]] = {
    "51": {
        Status.ACTIVE: (
            ("temporary_loss", 30), ("loss_elsewhere", 14), ("formal_loss", 10), ("replacement", 14), ("ecard", 32),
            ("document", 8),
        ),
        Status.TEMP_LOST: (("release", 55), ("formal_loss", 30), ("ecard_reauthorized", 15)),
        Status.FORMALLY_LOST: (("release", 25), ("reissue", 75)),
        Status.SEALED: (("activation", 1),),
    },
    "50": {
        Status.ACTIVE: (
            ("temporary_loss", 34), ("loss_elsewhere", 22), ("formal_loss", 12), ("replacement", 18), ("lock", 12),
            ("cancellation", 2), ("document", 10),
        ),
        Status.TEMP_LOST: (("release", 65), ("formal_loss", 35)),
        Status.FORMALLY_LOST: (("release", 25), ("reissue", 75)),
        Status.LOCKED: (("unlock", 1),),
        Status.SEALED: (("activation", 1),),
    },
}  # fmt: skip
_BECOMES: Final = {
    "temporary_loss": Status.TEMP_LOST,
    # The request by itself changes nothing; the issuer's confirmation comes with it.
    "loss_elsewhere": Status.TEMP_LOST,
    "formal_loss": Status.FORMALLY_LOST,
    "release": Status.ACTIVE,
    "lock": Status.LOCKED,
    "unlock": Status.ACTIVE,
    "activation": Status.ACTIVE,
    "cancellation": Status.CANCELLED,
}
_ECARD: Final = {"": "signed", "signed": "suspended", "suspended": "resumed", "resumed": "suspended"}
_DOCUMENTS: Final = {"51": ("残疾人证", "外国人工作许可证"), "50": ("残疾人证", "外国人工作许可证", "渝快码", "人才码")}
FOLLOW_UP: Final = 0.55
NEWCOMERS: Final = 0.08
GROWTH: Final = 1.1
MOST_IN_TROUBLE: Final = 0.1


class Lives:
    """Chooses cards and steps; `troubled` are cards of a side that wait for what comes next, oldest first."""

    def __init__(self, world: World, rng: Random) -> None:
        """Begins with the cards that are in trouble already."""
        self._world, self._rng = world, rng
        # Years of traffic must neither fill the world nor leave its cards unusable.
        self._most_cards = int(GROWTH * max(len(cards) + len(world.coming[side]) for side, cards in world.cards.items()))
        self._troubled = {side: deque(card for card in cards if card.status is not Status.ACTIVE) for side, cards in world.cards.items()}

    def arrive(self, card: Card) -> None:
        """Takes a card among those that something happens to."""
        self._world.arrive(card)
        if card.status is not Status.ACTIVE:
            self._troubled[card.province].append(card)

    def next_step(self, today: date) -> tuple[Card, str, Card | None]:
        """Returns the card, the step and, where a step concerns two cards, the one that is replaced.

        When this returns, the cards are as after the step.
        """
        rng = self._rng
        side = "51" if rng.random() < 0.5 else "50"
        troubled = self._troubled[side]
        if rng.random() < NEWCOMERS and len(self._world.cards[side]) < self._most_cards:
            card = self._world.newcomer(side, today)
            troubled.append(card)
            return card, "application", None
        is_crowded = len(troubled) > MOST_IN_TROUBLE * self._most_cards
        card = ((is_crowded or rng.random() < FOLLOW_UP) and _next_of(troubled)) or self._world.any_card(side)
        if card.pending:
            successor = self._world.successor(card, today)
            return successor, "succession", card
        step = _draw(rng, _STEPS[side][card.status])
        return card, self._take(card, step, troubled), None

    def _take(self, card: Card, step: str, troubled: deque[Card]) -> str:
        """Changes *card* as *step* says and returns the step, an e-card's action named."""
        if step == "ecard":
            card.ecard = _ECARD[card.ecard]
            card.sign_no = card.sign_no or sign_no(card.province, int(card.card_no[1:]))
            return f"ecard_{card.ecard}"
        if step == "document":
            return self._take_document(card)
        if step in ("reissue", "replacement"):
            card.pending = step
        card.status = _BECOMES.get(step, card.status)
        if card.pending or card.status not in (Status.ACTIVE, Status.CANCELLED):
            troubled.append(card)
        if card.status is Status.CANCELLED:
            self._world.remove(card)
        return step

    def _take_document(self, card: Card) -> str:
        """Has the card carry a document, or no longer, and returns the step."""
        if card.has_document:
            card.has_document = False
            return "document_withdrawn"
        card.document, card.has_document = self._rng.choice(_DOCUMENTS[card.province]), True
        return "document_folded_in"


def _next_of(troubled: deque[Card]) -> Card | None:
    """Returns the card that has waited longest; one may be twice in the row and be gone by its second turn."""
    while troubled:
        if (card := troubled.popleft()).status is not Status.CANCELLED:
            return card
    return None


def _draw(rng: Random, steps: tuple[tuple[str, float], ...]) -> str:
    names, weights = zip(*steps, strict=True)
    return str(rng.choices(names, weights)[0])

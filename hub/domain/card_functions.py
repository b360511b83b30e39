"""The transit purse, the PIN and the e-card: three lives that move by their tables, each with a little of its own."""

from hub.domain.card_facts import Fact
from hub.domain.card_machines import ECARD, MIRRORED, PIN, SAME, TRANSIT, Life
from hub.domain.card_policy import PolicyAt
from hub.domain.standing import Standing, found


def evolve_transit(card: Standing, fact: Fact, _: PolicyAt) -> None:
    """Moves the transit purse by its table, and its concession with it."""
    if _step(card, fact, TRANSIT, "transit_position", fact.kind) and "binding" in fact.detail:
        # One medium carries the concession: a binding takes the place of the one before.
        card.concession_binding = fact.detail["binding"]


def evolve_pin(card: Standing, fact: Fact, policy_at: PolicyAt) -> None:
    """Moves the PIN by its table: the last wrong try locks it."""
    name = fact.kind
    if name == "pin_verification_failed":
        most = policy_at(fact.occurred_us).social_pin_max_tries
        left = fact.detail.get("left")
        # The reader's count of the tries left also shows a right PIN in between, of which there is no event.
        tries = card.pin_wrong_tries + 1 if left is None else max(1, most - left)
        if tries >= most:
            name = "pin_verification_failed last"
        if _step(card, fact, PIN, "pin_position", name):
            card.pin_wrong_tries = tries
    elif _step(card, fact, PIN, "pin_position", name) and name != "pin_locked":
        card.pin_wrong_tries = 0


def evolve_ecard(card: Standing, fact: Fact, _: PolicyAt) -> None:
    """Moves the e-card by its table, with its term and the relatives it is linked to."""
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


def evolve_followed(card: Standing, fact: Fact, policy_at: PolicyAt) -> None:
    """Takes over the predecessor's e-card, unless one was signed for this card; one that the cancellation ended is usable again."""
    if card.ecard_position:
        return
    findings = card.findings
    for told in fact.detail["facts"]:
        evolve_ecard(card, Fact(*told), policy_at)
    card.findings = findings
    if card.ecard_status == "UNAVAILABLE":
        card.ecard_status = "SIGNED"


def mirrored(card: Standing, at_us: int, policy_at: PolicyAt) -> str:
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


def _step(card: Standing, fact: Fact, life: Life, since: str, name: str) -> bool:
    """Moves a life by its table, and returns whether the fact was allowed; a life that was not reported yet may begin anywhere."""
    sources, target, _ = life.steps[name]
    status, position = getattr(card, life.name), getattr(card, since)
    is_allowed = position == 0 or status in sources
    if not is_allowed:
        found(card, fact, position, "ALREADY_SO" if status == target else life.finding)
        ranks = life.less_usable
        if target not in ranks or (status in ranks and ranks.index(status) >= ranks.index(target)):
            return False
    if target != SAME:
        setattr(card, life.name, target)
        setattr(card, since, fact.position)
    return is_allowed

"""A card: its facts, how they fold into the five lives, and its standing at an instant.

Facts come late and doubled, so a card keeps them ordered by (occurred_at, position) and the standing is derived. Contradictions
are recorded, never refused: a fact its machine does not allow changes the standing only if that makes the card less usable.
"""

from bisect import insort
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from chuanyu.exchange.v1 import card_lifecycle_pb2 as lifecycle
from chuanyu.exchange.v1 import event_pb2

DAY_US = 86_400_000_000
# Provisional block of a loss request: 72 hours (domain dossier 1.9).
PROVISIONAL_BLOCK_US = 3 * DAY_US


class Fact(NamedTuple):
    """One state-changing event of a card; *detail* holds only what the fold needs."""

    occurred_us: int
    position: int
    kind: str
    detail: dict[str, Any]


@dataclass(slots=True)
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
    reissue_pending: bool = False
    replacement_pending: bool = False
    block_until_us: int | None = None
    prior_status: str = "ACTIVE"
    base_status: str = "ACTIVE"
    lost_at_us: int | None = None
    ecard_authorized_at_us: int = 0
    contradictions: tuple[int, ...] = ()


# (from-states, to-state) of the social function, L1 to L16; an empty from-set means: from any state, an empty to-state: where it was.
_SOCIAL: dict[str, tuple[frozenset[str], str]] = {
    "card_applied": (frozenset({"REJECTED"}), "APPLIED"),
    "application_rejected": (frozenset({"APPLIED"}), "REJECTED"),
    "production_batched": (frozenset({"APPLIED", "PRODUCTION_FAILED"}), "IN_PRODUCTION"),
    "production_returned": (frozenset({"APPLIED", "IN_PRODUCTION"}), "PRODUCED"),
    "card_handed_over": (frozenset({"IN_PRODUCTION", "PRODUCED"}), "SEALED"),
    "social_function_activated": (frozenset({"SEALED", "PRODUCED"}), "ACTIVE"),
    "temporary_loss_reported": (frozenset({"ACTIVE", "APP_LOCKED"}), "TEMP_LOST"),
    "temporary_loss_expired": (frozenset({"TEMP_LOST"}), ""),
    "formal_loss_reported": (frozenset({"ACTIVE", "TEMP_LOST", "APP_LOCKED", "SEALED"}), "FORMALLY_LOST"),
    "loss_released": (frozenset({"TEMP_LOST", "FORMALLY_LOST"}), ""),
    "app_locked": (frozenset({"ACTIVE"}), "APP_LOCKED"),
    "app_unlocked": (frozenset({"APP_LOCKED"}), ""),
    "card_superseded": (frozenset({"ACTIVE", "FORMALLY_LOST"}), "CANCELLED"),
    "card_cancelled": (frozenset(), "CANCELLED"),
}
_RESTRICTING = frozenset({"TEMP_LOST", "FORMALLY_LOST", "APP_LOCKED", "CANCELLED", "REJECTED"})
# How little a card can do in a state: a fact out of order may only move it down this list.
_SEVERITY = {"ACTIVE": 0, "TEMP_LOST": 1, "APP_LOCKED": 2, "FORMALLY_LOST": 3, "REJECTED": 4, "CANCELLED": 5}

_BANK = {
    "bank_account_opened": "OPENED_INACTIVE",
    "bank_account_activated": "ACTIVE",
    "bank_account_oral_loss_reported": "ORAL_LOSS",
    "bank_account_formal_loss_reported": "FORMAL_LOSS",
    "bank_account_loss_released": "ACTIVE",
    "bank_account_frozen": "FROZEN",
    "bank_account_unfrozen": "ACTIVE",
    "bank_account_stopped": "STOPPED",
    "bank_account_resumed": "ACTIVE",
    "bank_account_expired": "EXPIRED",
    "bank_account_closed": "CLOSED",
}
_TRANSIT = {
    "transit_purse_loaded": "LOADED",
    "transit_purse_activated": "ACTIVE",
    "transit_purse_hotlisted": "HOTLISTED",
    "transit_purse_delisted": "DELISTED",
    "transit_purse_migrated": "MIGRATED",
    "transit_purse_closed": "CLOSED",
}
_PIN = {"pin_set": "SET", "pin_locked": "LOCKED", "pin_reset": "SET"}
_ECARD = {
    "ecard_signed": "SIGNED",
    "ecard_suspended": "SUSPENDED",
    "ecard_resumed": "SIGNED",
    "ecard_reauthorized": "SIGNED",
    "ecard_made_unavailable": "UNAVAILABLE",
    "ecard_released": "RELEASED",
}
_BLOCK = frozenset({"loss_request_submitted", "loss_request_refused", "provisional_block_placed", "provisional_block_lifted"})

# Card kinds the other province may report too (domain dossier 1.8, column "from the other province", and 1.9); the rest is the issuer's.
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


def fact_of(kind: str, event: event_pb2.Event, occurred_us: int, position: int) -> Fact:
    """Returns what a card keeps of an event of one of STATE_KINDS."""
    reader = _DETAILS.get(kind)
    return Fact(occurred_us, position, kind, reader(getattr(event, kind)) if reader else {})


def _us(timestamp: Any) -> int:
    return int(timestamp.seconds * 1_000_000 + timestamp.nanos // 1_000)


def _registered(message: lifecycle.CardRegistered) -> dict[str, Any]:
    detail: dict[str, Any] = {
        "status": lifecycle.SocialStatus.Name(message.status).removeprefix("SOCIAL_STATUS_"),
        **_made(message),
    }
    if message.HasField("status_until"):
        detail["until"] = _us(message.status_until)
    return detail


def _made(message: Any) -> dict[str, Any]:
    """What a card is: generation, kind, dates and whether it carries the transit application, where the message says so."""
    detail: dict[str, Any] = {
        "expires_on": getattr(message, "expires_on", ""),
        "birth_date": getattr(message, "birth_date", ""),
        "transit": getattr(message, "transit_enabled", False),
    }
    generation: Any = getattr(message, "generation", 0)
    if generation:
        detail["generation"] = lifecycle.CardGeneration.Name(generation).removeprefix("CARD_GENERATION_")
    kind: Any = getattr(message, "card_kind", 0)
    if kind:
        detail["card_kind"] = lifecycle.CardKind.Name(kind).removeprefix("CARD_KIND_")
    return {name: value for name, value in detail.items() if value}


def _loss(message: lifecycle.TemporaryLossReported) -> dict[str, Any]:
    return {"until": _us(message.effective_until)} if message.HasField("effective_until") else {}


_DETAILS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "card_registered": _registered,
    "card_applied": _made,
    "production_returned": lambda message: {**_made(message), "failed": not message.succeeded},
    "temporary_loss_reported": _loss,
    "holder_data_corrected": _made,
    "provisional_block_placed": lambda message: {"until": _us(message.expires_at)},
}


def with_fact(facts: list[Fact], fact: Fact) -> list[Fact]:
    """Returns the facts with one more, in order; a fact already there (same position) changes nothing."""
    if any(known.position == fact.position for known in facts):
        return facts
    facts = list(facts)
    insort(facts, fact, key=lambda known: (known.occurred_us, known.position))
    return facts


def without_fact(facts: Iterable[Fact], position: int) -> list[Fact]:
    """Returns the facts without the one at *position*."""
    return [fact for fact in facts if fact.position != position]


def standing(facts: Iterable[Fact], at_us: int, temp_loss_days: int) -> Standing:
    """Folds the facts that had occurred at an instant (microseconds since 1970) and lets run out what runs out by then."""
    card = Standing()
    for fact in facts:
        if fact.occurred_us > at_us:
            break
        _expire(card, fact.occurred_us)
        _EVOLVE[fact.kind](card, fact, temp_loss_days)
    _expire(card, at_us)
    _derive_ecard(card)
    return card


def _expire(card: Standing, at_us: int) -> None:
    """Ends a temporary loss and a provisional block whose time is over at *at_us*."""
    if card.social_status == "TEMP_LOST" and card.social_status_until_us is not None and at_us >= card.social_status_until_us:
        _end_temporary_loss(card)
    if card.block_until_us is not None and at_us >= card.block_until_us:
        card.block_until_us = None


def _end_temporary_loss(card: Standing) -> None:
    card.social_status, card.social_status_until_us, card.lost_at_us = card.prior_status, None, None


def _evolve_social(card: Standing, fact: Fact, temp_loss_days: int) -> None:
    sources, target = _SOCIAL[fact.kind]
    if fact.kind == "production_returned" and fact.detail.get("failed"):
        target = "PRODUCTION_FAILED"
    status = card.social_status
    is_allowed = status is None or not sources or status in sources
    if fact.kind == "loss_released" and card.reissue_pending:
        # Once a re-issue has been applied for, a loss can no longer be released (Sichuan's rule, G7).
        is_allowed = False
    if status == "CANCELLED" or not is_allowed:
        card.contradictions = (*card.contradictions, fact.position)
        if status == "CANCELLED" or target not in _RESTRICTING or _SEVERITY[target] <= _SEVERITY.get(status or "", -1):
            return
    if fact.kind == "temporary_loss_expired":
        _end_temporary_loss(card)
        return
    if target == "APP_LOCKED" and status == "TEMP_LOST":
        # The loss stays in force; the lock is what it will run out to.
        card.prior_status = target
        return
    # What restricted the card is over: it is as it was before, so that a card never enabled is not enabled by a loss that ends.
    target = target or card.base_status
    _make(card, fact.detail)
    card.social_status, card.social_status_until_us = target, None
    if target in ("TEMP_LOST", "FORMALLY_LOST"):
        card.lost_at_us = fact.occurred_us
        if is_allowed:
            card.block_until_us = None
    if target == "TEMP_LOST":
        card.social_status_until_us = fact.detail.get("until", fact.occurred_us + temp_loss_days * DAY_US)
        card.prior_status = status or "ACTIVE"
    elif target not in _RESTRICTING:
        card.base_status, card.lost_at_us, card.reissue_pending = target, None, False


def _evolve_bank(card: Standing, fact: Fact, _: int) -> None:
    card.bank_account_status = _BANK[fact.kind]


def _evolve_transit(card: Standing, fact: Fact, _: int) -> None:
    card.transit_purse_status = _TRANSIT[fact.kind]


def _evolve_pin(card: Standing, fact: Fact, _: int) -> None:
    card.pin_status = _PIN[fact.kind]


def _evolve_ecard(card: Standing, fact: Fact, _: int) -> None:
    card.ecard_status = _ECARD[fact.kind]
    if fact.kind in ("ecard_reauthorized", "ecard_signed"):
        card.ecard_authorized_at_us = fact.occurred_us


def _evolve_block(card: Standing, fact: Fact, _: int) -> None:
    if fact.kind != "loss_request_submitted":
        card.block_until_us = fact.detail.get("until")
    elif card.social_status not in ("TEMP_LOST", "FORMALLY_LOST", "CANCELLED"):
        card.block_until_us = fact.occurred_us + PROVISIONAL_BLOCK_US


def _evolve_reissue(card: Standing, fact: Fact, _: int) -> None:
    if card.social_status != "FORMALLY_LOST":
        card.contradictions = (*card.contradictions, fact.position)
    card.reissue_pending = True


def _evolve_replacement(card: Standing, _: Fact, __: int) -> None:
    card.replacement_pending = True


def _evolve_holder_data(card: Standing, fact: Fact, _: int) -> None:
    _make(card, fact.detail)


def _evolve_registration(card: Standing, fact: Fact, _: int) -> None:
    _make(card, fact.detail)
    status = fact.detail["status"]
    if card.social_status == "CANCELLED" and status != "CANCELLED":
        card.contradictions = (*card.contradictions, fact.position)
        return
    card.social_status, card.prior_status = status, "ACTIVE"
    card.base_status = "ACTIVE" if status in _RESTRICTING else status
    card.social_status_until_us = fact.detail.get("until")
    card.lost_at_us = fact.occurred_us if status in ("TEMP_LOST", "FORMALLY_LOST") else None


_EVOLVE: dict[str, Callable[[Standing, Fact, int], None]] = {
    **dict.fromkeys(_SOCIAL, _evolve_social),
    **dict.fromkeys(_BANK, _evolve_bank),
    **dict.fromkeys(_TRANSIT, _evolve_transit),
    **dict.fromkeys(_PIN, _evolve_pin),
    **dict.fromkeys(_ECARD, _evolve_ecard),
    **dict.fromkeys(_BLOCK, _evolve_block),
    "card_registered": _evolve_registration,
    "reissue_applied": _evolve_reissue,
    "replacement_applied": _evolve_replacement,
    "holder_data_corrected": _evolve_holder_data,
}
STATE_KINDS = frozenset(_EVOLVE)


def _make(card: Standing, detail: dict[str, Any]) -> None:
    """Keeps what the card is: generation, kind, dates, and whether it carries a transit purse, where the fact says so."""
    if not detail:
        return
    card.generation = detail.get("generation", card.generation)
    card.card_kind = detail.get("card_kind", card.card_kind)
    card.expires_on = detail.get("expires_on", card.expires_on)
    card.birth_date = detail.get("birth_date", card.birth_date)
    if detail.get("transit") and card.transit_purse_status == "ABSENT":
        card.transit_purse_status = "LOADED"


def _derive_ecard(card: Standing) -> None:
    """Derives what the e-card can do from the plastic card (domain dossier 1.8 e): it mirrors it, but not naively."""
    if card.ecard_status != "SIGNED":
        return
    if card.social_status in ("CANCELLED", "FORMALLY_LOST", "APP_LOCKED", "SEALED"):
        card.ecard_status = "UNAVAILABLE"
    elif card.social_status == "TEMP_LOST" and card.ecard_authorized_at_us <= (card.lost_at_us or 0):
        card.ecard_status = "SUSPENDED"

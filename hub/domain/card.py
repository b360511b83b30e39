"""A card: its facts, how they fold into the five lives, and its standing at an instant.

Facts come late and doubled, so a card keeps them ordered by (occurred_at, position) and the standing is derived. Contradictions
are recorded, never refused: a fact its machine does not allow changes the standing only if that makes the card less usable.
"""

from bisect import insort
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
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


@dataclass(frozen=True, slots=True)
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
    contradictions: tuple[int, ...] = field(default=())


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
_OTHER = frozenset({"card_registered", "reissue_applied", "replacement_applied", "holder_data_corrected"})

STATE_KINDS = frozenset(_SOCIAL) | frozenset(_BANK) | frozenset(_TRANSIT) | frozenset(_PIN) | frozenset(_ECARD) | _BLOCK | _OTHER

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
        card = _evolve(_expired(card, fact.occurred_us), fact, temp_loss_days)
    return _with_ecard(_expired(card, at_us))


def _expired(card: Standing, at_us: int) -> Standing:
    """Ends a temporary loss and a provisional block whose time is over at *at_us*."""
    if card.social_status == "TEMP_LOST" and card.social_status_until_us is not None and at_us >= card.social_status_until_us:
        card = replace(card, social_status=card.prior_status, social_status_until_us=None, lost_at_us=None)
    if card.block_until_us is not None and at_us >= card.block_until_us:
        card = replace(card, block_until_us=None)
    return card


def _evolve(card: Standing, fact: Fact, temp_loss_days: int) -> Standing:
    kind = fact.kind
    if kind in _SOCIAL:
        return _evolve_social(card, fact, temp_loss_days)
    if kind in _BANK:
        return replace(card, bank_account_status=_BANK[kind])
    if kind in _TRANSIT:
        return replace(card, transit_purse_status=_TRANSIT[kind])
    if kind in _PIN:
        return replace(card, pin_status=_PIN[kind])
    if kind in _ECARD:
        authorized = fact.occurred_us if kind in ("ecard_reauthorized", "ecard_signed") else card.ecard_authorized_at_us
        return replace(card, ecard_status=_ECARD[kind], ecard_authorized_at_us=authorized)
    if kind in _BLOCK:
        return _evolve_block(card, fact)
    return _evolve_other(card, fact)


def _evolve_social(card: Standing, fact: Fact, temp_loss_days: int) -> Standing:
    sources, target = _SOCIAL[fact.kind]
    if fact.kind == "production_returned" and fact.detail.get("failed"):
        target = "PRODUCTION_FAILED"
    status = card.social_status
    is_allowed = status is None or not sources or status in sources
    if fact.kind == "loss_released" and card.reissue_pending:
        # Once a re-issue has been applied for, a loss can no longer be released (Sichuan's rule, G7).
        is_allowed = False
    if status == "CANCELLED" or not is_allowed:
        card = replace(card, contradictions=(*card.contradictions, fact.position))
        if status == "CANCELLED" or target not in _RESTRICTING or _SEVERITY[target] <= _SEVERITY.get(status or "", -1):
            return card
    if fact.kind == "temporary_loss_expired":
        return replace(card, social_status=card.prior_status, social_status_until_us=None, lost_at_us=None)
    if target == "APP_LOCKED" and status == "TEMP_LOST":
        # The loss stays in force; the lock is what it will run out to.
        return replace(card, prior_status=target)
    # What restricted the card is over: it is as it was before, so that a card never enabled is not enabled by a loss that ends.
    target = target or card.base_status
    card = replace(_with_make(card, fact.detail), social_status=target, social_status_until_us=None)
    block_until_us = None if is_allowed else card.block_until_us
    if target == "TEMP_LOST":
        until = fact.detail.get("until", fact.occurred_us + temp_loss_days * DAY_US)
        return replace(
            card,
            social_status_until_us=until,
            prior_status=status or "ACTIVE",
            lost_at_us=fact.occurred_us,
            block_until_us=block_until_us,
        )
    if target == "FORMALLY_LOST":
        return replace(card, lost_at_us=fact.occurred_us, block_until_us=block_until_us)
    if target not in _RESTRICTING:
        return replace(card, base_status=target, lost_at_us=None, reissue_pending=False)
    return card


def _evolve_block(card: Standing, fact: Fact) -> Standing:
    if fact.kind == "loss_request_submitted":
        if card.social_status in ("TEMP_LOST", "FORMALLY_LOST", "CANCELLED"):
            return card
        return replace(card, block_until_us=fact.occurred_us + PROVISIONAL_BLOCK_US)
    return replace(card, block_until_us=fact.detail.get("until"))


def _evolve_other(card: Standing, fact: Fact) -> Standing:
    if fact.kind == "reissue_applied":
        if card.social_status != "FORMALLY_LOST":
            card = replace(card, contradictions=(*card.contradictions, fact.position))
        return replace(card, reissue_pending=True)
    if fact.kind == "replacement_applied":
        return replace(card, replacement_pending=True)
    card = _with_make(card, fact.detail)
    if fact.kind == "holder_data_corrected":
        return card
    status = fact.detail["status"]
    if card.social_status == "CANCELLED" and status != "CANCELLED":
        return replace(card, contradictions=(*card.contradictions, fact.position))
    is_lost = status in ("TEMP_LOST", "FORMALLY_LOST")
    return replace(
        card,
        social_status=status,
        prior_status="ACTIVE",
        base_status="ACTIVE" if status in _RESTRICTING else status,
        social_status_until_us=fact.detail.get("until"),
        lost_at_us=fact.occurred_us if is_lost else None,
    )


def _with_make(card: Standing, detail: dict[str, Any]) -> Standing:
    purse = "LOADED" if detail.get("transit") and card.transit_purse_status == "ABSENT" else card.transit_purse_status
    return replace(
        card,
        generation=detail.get("generation", card.generation),
        card_kind=detail.get("card_kind", card.card_kind),
        expires_on=detail.get("expires_on", card.expires_on),
        birth_date=detail.get("birth_date", card.birth_date),
        transit_purse_status=purse,
    )


def _with_ecard(card: Standing) -> Standing:
    """Derives what the e-card can do from the plastic card (domain dossier 1.8 e): it mirrors it, but not naively."""
    if card.ecard_status != "SIGNED":
        return card
    if card.social_status in ("CANCELLED", "FORMALLY_LOST", "APP_LOCKED", "SEALED"):
        return replace(card, ecard_status="UNAVAILABLE")
    if card.social_status == "TEMP_LOST" and card.ecard_authorized_at_us <= (card.lost_at_us or 0):
        return replace(card, ecard_status="SUSPENDED")
    return card

"""The facts of a card: what it keeps of each event, and in which order.

A fact is what the fold needs of an event and nothing else; it names no person and no identifier but the hub's keys.
"""

from bisect import insort
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from chuanyu.exchange.v1 import card_accounts_pb2 as accounts
from chuanyu.exchange.v1 import card_lifecycle_pb2 as lifecycle
from chuanyu.exchange.v1 import control_pb2 as control
from chuanyu.exchange.v1 import event_pb2

from hub.domain.instants import microseconds


class Fact(NamedTuple):
    """One state-changing event of a card; *detail* holds only what the fold needs."""

    occurred_us: int
    position: int
    kind: str
    detail: dict[str, Any]


def fact_of(kind: str, event: event_pb2.Event, occurred_us: int, position: int) -> Fact:
    """Returns what a card keeps of an event of one of `card.STATE_KINDS`."""
    reader = _DETAILS.get(kind)
    return Fact(occurred_us, position, kind, reader(getattr(event, kind)) if reader else {})


def _ref(message: Any) -> str:
    return f"{message.feed}#{message.sequence}" if message.feed else ""


def _registered(message: lifecycle.CardRegistered) -> dict[str, Any]:
    detail: dict[str, Any] = {
        "status": lifecycle.SocialStatus.Name(message.status).removeprefix("SOCIAL_STATUS_"),
        **_made(message),
    }
    if message.HasField("status_until"):
        detail["until"] = microseconds(message.status_until)
    return detail


def _made(message: Any) -> dict[str, Any]:
    """What a card is: generation, kind, dates and whether it carries the transit application, where the message says so."""
    detail: dict[str, Any] = {
        "expires_on": getattr(message, "expires_on", ""),
        "issued_on": getattr(message, "issued_on", ""),
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


def _produced(message: lifecycle.ProductionReturned) -> dict[str, Any]:
    detail = {**_made(message), "failed": not message.succeeded}
    return {**detail, "bank": True} if message.succeeded and message.HasField("bank_account") else detail


def _activated(message: lifecycle.SocialFunctionActivated) -> dict[str, Any]:
    said = {"bank": message.bank_activated, "supersedes": message.HasField("supersedes")}
    return {name: True for name, is_so in said.items() if is_so}


def _until(name: str) -> Callable[[Any], dict[str, Any]]:
    """Reads the end that a message may name."""
    return lambda message: {"until": microseconds(getattr(message, name))} if message.HasField(name) else {}


def _binding(message: accounts.TransitConcessionBound) -> dict[str, Any]:
    return {"binding": _binding_name(message.binding)}


def _binding_name(binding: Any) -> str:
    return accounts.ConcessionBinding.Name(binding).removeprefix("CONCESSION_BINDING_")


def _relative(message: accounts.EcardFamilyLinked | accounts.EcardFamilyUnlinked) -> dict[str, Any]:
    return {"relative": message.relative.key.hex()}


_DETAILS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "card_registered": _registered,
    "card_applied": _made,
    "production_returned": _produced,
    "social_function_activated": _activated,
    "replacement_applied": lambda message: {"expiry": True} if message.reason == lifecycle.REPLACEMENT_REASON_EXPIRY else {},
    "temporary_loss_reported": _until("effective_until"),
    "holder_data_corrected": _made,
    "insured_region_moved": lambda message: {"from": message.from_region, "to": message.to_region},
    "card_cancelled": lambda message: {"death": True} if message.reason == lifecycle.CANCELLATION_REASON_DEATH else {},
    "loss_request_submitted": lambda message: {"formal": True} if message.loss_type == control.LOSS_TYPE_FORMAL else {},
    "loss_request_refused": lambda message: {"request": _ref(message.request)},
    "provisional_block_placed": lambda message: {
        "until": microseconds(message.expires_at),
        "request": _ref(message.request),
        "position": message.request_position,
        **({"formal": True} if message.loss_type == control.LOSS_TYPE_FORMAL else {}),
    },
    "provisional_block_lifted": lambda message: {"positions": list(message.request_positions)},
    "bank_account_oral_loss_reported": _until("effective_until"),
    "transit_concession_bound": _binding,
    "transit_concession_rebound": lambda message: {"binding": _binding_name(message.to_binding)},
    "pin_verification_failed": lambda message: {"left": message.tries_left} if message.tries_left else {},
    "ecard_signed": _until("valid_until"),
    "ecard_family_linked": _relative,
    "ecard_family_unlinked": _relative,
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

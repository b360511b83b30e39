"""The native reply code of a lifecycle message: what the card's standing at the hub says about it.

The fact is recorded whatever the code: 2001, 2002 and 2003 say to the province's operator that hub and province disagree
or that the other window was quicker. An issuer sees the five lives of its card; of the other province's card only
whether it is usable is shown, and its reasons say enough.
"""

from collections.abc import Set

from chuanyu.exchange.v1.card_lifecycle_pb2 import SocialStatus
from chuanyu.exchange.v1.card_service_pb2 import CardLives, EcardStatus, GetCardResponse
from chuanyu.exchange.v1.control_pb2 import LossType
from chuanyu.exchange.v1.event_pb2 import Event

from adapters.sichuan.replies import ALREADY_IN_STATE, CARD_NOT_FOUND, OK, STATE_NOT_ALLOWED

SEALED, ACTIVE = SocialStatus.SOCIAL_STATUS_SEALED, SocialStatus.SOCIAL_STATUS_ACTIVE
TEMP_LOST, FORMALLY_LOST = SocialStatus.SOCIAL_STATUS_TEMP_LOST, SocialStatus.SOCIAL_STATUS_FORMALLY_LOST
LOCKED, CANCELLED = SocialStatus.SOCIAL_STATUS_APP_LOCKED, SocialStatus.SOCIAL_STATUS_CANCELLED
NOT_SIGNED, SIGNED = EcardStatus.ECARD_STATUS_NOT_SIGNED, EcardStatus.ECARD_STATUS_SIGNED
SUSPENDED, UNAVAILABLE = EcardStatus.ECARD_STATUS_SUSPENDED, EcardStatus.ECARD_STATUS_UNAVAILABLE
RELEASED = EcardStatus.ECARD_STATUS_RELEASED

# Kind: states it may start from, states in which it has happened already. The standard's transitions L6 to L14.
SOCIAL: dict[str, tuple[Set[int], Set[int]]] = {
    "temporary_loss_reported": ({ACTIVE, LOCKED}, {TEMP_LOST}),
    "formal_loss_reported": ({ACTIVE, TEMP_LOST, LOCKED, SEALED}, {FORMALLY_LOST}),
    "loss_released": ({TEMP_LOST, FORMALLY_LOST}, {ACTIVE}),
    "reissue_applied": ({FORMALLY_LOST}, set()),
    "replacement_applied": ({ACTIVE}, set()),
    "social_function_activated": ({SEALED}, {ACTIVE}),
    # A document belongs to the person: any card carries it but one that has ended.
    "document_folded_in": ({SEALED, ACTIVE, TEMP_LOST, FORMALLY_LOST, LOCKED}, set()),
    "document_withdrawn": ({SEALED, ACTIVE, TEMP_LOST, FORMALLY_LOST, LOCKED, CANCELLED}, set()),
}
ECARD: dict[str, tuple[Set[int], Set[int]]] = {
    "ecard_signed": ({NOT_SIGNED, RELEASED, UNAVAILABLE}, {SIGNED}),
    "ecard_suspended": ({SIGNED}, {SUSPENDED}),
    "ecard_resumed": ({SUSPENDED, UNAVAILABLE}, {SIGNED}),
    "ecard_reauthorized": ({SIGNED, SUSPENDED, UNAVAILABLE}, set()),
    "ecard_made_unavailable": ({SIGNED, SUSPENDED}, {UNAVAILABLE}),
    "ecard_released": ({SIGNED, SUSPENDED, UNAVAILABLE}, {RELEASED}),
}
TRANSITIONS = SOCIAL | ECARD
REQUESTED = {
    LossType.LOSS_TYPE_TEMPORARY: "temporary_loss_reported",
    LossType.LOSS_TYPE_FORMAL: "formal_loss_reported",
}
# Reason codes of rules A02 and A03, the gravest first; every scenario but CARD.* gives them.
STATUS_OF_REASON = {
    "CANCELLED": CANCELLED,
    "LOST_FORMAL": FORMALLY_LOST,
    "LOST_TEMP": TEMP_LOST,
    "LOCKED": LOCKED,
    "CARD_SEALED": SEALED,
    # Someone at either side was quicker with the report of this loss.
    "PROVISIONAL_BLOCK": TEMP_LOST,
}


def lives_seen(card: GetCardResponse) -> CardLives:
    """Returns the five lives, or what the usability of another province's card shows of them."""
    if card.HasField("lives"):
        return card.lives
    reasons = {reason for row in card.usability for reason in row.reason_codes}
    status = next((status for reason, status in STATUS_OF_REASON.items() if reason in reasons), ACTIVE)
    return CardLives(social_status=status)


def reply_code(events: list[Event], card: GetCardResponse | None) -> str:
    """Returns the code that answers a lifecycle message, given its card before the facts are recorded."""
    # A message that also registers its card is the first the hub hears of it.
    if card is None:
        return OK if events[0].WhichOneof("kind") == "card_registered" else CARD_NOT_FOUND
    lives, event = lives_seen(card), events[-1]
    kind: str = event.WhichOneof("kind") or ""
    if kind == "loss_request_submitted":
        kind = REQUESTED[event.loss_request_submitted.loss_type]
    if (kind == "reissue_applied" and lives.reissue_pending) or (kind == "replacement_applied" and lives.replacement_pending):
        return ALREADY_IN_STATE
    if kind == "loss_released" and lives.reissue_pending:
        return STATE_NOT_ALLOWED
    status = lives.ecard_status if kind in ECARD else lives.social_status
    allowed, already = TRANSITIONS[kind]
    if status in already:
        return ALREADY_IN_STATE
    # A card the hub knows only by its use has no status yet; the province knows better.
    return OK if status in allowed or not status else STATE_NOT_ALLOWED

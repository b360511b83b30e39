"""A loss that was declared by an event in quarantine: the card is blocked until the entry is settled, whatever else the event breaks.

The hub must not answer "usable" about a card whose issuer has just reported it lost, because the report has a fault in another field.
It is a provisional block like that of a loss request [D]: it denies and changes no standing.
"""

from collections.abc import Sequence

from chuanyu.exchange.v1 import card_lifecycle_pb2 as lifecycle
from chuanyu.exchange.v1 import event_pb2
from chuanyu.exchange.v1 import references_pb2 as references

from hub.domain.card import FROM_EITHER_SIDE
from hub.domain.card_machines import SOCIAL
from hub.domain.pseudonym import is_well_formed
from hub.domain.roles import Rights

_KINDS = frozenset(
    {
        "temporary_loss_reported",
        "formal_loss_reported",
        "app_locked",
        "card_superseded",
        "card_cancelled",
        "loss_request_submitted",
    }
)
_STATUSES = frozenset(lifecycle.SocialStatus.Value(f"SOCIAL_STATUS_{status}") for status in SOCIAL.less_usable)
# Of these the speaker may not say this kind at all.
_NOT_ITS_TO_SAY = frozenset({"issuer_only", "hub_only", "other_province", "role_missing", "role_scope"})


def may_declare_loss(kind: str) -> bool:
    """Whether an event of a kind may make a card unusable."""
    return kind in _KINDS or kind == "card_registered"


def declared_loss(
    event: event_pb2.Event, kind: str, reasons: Sequence[tuple[str, str]], rights: Rights | None
) -> references.CardRef | None:
    """Returns the card, in clear, that a quarantined event would have made unusable; None if it names none well.

    *rights* are those of who sent it, None if the event was found before to be theirs to report.
    """
    card = event.card
    if kind not in _KINDS and not (kind == "card_registered" and event.card_registered.status in _STATUSES):
        return None
    if event.HasField("reverses") or not card.clear or not is_well_formed(card):
        return None
    if any(path == kind or path.startswith("card.") or rule in _NOT_ITS_TO_SAY for path, rule in reasons):
        return None
    if rights is not None and not _may_tell(event, kind, rights):
        return None
    return card


def _may_tell(event: event_pb2.Event, kind: str, rights: Rights) -> bool:
    """Whether it is the sender's to report; the rules say so only of an event whose shape is in order."""
    is_issuers = kind not in FROM_EITHER_SIDE
    if is_issuers and event.card.issuing_province != rights.province:
        return False
    return rights.missing_for(kind, event, getattr(event, kind)) is None

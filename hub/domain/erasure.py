"""An erasure of identifiers: asked for by one person on a legal ground, approved or refused by another, and then done."""

from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from chuanyu.exchange.v1 import erasure_pb2 as protos
from chuanyu.exchange.v1 import references_pb2

from hub.domain import identity
from hub.domain.aggregate import HubAggregate
from hub.domain.errors import HubError
from hub.domain.retention import Running

_PROBLEMS = {
    "card": identity.card_no_problem,
    "ident": identity.card_ident_code_problem,
    "transit": identity.transit_card_no_problem,
    "sign": identity.sign_no_problem,
    "account": identity.bank_account_problem,
    "mobile": identity.mobile_problem,
}
REQUESTED, APPROVED, REFUSED, ERASED = "REQUESTED", "APPROVED", "REFUSED", "ERASED"


class ErasureUnknown(HubError):
    """There is no erasure under this code; see `hub erasure list`."""


class IdentifierUnknown(HubError):
    """The hub has no such identifier; nothing is there to be erased."""


class IdentifierErasedAlready(HubError):
    """The identifier is erased already."""


class ErasureSamePerson(HubError):
    """Who took a request does not decide about it; another person has to."""


class ErasureDecided(HubError):
    """The request is decided already; see `hub erasure list`."""


class ErasureNotAtRest(HubError):
    """Someone changed the erasure meanwhile; look at it and try again."""


class RetentionRuns(HubError):
    """The identifier must still be kept:"""

    def __init__(self, obligations: list[Running]) -> None:
        """*obligations* are those that run."""
        ends = [(one, one.ends_on.isoformat() if one.ends_on is not None else "注销后 after its end") for one in obligations]
        said = "; ".join(f"{one.code} {one.text_zh} {one.text_en}, 至 until {end}" for one, end in ends)
        super().__init__(said, obligation=obligations[0].code)


# What can be erased for one person. A name cannot: its key is that of all who have it.
OF_A_CARD = ("card", "ident", "transit", "sign")
KINDS = (*OF_A_CARD, "account", "person", "mobile")


def names_of(kind: str, issuer: str, clear: str) -> list[str]:
    """Returns the names under which the vault may have an identifier of one of KINDS; *issuer* counts for those of a card."""
    if kind in OF_A_CARD:
        return [f"{kind}|{issuer}|{clear}"]
    if kind == "account":
        # An account is erased by itself, and as the identifier of a card.
        return [f"account|{clear}", f"account|50|{clear}", f"account|51|{clear}"]
    return [f"person|01|{identity.normalize_ssn(clear)}"] if kind == "person" else [f"mobile|{clear}"]


def identifier_problem(kind: str, clear: str) -> str | None:
    """Returns what is wrong with an identifier of one of KINDS, None if it is well-formed."""
    if kind == "person":
        return identity.id_number_problem("01", identity.normalize_ssn(clear))
    return _PROBLEMS[kind](clear)


class Erasure(HubAggregate):
    """Requested once, decided once, done once."""

    def __init__(self, requested: protos.ErasureRequested) -> None:
        """Starts from the request."""
        self.requested = requested
        self.state = REQUESTED
        self.decided_by, self.reason_code = "", ""

    @staticmethod
    def create_id(code: str) -> UUID:
        """The id follows from the code."""
        return uuid5(NAMESPACE_URL, f"urn:chuanyu:erasure:{code}")

    @property
    def code(self) -> str:
        """The short code people use."""
        return self.requested.erasure_code

    @property
    def keys(self) -> list[bytes]:
        """What is to be erased."""
        return list(self.requested.identifier_keys)

    def check_open_for(self, operator: str) -> None:
        """Raises ErasureDecided or ErasureSamePerson unless this person may decide."""
        if self.state != REQUESTED:
            raise ErasureDecided
        if operator == self.requested.operator:
            raise ErasureSamePerson

    def approve(self, operator: str, originals: list[tuple[str, int]], at: datetime) -> None:
        """Approves it and records what is erased; the vault follows this record."""
        self.check_open_for(operator)
        self.record("erasure_approved", protos.ErasureApproved(operator=operator), at)
        erased = protos.IdentifierErased(identifier_keys=self.keys)
        erased.originals.extend(references_pb2.EventRef(feed=feed, sequence=sequence) for feed, sequence in originals)
        self.record("identifier_erased", erased, at)

    def refuse(self, operator: str, reason_code: str, at: datetime) -> None:
        """Refuses it."""
        self.check_open_for(operator)
        self.record("erasure_refused", protos.ErasureRefused(operator=operator, reason_code=reason_code), at)

    def apply(self, kind: str, message: Any) -> None:
        """Folds one event."""
        if kind == "erasure_approved":
            self.state, self.decided_by = APPROVED, message.operator
        elif kind == "erasure_refused":
            self.state, self.decided_by, self.reason_code = REFUSED, message.operator, message.reason_code
        elif kind == "identifier_erased":
            self.state = ERASED

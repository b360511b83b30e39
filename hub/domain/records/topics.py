"""Which facts the hub keeps of a person beside the lives of his cards, so that rules may weigh them against what is claimed."""

from collections.abc import Callable
from typing import Any, NamedTuple

from chuanyu.exchange.v1 import card_accounts_pb2 as accounts
from chuanyu.exchange.v1 import control_pb2 as control
from chuanyu.exchange.v1 import event_pb2

from hub.domain.card_facts import Fact
from hub.domain.culture.loans import LOAN_KINDS, READER_REGISTERED
from hub.domain.medical.institutions import INSTITUTION_KINDS
from hub.domain.records.documents import DOCUMENT_KINDS, document_detail
from hub.domain.records.documents import REGISTER as DOCUMENTS
from hub.domain.records.payments import PAYMENT_ORDER, REPOINTED, SENT, payment, repointing

DECLARED = "register_declared_complete"
# Which role keeps a register, and which scenario a service point serves that does.
REGISTER_OWNERS: dict[int, tuple[str, str]] = {
    control.REGISTER_CERTIFICATIONS: ("SERVICE_POINT", "HR.CERT"),
    control.REGISTER_FAMILY_LINKS: ("ECARD_PLATFORM", ""),
    control.REGISTER_FILINGS: ("MEDICAL_INSURER", ""),
    control.REGISTER_CONCESSIONS: ("TRANSIT_OPERATOR", ""),
    control.REGISTER_READERS: ("SERVICE_POINT", "CUL.LIB.BRW"),
    control.REGISTER_INSTITUTIONS: ("MEDICAL_INSURER", ""),
    control.REGISTER_PAYMENTS: ("FUND_PAYER", ""),
    control.REGISTER_GROUPS: ("ISSUER", ""),
    control.REGISTER_DOCUMENTS: ("ISSUER", ""),
}
_REGISTER_NAMES = {number: name.removeprefix("REGISTER_") for name, number in control.Register.items()}


class Topic(NamedTuple):
    """A kind of event that is kept: the register it belongs to, who keeps that, and what is kept of it."""

    register: str
    owner: Callable[[event_pb2.Event], str]
    detail: Callable[[Any], dict[str, Any]]


def issuer(event: event_pb2.Event) -> str:
    """Returns the province that issued the card."""
    return event.card.issuing_province or event.issuer_region[:2]


def place(event: event_pb2.Event) -> str:
    """Returns the province where it happened, that of the card where no place is named."""
    return event.service_region[:2] or issuer(event)


def _certified(message: Any) -> dict[str, Any]:
    return {"benefit": message.benefit_kind, "cycle": message.cycle}


def _bound(binding: int) -> dict[str, Any]:
    return {"binding": accounts.ConcessionBinding.Name(accounts.ConcessionBinding.ValueType(binding)).removeprefix("CONCESSION_BINDING_")}


def insurer(event: event_pb2.Event) -> str:
    """Returns the province that insures, that of the report where no insured region is named."""
    kind = event.WhichOneof("kind")
    message: Any = getattr(event, kind) if kind else None
    return getattr(message, "insured_region", "")[:2] or place(event)


def _filed(message: Any) -> dict[str, Any]:
    return {"filing": {field.name: value for field, value in message.ListFields()}}


def _group(message: Any) -> dict[str, Any]:
    """Keeps for which services there is a basis, and not of which group: no answer may say that."""
    return {"services": list(message.services), "from": message.valid_from, "to": message.valid_to}


def _consented(message: Any) -> dict[str, Any]:
    """Keeps the last day only where there is one."""
    return {"purpose": message.purpose_code} | ({"to": message.expires_on} if message.expires_on else {})


# What is kept in `holder_record`.
TOPICS: dict[str, Topic] = {
    "medical_filing_registered": Topic("FILINGS", insurer, _filed),
    "medical_filing_expired": Topic("FILINGS", insurer, _filed),
    "medical_filing_cancelled": Topic("FILINGS", insurer, _filed),
    "benefit_qualification_certified": Topic("CERTIFICATIONS", place, _certified),
    "group_basis_registered": Topic("GROUPS", issuer, _group),
    **{kind: Topic(DOCUMENTS, issuer, document_detail) for kind in sorted(DOCUMENT_KINDS)},
    "consent_granted": Topic("CONSENTS", issuer, _consented),
    "consent_withdrawn": Topic("CONSENTS", issuer, lambda message: {"purpose": message.purpose_code}),
    "transit_concession_bound": Topic("CONCESSIONS", place, lambda message: _bound(message.binding)),
    "transit_concession_rebound": Topic("CONCESSIONS", place, lambda message: _bound(message.to_binding)),
    **{kind: Topic("PAYMENTS", place, payment) for kind in (SENT, *PAYMENT_ORDER)},
    REPOINTED: Topic("PAYMENTS", place, repointing),
}
# What is kept elsewhere and is a sign of life of its register as well: the card's own lives have it, or a view of its own.
SIGNS: dict[str, Topic] = {
    "transit_concession_consumed": Topic("CONCESSIONS", place, lambda _: {}),
    "transit_concession_topped_up": Topic("CONCESSIONS", place, lambda _: {}),
    **{kind: Topic("INSTITUTIONS", place, lambda _: {}) for kind in sorted(INSTITUTION_KINDS)},
    **{kind: Topic("READERS", place, lambda _: {}) for kind in sorted(LOAN_KINDS | {READER_REGISTERED})},
    "ecard_family_linked": Topic("FAMILY_LINKS", issuer, lambda _: {}),
    "ecard_family_unlinked": Topic("FAMILY_LINKS", issuer, lambda _: {}),
}


def register_of(kind: str, event: event_pb2.Event) -> tuple[str, str]:
    """Returns the register that an event is about, and the province that keeps it."""
    if kind == DECLARED:
        number = event.register_declared_complete.register
        return _REGISTER_NAMES[number], event.service_region[:2]
    topic = TOPICS.get(kind) or SIGNS[kind]
    return topic.register, topic.owner(event)


def record_fact(kind: str, event: event_pb2.Event, occurred_us: int, position: int) -> Fact:
    """Returns what is kept of an event of one of the topics; *by* is the province that keeps its register, *at* where it happened."""
    topic = TOPICS[kind]
    where = {"by": topic.owner(event), **({"at": event.service_region} if event.service_region else {})}
    if topic.register == "PAYMENTS" and event.card.issuing_province:
        where["issuer"] = event.card.issuing_province
    return Fact(occurred_us, position, kind, {**where, **topic.detail(getattr(event, kind))})

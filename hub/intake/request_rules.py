"""What questions about cards have in common: their shape, the instant they ask about, the card they name."""

import time
from collections.abc import Iterable
from datetime import datetime

from chuanyu.exchange.v1 import acceptance_pb2, card_service_pb2, references_pb2
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from hub.domain.errors import NotPermitted, RequestInvalid
from hub.domain.event_rules import may_say_region
from hub.domain.instants import LOCAL, SECOND_US, epoch_day, microseconds, timestamp
from hub.domain.masking import looks_like_an_identifier
from hub.domain.pseudonym import card_name, card_problem
from hub.domain.reference import Reference
from hub.domain.rule_input import Question
from hub.domain.texts import holds_identifier, identifier_in
from hub.intake.compiled_rules import accepts
from hub.intake.rule_faults import faults_of

# 9999-12-31: the last day that the calendar has in every time zone.
_CALENDAR_END_S = 253_402_214_400
_LAST_US = (_CALENDAR_END_S - 1) * SECOND_US
_TEXTS_OF_REFS = tuple(field.name for field in acceptance_pb2.SubjectRefs.DESCRIPTOR.fields if field.message_type is None)


def refuse_invalid(request: Message, *texts: str, apart_from: tuple[str, ...] = ()) -> None:
    """Raises RequestInvalid with every rule of shape that a request breaks, else with each of its *texts* that holds an identifier.

    What is asked is recorded for good, outside the vault. Faults of fields that begin as one of *apart_from* are judged elsewhere.
    """
    if not accepts(request.DESCRIPTOR)(request):
        broken = [fault for fault in faults_of(request) if not fault[0].startswith(apart_from)]
        if broken:
            raise RequestInvalid(broken)
    _refuse_texts(request, request, texts)
    if isinstance(request, card_service_pb2.CheckAcceptanceRequest) and request.HasField("subject_refs"):
        _refuse_texts(request, request.subject_refs, _TEXTS_OF_REFS, "subject_refs.")


def _refuse_texts(request: Message, message: Message, texts: Iterable[str], prefix: str = "") -> None:
    doubtful = [field for field in texts if holds_identifier(getattr(message, field))]
    if not doubtful:
        return
    year, own = datetime.now(LOCAL).year, (request.card.clear.upper(),) if hasattr(request, "card") else ()
    if named := [field for field in doubtful if identifier_in(field, getattr(message, field), year, own)]:
        raise RequestInvalid([(f"{prefix}{field}", "identifier_in_clear") for field in named])


def refuse_identifiers(message: Message, *fields: str) -> None:
    """Raises RequestInvalid for each of the texts that looks as if it named a person or a card: what operators write stays for good."""
    if named := [field for field in fields if looks_like_an_identifier(getattr(message, field))]:
        raise RequestInvalid([(field, "no_identifier") for field in named])


def refuse_unknown_region(reference: Reference, region: str, at_us: int, field: str = "service_region") -> None:
    """Raises RequestInvalid unless a code names a place of an instant's day."""
    if not may_say_region(reference, region, epoch_day(at_us)):
        raise RequestInvalid([(field, "unknown_region")])


def refuse_outside(province: str, region: str) -> None:
    """Raises NotPermitted unless a region is of the caller's province."""
    if region[:2] != province:
        raise NotPermitted("the region lies outside the caller's province")


def card_named(ref: references_pb2.CardRef) -> str:
    """Returns the name of the card's identifier, which its key is made of; raises RequestInvalid.

    Only clear identifiers are taken: a caller that asks by key has not seen the card.
    """
    if ref.key:
        raise RequestInvalid([("card.key", "clear_only")])
    if (problem := card_problem(ref)) is not None:
        raise RequestInvalid([("card.clear", problem.lower())])
    return card_name(ref)


def question_in(request: card_service_pb2.CheckAcceptanceRequest, at_us: int) -> tuple[Question, str]:
    """Returns the question of a request, about an instant in microseconds since 1970, and the name of its card; raises RequestInvalid."""
    place = (request.card.issuing_province, request.scenario, request.service_region, request.medium, at_us, request.venue_code)
    question = Question(*place, request.claims) if request.HasField("claims") else Question(*place)
    return question, card_named(request.card)


def instant_us(request: Message, field: str) -> int:
    """Returns the instant a request asks about, now if it names none; raises RequestInvalid where the calendar has no such day."""
    if not request.HasField(field):
        return now_us()
    at = getattr(request, field)
    if not 0 <= at.seconds < _CALENDAR_END_S:
        raise RequestInvalid([(field, "out_of_range")])
    return microseconds(at)


def timestamp_of(us: int) -> Timestamp:
    """Returns the message for microseconds since 1970 UTC; an instant that no calendar has becomes the nearest that it has."""
    return timestamp(max(0, min(us, _LAST_US)))


def now_us() -> int:
    """Returns the hub's clock in microseconds since 1970 UTC."""
    return time.time_ns() // 1_000

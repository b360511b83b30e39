"""Explains a decision: the rules are asked again, as of both times, by any version that is kept. The edge and the console ask here."""

import json
from typing import Any, NamedTuple

import psycopg
from chuanyu.exchange.v1 import references_pb2

from hub.audit.as_of import Known, known_at
from hub.audit.records_as_of import institution_at, token_before
from hub.audit.rule_versions import answer_by
from hub.domain.acceptance import Question, looks_at_record, rules_digest
from hub.domain.errors import DecisionNotFound
from hub.domain.records.weighing import UNKNOWN, OnRecord
from hub.domain.replaying import answer, pack
from hub.journal.reader import Recorded, read_page


class Subject(NamedTuple):
    """What is to be explained: the question, the card by its key, what was recorded (if it was), and with what was known when."""

    question: Question
    card: references_pb2.CardRef
    recorded: Recorded | None
    position: int | None


def recorded_subject(connection: psycopg.Connection, position: int) -> Subject:
    """Returns a recorded decision as a subject; raises DecisionNotFound."""
    page = read_page(connection, position - 1, position) if position > 0 else []
    if not page or page[0].kind != "decision_made":
        raise DecisionNotFound
    return Subject(question_of(page[0]), page[0].event.card, page[0], page[0].event.decision_made.as_of_position)


def question_of(recorded: Recorded) -> Question:
    """Returns the question that a recorded decision answered."""
    event, decision = recorded.event, recorded.event.decision_made
    place = (event.card.issuing_province, event.scenario, event.service_region, event.medium, recorded.occurred_us, event.venue_code)
    question = Question(*place, decision.claims) if decision.HasField("claims") else Question(*place)
    return question._replace(refs=decision.subject_refs)


def known_of(connection: psycopg.Connection, subject: Subject, as_of: int) -> Known:
    """Returns what was known of a subject at a position, 0 for its own; raises ViewBehind or ViewsLate. A token is as it was then."""
    known = known_at(connection, subject.card.key, as_of or subject.position, with_records=looks_at_record(subject.question))
    before = subject.recorded.position if subject.recorded is not None else None
    return known_for(connection, known, subject.question, token_before(connection, subject.question.token, before))


def known_for(connection: psycopg.Connection, known: Known, question: Question, token: OnRecord = UNKNOWN) -> Known:
    """Returns what was known with what the question names: its token, its service item, its institution."""
    items, institution = known.items.about(question.refs.item_id), institution_at(connection, question.institution, known.position)
    return known._replace(records=known.records._replace(token=token, items=items, institution=institution))


def answered(dsn: str, digest: bytes, known: Known, question: Question) -> dict[str, Any]:
    """Asks the rules at hand, or a version that is kept, of which *digest* is the name; raises RuleVersionUnknown and others."""
    packed = pack(known.facts, list(known.agreements), question, known.records)
    if digest and digest != rules_digest():
        return answer_by(dsn, digest, packed)
    found: dict[str, Any] = json.loads(answer(packed))
    return found


def fact_positions(known: Known, question: Question) -> list[int]:
    """Returns the positions of the facts that an answer rests on, in the order of the facts."""
    return list(dict.fromkeys(fact.position for fact in known.facts if fact.occurred_us <= question.at_us))

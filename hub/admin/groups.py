"""Where it is read whether a person has the extra of a group's service: the rule A80 on what is on record. Service and command ask here."""

import psycopg
from chuanyu.exchange.v1 import acceptance_pb2 as acceptance
from chuanyu.exchange.v1 import card_service_pb2 as protos

from hub.admin.snapshots import snapshot
from hub.domain import card
from hub.domain.instants import set_timestamp
from hub.domain.records.known import Records, records_of
from hub.domain.reference import Reference
from hub.domain.reported import Person
from hub.domain.rule_input import Question, RuleInput
from hub.domain.rules.any_use import a80_group_service
from hub.domain.rules.rule import Rule
from hub.projections.views.card_standing import facts_of
from hub.projections.views.holder_record import HOLDER_RECORD
from hub.projections.views.record_rows import REGISTER_ROWS
from hub.projections.views.registers import decode as register_state
from hub.projections.views.registers import registers_of

_RULE: Rule = a80_group_service


def check_group_service(
    connection: psycopg.Connection, reference: Reference, person: Person, request: protos.CheckGroupServiceRequest, at_us: int
) -> protos.CheckGroupServiceResponse:
    """Returns whether the extra is given; raises ViewBehind."""
    with snapshot(connection, HOLDER_RECORD, request.min_position) as position:
        rows = [facts_of(text) for (text,) in connection.execute(_FACTS.encode(), ([*person.cards, *person.holders],))]
        told = connection.execute(REGISTER_ROWS.encode()).fetchall()
    registers = registers_of((name, province, register_state(tuple(row))) for name, province, *row in told)
    return group_answer(records_of(rows, registers), reference, request, at_us, position)


def group_answer(
    records: Records, reference: Reference, request: protos.CheckGroupServiceRequest, at_us: int, position: int
) -> protos.CheckGroupServiceResponse:
    """Returns the answer from what is on record of the holder: the same as for a question that names the service and claims nothing."""
    province = request.card.issuing_province
    claims, refs = acceptance.AcceptanceClaims(group_service=True), acceptance.SubjectRefs(scheme=request.service)
    question = Question(province, request.scenario, request.service_region, 0, at_us, claims=claims, refs=refs)
    of_the_card = card.standing((), at_us, card.policies_of(reference, province))
    weighed = _RULE.ask(RuleInput(question, of_the_card, [], [], reference, (), records))
    answer = protos.CheckGroupServiceResponse(has_extra=True, as_of_position=position)
    set_timestamp(answer.at, at_us)
    code = getattr(weighed, "reason_code", None)
    if code:
        reason = reference.reason(code)
        answer.has_extra = False
        answer.reason.code, answer.reason.rule_id = code, reason.rule
        for name in ("text_zh", "text_en", "advice_zh", "advice_en"):
            setattr(answer.reason, name, getattr(reason, name))
    return answer


_FACTS = f"SELECT facts FROM views.{HOLDER_RECORD.name} WHERE key = ANY (%s)"  # noqa: S608 (the name of our own view)

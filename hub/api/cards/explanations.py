"""Explains acceptance answers: what every rule saw and concluded, for a recorded decision or a question nobody asked, as of both times."""

from typing import Any

import psycopg
from chuanyu.exchange.v1 import acceptance_pb2
from chuanyu.exchange.v1 import card_service_pb2 as protos

from hub.api.cards.checks import Checks
from hub.api.cards.looks import Looks
from hub.api.edge.directory import Caller
from hub.api.edge.turns import Reads
from hub.audit.as_of import Known
from hub.audit.explanations import Subject, answered, fact_positions, known_of, recorded_subject
from hub.domain.acceptance import Question, rules_digest
from hub.domain.errors import NotPermitted
from hub.domain.looks import Look, Shown, card_by_key
from hub.domain.masking import masked_card
from hub.domain.records.bases import basis_message, in_words
from hub.domain.records.weighing import Basis
from hub.domain.reference import Reference
from hub.domain.rule_input import OF_THE_CARD, ON_RECORD
from hub.intake.request_rules import instant_us, refuse_invalid, timestamp_of
from hub.journal.reader import Recorded, reading
from hub.journal.traces import traces_at
from hub.journal.vault import open_identifiers
from hub.telemetry.spans import is_trace_parent
from hub.trust.keyring import Keyring
from hub.words.outcomes import OUTCOME_NUMBERS

# How many times as long the explainer rests as it has worked. Nobody's gate waits for an explanation.
EXPLAINER_RESTS = 2.0


class Explainer:
    """Reads what was known, asks the rules again."""

    def __init__(self, dsn: str, checks: Checks, reference: Reference, keyring: Keyring, looks: Looks) -> None:
        """*checks* knows the words of reasons and how a question is checked; *keyring* opens the card of one, which is shown masked."""
        self._dsn, self._checks, self._reference = dsn, checks, reference
        self._keyring, self._looks = keyring, looks
        # One thread, which rests: an explanation is work for the interpreter, of which the answers need most.
        self._reads = Reads(dsn, "hub_reader", "hub-explain", rest=EXPLAINER_RESTS)

    def close(self) -> None:
        """Ends the thread and closes its connection."""
        self._reads.close()

    async def explain(self, request: protos.ExplainAcceptanceRequest, caller: Caller) -> protos.ExplainAcceptanceResponse:
        """Returns the explanation; raises RequestInvalid, DecisionNotFound, NotPermitted, RoleMissing, ViewBehind or JournalUnavailable."""
        refuse_invalid(request, "purpose_code")
        caller.allowance.misses.refuse_if_spent()
        read: tuple[protos.ExplainAcceptanceResponse, Look] = await self._reads.read(caller.urn, self._explain, request, caller)
        response, look = read
        await self._looks.record(caller, look)
        return response

    def _explain(
        self, connection: psycopg.Connection, request: protos.ExplainAcceptanceRequest, caller: Caller
    ) -> tuple[protos.ExplainAcceptanceResponse, Look]:
        """Returns the explanation and the look to record before it is given."""
        is_recorded = request.WhichOneof("subject") == "decision_position"
        subject = self._recorded(connection, request, caller) if is_recorded else self._hypothetical(request, caller)
        question = subject.question
        is_issuer = caller.rights.issues(question.issuing_province)
        if not is_issuer:
            _refuse_another_time(request)
        if request.HasField("valid_at"):
            question = question._replace(at_us=instant_us(request, "valid_at"))
        known = known_of(connection, subject, request.recorded_as_of)
        said = answered(self._dsn, request.rules_digest, known, question)
        if is_recorded:
            parents = traces_at(connection, request.decision_position) or ()
            caller.call.links = [parent for parent in parents if is_trace_parent(parent)]
        caller.call.keep("audit")
        response = self._response(said, request.rules_digest or rules_digest(), known, question)
        if subject.recorded is not None:
            event = subject.recorded.event
            then = event.decision_made
            recorded = self._checks.response(then.request_id, event, request.decision_position, is_issuer=is_issuer)
            response.recorded.CopyFrom(recorded)
            response.asked.CopyFrom(self._asked(subject.recorded, with_card=is_issuer))
            codes = [reason.code for reason in response.reasons]
            response.same_as_recorded = (response.outcome, codes) == (then.outcome, list(then.reason_codes))
        if not is_issuer:
            _hide_card(response)
        shown = Shown.SHOWN_RECORD_EXPLANATION if known.facts else Shown.SHOWN_RECORD_NOTHING
        return response, Look(subject.card, shown, request.purpose_code, known.position, request.decision_position)

    def _recorded(self, connection: psycopg.Connection, request: protos.ExplainAcceptanceRequest, caller: Caller) -> Subject:
        subject = recorded_subject(connection, request.decision_position)
        assert subject.recorded is not None
        if caller.urn != subject.recorded.event.decision_made.participant and not caller.rights.issues(subject.card.issuing_province):
            raise NotPermitted("the decision is another participant's and about a card that the caller does not issue")
        return subject

    def _asked(self, recorded: Recorded, *, with_card: bool) -> protos.AskedQuestion:
        event = recorded.event
        decision, card = event.decision_made, event.card
        asked = protos.AskedQuestion(
            participant=decision.participant,
            operator=decision.operator,
            request_id=decision.request_id,
            issuing_province=card.issuing_province,
            card_identifier=card.kind,
            card_masked=self._masked(card.key) if with_card else "",
            scenario=event.scenario,
            service_region=event.service_region,
            medium=event.medium,
            venue_code=event.venue_code,
            at=event.occurred_at,
            recorded_at=timestamp_of(recorded.recorded_us),
        )
        if decision.HasField("claims"):
            asked.claims.CopyFrom(decision.claims)
        return asked

    def _masked(self, card_key: bytes) -> str:
        with reading(self._dsn, "hub_writer", "hub-explain") as connection:
            name = open_identifiers(connection, self._keyring, [card_key]).get(card_key)
        return "" if name is None else masked_card(name)

    def _hypothetical(self, request: protos.ExplainAcceptanceRequest, caller: Caller) -> Subject:
        asked = request.hypothetical
        question, card_key = self._checks.checked(asked, caller, serves_all=caller.rights.issues(asked.card.issuing_province))
        return Subject(question, card_by_key(asked.card.issuing_province, asked.card.kind, card_key), None, None)

    def _response(self, said: dict[str, Any], digest: bytes, known: Known, question: Question) -> protos.ExplainAcceptanceResponse:
        rules = [
            protos.RuleExplanation(
                rule_id=rule["rule_id"],
                title_zh=rule["title_zh"],
                title_en=rule["title_en"],
                asked=rule["asked"],
                saw=[protos.RuleObservation(name=name, value=value) for name, value in rule["saw"]],
                reason_code=rule["reason_code"],
                basis=_basis(rule.get("basis")),
            )
            for rule in said["rules"]
        ]
        return protos.ExplainAcceptanceResponse(
            outcome=OUTCOME_NUMBERS[said["outcome"]],
            reasons=[self._checks.reason(code) for code in said["reason_codes"]],
            rules=rules,
            agreement_codes=said["agreement_codes"],
            fact_positions=fact_positions(known, question),
            recorded_as_of=known.position,
            valid_at=timestamp_of(question.at_us),
            rules_digest=digest,
        )


def _refuse_another_time(request: protos.ExplainAcceptanceRequest) -> None:
    """Other times are the issuer's to choose: the answer changes where an event of the card lies, so that a few questions find it."""
    if request.recorded_as_of or request.HasField("valid_at"):
        raise NotPermitted("only the card's issuer asks for another time than the decision's own or now")


def _basis(said: list[Any] | None) -> acceptance_pb2.RuleBasis | None:
    """Writes what a rule's conclusion rests on; a version that knows nothing of records does not say."""
    return None if said is None else in_words(basis_message(Basis(*said)), is_issuer=True)


def _hide_card(response: protos.ExplainAcceptanceResponse) -> None:
    """Takes out what rules saw of the card itself and where its events are, which is the issuing province's alone to know."""
    response.ClearField("fact_positions")
    for rule in response.rules:
        if rule.HasField("basis"):
            rule.basis.ClearField("record_position")
        kept = [seen for seen in rule.saw if not seen.name.startswith((*OF_THE_CARD, ON_RECORD))]
        del rule.saw[:]
        rule.saw.extend(kept)

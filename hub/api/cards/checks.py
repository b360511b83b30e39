"""Answers acceptance questions: take what waits, read the cards once, decide each, record all in one commit, answer each.

One group is under way at a time, on the event loop; what arrives meanwhile is the next group. An answer is given only once it is
recorded, and a repeated request gets the recorded one.
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import NamedTuple

import psycopg
from chuanyu.exchange.v1 import card_service_pb2 as protos
from chuanyu.exchange.v1 import event_pb2

from hub.api.cards.card_reader import CardReader
from hub.api.cards.card_snapshot import Snapshot, Wanted
from hub.api.cards.counting import count_decided, read_with
from hub.api.cards.view_wait import when_seen
from hub.api.edge.directory import Caller
from hub.api.edge.turns import Reads
from hub.domain.acceptance import USES, Question, decide, looks_at_record, rules_digest
from hub.domain.concessions import year_began
from hub.domain.errors import JournalUnavailable, NotPermitted, NotRecorded, QueueFull, RequestIdReused, RequestInvalid
from hub.domain.event_rules import may_say_region
from hub.domain.instants import DAY_US, epoch_day, set_timestamp
from hub.domain.pseudonym import hmac_sm3_under
from hub.domain.records.bases import basis_message, in_words
from hub.domain.records.weighing import UNKNOWN, OnRecord
from hub.domain.reference import Reference
from hub.domain.rule_input import BORROWING, CHIP_MEDIA, ELDER
from hub.intake.identifiers import Identifiers
from hub.intake.request_rules import instant_us, now_us, question_in, refuse_invalid, refuse_outside
from hub.journal.decisions import WAITING_DECISIONS, Decision, DecisionWriter, Receipt, TokenRedeemed, settle
from hub.journal.reader import read_page
from hub.telemetry import names
from hub.telemetry.spans import Call, GroupTiming, Kind, now_ns
from hub.trust.keyring import Keyring
from hub.words.outcomes import OUTCOME_NUMBERS

GROUP_CHECKS = 256

# A busy event loop hardly ever waits for the database: groups taken as they come are of one or two, and most of the loop's time goes
# into round trips (with 32 checks in flight 0.37 as many calls as empty ones; gathered, 0.5 and more). A lone caller never waits.
PACE_S = 0.004
SMALL_GROUP = 3
# The reason of rule A01 alone: the hub has no fact of the card.
CARD_UNKNOWN = "CARD_UNKNOWN"


class _Check(NamedTuple):
    """A question under way: its event, complete but for the answer, and what a repeat of the request is known by."""

    event: event_pb2.Event
    question: Question
    card_key: bytes
    request_key: bytes
    min_position: int
    call: Call


_Waiting = tuple[_Check, "asyncio.Future[Receipt]"]
_Decided = tuple[_Check, "asyncio.Future[Receipt]", Decision]


class Checks:
    """Used from one event loop."""

    def __init__(
        self, reads: Reads, cards: CardReader, decisions: DecisionWriter, identifiers: Identifiers, keyring: Keyring, reference: Reference
    ) -> None:
        """All parts are shared with the other services of the process."""
        self._reads, self._cards, self._decisions = reads, cards, decisions
        self._identifiers, self._reference = identifiers, reference
        self._digest = hmac_sm3_under(keyring.digest)
        self._reasons = {code: _reason_message(reference, code) for code in reference.reasons}
        self._waiting: list[_Waiting] = []
        self._answering: asyncio.Task[None] | None = None
        self._last_began, self._last_size = 0.0, 0

    async def stop(self) -> None:
        """Answers what waits."""
        if self._answering is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._answering

    async def answer(
        self, request: protos.CheckAcceptanceRequest, caller: Caller, *, serves_all: bool = False
    ) -> protos.CheckAcceptanceResponse:
        """Returns the recorded answer; of who *serves_all* it is not asked whether it serves the place and the scenario.

        Raises RequestInvalid, NotPermitted, RoleMissing, ViewBehind, ViewsLate, ClockDrift, RequestIdReused, QueueFull or NotRecorded.
        """
        caller.allowance.misses.refuse_if_spent()
        check = self._check(request, caller, serves_all=serves_all)
        try:
            receipt = await (when_seen(lambda: self._receipt(check)) if request.min_position else self._receipt(check))
        except JournalUnavailable:
            raise NotRecorded from None
        event = check.event
        if not receipt.is_new:
            event = await self._reads.read(caller.urn, _event_at, receipt.position)
            recorded = event.decision_made.request_digest
            # Before the participant was part of it, the digest was that of the request alone.
            if recorded not in (check.event.decision_made.request_digest, self._digest(_as_asked(request))):
                raise RequestIdReused
        elif CARD_UNKNOWN in event.decision_made.reason_codes:
            caller.allowance.misses.count(check.call.name)
        response = self.response(request.request_id, event, receipt.position, is_issuer=caller.rights.issues(event.card.issuing_province))
        count_decided(check.call, event, receipt)
        return response

    def _receipt(self, check: _Check) -> "asyncio.Future[Receipt]":
        """Puts a check into the next group; raises QueueFull."""
        if len(self._waiting) >= WAITING_DECISIONS:
            raise QueueFull
        receipt: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._waiting.append((check, receipt))
        if self._answering is None:
            self._answering = asyncio.create_task(self._answer_groups())
        return receipt

    async def _answer_groups(self) -> None:
        try:
            while self._waiting:
                await self._gather()
                group, self._waiting = self._waiting[:GROUP_CHECKS], self._waiting[GROUP_CHECKS:]
                try:
                    await self._answer_group(group)
                except Exception as failure:
                    # A fault of ours must not leave callers waiting; each of them answers INTERNAL.
                    for _, receipt in group:
                        settle(receipt, failure)
        finally:
            self._answering = None

    async def _gather(self) -> None:
        """Lets the group grow to PACE_S after the beginning of the last one, unless that was small."""
        if self._last_size >= SMALL_GROUP and (rest_s := self._last_began + PACE_S - time.monotonic()) > 0:
            await asyncio.sleep(rest_s)
        self._last_began, self._last_size = time.monotonic(), len(self._waiting)

    async def _answer_group(self, group: Sequence[_Waiting]) -> None:
        began, asked, with_record = now_ns(), dict[bytes, bool](), dict[bytes, Wanted]()
        for check, _ in group:
            question, key = check.question, check.card_key
            asked[key] = question.medium not in CHIP_MEDIA or asked.get(key, False)
            if looks_at_record(question):
                units_since = year_began(question.at_us) if question.scenario == ELDER else ""
                known = with_record.get(key, Wanted())
                since = min(filter(None, (units_since, known.units_since)), default="")
                institutions = (*known.institutions, question.institution) if question.institution else known.institutions
                library, entries = known.library or question.scenario == BORROWING, known.entries or question.is_exit
                with_record[key] = Wanted(since, library, institutions, entries)
        cards = await self._cards.read_together(asked, with_record)
        read, decided = GroupTiming(began, now_ns(), len(group)), []
        for check, receipt in group:
            if receipt.done():
                # Its caller has gone: there is no answer to record.
                continue
            try:
                decided.append((check, receipt, self._decision(check, cards, read)))
            except Exception as refusal:
                settle(receipt, refusal)
        if decided:
            await self._record(decided, cards, read)

    async def _record(self, decided: Sequence[_Decided], cards: Snapshot, read: GroupTiming) -> None:
        """Records decisions and settles their receipts; one whose token another answer has used is decided again, as it is now known."""
        receipts = await self._decisions.record([decision for _, _, decision in decided])
        again = []
        for (check, receipt, _), recorded in zip(decided, receipts, strict=True):
            if isinstance(recorded, TokenRedeemed):
                again.append((check, receipt, self._decision(check, cards, read, OnRecord(False, recorded.position))))
            else:
                settle(receipt, recorded)
        if again:
            await self._record(again, cards, read)

    def _decision(self, check: _Check, cards: Snapshot, read: GroupTiming, token: OnRecord = UNKNOWN) -> Decision:
        call, began, with_ecard = check.call, now_ns(), check.question.medium not in CHIP_MEDIA
        card = cards.card(check.card_key, check.min_position, with_ecard=with_ecard)
        call.step(names.READ_SPAN, read.began, read.ended, read_with(read.size), Kind.CLIENT)
        answer = decide(card.facts, card.agreements, self._reference, check.question, cards.known_for(check.question, card, token))
        made = check.event.decision_made
        made.outcome, made.as_of_position, made.rules_digest = OUTCOME_NUMBERS[answer.outcome], card.as_of_position, rules_digest()
        if token is not UNKNOWN:
            # It was decided before.
            for field in ("reason_codes", "agreement_codes", "bases"):
                made.ClearField(field)
        made.reason_codes.extend(answer.reason_codes)
        made.agreement_codes.extend(answer.agreement_codes)
        made.bases.extend(map(basis_message, answer.bases))
        # A token that is known to be used is not looked for again.
        shown = check.question.token if token is UNKNOWN else b""
        redeems = bool(shown) and not made.operator and answer.outcome in USES
        decision = Decision(
            check.request_key,
            check.question.at_us,
            check.event.SerializeToString(),
            call.trace_parents(),
            token=shown,
            redeems=redeems,
        )
        call.step(names.DECIDE_SPAN, began, now_ns(), {names.AS_OF_POSITION: card.as_of_position})
        return decision

    def _check(self, request: protos.CheckAcceptanceRequest, caller: Caller, *, serves_all: bool) -> _Check:
        question, card_key = self.checked(request, caller, serves_all=serves_all)
        event = event_pb2.Event(
            service_region=question.service_region, scenario=question.scenario, medium=request.medium, venue_code=question.venue_code
        )
        set_timestamp(event.occurred_at, question.at_us)
        named, card = request.card, event.card
        card.issuing_province, card.kind, card.key = named.issuing_province, named.kind, card_key
        decision = event.decision_made
        decision.request_id, decision.participant, decision.operator = request.request_id, caller.urn, caller.operator
        decision.request_digest = self._digest(b"question|%s|%s" % (caller.urn.encode(), _as_asked(request)))
        if request.HasField("claims"):
            decision.claims.CopyFrom(request.claims)
        if request.HasField("subject_refs"):
            decision.subject_refs.CopyFrom(question.refs)
        request_key = self._digest(f"request|{caller.urn}|{request.request_id}".encode())
        return _Check(event, question, card_key, request_key, request.min_position, caller.call)

    def checked(self, request: protos.CheckAcceptanceRequest, caller: Caller, *, serves_all: bool = False) -> tuple[Question, bytes]:
        """Returns the question of a request and the key of its card; raises RequestInvalid, NotPermitted, RoleMissing or QuotaExceeded.

        Who *serves_all*, as an issuer that looks into its own card, asks about every place and scenario.
        """
        refuse_invalid(request, "request_id", "venue_code")
        at_us, scenario, region, wrong = now_us(), request.scenario, request.service_region, []
        if request.HasField("at"):
            if not caller.rights.issues(request.card.issuing_province):
                # A question on each side of a delivered instant would say whose event it is.
                raise NotPermitted("only the card's issuer asks for another time than now")
            if (asked_us := instant_us(request, "at")) > at_us + DAY_US:
                wrong.append(("at", "in_the_future"))
            at_us = asked_us
        if not may_say_region(self._reference, region, epoch_day(at_us)):
            wrong.append(("service_region", "unknown_region"))
        if scenario not in self._reference.scenario_codes:
            wrong.append(("scenario", "unknown_scenario"))
        if wrong:
            raise RequestInvalid(wrong)
        if not serves_all:
            if caller.province:
                refuse_outside(caller.province, region)
            caller.rights.require_serving(scenario, region)
        question, card = question_in(request, at_us)
        if request.HasField("subject_refs"):
            question = question._replace(refs=self._identifiers.keyed(request.subject_refs, "subject_refs"))
        card_key = self._identifiers.key_of(card)
        if request.claims.group_service:
            # Before anything is looked at: no refusal says what is on record.
            caller.allowance.groups.take(card_key, request.subject_refs.scheme)
        return question, card_key

    def reason(self, code: str) -> protos.Reason:
        """Returns a reason with its words; one that a newer release recorded has none here."""
        return self._reasons.get(code) or protos.Reason(code=code)

    def response(self, request_id: str, event: event_pb2.Event, position: int, *, is_issuer: bool) -> protos.CheckAcceptanceResponse:
        """Makes the response of a recorded decision, with the words of its reasons and of what contradicts its claims."""
        decision = event.decision_made
        return protos.CheckAcceptanceResponse(
            request_id=request_id,
            outcome=decision.outcome,
            position=position,
            as_of_position=decision.as_of_position,
            reasons=[self.reason(code) for code in decision.reason_codes],
            decided_for=event.occurred_at,
            rules_digest=decision.rules_digest,
            bases=[in_words(basis, is_issuer=is_issuer) for basis in decision.bases],
        )


def _as_asked(request: protos.CheckAcceptanceRequest) -> bytes:
    return request.SerializeToString(deterministic=True)


def _reason_message(reference: Reference, code: str) -> protos.Reason:
    reason = reference.reason(code)
    return protos.Reason(
        code=code,
        rule_id=reason.rule,
        text_zh=reason.text_zh,
        text_en=reason.text_en,
        advice_zh=reason.advice_zh,
        advice_en=reason.advice_en,
    )


def _event_at(connection: psycopg.Connection, position: int) -> event_pb2.Event:
    return read_page(connection, position - 1, position)[0].event

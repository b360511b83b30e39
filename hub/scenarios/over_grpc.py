"""The way over gRPC: both provinces report to a running hub over mutual TLS and ask it; answers are recorded like any other.

What no service gives, which facts contradict each other and how much was counted, is read from that hub's views.
"""

import secrets
import time
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import psycopg
from chuanyu.exchange.v1 import (
    acceptance_pb2,
    card_service_pb2,
    card_service_pb2_grpc,
    case_service_pb2_grpc,
    feed_service_pb2,
    feed_service_pb2_grpc,
)
from chuanyu.exchange.v1 import references_pb2 as references
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from hub.domain.card import Standing
from hub.domain.errors import ViewBehind
from hub.domain.participant import OPERATOR, OPERATOR_METADATA
from hub.domain.pseudonym import hmac_sm3_under
from hub.journal.reader import head_position
from hub.journal.recorder import AggregateStore
from hub.processes.losses import CHECKPOINT
from hub.projections import PROJECTIONS
from hub.scenarios import cases, ledgers
from hub.scenarios.filling import Names, enum_prefix
from hub.scenarios.on_postgres import (
    activate,
    counted,
    counted_since,
    found_in,
    in_batches,
    register,
    told_position,
)
from hub.scenarios.participants import ASKERS, FEEDS, OWNERS, TELLERS
from hub.scenarios.pure import findings_of, lives_of
from hub.scenarios.questions import LEDGERS
from hub.scenarios.running import Run, Stand, acceptance_of
from hub.scenarios.scenario import LIVES, Ask, Scenario
from hub.trust.authority import issue_participant
from hub.trust.keyring import open_keyring
from hub.words.outcomes import outcome_name

DEADLINE_S = 15.0
_OPERATOR = ((OPERATOR_METADATA, "scenarios"),)
_FOLLOWED = [*(projection.name for projection in PROJECTIONS), CHECKPOINT]


class _Teller(NamedTuple):
    channel: grpc.Channel
    feeds: Any
    cards: Any


class OverGrpc:
    """Both provinces' channels to one hub, whose database and data directory are at hand; closed at the end."""

    at_once = 8

    def __init__(self, target: str, dsn: str, data_dir: Path) -> None:
        """*target* is the hub's address; the participants of the scenarios are registered there if they are not."""
        register(dsn)
        self._tellers = {urn: _connected(target, data_dir / "certificates", urn) for urn in TELLERS}
        self._operator = _connected(target, data_dir / "certificates", OPERATOR)
        self._store = AggregateStore(dsn)
        self._views = psycopg.connect(dsn, autocommit=True)
        self._key_of = hmac_sm3_under(open_keyring(data_dir / "keys").pseudonym)
        self._sequences: dict[str, int] = {}
        # A hub that has run scenarios before keeps their cards.
        self._runs = count(secrets.randbelow(90_000))

    def close(self) -> None:
        """Closes channels and connections."""
        for teller in (*self._tellers.values(), self._operator):
            teller.channel.close()
        self._views.close()
        self._store.close()

    def tell(self, scenario: Scenario) -> Run:
        """Reports to the hub what is given, each province in its own feeds."""
        stand = Stand(scenario, next(self._runs))
        run = GrpcRun(self, stand, stand.names())
        if scenario.is_counting:
            self.caught_up(self.head())
            run.before = {ask.number: counted(self._views, ask) for ask in scenario.when if ask.kind == "usage"}
        run.position = activate(self._store, stand)
        run.names.events.update(scenario.names_of_steps({feed: self._next_sequence(feed) for feed in FEEDS}))
        for feed, steps in in_batches(scenario):
            first = self._next_sequence(feed)
            events = [step.event(run.names) for step in steps]
            request = feed_service_pb2.AppendEventsRequest(feed=feed, first_sequence=first, events=events)
            answer = self._tellers[OWNERS[feed]].feeds.AppendEvents(request, timeout=DEADLINE_S)
            self._sequences[feed] = first + len(events)
            run.position = answer.positions[-1]
            run.told.update({position: step.name for position, step in zip(answer.positions, steps, strict=True)})
            for notice in answer.quarantined:
                broken = [f"{violation.field_path}: {violation.rule_id}" for violation in notice.violations]
                run.refused[steps[notice.sequence - first].number] = broken
        return run

    def _next_sequence(self, feed: str) -> int:
        if feed not in self._sequences:
            request = feed_service_pb2.GetFeedRequest(feed=feed)
            self._sequences[feed] = self._tellers[OWNERS[feed]].feeds.GetFeed(request, timeout=DEADLINE_S).next_sequence
        return self._sequences[feed]

    def cards(self, province: str) -> Any:
        """The card service as a province reaches it."""
        return self._tellers[ASKERS[province]].cards

    def channel(self, province: str) -> grpc.Channel:
        """A province's channel."""
        return self._tellers[ASKERS[province]].channel

    def cases(self, province: str) -> Any:
        """The case service as a province reaches it."""
        return case_service_pb2_grpc.CaseServiceStub(self.channel(province))

    def check(self, request: card_service_pb2.CheckAcceptanceRequest) -> card_service_pb2.CheckAcceptanceResponse:
        """Asks as the serving province about its own cards, else as operators do: nobody else may ask for another time than now."""
        province = request.service_region[:2]
        if request.card.issuing_province == province:
            answer = self.cards(province).CheckAcceptance(request, timeout=DEADLINE_S)
        else:
            answer = self._operator.cards.CheckAcceptance(request, timeout=DEADLINE_S, metadata=_OPERATOR)
        asked: card_service_pb2.CheckAcceptanceResponse = answer
        return asked

    def caught_up(self, position: int) -> psycopg.Connection:
        """Waits until views and the loss process have reached a position and returns a connection to read them; raises ViewBehind."""
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            row = self._views.execute("SELECT min(position) FROM views.checkpoint WHERE view = ANY (%s)", (_FOLLOWED,)).fetchone()
            if row is not None and (row[0] or 0) >= position:
                return self._views
            time.sleep(0.01)
        raise ViewBehind

    def head(self) -> int:
        """The position of the newest event."""
        return head_position(self._views)

    def key_of(self, name: str) -> bytes:
        """The hub's key of an identifier."""
        return self._key_of(name.encode())


class GrpcRun:
    """One scenario on a running hub."""

    def __init__(self, way: OverGrpc, stand: Stand, names: Names) -> None:
        """Filled while it is reported."""
        self._way, self._stand, self.names = way, stand, names
        self.position = 0
        self.told: dict[int, str] = {}
        self.refused: dict[int, list[str]] = {}
        self.before: dict[int, tuple[int, int]] = {}

    def answer(self, ask: Ask) -> dict[str, Any]:
        """Asks the hub, once it has decided about the loss requests it was sent and folded that too."""
        if any(step.kind == "loss_request_submitted" for step in self._stand.scenario.given):
            self._way.caught_up(self.position)
            self._way.caught_up(self._way.head())
        if ask.kind == "acceptance":
            return self._acceptance(ask)
        if ask.kind == "standing":
            return self._standing(ask)
        if ask.kind == "use":
            return self._use(ask)
        if ask.kind == "case":
            return self._case(ask)
        if ask.kind in LEDGERS:
            return self._ledger(ask)
        views = self._way.caught_up(self.position)
        if ask.kind == "usage":
            return counted_since(views, self._stand.scenario, self.told, ask, self.before[ask.number])
        issuer, number = self.names.cards[ask.card]
        key = self._way.key_of(f"card|{issuer}|{number}")
        return findings_of(ask, found_in(views, key), self.told)

    def _acceptance(self, ask: Ask) -> dict[str, Any]:
        request = card_service_pb2.CheckAcceptanceRequest(
            request_id=secrets.token_hex(16),
            scenario=ask.scenario,
            service_region=ask.region,
            medium=acceptance_pb2.Medium.Value(f"MEDIUM_{ask.medium}"),
            venue_code=self._stand.venue(ask.venue),
            min_position=self.position,
        )
        self._name(request.card, ask.card)
        request.at.FromMicroseconds(ask.at_us)
        if ask.claims is not None:
            request.claims.CopyFrom(ask.claims)
        if ask.refs:
            request.subject_refs.CopyFrom(ask.subject_refs(self.names))
        if ask.known_us is None:
            answer = self._way.check(request)
            bases = list(answer.bases)
        else:
            self._way.caught_up(self.position)
            known = told_position(self._stand.scenario, ask.known_us, self.told)
            asked = card_service_pb2.ExplainAcceptanceRequest(hypothetical=request, recorded_as_of=known, valid_at=request.at)
            # Another time is the issuer's to choose.
            answer = self._way.cards(request.card.issuing_province).ExplainAcceptance(asked, timeout=DEADLINE_S)
            bases = [rule.basis for rule in answer.rules if rule.HasField("basis")]
        outcome = outcome_name(answer.outcome)
        return acceptance_of(outcome, answer.reasons, bases)

    def _standing(self, ask: Ask) -> dict[str, Any]:
        """Asks the issuer's question, who alone sees the five lives."""
        request = card_service_pb2.GetCardRequest(min_position=self.position, purpose_code="SCENARIO")
        self._name(request.card, ask.card)
        request.valid_at.FromMicroseconds(ask.at_us)
        try:
            lives = self._way.cards(request.card.issuing_province).GetCard(request, timeout=DEADLINE_S).lives
        except grpc.RpcError as refusal:
            if refusal.code() != grpc.StatusCode.NOT_FOUND:
                raise
            return lives_of(Standing())
        return {name: _life(lives, name) for name in LIVES}

    def _use(self, ask: Ask) -> dict[str, Any]:
        """Asks as the issuer, who has its cards' uses judged."""
        request = card_service_pb2.JudgeUseRequest(min_position=self.position)
        request.medium = acceptance_pb2.Medium.Value(f"MEDIUM_{ask.medium or 'UNSPECIFIED'}")
        self._name(request.card, ask.card)
        request.used_at.FromMicroseconds(ask.at_us)
        if ask.hotlist_us is not None:
            request.hotlist_effective_at.FromMicroseconds(ask.hotlist_us)
        judged = self._way.cards(request.card.issuing_province).JudgeUse(request, timeout=DEADLINE_S)
        assert judged.is_valid == (judged.finding_code == ""), judged
        against = self.told.get(judged.against_position, "")
        return {"finding": judged.finding_code, "in_liability_window": judged.in_liability_window, "against": against}

    def _case(self, ask: Ask) -> dict[str, Any]:
        """Asks as a side of the case, or as the other province."""
        position = 0 if ask.known_us is None else told_position(self._stand.scenario, ask.known_us, self.told)
        request = cases.request_of(ask, self.names, position)
        self._way.caught_up(self.position)
        try:
            answer = self._way.cases(ask.asker).GetCase(request, timeout=DEADLINE_S)
        except grpc.RpcError as refusal:
            return {"refused": _reason(refusal)}
        return cases.case_of(answer, self.told)

    def _ledger(self, ask: Ask) -> dict[str, Any]:
        """Asks as the province that the question names."""
        position = 0 if ask.known_us is None else told_position(self._stand.scenario, ask.known_us, self.told)
        self._way.caught_up(self.position)
        stand = ledgers.OnEdge(self._way.channel(ask.asker), self._name, self.position, DEADLINE_S)
        try:
            answer = LEDGERS[ask.kind].on_edge(stand, ask, self.names, position)
        except grpc.RpcError as refusal:
            return {"refused": _reason(refusal)}
        return LEDGERS[ask.kind].answer_of(answer, self.told, self.names.run)

    def _name(self, ref: references.CardRef, alias: str) -> None:
        ref.issuing_province, ref.clear = self.names.cards[alias]
        ref.kind = references.CARD_IDENTIFIER_KIND_CARD_NO


def _life(lives: card_service_pb2.CardLives, name: str) -> Any:
    field = lives.DESCRIPTOR.fields_by_name[name]
    value = getattr(lives, name)
    if field.message_type is not None:
        return value.ToMicroseconds() if lives.HasField(name) else None  # type: ignore[arg-type]
    if field.enum_type is None:
        return None if value == "" else value
    return field.enum_type.values_by_number[value].name.removeprefix(enum_prefix(field.enum_type)) if value else None


def _reason(refusal: grpc.RpcError) -> str:
    """Returns why a call was refused; raises what is no refusal of the hub's."""
    status = rpc_status.from_call(refusal)
    for detail in status.details if status is not None else ():
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return str(info.reason)
    raise refusal


def _connected(target: str, certificates_dir: Path, urn: str) -> _Teller:
    files = issue_participant(certificates_dir, urn)
    channel = files.channel(target)
    return _Teller(channel, feed_service_pb2_grpc.FeedServiceStub(channel), card_service_pb2_grpc.CardServiceStub(channel))

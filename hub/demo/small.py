"""Small participants of the demo: a museum, a bus company, a hospital and a transit company do what their roles are for, and no more.

They are registered with narrow roles on the same hub and make real calls over their own certificates. The demo holds only if everything
that they may do is done, and everything else is refused for the role that is missing.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import grpc
from chuanyu.exchange.v1 import (
    acceptance_pb2,
    card_lifecycle_pb2,
    card_service_pb2,
    card_service_pb2_grpc,
    event_pb2,
    feed_service_pb2,
    feed_service_pb2_grpc,
)
from chuanyu.exchange.v1 import references_pb2 as references
from chuanyu.exchange.v1 import subscription_service_pb2 as subscriptions
from chuanyu.exchange.v1 import subscription_service_pb2_grpc as subscription_stubs
from chuanyu.exchange.v1 import usage_culture_pb2 as culture
from chuanyu.exchange.v1 import usage_transit_pb2 as transit
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from rich.console import Console

from hub.admin.registry import register_participant
from hub.domain.participant import PREFIX
from hub.domain.roles import Grant, Scope
from hub.journal.recorder import AggregateStore
from hub.trust.authority import CertificateFiles, issue_participant
from hub.words.outcomes import outcome_name

DEADLINE_S = 10.0
MISSING = "ROLE_MISSING"


class _Small(NamedTuple):
    province: str
    title: str
    scope: Scope
    further: tuple[Grant, ...] = ()


PARTICIPANTS = {
    "cq.museum": _Small("50", "重庆一家博物馆 a museum in Chongqing", Scope(("CUL.MUS",), ("5001",))),
    "sc.bus": _Small("51", "成都一家公交公司 a bus company in Chengdu", Scope(("TRA.BUS",), ("5101",))),
    "cq.hospital": _Small("50", "重庆一家医院 a hospital in Chongqing", Scope(("MED.*",), ("5001",))),
    "cq.transit": _Small(
        "50", "重庆一家公交公司 a transit company in Chongqing", Scope(("TRA.ELD",), ("5001",)), (Grant("TRANSIT_OPERATOR"),)
    ),
}


@dataclass(frozen=True, slots=True)
class Step:
    """What a participant did and what came of it: "recorded", "answered", or the reason it was refused for, with the role it lacks."""

    participant: str
    did: str
    outcome: str
    role: str = ""
    as_planned: bool = True


class SmallParticipants:
    """Registered when made; `play` has them do their parts once."""

    def __init__(self, target: str, dsn: str, data_dir: Path, cards: Mapping[str, str]) -> None:
        """*cards* has a card number of each province's, and an elder's."""
        self._target, self._cards = target, cards
        self._certificates: dict[str, CertificateFiles] = {}
        with closing(AggregateStore(dsn)) as store:
            for name, (province, title, scope, further) in PARTICIPANTS.items():
                grants = [Grant("SERVICE_POINT", scope), *further]
                register_participant(store, PREFIX + name, province, title, [name], datetime.now(UTC), grants)
                self._certificates[name] = issue_participant(data_dir / "certificates", PREFIX + name)
        self.steps: list[Step] = []

    def play(self) -> list[Step]:
        """Makes every call once, and returns what came of each."""
        parts = {"cq.museum": self._museum, "sc.bus": self._bus, "cq.hospital": self._hospital, "cq.transit": self._transit}
        for name, planned in parts.items():
            if not any(step.participant == name for step in self.steps):
                with grpc.secure_channel(self._target, self._certificates[name].client_credentials()) as channel:
                    self.steps += planned(channel)
        return self.steps

    @property
    def problems(self) -> list[str]:
        """What did not go as planned."""
        return [f"{step.participant}: {step.did}: {step.outcome} {step.role}".strip() for step in self.steps if not step.as_planned]

    def as_json(self) -> list[dict[str, Any]]:
        """The steps, for machines."""
        return [asdict(step) for step in self.steps]

    def _museum(self, channel: grpc.Channel) -> Iterator[Step]:
        feeds = feed_service_pb2_grpc.FeedServiceStub(channel)
        entered = _event(self._cards["51"], "51")
        entered.scenario, entered.service_region = "CUL.MUS", "500103"
        gate = entered.venue_gate_entered
        gate.gate, gate.ticket_type, gate.party_size = "EAST", culture.TICKET_TYPE_FULL, 1
        cancelled = _event(self._cards["50"], "50")
        cancelled.card_cancelled.reason = card_lifecycle_pb2.CANCELLATION_REASON_ERROR
        yield _told("cq.museum", "报送一次入馆 reports a visit", feeds, 1, entered, "recorded")
        yield _told("cq.museum", "试图注销一张卡 tries to cancel a card", feeds, 2, cancelled, "role_missing")
        yield self._subscribes("cq.museum", channel)

    def _bus(self, channel: grpc.Channel) -> Iterator[Step]:
        asks = card_service_pb2_grpc.CardServiceStub(channel).CheckAcceptance
        yield _answered(
            "sc.bus",
            "询问渝卡乘公交 asks for a bus ride",
            lambda: asks(self._question("50", "TRA.BUS", "510100", acceptance_pb2.MEDIUM_CONTACTLESS), timeout=DEADLINE_S),
        )
        yield _refused(
            "sc.bus", "询问渝卡就医 asks for a hospital visit", lambda: asks(self._question("50", "MED.OP", "510100"), timeout=DEADLINE_S)
        )

    def _hospital(self, channel: grpc.Channel) -> Iterator[Step]:
        asks = card_service_pb2_grpc.CardServiceStub(channel).CheckAcceptance
        yield _answered(
            "cq.hospital", "询问川卡就医 asks for a visit", lambda: asks(self._question("51", "MED.OP", "500103"), timeout=DEADLINE_S)
        )
        yield self._subscribes("cq.hospital", channel)

    def _transit(self, channel: grpc.Channel) -> Iterator[Step]:
        """An elder uses the last unit; the next gate believes that five are left."""
        cards, used = card_service_pb2_grpc.CardServiceStub(channel), _event(self._cards["elder"], "50")
        used.scenario, used.service_region = "TRA.ELD", "500103"
        consumed = used.transit_concession_consumed
        consumed.concession_type, consumed.units, consumed.units_left = transit.CONCESSION_TYPE_ELDER, 1, 0
        feeds = feed_service_pb2_grpc.FeedServiceStub(channel)
        told, position = _told_at("cq.transit", "报送老人用完最后一次优待 reports the last unit of an elder", feeds, 1, used, "recorded")
        yield told
        request = self._question("50", "TRA.ELD", "500103", acceptance_pb2.MEDIUM_CONTACTLESS)
        _name(request.card, self._cards["elder"], "50")
        request.claims.concession_units_left, request.min_position = 5, position
        yield _answered("cq.transit", "闸机称还剩5次 a gate says five are left", lambda: cards.CheckAcceptance(request, timeout=DEADLINE_S))

    def _subscribes(self, name: str, channel: grpc.Channel) -> Step:
        subscribe = subscription_stubs.SubscriptionServiceStub(channel).Subscribe
        return _refused(
            name,
            "订阅全省卡片 subscribes to the province's cards",
            lambda: next(subscribe(subscriptions.SubscribeRequest(), timeout=DEADLINE_S)),
        )

    def _question(
        self, issuer: str, scenario: str, region: str, medium: Any = acceptance_pb2.MEDIUM_CONTACT
    ) -> card_service_pb2.CheckAcceptanceRequest:
        request = card_service_pb2.CheckAcceptanceRequest(
            request_id=f"small-{time.time_ns()}", scenario=scenario, service_region=region, medium=medium
        )
        _name(request.card, self._cards[issuer], issuer)
        return request


def show(screen: Console, steps: list[Step]) -> None:
    """Prints what the small participants did, one line each."""
    screen.print("小参与方只能做自己的事 small participants do what is theirs:", highlight=False)
    for step in steps:
        mark = "✓" if step.as_planned else "✗"
        screen.print(f"  {mark} {step.participant:<12} {step.did} → {step.outcome} {step.role}".rstrip(), soft_wrap=True, highlight=False)


def _event(card_no: str, issuer: str) -> event_pb2.Event:
    event = event_pb2.Event()
    event.occurred_at.FromDatetime(datetime.now(UTC))
    event.source.system = "demo"
    _name(event.card, card_no, issuer)
    return event


def _name(ref: references.CardRef, card_no: str, issuer: str) -> None:
    ref.issuing_province, ref.kind, ref.clear = issuer, references.CARD_IDENTIFIER_KIND_CARD_NO, card_no


def _told(name: str, did: str, feeds: Any, sequence: int, event: event_pb2.Event, planned: str) -> Step:
    """Has a participant report an event under a number of its feed, which has its name."""
    return _told_at(name, did, feeds, sequence, event, planned)[0]


def _told_at(name: str, did: str, feeds: Any, sequence: int, event: event_pb2.Event, planned: str) -> tuple[Step, int]:
    """Has it report an event, and returns its position too, 0 where it was refused."""
    request = feed_service_pb2.AppendEventsRequest(feed=name, first_sequence=sequence, events=[event])
    try:
        answer = feeds.AppendEvents(request, timeout=DEADLINE_S)
    except grpc.RpcError as refusal:
        return Step(name, did, _reason(refusal)[0], as_planned=False), 0
    broken = [violation.rule_id for notice in answer.quarantined for violation in notice.violations]
    outcome = ", ".join(broken) or "recorded"
    return Step(name, did, outcome, as_planned=outcome == planned), answer.positions[-1]


def _answered(name: str, did: str, call: Callable[[], Any]) -> Step:
    try:
        answer = call()
    except grpc.RpcError as refusal:
        return Step(name, did, *_reason(refusal), as_planned=False)
    outcome = outcome_name(answer.outcome)
    contradicted = "；".join(f"{basis.rule_id} {basis.text_zh}" for basis in answer.bases if basis.contradicts)
    return Step(name, f"{did} ({' '.join(filter(None, (outcome, contradicted)))})", "answered")


def _refused(name: str, did: str, call: Callable[[], Any]) -> Step:
    try:
        call()
    except grpc.RpcError as refusal:
        reason, role = _reason(refusal)
        return Step(name, did, reason, role, as_planned=reason == MISSING)
    return Step(name, did, "answered", as_planned=False)


def _reason(refusal: grpc.RpcError) -> tuple[str, str]:
    """Returns the reason of a refusal and the role that it names; the code where it has no reason."""
    status = rpc_status.from_call(refusal)
    for detail in status.details if status is not None else ():
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return info.reason, " ".join(info.metadata[key] for key in ("role", "scope") if key in info.metadata)
    return refusal.code().name, ""

"""Roles at the edge, over real gRPC: role by call, how far each reaches, what a small participant gets, and a role that is taken back."""

import contextlib
import hashlib
import queue
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from chuanyu.exchange.v1 import (
    audit_question_pb2,
    audit_service_pb2,
    audit_service_pb2_grpc,
    card_service_pb2,
    case_service_pb2,
    case_service_pb2_grpc,
    consumption_service_pb2,
    consumption_service_pb2_grpc,
    culture_service_pb2,
    culture_service_pb2_grpc,
    event_pb2,
    feed_service_pb2,
    finding_service_pb2_grpc,
    fund_service_pb2,
    fund_service_pb2_grpc,
    hotlist_service_pb2,
    hotlist_service_pb2_grpc,
    indicator_service_pb2_grpc,
    medical_service_pb2,
    medical_service_pb2_grpc,
    reconciliation_service_pb2_grpc,
    service_item_service_pb2,
    service_item_service_pb2_grpc,
    settlement_service_pb2_grpc,
    subscription_service_pb2,
    subscription_service_pb2_grpc,
    transit_service_pb2,
    transit_service_pb2_grpc,
)
from chuanyu.exchange.v1 import finding_service_pb2 as findings
from chuanyu.exchange.v1 import indicator_service_pb2 as indicators
from chuanyu.exchange.v1 import reconciliation_service_pb2 as totals
from chuanyu.exchange.v1 import settlement_service_pb2 as statements

from hub.admin.registry import register_participant
from hub.admin.roles import grant_roles, revoke_role
from hub.domain.participant import PREFIX
from hub.domain.role_table import ROLES, role_table
from hub.domain.roles import Grant, Scope, every_role
from hub.domain.services import SERVICES
from hub.indicators.desk import Officer
from hub.journal.recorder import AggregateStore
from hub.journal.sessions import session
from hub.meeting import desk as meeting_desk
from tests.clients import DEADLINE_S, Province, Refusal, of_feed, recorded_at, refusal_of, refused, refused_in_stream
from tests.hub_process import RunningHub
from tests.messages import AT_S, journey, name_card, question, registered
from tests.seeds import one_in

CALLS = tuple(role_table().calls)
WITHIN_S = 5.0


@contextlib.contextmanager
def store_of(hub: RunningHub) -> Iterator[AggregateStore]:
    with contextlib.closing(AggregateStore(hub.dsn)) as store:
        yield store


def participant(hub: RunningHub, name: str, *grants: Grant) -> Province:
    """A participant of Chongqing's with some roles and a feed of its name."""
    with store_of(hub) as store:
        register_participant(store, PREFIX + name, "50", name, [name], datetime.now(UTC), grants)
    return Province(hub, PREFIX + name)


@pytest.fixture(scope="module")
def with_role(shared_hub: RunningHub) -> Iterator[dict[str, Province]]:
    """A participant for each role, with the widest scope, and one without any ("")."""
    found = {grant.role: participant(shared_hub, f"cq.{grant.role.lower().replace('_', '-')}", grant) for grant in every_role()}
    found[""] = participant(shared_hub, "cq.no-role")
    yield found
    for one in found.values():
        one.channel.close()


@pytest.fixture(scope="module")
def card(shared_hub: RunningHub, chongqing: Province) -> str:
    """A card of Chongqing's that the hub knows."""
    seen = chongqing.tell("cq.card-center", registered("R00000001"))
    asked = card_service_pb2.GetCardRequest(min_position=seen)
    name_card(asked.card, "R00000001", "50")
    chongqing.cards.GetCard(asked, timeout=DEADLINE_S)
    return "R00000001"


def asked_of(card: str, **fields: Any) -> card_service_pb2.GetCardRequest:
    request = card_service_pb2.GetCardRequest(**fields)
    name_card(request.card, card, "50")
    return request


def calls_of(name: str, one: Province, card: str) -> dict[str, Callable[[], Any]]:
    """Every call of the table, as it would be right for who may make it."""
    hotlists = hotlist_service_pb2_grpc.HotlistServiceStub(one.channel)
    items = service_item_service_pb2_grpc.ServiceItemServiceStub(one.channel)
    cases = case_service_pb2_grpc.CaseServiceStub(one.channel)
    health = medical_service_pb2_grpc.MedicalServiceStub(one.channel)
    filings, chain = medical_service_pb2.ListFilingsRequest(), medical_service_pb2.GetSettlementChainRequest(settlement_id="S1")
    uses = medical_service_pb2.ListMedicalUsesRequest(from_on="2026-03-01", to_on="2026-03-31")
    leisure = culture_service_pb2_grpc.CultureServiceStub(one.channel)
    reader, visits = culture_service_pb2.GetReaderRequest(), culture_service_pb2.ListVenueVisitsRequest()
    shopping, coupons = consumption_service_pb2_grpc.ConsumptionServiceStub(one.channel), consumption_service_pb2.ListCouponsRequest()
    one_coupon = consumption_service_pb2.GetCouponRequest(issuing_province="50", coupon_id="Q9")
    funding = consumption_service_pb2.GetCouponFundingRequest(issuing_province="50", granted_from="2026-03-01")
    for asked in (reader, visits, coupons):
        name_card(asked.card, card, "50")
    rides, days = transit_service_pb2_grpc.TransitServiceStub(one.channel), {"from_on": "2026-03-01", "to_on": "2026-03-31"}
    ridden, refused_trips = transit_service_pb2.ListJourneysRequest(**days), transit_service_pb2.ListRejectedTripsRequest(**days)
    for subject in (filings.card, uses.card, ridden.card):
        name_card(subject, card, "50")
    audits = audit_service_pb2_grpc.AuditServiceStub(one.channel)
    inclusion = audit_service_pb2.GetInclusionProofRequest(position=1)
    consistency = audit_service_pb2.GetConsistencyProofRequest(first_size=1)
    receipt = audit_service_pb2.GetReceiptRequest(event={"feed": name, "sequence": 1})
    replay = audit_service_pb2.RequestReplayRequest(purpose="complaint", legal_basis="audit law 34", person="li.lei")
    name_card(replay.question.card.card, card, "50")
    case = case_service_pb2.CaseKey(handling_province="50", case_no="N1")
    usable = service_item_service_pb2.ListUsableItemsRequest(service_region="500103")
    name_card(usable.card, card, "50")
    compared = service_item_service_pb2.CompareCatalogueRequest(from_on="2020-11-03", to_on="2025-01-09")
    subscriptions = subscription_service_pb2_grpc.SubscriptionServiceStub(one.channel)
    check = question(f"{name}-{time.monotonic_ns()}", card, scenario="CUL.MUS", region="500103")
    streamed = [card_service_pb2.StreamAcceptanceRequest(check=check)]
    judged = card_service_pb2.JudgeUseRequest()
    name_card(judged.card, card, "50")
    judged.used_at.seconds = AT_S
    explained = card_service_pb2.ExplainAcceptanceRequest(hypothetical=check)
    units = card_service_pb2.GetConcessionBalanceRequest(card=judged.card, region="500103")
    books = reconciliation_service_pb2_grpc.ReconciliationServiceStub(one.channel)
    broken = {"break_code": "BR-51-20250901-1", "person": "li.lei"}
    group = card_service_pb2.CheckGroupServiceRequest(
        card=judged.card, service="PRIORITY_LANE", scenario="CUL.MUS", service_region="500103", purpose_code="TEST"
    )
    money, statement = settlement_service_pb2_grpc.SettlementServiceStub(one.channel), {"statement_code": "ST-QR-1"}
    funds = fund_service_pb2_grpc.FundServiceStub(one.channel)
    unusual = finding_service_pb2_grpc.FindingServiceStub(one.channel)
    finding = {"finding_code": "FD-20250901-00000000"}
    figures = indicator_service_pb2_grpc.IndicatorServiceStub(one.channel)
    k5 = indicators.GetIndicatorRequest(indicator="K5")
    payees = fund_service_pb2.CheckPayeesRequest(check_id=f"{name}-{time.monotonic_ns()}", service_region="500103")
    name_card(payees.payees.add(row_no=1).card, card, "50")
    made: dict[str, Callable[[], Any]] = {
        "FeedService/GetFeed": lambda: one.next_sequence(name),
        "FeedService/AppendEvents": lambda: one.append(name, 1),
        "FeedService/ValidateEvents": lambda: one.feeds.ValidateEvents(
            feed_service_pb2.ValidateEventsRequest(feed=name), timeout=DEADLINE_S
        ),
        "FeedService/GetReceiptKeys": lambda: one.feeds.GetReceiptKeys(feed_service_pb2.GetReceiptKeysRequest(), timeout=DEADLINE_S),
        "FeedService/GetBlockKeys": lambda: one.feeds.GetBlockKeys(
            feed_service_pb2.GetBlockKeysRequest(feed=name, first_sequence=1, last_sequence=1), timeout=DEADLINE_S
        ),
        "FeedService/StreamEvents": lambda: list(one.feeds.StreamEvents(iter(()), timeout=DEADLINE_S)),
        "CardService/GetCard": lambda: one.cards.GetCard(asked_of(card, service_region="500103"), timeout=DEADLINE_S),
        "CardService/CheckAcceptance": lambda: one.cards.CheckAcceptance(check, timeout=DEADLINE_S),
        "CardService/StreamAcceptance": lambda: list(one.cards.StreamAcceptance(iter(streamed), timeout=DEADLINE_S)),
        "CardService/ExplainAcceptance": lambda: one.cards.ExplainAcceptance(explained, timeout=DEADLINE_S),
        "CardService/GetConcessionBalance": lambda: one.cards.GetConcessionBalance(units, timeout=DEADLINE_S),
        "CardService/CountCards": lambda: one.cards.CountCards(
            card_service_pb2.CountCardsRequest(issuing_province="50"), timeout=DEADLINE_S
        ),
        "CardService/JudgeUse": lambda: one.cards.JudgeUse(judged, timeout=DEADLINE_S),
        "CardService/CheckGroupService": lambda: one.cards.CheckGroupService(group, timeout=DEADLINE_S),
        "HotlistService/GetHotlist": lambda: next(hotlists.GetHotlist(hotlist_service_pb2.GetHotlistRequest(), timeout=DEADLINE_S)),
        "HotlistService/StreamHotlistDeltas": lambda: list(
            hotlists.StreamHotlistDeltas(hotlist_service_pb2.StreamHotlistDeltasRequest(from_epoch=1), timeout=DEADLINE_S)
        ),
        "ServiceItemService/ListServiceItems": lambda: items.ListServiceItems(
            service_item_service_pb2.ListServiceItemsRequest(), timeout=DEADLINE_S
        ),
        "ServiceItemService/GetServiceItem": lambda: items.GetServiceItem(
            service_item_service_pb2.GetServiceItemRequest(code="TB001"), timeout=DEADLINE_S
        ),
        "ServiceItemService/ListUsableItems": lambda: items.ListUsableItems(usable, timeout=DEADLINE_S),
        "ServiceItemService/CompareCatalogue": lambda: items.CompareCatalogue(compared, timeout=DEADLINE_S),
        "CaseService/GetCase": lambda: cases.GetCase(case_service_pb2.GetCaseRequest(key=case), timeout=DEADLINE_S),
        "CaseService/ListCases": lambda: cases.ListCases(case_service_pb2.ListCasesRequest(), timeout=DEADLINE_S),
        "CaseService/GetCaseTimeline": lambda: cases.GetCaseTimeline(case_service_pb2.GetCaseTimelineRequest(key=case), timeout=DEADLINE_S),
        "CaseService/WatchCases": lambda: next(cases.WatchCases(case_service_pb2.WatchCasesRequest(), timeout=DEADLINE_S)),
        "MedicalService/ListFilings": lambda: health.ListFilings(filings, timeout=DEADLINE_S),
        "MedicalService/GetSettlementChain": lambda: health.GetSettlementChain(chain, timeout=DEADLINE_S),
        "MedicalService/ListMedicalUses": lambda: health.ListMedicalUses(uses, timeout=DEADLINE_S),
        "CultureService/GetReader": lambda: leisure.GetReader(reader, timeout=DEADLINE_S),
        "CultureService/ListLoans": lambda: leisure.ListLoans(culture_service_pb2.ListLoansRequest(barcode="B1"), timeout=DEADLINE_S),
        "TransitService/ListJourneys": lambda: rides.ListJourneys(ridden, timeout=DEADLINE_S),
        "TransitService/ListRejectedTrips": lambda: rides.ListRejectedTrips(refused_trips, timeout=DEADLINE_S),
        "AuditService/GetCheckpoint": lambda: audits.GetCheckpoint(audit_service_pb2.GetCheckpointRequest(), timeout=DEADLINE_S),
        "AuditService/GetInclusionProof": lambda: audits.GetInclusionProof(inclusion, timeout=DEADLINE_S),
        "AuditService/GetConsistencyProof": lambda: audits.GetConsistencyProof(consistency, timeout=DEADLINE_S),
        "AuditService/GetReceipt": lambda: audits.GetReceipt(receipt, timeout=DEADLINE_S),
        "AuditService/RequestReplay": lambda: audits.RequestReplay(replay, timeout=DEADLINE_S),
        "AuditService/ApproveReplay": lambda: audits.ApproveReplay(
            audit_service_pb2.ApproveReplayRequest(audit_code="AU-1"), timeout=DEADLINE_S
        ),
        "AuditService/GetReplay": lambda: audits.GetReplay(audit_service_pb2.GetReplayRequest(audit_code="AU-1"), timeout=DEADLINE_S),
        "AuditService/ListReplays": lambda: audits.ListReplays(audit_service_pb2.ListReplaysRequest(), timeout=DEADLINE_S),
        "AuditService/CancelReplay": lambda: audits.CancelReplay(
            audit_service_pb2.CancelReplayRequest(audit_code="AU-999", person="li.lei"), timeout=DEADLINE_S
        ),
        "AuditService/DownloadBundle": lambda: list(
            audits.DownloadBundle(
                audit_service_pb2.DownloadBundleRequest(audit_code="AU-999", part=4, person="li.lei"),
                timeout=DEADLINE_S,  # type: ignore[arg-type]
            )
        ),
        "CultureService/ListVenueVisits": lambda: leisure.ListVenueVisits(visits, timeout=DEADLINE_S),
        "ConsumptionService/GetCoupon": lambda: shopping.GetCoupon(one_coupon, timeout=DEADLINE_S),
        "ConsumptionService/ListCoupons": lambda: shopping.ListCoupons(coupons, timeout=DEADLINE_S),
        "ConsumptionService/GetCouponFunding": lambda: shopping.GetCouponFunding(funding, timeout=DEADLINE_S),
        "ReconciliationService/SubmitControlTotals": lambda: books.SubmitControlTotals(
            totals.SubmitControlTotalsRequest(business_day="2025-09-01", version=1, person="li.lei"), timeout=DEADLINE_S
        ),
        "ReconciliationService/GetComparison": lambda: books.GetComparison(
            totals.GetComparisonRequest(business_day="2025-09-01"), timeout=DEADLINE_S
        ),
        "ReconciliationService/ListBreaks": lambda: books.ListBreaks(totals.ListBreaksRequest(), timeout=DEADLINE_S),
        "ReconciliationService/AssignBreak": lambda: books.AssignBreak(totals.AssignBreakRequest(**broken, owner="50"), timeout=DEADLINE_S),
        "ReconciliationService/ExplainBreak": lambda: books.ExplainBreak(
            totals.ExplainBreakRequest(**broken, reason_code="SENT_TWICE"), timeout=DEADLINE_S
        ),
        "ReconciliationService/CloseBreak": lambda: books.CloseBreak(totals.CloseBreakRequest(**broken, cause=4), timeout=DEADLINE_S),
        "SettlementService/ListStatements": lambda: money.ListStatements(statements.ListStatementsRequest(), timeout=DEADLINE_S),
        "SettlementService/GetStatement": lambda: money.GetStatement(statements.GetStatementRequest(**statement), timeout=DEADLINE_S),
        "SettlementService/StreamStatementLines": lambda: list(
            money.StreamStatementLines(statements.StreamStatementLinesRequest(**statement), timeout=DEADLINE_S)
        ),
        "SettlementService/AcknowledgeStatement": lambda: money.AcknowledgeStatement(
            statements.AcknowledgeStatementRequest(**statement, digest=bytes(32), person="li.lei"), timeout=DEADLINE_S
        ),
        "SettlementService/DisputeLine": lambda: money.DisputeLine(
            statements.DisputeLineRequest(**statement, line=1, reason_code="AMOUNT_DIFFERS", person="li.lei"), timeout=DEADLINE_S
        ),
        "SettlementService/ReportPayment": lambda: money.ReportPayment(
            statements.ReportPaymentRequest(**statement, payment_reference="P1", amount_fen=1, person="li.lei"), timeout=DEADLINE_S
        ),
        "IndicatorService/ListIndicators": lambda: figures.ListIndicators(indicators.ListIndicatorsRequest(), timeout=DEADLINE_S),
        "IndicatorService/GetIndicator": lambda: figures.GetIndicator(k5, timeout=DEADLINE_S),
        "IndicatorService/FreezeReport": lambda: figures.FreezeReport(
            indicators.FreezeReportRequest(question=k5, person="li.lei"), timeout=DEADLINE_S
        ),
        "IndicatorService/CompareReports": lambda: figures.CompareReports(
            indicators.CompareReportsRequest(report_code="IR-K5-999"), timeout=DEADLINE_S
        ),
        "IndicatorService/ListMeetingReports": lambda: figures.ListMeetingReports(
            indicators.ListMeetingReportsRequest(), timeout=DEADLINE_S
        ),
        "IndicatorService/GetMeetingReport": lambda: figures.GetMeetingReport(
            indicators.GetMeetingReportRequest(report_code="MR-999"), timeout=DEADLINE_S
        ),
        "FindingService/ListFindings": lambda: unusual.ListFindings(findings.ListFindingsRequest(), timeout=DEADLINE_S),
        "FindingService/GetFinding": lambda: unusual.GetFinding(findings.GetFindingRequest(**finding), timeout=DEADLINE_S),
        "FindingService/ReviewFinding": lambda: unusual.ReviewFinding(
            findings.ReviewFindingRequest(**finding, step=1, person="li.lei"), timeout=DEADLINE_S
        ),
        "FindingService/ListFindingRules": lambda: unusual.ListFindingRules(findings.ListFindingRulesRequest(), timeout=DEADLINE_S),
        "FindingService/SimulateRule": lambda: unusual.SimulateRule(
            findings.SimulateRuleRequest(rule_code="PIN_BURST", first_day="2019-01-01", last_day="2019-01-02"), timeout=DEADLINE_S
        ),
        "FundService/GetBatch": lambda: funds.GetBatch(fund_service_pb2.GetBatchRequest(batch_no="B9"), timeout=DEADLINE_S),
        "FundService/ListRows": lambda: funds.ListRows(fund_service_pb2.ListRowsRequest(batch_no="B9"), timeout=DEADLINE_S),
        "FundService/CheckPayees": lambda: list(funds.CheckPayees(iter([payees]), timeout=DEADLINE_S)),
        "FundService/ListAccountChanges": lambda: funds.ListAccountChanges(
            fund_service_pb2.ListAccountChangesRequest(), timeout=DEADLINE_S
        ),
        "SubscriptionService/Subscribe": lambda: next(
            subscriptions.Subscribe(subscription_service_pb2.SubscribeRequest(), timeout=DEADLINE_S)
        ),
    }
    return {f"chuanyu.exchange.v1.{call}": run for call, run in made.items()}


def reason_of(call: Callable[[], Any]) -> tuple[str, str]:
    """The reason that a call is refused for, with the roles it names; ("", "") if it is answered."""
    try:
        call()
    except grpc.RpcError as error:
        refusal = refusal_of(error)
        return refusal.reason, refusal.metadata.get("role", "")
    return "", ""


# Who has a role that the call needs makes it, and one in five of the others, not the same of each call; `make test-slow` has all of them.
@pytest.mark.parametrize("step", one_in(2, [5, 1]))
@pytest.mark.parametrize("call", CALLS)
def test_a_call_is_for_the_roles_of_its_row(call: str, step: int, with_role: dict[str, Province], card: str) -> None:
    needed = role_table().calls[call].roles
    for number, (role, one) in enumerate(with_role.items(), CALLS.index(call)):
        if role not in needed and number % step:
            continue
        name = f"cq.{role.lower().replace('_', '-') or 'no-role'}"
        reason = reason_of(calls_of(name, one, card)[call])
        if needed and role not in needed:
            assert (role, *reason) == (role, "ROLE_MISSING", ",".join(needed))
        else:
            assert (role, reason[0]) != (role, "ROLE_MISSING")


def test_every_call_of_the_services_has_a_row() -> None:
    served = {f"{name}/{method.name}" for name, service in SERVICES.items() for method in service.methods}
    assert set(CALLS) == served


# How far a service point reaches


@pytest.fixture(scope="module")
def museum(shared_hub: RunningHub) -> Iterator[Province]:
    """A museum of Chongqing's: its gate, and its own events."""
    grants = (
        Grant("SERVICE_POINT", Scope(("CUL.MUS",), ("5001",))),
        Grant("READER", Scope(reads=("AGREEMENTS", "OWN_EVENTS", "QUARANTINE"))),
    )
    one = participant(shared_hub, "cq.museum", *grants)
    yield one
    one.channel.close()


def entered(card: str, region: str = "500103") -> event_pb2.Event:
    """A visit to the museum."""
    event = event_pb2.Event(scenario="CUL.MUS", service_region=region)
    event.occurred_at.seconds = AT_S + 3_600
    name_card(event.card, card, "50")
    gate = event.venue_gate_entered
    gate.gate, gate.ticket_type, gate.party_size = "EAST", 1, 1
    return event


def test_a_museum_asks_about_its_own_gate_and_nothing_else(museum: Province, card: str) -> None:
    def asks(scenario: str, region: str) -> Refusal:
        check = question(f"museum-{time.monotonic_ns()}", card, scenario=scenario, region=region)
        return refused(lambda: museum.cards.CheckAcceptance(check, timeout=DEADLINE_S))

    answer = museum.cards.CheckAcceptance(question("museum", card, scenario="CUL.MUS", region="500103"), timeout=DEADLINE_S)
    assert answer.position > 0
    denied = asks("MED.OP", "500103")
    assert (denied.reason, denied.metadata) == ("ROLE_MISSING", {"role": "SERVICE_POINT", "scope": "scenarios"})
    assert asks("CUL.MUS", "500235").metadata == {"role": "SERVICE_POINT", "scope": "regions"}


def test_a_question_in_a_stream_is_refused_in_the_stream(museum: Province, card: str) -> None:
    check = question("museum-in-a-stream", card, scenario="MED.OP", region="500103")
    [answer] = museum.cards.StreamAcceptance(iter([card_service_pb2.StreamAcceptanceRequest(check=check)]), timeout=DEADLINE_S)
    assert refused_in_stream(answer.refused).metadata == {"role": "SERVICE_POINT", "scope": "scenarios"}


def test_a_museum_explains_only_what_it_could_ask(museum: Province, card: str) -> None:
    asked = card_service_pb2.ExplainAcceptanceRequest(hypothetical=question("e", card, scenario="MED.OP", region="500103"))
    assert refused(lambda: museum.cards.ExplainAcceptance(asked, timeout=DEADLINE_S)).reason == "ROLE_MISSING"
    asked.hypothetical.scenario = "CUL.MUS"
    assert not museum.cards.ExplainAcceptance(asked, timeout=DEADLINE_S).fact_positions


def test_a_museum_gets_no_explanation_of_anothers_decision_about_a_card_of_its_province(
    museum: Province, chongqing: Province, card: str
) -> None:
    position = chongqing.cards.CheckAcceptance(
        question(f"centre-{time.monotonic_ns()}", card, scenario="MED.OP", region="500103"), timeout=DEADLINE_S
    ).position
    asked = card_service_pb2.ExplainAcceptanceRequest(decision_position=position)
    assert refused(lambda: museum.cards.ExplainAcceptance(asked, timeout=DEADLINE_S)).reason == "NOT_PERMITTED"


def test_a_museum_sees_of_a_card_of_its_province_whether_it_is_good_at_its_gate(museum: Province, card: str) -> None:
    answer = museum.cards.GetCard(asked_of(card, service_region="500103"), timeout=DEADLINE_S)
    assert (answer.HasField("lives"), [usable.scenario for usable in answer.usability]) == (False, ["CUL.MUS"])
    elsewhere = refused(lambda: museum.cards.GetCard(asked_of(card, service_region="500235"), timeout=DEADLINE_S))
    assert elsewhere.metadata == {"role": "SERVICE_POINT", "scope": "regions"}


def test_who_serves_one_region_need_not_name_it_and_who_serves_several_must(shared_hub: RunningHub, museum: Province, card: str) -> None:
    one = participant(shared_hub, "cq.gate", Grant("SERVICE_POINT", Scope(("CUL.MUS",), ("500103",))))
    assert [usable.scenario for usable in one.cards.GetCard(asked_of(card), timeout=DEADLINE_S).usability] == ["CUL.MUS"]
    one.channel.close()
    refusal = refused(lambda: museum.cards.GetCard(asked_of(card), timeout=DEADLINE_S))
    assert (refusal.reason, refusal.violations) == ("REQUEST_INVALID", [("service_region", "required")])


def test_an_issuer_of_some_regions_sees_no_lives_as_the_hub_cannot_see_the_region_of_the_card(shared_hub: RunningHub, card: str) -> None:
    one = participant(shared_hub, "cq.district", Grant("ISSUER", Scope(issuer_regions=("500103",))))
    assert refused(lambda: one.cards.GetCard(asked_of(card, service_region="500103"), timeout=DEADLINE_S)).reason == "ROLE_MISSING"
    one.channel.close()


# Events


def test_what_a_museum_may_not_tell_takes_its_number_and_its_feed_goes_on(shared_hub: RunningHub, museum: Province, card: str) -> None:
    cancelled = event_pb2.Event()
    cancelled.occurred_at.seconds = AT_S
    name_card(cancelled.card, card, "50")
    cancelled.card_cancelled.reason = 5
    first = museum.next_sequence("cq.museum")
    answer = museum.append("cq.museum", first, entered(card), cancelled, registered(card), entered(card, "500235"), entered(card))
    broken = [(n.sequence - first, [(v.field_path, v.rule_id) for v in n.violations]) for n in answer.quarantined]
    assert broken == [
        (1, [("card_cancelled", "role_missing")]),
        (2, [("card_registered", "role_missing")]),
        (3, [("service_region", "role_scope")]),
    ]
    kinds = [recorded.kind for recorded in of_feed(shared_hub.dsn, "cq.museum")]
    assert kinds[-5:] == ["venue_gate_entered", *["event_quarantined"] * 3, "venue_gate_entered"]


def test_a_cancellation_by_a_museum_changes_no_card(museum: Province, chongqing: Province, card: str) -> None:
    cancelled = registered(card, at_s=AT_S + 30)
    cancelled.card_registered.status = 9
    seen = museum.tell("cq.museum", cancelled)
    lives = chongqing.cards.GetCard(asked_of(card, min_position=seen), timeout=DEADLINE_S).lives
    assert lives.social_status == 5


def delivered(one: Province, first: int, last: int, *kinds: str) -> list[subscription_service_pb2.DeliveredEvent]:
    """What a participant is delivered of positions first … last."""
    stub = subscription_service_pb2_grpc.SubscriptionServiceStub(one.channel)
    request = subscription_service_pb2.SubscribeRequest(from_position=first - 1, kinds=kinds)
    found, stream = [], stub.Subscribe(request, timeout=DEADLINE_S)
    for response in stream:
        if response.HasField("delivered"):
            found.append(response.delivered)
        if max(response.delivered.position, response.progress.position) >= last:
            break
    stream.cancel()
    return found


def test_a_museum_is_delivered_its_own_events_and_no_identifier(museum: Province, chongqing: Province, card: str) -> None:
    first = chongqing.tell("cq.card-center", registered("R00000002"))
    own = museum.tell("cq.museum", entered(card))
    [event] = delivered(museum, first, own)
    assert (event.position, event.event.venue_gate_entered.gate) == (own, "EAST")
    assert (event.event.card.clear, event.event.card.key) == ("", b"")
    [state] = [one for one in delivered(chongqing, first, own) if one.position == first]
    assert state.event.card.clear == "R00000002"


def test_who_asks_by_name_for_kinds_that_are_not_its_to_read_is_refused(museum: Province) -> None:
    stub = subscription_service_pb2_grpc.SubscriptionServiceStub(museum.channel)
    request = subscription_service_pb2.SubscribeRequest(kinds=["venue_gate_entered", "decision_made"])
    refusal = refused(lambda: next(stub.Subscribe(request, timeout=DEADLINE_S)))
    assert (refusal.reason, refusal.metadata) == ("ROLE_MISSING", {"role": "READER", "scope": "reads"})
    assert "decision_made" in refusal.text
    assert "venue_gate_entered" not in refusal.text


# Roles that change


def test_an_open_stream_follows_the_roles_of_its_participant(shared_hub: RunningHub, card: str) -> None:
    name = "cq.changing"
    one = participant(shared_hub, name, Grant("SERVICE_POINT", Scope(("CUL.MUS",), ("50",))), Grant("READER", Scope(reads=("OWN_EVENTS",))))
    stub = subscription_service_pb2_grpc.SubscriptionServiceStub(one.channel)
    subscription = stub.Subscribe(subscription_service_pb2.SubscribeRequest(), timeout=DEADLINE_S)
    next(subscription)
    batches = Batches(name)
    answers = one.feeds.StreamEvents(batches, timeout=DEADLINE_S)
    batches.send(entered(card))
    assert next(answers).HasField("appended")
    with store_of(shared_hub) as store:
        revoke_role(store, name, "READER", "CONTRACT_ENDED", datetime.now(UTC))
        revoke_role(store, name, "SERVICE_POINT", "CONTRACT_ENDED", datetime.now(UTC))
    assert refused(lambda: list(subscription)).metadata == {"role": "READER"}
    time.sleep(2.0)
    batches.send(entered(card))
    assert refused_in_stream(next(answers).refused).reason == "ROLE_MISSING"
    with store_of(shared_hub) as store:
        grant_roles(store, name, [Grant("SERVICE_POINT", Scope(("CUL.MUS",), ("50",)))], datetime.now(UTC))
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        batches.send(entered(card), again=True)
        if (answer := next(answers)).HasField("appended"):
            break
        time.sleep(0.2)
    assert recorded_at(shared_hub.dsn, answer.appended.positions[0]).kind == "venue_gate_entered"
    batches.end()
    one.channel.close()


class Batches:
    """The batches of a stream, one event each, as they are sent."""

    def __init__(self, feed: str) -> None:
        self._feed, self._sequence = feed, 0
        self._queue: queue.Queue[Any] = queue.Queue()

    def send(self, event: event_pb2.Event, *, again: bool = False) -> None:
        """Sends the next event, or one under the same number again."""
        self._sequence += not again
        self._queue.put(feed_service_pb2.StreamEventsRequest(feed=self._feed, first_sequence=self._sequence, events=[event]))

    def end(self) -> None:
        """Ends the stream."""
        self._queue.put(None)

    def __iter__(self) -> "Batches":
        return self

    def __next__(self) -> Any:
        item = self._queue.get()
        if item is None:
            raise StopIteration
        return item


def test_a_participant_without_roles_sends_nothing_and_loses_nothing(shared_hub: RunningHub, card: str) -> None:
    one = participant(shared_hub, "cq.upgraded")
    refusal = refused(lambda: one.append("cq.upgraded", 1, journey(card)))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "ROLE_MISSING")
    assert set(refusal.metadata["role"].split(",")) == set(ROLES) - {"READER"}
    assert one.next_sequence("cq.upgraded") == 1
    with store_of(shared_hub) as store:
        grant_roles(store, "cq.upgraded", every_role(), datetime.now(UTC))
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        with contextlib.suppress(grpc.RpcError):
            assert list(one.append("cq.upgraded", 1, journey(card)).quarantined) == []
            break
        time.sleep(0.2)
    assert one.next_sequence("cq.upgraded") == 2
    one.channel.close()


def test_an_issuer_freezes_a_report_that_anybody_who_reads_indicators_compares(with_role: dict[str, Province]) -> None:
    """Position 1 is known, however far the views are: K5 is counted from the catalogue and from cases."""
    issuer, reader = (indicator_service_pb2_grpc.IndicatorServiceStub(with_role[role].channel) for role in ("ISSUER", "READER"))
    first = audit_question_pb2.RecordedAsOf(position=1)
    asked = indicators.GetIndicatorRequest(indicator="K5", as_known=first, by="mode")
    answer = reader.GetIndicator(asked, timeout=DEADLINE_S).answer
    assert answer.figures[0].numerator > 0
    report = issuer.FreezeReport(indicators.FreezeReportRequest(question=asked, person="li.lei"), timeout=DEADLINE_S).report
    compared = indicators.CompareReportsRequest(report_code=report.report_code, as_known=first)
    found = reader.CompareReports(compared, timeout=DEADLINE_S)
    assert (found.is_same, found.report, list(found.now.figures)) == (True, report, list(answer.figures))
    listed = reader.ListIndicators(indicators.ListIndicatorsRequest(), timeout=DEADLINE_S).indicators
    assert [one.indicator for one in listed] == [f"K{number}" for number in range(1, 21)]


def test_a_report_for_the_joint_meeting_is_fetched_as_it_was_frozen(shared_hub: RunningHub, with_role: dict[str, Province]) -> None:
    reader, now = indicator_service_pb2_grpc.IndicatorServiceStub(with_role["READER"].channel), datetime.now(UTC)
    with session(shared_hub.dsn, "hub_reader", "test") as connection, meeting_desk.opened(shared_hub.dsn, connection) as desk:
        made = desk.freeze(str(now.year), 1, Officer("operator", "li.lei"), now)
    found = reader.GetMeetingReport(indicators.GetMeetingReportRequest(report_code=made.code), timeout=DEADLINE_S)
    assert found.content == made.frozen.content and found.figures_csv.startswith(b"period,as_of,")
    assert found.report.content_digest == hashlib.sha256(found.content).digest()
    page = reader.ListMeetingReports(indicators.ListMeetingReportsRequest(page_size=1), timeout=DEADLINE_S)
    assert [one.report_code for one in page.reports] == [made.code]
    unknown = indicators.GetMeetingReportRequest(report_code="MR-999999")
    assert refused(lambda: reader.GetMeetingReport(unknown, timeout=DEADLINE_S)).reason == "MEETING_REPORT_UNKNOWN"


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"indicator": "K99"}, "INDICATOR_UNKNOWN"),
        ({"indicator": "K5", "by": "province"}, "INDICATOR_BREAKDOWN"),
        ({"indicator": "K5", "as_of": "2019-01-01"}, "INDICATOR_OUT_OF_RANGE"),
        ({"indicator": "K5", "as_of": "2026-02-30"}, "REQUEST_INVALID"),
        ({"indicator": "K5", "population": "HOLDERS"}, "POPULATION_UNKNOWN"),
        ({"indicator": "E"}, "REQUEST_INVALID"),
    ],
)
def test_a_question_about_an_indicator_that_cannot_be_answered_is_refused(
    with_role: dict[str, Province], asked: dict[str, str], reason: str
) -> None:
    reader = indicator_service_pb2_grpc.IndicatorServiceStub(with_role["READER"].channel)
    request = indicators.GetIndicatorRequest(as_known=audit_question_pb2.RecordedAsOf(position=1), **asked)  # type: ignore[arg-type]
    assert refused(lambda: reader.GetIndicator(request, timeout=DEADLINE_S)).reason == reason

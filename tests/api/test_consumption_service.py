"""ConsumptionService and its commands: who may ask about whom, the look that is recorded first, and the same figures in both."""

import json
from typing import Any

import pytest
from chuanyu.exchange.v1 import consumption_service_pb2 as protos
from chuanyu.exchange.v1 import consumption_service_pb2_grpc as stubs
from chuanyu.exchange.v1 import event_pb2, hub_decisions_pb2
from google.protobuf.json_format import MessageToDict

from hub.admin import consumption
from tests.api.test_culture_service import run
from tests.api.test_medical_service import answered, looks
from tests.clients import DEADLINE_S, Province, refused
from tests.hub_process import RunningHub
from tests.messages import name_card, registered
from tests.recording import AT_S

Shown = hub_decisions_pb2.ShownRecord
Stub = stubs.ConsumptionServiceStub
CARD, COUPON, FUNDER = "N00000231", "COUPON-API-1", "CQ-COMMERCE-API"


def sent(kind: str, region: str = "500103", after_s: int = 0, **says: Any) -> event_pb2.Event:
    """An event as a province sends it: the card in clear."""
    event = event_pb2.Event(service_region=region, scenario="CON.CPN")
    event.occurred_at.seconds, event.source.system = AT_S + after_s, "shop"
    name_card(event.card, CARD, "50")
    message = getattr(event, kind)
    for name, value in says.items():
        setattr(message, name, value)
    return event


@pytest.fixture(scope="module")
def seen(sichuan: Province, chongqing: Province) -> int:
    """A coupon of Chongqing's that was redeemed in Chengdu, another that is open, and points."""
    chongqing.tell("cq.card-center", registered(CARD))
    of = {"face_fen": 5_000, "min_spend_fen": 20_000, "funder": FUNDER}
    chongqing.tell("cq.card-center", sent("coupon_granted", coupon_id=COUPON, **of), sent("coupon_granted", coupon_id="COUPON-API-2", **of))
    chongqing.tell("cq.card-center", sent("points_earned", account_id="API-J1", points=300))
    return sichuan.tell("sc.usage", sent("coupon_redeemed", "510100", 60, coupon_id=COUPON, merchant_id="M1", used_fen=5_000))


def person(seen: int) -> protos.ListCouponsRequest:
    request = protos.ListCouponsRequest(min_position=seen, purpose_code="HOLDER_REQUEST")
    name_card(request.card, CARD, "50")
    return request


def funding(seen: int, **says: Any) -> protos.GetCouponFundingRequest:
    return protos.GetCouponFundingRequest(
        **{"issuing_province": "50", "funder": FUNDER, "granted_from": "2025-08-30", **says}, min_position=seen
    )


def test_each_side_sees_what_it_is_a_side_of_and_the_look_is_recorded(
    shared_hub: RunningHub, sichuan: Province, chongqing: Province, seen: int
) -> None:
    begun = len(looks(shared_hub, CARD))
    own, others = (answered(Stub(one.channel), "ListCoupons", person(seen)) for one in (chongqing, sichuan))
    assert ([one.coupon_id for one in own.coupons], [one.balance for one in own.accounts]) == ([COUPON, "COUPON-API-2"], [300])
    assert ([one.coupon_id for one in others.coupons], list(others.accounts)) == ([COUPON], [])
    assert looks(shared_hub, CARD)[begun:][0] == (Shown.SHOWN_RECORD_COUPONS, "HOLDER_REQUEST")


def test_a_coupon_names_nobody_and_either_side_asks_before_it_is_redeemed(shared_hub: RunningHub, sichuan: Province, seen: int) -> None:
    begun = len(looks(shared_hub, CARD))
    request = protos.GetCouponRequest(issuing_province="50", coupon_id="COUPON-API-2", min_position=seen)
    assert answered(Stub(sichuan.channel), "GetCoupon", request).coupon.state == protos.COUPON_STATE_OPEN
    assert len(looks(shared_hub, CARD)) == begun


def test_what_a_funder_owes_is_for_its_own_side_and_adds_up(
    sichuan: Province, chongqing: Province, seen: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = answered(Stub(chongqing.channel), "GetCouponFunding", funding(seen, granted_until="2025-09-30"))
    assert (found.granted.coupons, found.redeemed_in_sichuan.funded_fen, found.open.coupons) == (2, 5_000, 1)
    stub = Stub(sichuan.channel)
    assert refused(lambda: stub.GetCouponFunding(funding(0), timeout=DEADLINE_S)).reason == "NOT_PERMITTED"


def test_a_wrong_question_is_refused_by_its_field(chongqing: Province, seen: int) -> None:
    stub = Stub(chongqing.channel)
    for request, violations in (
        (funding(0, granted_until="2025-08-01"), [("granted_until", "not_after")]),
        (funding(0, granted_from="2025-02-30"), [("granted_from", "impossible_date")]),
        (funding(0, issuing_province="52"), [("issuing_province", "string.pattern")]),
    ):
        answer = refused(lambda request=request: stub.GetCouponFunding(request, timeout=DEADLINE_S))  # type: ignore[misc]
        assert (answer.reason, answer.violations) == ("REQUEST_INVALID", violations)
    unknown = protos.GetCouponRequest(issuing_province="51", coupon_id=COUPON, min_position=seen)
    assert refused(lambda: stub.GetCoupon(unknown, timeout=DEADLINE_S)).reason == "COUPON_NOT_FOUND"


def test_too_many_coupons_are_asked_for_by_fewer_days(shared_hub: RunningHub, seen: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumption, "MOST_COUNTED", 1)
    asked = ("coupons", "funding", FUNDER, "--issuer", "50", "--from", "2025-08-30", "--until", "2025-09-30")
    result = run(shared_hub, monkeypatch, *asked)
    assert (result.exit_code, "fewer days" in result.output) == (1, True)


def test_the_commands_and_the_service_give_the_same_figures(
    shared_hub: RunningHub, chongqing: Province, seen: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub = Stub(chongqing.channel)
    one = protos.GetCouponRequest(issuing_province="50", coupon_id=COUPON, min_position=seen)
    pairs = (
        (("show", COUPON, "--issuer", "50"), "GetCoupon", one),
        (("list", CARD, "--issuer", "50"), "ListCoupons", person(seen)),
        (("funding", FUNDER, "--issuer", "50", "--from", "2025-08-30", "--until", "2025-09-30"), "GetCouponFunding",
         funding(seen, granted_until="2025-09-30")),
    )  # fmt: skip
    for arguments, name, request in pairs:
        expected = MessageToDict(answered(stub, name, request), preserving_proto_field_name=True)
        result = run(shared_hub, monkeypatch, "coupons", *arguments, "--json")
        assert result.exit_code == 0, result.output
        printed = json.loads(result.stdout)
        expected["as_of_position"] = printed["as_of_position"]
        assert printed == expected


def test_the_screens_say_it_in_both_languages(shared_hub: RunningHub, seen: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "已核销 REDEEMED" in run(shared_hub, monkeypatch, "coupons", "show", COUPON, "--issuer", "50").stdout
    assert "余额 balance 300" in run(shared_hub, monkeypatch, "coupons", "list", CARD, "--issuer", "50").stdout
    shown = run(shared_hub, monkeypatch, "coupons", "funding", FUNDER, "--issuer", "50", "--from", "2025-08-30", "--until", "2025-09-30")
    assert "在四川核销 redeemed in Sichuan" in shown.stdout
    assert run(shared_hub, monkeypatch, "coupons", "show", "NONE", "--issuer", "50").exit_code == 1

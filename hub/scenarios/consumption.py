"""Questions of scenarios about coupons and points: those of a person, and what a funder's come to."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from chuanyu.exchange.v1 import consumption_service_pb2 as protos
from chuanyu.exchange.v1 import consumption_service_pb2_grpc as stubs

from hub.admin.consumption import coupons_answer, funding_answer, funding_days, get_funding, list_coupons
from hub.admin.snapshots import person_with
from hub.projections.views.consumption import COUPONS, POINTS
from hub.scenarios.filling import Names
from hub.scenarios.ledgers import InMemory, OnDatabase, OnEdge, asked_of, findings_in, further_text
from hub.scenarios.scenario import Ask


class Coupons:
    """`ask = "coupons"`: the coupons and points of a person at the end of a day."""

    needed = frozenset({"card", "on"})
    further = frozenset({"open"})
    answers = frozenset({"coupons", "funded", "redeemed", "points", "uncovered", "findings"})
    words: Mapping[str, str] = {
        "coupons": "消费券 coupons",
        "funded": "出资方应付（分）funded, in fen",
        "redeemed": "核销（地区 分，退回）redeemed (region, fen, returned)",
        "points": "积分余额 points left",
        "uncovered": "未足额 not covered",
    }

    def in_memory(self, stand: InMemory, ask: Ask, names: Names) -> Any:
        """Returns the answer from rows in memory."""
        person = stand.person(ask.card)
        coupons, points = (stand.told(view) for view in (COUPONS, POINTS))
        own = {one.message.coupon_id for one in coupons.reports if person.is_of(one)}
        coupons = coupons._replace(reports=[one for one in coupons.reports if one.message.coupon_id in own])
        points = points._replace(reports=[one for one in points.reports if person.is_of(one)])
        return coupons_answer(coupons, points, self._request(ask), asked_of(ask), 0)

    def on_database(self, stand: OnDatabase, ask: Ask, names: Names, position: int) -> Any:
        """Returns the answer from the views."""
        person = person_with(stand.connection, stand.key_of(ask.card))
        return list_coupons(stand.connection, person, self._request(ask, position), asked_of(ask))

    def on_edge(self, stand: OnEdge, ask: Ask, names: Names, position: int) -> Any:
        """Returns the answer of the service."""
        request = self._request(ask, position)
        request.min_position = stand.min_position
        stand.name(request.card, ask.card)
        return stubs.ConsumptionServiceStub(stand.channel).ListCoupons(request, timeout=stand.deadline_s)

    def _request(self, ask: Ask, position: int = 0) -> protos.ListCouponsRequest:
        return protos.ListCouponsRequest(on=ask.day, open=ask.says.get("open", "") == "yes", as_of_position=position)

    def answer_of(self, answer: protos.ListCouponsResponse, names: Mapping[int, str], run: str) -> dict[str, Any]:
        """Returns an answer by the names of *then*."""
        found = [*(one.findings for one in answer.coupons), *(one.findings for one in answer.accounts)]
        return {
            "coupons": [
                f"{one.coupon_id.removeprefix(run)} {protos.CouponState.Name(one.state).removeprefix('COUPON_STATE_')}"
                for one in answer.coupons
            ],
            "funded": [one.funded_fen for one in answer.coupons],
            "redeemed": [
                f"{use.region} {use.used_fen}" + (f" - {use.returned_fen}" if use.returned_fen else "")
                for one in answer.coupons
                for use in one.redemptions
            ],
            "points": [one.balance for one in answer.accounts],
            "uncovered": [one.uncovered for one in answer.accounts],
            "findings": findings_in((finding for one in found for finding in one), names),
        }

    def ask_text(self, ask: Ask) -> str:
        """Says what is asked."""
        return f"{ask.day}{further_text(ask)}: 持卡人 who has `{ask.card}` 的消费券与积分 coupons and points"


class Funding:
    """`ask = "coupon_funding"`: what the coupons come to that a funder of the asker's province granted in some days."""

    needed = frozenset({"funder", "from", "on"})
    further = frozenset({"until"})
    answers = frozenset({"granted", "redeemed", "expired", "open", "with_findings"})
    words: Mapping[str, str] = {
        "granted": "发放（张 面额分）granted (coupons, face in fen)",
        "redeemed": "核销 重庆、四川（张 应付分）redeemed in Chongqing, Sichuan (coupons, funded in fen)",
        "expired": "过期 expired",
        "open": "可用 open",
        "with_findings": "有发现 with findings",
    }

    def in_memory(self, stand: InMemory, ask: Ask, names: Names) -> Any:
        """Returns the answer from rows in memory."""
        request = self._request(ask, names)
        return funding_answer(stand.told(COUPONS), request, funding_days(request, asked_of(ask)), 0)

    def on_database(self, stand: OnDatabase, ask: Ask, names: Names, position: int) -> Any:
        """Returns the answer from the views."""
        return get_funding(stand.connection, self._request(ask, names, position), asked_of(ask))

    def on_edge(self, stand: OnEdge, ask: Ask, names: Names, position: int) -> Any:
        """Returns the answer of the service."""
        request = self._request(ask, names, position)
        request.min_position = stand.min_position
        return stubs.ConsumptionServiceStub(stand.channel).GetCouponFunding(request, timeout=stand.deadline_s)

    def _request(self, ask: Ask, names: Names, position: int = 0) -> protos.GetCouponFundingRequest:
        return protos.GetCouponFundingRequest(
            issuing_province=ask.asker, funder=names.run + ask.says["funder"], granted_from=_day(ask.says["from"]),
            granted_until=_day(ask.says.get("until", "")), on=ask.day, as_of_position=position,
        )  # fmt: skip

    def answer_of(self, answer: protos.GetCouponFundingResponse, names: Mapping[int, str], run: str) -> dict[str, Any]:
        """Returns an answer by the names of *then*."""
        here, there = answer.redeemed_in_chongqing, answer.redeemed_in_sichuan
        return {
            "granted": [answer.granted.coupons, answer.granted.face_fen],
            "redeemed": [here.coupons, here.funded_fen, there.coupons, there.funded_fen],
            "expired": [answer.expired.coupons, answer.expired.face_fen],
            "open": [answer.open.coupons, answer.open.face_fen],
            "with_findings": answer.with_findings,
        }

    def ask_text(self, ask: Ask) -> str:
        """Says what is asked."""
        funder, first = ask.says["funder"], _day(ask.says["from"])
        return f"{ask.day}{further_text(ask)}: 出资方 funder `{funder}` 自 {first} 起发放的券 coupons granted since"


def _day(said: object) -> str:
    return said.isoformat() if isinstance(said, date) else str(said or "")

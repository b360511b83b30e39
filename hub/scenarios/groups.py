"""Questions of scenarios about a group's service, as it is asked directly."""

import time
from collections.abc import Mapping
from typing import Any

from chuanyu.exchange.v1 import card_service_pb2 as protos
from chuanyu.exchange.v1 import card_service_pb2_grpc as stubs

from hub.admin.groups import check_group_service, group_answer
from hub.admin.snapshots import person_with
from hub.domain import reference as tables
from hub.scenarios.filling import Names
from hub.scenarios.ledgers import InMemory, OnDatabase, OnEdge, further_text
from hub.scenarios.records import records_of_card
from hub.scenarios.scenario import Ask


class GroupService:
    """`ask = "group_service"`: whether who has a card has the extra of a service now; it is the service that is named, never a group."""

    needed = frozenset({"card", "service", "region"})
    further = frozenset[str]()
    answers = frozenset({"extra", "reason"})
    words: Mapping[str, str] = {"extra": "额外部分 the extra", "reason": "原因 reason"}

    def in_memory(self, stand: InMemory, ask: Ask, names: Names) -> Any:
        """Returns the answer from rows in memory."""
        records = records_of_card(stand.rows, stand.key_of(ask.card))
        return group_answer(records, tables.load(), self._request(ask, stand.issuer(ask.card)), _now_us(), 0)

    def on_database(self, stand: OnDatabase, ask: Ask, names: Names, position: int) -> Any:
        """Returns the answer from the views."""
        person = person_with(stand.connection, stand.key_of(ask.card))
        return check_group_service(stand.connection, tables.load(), person, self._request(ask, stand.issuer(ask.card)), _now_us())

    def on_edge(self, stand: OnEdge, ask: Ask, names: Names, position: int) -> Any:
        """Returns the answer of the service."""
        request = self._request(ask, "")
        request.min_position = stand.min_position
        stand.name(request.card, ask.card)
        return stubs.CardServiceStub(stand.channel).CheckGroupService(request, timeout=stand.deadline_s)

    def _request(self, ask: Ask, issuer: str) -> protos.CheckGroupServiceRequest:
        request = protos.CheckGroupServiceRequest(
            service=ask.says["service"], scenario="GOV.ID", service_region=ask.region, purpose_code="SCENARIO"
        )
        request.card.issuing_province = issuer
        return request

    def answer_of(self, answer: protos.CheckGroupServiceResponse, names: Mapping[int, str], run: str) -> dict[str, Any]:
        """Returns an answer by the names of *then*."""
        return {"extra": answer.has_extra, "reason": answer.reason.code}

    def ask_text(self, ask: Ask) -> str:
        """Says what is asked."""
        return f"现在 now{further_text(ask)}: 持卡人 who has `{ask.card}` 是否享有 has the extra of `{ask.says['service']}`"


def _now_us() -> int:
    return int(time.time() * 1_000_000)

"""Questions of scenarios about filings, chains of settlements, and settlements of a person."""

from collections.abc import Mapping
from typing import Any

from chuanyu.exchange.v1 import medical_service_pb2 as protos
from chuanyu.exchange.v1 import medical_service_pb2_grpc as stubs
from chuanyu.exchange.v1 import usage_medical_pb2 as medical

from hub.admin.medical import chain_answer, filings_answer, get_chain, list_filings, list_uses, uses_answer, window
from hub.admin.snapshots import person_with
from hub.domain import reference as tables
from hub.domain.medical.settlements import PARTS
from hub.projections.views.medical import FILINGS, SETTLEMENTS
from hub.scenarios.filling import Names
from hub.scenarios.ledgers import InMemory, OnDatabase, OnEdge, asked_of, findings_in, further_text
from hub.scenarios.scenario import Ask, local_text


class Filings:
    """`ask = "filings"`: the filings of a person at an instant."""

    needed = frozenset({"card", "at"})
    further = frozenset({"region"})
    answers = frozenset({"filings", "late", "keeps_insured_place", "covered", "findings"})
    words: Mapping[str, str] = {
        "filings": "备案 filings",
        "late": "补登 registered late",
        "keeps_insured_place": "双向待遇 keep the insured place",
        "covered": "覆盖 covered",
    }

    def in_memory(self, stand: InMemory, ask: Ask, names: Names) -> Any:
        """Returns the answer from rows in memory."""
        person, request = stand.person(ask.card), self._request(ask)
        return filings_answer(stand.told(FILINGS), person, tables.load(), request, ask.at_us, asked_of(ask), 0)

    def on_database(self, stand: OnDatabase, ask: Ask, names: Names, position: int) -> Any:
        """Returns the answer from the views."""
        person = person_with(stand.connection, stand.key_of(ask.card))
        return list_filings(stand.connection, tables.load(), person, self._request(ask, position), ask.at_us, asked_of(ask))

    def on_edge(self, stand: OnEdge, ask: Ask, names: Names, position: int) -> Any:
        """Returns the answer of the service."""
        request = self._request(ask, position)
        request.min_position = stand.min_position
        request.at.FromMicroseconds(ask.at_us)
        stand.name(request.card, ask.card)
        return stubs.MedicalServiceStub(stand.channel).ListFilings(request, timeout=stand.deadline_s)

    def _request(self, ask: Ask, position: int = 0) -> protos.ListFilingsRequest:
        return protos.ListFilingsRequest(treatment_region=ask.region, as_of_position=position)

    def answer_of(self, answer: protos.ListFilingsResponse, names: Mapping[int, str], run: str) -> dict[str, Any]:
        """Returns an answer by the names of *then*."""
        states = [(one.filing_no.removeprefix(run), protos.FilingState.Name(one.state), one) for one in answer.filings]
        return {
            "filings": [f"{number} {state.removeprefix('FILING_STATE_')}" for number, state, _ in states],
            "late": [number for number, _, one in states if one.is_late],
            "keeps_insured_place": [number for number, _, one in states if one.keeps_insured_place],
            "covered": answer.is_covered,
            "findings": findings_in((finding for one in answer.filings for finding in one.findings), names),
        }

    def ask_text(self, ask: Ask) -> str:
        """Says what is asked."""
        place = f"，在 in {ask.region} 就医 to be treated" if ask.region else ""
        return f"{local_text(ask.at_us)}{further_text(ask)}: 持卡人 of who has `{ask.card}` 的备案 the filings{place}"


class Chain:
    """`ask = "settlement"`: the chain of a settlement at the end of a day."""

    needed = frozenset({"settlement_id", "on"})
    further = frozenset({"institution"})
    answers = frozenset({"refused", "settlements", "standing", "net", "left", "findings"})
    words: Mapping[str, str] = {
        "refused": "拒绝 refused",
        "settlements": "结算 settlements",
        "standing": "有效笔数 standing",
        "net": "净额（分）net in fen",
        "left": "各笔余额（分）left of each in fen",
    }

    def in_memory(self, stand: InMemory, ask: Ask, names: Names) -> Any:
        """Returns the answer from rows in memory."""
        return chain_answer(stand.told(SETTLEMENTS), self._request(ask, names), asked_of(ask), 0)

    def on_database(self, stand: OnDatabase, ask: Ask, names: Names, position: int) -> Any:
        """Returns the answer from the views."""
        return get_chain(stand.connection, self._request(ask, names, position), asked_of(ask))

    def on_edge(self, stand: OnEdge, ask: Ask, names: Names, position: int) -> Any:
        """Returns the answer of the service."""
        request = self._request(ask, names, position)
        request.min_position = stand.min_position
        return stubs.MedicalServiceStub(stand.channel).GetSettlementChain(request, timeout=stand.deadline_s)

    def _request(self, ask: Ask, names: Names, position: int = 0) -> protos.GetSettlementChainRequest:
        return protos.GetSettlementChainRequest(
            settlement_id=names.run + ask.says["settlement_id"],
            institution_code=ask.says.get("institution", ""),
            on=ask.day,
            as_of_position=position,
        )

    def answer_of(self, answer: protos.GetSettlementChainResponse, names: Mapping[int, str], run: str) -> dict[str, Any]:
        """Returns an answer by the names of *then*."""
        ids = [one.settlement_id.removeprefix(run) for one in answer.settlements]
        states = [protos.SettlementState.Name(one.state).removeprefix("SETTLEMENT_STATE_") for one in answer.settlements]
        return {
            "refused": "",
            "settlements": [f"{one} {state}" for one, state in zip(ids, states, strict=True)],
            "standing": answer.standing,
            "net": parts_of(answer.net),
            "left": {one: message.net.total_fen for one, message in zip(ids, answer.settlements, strict=True)},
            "findings": findings_in((finding for one in answer.settlements for finding in one.findings), names),
        }

    def ask_text(self, ask: Ask) -> str:
        """Says what is asked."""
        at = f"（{ask.says['institution']}）" if "institution" in ask.says else ""
        return f"{ask.day}{further_text(ask)}: 结算链 the chain of settlement `{ask.says['settlement_id']}`{at}"


class MedicalUses:
    """`ask = "medical_uses"`: the settlements of a person, for the side that insures it."""

    needed = frozenset({"card", "from", "on"})
    further = frozenset[str]()
    answers = frozenset({"settlements", "total", "net"})
    words: Mapping[str, str] = {"settlements": "结算 settlements", "total": "笔数 how many", "net": "净额（分）net in fen"}

    def in_memory(self, stand: InMemory, ask: Ask, names: Names) -> Any:
        """Returns the answer from rows in memory."""
        asked, request = asked_of(ask), self._request(ask)
        days = window(request.from_on, request.to_on, asked.today)
        return uses_answer(stand.told(SETTLEMENTS), stand.person(ask.card), days, asked, 0)

    def on_database(self, stand: OnDatabase, ask: Ask, names: Names, position: int) -> Any:
        """Returns the answer from the views."""
        person = person_with(stand.connection, stand.key_of(ask.card))
        return list_uses(stand.connection, person, self._request(ask), asked_of(ask))

    def on_edge(self, stand: OnEdge, ask: Ask, names: Names, position: int) -> Any:
        """Returns the answer of the service."""
        request = self._request(ask)
        request.min_position = stand.min_position
        stand.name(request.card, ask.card)
        return stubs.MedicalServiceStub(stand.channel).ListMedicalUses(request, timeout=stand.deadline_s)

    def _request(self, ask: Ask) -> protos.ListMedicalUsesRequest:
        return protos.ListMedicalUsesRequest(from_on=ask.says["from"], to_on=ask.day)

    def answer_of(self, answer: protos.ListMedicalUsesResponse, names: Mapping[int, str], run: str) -> dict[str, Any]:
        """Returns an answer by the names of *then*."""
        ids = [one.settlement_id.removeprefix(run) for one in answer.settlements]
        return {"settlements": ids, "total": answer.total, "net": parts_of(answer.net)}

    def ask_text(self, ask: Ask) -> str:
        """Says what is asked."""
        return f"{ask.says['from']} – {ask.day}{further_text(ask)}: 持卡人 of who has `{ask.card}` 的结算 the settlements"


def parts_of(money: medical.MedicalMoney) -> dict[str, int]:
    """Returns the parts that are not nothing, by their names without the unit."""
    return {part.removesuffix("_fen"): fen for part in PARTS if (fen := getattr(money, part))}

"""Questions of scenarios about readers, loans and visits."""

from collections.abc import Mapping
from typing import Any

from chuanyu.exchange.v1 import culture_service_pb2 as protos
from chuanyu.exchange.v1 import culture_service_pb2_grpc as stubs

from hub.admin.culture import get_reader, list_loans, list_visits, loans_answer, reader_answer, visits_answer
from hub.admin.snapshots import person_with
from hub.projections.views.culture import LOANS, VISITS
from hub.scenarios.filling import Names
from hub.scenarios.ledgers import InMemory, OnDatabase, OnEdge, asked_of, findings_in, further_text
from hub.scenarios.scenario import Ask


class Readers:
    """`ask = "reader"`: a person as a reader of both networks at the end of a day."""

    needed = frozenset({"card", "on"})
    further = frozenset[str]()
    answers = frozenset({"registered", "branches", "open", "overdue", "unpaid", "stopped", "go_to"})
    words: Mapping[str, str] = {
        "registered": "已注册 registered",
        "branches": "注册馆 branches",
        "open": "在借（重庆、四川）open (Chongqing, Sichuan)",
        "overdue": "逾期 overdue",
        "unpaid": "丢失未赔 lost and not paid for",
        "stopped": "停借 stopped",
        "go_to": "请到 go to",
    }

    def in_memory(self, stand: InMemory, ask: Ask, names: Names) -> Any:
        """Returns the answer from rows in memory."""
        return reader_answer(stand.told(LOANS), stand.person(ask.card), self._request(ask), asked_of(ask), 0)

    def on_database(self, stand: OnDatabase, ask: Ask, names: Names, position: int) -> Any:
        """Returns the answer from the views."""
        person = person_with(stand.connection, stand.key_of(ask.card))
        return get_reader(stand.connection, person, self._request(ask, position), asked_of(ask))

    def on_edge(self, stand: OnEdge, ask: Ask, names: Names, position: int) -> Any:
        """Returns the answer of the service."""
        request = self._request(ask, position)
        request.min_position = stand.min_position
        stand.name(request.card, ask.card)
        return stubs.CultureServiceStub(stand.channel).GetReader(request, timeout=stand.deadline_s)

    def _request(self, ask: Ask, position: int = 0) -> protos.GetReaderRequest:
        return protos.GetReaderRequest(on=ask.day, as_of_position=position)

    def answer_of(self, answer: protos.GetReaderResponse, names: Mapping[int, str], run: str) -> dict[str, Any]:
        """Returns an answer by the names of *then*."""
        return {
            "registered": answer.is_registered,
            "branches": list(answer.branches),
            "open": [answer.open_in_chongqing, answer.open_in_sichuan],
            "overdue": answer.overdue,
            "unpaid": answer.unpaid,
            "stopped": answer.is_stopped,
            "go_to": list(answer.branches_to_go_to),
        }

    def ask_text(self, ask: Ask) -> str:
        """Says what is asked."""
        return f"{ask.day}{further_text(ask)}: 持卡人 who has `{ask.card}` 作为读者 as a reader"


class Loans:
    """`ask = "loans"`: the loans of a person, or of an item, at the end of a day."""

    needed = frozenset({"on"})
    further = frozenset({"card", "barcode", "open"})
    answers = frozenset({"loans", "due", "days_overdue", "cross", "unpaid", "findings"})
    words: Mapping[str, str] = {
        "loans": "借阅 loans",
        "due": "到期 due",
        "days_overdue": "逾期天数 days overdue",
        "cross": "通还 returned to another library",
        "unpaid": "丢失未赔 lost and not paid for",
    }

    def in_memory(self, stand: InMemory, ask: Ask, names: Names) -> Any:
        """Returns the answer from rows in memory."""
        person = stand.person(ask.card) if ask.card else None
        return loans_answer(stand.told(LOANS), person, self._request(ask, names), asked_of(ask), 0)

    def on_database(self, stand: OnDatabase, ask: Ask, names: Names, position: int) -> Any:
        """Returns the answer from the views."""
        person = person_with(stand.connection, stand.key_of(ask.card)) if ask.card else None
        return list_loans(stand.connection, person, self._request(ask, names, position), asked_of(ask))

    def on_edge(self, stand: OnEdge, ask: Ask, names: Names, position: int) -> Any:
        """Returns the answer of the service."""
        request = self._request(ask, names, position)
        request.min_position = stand.min_position
        if ask.card:
            stand.name(request.card, ask.card)
        return stubs.CultureServiceStub(stand.channel).ListLoans(request, timeout=stand.deadline_s)

    def _request(self, ask: Ask, names: Names, position: int = 0) -> protos.ListLoansRequest:
        barcode = ask.says.get("barcode", "")
        is_open = ask.says.get("open", "") == "yes"
        return protos.ListLoansRequest(barcode=names.run + barcode if barcode else "", open=is_open, on=ask.day, as_of_position=position)

    def answer_of(self, answer: protos.ListLoansResponse, names: Mapping[int, str], run: str) -> dict[str, Any]:
        """Returns an answer by the names of *then*."""
        loans = [(one.barcode.removeprefix(run), one) for one in answer.loans]
        return {
            "loans": [f"{barcode} {protos.LoanState.Name(one.state).removeprefix('LOAN_STATE_')}" for barcode, one in loans],
            "due": [one.due_on for _, one in loans],
            "days_overdue": [one.days_overdue for _, one in loans],
            "cross": [barcode for barcode, one in loans if one.is_cross_return],
            "unpaid": [barcode for barcode, one in loans if one.is_unpaid],
            "findings": findings_in((finding for _, one in loans for finding in one.findings), names),
        }

    def ask_text(self, ask: Ask) -> str:
        """Says what is asked."""
        about = f"持卡人 who has `{ask.card}`" if ask.card else f"图书 item `{ask.says['barcode']}`"
        return f"{ask.day}{further_text(ask)}: {about} 的借阅 the loans{'，只列在借 open ones' if 'open' in ask.says else ''}"


class Visits:
    """`ask = "visits"`: the visits and bookings of a person at the end of a day."""

    needed = frozenset({"card", "on"})
    further = frozenset[str]()
    answers = frozenset({"visits", "visitors", "bookings", "findings"})
    words: Mapping[str, str] = {"visits": "入园入馆 visits", "visitors": "人数 visitors", "bookings": "预约 bookings"}

    def in_memory(self, stand: InMemory, ask: Ask, names: Names) -> Any:
        """Returns the answer from rows in memory."""
        return visits_answer(stand.told(VISITS), stand.person(ask.card), self._request(ask), asked_of(ask), 0)

    def on_database(self, stand: OnDatabase, ask: Ask, names: Names, position: int) -> Any:
        """Returns the answer from the views."""
        person = person_with(stand.connection, stand.key_of(ask.card))
        return list_visits(stand.connection, person, self._request(ask, position), asked_of(ask))

    def on_edge(self, stand: OnEdge, ask: Ask, names: Names, position: int) -> Any:
        """Returns the answer of the service."""
        request = self._request(ask, position)
        request.min_position = stand.min_position
        stand.name(request.card, ask.card)
        return stubs.CultureServiceStub(stand.channel).ListVenueVisits(request, timeout=stand.deadline_s)

    def _request(self, ask: Ask, position: int = 0) -> protos.ListVenueVisitsRequest:
        return protos.ListVenueVisitsRequest(on=ask.day, as_of_position=position)

    def answer_of(self, answer: protos.ListVenueVisitsResponse, names: Mapping[int, str], run: str) -> dict[str, Any]:
        """Returns an answer by the names of *then*."""
        states = [protos.VisitState.Name(one.state).removeprefix("VISIT_STATE_") for one in answer.visits]
        found = [*(finding for one in answer.visits for finding in one.findings)]
        found += [finding for one in answer.bookings for finding in one.findings]
        return {
            "visits": [f"{one.venue} {state}" for one, state in zip(answer.visits, states, strict=True)],
            "visitors": answer.visitors,
            "bookings": [
                f"{one.booking_ref.removeprefix(run)} {protos.BookingState.Name(one.state).removeprefix('BOOKING_STATE_')}"
                for one in answer.bookings
            ],
            "findings": findings_in(found, names),
        }

    def ask_text(self, ask: Ask) -> str:
        """Says what is asked."""
        return f"{ask.day}{further_text(ask)}: 持卡人 who has `{ask.card}` 的入园入馆与预约 visits and bookings"

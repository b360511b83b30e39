"""Where medical use is read: filings of a person, the chain of a settlement, settlements of a person. Service and command ask here."""

from datetime import date, timedelta

import psycopg
from chuanyu.exchange.v1 import medical_service_pb2 as protos

from hub.admin.snapshots import Asked, Told, end_us, is_side, snapshot, told_of, told_under
from hub.domain.errors import NotPermitted, RequestInvalid, SettlementNotFound
from hub.domain.instants import epoch_day_of, midnight_us
from hub.domain.joint_services.answers import day_asked
from hub.domain.medical.answers import MOST, MOST_OF_A_CHAIN, filing_message, money_message, settlement_message
from hub.domain.medical.filings import Filing, filings_at
from hub.domain.medical.settlements import COMPLETED, Settlement, chain_of, settlements_at, visit_name
from hub.domain.reference import Reference
from hub.domain.reported import Person
from hub.projections.views.medical import FILINGS, SETTLEMENTS

MOST_DAYS = 366


def list_filings(
    connection: psycopg.Connection, reference: Reference, person: Person, request: protos.ListFilingsRequest, at_us: int, asked: Asked
) -> protos.ListFilingsResponse:
    """Returns the filings of a person; raises ViewBehind."""
    at = request.as_of_position
    with snapshot(connection, FILINGS, max(request.min_position, at)) as position:
        own = told_of(connection, FILINGS, person, at)
        # An end may name another card than the registration, or none that the hub knows.
        names = [f"{filing.province}/{filing.filing_no}" for filing in filings_at(own.reports, at_us)]
        told = told_under(connection, FILINGS, names, at)
    return filings_answer(told, person, reference, request, at_us, asked, at or position)


def filings_answer(
    told: Told, person: Person, reference: Reference, request: protos.ListFilingsRequest, at_us: int, asked: Asked, position: int
) -> protos.ListFilingsResponse:
    """Returns the answer from the reports of the filings that are, or may be, the person's."""
    found = [one for one in filings_at(told.reports, at_us) if _is_of(one, person) and is_side(_sides(one), asked.province)]
    answer = protos.ListFilingsResponse(as_of_position=position)
    answer.at.FromMicroseconds(at_us)
    region = request.treatment_region
    answer.filings.extend(filing_message(one, region, reference) for one in found[:MOST])
    answer.is_covered = bool(region) and any(one.covers(region, reference) for one in found)
    return answer


def _is_of(filing: Filing, person: Person) -> bool:
    """Whether a filing is a person's, by its registration where that is known."""
    return any(person.is_of(one) for one in ([filing.said] if filing.said is not None else filing.reports))


def _sides(filing: Filing) -> set[str]:
    treated = filing.said.message.treatment_region[:2] if filing.said is not None else ""
    return {filing.province, treated}


def get_chain(connection: psycopg.Connection, request: protos.GetSettlementChainRequest, asked: Asked) -> protos.GetSettlementChainResponse:
    """Returns the chain of a settlement; raises SettlementNotFound, NotPermitted, RequestInvalid or ViewBehind."""
    at = request.as_of_position
    with snapshot(connection, SETTLEMENTS, max(request.min_position, at)) as position:
        told, names = Told([], []), {request.settlement_id}
        while (more := told_under(connection, SETTLEMENTS, names, at)) and names < (wider := names | names_in(more)):
            told, names = more, wider
        told = more
    return chain_answer(told, request, asked, at or position)


def names_in(told: Told) -> set[str]:
    """Returns under which names the rest of a chain is: those of all settlements and refunds, and of their visits."""
    found: set[str] = set()
    for one in (*told.reports, *told.late):
        message = one.message
        found.add(message.settlement_id)
        found.add(visit_name(message.institution_code, message.visit_id) if one.kind == COMPLETED else message.original_settlement_id)
    return found - {""}


def chain_answer(told: Told, request: protos.GetSettlementChainRequest, asked: Asked, position: int) -> protos.GetSettlementChainResponse:
    """Returns the answer from the reports under all names of the chain; raises as `get_chain` does."""
    on = day_asked(request.on, "on", asked.today)
    every = settlements_at(told.reports, end_us(on), told.late)
    named = [
        one for one in every if request.settlement_id in (one.settlement_id, *(back.said.message.settlement_id for back in one.refunds))
    ]
    named = [one for one in named if request.institution_code in ("", one.institution)]
    permitted = [one for one in named if is_side({region[:2] for region in one.regions}, asked.province)]
    if named and not permitted:
        raise NotPermitted("The caller's province is no side of this settlement.")
    if not permitted:
        raise SettlementNotFound
    if len({one.institution for one in permitted}) > 1:
        raise RequestInvalid([("institution_code", "required")])
    visit = permitted[0].visit
    chain, net, beside = chain_of(one for one in every if one in permitted or (all(visit) and one.visit == visit))
    answer = protos.GetSettlementChainResponse(net=money_message(net), as_of_position=position, as_of=on.isoformat())
    answer.standing = sum(one.state in ("COMPLETED", "PARTLY_REVERSED") for one in chain)
    answer.settlements.extend(settlement_message(one, beside) for one in chain[:MOST_OF_A_CHAIN])
    return answer


def _ids(one: Settlement) -> tuple[str, ...]:
    return (one.settlement_id, *(refund.said.message.settlement_id for refund in one.refunds))


def list_uses(
    connection: psycopg.Connection, person: Person, request: protos.ListMedicalUsesRequest, asked: Asked
) -> protos.ListMedicalUsesResponse:
    """Returns the settlements of a person, for the side that insures it; raises RequestInvalid or ViewBehind."""
    begin, end = window(request.from_on, request.to_on, asked.today)
    with snapshot(connection, SETTLEMENTS, request.min_position) as position:
        own = told_of(connection, SETTLEMENTS, person, 0)
        told = told_under(connection, SETTLEMENTS, names_in(own), 0)
    return uses_answer(told, person, (begin, end), asked, position)


def window(from_on: str, to_on: str, today: date) -> tuple[date, date]:
    """Returns the days that a question is about; raises RequestInvalid for impossible days, too many of them, or none."""
    begin, end = day_asked(from_on, "from_on", today), day_asked(to_on, "to_on", today)
    if not begin <= end <= begin + timedelta(days=MOST_DAYS):
        raise RequestInvalid([("to_on", "out_of_range")])
    return begin, end


def uses_answer(told: Told, person: Person, days: tuple[date, date], asked: Asked, position: int) -> protos.ListMedicalUsesResponse:
    """Returns the answer from the reports of the person's settlements, and of their refunds."""
    begin_us = midnight_us(epoch_day_of(days[0]))
    every = settlements_at(told.reports, end_us(days[1]), told.late)
    found = [one for one in every if _is_use(one, person, asked.province) and begin_us <= _when(one) <= end_us(days[1])]
    _, net, _ = chain_of(found)
    answer = protos.ListMedicalUsesResponse(total=len(found), net=money_message(net), as_of_position=position)
    answer.settlements.extend(settlement_message(one, ()) for one in found[-MOST:])
    return answer


def _is_use(one: Settlement, person: Person, province: str) -> bool:
    return one.said is not None and person.is_of(one.said) and is_side({one.regions[0][:2]}, province)


def _when(one: Settlement) -> int:
    assert one.said is not None, "a use is a settlement that was reported"
    return one.said.occurred_us

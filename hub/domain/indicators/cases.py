"""What is counted of a case: whether a form or papers were waived (K4), and which item it is of (K14)."""

from collections.abc import Iterator, Sequence

from chuanyu.exchange.v1 import usage_government_pb2 as government

from hub.domain.indicators.counted import Asked, Counts, One
from hub.domain.indicators.places import said
from hub.domain.instants import local_day
from hub.domain.joint_services.cases import CLOSED, Case, CaseFact, fold

_CARDS = frozenset({government.CASE_AUTH_METHOD_ECARD_LOGIN, government.CASE_AUTH_METHOD_PHYSICAL_CARD})
_CLOSING = ("case_decided", "case_not_accepted", "case_delivered", "case_rated")

# What was in force of a case.
Facts = Sequence[CaseFact]


def _case(facts: Facts, asked: Asked) -> Case | None:
    """Returns the case as it was at the end of the day, None before its first report."""
    told = [fact for fact in facts if fact.occurred_us <= asked.end_us]
    return fold(told, None) if told else None


def _waived(facts: Facts, asked: Asked) -> Iterator[One]:
    """K4: a case that was closed in the window and not withdrawn, and whether a form or papers were waived."""
    case = _case(facts, asked)
    if case is None or not case.is_counted:
        return
    assert case.state in CLOSED, "only what is closed is counted"
    closed_us = min((fact.occurred_us for fact in case.facts if fact.kind in _CLOSING), default=None)
    if closed_us is not None and asked.has(closed_us):
        free = (case.form_waived, bool(case.materials_waived))
        is_in = all(free) if asked.definition.parameters["waivers"] == "BOTH" else any(free)
        yield One(tuple(case.key), is_in, _places(case, asked))


def _items_by_card(facts: Facts, asked: Asked) -> Iterator[One]:
    """K14: the code of the item of a case that was submitted in the window with a card."""
    case = _case(facts, asked)
    begun = next((fact for fact in case.facts if fact.kind == "case_submitted"), None) if case is not None else None
    if case is not None and begun is not None and asked.has(begun.occurred_us) and begun.message.auth_method in _CARDS:
        yield One(case.item_code, places=_places(case, asked))


def _in_year(facts: Facts, asked: Asked) -> Iterator[One]:
    """A case that was submitted in the window."""
    case = _case(facts, asked)
    at_us = case.first_us("case_submitted") if case is not None else None
    if case is not None and at_us is not None and asked.has(at_us):
        yield One(tuple(case.key))


def _places(case: Case, asked: Asked) -> dict[str, str]:
    submitted_us = case.first_us("case_submitted")
    mode = government.CaseMode.Name(government.CaseMode.ValueType(case.mode)).removeprefix("CASE_MODE_")
    meant = said(asked.reference, case.filed_region, local_day(submitted_us) if submitted_us is not None else None)
    return {"province": case.key.handling_province, "mode": mode, **meant}


# Cases beside K5 are of its year, as those of K4: an item is offered at the end of a day.
OF_A_CASE: Counts[Facts] = {"K4": _waived, "K14": _items_by_card, "K5:cases": _in_year}

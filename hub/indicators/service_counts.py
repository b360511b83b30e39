"""What is counted of scenarios (K3, K6), cases (K4, K14) and service items (K5)."""

from collections.abc import Iterator

from chuanyu.exchange.v1 import agreement_history_pb2 as stored
from chuanyu.exchange.v1 import usage_government_pb2 as government

from hub.audit.known.catalogue import catalogue_at
from hub.domain.agreement_history import status, versions
from hub.domain.errors import BeforeCatalogue, UnknownItem
from hub.domain.instants import local_day
from hub.domain.joint_services.cases import CLOSED, Case, fold
from hub.domain.joint_services.catalogue import Catalogue
from hub.domain.joint_services.sides import State
from hub.domain.reference.reading import is_named
from hub.indicators.counted import Asked, Found, One, first_day
from hub.indicators.places import places
from hub.indicators.record import Known
from hub.projections.views.agreements import AGREEMENTS
from hub.projections.views.cases import CASES
from hub.projections.views.usage_counts import Wanted, counts

DIRECTIONS = ("50>51", "51>50")
# Within one province; and where nobody said whose card it was, as in a bank's answer.
WITHIN, UNKNOWN = "WITHIN", "UNKNOWN"
_CARDS = frozenset({government.CASE_AUTH_METHOD_ECARD_LOGIN, government.CASE_AUTH_METHOD_PHYSICAL_CARD})
_CLOSING = ("case_decided", "case_not_accepted", "case_delivered", "case_rated")


def direction(issuer: str, serving: str) -> str:
    """Returns from which province's cards to which province's places."""
    way = f"{issuer}>{serving[:2]}"
    return way if way in DIRECTIONS else WITHIN if issuer and issuer == serving[:2] else UNKNOWN


def scenarios(known: Known, asked: Asked) -> Found:
    """K3: scenarios of the catalogue, and whether each was used in the window, also by direction. May raise ViewBehind."""
    wanted = Wanted(asked.first_day.isoformat(), asked.day.isoformat())
    used: dict[tuple[str, str], int] = {}
    for cell, uses, _ in counts(known.connection, wanted, known.position).cells:
        place = (cell.scenario, direction(cell.issuer, cell.region))
        used[place] = used.get(place, 0) + uses
    ones = []
    for code in sorted(asked.reference.scenario_codes):
        if (row := asked.reference.scenario(code, asked.day)) is not None:
            for way in (*DIRECTIONS, WITHIN, UNKNOWN):
                ones.append(One(code, used.get((code, way), 0) > 0, {"group": row.group, "direction": way}))
    first = min(one.valid_from for found in asked.reference.scenarios.values() for one in found)
    return Found(tuple(ones), first)


def identity_scenarios(known: Known, asked: Asked) -> Found:
    """K6: identity scenarios, and whether an agreement accepts the other side's card in each."""
    histories = [stored.AgreementHistory.FromString(state[1]) for state in known.states(AGREEMENTS).values()]
    accepted = {place for history in histories for place in _accepted(history, asked)}
    ones = [
        One(code, (code, way) in accepted, {"direction": way}) for code in asked.definition.parameters["scenarios"] for way in DIRECTIONS
    ]
    begun = [one.from_us for history in histories for one in versions(history)]
    return Found(tuple(ones), first_day(begun))


def _accepted(history: stored.AgreementHistory, asked: Asked) -> Iterator[tuple[str, str]]:
    if status(history, asked.end_us) != "ACTIVE":
        return
    for one in versions(history):
        if one.from_us <= asked.end_us and (one.to_us is None or asked.end_us < one.to_us):
            named = [code for code in asked.definition.parameters["scenarios"] if any(is_named(p, code) for p in one.terms.scenarios)]
            for issuer in one.terms.issuer_provinces:
                for serving in one.terms.serving_provinces:
                    yield from ((code, f"{issuer}>{serving}") for code in named)


def _cases(known: Known, asked: Asked) -> list[Case]:
    reports = known.states(CASES).values()
    told = ([one.fact for one in some if not one.until and one.fact.occurred_us <= asked.end_us] for some in reports)
    return [fold(facts, None) for facts in told if facts]


def waived(known: Known, asked: Asked) -> Found:
    """K4: cases that were closed in the window and not withdrawn, and whether a form or papers were waived."""
    found = _cases(known, asked)
    ones = []
    for one in found:
        closed_us = _closed_us(one)
        if one.is_counted and closed_us is not None and asked.has(closed_us):
            free = (one.form_waived, bool(one.materials_waived))
            is_in = all(free) if asked.definition.parameters["waivers"] == "BOTH" else any(free)
            ones.append(One(tuple(one.key), is_in, _case_places(one, asked)))
    return Found(tuple(ones), first_day(fact.occurred_us for one in found for fact in one.facts))


def _closed_us(one: Case) -> int | None:
    """Returns when a case was closed: by its first report that closes it."""
    assert one.state in CLOSED or not one.is_counted, "only what is closed is counted"
    return min((fact.occurred_us for fact in one.facts if fact.kind in _CLOSING), default=None)


def _case_places(one: Case, asked: Asked) -> dict[str, str]:
    submitted_us = one.first_us("case_submitted")
    filed_on = local_day(submitted_us) if submitted_us is not None else asked.day
    mode = government.CaseMode.Name(government.CaseMode.ValueType(one.mode)).removeprefix("CASE_MODE_")
    return {"province": one.key.handling_province, "mode": mode, **places(asked.reference, one.filed_region, filed_on, asked.day)}


def joint_items(known: Known, asked: Asked) -> Found:
    """K5: items that a side offers, and whether both do."""
    catalogue = catalogue_at(known.connection, known.position)
    try:
        entries = catalogue.on(asked.day).entries
    except BeforeCatalogue:
        return Found((), catalogue.first_day)
    ones = []
    for item, entry in entries.items():
        live = [side.version for side in entry.sides if side.version is not None and side.state == State.SERVICE_ITEM_STATE_LIVE]
        for version in live:
            mode = government.CaseMode.Name(version.mode).removeprefix("CASE_MODE_")
            ones.append(One(item, entry.is_shared, {"mode": mode}))
    in_year = sum(1 for one in _cases(known, asked) if (at := one.first_us("case_submitted")) is not None and asked.has(at))
    return Found(tuple(ones), catalogue.first_day, {"cases": in_year})


def items_by_card(known: Known, asked: Asked) -> Found:
    """K14: items with a case that was submitted in the window with a card."""
    catalogue, found = catalogue_at(known.connection, known.position), _cases(known, asked)
    ones = []
    for one in found:
        begun = next((fact for fact in one.facts if fact.kind == "case_submitted"), None)
        if begun is not None and asked.has(begun.occurred_us) and begun.message.auth_method in _CARDS:
            ones.append(One(_item(catalogue, one.item_code), places=_case_places(one, asked)))
    return Found(tuple(ones), first_day(fact.occurred_us for one in found for fact in one.facts))


def _item(catalogue: Catalogue, code: str) -> str:
    try:
        return catalogue.item_id(code)
    except UnknownItem:
        return code

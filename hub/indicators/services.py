"""What is counted of scenarios (K3, K6) and service items (K5, K14), of losses with their times (K11),
of concession units (K17), and of confirmed findings (K18)."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date

from chuanyu.exchange.v1 import agreement_history_pb2 as stored
from chuanyu.exchange.v1 import usage_government_pb2 as government

from hub.audit.known.catalogue import catalogue_at
from hub.domain.agreement_history import status, versions
from hub.domain.errors import BeforeCatalogue, UnknownItem
from hub.domain.indicators import units
from hub.domain.indicators.counted import Asked, first_day
from hub.domain.indicators.uses import DIRECTIONS, UNKNOWN, WITHIN, direction
from hub.domain.joint_services.catalogue import Catalogue
from hub.domain.joint_services.sides import State
from hub.domain.reference.reading import is_named
from hub.domain.unusual_use.finding import CLEARED, CONFIRMED, STATES_AFTER
from hub.indicators.found import Counted, Found, cells, day_or_none, total
from hub.indicators.record import Known
from hub.indicators.sources import Source
from hub.projections.views.usage_ways import Way


def scenarios(known: Known, _: Source, asked: Asked, __: tuple[str, ...]) -> Found:
    """K3: scenarios of the catalogue, and whether each was used in the window, also by direction. May raise ViewBehind."""
    used: dict[tuple[str, str], int] = {}
    for one, uses in _uses(known, asked).items():
        place = (one.scenario, direction(one.issuer, one.serving))
        used[place] = used.get(place, 0) + uses
    found = []
    for code in sorted(asked.reference.scenario_codes):
        if (row := asked.reference.scenario(code, asked.day)) is not None:
            for way in (*DIRECTIONS, WITHIN, UNKNOWN):
                found.append(Counted({"group": row.group, "direction": way}, int(used.get((code, way), 0) > 0), 1, code))
    first = min(one.valid_from for some in asked.reference.scenarios.values() for one in some)
    return Found(tuple(found), first)


def identity_scenarios(known: Known, _: Source, asked: Asked, __: tuple[str, ...]) -> Found:
    """K6: identity scenarios, and whether an agreement accepts the other side's card in each."""
    histories = [stored.AgreementHistory.FromString(state[1]) for state in known.agreements()]
    accepted = {place for history in histories for place in _accepted(history, asked)}
    wanted = asked.definition.parameters["scenarios"]
    found = [Counted({"direction": way}, int((code, way) in accepted), 1, code) for code in wanted for way in DIRECTIONS]
    begun = [one.from_us for history in histories for one in versions(history)]
    return Found(tuple(found), first_day(begun))


def _accepted(history: stored.AgreementHistory, asked: Asked) -> Iterator[tuple[str, str]]:
    if status(history, asked.end_us) != "ACTIVE":
        return
    for one in versions(history):
        if one.from_us <= asked.end_us and (one.to_us is None or asked.end_us < one.to_us):
            named = [code for code in asked.definition.parameters["scenarios"] if any(is_named(p, code) for p in one.terms.scenarios)]
            for issuer in one.terms.issuer_provinces:
                for serving in one.terms.serving_provinces:
                    yield from ((code, f"{issuer}>{serving}") for code in named)


def joint_items(known: Known, source: Source, asked: Asked, _: tuple[str, ...]) -> Found:
    """K5: items that a side offers, and whether both do."""
    catalogue = catalogue_at(known.connection, known.position)
    try:
        entries = catalogue.on(asked.day).entries
    except BeforeCatalogue:
        return Found((), catalogue.first_day)
    found = []
    for item, entry in entries.items():
        live = [side.version for side in entry.sides if side.version is not None and side.state == State.SERVICE_ITEM_STATE_LIVE]
        for version in live:
            mode = government.CaseMode.Name(version.mode).removeprefix("CASE_MODE_")
            found.append(Counted({"mode": mode}, int(entry.is_shared), 1, item))
    return Found(tuple(found), catalogue.first_day, {"cases": total(source, "K5:cases", asked)})


def items_by_card(known: Known, source: Source, asked: Asked, _: tuple[str, ...]) -> Found:
    """K14: items with a case that was submitted in the window with a card."""
    catalogue = catalogue_at(known.connection, known.position)
    found = (one._replace(subject=_item(catalogue, one.subject or "")) for one in cells(source, "K14", asked))
    return Found(tuple(found), day_or_none(source.first_day("K14")))


def _item(catalogue: Catalogue, code: str) -> str:
    try:
        return catalogue.item_id(code)
    except UnknownItem:
        return code


def losses(_: Known, source: Source, asked: Asked, __: tuple[str, ...]) -> Found:
    """K11: losses across the border in the window, whether the issuer confirmed each, and after how many seconds."""
    lasted: list[int] = []
    for one in cells(source, "K11:seconds", asked):
        lasted += [int(one.places["seconds"])] * one.whole
    ordered = sorted(max(0, one) for one in lasted)
    beside = {
        "p50_s": _at(ordered, 50),
        "p95_s": _at(ordered, 95),
        "max_s": _at(ordered, 100),
        "confirmed_first": sum(one < 0 for one in lasted),
    }
    return Found(cells(source, "K11", asked), day_or_none(source.first_day("K11")), beside)


def _at(ordered: list[int], percent: int) -> int | None:
    """Returns the smallest figure that so many of a hundred do not exceed, None where there are too few to show."""
    return ordered[-(-len(ordered) * percent // 100) - 1] if ordered else None


def concession_units(_: Known, source: Source, asked: Asked, __: tuple[str, ...]) -> Found:
    """K17: units used in the period of the day, and those granted to the persons who used any, by city."""
    people = cells(source, units.PERSONS, asked)
    return Found(people, day_or_none(source.first_day(units.UNITS)), units=cells(source, units.UNITS, asked))


def unusual_uses(known: Known, _: Source, asked: Asked, __: tuple[str, ...]) -> Found:
    """K18: findings of days in the window that are confirmed at the end of the day, and the uses of these days. May raise ViewBehind."""
    days, states = [], Counter[str]()
    for steps in known.findings():
        days.append(day := date.fromisoformat(steps[0].event.finding_raised.day))
        if asked.first_day <= day <= asked.day:
            told = [STATES_AFTER[one.kind] for one in steps if one.kind in STATES_AFTER and one.occurred_us <= asked.end_us]
            states[told[-1] if told else ""] += 1
    uses = sum(_uses(known, asked).values())
    return Found((Counted({}, states[CONFIRMED], uses),), min(days, default=None), {"cleared": states[CLEARED]})


def _uses(known: Known, asked: Asked) -> Mapping[Way, int]:
    """Returns the uses of the window. May raise ViewBehind."""
    return known.uses.of(asked.first_day.isoformat(), asked.day.isoformat())

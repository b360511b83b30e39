"""Runs scenarios one way or another and compares what was answered with what the file says.

All are reported first and asked afterwards, so that the hub's views catch up meanwhile; those that count uses go one by one before them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from chuanyu.exchange.v1 import acceptance_pb2, service_items_pb2
from chuanyu.exchange.v1 import hub_decisions_pb2 as decisions
from chuanyu.exchange.v1 import references_pb2 as references

from hub.domain import reference as tables
from hub.domain.agreement import Agreement
from hub.domain.card import Fact, policies_of
from hub.domain.identity import check_digit, id_number_problem
from hub.domain.judging import judge_use
from hub.scenarios.agreed import signed
from hub.scenarios.filling import Names
from hub.scenarios.scenario import Ask, Scenario, local_text

_RESIDENT = "01"


@dataclass(frozen=True, slots=True)
class Stand:
    """What one run puts in the place of a scenario's names, so that runs on one hub do not meet.

    Cards, people, venues, agreement codes and native numbers are this run's own.
    """

    scenario: Scenario
    run: int

    def names(self) -> Names:
        """Gives each number a number of this run's own."""
        numbers = {card.number: None for card in self.scenario.cards.values()}
        own = {number: f"{number[0]}{self.run:05d}{index:03d}" for index, number in enumerate(numbers, 1)}
        cards = {alias: (card.issuer, own[card.number]) for alias, card in self.scenario.cards.items()}
        return Names(cards, {}, f"R{self.run}.", self._person, self._items())

    def _items(self) -> dict[str, str]:
        """Gives each service item that the scenario brings an id of this run's own."""
        ids = dict.fromkeys(item.item_id for item in self.scenario.items)
        return {item_id: f"S{chr(65 + index)}{self.run % 100_000:05}" for index, item_id in enumerate(ids)}

    def items(self) -> list[service_items_pb2.ServiceItemDrafted]:
        """Returns the service items that the scenario brings, by ids of this run's own."""
        own, found = self._items(), []
        for item in self.scenario.items:
            drafted = service_items_pb2.ServiceItemDrafted()
            drafted.CopyFrom(item)
            drafted.item_id = own[item.item_id]
            found.append(drafted)
        return found

    def _person(self, number: str) -> tuple[int, str]:
        """Gives a person a number of this run's own, of the same birth date; a number that is none stays, so that its fault is found."""
        if id_number_problem(_RESIDENT, number) is not None:
            return references.ID_TYPE_RESIDENT_ID, number
        # A permanent resident's: its first digits are no county's. Numbers of both provinces may differ in the county alone.
        serial = (int(number[14:17]) + 500 * int(number[1])) % 1_000
        first17 = f"9{self.run % 100_000:05}{number[6:14]}{serial:03}"
        return references.ID_TYPE_FOREIGN_PERMANENT_RESIDENT, first17 + check_digit(first17)

    def venue(self, venue: str) -> str:
        """Returns the venue to ask about: where a scenario brings agreements, they hold at venues of this run only."""
        return f"R{self.run}.{venue}" if self.scenario.agreements else venue

    def agreements(self) -> list[Agreement]:
        """Returns the scenario's agreements, each bound to venues of this run."""
        asked = {ask.venue for ask in self.scenario.when if ask.kind == "acceptance"}
        found = []
        for agreed in self.scenario.agreements:
            terms = decisions.AgreementTerms()
            terms.CopyFrom(agreed.terms)
            terms.venues[:] = sorted(self.venue(venue) for venue in (agreed.terms.venues or asked))
            found.append(signed(replace(agreed, code=f"R{self.run}.{agreed.code}", terms=terms)))
        return found


class Run(Protocol):
    """A scenario that has been reported one way."""

    @property
    def refused(self) -> Mapping[int, list[str]]:
        """What each quarantined step breaks, as "path: rule", by number of the step."""
        raise NotImplementedError

    def answer(self, ask: Ask) -> dict[str, Any]:
        """Returns what is answered, by the names that *then* uses; `local_text` writes its instants."""
        raise NotImplementedError


class Way(Protocol):
    """One way to run scenarios; *at_once* is how many may be asked at the same time."""

    at_once: int

    def tell(self, scenario: Scenario) -> Run:
        """Reports to the hub what is given."""
        raise NotImplementedError


class Result(NamedTuple):
    """What became of a scenario; no problems means that it passed."""

    scenario: Scenario
    problems: list[str]


def run_all(way: Way, scenarios: Iterable[Scenario], report: Callable[[int], None] = lambda _: None) -> list[Result]:
    """Runs scenarios and returns a result for each, in their order; *report* gets how many are done."""
    chosen = list(scenarios)
    problems: dict[str, list[str]] = {}
    counting = [scenario for scenario in chosen if scenario.is_counting]
    for scenario in counting:
        problems[scenario.file] = _checked(scenario, lambda scenario=scenario: way.tell(scenario))  # type: ignore[misc]
        report(len(problems))
    told: list[tuple[Scenario, Run | Exception]] = []
    for scenario in chosen:
        if not scenario.is_counting:
            try:
                told.append((scenario, way.tell(scenario)))
            except Exception as error:
                told.append((scenario, error))
    with ThreadPoolExecutor(way.at_once) as pool:
        for (scenario, _), found in zip(told, pool.map(lambda one: _checked(one[0], lambda: one[1]), told), strict=True):
            problems[scenario.file] = found
            report(len(problems))
    return [Result(scenario, problems[scenario.file]) for scenario in chosen]


def _checked(scenario: Scenario, run: Callable[[], Run | Exception]) -> list[str]:
    """Returns the problems; a scenario that cannot be run has one, and the others go on."""
    try:
        told = run()
        if isinstance(told, Exception):
            raise told
        return compare(scenario, told)
    except Exception as error:
        return [f"could not be run: {type(error).__name__}: {error}"]


def compare(scenario: Scenario, run: Run) -> list[str]:
    """Returns where the hub and the file differ."""
    problems = []
    for step in scenario.given:
        broken = run.refused.get(step.number, [])
        if step.quarantined and not any(rule.endswith(f": {step.quarantined}") for rule in broken):
            problems.append(f"given {step.number} ({step.kind}): not quarantined for {step.quarantined} but {broken or 'taken'}")
        if broken and not step.quarantined:
            problems.append(f"given {step.number} ({step.kind}): quarantined, {'; '.join(broken)}")
    for ask in scenario.when:
        said = run.answer(ask)
        for name, expected in ask.then.items():
            actual = said.get(name)
            if not _is_as_expected(name, expected, actual):
                problems.append(f"when {ask.number}, {name}: {_shown(name, expected)} expected, {_shown(name, actual)} answered")
    return problems


def _is_as_expected(name: str, expected: Any, actual: Any) -> bool:
    if name == "advice":
        return expected in (actual or "")
    if name == "basis":
        # What other rules rest on is left out.
        return bool(expected.items() <= (actual or {}).items())
    if name == "findings":
        # A finding may leave out against what it is.
        return len(expected) == len(actual) and all(wanted.items() <= found.items() for wanted, found in zip(expected, actual, strict=True))
    return bool(actual == expected)


def _shown(name: str, value: Any) -> str:
    return local_text(value) if name.endswith("_until") and isinstance(value, int) and value else repr(value)


def acceptance_of(outcome: str, reasons: Iterable[Any], bases: Iterable[acceptance_pb2.RuleBasis]) -> dict[str, Any]:
    """Returns an acceptance answer by the names of *then*; *reasons* are those of the reference table or of the wire."""
    given, rests = list(reasons), list(bases)
    advice = " ".join(text for reason in given for text in (reason.advice_zh, reason.advice_en) if text)
    return {
        "outcome": outcome,
        "reasons": [reason.code for reason in given],
        "advice": advice,
        "basis": {basis.rule_id: acceptance_pb2.BasisKind.Name(basis.basis).removeprefix("BASIS_KIND_") for basis in rests},
        "contradictions": [basis.rule_id for basis in rests if basis.contradicts],
    }


def use_of(ask: Ask, facts: Sequence[Fact], issuer: str, names: Mapping[int, str]) -> dict[str, Any]:
    """Returns what a use is by the facts of its card, by the names of *then*."""
    medium = acceptance_pb2.Medium.Value(f"MEDIUM_{ask.medium or 'UNSPECIFIED'}")
    judged = judge_use(facts, ask.at_us, medium, policies_of(tables.load(), issuer), ask.hotlist_us)
    against = {"against": names.get(judged.against.position, "")} if judged.against is not None else {"against": ""}
    return {"finding": judged.code, "in_liability_window": judged.is_in_window, **against}

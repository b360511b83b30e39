"""The pure way: facts folded by the views' own functions and decided by `decide`, without database and server."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from chuanyu.exchange.v1 import acceptance_pb2, event_pb2

from hub.admin.journeys import told_in_force
from hub.domain import reference as tables
from hub.domain.acceptance import Answer, Question, decide
from hub.domain.agreement import Agreements, terms_in, terms_of
from hub.domain.agreement_table import seed_agreements
from hub.domain.card import Fact, Standing, policies_of, standing
from hub.domain.corrections import Member
from hub.domain.corrections import standing as in_force
from hub.domain.errors import CaseNotFound, NotPermitted
from hub.domain.event_rules import Context
from hub.domain.records.bases import basis_message
from hub.domain.records.items import changes_of
from hub.domain.records.known import Records
from hub.domain.reported import Reported
from hub.domain.succession import CardRow, facts_known, wanted
from hub.domain.transit.rides import Told
from hub.intake.batch import faults
from hub.journal.corrections import Change
from hub.journal.reader import Recorded
from hub.projections.ledgers import Rows, fold_events
from hub.projections.projection import Projection
from hub.projections.touched import folds_of
from hub.projections.views.card_rows import relatives
from hub.projections.views.card_standing import CARD_STANDING
from hub.projections.views.cases import CASES
from hub.projections.views.concessions import CONCESSIONS
from hub.projections.views.consumption import COUPONS, POINTS
from hub.projections.views.culture import LOANS, VISITS
from hub.projections.views.daily_usage import DAILY_USAGE, found_in
from hub.projections.views.entries import ENTRIES
from hub.projections.views.findings import FINDINGS, Found, found_of, given, unverified_uses
from hub.projections.views.fund_serials import FUND_SERIALS
from hub.projections.views.funds import FUND_BATCHES, FUND_ROWS
from hub.projections.views.holder_cards import HOLDER_CARDS
from hub.projections.views.holder_record import HOLDER_RECORD
from hub.projections.views.medical import FILINGS, INSTITUTIONS, SETTLEMENTS
from hub.projections.views.refused_trips import REFUSED_TRIPS
from hub.projections.views.registers import REGISTERS
from hub.projections.views.reports import reported
from hub.scenarios import cases, ledgers
from hub.scenarios.agreed import signed
from hub.scenarios.filling import Names
from hub.scenarios.participants import FEEDS, OWNERS, RIGHTS
from hub.scenarios.questions import LEDGERS
from hub.scenarios.records import records_of_card
from hub.scenarios.running import acceptance_of, use_of
from hub.scenarios.scenario import LIVES, Ask, Scenario, Step
from hub.scenarios.stand_ins import identifier_problems, key_named, key_references, pseudonymise, stand_in
from hub.scenarios.tokens import Tokens

_SEEDED = tuple(
    terms_of(agreement.code, agreement.terms) for agreement in seed_agreements(tables.load().agreements, datetime(2025, 1, 1, tzinfo=UTC))
)
_FOLDED = (
    CARD_STANDING,
    HOLDER_CARDS,
    HOLDER_RECORD,
    REGISTERS,
    CONCESSIONS,
    ENTRIES,
    DAILY_USAGE,
    FINDINGS,
    CASES,
    FILINGS,
    SETTLEMENTS,
    LOANS,
    VISITS,
    COUPONS,
    POINTS,
    INSTITUTIONS,
    REFUSED_TRIPS,
    FUND_ROWS,
    FUND_BATCHES,
    FUND_SERIALS,
)
_OTHER_NAMES = {"social_status_until": "social_status_until_us", "provisional_block_until": "block_until_us"}

# Where day, issuer, region and scenario are in what a use moves.
_CELL = DAILY_USAGE.cells.tables["daily_usage"].values() if DAILY_USAGE.cells is not None else ()


class Pure:
    """Folds and decides in memory."""

    at_once = 1

    def tell(self, scenario: Scenario) -> "PureRun":
        """Folds what is given."""
        return PureRun(scenario)


class PureRun:
    """One scenario in memory: rows of the views it needs, by their own functions."""

    def __init__(self, scenario: Scenario, later: Mapping[str, tuple[str, int]] | None = None) -> None:
        """Folds the steps in the order they are reported; *later* are names of steps that may be referred to and are still to come."""
        self._scenario = scenario
        self._names = Names({alias: (card.issuer, card.number) for alias, card in scenario.cards.items()}, {})
        self.refused: dict[int, list[str]] = {}
        self._tokens = Tokens()
        self._steps: dict[int, Step] = {}
        self._rows = {projection.name: Rows() for projection in _FOLDED}
        self._last: dict[str, int] = {}
        self._told: dict[int, Recorded] = {}
        self._named: dict[tuple[str, int], Recorded] = {}
        self._members: list[Member] = []
        self._changes: dict[int, Change] = {}
        self._names.events.update(scenario.names_of_steps(dict.fromkeys(FEEDS, 1)) if later is None else later)
        for position, step in enumerate(scenario.given, 1):
            self._tell(position, step)
        own = (terms for agreed in scenario.agreements for terms in terms_in(signed(agreed).history))
        self._agreements = Agreements((*_SEEDED, *own))

    def _tell(self, position: int, step: Step) -> None:
        event = step.event(self._names)
        sequence = self._last.get(step.feed, 0) + 1
        self._last[step.feed] = sequence
        owner = OWNERS[step.feed]
        context = Context(RIGHTS[owner], int(time.time()), tables.load(), lambda feed: OWNERS[feed] == owner)
        message = getattr(event, step.kind)
        broken = [*faults(event, step.kind, message, context), *identifier_problems(event, step.kind)]
        self._steps[position] = step
        kind = step.kind
        if broken:
            self.refused[step.number] = [f"{path}: {rule}" for path, rule in broken]
            event, kind = stand_in(event, kind, broken, context.rights, step.arrives_us), "event_quarantined"
        pseudonymise(event, kind)
        stream_id = list(FEEDS).index(step.feed)
        recorded = Recorded(position, step.arrives_us, stream_id, sequence, kind, event.SerializeToString())
        self._named[step.feed, sequence] = recorded
        change = self._changes[position] = self._change(event, (step.feed, sequence), recorded)
        for projection in _FOLDED:
            self._fold(projection, recorded, change)

    def _change(self, event: event_pb2.Event, name: tuple[str, int], recorded: Recorded) -> Change:
        """Returns what the event changes of what is in force."""
        stood = in_force(self._members)
        self._told[recorded.position] = recorded
        said = event.corrects if event.HasField("corrects") else event.reverses if event.HasField("reverses") else None
        own = None if said is None else (said.feed, said.sequence)
        is_held = recorded.kind == "event_quarantined"
        self._members.append(Member(recorded.position, name, () if own is None else (own,), own, event.HasField("reverses"), is_held))
        stands = in_force(self._members)
        into = [self._told[position] for position in stands - stood]
        return Change(tuple(self._told[position] for position in sorted(stood - stands)), into[0] if into else None)

    def _fold(self, projection: Projection, recorded: Recorded, change: Change) -> None:
        rows = self._rows[projection.name]
        for stands, before in folds_of(recorded, change):
            for one in (stands, before):
                if one is None or one.kind not in projection.refers:
                    continue
                if (ref := projection.refers[one.kind](one)) is not None:
                    one.refers_to, one.about = (list(FEEDS).index(ref.feed), ref.sequence), self._named.get((ref.feed, ref.sequence))
            keys = list(dict.fromkeys(projection.keys(stands, before)))
            parked = fold_events(projection, [(stands.position, stands, before, keys)], rows, set())
            assert not parked, parked

    def _facts(self, alias: str) -> list[Fact]:
        issuer, number = self._names.cards[alias]
        asked = key_named(f"card|{issuer}|{number}")
        rows = {asked: self._row(asked)}
        while more := wanted(rows, [*rows], with_ecard=True):
            rows |= {key: self._row(key) for key in more}
        return facts_known(asked, rows)

    def _records(self, alias: str) -> Records:
        issuer, number = self._names.cards[alias]
        return records_of_card({name: rows.states for name, rows in self._rows.items()}, key_named(f"card|{issuer}|{number}"))

    def _institution(self, code: str) -> tuple[Reported, ...]:
        rows = sorted((int(key[1]), row) for key, row in self._rows[INSTITUTIONS.name].states.items() if row is not None and key[0] == code)
        return tuple(reported(position, row) for position, row in rows if row.was_in_force(0))

    def _row(self, key: bytes) -> CardRow:
        """Returns a card as its views have it."""
        row = self._rows[CARD_STANDING.name].states.get((key,))
        if row is None:
            return CardRow(key, [])
        of_holder = self._rows[HOLDER_CARDS.name].states.get((row.holder,))
        of_several = of_holder is not None and (of_holder[2] or of_holder[3])
        return CardRow(key, row.facts, *(relatives(of_holder[1], row.province) if of_holder is not None and of_several else ()))

    def answer(self, ask: Ask) -> dict[str, Any]:
        """Answers from memory."""
        if ask.kind == "usage":
            return self._counted(ask) if ask.known_us is None else self._known(ask.known_us)._counted(ask)
        if ask.kind == "case":
            return self._case(ask) if ask.known_us is None else self._known(ask.known_us).answer(cases.known(ask))
        if ask.kind in LEDGERS:
            return self._ledger(ask) if ask.known_us is None else self._known(ask.known_us)._ledger(ask)
        facts, issuer = self._facts(ask.card), self._names.cards[ask.card][0]
        if ask.kind == "acceptance":
            if ask.known_us is not None:
                facts = self._known(ask.known_us)._facts(ask.card)
            refs = ask.subject_refs(self._names)
            key_references(refs)
            question = question_of(ask, issuer, ask.venue, refs)
            known = self if ask.known_us is None else self._known(ask.known_us)
            records = known._records(ask.card)._replace(institution=known._institution(question.institution))
            items = changes_of(enumerate(self._scenario.items, 1)).about(question.refs.item_id)
            records = self._tokens.known(question, records)._replace(items=items)
            return answer_of(self._tokens.note(question, decide(facts, self._agreements, tables.load(), question, records), ask.number))
        if ask.kind == "use":
            return use_of(ask, facts, issuer, {position: step.name for position, step in self._steps.items()})
        if ask.kind == "findings":
            return findings_of(ask, self._found(ask.card), {position: step.name for position, step in self._steps.items()})
        card = standing(facts, ask.at_us, policies_of(tables.load(), issuer))
        return lives_of(card)

    def _case(self, ask: Ask) -> dict[str, Any]:
        rows = {key: reports for key, reports in self._rows[CASES.name].states.items() if reports is not None}
        try:
            answer = cases.answered_from(rows, ask, self._names, max(self._told, default=0))
        except (CaseNotFound, NotPermitted) as error:
            return cases.refused(error)
        return cases.case_of(answer, {position: step.name for position, step in self._steps.items()})

    def _ledger(self, ask: Ask) -> dict[str, Any]:
        ledger, rows = LEDGERS[ask.kind], {name: rows.states for name, rows in self._rows.items()}
        key_of, issuer = (
            (lambda alias: key_named("card|{}|{}".format(*self._names.cards[alias]))),
            (lambda alias: self._names.cards[alias][0]),
        )
        stand = ledgers.InMemory(rows, key_of, issuer, self._taps)
        try:
            answer = ledger.in_memory(stand, ask, self._names)
        except tuple(ledgers.REFUSALS) as error:
            return ledgers.refused(error)
        return ledger.answer_of(answer, {position: step.name for position, step in self._steps.items()}, self._names.run)

    def _taps(self) -> list[Told]:
        numbers = {name: (one.stream_id, one.sequence) for name, one in self._named.items()}
        return told_in_force((self._told[position] for position in sorted(self._told)), self._changes, numbers)

    def _known(self, known_us: int) -> "PureRun":
        """Returns the scenario as far as it was reported by an instant."""
        return PureRun(replace(self._scenario, given=self._scenario.given[: self._scenario.told_by(known_us)]), self._names.events)

    def _counted(self, ask: Ask) -> dict[str, Any]:
        asked = [ask.day, ask.issuer, ask.region, ask.scenario]
        rows = self._rows[DAILY_USAGE.name].sums.items()
        counted = [values for cell, values in rows if [cell[place] for place in _CELL] == asked]
        return {"uses": sum(uses for uses, _ in counted), "amount_fen": sum(fen for _, fen in counted)}

    def _found(self, alias: str) -> list[Found]:
        issuer, number = self._names.cards[alias]
        key = key_named(f"card|{issuer}|{number}")
        row = given(self._rows[FINDINGS.name].states.get((key,)), self._rows[FINDINGS.name].items.get((key,), ()))
        uses = [found for fact in self._rows[DAILY_USAGE.name].states.values() if fact and fact.card == key for found in found_in(fact)]
        own = [*found_of(row.findings), *unverified_uses(row, self._facts(alias))] if row is not None else []
        return [*own, *uses]


def answer_of(answer: Answer) -> dict[str, Any]:
    """Returns an answer of `decide` by the names of *then*."""
    return acceptance_of(answer.outcome, map(tables.load().reason, answer.reason_codes), map(basis_message, answer.bases))


def question_of(ask: Ask, issuer: str, venue: str, refs: acceptance_pb2.SubjectRefs) -> Question:
    """Returns the question as `decide` takes it."""
    medium = acceptance_pb2.Medium.Value(f"MEDIUM_{ask.medium}")
    question = Question(issuer, ask.scenario, ask.region, medium, ask.at_us, venue, refs=refs)
    return question if ask.claims is None else question._replace(claims=ask.claims)


def lives_of(card: Standing) -> dict[str, Any]:
    """Returns a standing by the names of *then*; what is not there is None."""
    values = {name: getattr(card, _OTHER_NAMES.get(name, name)) for name in LIVES}
    return {name: None if value == "" else value for name, value in values.items()}


def findings_of(ask: Ask, found: Iterable[Found], names: Mapping[int, str]) -> dict[str, Any]:
    """Returns which steps up to the asked instant contradict which, and how, in their order, by the names of *then*."""
    findings = []
    for one in sorted(found, key=lambda one: (one.occurred_us, one)):
        if one.occurred_us <= ask.at_us:
            against = {"against": names[one.against_position]} if one.against_position in names else {}
            findings.append({"step": names.get(one.position, ""), "code": one.code, **against})
    return {"findings": findings}

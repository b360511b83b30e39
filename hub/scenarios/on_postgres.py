"""The way on PostgreSQL: events prepared by the intake, committed to a real journal, folded by the engine, decided from the views.

What the hub itself decides about a loss request is recorded in between, by the process that does so.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import count, groupby
from typing import Any

import psycopg
from chuanyu.exchange.v1 import acceptance_pb2, event_pb2, feed_service_pb2
from psycopg import pq

from hub.admin.agreements import Officer
from hub.admin.cases import get_case
from hub.admin.registry import load_agreements, register_participant
from hub.admin.service_items import approve_version, draft_version, read_catalogue
from hub.admin.snapshots import Asked
from hub.audit.as_of import known_at
from hub.audit.explanations import known_for
from hub.domain import reference as tables
from hub.domain.acceptance import decide
from hub.domain.card import policies_of, standing
from hub.domain.errors import CaseNotFound, NotPermitted
from hub.domain.event_rules import Context
from hub.domain.instants import local_day
from hub.intake.batch import Intake
from hub.intake.batches import batch_reader
from hub.intake.request_rules import now_us
from hub.journal.batch import Appended
from hub.journal.group import commit_group
from hub.journal.recorder import AggregateStore
from hub.journal.statements import run
from hub.journal.streams import feed_row
from hub.journal.writer_connection import SESSION
from hub.processes.losses import LossProcess
from hub.projections import PROJECTIONS, runner
from hub.projections.engine import create_views
from hub.projections.views.card_rows import facts_in
from hub.projections.views.daily_usage import listed_uses
from hub.projections.views.findings import Found, listed
from hub.projections.views.unverified import listed_unverified
from hub.projections.views.usage_counts import Wanted, counts
from hub.scenarios import cases, ledgers
from hub.scenarios.participants import FEEDS, OWNERS, RIGHTS, TELLERS
from hub.scenarios.pure import answer_of, findings_of, lives_of, question_of
from hub.scenarios.questions import LEDGERS
from hub.scenarios.running import Stand, use_of
from hub.scenarios.scenario import Ask, Scenario, Step
from hub.scenarios.tokens import Tokens
from hub.trust.keyring import Keyring


class OnPostgres:
    """A journal with both provinces and the historical agreements; used from one thread, closed at the end."""

    at_once = 1

    def __init__(self, dsn: str, keyring: Keyring) -> None:
        """*dsn* names a migrated database of its own."""
        register(dsn)
        self._store = AggregateStore(dsn)
        load_agreements(self._store, datetime.now(UTC))
        self._read = batch_reader(feed_service_pb2.AppendEventsRequest)
        self._intake = Intake(keyring)
        self._views = runner.connect(dsn)
        create_views(self._views, PROJECTIONS)
        self._streams: dict[str, int] = dict(self._views.execute("SELECT name, stream_id FROM journal.stream WHERE is_feed").fetchall())
        self._writer = pq.PGconn.connect(dsn.encode())
        run(self._writer, SESSION.encode())
        self._losses = LossProcess(self._views, self._store, tables.load())
        self._runs = count(1)
        self._sequences: dict[str, int] = {}
        self._is_folded = False

    def close(self) -> None:
        """Closes the connections."""
        self._writer.finish()
        self._views.close()
        self._store.close()

    def tell(self, scenario: Scenario) -> "PostgresRun":
        """Appends what is given and folds it."""
        stand = Stand(scenario, next(self._runs))
        names, told = stand.names(), _Told()
        told.before = {ask.number: counted(self.views(), ask) for ask in scenario.when if ask.kind == "usage"}
        activate(self._store, stand)
        names.events.update(scenario.names_of_steps({feed: self._next_sequence(feed) for feed in FEEDS}))
        for feed, steps in in_batches(scenario):
            events = [step.event(names) for step in steps]
            positions = self._append(feed, self._next_sequence(feed), events, steps, told)
            told.names.update({position: step.name for position, step in zip(positions, steps, strict=True)})
        self._is_folded = False
        keys = {alias: self._intake.identifiers.key_of(f"card|{issuer}|{number}") for alias, (issuer, number) in names.cards.items()}
        return PostgresRun(self, stand, keys, told)

    def _next_sequence(self, feed: str) -> int:
        if feed not in self._sequences:
            row = feed_row(self._views, feed)
            assert row is not None, "the feeds are registered"
            self._sequences[feed] = row.next_sequence
        return self._sequences[feed]

    def views(self) -> psycopg.Connection:
        """Folds what has been reported since the last time and returns a connection to read the views."""
        if not self._is_folded:
            runner.catch_up(self._views)
            while self._losses.advance(now_us()):
                runner.catch_up(self._views)
            self._is_folded = True
        return self._views

    def keyed(self, refs: acceptance_pb2.SubjectRefs) -> acceptance_pb2.SubjectRefs:
        """Returns references with keys in the place of identifiers."""
        return self._intake.identifiers.keyed(refs, "refs")

    def _append(self, feed: str, first: int, events: list[event_pb2.Event], steps: Sequence[Step], told: "_Told") -> Sequence[int]:
        request = feed_service_pb2.AppendEventsRequest(feed=feed, first_sequence=first, events=events)
        owner = OWNERS[feed]
        context = Context(RIGHTS[owner], int(time.time()), tables.load(), lambda name: OWNERS.get(name) == owner)
        received = self._read(request.SerializeToString())
        prepared = asyncio.run(self._intake.prepare(self._streams[feed], owner, received, context, self._streams.get))
        [outcome] = commit_group(self._writer, [prepared.batch])
        assert isinstance(outcome, Appended), outcome
        self._sequences[feed] = first + len(events)
        self._intake.identifiers.remember(prepared.new_identifiers)
        for offset, broken in prepared.quarantined.items():
            told.refused[steps[offset].number] = [f"{path}: {rule}" for path, rule in broken]
        return outcome.positions


class _Told:
    """What is known once a scenario is reported: names of positions, what was quarantined, what was counted before."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self.refused: dict[int, list[str]] = {}
        self.before: dict[int, tuple[int, int]] = {}


class PostgresRun:
    """One scenario in the views."""

    def __init__(self, way: OnPostgres, stand: Stand, keys: Mapping[str, bytes], told: _Told) -> None:
        """*keys* are those of the scenario's cards."""
        self._way, self._stand, self._keys, self._told = way, stand, keys, told
        self.refused = told.refused
        self._tokens = Tokens()

    def answer(self, ask: Ask) -> dict[str, Any]:
        """Answers from the views."""
        views = self._way.views()
        if ask.kind == "usage":
            return counted_since(views, self._stand.scenario, self._told.names, ask, self._told.before[ask.number])
        if ask.kind == "case":
            return self._case(views, ask)
        if ask.kind in LEDGERS:
            return self._ledger(views, ask)
        facts, issuer = facts_in(views, self._keys[ask.card]), self._stand.scenario.cards[ask.card].issuer
        if ask.kind == "acceptance":
            question = question_of(ask, issuer, self._stand.venue(ask.venue), self._way.keyed(ask.subject_refs(self._stand.names())))
            position = None if ask.known_us is None else told_position(self._stand.scenario, ask.known_us, self._told.names)
            known = known_for(views, known_at(views, self._keys[ask.card], position), question)
            records = self._tokens.known(question, known.records)
            answer = decide(known.facts, known.agreements, tables.load(), question, records)
            return answer_of(self._tokens.note(question, answer, ask.number))
        if ask.kind == "use":
            return use_of(ask, facts, issuer, self._told.names)
        if ask.kind == "findings":
            return findings_of(ask, found_in(views, self._keys[ask.card]), self._told.names)
        return lives_of(standing(facts, ask.at_us, policies_of(tables.load(), issuer)))

    def _case(self, views: psycopg.Connection, ask: Ask) -> dict[str, Any]:
        told = self._told.names
        position = 0 if ask.known_us is None else told_position(self._stand.scenario, ask.known_us, told)
        request = cases.request_of(ask, self._stand.names(), position)
        try:
            answer = get_case(views, read_catalogue(views), request, Asked(ask.asker, local_day(now_us())))
        except (CaseNotFound, NotPermitted) as error:
            return cases.refused(error)
        return cases.case_of(answer, told)

    def _ledger(self, views: psycopg.Connection, ask: Ask) -> dict[str, Any]:
        told, names = self._told.names, self._stand.names()
        position = 0 if ask.known_us is None else told_position(self._stand.scenario, ask.known_us, told)
        stand = ledgers.OnDatabase(views, self._keys.__getitem__, lambda alias: self._stand.scenario.cards[alias].issuer)
        try:
            answer = LEDGERS[ask.kind].on_database(stand, ask, names, position)
        except tuple(ledgers.REFUSALS) as error:
            return ledgers.refused(error)
        return LEDGERS[ask.kind].answer_of(answer, told, names.run)


def register(dsn: str) -> None:
    """Registers the participants of the scenarios, if they are not."""
    store = AggregateStore(dsn)
    for urn, teller in TELLERS.items():
        register_participant(store, urn, teller.province, urn, list(teller.feeds), datetime.now(UTC), teller.roles)
    store.close()


def activate(store: AggregateStore, stand: Stand) -> int:
    """Appends the scenario's own agreements, signed by both sides, and its service items, approved by their sides.

    Returns the position of the last event, 0 if there is none.
    """
    made, at, position = stand.agreements(), datetime.now(UTC), 0
    if made:
        position = max(store.save(*made))
    for item in stand.items():
        side = item.province
        draft_version(store, item, Officer(side, f"scenario-maker-{side}"), at)
        position = approve_version(store, item.item_id, Officer(side, f"scenario-checker-{side}"), at)
    return position


def in_batches(scenario: Scenario) -> list[tuple[str, list[Step]]]:
    """Parts the steps into runs of one feed, in the order they are reported."""
    return [(feed, list(steps)) for feed, steps in groupby(scenario.given, key=lambda step: step.feed)]


def told_position(scenario: Scenario, known_us: int, names: Mapping[int, str]) -> int:
    """Returns the position of the last step reported by an instant; where none was, the one before the first."""
    positions, told = sorted(names), scenario.told_by(known_us)
    return positions[told - 1] if told else positions[0] - 1


def found_in(views: psycopg.Connection, key: bytes) -> list[Found]:
    """Reads a card's findings: what contradicts what, and which uses were reported again."""
    return [one.found for one in (*listed(views, key), *listed_uses(views, key), *listed_unverified(views, key))]


def counted(views: psycopg.Connection, ask: Ask, known_position: int | None = None) -> tuple[int, int]:
    """Reads uses and money of a day, an issuer, a region and a scenario, as they were known at a position."""
    return counts(views, Wanted(ask.day, ask.day, ask.issuer, ask.region, ask.scenario), known_position).sum


def counted_since(
    views: psycopg.Connection, scenario: Scenario, names: Mapping[int, str], ask: Ask, before: tuple[int, int]
) -> dict[str, Any]:
    """Returns what has been counted since, by the names of *then*."""
    position = None if ask.known_us is None else told_position(scenario, ask.known_us, names)
    uses, amount_fen = counted(views, ask, position)
    return {"uses": uses - before[0], "amount_fen": amount_fen - before[1]}

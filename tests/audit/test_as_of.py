"""As of both times: what was known of a card at any position is what its own events come to, and what an edge answered by."""

import random
import tempfile
from typing import Any

import psycopg
import pytest
from chuanyu.exchange.v1 import audit_question_pb2 as asked
from chuanyu.exchange.v1 import event_pb2, references_pb2

from hub.audit.as_of import known_at
from hub.audit.outcome import as_json, read
from hub.audit.replay.card_asked import card_as_of
from hub.audit.replay.decided_again import Period, ReplayStopped, decide_again
from hub.audit.replay.memory import CARD_VIEWS
from hub.audit.replay.progress import unseen
from hub.audit.replay.questions import answer
from hub.audit.replay.spool import ReplayHasNoRoom
from hub.audit.replay.views_asked import ViewUnknown
from hub.audit.replay.window import HistoryArchived
from hub.domain.acceptance import rules_digest
from hub.domain.audit_errors import AuditWindowAhead, AuditWindowBefore
from hub.domain.errors import HubError
from hub.lanes import units
from hub.projections import DECIDED_BY
from hub.projections.engine import advance
from hub.projections.together import advance_as_one
from hub.projections.views.card_index import CARD_INDEX
from hub.projections.views.card_rows import facts_in
from tests.disks import fill, free, small_disk
from tests.forked import children_called
from tests.projections.test_projections import held, with_alias
from tests.recording import AT_S, Recording, correcting, decided, enabled, key_of, lost, registered, reversing
from tests.seeds import seeds

CARD, OTHER = "A00000001", "A00000002"
FEED = "cq.card-center"
CARDS = (CARD, OTHER, "A00000003", "310A00000001")


def fold(views: psycopg.Connection) -> None:
    while advance_as_one(views, DECIDED_BY).moved:
        pass
    while advance(views, CARD_INDEX):
        pass


def random_history(journal: Recording, chance: random.Random, events: int) -> None:
    """Lives of three cards of two holders, with late facts, identifiers, corrections and reversals near and far."""
    made: list[event_pb2.Event] = []
    for at in range(events):
        card, at_s = chance.choice(CARDS[:3]), AT_S + chance.randrange(5_000)
        event = chance.choice(
            (
                lambda card=card, at_s=at_s: registered(card, at_s),
                lambda card=card, at_s=at_s: lost(card, at_s),
                lambda card=card, at_s=at_s: enabled(card, at_s, chance.choice(["", *CARDS[:3]])),
                lambda card=card, at_s=at_s: with_alias(registered(card, at_s), f"310{card}"),
            )
        )()
        if chance.random() < 0.4:
            event = held(event, f"50019919400101001{chance.randrange(2)}")
        if at and chance.random() < 0.4:
            target = chance.randrange(1, at + 1)
            event = correcting(event, target, FEED) if chance.random() < 0.5 else reversing(event, target, FEED)
        made.append(event)
    for event in made:
        journal.append(event, feed=FEED)


@seeds(6)
def test_what_was_known_at_a_position_is_what_an_edge_read_there(journal: Recording, views: psycopg.Connection, seed: int) -> None:
    random_history(journal, random.Random(seed), 36)
    read = {}
    for position in range(1, 37):
        advance_as_one(views, DECIDED_BY, through=position)
        read |= {(position, card): facts_in(views, key_of(card)) for card in CARDS}
    while advance(views, CARD_INDEX, through=18 + seed * 3):
        pass
    known = {(position, card): known_at(views, key_of(card), position).facts for position, card in read}
    assert {where: (facts, read[where]) for where, facts in known.items() if facts != read[where]} == {}


def test_a_card_is_as_it_was_known_then_and_not_as_it_is_known_now(journal: Recording, views: psycopg.Connection) -> None:
    journal.append(registered(CARD), lost(CARD), reversing(lost(CARD), 2, FEED), feed=FEED)
    fold(views)
    us = (AT_S + 120) * 1_000_000
    found = [card_as_of(views, key_of(CARD), "50", position, us) for position in (1, 2, 3)]
    assert [(one.known.social_status, one.is_same) for one in found] == [("ACTIVE", True), ("TEMP_LOST", True), ("ACTIVE", True)]
    steps = [(step.recorded.position, step.before.social_status, step.after.social_status) for step in found[2].steps]
    assert steps == [(1, None, "ACTIVE"), (2, "ACTIVE", "TEMP_LOST"), (3, "TEMP_LOST", "ACTIVE")]


def test_the_question_of_a_card_is_answered_in_words(dsn: str, journal: Recording, views: psycopg.Connection) -> None:
    journal.append(registered(CARD), lost(CARD), feed=FEED)
    fold(views)
    question = asked.AuditQuestion()
    question.card.card.issuing_province, question.card.card.key = "50", key_of(CARD)
    question.card.recorded_as_of.position = 1
    question.card.valid_at.seconds = AT_S + 120
    outcome = read(as_json(answer(dsn, question)))
    assert (outcome.recorded_as_of, outcome.holds, outcome.facts["lives"]["social_status"]) == (1, True, "ACTIVE")
    assert [moment.position for moment in outcome.timeline] == [1]


@pytest.mark.parametrize(
    ("place", "refusal"),
    [
        ({"position": 2}, AuditWindowAhead),
        ({"instant": {"seconds": 4_000_000_000}}, AuditWindowAhead),
        ({"instant": {"seconds": 1}}, AuditWindowBefore),
    ],
)
def test_a_place_that_the_record_does_not_have_is_refused(
    dsn: str, journal: Recording, views: psycopg.Connection, place: dict[str, Any], refusal: type[HubError]
) -> None:
    journal.append(registered(CARD), feed=FEED)
    fold(views)
    question = asked.CardQuestion(card=references_pb2.CardRef(issuing_province="50", key=key_of(CARD)))
    question.recorded_as_of.CopyFrom(asked.RecordedAsOf(**place))
    with pytest.raises(refusal):
        answer(dsn, asked.AuditQuestion(card=question))


def test_a_view_that_was_altered_is_named_with_its_row_and_its_event(dsn: str, journal: Recording, views: psycopg.Connection) -> None:
    journal.append(registered(CARD), lost(OTHER), lost(CARD), feed=FEED)
    fold(views)
    question = asked.AuditQuestion(views=asked.ViewsQuestion(views=["card_standing", "card_alias"]))
    assert answer(dsn, question).holds
    views.execute("UPDATE views.card_standing SET facts = '[]' WHERE key = %s", (key_of(CARD),))
    outcome = read(as_json(answer(dsn, question)))
    [standing, alias] = outcome.facts["views"]
    assert (outcome.holds, alias["equal"]) == (False, True)
    assert (standing["place"], standing["event"]) == (f"views.card_standing: key {key_of(CARD).hex()}", 3)


def test_a_view_that_there_is_not_is_refused(dsn: str, journal: Recording) -> None:
    journal.append(registered(CARD), feed=FEED)
    with pytest.raises(ViewUnknown):
        answer(dsn, asked.AuditQuestion(views=asked.ViewsQuestion(views=["no_view"])))


def test_views_of_cards_have_rows_alone() -> None:
    assert [view.name for view in CARD_VIEWS if view.items or view.cells or view.linked or view.waiting or view.first] == []


def recorded_answers(journal: Recording) -> Period:
    journal.append(registered(CARD), feed=FEED)
    answers = [decided(CARD) for _ in range(3)]
    for one in answers:
        one.decision_made.rules_digest, one.decision_made.as_of_position = rules_digest(), 1
    journal.append(*answers)
    return Period(1, 4)


def test_a_disk_that_is_full_is_named_and_nothing_is_left(dsn: str, journal: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    period = recorded_answers(journal)
    with small_disk(1) as disk:
        monkeypatch.setattr(tempfile, "tempdir", str(disk))
        fill(disk)
        with pytest.raises(ReplayHasNoRoom):
            decide_again(dsn, period, (), unseen, 1)
        assert [path.name for path in disk.iterdir()] == ["filler"]
        free(disk)
        assert decide_again(dsn, period, (), unseen, 1).answers == 3


def test_what_left_for_the_archive_is_asked_for_by_name(dsn: str, journal: Recording) -> None:
    recorded_answers(journal)
    with psycopg.connect(dsn) as connection:
        connection.execute("DELETE FROM journal.event WHERE position = 1")
    question = asked.WhatIfQuestion(to=asked.RecordedAsOf(position=4), inputs=asked.WHAT_IF_INPUTS_FROZEN)
    getattr(question, "from").position = 2
    with pytest.raises(HistoryArchived):
        answer(dsn, asked.AuditQuestion(what_if=question))


def test_a_process_that_was_killed_is_named(dsn: str, journal: Recording) -> None:
    period = recorded_answers(journal)

    def kill(_done: int, _of: int) -> None:
        for process in children_called(units.NAME):
            process.kill()

    with pytest.raises(ReplayStopped):
        decide_again(dsn, period, (), kill, 2)

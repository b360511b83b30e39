"""An answer's `as_of_position` is true: the views it rests on are at one position in every snapshot, or there is no answer."""

import asyncio
import contextlib
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import psycopg
import pytest
from chuanyu.exchange.v1 import event_pb2, references_pb2

from hub.api.cards.card_reader import CardReader
from hub.api.cards.card_snapshot import Wanted
from hub.audit.as_of import known_at
from hub.domain.card import Fact
from hub.domain.errors import ViewsLate
from hub.projections import DECIDED_BY, runner
from hub.projections.engine import Projection, positions
from hub.projections.rebuild import rebuild
from hub.projections.together import advance_as_one
from hub.projections.views.card_alias import CARD_ALIAS
from hub.projections.views.daily_usage import DAILY_USAGE
from tests.beside import others_beside
from tests.databases import fresh_database
from tests.recording import AT_S, Recording, journey, key_of, lost, name_card, registered
from tests.seeds import one_in

CARDS = "cq.card-center"
CARD = "A00000001"
WAIT_S = 60.0
each_decided_by = pytest.mark.parametrize("view", DECIDED_BY, ids=lambda view: view.name)
some_decided_by = pytest.mark.parametrize("view", one_in(4, DECIDED_BY), ids=lambda view: view.name)


@pytest.fixture
def superuser(dsn: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


def tied_and_lost(number: int) -> list[event_pb2.Event]:
    """Ties one more transit number to the card, then reports the loss of what carries that number: both are facts of the card."""
    tied, loss = registered(CARD, AT_S + 2 * number), lost(CARD, AT_S + 2 * number + 1)
    name_card(tied.card_aliases.add(), f"310{number}", kind=references_pb2.CARD_IDENTIFIER_KIND_TRANSIT_CARD_NO)
    name_card(loss.card, f"310{number}", kind=references_pb2.CARD_IDENTIFIER_KIND_TRANSIT_CARD_NO)
    return [tied, loss]


def are_at(views: psycopg.Connection) -> set[int]:
    return set(positions(views, DECIDED_BY).values())


def fold(views: psycopg.Connection, page_events: int = 10_000) -> None:
    while advance_as_one(views, DECIDED_BY, page_events=page_events).moved:
        pass


class Scene(NamedTuple):
    """One journal for the tests of one view each, whose views have folded all there is when a test begins."""

    dsn: str
    journal: Recording
    views: psycopg.Connection

    def tell(self) -> int:
        """Records two more facts of the card and returns the position of the last."""
        return self.journal.append(*tied_and_lost(next(_numbers)), feed=CARDS)[-1]


_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def one_journal(server_dsn: str) -> Iterator[Scene]:
    with (
        fresh_database(server_dsn, f"hub_as_of_{os.getpid()}") as dsn,
        contextlib.closing(Recording(dsn)) as journal,
        runner.connect(dsn) as views,
    ):
        yield Scene(dsn, journal, views)


@pytest.fixture
def scene(one_journal: Scene) -> Scene:
    one_journal.tell()
    fold(one_journal.views)
    return one_journal


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


async def read_while(dsn: str, goes_on: Callable[[], bool]) -> list[tuple[int, list[int]]]:
    """Reads the card again and again; returns each answer's position and the positions of the facts it rests on."""
    reader = CardReader(dsn, lambda: None)
    read = []
    while goes_on():
        answer = await reader.read(key_of(CARD), 0)
        read.append((answer.as_of_position, sorted(fact.position for fact in answer.facts)))
    await reader.stop()
    return read


def test_an_answer_rests_on_all_facts_up_to_its_position_and_on_none_beyond(
    dsn: str, journal: Recording, views: psycopg.Connection
) -> None:
    journal.append(*(event for number in range(60) for event in tied_and_lost(number)), feed=CARDS)
    folding = threading.Thread(target=fold, args=(views, 1))
    folding.start()
    read = asyncio.run(read_while(dsn, folding.is_alive))
    folding.join()
    assert len({as_of for as_of, _ in read}) > 1
    assert [facts for _, facts in read] == [list(range(1, as_of + 1)) for as_of, _ in read]


@some_decided_by
def test_while_one_of_the_views_is_taken_none_moves_and_the_others_go_on(scene: Scene, view: Projection) -> None:
    views, [before] = scene.views, are_at(scene.views)
    scene.tell()
    [head] = scene.journal.append(journey(CARD))
    stop = threading.Event()
    folding = threading.Thread(target=runner.run, args=(scene.dsn, stop, others_beside))
    with psycopg.connect(scene.dsn) as superuser:
        superuser.execute("SELECT FROM views.checkpoint WHERE view = %s FOR UPDATE", (view.name,))
        folding.start()
        went_on = within(WAIT_S, lambda: positions(views, [DAILY_USAGE]) == {DAILY_USAGE.name: head})
        held = are_at(views)
    moved = within(WAIT_S, lambda: are_at(views) == {head})
    stop.set()
    folding.join()
    assert (went_on, held, moved) == (True, {before}, True)


def test_a_card_is_read_the_same_with_what_is_on_record_and_without(dsn: str, journal: Recording, views: psycopg.Connection) -> None:
    journal.append(*tied_and_lost(1), feed=CARDS)
    fold(views)

    async def read() -> list[tuple[int, int, list[Fact]]]:
        reader, key = CardReader(dsn, lambda: None), key_of(CARD)
        snapshots = [await reader.read_together({key: True}, record) for record in ({}, {key: Wanted()}, {})]
        await reader.stop()
        return [(one.as_of_position, one.revision, one.card(key, 0).facts) for one in snapshots]

    alone, with_record, again = asyncio.run(read())
    assert alone == with_record == again
    assert (alone[0], [fact.position for fact in alone[2]]) == (2, [1, 2])


@each_decided_by
def test_there_is_no_answer_while_one_of_the_views_is_elsewhere(scene: Scene, view: Projection) -> None:
    scene.views.execute("UPDATE views.checkpoint SET position = position - 1 WHERE view = %s", (view.name,))
    with pytest.raises(ViewsLate):
        asyncio.run(read_while(scene.dsn, lambda: True))
    with pytest.raises(ViewsLate):
        known_at(scene.views, key_of(CARD), None)


@each_decided_by
def test_a_view_that_is_behind_is_brought_to_the_others_first(scene: Scene, view: Projection) -> None:
    head = scene.tell()
    fold(scene.views)
    scene.views.execute("UPDATE views.checkpoint SET position = position - 3 WHERE view = %s", (view.name,))
    scene.tell()
    moved = [advance_as_one(scene.views, DECIDED_BY, page_events=2).position for _ in range(4)]
    assert (moved, are_at(scene.views)) == ([head - 1, head, head + 2, head + 2], {head + 2})


@some_decided_by
@pytest.mark.parametrize("switch", [True, False], ids=["switched", "compared"])
def test_a_rebuild_of_one_leaves_all_at_one_position(scene: Scene, view: Projection, switch: bool) -> None:
    head = scene.tell()
    assert rebuild(scene.views, view, switch=switch).is_equal
    assert are_at(scene.views) == {head}


def test_a_card_is_read_while_a_view_it_rests_on_is_rebuilt_and_switched(dsn: str, journal: Recording, views: psycopg.Connection) -> None:
    journal.append(*tied_and_lost(1), feed=CARDS)
    fold(views)

    def rebuild_five_times() -> None:
        for number in range(2, 7):
            journal.append(*tied_and_lost(number), feed=CARDS)
            rebuild(views, CARD_ALIAS)

    rebuilding = threading.Thread(target=rebuild_five_times)
    rebuilding.start()
    read = asyncio.run(read_while(dsn, rebuilding.is_alive))
    rebuilding.join()
    assert [facts for _, facts in read] == [list(range(1, as_of + 1)) for as_of, _ in read]


def test_a_view_that_a_rebuild_has_keeps_no_answer_waiting(
    dsn: str, journal: Recording, views: psycopg.Connection, superuser: psycopg.Connection
) -> None:
    stop = threading.Event()
    folding = threading.Thread(target=runner.run, args=(dsn, stop, others_beside))
    with superuser.transaction():
        superuser.execute("SELECT FROM views.checkpoint WHERE view = %s FOR UPDATE", (DAILY_USAGE.name,))
        folding.start()
        journal.append(*(journey(CARD, at_s=AT_S + second) for second in range(1_500)))
        reached = within(WAIT_S, lambda: are_at(views) == {1_500})
        held = positions(views, [DAILY_USAGE])
    followed = within(WAIT_S, lambda: positions(views, [DAILY_USAGE]) == {DAILY_USAGE.name: 1_500})
    stop.set()
    folding.join()
    assert (reached, held, followed) == (True, {DAILY_USAGE.name: 0}, True)

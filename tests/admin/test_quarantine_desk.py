"""What operators do about quarantined events: list them, look at them masked, evaluate them again; a release counts once, as if sent so."""

import io
import itertools
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from chuanyu.exchange.v1 import acceptance_pb2, event_pb2, feed_service_pb2, references_pb2, subscription_service_pb2
from chuanyu.exchange.v1.subscription_service_pb2_grpc import SubscriptionServiceStub
from rich.console import Console
from typer.testing import CliRunner

from hub.admin.desks import opened
from hub.admin.quarantine import QuarantineDesk
from hub.admin.registry import register_participant
from hub.audit.fsck import check
from hub.cli import app
from hub.commands.quarantine_screen import listing
from hub.domain import reference
from hub.domain.errors import FeedUnknown, HubError, RequestInvalid
from hub.domain.masking import in_clear, shown
from hub.domain.participant import HUB, PREFIX
from hub.domain.quarantine import (
    MEANINGS,
    EventNotFound,
    EventNotQuarantined,
    QuarantineCorrected,
    QuarantineHandled,
    QuarantineOriginalErased,
    QuarantineReleased,
)
from hub.domain.reference import Reference
from hub.domain.roles import every_role
from hub.journal.batch import Batch, pack_tail
from hub.journal.quarantine_feed import append_act, writing
from hub.journal.reader import Recorded
from hub.journal.recorder import AggregateStore
from hub.projections import runner
from hub.projections.rebuild import rebuild
from hub.projections.views.quarantine import QUARANTINE, Entry, Listed, Wanted, evolve, keys, listed
from hub.trust.keyring import KeyMismatch, open_keyring
from tests.clients import DEADLINE_S, Province, add_feed, journal, of_feed, recorded_at
from tests.hub_process import CHONGQING, SICHUAN, RunningHub
from tests.messages import journey, lost, question, registered

DUPLICATE = feed_service_pb2.EVENT_OUTCOME_DUPLICATE
ACCEPT, REFER = acceptance_pb2.ACCEPTANCE_OUTCOME_ACCEPT, acceptance_pb2.ACCEPTANCE_OUTCOME_REFER_ISSUER
# A scenario and a region of a later release of the tables.
ROCKET, NEW_REGION = "TRA.ROCKET", "500188"
DAY = "2025-09-01"
ID_NO, NAME, MOBILE, ACCOUNT = "500199198503120015", "测试甲乙丙", "13912345678", "6217000010000000003"
OTHER = f"{PREFIX}cq.other"
_numbers = itertools.count(1)
Run = Callable[..., tuple[int, str]]


def now() -> datetime:
    return datetime.now(UTC)


def later_tables() -> Reference:
    """The tables of a later release, which know one more scenario and one more region."""
    tables = reference.load()
    regions = {**tables.region_days, NEW_REGION: (0, 100_000)}
    return replace(tables, scenario_codes=tables.scenario_codes | {ROCKET}, region_days=regions)


def rocket(card_no: str, fare_fen: int = 360) -> event_pb2.Event:
    """A journey in a scenario that this release does not know."""
    event = journey(card_no, fare_fen=fare_fen)
    event.scenario = ROCKET
    return event


def ahead(event: event_pb2.Event, days: float = 2.0) -> event_pb2.Event:
    """The event by a clock that runs ahead."""
    event.occurred_at.seconds = int(time.time() + days * 86_400)
    return event


def correcting(event: event_pb2.Event, feed: str, sequence: int) -> event_pb2.Event:
    event.corrects.feed, event.corrects.sequence = feed, sequence
    return event


def personal(card_no: str) -> event_pb2.Event:
    """An application with everything that names a person, by a clock that runs ahead, with texts and numbers that do not belong there."""
    event = ahead(lost(card_no))
    event.holder.id_type, event.holder.clear = references_pb2.ID_TYPE_RESIDENT_ID, ID_NO
    event.source.system, event.source.message_id, event.venue_code = NAME, ID_NO, MOBILE
    event.amount_fen = int(MOBILE)
    alias = event.card_aliases.add(issuing_province="50", clear=ACCOUNT)
    alias.kind = references_pb2.CARD_IDENTIFIER_KIND_BANK_ACCOUNT
    event.card_applied.generation, event.card_applied.card_kind, event.card_applied.birth_date = 3, 1, "1985-03-12"
    event.card_applied.applicant_name.clear, event.card_applied.mobile.clear = NAME, MOBILE
    # Field 999 of the envelope, a text that no release knows.
    return event_pb2.Event.FromString(event.SerializeToString() + b"\xba\x3e\x12" + ID_NO.encode())


@pytest.fixture
def feed(shared_hub: RunningHub) -> str:
    """A feed of Chongqing's for one test."""
    return add_feed(shared_hub, CHONGQING, f"cq.desk-{next(_numbers)}")


@pytest.fixture
def card() -> str:
    """A card for one test."""
    return f"Q{next(_numbers):08d}"


@pytest.fixture(scope="module")
def desk(shared_hub: RunningHub) -> Iterator[QuarantineDesk]:
    """The desk of this release."""
    with opened(QuarantineDesk, shared_hub.dsn, open_keyring(shared_hub.data_dir / "keys"), reference.load()) as desk:
        yield desk


@pytest.fixture(scope="module")
def later(shared_hub: RunningHub) -> Iterator[QuarantineDesk]:
    """The desk of a later release, whose tables know more."""
    with opened(QuarantineDesk, shared_hub.dsn, open_keyring(shared_hub.data_dir / "keys"), later_tables()) as desk:
        yield desk


@pytest.fixture(scope="module")
def views(shared_hub: RunningHub) -> Iterator[psycopg.Connection]:
    with runner.connect(shared_hub.dsn) as connection:
        yield connection


@pytest.fixture
def run(shared_hub: RunningHub, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command and returns its exit code and what it said, its refusal included."""
    monkeypatch.setenv("HUB_DSN", shared_hub.dsn)
    monkeypatch.setenv("HUB_DATA_DIR", str(shared_hub.data_dir))

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["quarantine", *arguments])
        return result.exit_code, result.output + (str(result.exception) if isinstance(result.exception, HubError) else "")

    return run


def fold(views: psycopg.Connection) -> None:
    runner.catch_up(views)


def row(views: psycopg.Connection, feed: str, sequence: int = 1) -> Listed:
    fold(views)
    [one] = listed(views, Wanted(feed, sequence=sequence))
    return one


def money(views: psycopg.Connection, scenario: str) -> int:
    """What was paid in Chengdu on the day with Chongqing's cards."""
    fold(views)
    row = views.execute(
        "SELECT amount_fen FROM views.daily_usage WHERE (day, issuer, region, scenario) = (%s, '50', '510100', %s)", (DAY, scenario)
    ).fetchone()
    return row[0] if row is not None else 0


def handled(dsn: str, feed: str) -> list[Recorded]:
    """What is in the hub's own feed about a feed."""
    return [event for event in of_feed(dsn, "hub.quarantine") if feed in str(event.event)]


# Release


def test_an_event_that_passes_now_is_recorded_as_a_correction_of_its_number(
    shared_hub: RunningHub, chongqing: Province, later: QuarantineDesk, feed: str, card: str
) -> None:
    chongqing.append(feed, 1, rocket(card))
    position = later.evaluate(feed, 1, "op1", now()).position
    released = recorded_at(shared_hub.dsn, position)
    assert (released.kind, released.event.corrects.feed, released.event.corrects.sequence) == ("transit_journey_completed", feed, 1)
    assert (released.event.scenario, released.event.card.WhichOneof("value")) == (ROCKET, "key")


def test_who_released_it_stands_right_before_it(
    shared_hub: RunningHub, chongqing: Province, later: QuarantineDesk, feed: str, card: str
) -> None:
    told = chongqing.append(feed, 1, rocket(card)).positions[0]
    position = later.evaluate(feed, 1, "li.lei", now()).position
    again = recorded_at(shared_hub.dsn, position - 1).event.quarantine_reevaluated
    assert (again.event.feed, again.event.sequence, again.quarantined_position) == (feed, 1, told)
    assert (again.accepted, again.operator, len(again.violations)) == (True, "li.lei", 0)


def test_the_day_that_was_ahead_has_come(
    chongqing: Province, desk: QuarantineDesk, views: psycopg.Connection, feed: str, card: str
) -> None:
    chongqing.append(feed, 1, ahead(journey(card)))
    assert desk.evaluate(feed, 1, "op1", now()).violations == [("occurred_at", "in_the_future")]
    assert desk.evaluate(feed, 1, "op1", now() + timedelta(days=1.5)).position > 0
    one = row(views, feed)
    assert (one.entry.state, one.entry.evaluations, one.entry.still) == ("RELEASED", 2, "[]")


def test_a_released_card_is_accepted_as_if_its_issuer_had_just_told_it(
    chongqing: Province, sichuan: Province, later: QuarantineDesk, views: psycopg.Connection, feed: str, card: str
) -> None:
    event = registered(card)
    event.issuer_region = NEW_REGION
    told = chongqing.append(feed, 1, event).positions[0]
    fold(views)
    before = sichuan.cards.CheckAcceptance(question("before-release", card, min_position=told), timeout=DEADLINE_S)
    released = later.evaluate(feed, 1, "op1", now()).position
    fold(views)
    after = sichuan.cards.CheckAcceptance(question("after-release", card, min_position=released), timeout=DEADLINE_S)
    assert (before.outcome, after.outcome) == (REFER, ACCEPT)


def test_a_declared_loss_blocks_its_card_until_it_is_released_as_a_loss(
    chongqing: Province, sichuan: Province, later: QuarantineDesk, views: psycopg.Connection, feed: str, card: str
) -> None:
    reported = lost(card, at_s=int(time.time()) - 60)
    reported.issuer_region = NEW_REGION
    told = chongqing.append(feed, 1, registered(card), reported).positions[1]
    fold(views)
    before = sichuan.cards.CheckAcceptance(question("while-declared", card, min_position=told), timeout=DEADLINE_S)
    released = later.evaluate(feed, 2, "op1", now()).position
    fold(views)
    after = sichuan.cards.CheckAcceptance(question("once-released", card, min_position=released), timeout=DEADLINE_S)
    assert [[reason.code for reason in answer.reasons] for answer in (before, after)] == [["PROVISIONAL_BLOCK"], ["LOST_TEMP"]]


def test_a_declared_loss_is_recorded_with_its_cards_key_alone(shared_hub: RunningHub, chongqing: Province, feed: str, card: str) -> None:
    told = chongqing.append(feed, 1, ahead(lost(card))).positions[0]
    held = recorded_at(shared_hub.dsn, told)
    blocked = held.event.event_quarantined.blocked_card
    assert (blocked.issuing_province, blocked.WhichOneof("value"), len(blocked.key)) == ("50", "key", 32)
    # Its own instant is what it breaks: the block runs from when the hub had the report.
    assert held.event.occurred_at.seconds <= time.time()


def test_a_released_use_is_counted(chongqing: Province, later: QuarantineDesk, views: psycopg.Connection, feed: str, card: str) -> None:
    before = money(views, ROCKET)
    chongqing.append(feed, 1, rocket(card, fare_fen=777))
    assert money(views, ROCKET) - before == 0
    later.evaluate(feed, 1, "op1", now())
    assert money(views, ROCKET) - before == 777


def test_a_later_correction_of_the_number_takes_the_place_of_the_released_event(
    chongqing: Province, later: QuarantineDesk, views: psycopg.Connection, feed: str, card: str
) -> None:
    before, rockets = money(views, "TRA.MET"), money(views, ROCKET)
    chongqing.append(feed, 1, rocket(card, fare_fen=500))
    later.evaluate(feed, 1, "op1", now())
    chongqing.append(feed, 2, correcting(journey(card, fare_fen=300), feed, 1))
    assert (money(views, ROCKET) - rockets, money(views, "TRA.MET") - before) == (0, 300)


def test_a_released_correction_takes_the_place_of_what_it_corrects(
    chongqing: Province, later: QuarantineDesk, views: psycopg.Connection, feed: str, card: str
) -> None:
    before, rockets = money(views, "TRA.MET"), money(views, ROCKET)
    chongqing.append(feed, 1, journey(card, fare_fen=100), correcting(rocket(card, fare_fen=200), feed, 1))
    assert (money(views, ROCKET) - rockets, money(views, "TRA.MET") - before) == (0, 100)
    later.evaluate(feed, 2, "op1", now())
    assert (money(views, ROCKET) - rockets, money(views, "TRA.MET") - before) == (200, 0)
    assert row(views, feed, 2).entry.state == "RELEASED"


def test_a_correction_of_a_released_corrections_number_takes_its_place(
    chongqing: Province, later: QuarantineDesk, views: psycopg.Connection, feed: str, card: str
) -> None:
    before, rockets = money(views, "TRA.MET"), money(views, ROCKET)
    chongqing.append(feed, 1, journey(card, fare_fen=100), correcting(rocket(card, fare_fen=200), feed, 1))
    later.evaluate(feed, 2, "op1", now())
    chongqing.append(feed, 3, correcting(journey(card, fare_fen=50), feed, 2))
    assert (money(views, ROCKET) - rockets, money(views, "TRA.MET") - before) == (0, 50)


def test_all_corrections_of_a_released_correction_and_of_what_it_corrects_replace_each_other(
    chongqing: Province, later: QuarantineDesk, views: psycopg.Connection, feed: str, card: str
) -> None:
    before, rockets = money(views, "TRA.MET"), money(views, ROCKET)
    chongqing.append(feed, 1, journey(card, fare_fen=100), correcting(rocket(card, fare_fen=200), feed, 1))
    later.evaluate(feed, 2, "op1", now())
    chongqing.append(feed, 3, correcting(journey(card, fare_fen=50), feed, 2), correcting(journey(card, fare_fen=30), feed, 1))
    assert (money(views, ROCKET) - rockets, money(views, "TRA.MET") - before) == (0, 30)


def test_the_rules_see_the_province_that_sent_it(chongqing: Province, later: QuarantineDesk, feed: str, card: str) -> None:
    event = registered("S00000777", province="51")
    event.issuer_region = NEW_REGION
    chongqing.append(feed, 1, event)
    assert later.evaluate(feed, 1, "op1", now()).violations == [("card_registered", "issuer_only")]


# Only once, and never over the province


def test_a_second_evaluation_says_where_it_was_released(chongqing: Province, later: QuarantineDesk, feed: str, card: str) -> None:
    chongqing.append(feed, 1, rocket(card))
    position = later.evaluate(feed, 1, "op1", now()).position
    with pytest.raises(QuarantineReleased) as refused:
        later.evaluate(feed, 1, "op2", now())
    assert refused.value.metadata == {"position": str(position)}


def test_operators_who_act_at_once_release_it_once(shared_hub: RunningHub, chongqing: Province, feed: str, card: str) -> None:
    chongqing.append(feed, 1, rocket(card))
    barrier, outcomes = threading.Barrier(4), []

    def act() -> None:
        with opened(QuarantineDesk, shared_hub.dsn, open_keyring(shared_hub.data_dir / "keys"), later_tables()) as desk:
            barrier.wait(60)
            try:
                outcomes.append(str(desk.evaluate(feed, 1, "op1", now()).position))
            except QuarantineReleased as refused:
                outcomes.append(refused.metadata["position"])

    threads = [threading.Thread(target=act) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    released = [event.position for event in handled(shared_hub.dsn, feed) if event.kind == "transit_journey_completed"]
    assert outcomes == [str(released[0])] * 4
    assert len(released) == 1


def test_what_the_province_corrected_is_not_released(chongqing: Province, later: QuarantineDesk, feed: str, card: str) -> None:
    chongqing.append(feed, 1, rocket(card))
    corrected = chongqing.append(feed, 2, correcting(journey(card), feed, 1)).positions[0]
    with pytest.raises(QuarantineCorrected) as refused:
        later.evaluate(feed, 1, "op1", now())
    assert refused.value.metadata == {"position": str(corrected)}


def test_what_the_province_reversed_is_not_released(chongqing: Province, later: QuarantineDesk, feed: str, card: str) -> None:
    event = journey(card)
    event.reverses.feed, event.reverses.sequence = feed, 1
    chongqing.append(feed, 1, rocket(card), event)
    with pytest.raises(QuarantineCorrected):
        later.evaluate(feed, 1, "op1", now())


def test_a_correction_that_comes_between_check_and_commit_is_seen_under_the_lock(
    shared_hub: RunningHub, chongqing: Province, desk: QuarantineDesk, feed: str, card: str
) -> None:
    chongqing.append(feed, 1, rocket(card))
    quarantined = desk.find(feed, 1)
    chongqing.append(feed, 2, correcting(journey(card), feed, 1))
    with writing(shared_hub.dsn) as connection:
        [own] = connection.execute("SELECT stream_id FROM journal.stream WHERE name = 'hub.quarantine'").fetchone() or (0,)
        batch = Batch(own, HUB, 1, [pack_tail(0, b"quarantine_reevaluated", None, b"")], handles=quarantined.handle)
        with pytest.raises(QuarantineHandled):
            append_act(connection, batch)
    assert handled(shared_hub.dsn, feed) == []


def test_a_quarantined_correction_settles_nothing(chongqing: Province, later: QuarantineDesk, feed: str, card: str) -> None:
    bad = correcting(journey(card), feed, 1)
    bad.service_region = "519999"
    chongqing.append(feed, 1, rocket(card), bad)
    assert later.evaluate(feed, 1, "op1", now()).position > 0


# What cannot be evaluated


@pytest.mark.parametrize(("sequence", "error"), [(9, EventNotFound), (2, EventNotQuarantined)])
def test_a_number_that_is_not_quarantined(
    chongqing: Province, desk: QuarantineDesk, feed: str, card: str, sequence: int, error: type[HubError]
) -> None:
    chongqing.append(feed, 1, rocket(card), journey(card))
    with pytest.raises(error):
        desk.evaluate(feed, sequence, "op1", now())


def test_a_feed_that_there_is_not(desk: QuarantineDesk) -> None:
    with pytest.raises(FeedUnknown):
        desk.evaluate("cq.no-such-feed", 1, "op1", now())


def test_an_erased_original_cannot_be_evaluated_or_opened(
    shared_hub: RunningHub, chongqing: Province, desk: QuarantineDesk, run: Run, feed: str, card: str
) -> None:
    chongqing.append(feed, 1, rocket(card))
    with psycopg.connect(shared_hub.dsn, autocommit=True) as connection:
        connection.execute(
            """UPDATE vault.original SET sealed = NULL, erased_at = clock_timestamp() WHERE sequence = 1
               AND stream_id = (SELECT stream_id FROM journal.stream WHERE name = %s)""", (feed,))  # fmt: skip
    with pytest.raises(QuarantineOriginalErased):
        desk.evaluate(feed, 1, "op1", now())
    with pytest.raises(QuarantineOriginalErased):
        desk.open_in_clear(feed, 1, "op1", "INC-7", now())
    assert handled(shared_hub.dsn, feed) == []
    assert "已删除 erased" in run("show", feed, "1")[1]


def test_an_operator_is_a_login_name(shared_hub: RunningHub, chongqing: Province, later: QuarantineDesk, feed: str, card: str) -> None:
    chongqing.append(feed, 1, rocket(card))
    with pytest.raises(RequestInvalid) as refused:
        later.evaluate(feed, 1, NAME, now())
    assert refused.value.violations == [("operator", "string.pattern")]
    with pytest.raises(RequestInvalid, match="operator: no_identifier"):
        later.evaluate(feed, 1, ID_NO, now())
    assert handled(shared_hub.dsn, feed) == []


def test_keys_of_another_hub_are_refused(shared_hub: RunningHub, tmp_path: Path) -> None:
    with pytest.raises(KeyMismatch), opened(QuarantineDesk, shared_hub.dsn, open_keyring(tmp_path / "keys"), reference.load()):
        pass


# Who gets which event


def delivered(hub: RunningHub, urn: str, after: int, through: int) -> dict[int, subscription_service_pb2.DeliveredEvent]:
    """What a participant gets from one position to another, which concerns it, by position."""
    found = {}
    with hub.channel(urn) as channel:
        request = subscription_service_pb2.SubscribeRequest(from_position=after)
        for answer in SubscriptionServiceStub(channel).Subscribe(request, timeout=DEADLINE_S):
            if answer.HasField("delivered"):
                found[answer.delivered.position] = answer.delivered
            if through in found:
                return found
    raise AssertionError("the stream ended")


def test_its_issuer_gets_its_own_identifiers_of_a_released_event_and_the_other_side_none(
    shared_hub: RunningHub, chongqing: Province, later: QuarantineDesk, feed: str, card: str
) -> None:
    event = rocket(card)
    event.holder.id_type, event.holder.clear = references_pb2.ID_TYPE_RESIDENT_ID, ID_NO
    before = chongqing.append(feed, 1, event).positions[0]
    position = later.evaluate(feed, 1, "op1", now()).position
    mine, theirs = (delivered(shared_hub, urn, before, position) for urn in (CHONGQING, SICHUAN))
    assert (mine[position].event.holder.clear, mine[position].event.card.clear) == (ID_NO, card)
    assert (theirs[position].event.holder.WhichOneof("value"), theirs[position].event.card.WhichOneof("value")) == (None, None)
    assert mine[position].recorded_as.feed == "hub.quarantine"


def add_participant(hub: RunningHub, urn: str) -> None:
    """Registers one more participant of Chongqing's."""
    store = AggregateStore(hub.dsn)
    register_participant(store, urn, "50", urn, [], now(), every_role())
    store.close()


def test_only_the_owner_is_told_how_it_was_handled(
    shared_hub: RunningHub, chongqing: Province, desk: QuarantineDesk, feed: str, card: str
) -> None:
    before = chongqing.append(feed, 1, rocket(card)).positions[0]
    desk.evaluate(feed, 1, "op1", now())
    desk.open_in_clear(feed, 1, "op1", "INC-7", now())
    add_participant(shared_hub, OTHER)
    last = chongqing.append(feed, 2, journey(card)).positions[0]
    mine, theirs = (delivered(shared_hub, urn, before, last) for urn in (CHONGQING, OTHER))
    kinds = [told.event.WhichOneof("kind") for told in mine.values() if feed in str(told.event)]
    assert kinds == ["quarantine_reevaluated", "quarantine_original_opened"]
    assert list(theirs) == [last]


def test_an_issuers_answer_that_is_released_closes_the_loss_across_the_border(
    shared_hub: RunningHub, chongqing: Province, sichuan: Province, desk: QuarantineDesk, feed: str, card: str
) -> None:
    request = lost(card, at_s=int(time.time()))
    request.service_region = "510100"
    request.loss_request_submitted.loss_type, request.loss_request_submitted.accepted_at_region = 1, "510100"  # type: ignore[assignment]
    sichuan.tell("sc.card-center", request)
    answered = chongqing.append(feed, 1, ahead(lost(card))).positions[0]
    desk.evaluate(feed, 1, "op1", now() + timedelta(days=1.5))
    deadline = time.monotonic() + 60
    closed: list[Recorded] = []
    while not closed and time.monotonic() < deadline:
        closed = [event for event in journal(shared_hub.dsn) if event.position > answered and event.kind == "loss_closed"]
        time.sleep(0.05)
    assert [event.event.loss_closed.outcome for event in closed] == [1]


# The list


def test_the_list_is_of_what_nothing_settled_yet_unless_all_is_asked_for(
    chongqing: Province, later: QuarantineDesk, views: psycopg.Connection, run: Run, feed: str, card: str
) -> None:
    chongqing.append(feed, 1, rocket(card), rocket(card), rocket(card), correcting(journey(card), feed, 2))
    later.evaluate(feed, 1, "op1", now())
    fold(views)
    _, unsettled = run("list", "--feed", feed, "--json")
    _, everything = run("list", "--feed", feed, "--all", "--json")
    assert [json.loads(line)["sequence"] for line in unsettled.splitlines()] == [3]
    states = {told["sequence"]: told["state"] for told in map(json.loads, everything.splitlines())}
    assert states == {1: "RELEASED", 2: "CORRECTED", 3: "OPEN"}


def test_a_row_of_the_list_says_what_it_breaks_and_where_it_stands(
    chongqing: Province, desk: QuarantineDesk, views: psycopg.Connection, run: Run, feed: str, card: str
) -> None:
    told = chongqing.append(feed, 1, rocket(card)).positions[0]
    desk.evaluate(feed, 1, "op1", now())
    fold(views)
    found = json.loads(run("list", "--feed", feed, "--json")[1])
    assert (found["feed"], found["sequence"], found["position"], found["kind"]) == (feed, 1, told, "transit_journey_completed")
    assert found["violations"] == [{"field_path": "scenario", "rule": "unknown_scenario"}]
    assert (found["state"], found["settled_position"], found["evaluations"], found["evaluated_by"]) == ("FAILING", 0, 1, "op1")
    assert "unknown_scenario" in run("list", "--feed", feed)[1]


def test_the_list_is_narrowed_by_rule_participant_and_day(
    shared_hub: RunningHub, chongqing: Province, sichuan: Province, views: psycopg.Connection, run: Run, feed: str, card: str
) -> None:
    other = add_feed(shared_hub, SICHUAN, f"sc.desk-{next(_numbers)}")
    elsewhere = journey(card)
    elsewhere.service_region = "519999"
    chongqing.append(feed, 1, rocket(card), elsewhere)
    sichuan.append(other, 1, rocket("S00000001"))
    fold(views)

    def names(*options: str) -> set[tuple[str, int]]:
        lines = run("list", "--json", "--most", "1000", *options)[1].splitlines()
        return {(told["feed"], told["sequence"]) for told in map(json.loads, lines)} & {(feed, 1), (feed, 2), (other, 1)}

    assert names("--rule", "unknown_region") == {(feed, 2)}
    assert names("--participant", "sc.card-center") == {(other, 1)}
    assert names("--since", "2099-01-01") == set()
    assert names("--since", "2025-01-01") == {(feed, 1), (feed, 2), (other, 1)}


@pytest.mark.parametrize(
    ("option", "value", "known"),
    [("--feed", "bogus", "cq.usage"), ("--participant", "bogus", "cq.card-center"), ("--rule", "bogus", "unknown_scenario")],
)
def test_the_list_is_not_narrowed_by_what_there_is_not(run: Run, option: str, value: str, known: str) -> None:
    status, output = run("list", option, value)
    assert (status, known in output) == (2, True)


def test_a_rule_that_nothing_breaks_is_a_rule_all_the_same(run: Run) -> None:
    assert run("list", "--rule", "string.max_bytes", "--json") == (0, "")


def test_a_list_that_is_cut_says_of_how_many_it_is(chongqing: Province, views: psycopg.Connection, run: Run, feed: str, card: str) -> None:
    chongqing.append(feed, 1, rocket(card), rocket(card), rocket(card))
    fold(views)
    assert "newest 2 of 3 quarantined events" in run("list", "--feed", feed, "--most", "2")[1]
    assert "newest" not in run("list", "--feed", feed)[1]


def test_a_hundred_columns_cut_nothing_off_the_list() -> None:
    violations = '[["usage.medical_settlement.paid_by_account_fen","corrects_and_reverses"]]'
    case = Entry(1, 123_456_789, 1_790_000_000_000_000, "medical_settlement_completed", violations, "RELEASED", 1, 123_456_790)
    screen = Console(width=100, file=io.StringIO())
    screen.print(listing([Listed("chongqing-17.card-center", "", 123_456_788, case)]))
    drawn = screen.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in drawn
    for text in ("chongqing-17.card-center", "123456789", "123456788", "123456790", "medical_settlement_completed", "RELEASED", "2026-09-"):
        assert text in drawn
    assert "corrects_and_reverses" in "".join(drawn.split())


def test_live_view_is_its_rebuild(chongqing: Province, later: QuarantineDesk, views: psycopg.Connection, feed: str, card: str) -> None:
    chongqing.append(feed, 1, rocket(card), ahead(journey(card)), rocket(card), correcting(journey(card), feed, 3))
    later.evaluate(feed, 1, "op1", now())
    later.evaluate(feed, 2, "op1", now())
    later.open_in_clear(feed, 2, "op1", "INC-7", now())
    assert rebuild(views, QUARANTINE, switch=False).is_equal


def test_an_event_folded_twice_counts_once(
    shared_hub: RunningHub, chongqing: Province, later: QuarantineDesk, feed: str, card: str
) -> None:
    chongqing.append(feed, 1, rocket(card))
    later.open_in_clear(feed, 1, "op1", "INC-7", now())
    later.evaluate(feed, 1, "op1", now())
    [first] = of_feed(shared_hub.dsn, feed)
    told = [first, *handled(shared_hub.dsn, feed)]
    once = twice = None
    for recorded in told:
        [key] = keys(recorded, first)
        once = evolve(key, once, recorded, first)
        twice = evolve(key, evolve(key, twice, recorded, first), recorded, first)
    assert twice == once


# The command that evaluates


def test_the_command_says_what_it_still_breaks_and_then_where_it_stands(
    shared_hub: RunningHub, chongqing: Province, run: Run, feed: str, card: str
) -> None:
    due_s = int(time.time()) + 86_400 + 2
    event = journey(card, at_s=due_s)
    chongqing.append(feed, 1, event)
    status, failing = run("re-evaluate", feed, "1", "--operator", "op1")
    assert (status, "occurred_at  in_the_future: 超前一天以上。More than a day ahead." in failing) == (0, True)
    time.sleep(max(0.0, due_s - 86_400 - time.time() + 0.1))
    status, released = run("re-evaluate", feed, "1", "--operator", "op1", "--json")
    position = json.loads(released)["position"]
    assert (status, recorded_at(shared_hub.dsn, position).event.occurred_at.seconds) == (0, due_s)
    status, again = run("re-evaluate", feed, "1", "--operator", "op1", "--json")
    assert (status, json.loads(again)["error"], json.loads(again)["position"]) == (1, "QuarantineReleased", position)


def test_the_command_evaluates_all_of_a_feed_that_break_a_rule(
    chongqing: Province, views: psycopg.Connection, run: Run, feed: str, card: str
) -> None:
    chongqing.append(feed, 1, rocket(card), ahead(journey(card)), rocket(card))
    fold(views)
    status, output = run("re-evaluate", "--feed", feed, "--rule", "unknown_scenario", "--operator", "op1", "--json")
    outcomes = [(told["sequence"], told["outcome"]) for told in map(json.loads, output.splitlines())]
    assert (status, outcomes) == (0, [(1, "FAILING"), (3, "FAILING")])


@pytest.mark.parametrize("arguments", [(), ("cq.usage",), ("cq.usage", "1", "--all-open"), ("cq.usage", "--all-open")])
def test_the_command_asks_for_numbers_or_for_a_selection(run: Run, arguments: tuple[str, ...]) -> None:
    assert run("re-evaluate", *arguments)[0] == 2


def test_scripts_with_the_commands_old_name_still_work(chongqing: Province, run: Run, feed: str, card: str) -> None:
    chongqing.append(feed, 1, rocket(card))
    status, output = run("replay", feed, "1", "--operator", "op1", "--json")
    assert (status, json.loads(output)["outcome"]) == (0, "FAILING")


# Looking at one


@pytest.fixture(scope="module")
def person(shared_hub: RunningHub, chongqing: Province) -> str:
    """A feed whose first event names a person everywhere."""
    feed = add_feed(shared_hub, CHONGQING, "cq.desk-person")
    chongqing.append(feed, 1, personal("A98765432"))
    return feed


@pytest.mark.parametrize("options", [(), ("--json",)])
@pytest.mark.parametrize("secret", ["A98765432", ID_NO, NAME, MOBILE, ACCOUNT, "1985-03-12", ID_NO.encode().hex()])
def test_nothing_personal_is_shown(run: Run, person: str, secret: str, options: tuple[str, ...]) -> None:
    status, output = run("show", person, "1", *options)
    assert (status, secret in output) == (0, False)


def test_identifiers_are_shown_masked_and_texts_by_their_length(run: Run, person: str) -> None:
    sent = json.loads(run("show", person, "1", "--json")[1])["sent"]
    assert sent["card.clear"] == "A****5432"
    assert sent["card_aliases[0].clear"] == "6217 **** **** 0003"
    assert sent["holder.clear"] == "500***********0015"
    assert (sent["card_applied.applicant_name.clear"], sent["card_applied.mobile.clear"]) == ("测***丙", "139****5678")
    assert (sent["venue_code"], sent["amount_fen"], sent["card_applied.birth_date"]) == (
        "11 个字符 characters", "11 位数字 digits", "10 个字符 characters")  # fmt: skip
    assert (sent["#999"], sent["card_applied.generation"]) == ("18 字节 bytes", "CARD_GENERATION_THIRD")


def test_codes_of_the_tables_are_shown_and_malformed_identifiers_only_by_length() -> None:
    event = journey("50019919850312")
    lines = dict(shown(event, {"50", "510100", "TRA.MET"}))
    assert (lines["service_region"], lines["scenario"], lines["card.issuing_province"]) == ("510100", "TRA.MET", "50")
    assert (lines["card.clear"], lines["transit_journey_completed.fare_paid_fen"]) == ("14 个字符 characters", "360")
    assert lines["occurred_at"] == "2025-09-01T09:30:15+08:00"


def test_what_a_terminal_would_obey_is_escaped_in_clear() -> None:
    event = journey("A00000001")
    event.venue_code = "\x1b[2J门"
    assert dict(in_clear(event))["venue_code"] == "\\x1b[2J门"


def test_its_reasons_are_told_in_words(run: Run, person: str) -> None:
    assert "occurred_at  in_the_future: 超前一天以上。More than a day ahead." in run("show", person, "1")[1]


def test_clear_asks_for_a_reason(shared_hub: RunningHub, run: Run, person: str) -> None:
    before = len(handled(shared_hub.dsn, person))
    status, output = run("show", person, "1", "--clear")
    assert (status, ID_NO in output) == (2, False)
    assert len(handled(shared_hub.dsn, person)) == before


def test_what_is_shown_in_clear_is_recorded_with_who_and_why(shared_hub: RunningHub, run: Run, person: str) -> None:
    status, output = run("show", person, "1", "--clear", "--reason", "INC-2026-0042", "--operator", "han.meimei", "--json")
    opened = handled(shared_hub.dsn, person)[-1].event.quarantine_original_opened
    assert (status, json.loads(output)["sent"]["holder.clear"]) == (0, ID_NO)
    assert (opened.event.feed, opened.event.sequence, opened.operator, opened.reason) == (person, 1, "han.meimei", "INC-2026-0042")


@pytest.mark.parametrize("reason", [ID_NO, f"asked about {MOBILE}", "card A98765432"])
def test_a_reason_that_names_a_number_is_refused_and_nothing_is_shown(shared_hub: RunningHub, run: Run, person: str, reason: str) -> None:
    before = len(handled(shared_hub.dsn, person))
    status, output = run("show", person, "1", "--clear", "--reason", reason, "--operator", "op1")
    assert (status, "reason: no_identifier" in output, NAME in output) == (1, True, False)
    assert len(handled(shared_hub.dsn, person)) == before


def test_every_rule_of_the_protocol_page_has_words() -> None:
    page = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()
    rows = re.findall(r"^\| (`[a-z_].*?) \|", page.partition("## Quarantine")[2], re.MULTILINE)
    rules = {rule for row in rows for rule in re.findall(r"`([a-z_]+)`", row)}
    assert len(rules) > 20
    assert rules - set(MEANINGS) == set()


# A resend of what was quarantined


def test_a_resend_lists_the_reasons_of_its_quarantined_events_again(chongqing: Province, feed: str, card: str) -> None:
    batch = [journey(card), rocket(card), journey(card), ahead(journey(card))]
    first = chongqing.append(feed, 1, *batch)
    again = chongqing.append(feed, 1, *batch)
    assert list(again.outcomes) == [DUPLICATE] * 4
    assert list(again.quarantined) == list(first.quarantined)
    assert [notice.sequence for notice in again.quarantined] == [2, 4]


def test_a_batch_half_sent_before_lists_both_halves_reasons(chongqing: Province, feed: str, card: str) -> None:
    batch = [rocket(card), journey(card), rocket(card)]
    chongqing.append(feed, 1, *batch[:2])
    again = chongqing.append(feed, 1, *batch)
    assert [notice.sequence for notice in again.quarantined] == [1, 3]


def test_a_resend_in_a_stream_lists_them_too(chongqing: Province, feed: str, card: str) -> None:
    batch = feed_service_pb2.StreamEventsRequest(feed=feed, first_sequence=1, events=[rocket(card)])
    _, again = chongqing.feeds.StreamEvents(iter([batch, batch]), timeout=DEADLINE_S)
    assert (list(again.appended.outcomes), [notice.sequence for notice in again.appended.quarantined]) == ([DUPLICATE], [1])


# In the end


def test_journal_and_views_hold_after_all_of_it(shared_hub: RunningHub, views: psycopg.Connection) -> None:
    fold(views)
    findings = check(shared_hub.dsn, with_identifiers=True)
    assert (findings.problems, findings.views["quarantine"]) == ([], True)

"""Who may be asked, and when: late views, a clock that jumps, a database that is away, missing partitions, and back again by itself."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from typing import Any

import grpc
import httpx
import psycopg
import pytest
from chuanyu.exchange.v1 import card_service_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from typer.testing import CliRunner, Result

from hub.api.edge.readiness import (
    CARDS,
    FEEDS,
    HOTLISTS,
    ITEMS,
    SERVICES,
    SUBSCRIPTIONS,
    Limits,
    Readiness,
    refusal,
    why_not_deciding,
    why_not_writing,
)
from hub.cli import app
from hub.domain.errors import ClockDrift, ViewsLate
from hub.journal.writer import JournalWriter
from hub.monitoring.readiness_query import Reading
from hub.monitoring.vitals import ClockVitals
from hub.projections import DECIDED_BY
from tests.clients import DEADLINE_S, Province, refused, refused_in_stream
from tests.databases import fresh_database
from tests.hub_process import CHONGQING, SICHUAN, RunningHub, running_hub
from tests.messages import journey, name_card, question, registered

ALL = ""
SETTINGS = {"HUB_MAX_LAG_S": "0.7", "HUB_METRICS_LISTEN": "127.0.0.1:0"}
# The database's clock, to be set: what comes first in the search path is found first.
CLOCK = """
    CREATE SCHEMA shifted;
    CREATE TABLE shifted.clock (offset_s int);
    INSERT INTO shifted.clock VALUES (0);
    CREATE FUNCTION shifted.clock_timestamp() RETURNS timestamptz LANGUAGE sql SECURITY DEFINER AS
        'SELECT pg_catalog.clock_timestamp() + offset_s * interval ''1 second'' FROM shifted.clock';
    GRANT USAGE ON SCHEMA shifted TO PUBLIC"""


@pytest.fixture(scope="module")
def hub(server_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """A hub that refuses questions once the views are 0.7 seconds late, shows its page for machines, and has a clock to set."""
    name = f"hub_test_{os.getpid()}_readiness"
    with fresh_database(server_dsn, name) as dsn:
        with psycopg.connect(dsn) as connection:
            connection.execute(f"ALTER DATABASE {name} SET search_path = shifted, pg_catalog, public".encode())
            connection.execute(CLOCK)
        with running_hub(dsn, tmp_path_factory.mktemp("hub"), settings=SETTINGS, apart=True) as hub:
            yield hub
            watching(hub).close()


@pytest.fixture
def chongqing(hub: RunningHub) -> Iterator[Province]:
    province = Province(hub, CHONGQING)
    yield province
    province.channel.close()


@pytest.fixture
def sichuan(hub: RunningHub) -> Iterator[Province]:
    province = Province(hub, SICHUAN)
    yield province
    province.channel.close()


@pytest.fixture
def late(hub: RunningHub, chongqing: Province, sichuan: Province) -> Iterator[None]:
    """The projections are stopped while events come in, and go on afterwards."""
    until(lambda: is_serving(hub, ALL))
    hub.projector.signal(signal.SIGSTOP)
    try:
        chongqing.tell("cq.card-center", registered("L00000001"))
        until(lambda: not is_serving(hub, CARDS))
        yield
    finally:
        hub.projector.signal(signal.SIGCONT)
    until(lambda: is_serving(hub, ALL))


def until(is_so: Callable[[], bool], within_s: float = 15.0) -> None:
    give_up = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < give_up
        time.sleep(0.02)


@cache
def watching(hub: RunningHub) -> grpc.Channel:
    """The channel that health is asked over."""
    return hub.channel(SICHUAN)


def is_serving(hub: RunningHub, service: str) -> bool:
    request = health_pb2.HealthCheckRequest(service=service)
    status = health_pb2_grpc.HealthStub(watching(hub)).Check(request, timeout=DEADLINE_S).status
    return bool(status == health_pb2.HealthCheckResponse.SERVING)


def page(hub: RunningHub, name: str) -> tuple[int, Any]:
    """What a page for machines says."""
    said = next(line for line in hub.edges[0].log.read_text().splitlines() if line.startswith("metrics on "))
    answer = httpx.get(said.split()[-1].replace("/metrics", f"/{name}"))
    return answer.status_code, answer.json()


def check(province: Province, request_id: str) -> card_service_pb2.CheckAcceptanceResponse:
    return province.cards.CheckAcceptance(question(request_id, "L00000001"), timeout=DEADLINE_S)


# Late views


def test_while_the_views_are_late_questions_are_refused_and_events_are_recorded(
    hub: RunningHub, late: None, chongqing: Province, sichuan: Province
) -> None:
    refusal = refused(lambda: check(sichuan, "late-1"))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "VIEW_BEHIND")
    assert int(refusal.metadata["lag_s"]) < 15
    assert int(refusal.metadata["as_of_position"]) > 0
    card = card_service_pb2.GetCardRequest()
    name_card(card.card, "L00000001", "50")
    assert refused(lambda: chongqing.cards.GetCard(card, timeout=DEADLINE_S)).reason == "VIEW_BEHIND"
    requests = iter([card_service_pb2.StreamAcceptanceRequest(check=question("late-2", "L00000001"))])
    [answer] = sichuan.cards.StreamAcceptance(requests, timeout=DEADLINE_S)
    assert refused_in_stream(answer.refused).reason == "VIEW_BEHIND"
    wrong = question("late-3", "L00000001", scenario="TRA.ROCKET")
    assert refused(lambda: sichuan.cards.CheckAcceptance(wrong, timeout=DEADLINE_S)).reason == "REQUEST_INVALID"
    assert chongqing.tell("cq.usage", journey("L00000001")) > 0


def test_while_the_views_are_late_the_hub_is_alive_and_only_cards_are_not_ready(hub: RunningHub, late: None) -> None:
    assert [is_serving(hub, service) for service in (FEEDS, HOTLISTS, ITEMS, SUBSCRIPTIONS, CARDS, ALL)] == [
        True,
        True,
        True,
        True,
        False,
        False,
    ]
    status, said = page(hub, "readyz")
    assert status == 503
    assert {service: reason.partition(":")[0] for service, reason in said["services"].items() if reason} == {CARDS: "视图滞后 views"}
    assert page(hub, "livez") == (200, {"live": True})


def test_once_the_views_have_caught_up_questions_are_answered_again(hub: RunningHub, late: None, sichuan: Province) -> None:
    hub.projector.signal(signal.SIGCONT)
    until(lambda: is_serving(hub, ALL))
    assert check(sichuan, "caught-up-1").position > 0
    services = dict.fromkeys(SERVICES, "")
    assert page(hub, "readyz") == (200, {"ready": True, "services": services})


def test_each_change_is_logged_once(hub: RunningHub, late: None) -> None:
    def told() -> list[str]:
        return [line for line in hub.edges[0].log.read_text().splitlines() if "CardService" in line and "readiness:" in line]

    # The fixture waited for the views to be late; the line goes by a queue.
    until(lambda: told() != [] and "视图滞后" in told()[-1])
    so_far = told()
    time.sleep(0.6)
    assert told() == so_far
    assert all(("视图滞后" in one) != ("视图滞后" in other) for one, other in pairwise(so_far))


# The command


def test_status_asks_only_whether_the_hub_is_ready(hub: RunningHub) -> None:
    until(lambda: is_serving(hub, ALL))
    result = status(hub, "--ready")
    assert (result.exit_code, result.output) == (0, "")


def test_status_of_a_hub_that_is_not_ready_fails_in_silence(hub: RunningHub, late: None) -> None:
    result = status(hub, "--ready")
    assert (result.exit_code, result.output) == (1, "")


def test_status_of_no_hub_fails_in_silence(hub: RunningHub) -> None:
    result = status(hub, "--ready", target="127.0.0.1:1")
    assert (result.exit_code, result.output) == (1, "")


def test_status_tells_readiness_and_where_everything_stands(hub: RunningHub, sichuan: Province) -> None:
    position = sichuan.tell("sc.usage", journey("L00000002", province="51"))
    told = json.loads(status(hub, "--json").output)
    assert told["hub"]["services"] == dict.fromkeys(SERVICES, True)
    assert told["vitals"]["position"] >= position
    assert {"ca", "server"} <= told["certificate_days"].keys()


def test_status_says_why_a_service_is_not_ready_and_no_participant_is_given_the_reason(hub: RunningHub, late: None) -> None:
    assert "CardService: 未就绪 NOT READY 视图滞后 views: " in status(hub).output
    request = health_pb2.HealthCheckRequest(service=CARDS)
    said, call = health_pb2_grpc.HealthStub(watching(hub)).Check.with_call(request, timeout=DEADLINE_S)
    assert said.status == health_pb2.HealthCheckResponse.NOT_SERVING
    assert [name for name, _ in call.trailing_metadata()] == []


def status(hub: RunningHub, *options: str, target: str = "") -> Result:
    environment = {"HUB_DSN": hub.dsn, "HUB_DATA_DIR": str(hub.data_dir)}
    return CliRunner().invoke(app, ["status", *options, "--target", target or hub.targets[0]], env=environment)


# Partitions, the database


def test_missing_partitions_are_made_while_the_hub_runs(hub: RunningHub) -> None:
    with psycopg.connect(hub.dsn, autocommit=True) as connection:
        connection.execute("DROP TABLE journal.event_000002")
        until(lambda: connection.execute("SELECT to_regclass('journal.event_000002')").fetchone() != (None,))
    until(lambda: is_serving(hub, ALL))


def test_a_hub_without_its_database_is_not_ready_and_is_again_once_it_is_back(
    hub: RunningHub, server_dsn: str, chongqing: Province
) -> None:
    until(lambda: is_serving(hub, ALL))
    database = sql.Identifier(str(conninfo_to_dict(hub.dsn)["dbname"]))
    with psycopg.connect(server_dsn, autocommit=True) as server:
        server.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(database))
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (conninfo_to_dict(hub.dsn)["dbname"],))
        until(lambda: not any(is_serving(hub, service) for service in (FEEDS, CARDS, HOTLISTS, ITEMS, SUBSCRIPTIONS)))
        server.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(database))
        until(lambda: is_serving(hub, ALL))
    # Connections that were cut while nobody used them cost no call.
    assert [chongqing.next_sequence("cq.usage") > 0 for _ in range(8)] == [True] * 8


# A clock that jumps


@pytest.mark.parametrize("offset_s", [-60, 60])
def test_while_the_clocks_differ_questions_and_events_are_refused_and_both_go_on_once_they_agree(
    offset_s: int, hub: RunningHub, chongqing: Province, sichuan: Province
) -> None:
    until(lambda: is_serving(hub, ALL))
    with psycopg.connect(hub.dsn, autocommit=True) as connection:
        connection.execute("UPDATE shifted.clock SET offset_s = %s", (offset_s,))
        try:
            until(lambda: not is_serving(hub, FEEDS))
            # On a busy machine the views may be late as well, and a question hears of that first.
            until(lambda: refused(lambda: check(sichuan, f"clock-{offset_s}")).reason == "CLOCK_DRIFT")
            refusal = refused(lambda: check(sichuan, f"clock-{offset_s}"))
            assert refusal.code == grpc.StatusCode.UNAVAILABLE
            assert float(refusal.metadata["drift_s"]) == pytest.approx(-offset_s, abs=1)
            next_sequence = chongqing.next_sequence("cq.usage")
            refusal = refused(lambda: chongqing.append("cq.usage", next_sequence, journey("L00000001")))
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "CLOCK_DRIFT")
            assert float(refusal.metadata["drift_s"]) == pytest.approx(-offset_s, abs=1)
        finally:
            connection.execute("UPDATE shifted.clock SET offset_s = 0")
    until(lambda: is_serving(hub, ALL))
    assert check(sichuan, f"clock-{offset_s}").position > 0
    assert chongqing.append("cq.usage", next_sequence, journey("L00000001")).positions[0] > 0


def test_views_are_known_to_be_late_even_while_the_journal_is_ahead_of_the_clock(hub: RunningHub, chongqing: Province) -> None:
    with psycopg.connect(hub.dsn, autocommit=True) as connection:
        connection.execute("UPDATE journal.head SET recorded_at = clock_timestamp() + interval '50 seconds'")
    chongqing.tell("cq.usage", journey("L00000001"))
    until(lambda: is_serving(hub, ALL))
    hub.projector.signal(signal.SIGSTOP)
    try:
        chongqing.tell("cq.usage", journey("L00000001"))
        until(lambda: not is_serving(hub, CARDS))
    finally:
        hub.projector.signal(signal.SIGCONT)
    until(lambda: is_serving(hub, ALL))


# Alive


def test_a_hub_whose_event_loop_stands_still_is_not_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.api.edge.readiness.LIVE_WITHIN_S", 0.02)
    readiness = Readiness("", JournalWriter(""), Limits())
    assert readiness.is_live()
    time.sleep(0.03)
    assert not readiness.is_live()


# What follows from a reading

LIMITS = Limits(max_lag_s=10.0, max_clock_drift_s=5.0)


def reading(
    lag_s: float = 0.0, drift_s: float = 0.0, partitions_ahead: int = 2, views: int = len(DECIDED_BY), ahead_s: float = 0.0
) -> Reading:
    return Reading(partitions_ahead, views, "card_standing", 41, lag_s, ClockVitals(drift_s, 0.001), 41, ahead_s)


def test_within_the_limits_everything_is_ready() -> None:
    assert (why_not_writing(reading(), LIMITS), why_not_deciding(reading(9.9, 4.9), LIMITS)) == ("", "")
    assert refusal(reading(9.9, 4.9), LIMITS) is None


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (reading(lag_s=11.0), "视图滞后 views: card_standing is 11 s behind"),
        (reading(drift_s=-7.0), "时钟偏差 clock: -7.0 s off the database's"),
        (reading(views=len(DECIDED_BY) - 1), "视图缺失 views: 1 are missing, `hub project` makes them"),
    ],
)
def test_why_no_question_is_answered(found: Reading, reason: str) -> None:
    assert why_not_deciding(found, LIMITS) == reason


def test_why_nothing_is_appended() -> None:
    ahead = "日志时间超前 journal: its newest time is 3600 s ahead of the clocks, `hub clock accept`"
    assert why_not_writing(reading(ahead_s=3_600.0), LIMITS) == why_not_deciding(reading(ahead_s=3_600.0), LIMITS) == ahead
    assert why_not_writing(reading(ahead_s=59.0), LIMITS) == ""
    assert why_not_writing(reading(drift_s=7.0), LIMITS) == "时钟偏差 clock: +7.0 s off the database's"
    assert why_not_writing(reading(partitions_ahead=1), LIMITS) == "预建分区不足 partitions: 1 ahead, 2 are needed"


@pytest.mark.parametrize(
    ("found", "error"),
    [(reading(lag_s=11.0, drift_s=60.0), ViewsLate), (reading(drift_s=60.0), ClockDrift), (reading(ahead_s=61.0), ClockDrift)],
)
def test_what_a_question_is_refused_with(found: Reading, error: type[Exception]) -> None:
    make = refusal(found, LIMITS)
    assert make is not None
    assert type(make()) is error

"""An edge at a standby: it serves hotlists and subscriptions, sends everything else elsewhere, and refuses while it is behind."""

from collections.abc import Iterator

import grpc
import pytest
from chuanyu.exchange.v1 import (
    card_service_pb2,
    case_service_pb2,
    case_service_pb2_grpc,
    feed_service_pb2,
    hotlist_service_pb2,
    hotlist_service_pb2_grpc,
    subscription_service_pb2,
    subscription_service_pb2_grpc,
)
from psycopg.conninfo import make_conninfo
from typer.testing import CliRunner

from hub.api.edge.readiness import ALL, CARDS, FEEDS, HOTLISTS, SUBSCRIPTIONS
from hub.cli import app
from hub.commands.probe import ask
from hub.config import Config
from tests.clients import DEADLINE_S, Province, refused
from tests.hub_process import SICHUAN, Process, RunningHub
from tests.messages import journey, name_card, question
from tests.pair import Pair, a_pair, await_that
from tests.recording import case_event

FEED = "sc.usage"


class Scene:
    """A hub at the primary, and an edge at the standby."""

    def __init__(self, pair: Pair, hub: RunningHub, edge: str) -> None:
        self.pair, self.hub, self.edge = pair, hub, edge
        self.province = Province(hub, SICHUAN)
        self.channel = hub.certificate(SICHUAN).channel(edge)
        hub.targets.append(edge)
        self.elsewhere = Province(hub, SICHUAN, 1)

    def readiness(self) -> dict[str, str]:
        """Why each service of the edge is not ready, "" if it is."""
        services = (FEEDS, CARDS, HOTLISTS, SUBSCRIPTIONS, ALL)
        found = ask(Config(data_dir=self.hub.data_dir), self.edge, services)
        assert not found.problem
        return {service: "" if found.services[service] else found.reasons.get(service, "not ready") for service in services}

    def subscribed(self, after: int, through: int) -> list[int]:
        """The positions that a subscription delivers after one and up to another."""
        stub = subscription_service_pb2_grpc.SubscriptionServiceStub(self.channel)
        found = []
        stream = stub.Subscribe(subscription_service_pb2.SubscribeRequest(from_position=after), timeout=DEADLINE_S)
        for response in stream:
            if response.HasField("delivered"):
                found.append(response.delivered.position)
                if found[-1] >= through:
                    stream.cancel()
                    return found
        raise AssertionError("the stream ended")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with a_pair() as pair:
        hub = RunningHub(make_conninfo(pair.dsn, user="hub_app"), tmp_path_factory.mktemp("hub"))
        dsn = make_conninfo(pair.standby_dsn, user="hub_edge")
        edge = Process(["serve", "--read-only", "--listen", "127.0.0.1:0"], dsn, hub.data_dir, {"HUB_MAX_LAG_S": "2"})
        try:
            hub.start()
            scene = Scene(pair, hub, edge.start().split()[-1])
            yield scene
        finally:
            edge.stop()
            edge.kill()
            hub.stop()


def test_it_serves_cases_as_the_views_there_have_them(scene: Scene) -> None:
    submitted = case_event("submitted", "E1")
    name_card(submitted.card, "A00000001", "50")
    position = scene.province.tell(FEED, submitted)
    cases = case_service_pb2_grpc.CaseServiceStub(scene.channel)
    wanted = case_service_pb2.ListCasesRequest(filter=case_service_pb2.CaseFilter(handling_province="51"))
    await_that(lambda: cases.ListCases(wanted, timeout=DEADLINE_S).as_of_position >= position)
    assert [record.key.case_no for record in cases.ListCases(wanted, timeout=DEADLINE_S).records] == ["E1"]


def test_it_delivers_what_was_recorded_at_the_primary_under_the_same_positions(scene: Scene) -> None:
    answer = scene.province.append(FEED, scene.province.next_sequence(FEED), journey("A1"), journey("A2"))
    positions = list(answer.positions)
    assert scene.subscribed(positions[0] - 1, positions[-1]) == positions


def test_its_hotlist_is_as_of_a_position_of_the_journal(scene: Scene) -> None:
    environment = {"HUB_DATA_DIR": str(scene.hub.data_dir), "HUB_DSN": scene.hub.dsn}
    built = CliRunner().invoke(app, ["hotlist", "build"], env=environment)
    assert built.exit_code == 0, built.output
    stub = hotlist_service_pb2_grpc.HotlistServiceStub(scene.channel)

    def position() -> int:
        try:
            pieces = list(stub.GetHotlist(hotlist_service_pb2.GetHotlistRequest(), timeout=DEADLINE_S))
        except grpc.RpcError:
            # The standby has not got to it yet.
            return 0
        return int(pieces[0].file.as_of_position)

    assert await_that(position) == scene.pair.one("SELECT max(position) FROM hotlist.file")


@pytest.mark.parametrize("method", ["GetFeed", "AppendEvents", "CheckAcceptance", "GetCard", "StreamEvents"])
def test_what_would_be_recorded_is_sent_elsewhere(scene: Scene, method: str) -> None:
    feeds, cards = scene.elsewhere.feeds, scene.elsewhere.cards
    calls = {
        "GetFeed": lambda: feeds.GetFeed(feed_service_pb2.GetFeedRequest(feed=FEED), timeout=DEADLINE_S),
        "AppendEvents": lambda: scene.elsewhere.append(FEED, 1, journey("A1")),
        "CheckAcceptance": lambda: cards.CheckAcceptance(question("r1", "A00000001"), timeout=DEADLINE_S),
        "GetCard": lambda: cards.GetCard(card_service_pb2.GetCardRequest(), timeout=DEADLINE_S),
        "StreamEvents": lambda: list(feeds.StreamEvents(iter([feed_service_pb2.StreamEventsRequest(feed=FEED)]), timeout=DEADLINE_S)),
    }
    refusal = refused(calls[method])
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "JOURNAL_UNAVAILABLE")
    assert "send to another edge" in refusal.text


def test_it_is_ready_for_what_it_serves_and_says_so_of_the_rest(scene: Scene) -> None:
    found = scene.readiness()
    assert (found[HOTLISTS], found[SUBSCRIPTIONS], found[ALL]) == ("", "", "")
    assert "only reads" in found[FEEDS]
    assert "only reads" in found[CARDS]


def test_it_refuses_while_its_standby_is_behind_and_goes_on_by_itself(scene: Scene) -> None:
    scene.pair.one("SELECT pg_wal_replay_pause()", scene.pair.standby_dsn)
    try:
        recorded = scene.province.append(FEED, scene.province.next_sequence(FEED), journey("A3"))
        assert "behind its primary" in await_that(lambda: scene.readiness()[SUBSCRIPTIONS])
        refusal = refused(lambda: scene.subscribed(0, 1))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "JOURNAL_UNAVAILABLE")
        assert "too far behind its primary" in refusal.text
        assert "only reads" in scene.readiness()[FEEDS]
    finally:
        scene.pair.one("SELECT pg_wal_replay_resume()", scene.pair.standby_dsn)
    await_that(lambda: scene.readiness()[SUBSCRIPTIONS] == "")
    position = recorded.positions[0]
    assert scene.subscribed(position - 1, position) == [position]


@pytest.mark.parametrize("command", [["serve", "--listen", "127.0.0.1:0"], ["project"]])
def test_what_records_does_not_start_at_a_standby(scene: Scene, command: list[str]) -> None:
    process = Process(command, make_conninfo(scene.pair.standby_dsn, user="hub_app"), scene.hub.data_dir)
    process.launch()
    assert process.process is not None
    assert process.process.wait(60.0) == 1
    assert "the database is a standby and only reads" in process.log.read_text()

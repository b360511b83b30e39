"""Operators ask as operators: with the hub's own certificate, by name, distinct from every province, and without making a key."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
from chuanyu.exchange.v1 import (
    card_service_pb2,
    card_service_pb2_grpc,
    feed_service_pb2,
    subscription_service_pb2,
    subscription_service_pb2_grpc,
)
from typer.testing import CliRunner, Result

from hub.admin.participants import changing, suspend
from hub.admin.registry import register_participant
from hub.cli import app
from hub.commands.asking import NoOperatorCertificate
from hub.domain.errors import RequestInvalid
from hub.domain.participant import OPERATOR, PREFIX
from hub.journal.recorder import AggregateStore
from hub.trust.authority import issue_participant, participant_files
from tests.clients import DEADLINE_S, Province, recorded_at, refused
from tests.hub_process import RunningHub, running_hub
from tests.messages import journey, question, registered

NAMED = (("hub-operator", "li.lei"),)


@pytest.fixture
def run(shared_hub: RunningHub, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a command on the machine of the hub."""
    monkeypatch.setenv("HUB_DSN", shared_hub.dsn)
    monkeypatch.setenv("HUB_DATA_DIR", str(shared_hub.data_dir))
    monkeypatch.setenv("HUB_LISTEN", shared_hub.targets[0])
    return lambda *arguments: CliRunner().invoke(app, arguments)


@pytest.fixture(scope="module")
def operator(shared_hub: RunningHub) -> Iterator[Province]:
    """What asks with the operators' certificate, which `hub serve` has issued."""
    assert participant_files(shared_hub.certificates_dir, OPERATOR).key.exists()
    province = Province(shared_hub, OPERATOR)
    yield province
    province.channel.close()


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}


def test_check_and_explain_make_no_key_and_no_certificate(shared_hub: RunningHub, chongqing: Province, run: Callable[..., Result]) -> None:
    before = files(shared_hub.certificates_dir)
    chongqing.tell("cq.card-center", registered("Q00000001"))
    asked = run("check", "Q00000001", "--issuer", "50", "--scenario", "GOV.ID", "--json")
    assert asked.exit_code == 0, asked.output
    position = json.loads(asked.output)["position"]
    assert run("explain", "--decision", position).exit_code == 0
    assert files(shared_hub.certificates_dir) == before


def test_where_the_operators_certificate_is_missing_nothing_is_issued(
    shared_hub: RunningHub, run: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_DATA_DIR", str(tmp_path))
    for command in (("check", "Q00000001", "--issuer", "50"), ("explain", "--decision", "1")):
        assert isinstance(run(*command).exception, NoOperatorCertificate)
    assert not (tmp_path / "certificates").exists()


def test_a_decision_that_an_operator_asked_for_names_him_and_no_province(shared_hub: RunningHub, run: Callable[..., Result]) -> None:
    asked = run("check", "Q00000002", "--issuer", "50", "--region", "510100", "--operator", "han.meimei", "--json")
    decision = recorded_at(shared_hub.dsn, int(json.loads(asked.output)["position"])).event.decision_made
    assert (decision.participant, decision.operator) == (OPERATOR, "han.meimei")


def test_an_operator_may_ask_for_any_region_and_sees_the_lives(chongqing: Province, operator: Province) -> None:
    position = chongqing.tell("cq.card-center", registered("Q00000003"))
    for number, region in enumerate(("510100", "500103")):
        request = question(f"operator-{number}", "Q00000003", region=region, min_position=position)
        operator.cards.CheckAcceptance(request, timeout=DEADLINE_S, metadata=NAMED)
    looked = card_service_pb2.GetCardRequest(card=request.card)
    assert operator.cards.GetCard(looked, timeout=DEADLINE_S, metadata=NAMED).HasField("lives")


def test_an_operators_question_is_explained_with_its_card_masked(
    chongqing: Province, operator: Province, run: Callable[..., Result]
) -> None:
    seen = chongqing.tell("cq.card-center", registered("Q00000004"))
    asked = question("who-asked", "Q00000004", min_position=seen)
    asked.venue_code = "GATE-12"
    position = operator.cards.CheckAcceptance(asked, timeout=DEADLINE_S, metadata=NAMED).position
    printed = run("explain", "--decision", str(position)).output
    assert "50 CARD_NO Q****0004  TRA.MET 510100 CONTACTLESS GATE-12" in printed
    assert "hub.operator（运维 operator li.lei）" in printed
    assert "Q00000004" not in printed


def test_the_side_that_asked_reads_its_question_and_no_card(chongqing: Province, sichuan: Province) -> None:
    seen = chongqing.tell("cq.card-center", registered("Q00000005"))
    position = sichuan.cards.CheckAcceptance(question("own", "Q00000005", min_position=seen), timeout=DEADLINE_S).position
    request = card_service_pb2.ExplainAcceptanceRequest(decision_position=position)
    own, issuer = (side.cards.ExplainAcceptance(request, timeout=DEADLINE_S).asked for side in (sichuan, chongqing))
    assert (own.participant, own.request_id, own.card_masked) == (f"{PREFIX}sc.card-center", "own", "")
    assert issuer.card_masked == "Q****0005"


@pytest.mark.parametrize("named", [(), (("hub-operator", ""),), (("hub-operator", "li lei"),), (("hub-operator", "x" * 65),),
                                   (("hub-operator", "500199198503211232"),)])  # fmt: skip
def test_an_operator_that_does_not_say_who_asks_is_refused(named: tuple[tuple[str, str], ...], operator: Province) -> None:
    refusal = refused(lambda: operator.cards.CheckAcceptance(question("nameless", "Q00000001"), timeout=DEADLINE_S, metadata=named))
    assert (refusal.code, refusal.violations[0][0]) == (grpc.StatusCode.INVALID_ARGUMENT, "hub-operator")


@pytest.mark.parametrize("feed", ["cq.card-center", "hub.decisions", "hub.quarantine"])
def test_an_operator_writes_to_no_feed(feed: str, operator: Province) -> None:
    def append() -> None:
        batch = feed_service_pb2.AppendEventsRequest(feed=feed, first_sequence=1, events=[journey("Q00000001")])
        operator.feeds.AppendEvents(batch, timeout=DEADLINE_S, metadata=NAMED)

    assert refused(append).reason in ("NOT_FEED_OWNER", "FEED_UNKNOWN")


def test_an_operator_does_not_subscribe(operator: Province) -> None:
    stub = subscription_service_pb2_grpc.SubscriptionServiceStub(operator.channel)
    refusal = refused(lambda: next(stub.Subscribe(subscription_service_pb2.SubscribeRequest(), timeout=DEADLINE_S, metadata=NAMED)))
    assert refusal.reason == "ROLE_MISSING"


@pytest.mark.parametrize("name", ["hub", "hub.operator", "hub.status", "hub.anything"])
def test_the_hubs_own_names_cannot_be_registered(name: str, shared_hub: RunningHub) -> None:
    store = AggregateStore(shared_hub.dsn)
    with pytest.raises(RequestInvalid, match="reserved"):
        register_participant(store, PREFIX + name, "51", "operators", [], datetime.now(UTC))
    store.close()


def test_an_operators_certificate_of_another_authority_opens_nothing(shared_hub: RunningHub, tmp_path: Path) -> None:
    forged = issue_participant(tmp_path, OPERATOR)
    credentials = grpc.ssl_channel_credentials(
        (shared_hub.certificates_dir / "ca.crt").read_bytes(), forged.key.read_bytes(), forged.certificate.read_bytes())  # fmt: skip
    with grpc.secure_channel(shared_hub.targets[0], credentials) as channel:
        stub = card_service_pb2_grpc.CardServiceStub(channel)
        assert refused(lambda: stub.CheckAcceptance(question("forged", "Q00000001"), timeout=DEADLINE_S, metadata=NAMED)).code in (
            grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAUTHENTICATED)  # fmt: skip


def test_operators_can_be_shut_out_like_any_participant(dsn: str, tmp_path: Path) -> None:
    with running_hub(dsn, tmp_path) as hub:
        store = AggregateStore(dsn)
        with changing(store, OPERATOR) as participant:
            suspend(participant, "KEY_LOST", datetime.now(UTC))
        store.close()
        with hub.channel(OPERATOR) as channel:
            stub = card_service_pb2_grpc.CardServiceStub(channel)
            refusal = refused(lambda: stub.CheckAcceptance(question("late", "Q00000001"), timeout=DEADLINE_S, metadata=NAMED))
        assert refusal.reason == "PARTICIPANT_SUSPENDED"

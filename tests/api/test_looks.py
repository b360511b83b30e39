"""Who looked at a card, and why, is in the journal before anything is shown; who looks for cards is counted, refused and found."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import grpc
import psycopg
import pytest
from chuanyu.exchange.v1 import card_service_pb2, card_service_pb2_grpc, hub_decisions_pb2
from typer.testing import CliRunner, Result

from hub.admin.registry import register_participant
from hub.cli import app
from hub.commands.looking import CardNotNamed
from hub.domain.errors import RequestInvalid
from hub.domain.event_rules import KIND_NUMBERS
from hub.domain.participant import OPERATOR
from hub.domain.pseudonym import card_name, hmac_sm3
from hub.domain.roles import every_role
from hub.journal.looks import Searched, search
from hub.journal.reader import Recorded, head_position
from hub.journal.recorder import AggregateStore
from hub.journal.times import first_position_since
from hub.trust.keyring import open_keyring
from tests.api.test_withholding import read
from tests.clients import DEADLINE_S, Province, recorded_at, refused
from tests.hub_process import CHONGQING, SICHUAN, RunningHub
from tests.messages import journey, name_card, question, registered

Shown = hub_decisions_pb2.ShownRecord


@pytest.fixture(scope="module")
def hub_settings() -> dict[str, str]:
    """Six misses a minute: sixty at once."""
    return {"HUB_QUOTA_MISSES_PER_MIN": "6"}


def asked(card_no: str, purpose: str = "", position: int = 0, province: str = "50") -> card_service_pb2.GetCardRequest:
    request = card_service_pb2.GetCardRequest(purpose_code=purpose, min_position=position)
    name_card(request.card, card_no, province)
    return request


def looks(hub: RunningHub, card_no: str, province: str = "50") -> list[Recorded]:
    """What is recorded of looks at a card, oldest first."""
    key = key_of(hub, card_no, province)
    with psycopg.connect(hub.dsn, autocommit=True) as connection:
        return search(connection, Searched("card_record_queried", [key]))[::-1]


def key_of(hub: RunningHub, card_no: str, province: str = "50") -> bytes:
    keyring = open_keyring(hub.data_dir / "keys")
    return hmac_sm3(keyring.pseudonym, card_name(asked(card_no, province=province).card).encode())


def test_every_look_names_who_looked_why_and_what_was_shown(shared_hub: RunningHub, chongqing: Province, sichuan: Province) -> None:
    position = chongqing.tell("cq.card-center", registered("K00000001"))
    chongqing.cards.GetCard(asked("K00000001", "COMPLAINT", position), timeout=DEADLINE_S)
    sichuan.cards.GetCard(asked("K00000001", "", position), timeout=DEADLINE_S)
    decision = sichuan.cards.CheckAcceptance(question("look-1", "K00000001", min_position=position), timeout=DEADLINE_S)
    why = card_service_pb2.ExplainAcceptanceRequest(decision_position=decision.position, purpose_code="AUDIT")
    chongqing.cards.ExplainAcceptance(why, timeout=DEADLINE_S)
    why = card_service_pb2.ExplainAcceptanceRequest(hypothetical=question("look-2", "K00000001"))
    sichuan.cards.ExplainAcceptance(why, timeout=DEADLINE_S)
    found = [look.event.card_record_queried for look in looks(shared_hub, "K00000001")]
    assert [(look.participant, look.purpose_code, look.shown, look.position) for look in found] == [
        (CHONGQING, "COMPLAINT", Shown.SHOWN_RECORD_LIVES, 0),
        (SICHUAN, "NOT_STATED", Shown.SHOWN_RECORD_USABILITY, 0),
        (CHONGQING, "AUDIT", Shown.SHOWN_RECORD_EXPLANATION, decision.position),
        (SICHUAN, "NOT_STATED", Shown.SHOWN_RECORD_EXPLANATION, 0),
    ]  # fmt: skip
    assert all(look.as_of_position >= position for look in found)


def test_a_look_is_on_disk_before_the_answer(shared_hub: RunningHub, chongqing: Province) -> None:
    position = chongqing.tell("cq.card-center", registered("K00000002"))
    for expected in (1, 2, 3):
        chongqing.cards.GetCard(asked("K00000002", position=position), timeout=DEADLINE_S)
        assert len(looks(shared_hub, "K00000002")) == expected


def test_a_card_that_nobody_registered_is_recorded_by_the_key_of_what_was_asked(shared_hub: RunningHub, sichuan: Province) -> None:
    assert refused(lambda: sichuan.cards.GetCard(asked("K99999999", "SERVICE"), timeout=DEADLINE_S)).reason == "CARD_NOT_FOUND"
    [look] = looks(shared_hub, "K99999999")
    assert look.event.card.key == key_of(shared_hub, "K99999999")
    assert look.event.card_record_queried.shown == Shown.SHOWN_RECORD_NOTHING


def test_an_operators_look_names_the_operator(shared_hub: RunningHub, chongqing: Province) -> None:
    position = chongqing.tell("cq.card-center", registered("K00000003"))
    with shared_hub.channel(OPERATOR) as channel:
        stub = card_service_pb2_grpc.CardServiceStub(channel)
        stub.GetCard(asked("K00000003", "INCIDENT", position), timeout=DEADLINE_S, metadata=(("hub-operator", "li.lei"),))
    [look] = looks(shared_hub, "K00000003")
    assert (look.event.card_record_queried.participant, look.event.card_record_queried.operator) == (OPERATOR, "li.lei")


@pytest.mark.parametrize("purpose", ["because Zhang San asked", "complaint", "X" * 33, "挂失"])
def test_a_purpose_is_a_code_and_no_sentence(purpose: str, chongqing: Province) -> None:
    refusal = refused(lambda: chongqing.cards.GetCard(asked("K00000001", purpose), timeout=DEADLINE_S))
    assert (refusal.reason, refusal.violations) == ("REQUEST_INVALID", [("purpose_code", "string.pattern")])


def test_a_look_is_delivered_to_nobody(shared_hub: RunningHub, chongqing: Province, sichuan: Province) -> None:
    position = chongqing.tell("cq.card-center", registered("K00000004"))
    sichuan.cards.GetCard(asked("K00000004", position=position), timeout=DEADLINE_S)
    after = chongqing.tell("cq.card-center", registered("K00000005"))
    kinds = {event.WhichOneof("kind") for event in read(chongqing.channel, position, after).values()}
    assert "card_registered" in kinds
    assert "card_record_queried" not in kinds


def test_a_look_is_the_hubs_own_to_record(sichuan: Province) -> None:
    event = registered("K00000006", "51")
    event.card_record_queried.participant = SICHUAN
    answer = sichuan.append("sc.card-center", sichuan.next_sequence("sc.card-center"), event)
    assert [(v.field_path, v.rule_id) for v in answer.quarantined[0].violations] == [("card_record_queried", "hub_only")]
    assert KIND_NUMBERS["card_record_queried"] == 540


def test_who_looks_for_cards_is_refused_before_anything_is_looked_at(shared_hub: RunningHub, chongqing: Province) -> None:
    position, seeker = chongqing.tell("cq.card-center", registered("K00000007")), f"{CHONGQING}.seeker"
    store = AggregateStore(shared_hub.dsn)
    register_participant(store, seeker, "50", "seeker", ["cq.seeker"], datetime.now(UTC), every_role())
    store.close()
    province = Province(shared_hub, seeker)
    for number in range(60):
        if number % 2:
            refusal = refused(lambda: province.cards.GetCard(asked(f"K8{number:07}"), timeout=DEADLINE_S))  # noqa: B023
            assert refusal.reason == "CARD_NOT_FOUND"
        else:
            request = question(f"seek-{number}", f"K8{number:07}", region="500103", scenario="GOV.ID")
            province.cards.CheckAcceptance(request, timeout=DEADLINE_S)
    recorded = recorded_by_the_edge(shared_hub)
    for call in (
        lambda: province.cards.GetCard(asked("K00000007", position=position), timeout=DEADLINE_S),
        lambda: province.cards.CheckAcceptance(question("seek-99", "K00000007", region="500103"), timeout=DEADLINE_S),
        lambda: province.cards.ExplainAcceptance(
            card_service_pb2.ExplainAcceptanceRequest(hypothetical=question("seek-100", "K00000007", region="500103")), timeout=DEADLINE_S),
    ):  # fmt: skip
        refusal = refused(call)
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED")
        assert refusal.metadata == {"quota": "misses_per_min", "limit": "6"}
    assert recorded_by_the_edge(shared_hub) == recorded
    assert chongqing.cards.GetCard(asked("K00000007", position=position), timeout=DEADLINE_S).HasField("lives")
    province.channel.close()


def test_a_repeated_question_about_an_unknown_card_is_one_miss(sichuan: Province) -> None:
    for _ in range(70):
        sichuan.cards.CheckAcceptance(question("again", "K70000000"), timeout=DEADLINE_S)


def recorded_by_the_edge(hub: RunningHub) -> int:
    """How many events there are but those of the process that raises a finding of who looks for cards."""
    with psycopg.connect(hub.dsn, autocommit=True) as connection:
        row = connection.execute("SELECT count(*) FROM journal.event WHERE kind NOT LIKE 'finding%'").fetchone()
    assert row is not None
    return int(row[0])


def test_the_first_position_since_an_instant_is_found_by_halving(shared_hub: RunningHub, chongqing: Province) -> None:
    positions = [chongqing.tell("cq.card-center", registered(f"K6000000{number}")) for number in range(3)]
    at = [recorded_at(shared_hub.dsn, position).recorded_us for position in positions]
    with psycopg.connect(shared_hub.dsn, autocommit=True) as connection:
        assert [first_position_since(connection, us) for us in at] == positions
        assert first_position_since(connection, at[1] + 1) == positions[1] + 1
        assert first_position_since(connection, 0) == 1
        assert first_position_since(connection, 2**60) == head_position(connection) + 1


# What staff see of it


@pytest.fixture
def run(shared_hub: RunningHub, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a command on the machine of the hub."""
    monkeypatch.setenv("HUB_DSN", shared_hub.dsn)
    monkeypatch.setenv("HUB_DATA_DIR", str(shared_hub.data_dir))
    monkeypatch.setenv("HUB_LISTEN", shared_hub.targets[0])
    return lambda *arguments: CliRunner().invoke(app, arguments)


def lines(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, (result.output, result.exception)
    return [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]


def test_staff_list_who_looked_at_a_card_and_that_is_a_look_too(
    shared_hub: RunningHub, chongqing: Province, sichuan: Province, run: Callable[..., Result]
) -> None:
    position = chongqing.tell("cq.card-center", registered("K50000001"))
    sichuan.cards.GetCard(asked("K50000001", "SERVICE", position), timeout=DEADLINE_S)
    of_card = ("looks", "--card", "K50000001", "--issuer", "50", "--json")
    [first] = lines(run(*of_card, "--purpose", "COMPLAINT", "--operator", "li.lei"))
    assert (first["participant"], first["purpose"], first["shown"]) == ("sc.card-center", "SERVICE", "USABILITY")
    again = lines(run(*of_card))
    assert [(look["operator"], look["purpose"], look["shown"]) for look in again] == [
        ("li.lei", "COMPLAINT", "LOOKS"), ("", "SERVICE", "USABILITY")]  # fmt: skip
    assert lines(run("looks", "--card", "K50000001", "--issuer", "50", "--participant", "cq.card-center", "--json")) == []


def test_staff_find_what_was_answered_for_a_card_at_an_instant(
    shared_hub: RunningHub, chongqing: Province, sichuan: Province, run: Callable[..., Result]
) -> None:
    seen = chongqing.tell("cq.card-center", registered("K50000002"), registered("K50000003"))
    positions = [sichuan.cards.CheckAcceptance(question(f"staff-{number}", card, min_position=seen), timeout=DEADLINE_S).position
                 for number, card in enumerate(("K50000002", "K50000003", "K50000002"))]  # fmt: skip
    of_card = ("decisions", "--card", "K50000002", "--issuer", "50", "--json")
    found = lines(run(*of_card))
    assert [(one["position"], one["participant"], one["outcome"]) for one in found] == [
        (positions[2], "sc.card-center", "ACCEPT"), (positions[0], "sc.card-center", "ACCEPT")]  # fmt: skip
    assert [one["position"] for one in lines(run("decisions", "--request", "staff-1", "--json"))] == [positions[1]]
    assert lines(run("decisions", "--request", "taff-1", "--json")) == []
    assert lines(run(*of_card, "--to", "2025-01-01")) == []
    assert len(lines(run(*of_card, "--from", "2025-01-01", "--most", "1"))) == 1
    assert looks(shared_hub, "K50000002")[-1].event.card_record_queried.shown == Shown.SHOWN_RECORD_DECISIONS


def test_a_card_is_found_by_any_of_its_identifiers(chongqing: Province, sichuan: Province, run: Callable[..., Result]) -> None:
    event = registered("K50000004")
    alias = event.card_aliases.add(issuing_province="50", kind=2, clear="500199D15600000500A1B2C3D4E5F608")
    position = chongqing.tell("cq.card-center", event)
    request = asked("K50000004", position=position)
    request.card.kind, request.card.clear = alias.kind, alias.clear
    sichuan.cards.GetCard(request, timeout=DEADLINE_S)
    assert [one["shown"] for one in lines(run("looks", "--card", "K50000004", "--issuer", "50", "--json"))] == ["USABILITY"]


@pytest.mark.parametrize(("command", "shown"), [(("findings", "--card", "ab" * 32), "FINDINGS"), (("findings",), "FINDINGS")])
def test_what_contradicts_what_is_not_shown_before_the_look_is_recorded(
    command: tuple[str, ...], shown: str, run: Callable[..., Result]
) -> None:
    assert run(*command, "--purpose", "AUDIT", "--operator", "han.meimei").exit_code == 0
    latest = lines(run("looks", "--most", "1", "--json"))[0]
    assert (latest["operator"], latest["purpose"], latest["shown"]) == ("han.meimei", "AUDIT", shown)
    assert latest["card_key"] == ("ab" * 32 if len(command) > 1 else "")


def test_a_masked_original_is_not_shown_before_the_look_is_recorded(sichuan: Province, run: Callable[..., Result]) -> None:
    sequence, bad = sichuan.next_sequence("sc.usage"), journey("K50000005")
    bad.service_region = "999999"
    position = sichuan.tell("sc.usage", bad)
    assert run("quarantine", "show", "sc.usage", str(sequence), "--purpose", "REPAIR").exit_code == 0
    latest = lines(run("looks", "--most", "1", "--json"))[0]
    assert (latest["of_position"], latest["purpose"], latest["shown"]) == (position, "REPAIR", "QUARANTINED")
    of_the_card = lines(run("looks", "--card", "K50000005", "--issuer", "50", "--json"))
    assert [look["of_position"] for look in of_the_card if look["shown"] == "QUARANTINED"] == [position]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("--card", "K50000001"), CardNotNamed),
        (("--card", "K5", "--issuer", "50"), RequestInvalid),
        (("--purpose", "because of Li"), RequestInvalid),
        (("--operator", "li lei"), RequestInvalid),
    ],
)
@pytest.mark.parametrize("command", ["looks", "decisions"])
def test_a_search_that_is_not_well_put_shows_nothing(
    command: str, arguments: tuple[str, ...], error: type[Exception], run: Callable[..., Result]
) -> None:
    result = run(command, *arguments, "--json")
    assert isinstance(result.exception, error)
    assert not result.stdout.startswith("{")

"""Uses judged: who may ask, what is refused, and what `hub judge` prints."""

import json
from collections.abc import Callable

import grpc
import pytest
from chuanyu.exchange.v1 import acceptance_pb2, card_service_pb2, hub_decisions_pb2
from typer.testing import CliRunner, Result

from hub.cli import app
from tests.clients import DEADLINE_S, Province, journal, refused
from tests.hub_process import RunningHub
from tests.messages import AT_S, lost, name_card, registered


def used(card_no: str, at_s: int, position: int = 0) -> card_service_pb2.JudgeUseRequest:
    """Asks about a use of Chongqing's card."""
    request = card_service_pb2.JudgeUseRequest(medium=acceptance_pb2.MEDIUM_CONTACTLESS, min_position=position)
    name_card(request.card, card_no, "50")
    request.used_at.seconds = at_s
    return request


@pytest.fixture(scope="module")
def position(chongqing: Province) -> int:
    """A card that was lost a minute after it was registered."""
    return chongqing.tell("cq.card-center", registered("J00000001"), lost("J00000001"))


def test_a_use_after_the_loss_is_judged_against_it_from_its_first_report_on(chongqing: Province, position: int) -> None:
    request = used("J00000001", AT_S + 3_600, position)
    request.hotlist_effective_at.seconds = AT_S + 1_800
    answer = chongqing.cards.JudgeUse(request, timeout=DEADLINE_S)
    assert (answer.is_valid, answer.finding_code, answer.against_kind) == (False, "USE_AFTER_LOSS", "temporary_loss_reported")
    assert (answer.against_position, answer.in_liability_window, answer.liable_to.seconds) == (position, False, AT_S + 1_800)
    assert answer.liable_from == answer.against_at


def test_a_use_before_the_loss_is_valid_and_has_no_window(chongqing: Province, position: int) -> None:
    answer = chongqing.cards.JudgeUse(used("J00000001", AT_S + 1, position), timeout=DEADLINE_S)
    assert (answer.is_valid, answer.finding_code, answer.HasField("liable_from"), answer.against_position) == (True, "", False, 0)


def test_only_the_cards_issuer_has_its_uses_judged(sichuan: Province, position: int) -> None:
    refusal = refused(lambda: sichuan.cards.JudgeUse(used("J00000001", AT_S, position), timeout=DEADLINE_S))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "NOT_PERMITTED")


def test_who_has_a_use_judged_is_recorded_first(shared_hub: RunningHub, chongqing: Province, position: int) -> None:
    request = used("J00000001", AT_S + 1, position)
    request.purpose_code = "DISPUTE"
    chongqing.cards.JudgeUse(request, timeout=DEADLINE_S)
    looks = [one.event.card_record_queried for one in journal(shared_hub.dsn) if one.kind == "card_record_queried"]
    assert (looks[-1].purpose_code, looks[-1].shown) == ("DISPUTE", hub_decisions_pb2.SHOWN_RECORD_FINDINGS)


def test_a_card_nobody_told_of_is_not_found(chongqing: Province) -> None:
    refusal = refused(lambda: chongqing.cards.JudgeUse(used("J00000099", AT_S), timeout=DEADLINE_S))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "CARD_NOT_FOUND")


def test_the_instant_of_the_use_must_be_named_and_be_one_of_the_calendar(chongqing: Province) -> None:
    unnamed, beyond = used("J00000001", AT_S), used("J00000001", 300_000_000_000)
    unnamed.ClearField("used_at")
    for request in (unnamed, beyond):
        refusal = refused(lambda request=request: chongqing.cards.JudgeUse(request, timeout=DEADLINE_S))  # type: ignore[misc]
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_INVALID")


@pytest.fixture
def run(shared_hub: RunningHub, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a command on the machine of the hub."""
    monkeypatch.setenv("HUB_DSN", shared_hub.dsn)
    monkeypatch.setenv("HUB_DATA_DIR", str(shared_hub.data_dir))
    monkeypatch.setenv("HUB_LISTEN", shared_hub.targets[0])
    return lambda *arguments: CliRunner().invoke(app, ["judge", *arguments])


def test_an_operator_has_a_use_judged(run: Callable[..., Result], position: int) -> None:
    printed = run("J00000001", "--issuer", "50", "--at", "2025-09-01T12:00+08:00")
    assert (printed.exit_code, "USE_AFTER_LOSS" in printed.output, "in the liability window" in printed.output) == (0, True, True)
    answer = json.loads(run("J00000001", "--issuer", "50", "--at", "2025-09-01T00:00+08:00", "--json").output)
    assert answer["is_valid"]


@pytest.mark.parametrize("at", ["yesterday", "2025-09-01T12:00"])
def test_a_time_without_its_zone_is_no_instant(run: Callable[..., Result], at: str) -> None:
    assert run("J00000001", "--issuer", "50", "--at", at).exit_code == 2

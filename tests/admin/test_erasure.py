"""Erasure of identifiers: one takes the request, another decides; what must be kept is kept; what is erased stays erased."""

import itertools
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import psycopg
import pytest
from chuanyu.exchange.v1 import card_service_pb2, event_pb2
from typer.testing import CliRunner, Result

from hub.audit.fsck import check
from hub.cli import app
from hub.domain.erasure import (
    ErasureDecided,
    ErasureSamePerson,
    ErasureUnknown,
    IdentifierErasedAlready,
    IdentifierUnknown,
    RetentionRuns,
    names_of,
)
from hub.domain.errors import RequestInvalid
from hub.domain.pseudonym import hmac_sm3
from hub.domain.retention import Mentioned, running
from hub.journal.tombstones import bury
from hub.journal.vault import open_identifiers, seal
from hub.trust.keyring import Keyring, open_keyring
from tests.clients import DEADLINE_S, Province, journal
from tests.hub_process import RunningHub
from tests.messages import journey, name_card, registered

LONG_AGO_S = 1_420_070_400  # 2015
IDENT = "500199D15600000500A1B2C3D4E5F{:03d}"
PERSON = "500199198503211232"
_numbers = itertools.count(100)


@pytest.fixture
def run(shared_hub: RunningHub, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a command on the machine of the hub; *stdin* is where the identifier is read from."""
    monkeypatch.setenv("HUB_DSN", shared_hub.dsn)
    monkeypatch.setenv("HUB_DATA_DIR", str(shared_hub.data_dir))
    return lambda *arguments, stdin="": CliRunner().invoke(app, ("erasure", *arguments), input=stdin)


@pytest.fixture(scope="module")
def keyring(shared_hub: RunningHub) -> Keyring:
    return open_keyring(shared_hub.data_dir / "keys")


def key_of(keyring: Keyring, kind: str, clear: str) -> bytes:
    return hmac_sm3(keyring.pseudonym, names_of(kind, "50", clear)[0].encode())


def is_there(hub: RunningHub, keyring: Keyring, *keys: bytes) -> list[bool]:
    with psycopg.connect(hub.dsn, autocommit=True) as connection:
        found = open_identifiers(connection, keyring, keys)
    return [key in found for key in keys]


def old_card(chongqing: Province, card_no: str, *, is_cancelled: bool = True, ident: str = "") -> None:
    """A card of long ago, folded."""
    event = registered(card_no, at_s=LONG_AGO_S)
    if ident:
        event.card_aliases.add(issuing_province="50", kind=2, clear=ident)
    end = event_pb2.Event()
    end.occurred_at.seconds = LONG_AGO_S + 86_400
    name_card(end.card, card_no, "50")
    end.card_cancelled.reason = 1  # type: ignore[assignment]
    seen = chongqing.tell("cq.card-center", event, *([end] if is_cancelled else []))
    request = card_service_pb2.GetCardRequest(card=registered(card_no).card, min_position=seen)
    chongqing.cards.GetCard(request, timeout=DEADLINE_S)


def asked(run: Callable[..., Result], card_no: str, operator: str = "li.lei") -> dict[str, Any]:
    of_card = ("--kind", "card", "--issuer", "50")
    result = run("request", *of_card, "--ground", "SERVICE_ENDED", "--operator", operator, "--json", stdin=card_no)
    assert result.exit_code == 0, (result.output, result.exception)
    told: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return told


def error_of(result: Result) -> type[BaseException]:
    assert result.exception is not None, result.output
    return type(result.exception)


def test_another_person_approves_and_every_identifier_of_the_card_is_erased(
    shared_hub: RunningHub, chongqing: Province, keyring: Keyring, run: Callable[..., Result]
) -> None:
    ident = IDENT.format(next(_numbers))
    old_card(chongqing, "E00000001", ident=ident)
    keys = [key_of(keyring, "card", "E00000001"), key_of(keyring, "ident", ident)]
    assert is_there(shared_hub, keyring, *keys) == [True, True]
    erasure = asked(run, "E00000001")
    assert (erasure["state"], erasure["identifiers"]) == ("REQUESTED", 2)
    assert is_there(shared_hub, keyring, *keys) == [True, True]
    approved = run("approve", erasure["code"], "--operator", "han.meimei", "--json")
    assert json.loads(approved.stdout.splitlines()[-1])["state"] == "ERASED"
    assert is_there(shared_hub, keyring, *keys) == [False, False]
    kinds = [one.kind for one in journal(shared_hub.dsn) if one.kind.startswith("erasure_") or one.kind == "identifier_erased"]
    assert kinds[-3:] == ["erasure_requested", "erasure_approved", "identifier_erased"]
    assert check(shared_hub.dsn, with_views=False, with_identifiers=True).problems == []


def test_a_resend_does_not_bring_an_erased_identifier_back(
    shared_hub: RunningHub, chongqing: Province, keyring: Keyring, run: Callable[..., Result]
) -> None:
    old_card(chongqing, "E00000002")
    assert run("approve", asked(run, "E00000002")["code"], "--operator", "han.meimei").exit_code == 0
    chongqing.tell("cq.card-center", registered("E00000002", at_s=LONG_AGO_S))
    assert is_there(shared_hub, keyring, key_of(keyring, "card", "E00000002")) == [False]


def test_who_took_the_request_does_not_decide(
    shared_hub: RunningHub, chongqing: Province, keyring: Keyring, run: Callable[..., Result]
) -> None:
    old_card(chongqing, "E00000003")
    code = asked(run, "E00000003")["code"]
    assert error_of(run("approve", code, "--operator", "li.lei")) is ErasureSamePerson
    assert error_of(run("refuse", code, "--operator", "li.lei", "--reason", "NOT_ENTITLED")) is ErasureSamePerson
    assert is_there(shared_hub, keyring, key_of(keyring, "card", "E00000003")) == [True]


def test_what_must_be_kept_is_kept_and_the_obligation_is_named(
    shared_hub: RunningHub, chongqing: Province, sichuan: Province, keyring: Keyring, run: Callable[..., Result]
) -> None:
    old_card(chongqing, "E00000004")
    sichuan.tell("sc.usage", journey("E00000004", at_s=int(datetime.now(UTC).timestamp()) - 86_400))
    code = asked(run, "E00000004")["code"]
    result = run("approve", code, "--operator", "han.meimei")
    assert error_of(result) is RetentionRuns
    assert "TRANSIT_DETAIL" in str(result.exception)
    assert is_there(shared_hub, keyring, key_of(keyring, "card", "E00000004")) == [True]
    assert run("list", "--json").stdout.count(code) == 1


def test_a_card_in_force_is_kept_and_so_is_its_holder(chongqing: Province, run: Callable[..., Result]) -> None:
    old_card(chongqing, "E00000005", is_cancelled=False)
    result = run("approve", asked(run, "E00000005")["code"], "--operator", "han.meimei")
    assert "CARD_IN_FORCE" in str(result.exception)


def test_a_refused_request_is_decided_for_good(chongqing: Province, run: Callable[..., Result]) -> None:
    old_card(chongqing, "E00000006")
    code = asked(run, "E00000006")["code"]
    assert run("refuse", code, "--operator", "han.meimei", "--reason", "NOT_ENTITLED").exit_code == 0
    assert error_of(run("approve", code, "--operator", "han.meimei")) is ErasureDecided
    [told] = [json.loads(line) for line in run("list", "--all", "--json").stdout.splitlines() if code in line]
    assert (told["state"], told["decided_by"], told["reason"]) == ("REFUSED", "han.meimei", "NOT_ENTITLED")


def test_what_is_not_there_cannot_be_erased(chongqing: Province, run: Callable[..., Result]) -> None:
    request = ("request", "--kind", "card", "--issuer", "50", "--ground", "UNLAWFUL")
    assert error_of(run(*request, stdin="E99999999")) is IdentifierUnknown
    assert error_of(run("approve", "ER-00000000", "--operator", "x")) is ErasureUnknown
    old_card(chongqing, "E00000007")
    assert run("approve", asked(run, "E00000007")["code"], "--operator", "han.meimei").exit_code == 0
    assert error_of(run(*request, stdin="E00000007")) is IdentifierErasedAlready


@pytest.mark.parametrize(
    ("arguments", "stdin"),
    [(("--kind", "card", "--issuer", "50"), "E1"), (("--kind", "person"), "500199198503211233"), (("--kind", "mobile"), "")],
)
def test_a_malformed_identifier_is_refused_without_its_value(arguments: tuple[str, ...], stdin: str, run: Callable[..., Result]) -> None:
    result = run("request", "--ground", "UNLAWFUL", *arguments, stdin=stdin)
    assert error_of(result) is RequestInvalid
    assert not stdin or stdin not in str(result.exception)


def test_the_original_of_a_quarantined_event_that_holds_the_identifier_is_erased_with_it(
    shared_hub: RunningHub, chongqing: Province, run: Callable[..., Result]
) -> None:
    old_card(chongqing, "E00000008")
    sequence, bad = chongqing.next_sequence("cq.usage"), journey("E00000008", at_s=LONG_AGO_S)
    bad.service_region = "999999"
    chongqing.tell("cq.usage", bad)
    assert run("approve", asked(run, "E00000008")["code"], "--operator", "han.meimei").exit_code == 0
    with psycopg.connect(shared_hub.dsn) as connection:
        row = connection.execute(
            "SELECT sealed FROM vault.original o JOIN journal.stream s USING (stream_id) WHERE s.name = 'cq.usage' AND sequence = %s",
            (sequence,),
        ).fetchone()
    assert row == (None,)


def test_what_comes_back_is_found_and_buried_again(
    shared_hub: RunningHub, chongqing: Province, keyring: Keyring, run: Callable[..., Result]
) -> None:
    old_card(chongqing, "E00000009")
    key = key_of(keyring, "card", "E00000009")
    assert run("approve", asked(run, "E00000009")["code"], "--operator", "han.meimei").exit_code == 0
    version, sealed = seal(keyring, key, b"card|50|E00000009")
    with psycopg.connect(shared_hub.dsn, autocommit=True) as connection:
        # What a restore of an older vault would bring.
        connection.execute(
            "UPDATE vault.identifier SET key_version = %s, sealed = %s, erased_at = NULL WHERE key = %s", (version, sealed, key)
        )
        assert [problem for problem in check(shared_hub.dsn, with_views=False).problems if "erased" in problem] != []
        assert (bury(connection), bury(connection)) == (1, 0)
    assert is_there(shared_hub, keyring, key) == [False]


# How long is long


@pytest.mark.parametrize(
    ("kind", "code", "ends_on"),
    [
        ("fund_row_paid", "ACCOUNTING", date(2054, 3, 1)),
        ("medical_settlement_completed", "ACCOUNTING", date(2054, 3, 1)),
        ("transit_clearing_accepted", "RECONCILIATION", date(2034, 3, 1)),
        ("case_decided", "CASE_ARCHIVE", date(2034, 3, 1)),
        ("decision_made", "DATA_SHARING", date(2027, 3, 1)),
        ("transit_journey_completed", "TRANSIT_DETAIL", date(2026, 3, 1)),
    ],
)
def test_each_kind_is_kept_for_its_years(kind: str, code: str, ends_on: date) -> None:
    leap_day_us = int(datetime(2024, 2, 29, 4, tzinfo=UTC).timestamp() * 1_000_000)
    [one] = running([Mentioned(kind, leap_day_us)], datetime(2025, 1, 1, tzinfo=UTC), is_card_in_force=False)
    assert (one.code, one.ends_on) == (code, ends_on)


def test_an_obligation_ends_at_midnight_in_the_local_day() -> None:
    last_us = int(datetime(2023, 5, 1, tzinfo=UTC).timestamp() * 1_000_000)
    journeys = [Mentioned("transit_exit_recorded", last_us)]
    assert running(journeys, datetime(2025, 4, 30, 15, 59, tzinfo=UTC), is_card_in_force=False) != []
    assert running(journeys, datetime(2025, 4, 30, 16, 0, tzinfo=UTC), is_card_in_force=False) == []

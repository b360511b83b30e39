"""Versions of the rules: each that takes effect is an event and is kept, and a kept one answers again; every decision can be repeated."""

import io
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime

import grpc
import psycopg
import pytest
from chuanyu.exchange.v1 import acceptance_pb2, card_service_pb2

from hub.audit.as_of import known_at
from hub.audit.rule_versions import publish_rules
from hub.domain import reference
from hub.domain.acceptance import Question, decide, rules_digest
from hub.journal.recorder import AggregateStore
from tests.clients import DEADLINE_S, Province, journal, refused
from tests.hub_process import CHONGQING, SICHUAN, RunningHub
from tests.messages import AT_S, lost, question, registered

ACCEPT, DENY = acceptance_pb2.ACCEPTANCE_OUTCOME_ACCEPT, acceptance_pb2.ACCEPTANCE_OUTCOME_DENY
LENIENT, BROKEN = b"\1" * 32, b"\2" * 32


@pytest.fixture(scope="module")
def sides(shared_hub: RunningHub) -> Iterator[tuple[Province, Province]]:
    """Chongqing's and Sichuan's card centres."""
    provinces = Province(shared_hub, CHONGQING), Province(shared_hub, SICHUAN)
    yield provinces
    for province in provinces:
        province.channel.close()


@pytest.fixture(scope="module")
def decision(sides: tuple[Province, Province]) -> card_service_pb2.CheckAcceptanceResponse:
    """A recorded answer about a card that was lost."""
    chongqing, sichuan = sides
    chongqing.tell("cq.card-center", registered("V00000001"))
    position = chongqing.tell("cq.card-center", lost("V00000001"))
    request = question("rule-versions-1", "V00000001", min_position=position)
    request.at.seconds = AT_S + 3_600
    return sichuan.cards.CheckAcceptance(request, timeout=DEADLINE_S)


def by(digest: bytes, decision: card_service_pb2.CheckAcceptanceResponse) -> card_service_pb2.ExplainAcceptanceRequest:
    return card_service_pb2.ExplainAcceptanceRequest(decision_position=decision.position, rules_digest=digest)


def keep(hub: RunningHub, digest: bytes, change: tuple[bytes, bytes]) -> None:
    """Keeps a version whose rules differ from today's in one place."""
    with psycopg.connect(hub.dsn, autocommit=True) as connection:
        row = connection.execute("SELECT archive FROM journal.rule_version WHERE digest = %s", (rules_digest(),)).fetchone()
        assert row is not None
        changed = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(bytes(row[0]))) as old, zipfile.ZipFile(changed, "w") as new:
            for name in old.namelist():
                data = old.read(name)
                assert name != "hub/domain/rules.py" or change[0] in data
                new.writestr(name, data.replace(*change) if name == "hub/domain/rules.py" else data)
        connection.execute("SET ROLE hub_writer")
        connection.execute("INSERT INTO journal.rule_version VALUES (%s, %s) ON CONFLICT DO NOTHING", (digest, changed.getvalue()))


def test_the_version_at_hand_took_effect_by_an_event_once(shared_hub: RunningHub) -> None:
    store = AggregateStore(shared_hub.dsn)
    assert not publish_rules(shared_hub.dsn, store, datetime.now(UTC))
    store.close()
    published = [recorded.event.rules_published for recorded in journal(shared_hub.dsn) if recorded.kind == "rules_published"]
    assert [message.rules_digest for message in published] == [rules_digest()]


def test_the_rules_of_a_decision_are_kept(shared_hub: RunningHub, decision: card_service_pb2.CheckAcceptanceResponse) -> None:
    with psycopg.connect(shared_hub.dsn) as connection:
        kept = connection.execute("SELECT count(*) FROM journal.rule_version WHERE digest = %s", (decision.rules_digest,)).fetchone()
    assert kept == (1,)


def test_another_version_gives_the_answer_it_would_have_given(
    shared_hub: RunningHub, sides: tuple[Province, Province], decision: card_service_pb2.CheckAcceptanceResponse
) -> None:
    keep(shared_hub, LENIENT, (b'    "TEMP_LOST": "LOST_TEMP",\n', b'    "TEMP_LOST": "OK",\n'))
    today = sides[0].cards.ExplainAcceptance(by(rules_digest(), decision), timeout=DEADLINE_S)
    other = sides[0].cards.ExplainAcceptance(by(LENIENT, decision), timeout=DEADLINE_S)
    assert (today.outcome, today.same_as_recorded) == (DENY, True)
    assert (other.outcome, other.same_as_recorded, other.rules_digest) == (ACCEPT, False, LENIENT)


def test_a_version_that_is_not_kept_is_unknown(
    sides: tuple[Province, Province], decision: card_service_pb2.CheckAcceptanceResponse
) -> None:
    refusal = refused(lambda: sides[0].cards.ExplainAcceptance(by(b"\3" * 32, decision), timeout=DEADLINE_S))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "RULE_VERSION_UNKNOWN")


def test_a_version_that_cannot_run_says_so(
    shared_hub: RunningHub, sides: tuple[Province, Province], decision: card_service_pb2.CheckAcceptanceResponse
) -> None:
    keep(shared_hub, BROKEN, (b"ECARD_MEDIA = ", b"import a_package_of_its_time\nECARD_MEDIA = "))
    refusal = refused(lambda: sides[0].cards.ExplainAcceptance(by(BROKEN, decision), timeout=DEADLINE_S))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "RULE_VERSION_FAILED")


def test_a_digest_of_the_wrong_length_is_refused(
    sides: tuple[Province, Province], decision: card_service_pb2.CheckAcceptanceResponse
) -> None:
    refusal = refused(lambda: sides[0].cards.ExplainAcceptance(by(b"\1", decision), timeout=DEADLINE_S))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_INVALID")


@pytest.mark.usefixtures("decision")
def test_every_recorded_decision_is_repeated_from_what_was_known(shared_hub: RunningHub) -> None:
    tables = reference.load()
    decisions = [recorded for recorded in journal(shared_hub.dsn) if recorded.kind == "decision_made"][-100:]
    with psycopg.connect(shared_hub.dsn, autocommit=True) as connection:
        for recorded in decisions:
            event, made = recorded.event, recorded.event.decision_made
            known = known_at(connection, event.card.key, made.as_of_position)
            asked = Question(
                event.card.issuing_province, event.scenario, event.service_region, event.medium, recorded.occurred_us, event.venue_code,
                made.claims)  # fmt: skip
            said = decide(known.facts, known.agreements, tables, asked)
            assert (said.reason_codes, said.agreement_codes) == (tuple(made.reason_codes), tuple(made.agreement_codes))

"""Versions of the rules: each that takes effect is an event and is kept, and a kept one answers again; every decision can be repeated."""

import io
import time
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import grpc
import psycopg
import pytest
from chuanyu.exchange.v1 import acceptance_pb2, card_service_pb2
from google.protobuf import descriptor_pb2

from hub.audit.as_of import known_at
from hub.audit.rule_archive import archive_digest, pack_version, unpack_version
from hub.audit.rule_versions import answer_by, publish_rules
from hub.domain import reference
from hub.domain.acceptance import Question, decide, digest_of, rules_digest
from hub.domain.errors import RuleVersionDamaged
from hub.domain.replaying import pack
from hub.journal.recorder import AggregateStore
from hub.journal.sessions import session
from tests.clients import DEADLINE_S, Province, journal, refused
from tests.hub_process import CHONGQING, SICHUAN, RunningHub
from tests.messages import AT_S, lost, question, registered

ACCEPT, DENY = acceptance_pb2.ACCEPTANCE_OUTCOME_ACCEPT, acceptance_pb2.ACCEPTANCE_OUTCOME_DENY
KEPT = Path(__file__).parents[1] / "kept_rules"
LENIENT = (b'    "TEMP_LOST": "LOST_TEMP",\n', b'    "TEMP_LOST": "OK",\n')
BROKEN = (b"_STATUS_REASONS = ", b"import a_package_of_its_time\n_STATUS_REASONS = ")
CHANGED = "hub/domain/rules/any_use.py"


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
    position = chongqing.tell("cq.card-center", lost("V00000001", at_s=int(time.time()) - 3_600))
    request = question("rule-versions-1", "V00000001", min_position=position)
    return sichuan.cards.CheckAcceptance(request, timeout=DEADLINE_S)


def by(digest: bytes, decision: card_service_pb2.CheckAcceptanceResponse) -> card_service_pb2.ExplainAcceptanceRequest:
    return card_service_pb2.ExplainAcceptanceRequest(decision_position=decision.position, rules_digest=digest)


def changed(archive: bytes, change: tuple[bytes, bytes]) -> bytes:
    """An archive whose rules differ in one place."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(packed, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            assert name != CHANGED or change[0] in data
            new.writestr(name, data.replace(*change) if name == CHANGED else data)
    return packed.getvalue()


def keep(hub: RunningHub, archive: bytes, directory: Path) -> bytes:
    """Keeps a version and returns its digest."""
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        packed.extractall(directory)
    digest = digest_of(directory / "hub" / "domain")
    with psycopg.connect(hub.dsn, autocommit=True) as connection:
        connection.execute("SET ROLE hub_writer")
        connection.execute("INSERT INTO journal.rule_version VALUES (%s, %s) ON CONFLICT DO NOTHING", (digest, archive))
    return digest


def test_the_version_at_hand_took_effect_by_an_event_once(shared_hub: RunningHub) -> None:
    store = AggregateStore(shared_hub.dsn)
    with session(shared_hub.dsn, "hub_writer", "test") as connection:
        assert not publish_rules(connection, store, datetime.now(UTC))
    store.close()
    published = [recorded.event.rules_published for recorded in journal(shared_hub.dsn) if recorded.kind == "rules_published"]
    assert [(message.rules_digest, message.archive_digest) for message in published] == [(rules_digest(), archive_digest(pack_version()))]


def test_the_rules_of_a_decision_are_kept(shared_hub: RunningHub, decision: card_service_pb2.CheckAcceptanceResponse) -> None:
    with psycopg.connect(shared_hub.dsn) as connection:
        kept = connection.execute("SELECT count(*) FROM journal.rule_version WHERE digest = %s", (decision.rules_digest,)).fetchone()
    assert kept == (1,)


def test_another_version_gives_the_answer_it_would_have_given(
    shared_hub: RunningHub, sides: tuple[Province, Province], decision: card_service_pb2.CheckAcceptanceResponse, tmp_path: Path
) -> None:
    lenient = keep(shared_hub, changed(pack_version(), LENIENT), tmp_path)
    today = sides[0].cards.ExplainAcceptance(by(rules_digest(), decision), timeout=DEADLINE_S)
    other = sides[0].cards.ExplainAcceptance(by(lenient, decision), timeout=DEADLINE_S)
    assert (today.outcome, today.same_as_recorded) == (DENY, True)
    assert (other.outcome, other.same_as_recorded, other.rules_digest) == (ACCEPT, False, lenient)


def test_a_version_that_is_not_kept_is_unknown(
    sides: tuple[Province, Province], decision: card_service_pb2.CheckAcceptanceResponse
) -> None:
    refusal = refused(lambda: sides[0].cards.ExplainAcceptance(by(b"\3" * 32, decision), timeout=DEADLINE_S))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "RULE_VERSION_UNKNOWN")


def test_a_version_that_cannot_run_says_so(
    shared_hub: RunningHub, sides: tuple[Province, Province], decision: card_service_pb2.CheckAcceptanceResponse, tmp_path: Path
) -> None:
    broken = keep(shared_hub, changed(pack_version(), BROKEN), tmp_path)
    refusal = refused(lambda: sides[0].cards.ExplainAcceptance(by(broken, decision), timeout=DEADLINE_S))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "RULE_VERSION_FAILED")


def test_a_kept_version_whose_sources_were_changed_is_not_run(
    shared_hub: RunningHub, sides: tuple[Province, Province], decision: card_service_pb2.CheckAcceptanceResponse
) -> None:
    digest = b"\4" * 32
    with psycopg.connect(shared_hub.dsn, autocommit=True) as connection:
        connection.execute("INSERT INTO journal.rule_version VALUES (%s, %s)", (digest, changed(pack_version(), LENIENT)))
    refusal = refused(lambda: sides[0].cards.ExplainAcceptance(by(digest, decision), timeout=DEADLINE_S))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.DATA_LOSS, "RULE_VERSION_DAMAGED")


@pytest.mark.parametrize("archive", [b"", b"no zip file", pack_version()[:-100]])
def test_an_archive_that_cannot_be_read_is_damaged(archive: bytes, tmp_path: Path) -> None:
    with pytest.raises(RuleVersionDamaged):
        unpack_version(archive, rules_digest(), b"", tmp_path)


def test_an_archive_that_is_not_the_published_one_is_damaged(tmp_path: Path) -> None:
    packed = io.BytesIO(pack_version())
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("sitecustomize.py", b"print('code that no digest covers')")
    with pytest.raises(RuleVersionDamaged, match="differs from the one that was published"):
        unpack_version(packed.getvalue(), rules_digest(), archive_digest(pack_version()), tmp_path)


def test_a_version_carries_its_message_classes_descriptors_and_needs(tmp_path: Path) -> None:
    needs = unpack_version(pack_version(), rules_digest(), b"", tmp_path)
    described = descriptor_pb2.FileDescriptorSet.FromString((tmp_path / "descriptors.binpb").read_bytes())
    assert set(needs) == {"python", "protobuf", "eventsourcing"}
    assert (tmp_path / "chuanyu/exchange/v1/acceptance_pb2.py").exists()
    assert {"chuanyu/exchange/v1/event.proto", "buf/validate/validate.proto"} <= {file.name for file in described.file}


def test_a_version_is_run_without_the_settings_of_the_hub(
    shared_hub: RunningHub, decision: card_service_pb2.CheckAcceptanceResponse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_DSN", "a secret")
    peeking = (b"_STATUS_REASONS = ", b"import os\nassert 'HUB_DSN' not in os.environ\n_STATUS_REASONS = ")
    digest = keep(shared_hub, changed(pack_version(), peeking), tmp_path)
    with psycopg.connect(shared_hub.dsn) as connection:
        known = known_at(connection, b"", decision.position)
    asked = Question("50", "TRA.MET", "510100", acceptance_pb2.MEDIUM_CONTACTLESS, AT_S * 1_000_000)
    assert answer_by(shared_hub.dsn, digest, pack(known.facts, list(known.agreements), asked))["outcome"]


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


# Rules as releases kept them, by their digests: before archives had descriptors and the modules around the rules had rooms; and before
# the rules themselves were parted by subject.
@pytest.mark.parametrize("earlier", ["46934291e7337d21", "eabd2923db432c8e"])
def test_the_rules_that_an_earlier_release_kept_answer_today(
    shared_hub: RunningHub,
    sides: tuple[Province, Province],
    decision: card_service_pb2.CheckAcceptanceResponse,
    tmp_path: Path,
    earlier: str,
) -> None:
    digest = keep(shared_hub, (KEPT / f"{earlier}.zip").read_bytes(), tmp_path)
    other = sides[0].cards.ExplainAcceptance(by(digest, decision), timeout=DEADLINE_S)
    assert (other.outcome, other.same_as_recorded, other.rules_digest.hex()[:16]) == (DENY, True, earlier)

"""Acceptance questions that wait together are read together, and recorded in one commit."""

import asyncio
from pathlib import Path

import psycopg
import pytest
from chuanyu.exchange.v1 import card_service_pb2, hub_decisions_pb2

from hub.api.cards import checks
from hub.api.cards.card_reader import CardReader
from hub.api.cards.checks import Checks
from hub.api.edge.client_certificate import Peer
from hub.api.edge.directory import Caller, CurrentRights
from hub.api.edge.quota import Quotas
from hub.api.edge.turns import Reads
from hub.domain import reference
from hub.domain.errors import QueueFull
from hub.domain.participant import Participant
from hub.domain.quota import Quota
from hub.domain.roles import Rights, every_role
from hub.intake.identifiers import Identifiers
from hub.journal.decisions import DecisionWriter
from hub.projections import PROJECTIONS, runner
from hub.projections.engine import create_views
from hub.telemetry.spans import Call
from hub.trust.keyring import open_keyring
from tests.hub_process import SICHUAN
from tests.messages import question

Answer = card_service_pb2.CheckAcceptanceResponse | BaseException


@pytest.fixture
def stream(dsn: str) -> int:
    with runner.connect(dsn) as connection:
        create_views(connection, PROJECTIONS)
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            """INSERT INTO journal.stream (name, owner, is_feed, next_sequence)
               VALUES ('hub.decisions', 'urn:chuanyu:participant:hub', true, 1) RETURNING stream_id""").fetchone()  # fmt: skip
    assert row is not None
    return int(row[0])


def answers(dsn: str, stream: int, keys: Path, *requests: card_service_pb2.CheckAcceptanceRequest) -> list[Answer]:
    """Asks all at once."""

    async def main() -> list[Answer]:
        cards, decisions, reads = CardReader(dsn, lambda: None), DecisionWriter(dsn, stream), Reads(dsn, "hub_reader", "reads")
        keyring = open_keyring(keys)
        asked = Checks(reads, cards, decisions, Identifiers(keyring), keyring, reference.load())
        allowance = Quotas(Quota(1_000, 10_000, 256, 64)).of(
            Participant(hub_decisions_pb2.ParticipantRegistered(participant=SICHUAN, province="51"))
        )
        call = Call("chuanyu.exchange.v1.CardService/CheckAcceptance")
        caller = Caller(SICHUAN, "51", call, Peer(SICHUAN), allowance, CurrentRights(Rights("51", every_role())))
        given = await asyncio.gather(*(asked.answer(request, caller) for request in requests), return_exceptions=True)
        await asked.stop()
        await decisions.stop()
        await cards.stop()
        reads.close()
        return list(given)

    return asyncio.run(main())


def test_questions_that_wait_together_are_recorded_in_one_commit(dsn: str, stream: int, tmp_path: Path) -> None:
    given = answers(dsn, stream, tmp_path, *(question(f"request-{number}", f"A0000000{number}") for number in range(1, 4)))
    with psycopg.connect(dsn) as connection:
        batches = connection.execute("SELECT first_sequence, last_sequence, first_position FROM journal.batch").fetchall()
    assert ([answer.position for answer in given if not isinstance(answer, BaseException)], batches) == ([1, 2, 3], [(1, 3, 1)])


def test_a_question_asked_twice_at_once_is_recorded_once_and_answered_twice(dsn: str, stream: int, tmp_path: Path) -> None:
    asked = question("request-1", "A00000001")
    first, second = answers(dsn, stream, tmp_path, asked, asked)
    with psycopg.connect(dsn) as connection:
        head = connection.execute("SELECT position FROM journal.head").fetchone()
    assert (first == second, head) == (True, (1,))


def test_a_question_beyond_what_may_wait_is_refused(dsn: str, stream: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "WAITING_DECISIONS", 1)
    first, second = answers(dsn, stream, tmp_path, question("request-1", "A00000001"), question("request-2", "A00000002"))
    assert (type(first), type(second)) == (card_service_pb2.CheckAcceptanceResponse, QueueFull)

"""The demo's funds: a batch of payments into cards, with returns, a row that is paid to a new account, and a close to the fen.

A payer reports what it sends; a bank answers in files, through its own adapter, which runs as a process of its own.
"""

import json
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import grpc
from chuanyu.exchange.v1 import (
    event_pb2,
    feed_service_pb2,
    feed_service_pb2_grpc,
    fund_service_pb2,
    fund_service_pb2_grpc,
    references_pb2,
)
from rich.console import Console

from adapters.simulator.bank import SentRow, SimulatedBank
from adapters.simulator.people import Person, new_person
from adapters.simulator.world import with_luhn
from hub.admin.registry import register_participant
from hub.demo.screen import show_command
from hub.domain.instants import LOCAL
from hub.domain.participant import PREFIX
from hub.domain.roles import Grant
from hub.journal.recorder import AggregateStore
from hub.stage import ChildDied, Stage, free_port
from hub.trust.authority import CertificateFiles, issue_participant

_PAYER, _BANK_FEED, _BANK = "sc.subsidies", "sc.demo-bank", "103"
_REGION, _PROJECT, _AMOUNT_FEN, _ROWS = "510100", "GLJT", 23_000, 6
_MOVED, _DORMANT = 2, 5
WITHIN_S, DEADLINE_S = 60.0, 10.0


def todays_batch(now: datetime) -> str:
    """Returns the number of the batch of a demo that is begun at an instant."""
    return f"SC{now.astimezone(LOCAL):%Y%m%d}-DEMO"


def show_funds(stage: Stage, screen: Console, target: str, dsn: str, data_dir: Path, batch_no: str) -> list[str]:
    """Has a batch sent, answered, sent again in part and closed, shows it, and returns what does not hold. Raises ChildDied."""
    files = _register(dsn, data_dir)
    inbox = _start_bank(stage, target, data_dir, files[_BANK_FEED])
    now = datetime.now(UTC)
    with grpc.secure_channel(target, files[_PAYER].client_credentials()) as channel:
        payer = _Payer(channel, batch_no, now)
        bank = SimulatedBank(_BANK, inbox)
        rows = payer.send()
        yesterday = (now - timedelta(hours=30)).astimezone(LOCAL)
        bank.answer(batch_no, rows, yesterday, {_MOVED: "05", _DORMANT: "07"})
        payer.await_answers(stage, rounds=1)
        again = payer.send_again(rows[_MOVED - 1])
        bank.answer(batch_no, [again], yesterday + timedelta(hours=26), {})
        payer.await_answers(stage, rounds=2)
        payer.close()
        payer.await_state(stage, fund_service_pb2.FUND_BATCH_STATE_CLOSED)
    show_command(stage, screen, "资金发放 a batch of payments", "funds", "show", batch_no, "--province", "51")
    batch = json.loads(stage.run("hub.cli", "funds", "show", batch_no, "--province", "51", "--json").splitlines()[-1])["batch"]
    is_closed = int(batch["paid_fen"]) == (_ROWS - 1) * _AMOUNT_FEN and not batch.get("findings")
    return [] if is_closed else [f"发放批次不平 a batch does not add up: {batch_no}"]


def _register(dsn: str, data_dir: Path) -> dict[str, CertificateFiles]:
    titles = {_PAYER: ("四川一家发放单位 a payer in Sichuan", "FUND_PAYER"), _BANK_FEED: ("一家代理银行 an agent bank", "BANK")}
    with closing(AggregateStore(dsn)) as store:
        for name, (title, role) in titles.items():
            register_participant(store, PREFIX + name, "51", title, [name], datetime.now(UTC), [Grant(role)])
    return {name: issue_participant(data_dir / "certificates", PREFIX + name) for name in titles}


def _start_bank(stage: Stage, target: str, data_dir: Path, files: CertificateFiles) -> Path:
    """Starts the bank's adapter and returns its inbox once it answers."""
    port, home = free_port(), data_dir / "bank"
    stage.start(
        "bank", "adapters.cli", "bank", "--feed", _BANK_FEED, "--region", _REGION,
        "--ca", str(files.authority), "--cert", str(files.certificate), "--key", str(files.key),
        "--hub", target, "--listen", f"127.0.0.1:{port}", "--data-dir", str(home),
    )  # fmt: skip
    stage.await_answer(f"http://127.0.0.1:{port}")
    return home / "inbox"


def _account(row_no: int) -> str:
    return with_luhn(f"62282351{row_no:010d}")


class _Payer:
    """The payer's side of one batch."""

    def __init__(self, channel: grpc.Channel, batch_no: str, now: datetime) -> None:
        """*now* is when the batch is closed; what came before is dated before."""
        self._feeds = feed_service_pb2_grpc.FeedServiceStub(channel)
        self._funds = fund_service_pb2_grpc.FundServiceStub(channel)
        self._batch_no, self._now, self._sequence = batch_no, now, 1
        rng, taken = Random(batch_no), set[str]()  # noqa: S311 (made-up people)
        self._people = [new_person(rng, "51", now.date(), taken) for _ in range(_ROWS)]

    def send(self) -> list[SentRow]:
        """Publishes, approves and sends the batch, row by row."""
        begun = self._now - timedelta(days=14)
        first, last = (begun.astimezone(LOCAL).date() + timedelta(days=days) for days in (-22, -2))
        total = _ROWS * _AMOUNT_FEN
        published = self._event(begun)
        published.fund_batch_published.project_code, published.fund_batch_published.fiscal_year = _PROJECT, begun.year
        published.fund_batch_published.row_count, published.fund_batch_published.amount_total_fen = _ROWS, total
        published.fund_batch_published.notice_from, published.fund_batch_published.notice_to = first.isoformat(), last.isoformat()
        approved, sent = self._event(begun + timedelta(days=1)), self._event(begun + timedelta(days=2))
        approved.fund_batch_approved.SetInParent()
        sent.fund_batch_sent.row_count, sent.fund_batch_sent.amount_total_fen = _ROWS, total
        rows = [SentRow(number, _account(number), one.name, _AMOUNT_FEN) for number, one in enumerate(self._people, 1)]
        self._tell(published, approved, sent, *(self._row(row, begun + timedelta(days=2), 1) for row in rows))
        return rows

    def send_again(self, row: SentRow) -> SentRow:
        """Reports that the payee's card was replaced with another account, and sends the row to that."""
        at, new = self._now - timedelta(hours=8), row._replace(account=_account(_ROWS + row.row_no))
        moved = self._event(at)
        moved.fund_account_repointed.from_account.clear, moved.fund_account_repointed.to_account.clear = row.account, new.account
        self._tell(moved, self._row(new, at, 2))
        return new

    def close(self) -> None:
        """Closes the batch: one row stays unpaid."""
        closed = self._event(self._now)
        closed.fund_batch_closed.paid_total_fen, closed.fund_batch_closed.returned_total_fen = (_ROWS - 1) * _AMOUNT_FEN, _AMOUNT_FEN
        self._tell(closed)

    def await_answers(self, stage: Stage, rounds: int) -> None:
        """Waits until the bank has answered all rows of so many rounds; raises ChildDied."""
        self._await(stage, lambda batch: len(batch.rounds) == rounds and batch.state == fund_service_pb2.FUND_BATCH_STATE_ANSWERED)

    def await_state(self, stage: Stage, state: int) -> None:
        """Waits for a state; raises ChildDied."""
        self._await(stage, lambda batch: batch.state == state)

    def _await(self, stage: Stage, is_so: Any) -> None:
        deadline = time.monotonic() + WITHIN_S
        while True:
            try:
                batch = self._funds.GetBatch(fund_service_pb2.GetBatchRequest(batch_no=self._batch_no), timeout=DEADLINE_S).batch
            except grpc.RpcError as refusal:
                if refusal.code() not in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNAVAILABLE):
                    raise
            else:
                if is_so(batch):
                    return
            stage.watch()
            if time.monotonic() > deadline:
                raise ChildDied(f"the bank has not answered; see {stage.logs / 'bank'}.log")
            time.sleep(0.2)

    def _event(self, at: datetime) -> event_pb2.Event:
        event = event_pb2.Event(service_region=_REGION, scenario="FND.PAY")
        event.occurred_at.FromDatetime(at)
        event.source.system = "demo"
        return event

    def _row(self, row: SentRow, at: datetime, attempt: int) -> event_pb2.Event:
        event = self._event(at)
        payee: Person = self._people[row.row_no - 1]
        event.holder.id_type, event.holder.clear = references_pb2.ID_TYPE_RESIDENT_ID, payee.id_no
        sent = event.fund_row_sent
        sent.row_no, sent.attempt, sent.amount_fen, sent.account.clear = row.row_no, attempt, row.amount_fen, row.account
        sent.payee_name.clear, sent.project_code = row.name, _PROJECT
        return event

    def _tell(self, *events: event_pb2.Event) -> None:
        """Appends events to the payer's feed; raises ChildDied where the hub quarantines one."""
        for event in events:
            message = getattr(event, event.WhichOneof("kind") or "")
            if hasattr(message, "batch_no"):
                message.batch_no = self._batch_no
        request = feed_service_pb2.AppendEventsRequest(feed=_PAYER, first_sequence=self._sequence, events=events)
        answer = self._feeds.AppendEvents(request, timeout=DEADLINE_S)
        if answer.quarantined:
            raise ChildDied(f"the hub quarantined events of the payer: {answer.quarantined}")
        self._sequence += len(events)

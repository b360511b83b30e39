"""Puts a client through the trials on a hub that runs, behind the recording front, and judges each."""

import asyncio
import contextlib
import json
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from chuanyu.exchange.v1 import event_pb2, feed_service_pb2, feed_service_pb2_grpc

from hub.admin.participants import all_but_newest, changing, take_in, withdraw
from hub.admin.registry import register_participant
from hub.conformance import asking, enduring
from hub.conformance.checks import problems_of, texts_of
from hub.conformance.clients import Client, Running
from hub.conformance.instructions import PARTNER, Told, tell
from hub.conformance.seen import Held, Seen, lines_of
from hub.conformance.trials import Trial, all_trials
from hub.domain.participant import PREFIX
from hub.domain.roles import every_role
from hub.journal.reader import head_position, read_page
from hub.journal.recorder import AggregateStore
from hub.sandbox.faults import APPENDING, Fault
from hub.sandbox.front import Front
from hub.sandbox.partner import Partner
from hub.sandbox.world import publish_hotlist
from hub.trust.authority import CertificateFiles, issue_participant, participant_files
from hub.trust.certificates import entry, read_certificates
from hub.trust.rotation import issue_further

# Trials name the checks of these, too.
_CHECKING = (asking, enduring)
CLIENT, PARTNER_NAME = "conformance.client", "conformance.partner"
PARTNER_FEED = "conformance.partner"
PATIENCE_S = 20.0
LOOK_S = 0.02
# Of a trial's calls everything counts.
MOST_PASSED = 1_000_000
DEADLINE_S = 20.0


@dataclass(frozen=True, slots=True)
class Ground:
    """A hub behind a front with two doors: the front and its loop, the database, and the folder with certificates and keys."""

    front: Front
    loop: asyncio.AbstractEventLoop
    edge: str
    dsn: str
    data_dir: Path


@dataclass(slots=True)
class Verdict:
    """What came of a trial: problems in words, and the exchange that was seen; *passed* where there is no problem."""

    trial: Trial
    problems: list[str]
    lines: list[str]
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether nothing is to be changed."""
        return not self.problems


@dataclass(slots=True)
class _Attempt:
    """A client at work on a trial."""

    told: Told
    environment: dict[str, str]
    results: Path
    running: Running
    ends: list[int | None] = field(default_factory=list)
    is_killed: bool = False
    is_withdrawn: bool = False


class Kit:
    """Puts one client through trials; *run* makes the names of its feeds its own on a hub that is used several times."""

    def __init__(self, ground: Ground, home: Path, run: int = 1) -> None:
        """Instructions, results and states of clients go below *home*."""
        self._ground, self._home, self._run = ground, home, run
        self._certificates = ground.data_dir / "certificates"
        self._connection = psycopg.connect(ground.dsn, autocommit=True)
        self._store = AggregateStore(ground.dsn)
        self._tried: Counter[str] = Counter()
        self._hotlist_key, self._begins = "", 0

    def close(self) -> None:
        """Closes its sessions."""
        self._store.close()
        self._connection.close()

    def prepare(self) -> None:
        """Registers the client and the partner with its cards, and publishes a hotlist."""
        ground = self._ground
        self._register([self._feed(trial) for trial in all_trials()])
        register_participant(self._store, PREFIX + PARTNER_NAME, PARTNER, "对方 partner", [PARTNER_FEED], datetime.now(UTC), every_role())
        issue_participant(self._certificates, PREFIX + CLIENT)
        partner = Partner(PARTNER, PARTNER_FEED, ground.edge, issue_participant(self._certificates, PREFIX + PARTNER_NAME))
        if not self._held(PARTNER_FEED):
            asyncio.run_coroutine_threadsafe(partner.seed(), ground.loop).result(DEADLINE_S)
        # What the trials record comes after this.
        self._begins = head_position(self._connection)
        self._hotlist_key = publish_hotlist(ground.dsn, ground.data_dir)

    def _register(self, feeds: list[str]) -> None:
        register_participant(self._store, PREFIX + CLIENT, "51", "被测客户端 client under test", feeds, datetime.now(UTC), every_role())

    def _feed(self, trial: Trial) -> str:
        """Names the feed of a trial, a new one each time that it is tried."""
        again = f".{self._tried[trial.id]}" if self._tried[trial.id] > 1 else ""
        return f"conformance.{self._run}.{trial.id.lower()}{again}"

    def judge(self, trial: Trial, client: Client, patience_s: float = PATIENCE_S) -> Verdict:
        """Has the client do what a trial says, and judges it; it is ended after *patience_s*."""
        began_s = time.monotonic()
        self._tried[trial.id] += 1
        if self._tried[trial.id] > 1:
            self._register([self._feed(trial)])
        first, second = participant_files(self._certificates, PREFIX + CLIENT), self._second(trial)
        told = tell(trial, self._run, self._feed(trial), head_position(self._connection), second, self._hotlist_key)
        self._put_before(told, first)
        self._arm(trial)
        attempt = self._attempt(told, first, client)
        try:
            self._watch(attempt, client, patience_s)
        finally:
            attempt.running.kill()
            unmet = self._ground.front.faults.armed()
            self._calm()
        seen = self._seen(attempt, second, unmet)
        return Verdict(trial, texts_of(problems_of(seen)), lines_of(seen), round(time.monotonic() - began_s, 2))

    def _second(self, trial: Trial) -> dict[str, str]:
        if not any(step["do"] == "use_certificate" for step in trial.steps):
            return {}
        files = issue_further(self._certificates, PREFIX + CLIENT)
        return {"certificate": str(files.certificate), "key": str(files.key)}

    def _put_before(self, told: Told, files: CertificateFiles) -> None:
        """Records what the hub has before the client comes, as an earlier attempt or another outbox would have."""
        events = told.events[: told.trial.recorded_before]
        for number in range(told.trial.foreign_before):
            other = event_pb2.Event()
            other.CopyFrom(told.events[number])
            other.source.message_id = "another outbox"
            events = [*events, other]
        if events:
            with files.channel(self._ground.edge) as channel:
                request = feed_service_pb2.AppendEventsRequest(feed=told.feed, first_sequence=1, events=events)
                feed_service_pb2_grpc.FeedServiceStub(channel).AppendEvents(request, timeout=DEADLINE_S)

    def _arm(self, trial: Trial) -> None:
        front = self._ground.front
        front.recording.clear()
        front.faults.clear()
        for fault in trial.armed:
            front.faults.arm(fault)
        if trial.away_s:
            front.closed[0] = time.monotonic() + trial.away_s

    def _calm(self) -> None:
        self._ground.front.faults.clear()
        self._ground.front.closed.clear()

    def _attempt(self, told: Told, files: CertificateFiles, client: Client) -> _Attempt:
        home = self._home / f"{self._run}" / told.trial.id
        shutil.rmtree(home, ignore_errors=True)
        (home / "state").mkdir(parents=True)
        instructions, results = home / "instructions.json", home / "results.jsonl"
        written = {"trial": told.trial.id, "title": told.trial.title_en, "steps": told.steps}
        instructions.write_text(json.dumps(written, ensure_ascii=False, indent=1), encoding="utf-8")
        environment = {
            "CONFORMANCE_TRIAL": told.trial.id,
            "CONFORMANCE_INSTRUCTIONS": str(instructions),
            "CONFORMANCE_RESULTS": str(results),
            "CONFORMANCE_STATE": str(home / "state"),
            "CONFORMANCE_TARGETS": ",".join(self._ground.front.targets[: told.trial.doors]),
            "CONFORMANCE_CA": str(files.authority),
            "CONFORMANCE_CERTIFICATE": str(files.certificate),
            "CONFORMANCE_KEY": str(files.key),
        }
        return _Attempt(told, environment, results, client.start(environment))

    def _watch(self, attempt: _Attempt, client: Client, patience_s: float) -> None:
        """Waits until the client has ended; kills and starts it again, or withdraws its old certificate, where the trial has that."""
        trial, give_up_at = attempt.told.trial, time.monotonic() + patience_s
        rotates = any(step["do"] == "use_certificate" for step in trial.steps)
        while (code := attempt.running.poll()) is None and time.monotonic() < give_up_at:
            time.sleep(LOOK_S)
            if trial.kill_after_batches and not attempt.is_killed and self._has_taken(trial, trial.kill_after_batches):
                attempt.is_killed = True
                attempt.running.kill()
                # What goes wrong was for the one that is killed.
                self._ground.front.faults.clear()
                attempt.ends.append(None)
                attempt.running = client.start(attempt.environment)
            if rotates and not attempt.is_withdrawn and attempt.results.exists():
                attempt.is_withdrawn = True
                self._withdraw_older()
        attempt.ends.append(code)

    def _has_taken(self, trial: Trial, batches: int) -> bool:
        """Whether so many batches of a trial came and the hub has recorded of them: who is killed before has nothing to remember."""
        appending = [one for one in self._ground.front.recording.exchanges() if one.method in APPENDING]
        sent = sum(passed.is_request for one in appending for passed in list(one.passed))
        return sent >= batches and bool(self._held(self._feed(trial)))

    def _withdraw_older(self) -> None:
        now = datetime.now(UTC)
        with changing(self._store, CLIENT) as participant:
            take_in(participant, self._certificates, now)
            withdraw(participant, all_but_newest(participant), "ROTATED", now)

    def _held(self, feed: str) -> list[Held]:
        row = self._connection.execute("SELECT stream_id FROM journal.stream WHERE name = %s", (feed,)).fetchone()
        if row is None:
            return []
        page = read_page(self._connection, self._begins, head_position(self._connection))
        found = [one for one in page if one.stream_id == row[0]]
        return [Held(one.sequence, one.kind, one.event.source.message_id, one.position) for one in found]

    def _seen(self, attempt: _Attempt, second: dict[str, str], unmet: list[Fault]) -> Seen:
        fingerprint = entry(read_certificates(Path(second["certificate"]))[0]).fingerprint if second else ""
        exchanges = self._ground.front.recording.exchanges(CLIENT)
        held = self._held(attempt.told.feed)
        return Seen(attempt.told, exchanges, held, _lines(attempt.results), attempt.ends, fingerprint, unmet)


def _lines(results: Path) -> list[dict[str, Any]]:
    """Reads what the client reported; a line that is no JSON object counts for nothing."""
    found = []
    for line in results.read_text(encoding="utf-8", errors="replace").splitlines() if results.exists() else ():
        with contextlib.suppress(ValueError):
            if isinstance(read := json.loads(line), dict):
                found.append(read)
    return found


@contextlib.contextmanager
def grounded(certificates: Path, edge: str, dsn: str, data_dir: Path) -> Iterator[Ground]:
    """Runs a front with two doors before an edge, in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="front", daemon=True)
    thread.start()

    def run(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(DEADLINE_S)

    async def begin() -> Front:
        front = Front(certificates, [edge], ["127.0.0.1:0"] * 2, MOST_PASSED)
        await front.start()
        return front

    front = run(begin())
    try:
        yield Ground(front, loop, edge, dsn, data_dir)
    finally:
        run(front.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

"""A hub that loses, changes or moves what it has signed for is convicted by the receipts: a real database, edited as its superuser."""

import asyncio
import itertools
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from adapters.kit import HubConnection, Outbox, mutual_tls
from adapters.kit.log_copy import LogCopy, LogUnreadable
from hub.journal.sessions import session
from hub.tlog import files, runner
from hub.tlog.runner import LogSettings
from hub.tlog.sealer import signers
from hub.trust.log_keys import open_log_keys
from tests.adapters.test_receipts import command, events, send
from tests.clients import Province, add_feed
from tests.databases import fresh_database
from tests.hub_process import CHONGQING, RunningHub, running_hub
from tests.messages import registered
from tests.tlog.slow_site import sends

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def unsealed(server_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """A hub whose log is sealed when a test says so: nothing projects, so nothing seals."""
    with (
        fresh_database(server_dsn, f"hub_test_{os.getpid()}_audit") as dsn,
        running_hub(dsn, tmp_path_factory.mktemp("hub"), apart=True) as hub,
    ):
        hub.projector.stop()
        yield hub


def connection_to(hub: RunningHub) -> HubConnection:
    certificate = hub.certificate(CHONGQING)
    return HubConnection(hub.targets, mutual_tls(certificate.authority, certificate.certificate, certificate.key))


@pytest.fixture
def feed(unsealed: RunningHub) -> str:
    """A feed for one test."""
    return add_feed(unsealed, CHONGQING, f"cq.audited-{next(_numbers)}")


@pytest.fixture
def province(unsealed: RunningHub, feed: str, tmp_path: Path) -> Path:
    """The directory of an adapter that has sent seven events in two batches, with others around them."""
    directory, chongqing = tmp_path / "adapter", Province(unsealed, CHONGQING)
    outbox = Outbox(directory / "outbox.sqlite", keep_sent_days=1)
    for batch in (events(5), events(7)[5:]):
        chongqing.tell("cq.usage", registered("A00000001"))
        asyncio.run(send(outbox, connection_to(unsealed), directory, feed, batch))
    outbox.close()
    return directory


def published(hub: RunningHub, folder: Path) -> tuple[Path, str]:
    """Seals the log as it is now and writes it into a folder; returns that, and the log's key."""
    keys = hub.data_dir / "keys"
    with runner.connect(hub.dsn) as connection:
        sealer = runner.sealer(connection, LogSettings(keys, "exchange.chuanyu"))
        while sealer.seal().unsealed:
            pass
    with session(hub.dsn, "hub_reader", "test") as connection:
        log = files.log_of(connection)
        files.write_all(connection, log, folder)
    return folder, signers(open_log_keys(keys), log.origin)[0].verifier.text


def audited(hub: RunningHub, province: Path, folder: Path, *, opens: bool = True) -> tuple[int, list[str]]:
    """Returns the exit code of `province-adapter audit` and what it names."""
    mirror, log_key = published(hub, folder)
    certificate = hub.certificate(CHONGQING)
    opening = ("--ca", certificate.authority, "--cert", certificate.certificate, "--key", certificate.key, "--hub", hub.targets[0])
    arguments = ("--data-dir", province, "--mirror", mirror, "--log-key", log_key, "--sealed-within-min", 0, "--json")
    code, output = command("audit", *arguments, *(opening if opens else ()))
    assert code in (0, 1), output
    found = json.loads(output.splitlines()[-1])
    assert found["receipts"] == 2
    return code, sorted({f"{one['name']} {one['feed']} {one['first']}-{one['last']}" for one in found["differences"]})


def edit(hub: RunningHub, *statements: str) -> None:
    with psycopg.connect(hub.dsn) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def last_batch(feed: str) -> str:
    return f"""(SELECT b.* FROM journal.batch b JOIN journal.stream s USING (stream_id) WHERE s.name = '{feed}'
        ORDER BY first_sequence DESC LIMIT 1)"""


def test_a_hub_that_has_everything_is_not_convicted(unsealed: RunningHub, province: Path, feed: str, tmp_path: Path) -> None:
    assert audited(unsealed, province, tmp_path / "log") == (0, [])


def test_a_batch_that_the_hub_signed_for_and_lost_is_named(unsealed: RunningHub, province: Path, feed: str, tmp_path: Path) -> None:
    edit(
        unsealed,
        f"CREATE TEMP TABLE lost AS SELECT * FROM {last_batch(feed)} b",
        "DELETE FROM journal.event e USING lost l WHERE e.position >= l.first_position",
        "DELETE FROM journal.batch b USING lost l WHERE b.first_position >= l.first_position",
        "UPDATE journal.stream s SET next_sequence = l.first_sequence FROM lost l WHERE s.stream_id = l.stream_id",
        "UPDATE journal.head SET position = (SELECT first_position - 1 FROM lost)",
    )
    Province(unsealed, CHONGQING).tell("cq.usage", registered("A00000002"), registered("A00000003"), registered("A00000004"))
    assert audited(unsealed, province, tmp_path / "log", opens=False) == (1, [f"BATCH_NOWHERE {feed} 6-7"])


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ("UPDATE journal.event SET digest = sha256('other'::bytea), leaf = NULL WHERE position = {position}", "OTHER_CONTENT"),
        ("UPDATE journal.event SET recorded_at = recorded_at + interval '1 s', leaf = NULL WHERE position = {position}", "LATER_THAN_SAID"),
    ],
    ids=["content", "time"],
)
def test_an_event_that_was_changed_before_it_was_sealed_is_named(
    unsealed: RunningHub, province: Path, feed: str, tmp_path: Path, change: str, difference: str
) -> None:
    with psycopg.connect(unsealed.dsn) as connection:
        row = connection.execute(f"SELECT first_position + 1 FROM {last_batch(feed)} b").fetchone()
    assert row is not None
    edit(unsealed, change.format(position=row[0]))
    assert audited(unsealed, province, tmp_path / "log") == (1, [f"{difference} {feed} 7-7"])


def test_two_events_that_changed_places_are_named(unsealed: RunningHub, province: Path, feed: str, tmp_path: Path) -> None:
    swap = f"""UPDATE journal.event e SET digest = o.digest, data = o.data, leaf = NULL FROM journal.event o, {last_batch(feed)} b
        WHERE e.position IN (b.first_position, b.first_position + 1) AND o.position = 2 * b.first_position + 1 - e.position"""
    edit(unsealed, swap)
    assert audited(unsealed, province, tmp_path / "log") == (1, [f"OTHER_CONTENT {feed} 6-6", f"OTHER_CONTENT {feed} 7-7"])


def spoil_bundle(folder: Path) -> None:
    bundle = next((folder / "tile" / "entries").glob("*.p/*"))
    data = bytearray(bundle.read_bytes())
    data[-1] ^= 1
    bundle.write_bytes(data)


def cut_bundle(folder: Path) -> None:
    bundle = next((folder / "tile" / "entries").glob("*.p/*"))
    bundle.write_bytes(bundle.read_bytes()[:-9])


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (spoil_bundle, "not those of the checkpoint"),
        (cut_bundle, "cut"),
        (lambda folder: (folder / "checkpoint").unlink(), "checkpoint"),
        (lambda folder: (folder / "checkpoint").write_text("a\nb\n"), "checkpoint"),
        (
            lambda folder: (folder / "checkpoint").write_text((folder / "checkpoint").read_text().replace("\n", "x\n", 1)),
            "no key is",
        ),
        (lambda folder: (folder / "checkpoint").write_text((folder / "checkpoint").read_text().replace("\n", "\n1", 1)), "not signed"),
    ],
    ids=["altered", "cut", "missing", "no checkpoint", "renamed", "of another size"],
)
def test_a_copy_that_is_not_the_logs_is_refused(copy: tuple[Path, str], province: Path, spoil: Callable[[Path], object], why: str) -> None:
    folder, log_key = copy
    spoil(folder)
    code, output = command("audit", "--data-dir", province, "--mirror", folder, "--log-key", f"log {log_key}")
    assert code == 2
    assert why in output


def test_a_receipt_that_was_altered_is_a_difference_and_the_others_are_compared(
    unsealed: RunningHub, province: Path, feed: str, tmp_path: Path
) -> None:
    with sqlite3.connect(province / "outbox.sqlite") as outbox:
        outbox.execute("UPDATE receipt SET document = 'chuanyu-receipt/1 altered' WHERE first_sequence = 6")
    code, found = audited(unsealed, province, tmp_path / "log", opens=False)
    assert (code, found) == (1, ["RECEIPT_WRONG ? 0-0"])
    code, output = command("receipts", "list", "--data-dir", province)
    assert (code, f"{feed} 1-5 " in output, "unreadable" in output) == (0, True, True)


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", b"a" * (1 << 16)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", b""),
        (b"nonsense\r\n\r\n", b""),
    ],
    ids=("without end", "ended early", "no answer of HTTP"),
)
def test_a_site_that_sends_what_no_log_has_is_given_up(head: bytes, body: bytes) -> None:
    with sends(head, body, every_s=0, is_endless=bool(body)) as url, pytest.raises(LogUnreadable):
        LogCopy(url).checkpoint()


@pytest.mark.parametrize("size", ["-1", "+1", "1_0", " 1", str(1 << 63)])
def test_a_size_that_is_none_is_refused(size: str, tmp_path: Path) -> None:
    (tmp_path / "checkpoint").write_text(f"exchange.example/1\n{size}\n{'A' * 43}=\n\n")
    with pytest.raises(LogUnreadable):
        LogCopy(str(tmp_path)).checkpoint()


def test_half_of_what_opens_digests_is_refused(province: Path, tmp_path: Path) -> None:
    code, output = command("audit", "--data-dir", province, "--mirror", tmp_path, "--ca", tmp_path / "ca.crt")
    assert code == 2
    assert "--cert --key --hub" in output


@pytest.fixture
def copy(unsealed: RunningHub, province: Path, tmp_path: Path) -> tuple[Path, str]:
    """A copy of a log and its key."""
    return published(unsealed, tmp_path / "copy")

"""Versions of rules and reference data: kept when they take effect, run again when an old answer is to be repeated.

A version is kept as an archive (`rule_archive`) under the digest that decisions carry. It is checked, and then run in a process of its
own with its own modules before the present ones, so that two versions never meet in one interpreter.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from eventsourcing.persistence import IntegrityError

from hub.audit.rule_archive import archive_digest, needs_at_hand, pack_version, unpack_version
from hub.audit.rule_process import RuleProcess, RulesEnded, bare_environment
from hub.domain.acceptance import rules_digest
from hub.domain.errors import RuleVersionFailed, RuleVersionUnknown
from hub.domain.rule_book import RuleBook
from hub.journal.reader import reading
from hub.journal.recorder import AggregateStore

ANSWER_S = 30.0
_ASK = "import sys; from hub.domain.replaying import answer; print(answer(sys.stdin.read()))"


def publish_rules(connection: psycopg.Connection, store: AggregateStore, at: datetime) -> bool:
    """Keeps the version at hand, and records that it took effect unless it already had; returns whether it did so now."""
    digest = rules_digest()
    kept = _kept(connection, digest)
    if kept is None:
        connection.execute("INSERT INTO journal.rule_version VALUES (%s, %s) ON CONFLICT DO NOTHING", (digest, pack_version()))
        kept = _kept(connection, digest)
    assert kept is not None, "what was kept is never taken away"
    while True:
        book = store.get(RuleBook, RuleBook.create_id())
        if book is None:
            book = RuleBook.open(digest, archive_digest(kept), at)
        else:
            book.publish(digest, archive_digest(kept), at)
        try:
            return bool(store.save(book))
        except IntegrityError:
            # Another process of the hub was starting, too; what it recorded is read again.
            continue


def answer_by(dsn: str, digest: bytes, packed: str) -> dict[str, Any]:
    """Has a kept version answer what `hub.domain.replaying.pack` wrote; raises RuleVersionUnknown, …Damaged or …Failed."""
    with unpacked_version(dsn, digest) as (directory, needs):
        command = [sys.executable, "-c", _ASK]
        try:
            ran = subprocess.run(
                command, input=packed, env=bare_environment(directory), capture_output=True, encoding="utf-8", check=True,
                timeout=ANSWER_S, cwd=directory,
            )  # fmt: skip
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            raise RuleVersionFailed(_difference(needs)) from None
    answered: dict[str, Any] = json.loads(ran.stdout)
    return answered


@contextmanager
def kept_rules(dsn: str, digest: bytes) -> Iterator[RuleProcess]:
    """Gives a process of a kept version that answers question after question; raises RuleVersionUnknown, …Damaged or …Failed."""
    with unpacked_version(dsn, digest) as (directory, needs):
        try:
            with closing(RuleProcess(directory)) as process:
                yield process
        except RulesEnded:
            raise RuleVersionFailed(_difference(needs)) from None


@contextmanager
def unpacked_version(dsn: str, digest: bytes) -> Iterator[tuple[Path, dict[str, str]]]:
    """Unpacks a kept version and gives its directory and what it needs; raises RuleVersionUnknown or RuleVersionDamaged."""
    with reading(dsn, "hub_reader", "hub-rules") as connection:
        kept = _kept(connection, digest)
    if kept is None:
        raise RuleVersionUnknown
    with closing(AggregateStore(dsn)) as store:
        book = store.get(RuleBook, RuleBook.create_id())
    with tempfile.TemporaryDirectory(prefix="hub-rules-") as directory:
        published = book.archives.get(digest, b"") if book is not None else b""
        yield Path(directory), unpack_version(kept, digest, published, Path(directory))


def kept_digests(connection: psycopg.Connection) -> list[bytes]:
    """Returns the digests of the versions that are kept."""
    return [bytes(digest) for (digest,) in connection.execute("SELECT digest FROM journal.rule_version ORDER BY digest").fetchall()]


def _kept(connection: psycopg.Connection, digest: bytes) -> bytes | None:
    row = connection.execute("SELECT archive FROM journal.rule_version WHERE digest = %s", (digest,)).fetchone()
    return bytes(row[0]) if row is not None else None


def _difference(needs: dict[str, str]) -> str:
    """Names the versions it was kept with that are not those at hand."""
    here = needs_at_hand()
    return ", ".join(f"{name} {version} (here {here.get(name, 'none')})" for name, version in needs.items() if here.get(name) != version)

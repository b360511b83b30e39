"""Versions of rules and reference data: kept when they take effect, run again when an old answer is to be repeated.

A version is the sources of `hub.domain`, as a zip file under the digest that decisions carry. It is run in a process of its own, with
its own modules before today's, so that two versions never meet in one interpreter.
"""

import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from eventsourcing.persistence import IntegrityError

import hub
from hub.domain.acceptance import rules_digest
from hub.domain.errors import RuleVersionFailed, RuleVersionUnknown
from hub.domain.rule_book import RuleBook
from hub.journal.recorder import AggregateStore

ANSWER_S = 30.0
_ASK = "import sys; from hub.domain.replaying import answer; print(answer(sys.stdin.read()))"
# A zip file stores instants; one for all makes the archive depend on its contents alone.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def publish_rules(dsn: str, store: AggregateStore, at: datetime) -> bool:
    """Keeps today's version, and records that it took effect unless it already had; tells whether it did so now."""
    digest = rules_digest()
    with psycopg.connect(dsn, autocommit=True, application_name="hub-rules") as connection:
        connection.execute("SET ROLE hub_writer")
        if connection.execute("SELECT FROM journal.rule_version WHERE digest = %s", (digest,)).fetchone() is None:
            connection.execute("INSERT INTO journal.rule_version VALUES (%s, %s) ON CONFLICT DO NOTHING", (digest, _archive()))
    while True:
        book = store.get(RuleBook, RuleBook.create_id())
        if book is None:
            book = RuleBook.open(digest, at)
        else:
            book.publish(digest, at)
        try:
            return bool(store.save(book))
        except IntegrityError:
            # Another process of the hub was starting, too; what it recorded is read again.
            continue


def answer_by(connection: psycopg.Connection, digest: bytes, packed: str) -> dict[str, Any]:
    """Has a kept version answer what `hub.domain.replaying.pack` wrote; raises RuleVersionUnknown or RuleVersionFailed."""
    row = connection.execute("SELECT archive FROM journal.rule_version WHERE digest = %s", (digest,)).fetchone()
    if row is None:
        raise RuleVersionUnknown
    with tempfile.TemporaryDirectory(prefix="hub-rules-") as directory:
        with zipfile.ZipFile(io.BytesIO(bytes(row[0]))) as archive:
            archive.extractall(directory)
        environment = {**os.environ, "PYTHONPATH": directory, "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-c", _ASK]
        try:
            ran = subprocess.run(
                command, input=packed, env=environment, capture_output=True, text=True, check=True, timeout=ANSWER_S, cwd=directory
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            raise RuleVersionFailed from None
    answered: dict[str, Any] = json.loads(ran.stdout)
    return answered


def _archive() -> bytes:
    """Packs the sources of the domain, the same bytes for the same sources."""
    root = Path(hub.__file__).parent.parent
    files = sorted(path for path in (root / "hub" / "domain").rglob("*") if path.suffix in (".py", ".csv"))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("hub/__init__.py", _EPOCH), b"")
        for path in files:
            archive.writestr(zipfile.ZipInfo(path.relative_to(root).as_posix(), _EPOCH), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return packed.getvalue()

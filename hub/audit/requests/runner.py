"""Carries out approved requests, one after the other, in a process for each; one runner among all processes, by a lock.

An idle one asks once a second for the versions of a few streams. After a crash the next one finds the request running, and begins it again
from what was asked.
"""

import contextlib
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

import psycopg
from chuanyu.exchange.v1 import audit_requests_pb2 as protos

from hub.audit.requests.desk import opened
from hub.audit.requests.folder import NAMES, Folder, drop_old
from hub.audit.requests.reading import REQUESTS, find, newest
from hub.child import Forked, forks_of
from hub.config import Config
from hub.domain.aggregate import Step
from hub.domain.audit_errors import AuditChanged, AuditNotApproved, AuditNotRunning
from hub.domain.audit_request import APPROVED, DELIVERED, RUNNING, AuditRequest, number_of
from hub.journal.persisting import Words, persist
from hub.journal.sessions import locks, session

log = logging.getLogger(__name__)

LOCK = "hub.audits"
ROUND_S = 1.0
# Who calls off a run sees it end within a second.
LOOK_S = 0.25
END_WITHIN_S = 0.5
# A request whose process dies as often is one that kills it.
MOST_BEGUN = 5
_LOOK_BACK = 1_000
_WORKER = "hub.audit.requests.worker"
_forks = forks_of(_WORKER)
_SWEEP_EVERY_S = 3_600.0


def run(dsn: str, stop: threading.Event, config: Config) -> None:
    """Works until *stop* is set; survives restarts of the database."""

    def work(connection: psycopg.Connection) -> None:
        if _alone(connection, stop):
            Runner(dsn, connection, config, stop).work()

    persist(log, Words("audits", "no request is carried out"), stop, partial(session, dsn, "hub_reader", "hub-audits"), work)


def _alone(connection: psycopg.Connection, stop: threading.Event) -> bool:
    while not locks(connection, LOCK):
        if stop.wait(ROUND_S):
            return False
    return not stop.is_set()


class Runner:
    """What one runner knows: how many requests there are, and those that are open, by number and version."""

    def __init__(self, dsn: str, connection: psycopg.Connection, config: Config, stop: threading.Event) -> None:
        """*connection* has the lock."""
        self._dsn, self._connection, self._config, self._stop = dsn, connection, config, stop
        self._open: dict[int, AuditRequest] = {}
        self._last, self._swept_s = 0, 0.0

    def work(self) -> None:
        """Carries out what is approved until it is to stop."""
        self._last = REQUESTS.count(self._connection)
        self._keep(newest(self._connection, _LOOK_BACK))
        while not self._stop.is_set():
            self._sweep()
            self._look()
            if (audit := self._next()) is not None:
                self._carry_out(audit)
            else:
                self._stop.wait(ROUND_S)

    def _look(self) -> None:
        """Reads again what has changed."""
        found = REQUESTS.versions(self._connection, [*self._open, self._last + 1])
        changed = [number for number, version in found.items() if number not in self._open or self._open[number].version != version]
        if not changed:
            return
        last = REQUESTS.count(self._connection, self._last)
        self._keep(REQUESTS.at_numbers(self._connection, sorted({*changed, *range(self._last + 1, last + 1)})))
        self._last = last

    def _keep(self, audits: list[AuditRequest]) -> None:
        for audit in audits:
            number = number_of(audit.code)
            self._open.pop(number, None)
            if audit.is_open:
                self._open[number] = audit

    def _next(self) -> AuditRequest | None:
        """Returns what was begun and not ended, else what was approved first."""
        ready = [audit for audit in self._open.values() if audit.state in (APPROVED, RUNNING)]
        return min(ready, key=lambda audit: (audit.state != RUNNING, _approved(audit)), default=None)

    def _carry_out(self, audit: AuditRequest) -> None:
        times = sum(step.kind == "audit_begun" for step in audit.steps)
        if times >= MOST_BEGUN:
            self._end(audit.code, {"failed": "PROCESS_ENDED", "detail": f"{times}"})
            return
        log.info("audit %s is begun", audit.code)
        process = f"{socket.gethostname()[:100]}/{os.getpid()}"
        try:
            with opened(self._dsn, self._connection) as desk:
                self._keep([desk.change(audit.code, lambda one: one.begin_run(process, _now()))])
        except (AuditNotApproved, AuditChanged):
            # Somebody has just called it off, which is seen at the next look.
            return
        self._end(audit.code, self._result_of(audit.code))

    def _result_of(self, code: str) -> Mapping[str, Any] | None:
        """Runs the process until it ends, is called off or is to stop; returns what it says, None where it says nothing."""
        environment = {**os.environ, "HUB_DSN": self._dsn, "HUB_DATA_DIR": str(self._config.data_dir)}
        child = Forked(_forks, _WORKER, [code], environment)
        try:
            while child.poll() is None and not self._stop.wait(LOOK_S):
                self._look()
                if number_of(code) not in self._open:
                    break
            if child.poll() is None:
                child.stop(END_WITHIN_S)
                return None
            return _said(child.stdout.read())
        finally:
            child.kill()

    def _end(self, code: str, result: Mapping[str, Any] | None) -> None:
        """Records what came of a run, unless it was called off or is to be begun again, and takes away what nobody is to have."""
        if result is not None and "cancelled" not in result:
            with opened(self._dsn, self._connection) as desk, contextlib.suppress(AuditNotRunning, AuditChanged):
                desk.change(code, lambda audit: _record(audit, result))
        audit = find(self._connection, code)
        self._keep([audit])
        if not audit.is_open and audit.state != DELIVERED:
            Folder(self._config.data_dir, code).clear()
        log.info("audit %s: %s", code, audit.state)

    def _sweep(self) -> None:
        if time.monotonic() - self._swept_s > _SWEEP_EVERY_S or not self._swept_s:
            self._swept_s = time.monotonic()
            drop_old(self._config.data_dir, self._config.audit_keep_days)


def _approved(audit: AuditRequest) -> datetime:
    found: Step | None = next((step for step in audit.steps if step.kind == "audit_approved"), None)
    return found.at if found is not None else _now()


def _now() -> datetime:
    return datetime.now(UTC)


def _record(audit: AuditRequest, result: Mapping[str, Any]) -> None:
    if "failed" in result:
        audit.fail(result["failed"], result["detail"], _now())
    else:
        audit.deliver(_delivered(result), _now())


def _said(line: str) -> Mapping[str, Any] | None:
    """Returns what a process says, None for one that ended before it said anything."""
    try:
        said: Mapping[str, Any] = json.loads(line)
    except ValueError:
        return None
    return said


def _delivered(result: Mapping[str, Any]) -> protos.AuditDelivered:
    """Returns what is recorded of a run that delivered."""
    digests = {name: bytes.fromhex(digest) for name, digest in result["digests"].items()}
    tree = result["tree"]
    report = digests.get(NAMES[protos.AUDIT_PART_REPORT_PDF]) or digests.get(NAMES[protos.AUDIT_PART_REPORT_HTML], b"")
    return protos.AuditDelivered(
        outcome_digest=digests[NAMES[protos.AUDIT_PART_OUTCOME]],
        report_digest=report,
        bundle_digest=digests.get(NAMES[protos.AUDIT_PART_BUNDLE], b""),
        recorded_as_of=result["recorded_as_of"],
        tree_size=tree["tree_size"] or 0,
        tree_origin=tree["tree_origin"] or "",
        tree_root=bytes.fromhex(tree["tree_root"] or ""),
        checkpoint_digest=bytes.fromhex(tree["checkpoint_digest"] or ""),
    )

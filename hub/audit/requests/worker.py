"""The process that carries out one audit: it answers the question, writes what comes of it, and says so in one line to who started it.

It is a process of its own, so that it can be ended at once, takes no turn of the hub's, and a fault in it is its own.
"""

import errno
import hashlib
import json
import logging
import signal
import sys
import threading
import time
from typing import Any

import psycopg
from chuanyu.exchange.v1 import audit_requests_pb2 as protos

from hub.audit.bundle import With
from hub.audit.bundle_handing import Asked, hand_over
from hub.audit.bundle_question import of_card
from hub.audit.outcome import Outcome, Text, as_json, seen
from hub.audit.own_policy import own_policy
from hub.audit.replay.progress import Cancelled
from hub.audit.replay.questions import answer
from hub.audit.report import pages, pdf
from hub.audit.report.fonts import FontsMissing
from hub.audit.report.signing import sign
from hub.audit.requests.about import lines_about
from hub.audit.requests.folder import NAMES, Folder
from hub.audit.requests.reading import find
from hub.child import is_called
from hub.config import Config
from hub.domain.audit_request import AuditRequest
from hub.domain.errors import HubError
from hub.domain.looks import Looker
from hub.giving_way import work_behind
from hub.journal.sessions import session
from hub.telemetry.process_log import speak_on_stderr
from hub.trust.authority import AuthorityKeyMissing
from hub.trust.receipt_keys import read_receipt_keys
from hub.trust.report_keys import ReportCertificateEnded, open_report_signer

log = logging.getLogger(__name__)

NICENESS = 5
PURPOSE = "AUDIT_REQUEST"
# Somebody looks at it every second.
_NOTE_EVERY_S = 0.2
_FULL = (errno.ENOSPC, errno.EDQUOT)
_MOST_DETAIL = 300
# What the outcome of an audit of the record says of the tree; others say nothing of one.
_TREE = ("tree_size", "tree_origin", "tree_root", "checkpoint_digest")


def main() -> None:
    """Carries out the audit whose code is the argument, on the database and data directory that the environment names."""
    is_called(sys.argv[1])
    all_is_said = speak_on_stderr("hub audit")
    work_behind(NICENESS)
    sys.stdout.write(json.dumps(_carried_out(Config(), sys.argv[1])) + "\n")
    sys.stdout.flush()
    all_is_said()


def _carried_out(config: Config, code: str) -> dict[str, Any]:
    """Returns what came of it: digests by name, or the reason why nothing came of it."""
    folder = Folder(config.data_dir, code)
    try:
        folder.make()
        with session(config.dsn, "hub_reader", "hub-audit") as connection:
            audit = find(connection, code)
        return _delivered(config, audit, folder)
    except Cancelled:
        return {"cancelled": True}
    except psycopg.errors.DiskFull:
        return _failed("DISK_FULL", "")
    except OSError as failure:
        return _failed("DISK_FULL" if failure.errno in _FULL else "FILES_UNUSABLE", failure.strerror or "")
    except psycopg.Error as failure:
        return _failed("DATABASE_AWAY", type(failure).__name__)
    except MemoryError:
        return _failed("MEMORY_SHORT", "")
    except HubError as refusal:
        return _failed(_reason_of(refusal), str(refusal))
    except Exception as fault:
        log.exception("an audit failed by a fault of the hub")
        return _failed("FAULT", type(fault).__name__)


def _delivered(config: Config, audit: AuditRequest, folder: Folder) -> dict[str, Any]:
    found = answer(config.dsn, audit.requested.question, _Noted(folder))
    outcome = found._replace(about=(*found.about, *lines_about(audit)))
    outcome = _with_bundle(config, audit, folder, outcome)
    folder.write(protos.AUDIT_PART_OUTCOME, as_json(outcome))
    folder.write(protos.AUDIT_PART_REPORT_HTML, pages.page(outcome))
    try:
        folder.write(protos.AUDIT_PART_REPORT_PDF, pdf.render(outcome))
    except FontsMissing:
        # The page says the same.
        log.warning("audit %s: a machine without the fonts makes no PDF", audit.code)
    digests = {NAMES[part]: hashlib.sha256(folder.file(part).read_bytes()).hexdigest() for part in folder.parts()}
    _sign(config, audit, folder)
    return {"digests": digests, "recorded_as_of": outcome.recorded_as_of, "tree": {name: outcome.facts.get(name) for name in _TREE}}


def _sign(config: Config, audit: AuditRequest, folder: Folder) -> None:
    """Signs the report; its digest in the record is that of what was signed, which anybody can make again."""
    if protos.AUDIT_PART_REPORT_PDF not in folder.parts():
        return
    try:
        signer = open_report_signer(config.certificates_dir)
    except (AuthorityKeyMissing, ReportCertificateEnded) as refusal:
        log.warning("audit %s: its report stays unsigned: %s", audit.code, refusal)
        return
    folder.write(protos.AUDIT_PART_REPORT_PDF, sign(folder.file(protos.AUDIT_PART_REPORT_PDF).read_bytes(), signer))


def _with_bundle(config: Config, audit: AuditRequest, folder: Folder, outcome: Outcome) -> Outcome:
    """Makes the bundle of a card; where none can be made, the outcome says why."""
    if audit.kind != "card":
        return outcome
    card = audit.requested.question.card.card
    try:
        with session(config.dsn, "hub_reader", "hub-bundle") as connection:
            policy = own_policy(connection, config.keys_dir, config.log_policy)
        by, beside = audit.requested.by, With(policy, read_receipt_keys(config.keys_dir))
        asked = Asked(Looker(by.participant, by.name), PURPOSE, card)
        hand_over(config.dsn, of_card(card.key), asked, beside, folder.path / NAMES[protos.AUDIT_PART_BUNDLE])
    except HubError as refusal:
        why = _seen(str(refusal))
        without = Text(f"没有证据包：{why}", f"There is no bundle: {why}")
        return outcome._replace(limits=(*outcome.limits, without))
    (folder.path / NAMES[protos.AUDIT_PART_BUNDLE]).chmod(0o600)
    return outcome


class _Noted:
    """Notes how far the run is, not too often, and ends it where it is asked to end."""

    def __init__(self, folder: Folder) -> None:
        self._folder, self._noted_s, self._stop = folder, 0.0, threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: self._stop.set())

    def __call__(self, done: int, of: int) -> None:
        if self._stop.is_set():
            raise Cancelled
        now_s = time.monotonic()
        if done == of or now_s - self._noted_s > _NOTE_EVERY_S:
            self._noted_s = now_s
            self._folder.note(done, of)


def _failed(reason: str, detail: str) -> dict[str, Any]:
    return {"failed": reason, "detail": _seen(detail)}


def _seen(text: str) -> str:
    return seen(text)[:_MOST_DETAIL]


def _reason_of(refusal: HubError) -> str:
    """Returns the name of an error as a reason, such as WINDOW_IN_FUTURE."""
    name = type(refusal).__name__
    return "".join(f"_{letter}" if letter.isupper() and number else letter for number, letter in enumerate(name)).upper()

"""What the commands of audits share: the desk, opened on the database that the settings name, and the wait until a request has ended."""

import contextlib
import sys
import time
from collections.abc import Iterator

import typer
from chuanyu.exchange.v1.audit_requests_pb2 import AuditPerson

from hub.audit.requests.desk import AuditDesk, of_operator
from hub.audit.requests.desk import opened as desk_on
from hub.audit.requests.folder import Done, Folder
from hub.commands.audit_screen import next_commands
from hub.commands.database import database
from hub.commands.login import acting as acting_operator
from hub.commands.login import login
from hub.commands.progress import progress
from hub.config import Config
from hub.domain.audit_request import DELIVERED, REQUESTED, AuditRequest
from hub.journal.sessions import session
from hub.words.audits import REASONS, STATES

_LOOK_S = 0.3
_LINE_EVERY_S = 10.0


class _Said:
    """Says how far a request is where no bar is drawn: at each further state, and then every ten seconds."""

    def __init__(self) -> None:
        self._state, self._said_s = "", 0.0

    def __call__(self, audit: AuditRequest, done: Done) -> None:
        now_s = time.monotonic()
        if sys.stderr.isatty() or (audit.state == self._state and now_s - self._said_s < _LINE_EVERY_S):
            return
        self._state, self._said_s = audit.state, now_s
        far = f" {done.done:,}/{done.of:,}" if done.of else ""
        typer.echo(f"{audit.code} {audit.state} {' '.join(STATES[audit.state])}{far}", err=True)


@contextlib.contextmanager
def desk() -> Iterator[AuditDesk]:
    """Opens the desk on the database that the settings name."""
    with database(Config()) as dsn, opened(dsn) as found:
        yield found


@contextlib.contextmanager
def opened(dsn: str) -> Iterator[AuditDesk]:
    """Opens the desk on a database."""
    with session(dsn, "hub_reader", "hub-audits") as connection, desk_on(dsn, connection) as found:
        yield found


def acting(operator: str) -> AuditPerson:
    """Returns who acts: the operator that is named, else who is logged in, and the login in either case."""
    return of_operator(acting_operator(operator), login())


def waited(found: AuditDesk, config: Config, audit: AuditRequest) -> AuditRequest:
    """Waits until a request has ended, and shows how far it is: a bar, or without a terminal a line now and then.

    Exit code 1 unless it was delivered.
    """
    said = _Said()
    if audit.state == REQUESTED:
        typer.echo("等待核准；按 Ctrl-C 不影响申请 waiting for an approval; Ctrl-C leaves the request as it is", err=True)
        typer.echo("\n".join(f"{title}: {command}" for title, command in next_commands(audit)), err=True)
    with progress() as report:
        while audit.is_open:
            done = Folder(config.data_dir, audit.code).progress()
            report(f"{audit.code} {audit.state}", done.done, max(1, done.of))
            said(audit, done)
            time.sleep(_LOOK_S)
            audit = found.find(audit.code)
    if audit.state != DELIVERED:
        zh, en = REASONS.get(audit.reason_code, (audit.detail, ""))
        typer.echo(f"✗ {audit.code} {audit.state} {audit.reason_code}: {zh} {en}".rstrip(), err=True)
        raise typer.Exit(1)
    return audit

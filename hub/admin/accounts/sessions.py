"""Sessions as rows, by the hash of what the browser has; one-time links; and what a session was given to look at for a while.

A session ends after half an hour without a page, after eight hours in any case, and with a change of its account.
"""

import hashlib
import secrets
from collections.abc import Sequence
from typing import NamedTuple

import psycopg

from hub.admin.accounts.accounts import COLUMNS, Account, account_in, find_account
from hub.domain.errors import HubError

IDLE_MIN, LONGEST_H = 30, 8
LINK_MIN, SUBJECT_MIN = 10, 15


class LinkSpent(HubError):
    """The link was used before, or its ten minutes are over; ask for another one."""


class SubjectUnknown(HubError):
    """What was found is shown for fifteen minutes, to who found it; search for it again."""


class Session(NamedTuple):
    """Who is signed in, how, and the token that forms of this session carry."""

    digest: bytes
    account: Account
    token: str
    way: str


class Subject(NamedTuple):
    """What a session may look at: a card by its key under a handle, or anything else that a purpose was given for."""

    handle: str
    card_key: bytes | None
    issuing_province: str
    shown_as: str
    purpose: str


def digest_of(secret: str) -> bytes:
    """What is kept of a secret that a browser has: nobody who reads the rows can use them."""
    return hashlib.sha256(secret.encode()).digest()


def make_link(connection: psycopg.Connection, account: str) -> str:
    """Returns the secret of a link that signs in once, within ten minutes."""
    secret = secrets.token_urlsafe(32)
    with connection.transaction():
        connection.execute("DELETE FROM console.link WHERE until < clock_timestamp()")
        connection.execute(_LINK, {"digest": digest_of(secret), "account": account, "minutes": LINK_MIN})
    return secret


def spend_link(connection: psycopg.Connection, secret: str) -> Account:
    """Returns whose link it is, and spends it; raises LinkSpent."""
    row = connection.execute(
        "DELETE FROM console.link WHERE digest = %s AND until > clock_timestamp() RETURNING account", (digest_of(secret),)
    ).fetchone()
    account = find_account(connection, row[0]) if row is not None else None
    if account is None or account.is_disabled:
        raise LinkSpent
    return account


def begin_session(connection: psycopg.Connection, account: Account, way: str) -> str:
    """Returns the secret of a new session."""
    secret = secrets.token_urlsafe(32)
    with connection.transaction():
        connection.execute(_ENDED, {"idle": IDLE_MIN, "longest": LONGEST_H})
        connection.execute(
            "INSERT INTO console.session (digest, account, token, way) VALUES (%s, %s, %s, %s)",
            (digest_of(secret), account.name, secrets.token_urlsafe(24), way),
        )
    return secret


def find_session(connection: psycopg.Connection, secret: str) -> Session | None:
    """Returns the session of a secret, None if it has ended or never was."""
    return next(iter(find_sessions(connection, [digest_of(secret)])), None)


def find_sessions(connection: psycopg.Connection, digests: Sequence[bytes]) -> list[Session]:
    """Returns those of some sessions that have not ended."""
    rows = connection.execute(_SEEN, {"digests": list(digests), "idle": IDLE_MIN, "longest": LONGEST_H}).fetchall()
    found = [Session(bytes(row[0]), account_in(row[3:]), row[1], row[2]) for row in rows]
    return [session for session in found if not session.account.is_disabled]


def end_session(connection: psycopg.Connection, session: Session) -> None:
    """Ends a session."""
    connection.execute("DELETE FROM console.session WHERE digest = %s", (session.digest,))


def end_all(connection: psycopg.Connection, account: str) -> int:
    """Ends all sessions of an account, and returns how many there were."""
    return connection.execute("DELETE FROM console.session WHERE account = %s", (account,)).rowcount


class OpenSession(NamedTuple):
    """A session of an account: how it began and when, when it last showed a page, and what names it to its owner."""

    digest: bytes
    way: str
    began_us: int
    seen_us: int


def open_sessions(connection: psycopg.Connection, account: str) -> list[OpenSession]:
    """Returns the sessions of an account that have not ended, the newest first."""
    connection.execute(_ENDED, {"idle": IDLE_MIN, "longest": LONGEST_H})
    return [OpenSession(bytes(row[0]), *row[1:]) for row in connection.execute(_OPEN, (account,)).fetchall()]


def sessions_of(connection: psycopg.Connection) -> dict[str, int]:
    """Returns how many sessions each account has."""
    connection.execute(_ENDED, {"idle": IDLE_MIN, "longest": LONGEST_H})
    return dict(connection.execute("SELECT account, count(*) FROM console.session GROUP BY 1").fetchall())


def put_subject(connection: psycopg.Connection, session: Session, subject: Subject) -> str:
    """Lets a session look at something for a while, and returns its handle: a random one if it has none."""
    handle = subject.handle or secrets.token_urlsafe(12)
    connection.execute(_SUBJECT, {**subject._asdict(), "handle": handle, "session": session.digest, "minutes": SUBJECT_MIN})
    return handle


def find_subject(connection: psycopg.Connection, session: Session, handle: str) -> Subject:
    """Returns what a session may look at; raises SubjectUnknown."""
    row = connection.execute(
        """SELECT handle, card_key, issuing_province, shown_as, purpose FROM console.subject
           WHERE session = %s AND handle = %s AND until > clock_timestamp()""",
        (session.digest, handle),
    ).fetchone()
    if row is None:
        raise SubjectUnknown
    return Subject(row[0], None if row[1] is None else bytes(row[1]), *row[2:])


def purpose_for(connection: psycopg.Connection, session: Session, handle: str, card_key: bytes) -> str:
    """Returns what a session looks at something for, or at the card that it is about; "" where it was not asked lately."""
    row = connection.execute(_PURPOSE, {"session": session.digest, "handle": handle, "card_key": card_key}).fetchone()
    return "" if row is None else str(row[0])


_PURPOSE = """
    SELECT purpose FROM console.subject
    WHERE session = %(session)s AND (handle = %(handle)s OR card_key = %(card_key)s) AND until > clock_timestamp() AND purpose <> ''
    ORDER BY handle = %(handle)s DESC, until DESC LIMIT 1"""
_LINK = """
    INSERT INTO console.link (digest, account, until)
    VALUES (%(digest)s, %(account)s, clock_timestamp() + make_interval(mins => %(minutes)s))"""
_ENDED = """
    DELETE FROM console.session WHERE seen_at < clock_timestamp() - make_interval(mins => %(idle)s)
        OR began_at < clock_timestamp() - make_interval(hours => %(longest)s)"""
_OPEN = """
    SELECT digest, way, (extract(epoch FROM began_at) * 1000000)::bigint, (extract(epoch FROM seen_at) * 1000000)::bigint
    FROM console.session WHERE account = %s ORDER BY began_at DESC"""
# The row is written at most once a minute: a page that refreshes itself would write it all the time.
_SEEN = f"""
    WITH seen AS (
        UPDATE console.session SET seen_at = clock_timestamp() WHERE digest = ANY (%(digests)s)
            AND seen_at BETWEEN clock_timestamp() - make_interval(mins => %(idle)s) AND clock_timestamp() - interval '1 minute'
            AND began_at >= clock_timestamp() - make_interval(hours => %(longest)s))
    SELECT digest, token, way, {COLUMNS} FROM console.session JOIN console.account ON name = account WHERE digest = ANY (%(digests)s)
        AND seen_at >= clock_timestamp() - make_interval(mins => %(idle)s)
        AND began_at >= clock_timestamp() - make_interval(hours => %(longest)s)"""  # noqa: S608 (our own text)
_SUBJECT = """
    INSERT INTO console.subject (session, handle, card_key, issuing_province, shown_as, purpose, until)
    VALUES (%(session)s, %(handle)s, %(card_key)s, %(issuing_province)s, %(shown_as)s, %(purpose)s,
            clock_timestamp() + make_interval(mins => %(minutes)s))
    ON CONFLICT (session, handle) DO UPDATE SET purpose = excluded.purpose, until = excluded.until"""

"""Who is signed in: roles, provinces, sessions, recovery codes, keys of the keyboard; and the end of one session, or of all of them."""

from collections.abc import Sequence

from hub.admin.accounts.roles import ROLES
from hub.admin.accounts.sessions import OpenSession, end_all, end_session, open_sessions
from hub.admin.accounts.sign_in import renew_recovery
from hub.console.page import Moved, Page, Shown
from hub.console.tables import Cell, Column, Table, table
from hub.telemetry.logs import security
from hub.words.names import PROVINCES, WAYS


def me(page: Page) -> Shown:
    """Shows it."""
    return _me(page, ())


def _me(page: Page, codes: Sequence[str]) -> Shown:
    account = page.account
    with page.workings.rows.session() as connection:
        sessions = open_sessions(connection, account.name)
    values = {
        "roles_in_words": [(role, page.words.of(ROLES, role)) for role in account.roles],
        "provinces_in_words": [page.words.of(PROVINCES, province) for province in account.provinces],
        "way": page.words.of(WAYS, page.session.way),
        "has_password": bool(account.password),
        "has_second_factor": bool(account.totp_sealed),
        "codes_left": len(codes or account.recovery),
        "codes": codes,
        "token": page.session.token,
    }
    return Shown("me", page.t("我", "Me"), values, (_sessions(page, sessions),))


def _sessions(page: Page, found: list[OpenSession]) -> Table:
    columns = (
        Column("began", "开始", "Began", "time"),
        Column("seen", "最近", "Last page", "time"),
        Column("way", "登录方式", "Signed in by"),
        Column("this", "本次", "This one"),
    )
    rows = []
    for one in found:
        way = Cell(page.words.of(WAYS, one.way), code=one.way)
        rows.append((page.at(one.began_us), page.at(one.seen_us), way, "✓" if one.digest == page.session.digest else ""))
    return table("sessions", columns, rows)


def recovery(page: Page) -> Shown:
    """Makes new recovery codes and shows them, once; raises SignInRefused without a one-time code."""
    with page.workings.rows.session() as connection:
        codes = renew_recovery(connection, page.workings.keyring, page.account.name, str(page.form.get("code", "")))
    security("console.recovery_renewed", operator=page.account.name)
    return _me(page, codes)


def sign_out(page: Page) -> Moved:
    """Ends the session."""
    with page.workings.rows.session() as connection:
        end_session(connection, page.session)
    page.workings.seen_sessions.forget(page.account.name)
    return Moved("/sign-in")


def sign_out_everywhere(page: Page) -> Moved:
    """Ends all sessions of the account, this one too."""
    with page.workings.rows.session() as connection:
        count = end_all(connection, page.account.name)
    page.workings.seen_sessions.forget(page.account.name)
    security("console.signed_out_everywhere", operator=page.account.name, count=count)
    return Moved("/sign-in")

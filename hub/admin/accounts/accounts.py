"""Accounts: names, roles, provinces, passwords and second factors. A change of roles, or an end, ends the sessions of the account."""

from collections.abc import Sequence
from typing import NamedTuple

import psycopg

from hub.admin.accounts.roles import check_provinces, check_roles
from hub.domain.errors import HubError
from hub.domain.masking import looks_like_an_identifier
from hub.domain.participant import is_operator_name


class AccountUnknown(HubError):
    """There is no such account."""


class AccountDisabled(HubError):
    """The account is disabled; ask an administrator of the console."""


class AccountNameUnfit(HubError):
    """A name has letters, digits and . _ @ -, at most 64, and is no number of a card or a person."""


class Account(NamedTuple):
    """An account; *password* is empty where its owner comes by link alone, *totp_sealed* where there is no second factor."""

    name: str
    title: str
    roles: tuple[str, ...]
    provinces: tuple[str, ...]
    password: str
    totp_key_version: int
    totp_sealed: bytes
    totp_step: int
    recovery: tuple[str, ...]
    is_disabled: bool

    def has(self, *roles: str) -> bool:
        """Whether it has one of some roles."""
        return not set(self.roles).isdisjoint(roles)


COLUMNS = "name, title, roles, provinces, password, totp_key_version, totp_sealed, totp_step, recovery, is_disabled"


def all_accounts(connection: psycopg.Connection) -> list[Account]:
    """Returns all accounts by name."""
    return [account_in(row) for row in connection.execute(f"SELECT {COLUMNS} FROM console.account ORDER BY name").fetchall()]  # noqa: S608


def find_account(connection: psycopg.Connection, name: str) -> Account | None:
    """Returns an account, None if there is none of the name."""
    row = connection.execute(f"SELECT {COLUMNS} FROM console.account WHERE name = %s", (name,)).fetchone()  # noqa: S608
    return None if row is None else account_in(row)


def put_account(connection: psycopg.Connection, name: str, title: str, roles: Sequence[str], provinces: Sequence[str]) -> None:
    """Makes an account, or gives it other roles; raises RolesUnfit, ProvincesUnfit or AccountNameUnfit."""
    check_roles(roles)
    check_provinces(provinces, roles)
    if not is_account_name(name):
        raise AccountNameUnfit
    with connection.transaction():
        connection.execute(_PUT, {"name": name, "title": title or name, "roles": list(roles), "provinces": list(provinces)})
        connection.execute("DELETE FROM console.session WHERE account = %s", (name,))


def put_identity(connection: psycopg.Connection, name: str, title: str, roles: Sequence[str], provinces: Sequence[str]) -> Account:
    """Returns the account of somebody whom a provider of identities names; raises AccountDisabled, RolesUnfit or ProvincesUnfit.

    Its other sessions end where the provider gives it other roles than before.
    """
    known = find_account(connection, name)
    if known is not None and known.is_disabled:
        raise AccountDisabled
    if known is None or (known.roles, known.provinces) != (tuple(roles), tuple(provinces)):
        put_account(connection, name, title, roles, provinces)
        known = find_account(connection, name)
    assert known is not None
    return known


def is_account_name(name: str) -> bool:
    """Whether an account may be called so."""
    return is_operator_name(name) and not looks_like_an_identifier(name)


def disable(connection: psycopg.Connection, name: str, *, is_disabled: bool) -> None:
    """Lets nobody in by an account, or again; raises AccountUnknown."""
    with connection.transaction():
        if not connection.execute("UPDATE console.account SET is_disabled = %s WHERE name = %s", (is_disabled, name)).rowcount:
            raise AccountUnknown
        connection.execute("DELETE FROM console.session WHERE account = %s", (name,))


def set_password(connection: psycopg.Connection, name: str, password: str) -> None:
    """Sets the hash of a password; raises AccountUnknown."""
    if not connection.execute("UPDATE console.account SET password = %s WHERE name = %s", (password, name)).rowcount:
        raise AccountUnknown


def set_second_factor(connection: psycopg.Connection, name: str, key_version: int, sealed: bytes, recovery: Sequence[str]) -> None:
    """Sets the sealed secret of the one-time codes and the hashes of the recovery codes; raises AccountUnknown."""
    changed = connection.execute(
        "UPDATE console.account SET totp_key_version = %s, totp_sealed = %s, totp_step = 0, recovery = %s WHERE name = %s",
        (key_version, sealed, list(recovery), name),
    )
    if not changed.rowcount:
        raise AccountUnknown


def set_recovery(connection: psycopg.Connection, name: str, recovery: Sequence[str]) -> None:
    """Sets the hashes of the recovery codes; raises AccountUnknown."""
    if not connection.execute("UPDATE console.account SET recovery = %s WHERE name = %s", (list(recovery), name)).rowcount:
        raise AccountUnknown


def spend_step(connection: psycopg.Connection, name: str, step: int) -> bool:
    """Whether a step of the one-time code is newer than all that were used; it is used from then on."""
    changed = connection.execute("UPDATE console.account SET totp_step = %s WHERE name = %s AND totp_step < %s", (step, name, step))
    return changed.rowcount == 1


def spend_recovery(connection: psycopg.Connection, name: str, digest: str) -> bool:
    """Whether a recovery code was still there; it no longer is."""
    changed = connection.execute(
        "UPDATE console.account SET recovery = array_remove(recovery, %s) WHERE name = %s AND %s = ANY (recovery)", (digest, name, digest)
    )
    return changed.rowcount == 1


def account_in(row: tuple[object, ...]) -> Account:
    """Reads a row of COLUMNS."""
    name, title, roles, provinces, password, version, sealed, step, recovery, is_disabled = row
    return Account(
        str(name), str(title), tuple(roles), tuple(provinces), str(password), int(version), bytes(sealed), int(step), tuple(recovery),  # type: ignore[call-overload, arg-type]
        bool(is_disabled),
    )  # fmt: skip


_PUT = """
    INSERT INTO console.account (name, title, roles, provinces) VALUES (%(name)s, %(title)s, %(roles)s, %(provinces)s)
    ON CONFLICT (name) DO UPDATE SET title = excluded.title, roles = excluded.roles, provinces = excluded.provinces"""

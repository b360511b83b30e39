"""Signs in by password and one-time code, for days on which the provider of identities is away (break-glass).

Passwords are Argon2id at the least that OWASP names (19 MiB, two rounds, one lane), at most two at a time: at the library's default a
try took 2 s beside other work, and signing in would be the way to stop the console. An unknown name costs the same time as a known one.
"""

import hashlib
import secrets
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import TypeVar

import psycopg
import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from hub.admin.accounts.accounts import Account, find_account, set_recovery, set_second_factor, spend_recovery, spend_step
from hub.admin.accounts.attempts import forgive, is_locked, note
from hub.domain.errors import HubError
from hub.journal.vault import seal, unseal
from hub.trust.keyring import Keyring

Found = TypeVar("Found")
LEAST_PASSWORD = 12
RECOVERY_CODES = 10
_RECOVERY_DIGITS = 10
_STEP_S = 30
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_TURNS = threading.BoundedSemaphore(2)


class SignInRefused(HubError):
    """Name, password and code do not go together, or were wrong too often; after five failures wait for fifteen minutes."""


class SignInBusy(HubError):
    """Too many sign-ins at once; try again in a few seconds."""


class PasswordTooShort(HubError):
    """A password has at least twelve characters."""


def hash_of(password: str) -> str:
    """Returns the hash of a password; raises PasswordTooShort or SignInBusy."""
    if len(password) < LEAST_PASSWORD:
        raise PasswordTooShort
    return _in_turn(lambda: _HASHER.hash(password))


def sign_in(connection: psycopg.Connection, keyring: Keyring, name: str, password: str, code: str, address: str) -> Account:
    """Returns the account; raises SignInRefused for every failure alike, or SignInBusy. *address* is empty where it says nobody."""
    counted = (f"name:{name[:64]}", *((f"address:{address}",) if address else ()))
    locked = is_locked(connection, *counted)
    account = find_account(connection, name)
    known = account if account is not None and account.password and account.totp_sealed and not account.is_disabled else None
    is_right = _in_turn(lambda: _verified(known.password if known is not None else _nobody(), password))
    if locked or known is None or not is_right or not _is_second_factor(connection, keyring, known, code):
        note(connection, *counted)
        raise SignInRefused
    forgive(connection, counted[0])
    return known


def give_second_factor(connection: psycopg.Connection, keyring: Keyring, name: str) -> tuple[str, list[str]]:
    """Makes a secret for one-time codes and ten recovery codes, and returns them: they are shown once. Raises AccountUnknown."""
    secret, codes = pyotp.random_base32(), _new_codes()
    version, sealed = seal(keyring, _belongs_to(name), secret.encode())
    set_second_factor(connection, name, version, sealed, [_digest(code) for code in codes])
    return secret, codes


def renew_recovery(connection: psycopg.Connection, keyring: Keyring, name: str, code: str) -> list[str]:
    """Returns ten new recovery codes, which are shown once, for a one-time code; the old ones count no more. Raises SignInRefused."""
    account, counted = find_account(connection, name), f"name:{name[:64]}"
    is_locked_out = is_locked(connection, counted)
    if account is None or not account.totp_sealed or is_locked_out or not _is_second_factor(connection, keyring, account, code):
        note(connection, counted)
        raise SignInRefused
    codes = _new_codes()
    set_recovery(connection, name, [_digest(one) for one in codes])
    return codes


def provisioning(name: str, secret: str) -> str:
    """Returns the address that an app reads a secret from."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name="Chuanyu hub")


def _new_codes() -> list[str]:
    return [secrets.token_hex(_RECOVERY_DIGITS // 2) for _ in range(RECOVERY_CODES)]


def _is_second_factor(connection: psycopg.Connection, keyring: Keyring, account: Account, code: str) -> bool:
    code = code.replace(" ", "").lower()
    if len(code) == _RECOVERY_DIGITS:
        return spend_recovery(connection, account.name, _digest(code))
    secret = unseal(keyring, _belongs_to(account.name), account.totp_key_version, account.totp_sealed).decode()
    totp, step = pyotp.TOTP(secret), int(time.time()) // _STEP_S
    for one in (step, step - 1, step + 1):
        if secrets.compare_digest(totp.at(datetime.fromtimestamp(one * _STEP_S, UTC)), code if code.isascii() else ""):
            # A code that was seen by somebody is of no use to him.
            return spend_step(connection, account.name, one)
    return False


def _verified(hashed: str, password: str) -> bool:
    try:
        return _HASHER.verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False


def _in_turn(work: Callable[[], Found]) -> Found:
    if not _TURNS.acquire(timeout=3.0):
        raise SignInBusy
    try:
        return work()
    finally:
        _TURNS.release()


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()


def _belongs_to(name: str) -> bytes:
    return f"totp|{name}".encode()


@cache
def _nobody() -> str:
    """What an unknown name's password is compared with."""
    return _HASHER.hash(secrets.token_urlsafe(16))

"""The hub's keys: files made on first start, mode 0600, outside the database and backed up apart from it.

The pseudonym key is for the life of the journal: another key would name other cards. Its fingerprint is in the database, and
a hub with another key refuses to start. Vault keys rotate: a new file with the next number seals what comes from then on.
"""

import os
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg

from hub.domain.errors import HubError
from hub.domain.pseudonym import hmac_sm3


class KeyMismatch(HubError):
    """The key files are not those of this database; restore the data directory's keys folder from its backup."""


class KeysExposed(HubError):
    """A key file can be read by others; set its mode to 0600."""


@dataclass(frozen=True, slots=True)
class Keyring:
    """*pseudonym* (32 bytes), *digest* (32 bytes, derived from it) and the vault's SM4 keys (16 bytes) by version."""

    pseudonym: bytes
    digest: bytes
    vault: dict[int, bytes]

    @property
    def vault_version(self) -> int:
        """The version that seals now."""
        return max(self.vault)

    @property
    def fingerprint(self) -> bytes:
        """What the database knows the pseudonym key by."""
        return hmac_sm3(self.pseudonym, b"fingerprint")


def open_keyring(directory: Path) -> Keyring:
    """Reads the key files, making them on first start; several processes may start at once."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    pseudonym = read_or_make(directory / "pseudonym.key", lambda: secrets.token_bytes(32))
    read_or_make(directory / "vault-0001.key", lambda: secrets.token_bytes(16))
    vault = {int(path.stem[-4:]): _read(path) for path in directory.iterdir() if re.fullmatch(r"vault-\d{4}\.key", path.name)}
    return Keyring(pseudonym, hmac_sm3(pseudonym, b"digest of events as sent"), vault)


def read_or_make(path: Path, make: Callable[[], bytes]) -> bytes:
    """Returns what a key file holds, made on first start; raises KeysExposed when others can read it."""
    if not path.exists():
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(make())
            file.flush()
            os.fsync(file.fileno())
        try:
            # A link fails if another process was first; a rename would replace its key.
            path.hardlink_to(fresh)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return _read(path)


def _read(path: Path) -> bytes:
    if path.stat().st_mode & 0o077:
        raise KeysExposed(path.name)
    return path.read_bytes()


def verify_fingerprint(connection: psycopg.Connection, keyring: Keyring) -> None:
    """Leaves the fingerprint on first start, and raises KeyMismatch when the database has another."""
    connection.execute(
        "INSERT INTO vault.key_fingerprint (purpose, fingerprint) VALUES ('pseudonym', %s) ON CONFLICT (purpose) DO NOTHING",
        (keyring.fingerprint,),
    )
    compare_fingerprint(connection, keyring)


def compare_fingerprint(connection: psycopg.Connection, keyring: Keyring) -> None:
    """Raises KeyMismatch when the database has another fingerprint, or none."""
    row = connection.execute("SELECT fingerprint FROM vault.key_fingerprint WHERE purpose = 'pseudonym'").fetchone()
    if row is None or bytes(row[0]) != keyring.fingerprint:
        raise KeyMismatch

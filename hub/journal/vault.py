"""Seals and opens what the journal does not hold: identifiers in clear and the originals of quarantined events.

SM4-GCM with a random nonce; what a ciphertext belongs to is bound as associated data, so that two rows cannot be swapped.
A row is erased by itself and stays as a tombstone.
"""

import os
from collections.abc import Sequence

import psycopg
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.ciphers.modes import GCM

from hub.domain.errors import HubError
from hub.trust.keyring import Keyring


class VaultRowDamaged(HubError):
    """A vault row does not open: it was altered, moved, or its key is missing from the keys folder."""


class Sealing:
    """Seals what is added piece by piece; what it belongs to is bound as associated data."""

    def __init__(self, keyring: Keyring, belongs_to: bytes) -> None:
        """Takes the newest key and a nonce of its own."""
        self._version, nonce = keyring.vault_version, os.urandom(12)
        self._encryptor = Cipher(SM4(keyring.vault[self._version]), GCM(nonce)).encryptor()
        self._encryptor.authenticate_additional_data(belongs_to)
        self._parts = [nonce]

    def add(self, clear: bytes) -> None:
        """Seals one more piece."""
        self._parts.append(self._encryptor.update(clear))

    def end(self) -> tuple[int, bytes]:
        """Returns (key version, nonce + ciphertext + tag)."""
        return self._version, b"".join((*self._parts, self._encryptor.finalize(), self._encryptor.tag))


def seal(keyring: Keyring, belongs_to: bytes, clear: bytes) -> tuple[int, bytes]:
    """Returns (key version, nonce + ciphertext + tag)."""
    sealing = Sealing(keyring, belongs_to)
    sealing.add(clear)
    return sealing.end()


def unseal(keyring: Keyring, belongs_to: bytes, version: int, sealed: bytes) -> bytes:
    """Opens what `seal` made; raises VaultRowDamaged."""
    if version not in keyring.vault:
        raise VaultRowDamaged
    decryptor = Cipher(SM4(keyring.vault[version]), GCM(sealed[:12], sealed[-16:])).decryptor()
    decryptor.authenticate_additional_data(belongs_to)
    try:
        return decryptor.update(sealed[12:-16]) + decryptor.finalize()
    except InvalidTag:
        raise VaultRowDamaged from None


def original_name(stream_id: int, sequence: int) -> bytes:
    """What a quarantined event's original is bound to."""
    return f"original|{stream_id}|{sequence}".encode()


def open_identifiers(connection: psycopg.Connection, keyring: Keyring, keys: Sequence[bytes]) -> dict[bytes, str]:
    """Returns the identifiers of keys that are in the vault and not erased."""
    rows = connection.execute(
        "SELECT key, key_version, sealed FROM vault.identifier WHERE key = ANY (%s) AND sealed IS NOT NULL", (list(keys),)
    ).fetchall()
    return {bytes(key): unseal(keyring, bytes(key), version, bytes(sealed)).decode() for key, version, sealed in rows}


def open_original(connection: psycopg.Connection, keyring: Keyring, stream_id: int, sequence: int) -> bytes | None:
    """Returns a quarantined event as it was sent, None if there is none or it was erased."""
    row = connection.execute(
        "SELECT key_version, sealed FROM vault.original WHERE stream_id = %s AND sequence = %s AND sealed IS NOT NULL",
        (stream_id, sequence),
    ).fetchone()
    return None if row is None else unseal(keyring, original_name(stream_id, sequence), row[0], bytes(row[1]))


def erase_identifier(connection: psycopg.Connection, key: bytes) -> bool:
    """Erases one identifier and leaves a tombstone; returns whether there was something to erase."""
    cursor = connection.execute(
        "UPDATE vault.identifier SET sealed = NULL, erased_at = clock_timestamp() WHERE key = %s AND sealed IS NOT NULL", (key,)
    )
    return cursor.rowcount == 1

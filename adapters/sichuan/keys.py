"""The keys of the Sichuan interface: four small hex files in a directory of their own, readable by their owner only.

    adapter.sm2.key   this adapter's private key, made on first start
    adapter.sm2.pub   its public key, to be given to the province
    session.sm4.key   the shared data key, made on first start, to be given to the province by a safe way
    province.sm2.pub  the province's public key, put here by the operator; without it the adapter does not start

The province's key is taken as its systems write it: hex with or without 0x, the leading 04 and a byte-order mark, or PEM and Base64 of a
SubjectPublicKeyInfo. Keys are files and never options or environment variables, because those show in process lists.
"""

import base64
import os
import re
from dataclasses import dataclass
from pathlib import Path

from gmssl_pyx import GmsslInnerError, normalize_sm2_public_key, rand_bytes, sm2_key_generate

from adapters.kit.errors import AdapterError
from adapters.kit.private_files import private_directory

# OBJECT IDENTIFIER 1.2.156.10197.1.301, in DER.
SM2_CURVE = bytes.fromhex("06082a811ccf5501822d")
# In front of the point, what makes it a SubjectPublicKeyInfo: algorithm ecPublicKey over that curve, and a bit string.
_INFO_HEAD = bytes.fromhex("3059301306072a8648ce3d0201") + SM2_CURVE + bytes.fromhex("034200")
PRIVATE, PUBLIC, SESSION, PROVINCE = "adapter.sm2.key", "adapter.sm2.pub", "session.sm4.key", "province.sm2.pub"
PROVINCE_PRIVATE = "province.sm2.key"


class KeyUnusable(AdapterError):
    """A key file cannot be used; `province-adapter keys` makes this side's keys and shows what each file has to hold."""


@dataclass(frozen=True)
class Keys:
    """One side's view of the interface: its own SM2 pair, the other side's public key, the shared SM4 key."""

    private: bytes
    public: bytes
    peer: bytes
    session: bytes


def make_own_keys(directory: Path) -> None:
    """Makes the keys that are this side's to make, on first start; what exists stays as it is."""
    private_directory(directory)
    if not (directory / PRIVATE).exists():
        public, private = sm2_key_generate()
        write_key(directory / PUBLIC, b"\x04" + public)
        write_key(directory / PRIVATE, private)
    if not (directory / SESSION).exists():
        write_key(directory / SESSION, rand_bytes(16))


def load_keys(directory: Path) -> Keys:
    """Returns the four keys, making this side's own on first start; raises KeyUnusable with the file at fault."""
    make_own_keys(directory)
    return Keys(
        private=_read(directory / PRIVATE, 32),
        public=_read_public(directory / PUBLIC),
        peer=_read_public(directory / PROVINCE),
        session=_read(directory / SESSION, 16),
    )


def write_key(path: Path, key: bytes) -> None:
    """Writes *key* as one line of hex into a file for its owner only."""
    # The mode is given at creation: a chmod afterwards would leave a moment in which others can read the key.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(key.hex() + "\n")


def _read(path: Path, size: int | None = None) -> bytes:
    try:
        key = bytes.fromhex(path.read_text(encoding="utf-8").strip())
    except (OSError, ValueError) as error:
        raise KeyUnusable(str(path)) from error
    if size is not None and len(key) != size:
        raise KeyUnusable(f"{path} holds {len(key)} bytes, not {size}")
    return key


def _read_public(path: Path) -> bytes:
    try:
        text = path.read_bytes().decode("utf-8-sig").strip()
    except FileNotFoundError as error:
        raise KeyUnusable(f"{path} is missing: ask the province for its public key") from error
    except (OSError, ValueError) as error:
        raise KeyUnusable(f"{path} cannot be read as text") from error
    try:
        point = _point(text)
        key: bytes = normalize_sm2_public_key(point)
    except GmsslInnerError as error:
        raise KeyUnusable(f"{path} is not a point of the SM2 curve") from error
    except ValueError as error:
        raise KeyUnusable(f"{path}: {error}") from error
    return key


def _point(text: str) -> bytes:
    """Returns the 65 bytes 04 ‖ x ‖ y of a public key as it is written; raises ValueError that says what is wrong."""
    if not text:
        raise ValueError("the file is empty")
    if "PRIVATE KEY" in text:
        raise ValueError("this is a private key, which must stay with its owner; the public key is needed")
    if "BEGIN CERTIFICATE" in text:
        raise ValueError("this is a certificate; the public key is needed (openssl x509 -pubkey -noout)")
    bare = re.sub(r"-----[A-Z ]+-----|\s", "", text)
    digits = bare.removeprefix("0x").removeprefix("0X")
    is_hex = re.fullmatch(r"[0-9A-Fa-f]+", digits) is not None
    raw = bytes.fromhex(digits.ljust(len(digits) + len(digits) % 2, "0")) if is_hex else _of_public_key_info(bare)
    if len(raw) == 64:
        raw = b"\x04" + raw
    if len(raw) != 65 or raw[0] != 4:
        raise ValueError(f"it holds {len(digits)} hex digits; 128, or 130 that begin with 04, are needed")
    return raw


def _of_public_key_info(text: str) -> bytes:
    """Returns the point in the Base64 of a SubjectPublicKeyInfo."""
    try:
        info = base64.b64decode(text, validate=True)
    except ValueError:
        raise ValueError("it is neither hex nor PEM nor Base64") from None
    if SM2_CURVE not in info:
        raise ValueError("its key is not one of the SM2 curve (1.2.156.10197.1.301)")
    return info[-65:]


def in_pem(point: bytes) -> str:
    """Returns the public key x ‖ y, with or without its leading 04, as the PEM of a SubjectPublicKeyInfo."""
    text = base64.b64encode(_INFO_HEAD + b"\x04" + point[-64:]).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""])


def make_province_keys(directory: Path) -> None:
    """Makes a test pair in the province's place, unless its public key is there already.

    The adapter does not start without province.sm2.pub, so this comes before its first start.
    """
    if (directory / PROVINCE).exists():
        return
    private_directory(directory)
    public, private = sm2_key_generate()
    write_key(directory / PROVINCE_PRIVATE, private)
    write_key(directory / PROVINCE, b"\x04" + public)

"""The keys that sign the log: Ed25519, ML-DSA-44 and SM2, files beside the other keys, made on first start, readable by their owner only.

With them another history can be signed; witnesses are there to notice that. They belong on the machine that seals and nowhere else.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from hub.trust import sm2
from hub.trust.keyring import read_or_make

FILES = ("log-ed25519.key", "log-ml-dsa-44.key", "log-sm2.key")
_SEED_BYTES = 32


@dataclass(frozen=True, slots=True)
class LogKeys:
    """Private keys: seeds of 32 bytes, and the SM2 number of 32 bytes with its point of 64 behind it."""

    ed25519: bytes
    ml_dsa_44: bytes
    sm2: bytes


def open_log_keys(directory: Path) -> LogKeys:
    """Reads the keys, making them on first start; raises KeysExposed when others can read one."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    makes = (_seed, _seed, sm2.new_pair)
    return LogKeys(*(read_or_make(directory / name, make) for name, make in zip(FILES, makes, strict=True)))


def _seed() -> bytes:
    return os.urandom(_SEED_BYTES)

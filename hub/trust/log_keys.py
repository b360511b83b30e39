"""The keys that sign the log: Ed25519, ML-DSA-44 and SM2, files beside the other keys, made on first start, readable by their owner only.

With them another history can be signed; witnesses are there to notice that. They belong on the machine that seals and nowhere else. Further
sets have a number in their names; which of them signs is recorded in the journal, so that a file alone changes nothing.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from hub.trust import sm2
from hub.trust.keyring import read_or_make

FILES = ("log-ed25519.key", "log-ml-dsa-44.key", "log-sm2.key")
_FURTHER = re.compile(r"log-ed25519-(\d{4})\.key")
_SEED_BYTES = 32


@dataclass(frozen=True, slots=True)
class LogKeys:
    """Private keys: seeds of 32 bytes, and the SM2 number of 32 bytes with its point of 64 behind it; *further* sets in order."""

    ed25519: bytes
    ml_dsa_44: bytes
    sm2: bytes
    number: int = 1
    further: tuple["LogKeys", ...] = ()

    @property
    def sets(self) -> tuple["LogKeys", ...]:
        """This set and the further ones."""
        return (self, *self.further)


def open_log_keys(directory: Path) -> LogKeys:
    """Reads the keys, making the first set on first start; raises KeysExposed when others can read one."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    numbers = sorted(int(found[1]) for one in directory.iterdir() if (found := _FURTHER.fullmatch(one.name)))
    first = _set(directory, 1)
    return LogKeys(first.ed25519, first.ml_dsa_44, first.sm2, 1, tuple(_set(directory, number) for number in numbers))


def make_log_keys(directory: Path) -> LogKeys:
    """Makes a further set and returns it; it signs nothing before it is taken up."""
    return _set(directory, open_log_keys(directory).sets[-1].number + 1)


def _set(directory: Path, number: int) -> LogKeys:
    # The Ed25519 key comes last: by its file a set is found, and it is whole then.
    kinds = ((2, sm2.new_pair), (1, _seed), (0, _seed))
    found = {at: read_or_make(directory / _file(FILES[at], number), make) for at, make in kinds}
    return LogKeys(found[0], found[1], found[2], number)


def _file(name: str, number: int) -> str:
    return name if number == 1 else name.replace(".key", f"-{number:04d}.key")


def _seed() -> bytes:
    return os.urandom(_SEED_BYTES)

"""The SM2 pair that signs hotlists: one file beside the other keys, made on first start, readable by its owner only.

A gate knows the public key and nothing else of the hub. Several hubs of one database share the folder, so one key signs every epoch.
"""

from dataclasses import dataclass
from pathlib import Path

from hub.trust import sm2
from hub.trust.keyring import read_or_make

FILE = "hotlist-sm2.key"


@dataclass(frozen=True, slots=True)
class HotlistKey:
    """*private* (32 bytes) and *public* (64 bytes: x and y of the point)."""

    private: bytes
    public: bytes

    def sign(self, message: bytes) -> bytes:
        """Returns r and s, 32 bytes each, of the SM2 signature (GB/T 32918.2) with SM3 and the default signer id 1234567812345678."""
        return sm2.sign(self.private + self.public, message)


def open_hotlist_key(directory: Path) -> HotlistKey:
    """Reads the pair, making it on first start; raises KeysExposed when others can read it."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    pair = read_or_make(directory / FILE, sm2.new_pair)
    return HotlistKey(pair[:32], pair[32:])

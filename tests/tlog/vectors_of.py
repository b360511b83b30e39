"""Published vectors, read from their files."""

import base64
import json
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).parent / "vectors"


def published(name: str) -> Any:
    """Returns what is in a file of vectors."""
    return json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))


def bytes_of(text: str | None) -> bytes:
    """Returns what base64 says; nothing is no bytes."""
    return base64.b64decode(text or "")


def hashes_of(proof: list[str] | None) -> list[bytes]:
    """Returns the hashes of a proof."""
    return [bytes_of(one) for one in proof or []]

"""Keeps one kind of line from filling the log: after a few of them one in a while, which says how many were left out.

A kind is what the code says, not what it fills in, and whose call it is about: one participant's lines never silence another's.
"""

import logging
import time
from collections import OrderedDict
from dataclasses import dataclass

BURST = 20
EVERY_S = 10.0
_MOST_KINDS = 4_096


@dataclass(slots=True)
class _Kind:
    """Lines of a kind that may still be written, since when, and how many were not."""

    left: float
    at_s: float
    left_out: int = 0


class Repeats(logging.Filter):
    """Lets the first BURST lines of a kind pass, then one in EVERY_S; that one has their number as `left_out`."""

    def __init__(self) -> None:
        """Knows nothing yet."""
        super().__init__()
        self._kinds: OrderedDict[tuple[str, int, str, str], _Kind] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        key = (record.name, record.levelno, str(record.msg), str(getattr(record, "participant", "")))
        now_s = time.monotonic()
        kind = self._kinds.pop(key, None) or _Kind(BURST, now_s)
        self._kinds[key] = kind
        if len(self._kinds) > _MOST_KINDS:
            self._kinds.popitem(last=False)
        kind.left = min(BURST, kind.left + (now_s - kind.at_s) / EVERY_S)
        kind.at_s = now_s
        if kind.left < 1:
            kind.left_out += 1
            return False
        kind.left -= 1
        if kind.left_out:
            record.left_out, kind.left_out = kind.left_out, 0
        return True

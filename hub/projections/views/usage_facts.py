"""A row of the count of uses: all reports of one business key, and what they counted since when.

A fact that is reported once has one entry of what it counts. Each later change adds one, so that a count can be asked for as it was known.
"""

from typing import NamedTuple

from hub.domain.netting import Counted, net
from hub.domain.tellings import Telling, packed, unpacked
from hub.domain.usage import UsageCell
from hub.projections.projection import Row


class Known(NamedTuple):
    """What a fact counted from a position on, known since an instant."""

    position: int
    known_us: int
    counted: tuple[Counted, ...]


class Fact(NamedTuple):
    """A row: the card, the rows above (digests in a row), its tellings, what they counted since when, and how many repeat others."""

    card: bytes
    above: bytes
    tellings: list[Telling]
    history: tuple[Known, ...]
    finding_count: int

    @property
    def counted(self) -> tuple[Counted, ...]:
        """What it counts now."""
        return self.history[-1].counted if self.history else ()


def decode(row: Row) -> Fact:
    """Reads a row."""
    card, above, tellings, history, finding_count, *_ = row
    told = unpacked(tellings)
    if history == _PLAIN:
        return Fact(card, above, told, (first_known(told[0]),), finding_count)
    entries = history.split(_NEXT) if history else []
    if entries and entries[0].partition("\n")[0].count("\t") > 1:
        # As the release before wrote it: what it counts, and not since when.
        entries = [f"{told[0].position}\t{told[0].recorded_us}\n{history}"]
    return Fact(card, above, told, tuple(map(_known, entries)), finding_count)


def encode(fact: Fact) -> Row:
    """Writes a row: also when its counts changed last, whether they ever did, and when it counted first."""
    card, above, tellings, history, finding_count = fact
    if not history:
        written = ""
    elif len(history) == len(tellings) == 1 and history[0].position == tellings[0].position:
        written = _PLAIN
    else:
        written = _NEXT.join([_written(known) for known in history])
    first, last = (history[0].position, history[-1].position) if history else (0, 0)
    return card, above, packed(tellings), written, finding_count, last, len(history) > 1, first


def first_row(card: bytes, told: Telling, *, counts: bool) -> Row:
    """Writes the row of a fact that was reported once."""
    since = told.position if counts else 0
    return card, b"", packed((told,)), _PLAIN if counts else "", 0, since, False, since


def first_known(told: Telling) -> Known:
    """Returns what a fact counts by its first report, since that."""
    return Known(told.position, told.recorded_us, net((told,)).counted)


# The row has one report and counts what that says, since then: most rows are so.
_PLAIN = "="
# Between the counts of two times; no text of an event has a control character.
_NEXT = "\f"


def _written(known: Known) -> str:
    position, known_us, counted = known
    lines = [f"{position}\t{known_us}"]
    lines += [f"{day}\t{issuer}\t{region}\t{scenario}\t{uses}\t{fen}" for (day, issuer, region, scenario), uses, fen in counted]
    return "\n".join(lines)


def _known(text: str) -> Known:
    since, *lines = text.split("\n")
    position, known_us = since.split("\t")
    fields = (line.split("\t") for line in lines)
    return Known(int(position), int(known_us), tuple(Counted(UsageCell(*cell), int(uses), int(fen)) for *cell, uses, fen in fields))

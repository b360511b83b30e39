"""Positions of the journal are taken together in blocks, and blocks in eras: what many events come to is added up by these.

What was known at a position is the sum of whole eras, of the whole blocks of the last era, and of what came in the last block.
"""

from typing import NamedTuple

BLOCK, ERA = 1 << 11, 1 << 19


class Edge(NamedTuple):
    """Where a position is: eras and blocks before *era* and *block* are whole, *first_block* begins the era and *first* the block."""

    position: int
    first: int
    block: int
    first_block: int
    era: int


def edge(position: int) -> Edge:
    """Returns what is whole until a position, that one included."""
    block, era = block_of(position + 1), era_of(position + 1)
    return Edge(position, block * BLOCK, block, era * (ERA // BLOCK), era)


def block_of(position: int) -> int:
    """Returns the block that a position is in."""
    return position // BLOCK


def era_of(position: int) -> int:
    """Returns the era that a position is in."""
    return position // ERA

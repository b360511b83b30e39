"""View: every loss across provinces with its card, its state, and until when its block is in force."""

from typing import NamedTuple

import psycopg

from hub.domain.instants import microseconds
from hub.domain.loss import outcome_of
from hub.journal.reader import Recorded
from hub.projections.projection import Key, Projection, Row


def keys(recorded: Recorded, _: Recorded | None) -> tuple[Key, ...]:
    """Names the loss's stream."""
    return ((recorded.stream_id,),)


def evolve(_: Key, row: Row | None, recorded: Recorded, __: Recorded | None) -> Row | None:
    """Follows the loss from its first request; *expires_us* is None while no block is in force."""
    event = recorded.event
    if recorded.kind == "loss_opened":
        opened = event.loss_opened
        requested_us = microseconds(opened.requested_at)
        return opened.card.key, opened.card.issuing_province, int(opened.loss_type), "OPEN", requested_us, None, recorded.position
    assert row is not None, "a loss is opened first"
    card_key, province, loss_type, state, effective_us, expires_us, _position = row
    if recorded.kind == "loss_request_repeated":
        repeated = event.loss_request_repeated
        state = "OPEN" if repeated.reopens else state
        effective_us = min(effective_us, microseconds(repeated.requested_at))
    elif recorded.kind == "provisional_block_placed":
        expires_us = microseconds(event.provisional_block_placed.expires_at)
    elif recorded.kind == "provisional_block_lifted":
        expires_us = None
    elif recorded.kind == "loss_closed":
        state, effective_us = outcome_of(event.loss_closed), microseconds(event.loss_closed.effective_at)
    return card_key, province, loss_type, state, effective_us, expires_us, recorded.position


LOSSES = Projection(
    name="loss",
    key_columns=(("stream_id", "bigint"),),
    value_columns=(
        ("card_key", "bytea"),
        ("issuing_province", "text"),
        ("loss_type", "int"),
        ("state", "text"),
        ("effective_us", "bigint"),
        ("expires_us", "bigint"),
        ("position", "bigint"),
    ),
    kinds=frozenset({"loss_opened", "loss_request_repeated", "provisional_block_placed", "provisional_block_lifted", "loss_closed"}),
    keys=keys,
    evolve=evolve,
    indexes=("card_key", "expires_us"),
    follows_corrections=False,
)


class Listed(NamedTuple):
    """A loss without its card: whose it is, how far it is, from when on it counts, and until when its block is in force."""

    issuing_province: str
    loss_type: int
    state: str
    effective_us: int
    expires_us: int | None
    position: int


def listed_losses(connection: psycopg.Connection, most: int) -> list[Listed]:
    """Reads losses, those that changed last first."""
    return [Listed(*row) for row in connection.execute(_LISTED, (most,)).fetchall()]


_LISTED = """
    SELECT issuing_province, loss_type, state, effective_us, expires_us, position FROM views.loss ORDER BY position DESC LIMIT %s"""

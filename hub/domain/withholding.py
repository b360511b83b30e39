"""What else goes when the card of an event is withheld: every field that could be compared with a guess, or that ties two events of a card.

A reader that does not get the card may still ask the hub about a card of its own choice. So it gets nothing that the hub would give for
that card in the same words (a digest, a position), nothing that its caller chose with the card at hand (a request id, claims), and no
count that goes on from one use of a card to the next (a purse counter, a balance).
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

from chuanyu.exchange.v1 import event_pb2
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

_TELLTALE = frozenset({"purse_counter", "first_leg_counter", "balance_after_fen", "account_balance_fen"})


def withhold_telltales(event: event_pb2.Event, kind: str, *, is_card_readable: bool, is_own: bool) -> None:
    """Takes out of an event what its reader may not have; *is_own*: the reader recorded it, or asked the question that it answers."""
    if kind == "decision_made":
        # It recognises a repeat; outside the hub it serves nobody.
        event.decision_made.ClearField("request_digest")
    if is_card_readable or is_own:
        return
    if kind == "decision_made":
        event.decision_made.ClearField("request_id")
        event.decision_made.ClearField("claims")
    event.ClearField("decision_position")
    message = getattr(event, kind)
    for path in telltales(message.DESCRIPTOR):
        _clear(message, path)


@cache
def telltales(descriptor: Descriptor) -> tuple[tuple[str, ...], ...]:
    """Returns the paths of all fields in messages of a type that tie two events of a card together."""
    return tuple(_find(descriptor, ()))


def _find(descriptor: Descriptor, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for field in descriptor.fields:
        inner = field.message_type
        if field.name in _TELLTALE:
            yield (*path, field.name)
        elif inner is not None and inner is not event_pb2.Event.DESCRIPTOR:
            assert not (field.is_repeated and telltales(inner)), "a telltale in a repeated message needs a way to it"
            yield from _find(inner, (*path, field.name))


def _clear(message: Message, path: tuple[str, ...]) -> None:
    target: Any = message
    for name in path[:-1]:
        if not target.HasField(name):
            return
        target = getattr(target, name)
    target.ClearField(path[-1])

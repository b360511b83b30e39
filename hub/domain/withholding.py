"""What else goes when the card of an event is withheld: every field that could be compared with a guess, or that ties two events of a card.

A reader that does not get the card may still ask the hub about a card of its own choice. So it gets nothing that the hub would give for
that card in the same words (a digest, a position), nothing that its caller chose with the card at hand (a request id, claims), and no
count that goes on from one use of a card to the next (a purse counter, a balance). Which field is what says `withheld.csv` beside this
module; a field that it does not name is withheld.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from chuanyu.exchange.v1 import event_pb2
from chuanyu.exchange.v1 import references_pb2 as references
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from hub.domain.disclosure import FOR_BOTH_SIDES
from hub.domain.reference.reading import Cells, read_table

FILE = Path(__file__).parent / "withheld.csv"
_COLUMNS = ("message", "shown", "withheld")
# Messages without fields to sort: references have a rule of their own (`disclosure`).
_WHOLE = frozenset(references.DESCRIPTOR.message_types_by_name.values()) | {Timestamp.DESCRIPTOR}


class Sorted(NamedTuple):
    """The fields of a message: those that every reader of the event gets, and those that go with the card."""

    shown: frozenset[str]
    withheld: frozenset[str]


_UNSORTED = Sorted(frozenset(), frozenset())


def withhold_telltales(event: event_pb2.Event, kind: str, *, is_card_readable: bool, is_own: bool) -> None:
    """Takes out of an event what its reader may not have; *is_own*: the reader recorded it, or asked the question that it answers."""
    if kind == "decision_made":
        # It recognises a repeat; outside the hub it serves nobody.
        event.decision_made.ClearField("request_digest")
    if is_card_readable or is_own or kind.startswith(FOR_BOTH_SIDES):
        return
    for message in (event, getattr(event, kind)):
        for path in telltales(message.DESCRIPTOR):
            _clear(message, path)


@cache
def sorted_fields() -> Mapping[str, Sorted]:
    """Reads the table once a process, by message; raises InvalidReferenceTable where it is wrong."""
    found: dict[str, Sorted] = {}
    for cells, (message, fields) in read_table(FILE.name, FILE.read_bytes(), _COLUMNS, _read_row):
        if message in found:
            raise cells.refuse("message", "DUPLICATE")
        found[message] = fields
    return found


def _read_row(cells: Cells) -> tuple[str, Sorted]:
    fields = Sorted(frozenset(cells.items("shown")), frozenset(cells.items("withheld")))
    if fields.shown & fields.withheld:
        raise cells.refuse("withheld", "SHOWN")
    return cells.name("message"), fields


@cache
def telltales(descriptor: Descriptor) -> tuple[tuple[str, ...], ...]:
    """Returns the paths of all fields in messages of a type that go with the card."""
    return tuple(_find(descriptor, ()))


def _find(descriptor: Descriptor, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    shown = sorted_fields().get(descriptor.name, _UNSORTED).shown
    for field in descriptor.fields:
        inner = field.message_type
        if field.containing_oneof is not None and field.containing_oneof.full_name == _KIND:
            continue
        if field.name not in shown:
            yield (*path, field.name)
        elif inner is not None and inner not in _WHOLE:
            assert not (field.is_repeated and telltales(inner)), "a telltale in a repeated message needs a way to it"
            yield from _find(inner, (*path, field.name))


def _clear(message: Message, path: tuple[str, ...]) -> None:
    target: Any = message
    for name in path[:-1]:
        if not target.HasField(name):
            return
        target = getattr(target, name)
    target.ClearField(path[-1])


_KIND = event_pb2.Event.DESCRIPTOR.oneofs_by_name["kind"].full_name

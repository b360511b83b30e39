"""From one message of Sichuan's interface to its events, and the feed they belong to.

A pure function of the message: no clock, no numbers, no key. The same message always gives the same bytes, which is
what makes a resend recognisable to the hub.
"""

from dataclasses import dataclass, field

from chuanyu.exchange.v1.event_pb2 import Event, Source

from adapters.sichuan.envelope import Request
from adapters.sichuan.fields import Fields, listed
from adapters.sichuan.fund import translate_fund
from adapters.sichuan.lifecycle import OPERATIONS, translate_lifecycle
from adapters.sichuan.registers import REGISTERS, translate_register
from adapters.sichuan.replies import ParameterInvalid
from adapters.sichuan.subjects import SYSTEM
from adapters.sichuan.usage import FEED as USAGE_FEED
from adapters.sichuan.usage import translate_usage

CARD_FEED = "sc.card-center"
MAX_USES = 500
NOT_OFFERED = {"SBK3001": "挂失名单增量"}


@dataclass(frozen=True)
class Translation:
    """What a message says: events of one feed; of a lifecycle message, that its card's standing makes the reply.

    *refused* are the faults of the lines of a batch that say nothing, by line, from 1.
    """

    feed: str
    events: list[Event]
    is_lifecycle: bool = False
    refused: dict[int, str] = field(default_factory=dict)


def translate(request: Request, data: object) -> Translation:
    """Returns what the message says; raises ParameterInvalid with the field at fault."""
    source = Source(system=SYSTEM, message_id=request.msg_id, native_code=request.trans_code)
    code = request.trans_code
    if code in OPERATIONS:
        return Translation(CARD_FEED, translate_lifecycle(code, Fields(data), source), is_lifecycle=True)
    if code == "SBK2104":
        return Translation(USAGE_FEED, [translate_usage(Fields(data), source)])
    if code == "SBK2105":
        return _uses(data, source)
    if code in ("SBK4001", "SBK4002"):
        events, refused = translate_fund(code, Fields(data), source)
        return Translation(CARD_FEED, events, refused=refused)
    if code in REGISTERS:
        return Translation(CARD_FEED, [translate_register(code, Fields(data), source)])
    if code in NOT_OFFERED:
        raise ParameterInvalid(f"{code} {NOT_OFFERED[code]}暂未提供")
    raise ParameterInvalid("transCode")


def _uses(data: object, source: Source) -> Translation:
    """Returns the uses of a batch; a line that cannot be read is refused by its number and costs only itself.

    Raises ParameterInvalid for a batch without a line that can be read.
    """
    said = Translation(USAGE_FEED, [])
    first: ParameterInvalid | None = None
    for line, values in enumerate(listed(data, "data", MAX_USES), 1):
        source.line_no = line
        try:
            said.events.append(translate_usage(Fields(values, f"data[{line}]."), source))
        except ParameterInvalid as fault:
            first = first or fault
            said.refused[line] = str(fault)
    if first is not None and not said.events:
        raise first
    return said


def outbox_items(request: Request, events: list[Event]) -> list[tuple[str, bytes]]:
    """Returns the events under source keys made of the sender and its message number, as the outbox takes them."""
    return [
        (f"{request.app_id}|{request.msg_id}|{number}", event.SerializeToString(deterministic=True))
        for number, event in enumerate(events, 1)
    ]

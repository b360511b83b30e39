"""The traffic as events, through the adapters' own translation and past everything else: for benchmarks of the hub.

No HTTP, no signatures, no files, no outbox. What an adapter refuses or recognises as known is left out; references to
earlier events are the sequences that a fresh outbox would have given. Memory is the world and the latest references.
"""

from collections import OrderedDict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Final, TypeVar

from chuanyu.exchange.v1.control_pb2 import FileAccepted, FileRejected
from chuanyu.exchange.v1.event_pb2 import Event, Source
from chuanyu.exchange.v1.references_pb2 import EventRef

from adapters.chongqing.pseudo_xml import NativeCall
from adapters.chongqing.references import instant
from adapters.chongqing.translate_call import FEED as CHONGQING_CARDS
from adapters.chongqing.translate_call import translate_call
from adapters.chongqing.translate_usage import FEED as CHONGQING_USAGE
from adapters.chongqing.translate_usage import SYSTEM, translate_reversal, translate_usage
from adapters.chongqing.usage_record import UsageRecord
from adapters.kit.values import LOCAL
from adapters.sichuan.envelope import Request
from adapters.sichuan.translate import translate
from adapters.sichuan.usage import FEED as SICHUAN_USAGE
from adapters.simulator.messages import CODES, ChongqingCall, ChongqingFile, Earlier, Fault, Message, SichuanMessage
from adapters.simulator.sichuan_traffic import APP_ID
from adapters.simulator.traffic import Traffic

REFERENCES_KEPT: Final = 20_000
DEFAULT_AGE: Final = timedelta(hours=25)


def events(seed: int, count: int, start: datetime | None = None) -> Iterator[tuple[str, Event]]:
    """Yields *count* (feed, event) pairs; *start* is an aware instant, by default 25 hours ago."""
    traffic = Traffic(seed, local_start(start), count)
    translation = Translation()
    portions = chain([traffic.registrations()], traffic.portions())
    yielded = 0
    for portion in portions:
        for message in portion:
            for pair in translation.events(message):
                if yielded == count:
                    return
                yield pair
                yielded += 1


def local_start(start: datetime | None) -> datetime:
    """Returns *start* as local time without zone, by default 25 hours ago to the second."""
    return (start or datetime.now(UTC) - DEFAULT_AGE).astimezone(LOCAL).replace(tzinfo=None, microsecond=0)


Key = TypeVar("Key")
Value = TypeVar("Value")


class Latest(OrderedDict[Key, Value]):
    """A mapping that forgets its oldest entry: a change never comes later than a few portions after its original."""

    def __setitem__(self, key: Key, value: Value) -> None:
        """Keeps REFERENCES_KEPT entries."""
        super().__setitem__(key, value)
        if len(self) > REFERENCES_KEPT:
            self.popitem(last=False)


class Translation:
    """What the adapters would put into fresh outboxes, message by message."""

    def __init__(self) -> None:
        """Begins with empty outboxes."""
        self._usage_sequence = {SICHUAN_USAGE: 0, CHONGQING_USAGE: 0}
        self._first_of: Latest[str, int] = Latest()
        self._trips: Latest[tuple[str, int], tuple[int, str]] = Latest()
        self._lines: Latest[tuple[str, int], int] = Latest()

    def events(self, message: Message) -> Iterator[tuple[str, Event]]:
        """Yields the (feed, event) pairs that *message* becomes, none for one that is refused or known."""
        if not message.events:
            return iter(())
        if isinstance(message, SichuanMessage):
            return self._of_message(message)
        return _of_call(message) if isinstance(message, ChongqingCall) else self._of_file(message)

    def _of_message(self, message: SichuanMessage) -> Iterator[tuple[str, Event]]:
        value = message.value
        lines = value if isinstance(value, list) else [value]
        for line in lines:
            for name in ("gzxh", "czxh"):
                if isinstance(earlier := line.get(name), Earlier):
                    line[name] = str(self._first_of[earlier.msg_id] + earlier.line - 1)
        translated = translate(Request(APP_ID, message.trans_code, message.msg_id, "", ""), value)
        if translated.feed == SICHUAN_USAGE:
            self._first_of[message.msg_id] = self._usage_sequence[SICHUAN_USAGE] + 1
            self._usage_sequence[SICHUAN_USAGE] += len(translated.events)
        return ((translated.feed, event) for event in translated.events)

    def _of_file(self, file: ChongqingFile) -> Iterator[tuple[str, Event]]:
        header, source = file.header, Source(system=SYSTEM, file_name=file.header.file_name)
        said_at = instant(header.created_at)
        if file.fault is Fault.WRONG_SUM:
            self._usage_sequence[CHONGQING_USAGE] += 1
            rejected = FileRejected(file_name=header.file_name, reason_code=CODES[file.fault])
            yield CHONGQING_USAGE, Event(occurred_at=said_at, file_rejected=rejected, source=source)
            return
        for record in file.lines:
            if record.seq != file.broken_line and (event := self._of_record(record, file)):
                self._usage_sequence[CHONGQING_USAGE] += 1
                yield CHONGQING_USAGE, event
        self._usage_sequence[CHONGQING_USAGE] += 1
        broken = int(bool(file.broken_line))
        accepted = FileAccepted(file_name=header.file_name, accepted_count=len(file.lines) - broken, refused_count=broken)
        yield CHONGQING_USAGE, Event(occurred_at=said_at, file_accepted=accepted, source=source)

    def _of_record(self, record: UsageRecord, file: ChongqingFile) -> Event | None:
        """Returns the event of one line, None for a line of a re-sent file that says nothing new."""
        sequence, trip = self._usage_sequence[CHONGQING_USAGE] + 1, (record.card_no_tu, record.txn_ctr)
        known = self._trips.get(trip) if record.psam else None
        if record.txn_type == "90":
            original = (EventRef(feed=CHONGQING_USAGE, sequence=known[0]), known[1]) if known else None
            return translate_reversal(record, file.header, record.seq + 1, original)
        place, corrected = (file.header.file_id, record.seq), 0
        if file.fault is Fault.FILE_RESENT:
            if 1 < record.seq < len(file.lines):
                return None
            corrected = self._lines.get(place, 0)
        elif known:
            corrected = known[0]
        event = translate_usage(record, file.header, record.seq + 1)
        if corrected:
            event.corrects.CopyFrom(EventRef(feed=CHONGQING_USAGE, sequence=corrected))
        if record.psam:
            self._trips[trip] = (sequence, record.txn_type)
        if record.seq == 1:
            self._lines[place] = sequence
        return event


def _of_call(call: ChongqingCall) -> Iterator[tuple[str, Event]]:
    return ((CHONGQING_CARDS, event) for _, event in translate_call(NativeCall(call.fields, call.block)))

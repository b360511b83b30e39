"""Plants what real traffic has too: messages that must be refused, things said twice, things changed afterwards."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import cycle
from random import Random
from typing import Final

from adapters.chongqing.usage_record import UsageRecord
from adapters.simulator.chongqing_traffic import ChongqingTraffic, resend
from adapters.simulator.chongqing_uses import Records
from adapters.simulator.clock import business_day
from adapters.simulator.messages import ChongqingCall, ChongqingFile, Earlier, Fault, Message, SichuanMessage
from adapters.simulator.people import with_wrong_check_digit
from adapters.simulator.proportions import BAD_LINES, PLANTED
from adapters.simulator.sichuan_line import Line
from adapters.simulator.sichuan_traffic import SichuanTraffic
from adapters.simulator.sichuan_uses import Uses
from adapters.simulator.world import World

SMALL_FILE: Final = 12
REMEMBERED: Final = 120
CHANGEABLE: Final = ("TRA.BUS", "TRA.MET", "MED.OP", "MED.RX")
_SENT_WRONGLY: Final = (Fault.BAD_SIGNATURE, Fault.CLOCK_OFF, Fault.UNDECIPHERABLE)
_TOLD_WRONGLY: Final = (Fault.BAD_CHECKSUM, Fault.BAD_ENCODING, Fault.WRONG_CHECK_DIGIT)


class Faults:
    """Makes faults and changes; remembers a few lines and trips that may be changed later."""

    def __init__(self, rng: Random, world: World, makers: tuple[SichuanTraffic, ChongqingTraffic, Uses, Records]) -> None:
        """Takes the same makers as the traffic around it."""
        self._rng, self._world = rng, world
        self._sichuan, self._chongqing, self._uses, self._records = makers
        self._next_fault, self._next_bad_line = cycle(PLANTED), cycle(BAD_LINES)
        self._lines: deque[tuple[Earlier, Line]] = deque(maxlen=REMEMBERED)
        self._trips: deque[UsageRecord] = deque(maxlen=REMEMBERED)
        # Second sendings, for the portion after: the first must have been taken by then.
        self.held_back: list[ChongqingFile] = []

    def next_fault(self, at: datetime, before: Sequence[Message]) -> Iterator[Message]:
        """Yields the messages of the next fault, which may repeat a message of those *before* it."""
        fault = next(self._next_fault)
        if fault in _SENT_WRONGLY:
            yield self._sichuan.badly_sent(self._uses.line(at, may_be_case=False), at, fault)
        elif fault is Fault.BAD_MONEY:
            yield self._sichuan.use_with_bad_money(self._uses.line(at, may_be_case=False), at)
        elif fault in _TOLD_WRONGLY:
            yield self._chongqing.faulty(self._world.any_card("50"), at, fault)
        elif fault is Fault.NUMBER_REPEATED:
            yield from self._again(before, SichuanMessage, fault)
        elif fault is Fault.CALL_REPEATED:
            yield from self._again(before, ChongqingCall, fault)
        else:
            yield from self._file_fault(fault, at)

    def _again(self, before: Sequence[Message], kind: type[Message], fault: Fault) -> Iterator[Message]:
        sound = (message for message in reversed(before) if isinstance(message, kind) and not message.fault)
        if small := next((message for message in sound if message.events <= 2), None):
            yield replace(small, events=0, fault=fault, quarantined=0)

    def _file_fault(self, fault: Fault, at: datetime) -> Iterator[Message]:
        """Yields a small file; what follows under its name is held back."""
        used_at = at - timedelta(minutes=5)
        records = [self._records.record(used_at) for _ in range(SMALL_FILE)]
        file = self._chongqing.file(records, at)
        if fault is Fault.BROKEN_NAME:
            yield replace(file, events=file.events - 1, fault=fault, broken_line=SMALL_FILE // 2)
        elif fault is Fault.WRONG_SUM:
            # What is left of a refused file is the fact that it was refused.
            yield replace(file, events=1, fault=fault)
            self.held_back.append(file)
        elif fault is Fault.FILE_REPEATED:
            yield file
            self.held_back.append(replace(file, events=0, fault=fault))
        else:
            yield file
            first = file.lines[0]
            changed = replace(first, fare_paid_fen=max(0, first.fare_paid_fen - 10))
            if changed == first:
                changed = replace(first, fare_paid_fen=10, fare_full_fen=max(10, first.fare_full_fen))
            self.held_back.append(resend(file, changed, self._records.record(used_at), fault))

    def spoil(self, line: Line) -> Line:
        """Returns *line* well-formed and wrong, so that the adapter takes it and the hub does not."""
        fault = next(self._next_bad_line)
        if fault is Fault.UNKNOWN_SCENARIO:
            return line | {"yydm": "EDU.CANTEEN", "kzxx": {"ctdm": "C01"}}
        if fault is Fault.WRONG_CHECK_DIGIT:
            return line | {"aac002": with_wrong_check_digit(str(line["aac002"]).upper())}
        return line | {"yyqh": "519998"}

    def remember_lines(self, message: SichuanMessage, lines: Sequence[tuple[Line, bool]]) -> None:
        """Keeps one sound line in ten, which a later line may correct or reverse."""
        for number in range(4, len(lines), 10):
            line, is_spoiled = lines[number]
            if line["yydm"] in CHANGEABLE and not is_spoiled and not {"gzxh", "czxh"} & line.keys():
                self._lines.append((Earlier(message.msg_id, number + 1), line))

    def changed_line(self, at: datetime) -> Line | None:
        """Returns a line that corrects a fare or reverses a settlement sent before, None while there is none."""
        if not self._lines:
            return None
        earlier, line = self._lines.popleft()
        again = line | {"ywlsh": f"{line['ywlsh']}G", "xzd": ""}
        if line["yydm"].startswith("TRA."):
            return again | {"gzxh": earlier, "je": "1.00"}
        extension = line["kzxx"] | {"init_setl_id": line["kzxx"]["setl_id"], "setl_id": f"{line['kzxx']['setl_id']}T"}
        return again | {"czxh": earlier, "fssj": f"{at:%Y%m%d%H%M%S}", "kzxx": extension}

    def remember_trips(self, records: Sequence[UsageRecord]) -> None:
        """Keeps one trip in twenty, which a later record may correct or reverse."""
        self._trips.extend(record for record in records[7::20] if record.txn_type in ("06", "09") and record.fare_paid_fen > 100)

    def changed_trip(self, at: datetime) -> UsageRecord | None:
        """Returns a record that corrects (flag 2) or reverses (90) a trip sent before, None while there is none."""
        if not self._trips:
            return None
        trip = self._trips.popleft()
        if self._rng.random() < 0.5:
            return replace(trip, fare_paid_fen=trip.fare_paid_fen - 50, flag="2")
        return replace(trip, txn_type="90", biz_date=business_day(at), txn_at=at.replace(microsecond=0), flag="0")

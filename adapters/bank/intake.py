"""Takes one return file: proves it as a whole, sends its rows line by line, and acknowledges it.

Once a file is proven every line ends in one of three ways: it is a new event, it is an answer that was sent before (no event), or it is
refused by its line. Taking the same file again is therefore harmless, at any time and after any crash.

A later sending says the same file again. A line of it is one of the sending before by all its text, by its row or by its serial; what then
is left on both sides is put together as it comes. So the answers that count are those of the last sending, whatever it changed. Memory
holds one batch, the numbers and serials of the file, and of a later sending the answers before and the lines that are like none of them.
"""

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from chuanyu.exchange.v1.control_pb2 import FileAccepted, FileRejected
from chuanyu.exchange.v1.event_pb2 import Event
from chuanyu.exchange.v1.references_pb2 import EventRef

from adapters.bank.errors import AckCode, FileRefused, LineRefused
from adapters.bank.ledger import Answer, Ledger, fingerprint
from adapters.bank.return_file import FileName, ReturnRow, VerifiedFile, parse_row, read_name, read_rows, verify_file, yuan_of
from adapters.bank.translate import source, translate
from adapters.kit import Outbox, put_traced, step
from adapters.kit.ack_file import AckFile
from adapters.kit.telemetry import LINE, LINE_REFUSED, LINES, NATIVE_CODE, READ_FILE_SPAN, REFUSAL, REFUSED_LINES, TRANSLATE_FILE_SPAN
from adapters.kit.trace import Step

# Two flushes to disk a batch: enough lines that they hardly count.
BATCH_EVENTS: Final = 1000

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a file; `refusal` is None for one that was taken, whose sending then is known."""

    version: str = ""
    new_events: int = 0
    refused_lines: int = 0
    refusal: FileRefused | None = None


class _Prepared(NamedTuple):
    event: bytes
    answer: Answer


class _Before:
    """The answers of a file's sending before, as far as no line has taken their place."""

    def __init__(self, answers: Iterable[Answer]) -> None:
        self.left = {one.sequence: one for one in answers}
        self._by_line = {(one.row_no, one.serial, one.content): one.sequence for one in self.left.values()}
        self._by_row = {one.row_no: one.sequence for one in self.left.values()}
        self._by_serial = {one.serial: one.sequence for one in self.left.values()}

    def take(self, row: ReturnRow, content: bytes) -> Answer | None:
        """Returns the answer that a line takes the place of, None where it is like none that is left."""
        found = self._by_line.get((row.row_no, row.serial, content)), self._by_row.get(row.row_no), self._by_serial.get(row.serial)
        return next((self.left.pop(one) for one in found if one in self.left), None)


class ReturnIntake:
    """The one place where return files become events; one file at a time."""

    suffix = ".csv"

    def __init__(self, outbox: Outbox, ledger: Ledger, ack_dir: Path, feed: str, region: str) -> None:
        """*feed* is the bank's own, *region* where the payer is; makes the directory of acknowledgements, if need be."""
        ack_dir.mkdir(parents=True, exist_ok=True)
        self._outbox, self._ledger, self._ack_dir, self._feed, self._region = outbox, ledger, ack_dir, feed, region

    def is_name(self, name: str) -> bool:
        """Whether a file has the name of a return file."""
        return read_name(name) is not None

    def take(self, path: Path, now: datetime) -> Outcome:
        """Takes the file at *path*, which no one else may write to; *now* dates it."""
        with path.open("rb") as file:
            try:
                with step(READ_FILE_SPAN) as read:
                    verified = verify_file(file, path.name)
                    file.seek(0)
                    sending = self._ledger.admit(verified, hashlib.file_digest(file, lambda: hashlib.new("sm3")).digest())
                    read.attributes[LINES] = verified.count
            except FileRefused as refusal:
                self._put_rejection(path.name, refusal, now)
                with AckFile(self._ack_dir, path.name) as ack:
                    ack.refuse(refusal.line_no, refusal)
                return Outcome(refusal=refusal)
            with AckFile(self._ack_dir, path.name) as ack:
                ack.accept(verified.count, yuan_of(verified.sum_fen))
                with step(TRANSLATE_FILE_SPAN) as translated:
                    new_events = self._apply(file, verified, sending, ack, translated)
                    translated.attributes[REFUSED_LINES] = ack.refused
                self._put_acceptance(verified, sending, ack.refused, now)
            return Outcome(str(sending), new_events, ack.refused)

    def _apply(self, file: BinaryIO, verified: VerifiedFile, sending: int, ack: AckFile, translated: Step) -> int:
        self._ledger.settle(self._feed)
        before = _Before(self._ledger.of_file(verified.name.text))
        is_again = bool(before.left)
        new_events, batch, unlike = 0, list[_Prepared](), list[tuple[int, str]]()
        rows, serials = set[int](), set[str]()
        for line_no, line in read_rows(file):
            try:
                row = parse_row(line)
                _refuse_twice(row, rows, serials)
                was = before.take(row, fingerprint(line))
                if is_again and was is None:
                    unlike.append((line_no, line))
                    continue
                self._prepare(row, verified, line_no, line, sending, was, batch)
            except LineRefused as refusal:
                _refuse(ack, translated, line_no, refusal)
            if len(batch) == BATCH_EVENTS:
                new_events += self._flush(batch)
        for line_no, line in unlike:
            try:
                # A line that is refused may be what is left, so then nothing is put together.
                was = before.left.pop(min(before.left)) if before.left and not ack.refused else None
                self._prepare(parse_row(line), verified, line_no, line, sending, was, batch)
            except LineRefused as refusal:
                _refuse(ack, translated, line_no, refusal)
        return new_events + self._flush(batch)

    def _prepare(
        self, row: ReturnRow, verified: VerifiedFile, line_no: int, line: str, sending: int, was: Answer | None, batch: list[_Prepared]
    ) -> None:
        """Adds what to send for a row, nothing where it was sent before; raises LineRefused where another file said otherwise."""
        name, content = verified.name, fingerprint(line)
        if (was is not None and was.content == content) or self._is_known(row, name, content):
            return
        try:
            event = translate(row, name, line_no, self._region)
        except ValueError:
            raise LineRefused(AckCode.TIME, "记账时间错误") from None
        corrects = 0 if was is None else was.sequence
        if corrects:
            event.corrects.CopyFrom(EventRef(feed=self._feed, sequence=corrects))
        key = f"{name.text}@{sending}/{row.row_no}/{row.serial}/{content.hex()}"
        answer = Answer(key, name.text, name.bank, name.batch_no, row.row_no, row.serial, row.is_paid, content, 0, corrects)
        batch.append(_Prepared(event.SerializeToString(deterministic=True), answer))

    def _is_known(self, row: ReturnRow, name: FileName, content: bytes) -> bool:
        """Whether another file said the same; raises LineRefused where it said something else of the serial, or of another row."""
        for one in self._ledger.of_serial(name.bank, row.serial):
            if one.file_name == name.text:
                continue
            if (one.batch_no, one.row_no) != (name.batch_no, row.row_no) or (one.is_paid == row.is_paid and one.content != content):
                raise LineRefused(AckCode.CONTRADICTION, "同一流水号在另一文件中内容不同")
            if one.content == content:
                return True
        return False

    def _flush(self, batch: list[_Prepared]) -> int:
        """Notes what waits, sends it, empties *batch* and returns how many events are new."""
        self._ledger.note(one.answer for one in batch)
        numbered = put_traced(self._outbox, self._feed, [(one.answer.source_key, one.event) for one in batch])
        self._ledger.settle(self._feed)
        batch.clear()
        return sum(is_new for _, is_new in numbered)

    def _put_acceptance(self, verified: VerifiedFile, sending: int, refused: int, now: datetime) -> None:
        name = verified.name.text
        accepted = FileAccepted(file_name=name[:64], accepted_count=verified.count - refused, refused_count=refused)
        self._put_once(f"accepted:{name}.{sending}", Event(file_accepted=accepted, source=source(name)), now)

    def _put_rejection(self, name: str, refusal: FileRefused, now: datetime) -> None:
        rejected = FileRejected(file_name=name[:64], reason_code=refusal.code)
        self._put_once(f"rejected:{name}:{refusal.code}:{refusal.line_no}", Event(file_rejected=rejected, source=source(name)), now)

    def _put_once(self, source_key: str, event: Event, now: datetime) -> None:
        event.occurred_at.FromDatetime(now)
        put_traced(self._outbox, self._feed, [(source_key, event.SerializeToString(deterministic=True))])


def _refuse(ack: AckFile, translated: Step, line_no: int, refusal: LineRefused) -> None:
    """Says in the acknowledgement and in the trace that a line is refused."""
    ack.refuse(line_no, refusal)
    translated.note(LINE_REFUSED, {LINE: line_no, NATIVE_CODE: refusal.code.value, REFUSAL: refusal.text})


def _refuse_twice(row: ReturnRow, rows: set[int], serials: set[str]) -> None:
    """Raises LineRefused for a row or serial that the file has had: which of the two is meant, nobody knows."""
    if row.row_no in rows:
        raise LineRefused(AckCode.ROW_TWICE, "同一文件中行号重复")
    if row.serial in serials:
        raise LineRefused(AckCode.SERIAL_TWICE, "同一文件中流水号重复")
    rows.add(row.row_no)
    serials.add(row.serial)

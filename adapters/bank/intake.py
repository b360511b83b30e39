"""Takes one return file: proves it as a whole, sends its rows line by line, and acknowledges it.

Once a file is proven every line ends in one of three ways: it is a new event, it is an answer that was sent before (no event), or it is
refused by its line. Taking the same file again is therefore harmless, at any time and after any crash. Memory holds one batch, and the
numbers and serials of the file.
"""

import hashlib
import logging
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from chuanyu.exchange.v1.control_pb2 import FileAccepted, FileRejected
from chuanyu.exchange.v1.event_pb2 import Event
from chuanyu.exchange.v1.references_pb2 import EventRef

from adapters.bank.ack_file import AckFile
from adapters.bank.errors import AckCode, FileRefused, LineRefused
from adapters.bank.ledger import Answer, Ledger, fingerprint
from adapters.bank.return_file import ReturnRow, VerifiedFile, parse_row, read_name, read_rows, verify_file
from adapters.bank.translate import source, translate
from adapters.kit import Outbox, put_traced, step
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
    source_key: str
    event: bytes
    answer: Answer


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
                ack.accept(verified)
                with step(TRANSLATE_FILE_SPAN) as translated:
                    new_events = self._apply(file, verified, sending, ack, translated)
                    translated.attributes[REFUSED_LINES] = ack.refused
                self._put_acceptance(verified, sending, ack.refused, now)
            return Outcome(str(sending), new_events, ack.refused)

    def _apply(self, file: BinaryIO, verified: VerifiedFile, sending: int, ack: AckFile, translated: Step) -> int:
        new_events, batch = 0, list[_Prepared]()
        rows, serials = set[int](), set[str]()
        for line_no, line in read_rows(file):
            try:
                row = parse_row(line)
                _refuse_twice(row, rows, serials)
                prepared = self._prepare(row, verified, line_no, line, sending)
            except LineRefused as refusal:
                ack.refuse(line_no, refusal)
                translated.note(LINE_REFUSED, {LINE: line_no, NATIVE_CODE: refusal.code.value, REFUSAL: refusal.text})
                continue
            if prepared is not None:
                batch.append(prepared)
            if len(batch) == BATCH_EVENTS:
                new_events += self._flush(batch)
        return new_events + self._flush(batch)

    def _prepare(self, row: ReturnRow, verified: VerifiedFile, line_no: int, line: str, sending: int) -> _Prepared | None:
        """Returns what to send for a row, None when it was sent before; raises LineRefused where another file said otherwise."""
        name = verified.name
        result = "paid" if row.is_paid else "returned"
        identity, content = f"{name.bank}/{name.batch_no}/{row.row_no}/{row.serial}/{result}", fingerprint(line)
        seen = self._ledger.answers(identity)
        if any(one.content == content for one in seen):
            return None
        if seen and seen[-1].file_name != name.text:
            raise LineRefused(AckCode.CONTRADICTION, "同一流水号在另一文件中内容不同")
        try:
            event = translate(row, name, line_no, self._region)
        except ValueError:
            raise LineRefused(AckCode.TIME, "记账时间错误") from None
        source_key = identity
        if seen:
            event.corrects.CopyFrom(EventRef(feed=self._feed, sequence=seen[-1].sequence))
            source_key = f"{identity}@{sending}.{content.hex()}"
        return _Prepared(source_key, event.SerializeToString(deterministic=True), Answer(identity, content, 0, name.text))

    def _flush(self, batch: list[_Prepared]) -> int:
        """Sends what waits, remembers it, empties *batch* and returns how many events are new."""
        numbered = put_traced(self._outbox, self._feed, [(one.source_key, one.event) for one in batch])
        self._ledger.remember(one.answer._replace(sequence=sequence) for one, (sequence, _) in zip(batch, numbered, strict=True))
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


def _refuse_twice(row: ReturnRow, rows: set[int], serials: set[str]) -> None:
    """Raises LineRefused for a row or serial that the file has had: which of the two is meant, nobody knows."""
    if row.row_no in rows:
        raise LineRefused(AckCode.ROW_TWICE, "同一文件中行号重复")
    if row.serial in serials:
        raise LineRefused(AckCode.SERIAL_TWICE, "同一文件中流水号重复")
    rows.add(row.row_no)
    serials.add(row.serial)

"""Takes one B2 file: proves it, translates it line by line, and writes the acknowledgement.

Nothing is applied from a file that is refused as a whole. From one that is taken, every line ends in one of three ways:
it is a new event, it is a fact that was sent before (no event), or it is refused by its line. Taking the same file
again is therefore harmless, at any time and after any crash: source keys are made of what a record is, not of when it
came. Memory holds one batch, whatever the size of the file.
"""

import logging
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final

from chuanyu.exchange.v1.control_pb2 import FileAccepted, FileRejected
from chuanyu.exchange.v1.event_pb2 import Event, Source
from chuanyu.exchange.v1.references_pb2 import EventRef

from adapters.chongqing.errors import AckCode, FileRefused, LineRefused
from adapters.chongqing.ledger import Fact, Ledger
from adapters.chongqing.references import fingerprint, instant
from adapters.chongqing.translate_usage import FEED, SYSTEM, translate_reversal, translate_usage
from adapters.chongqing.usage_file import FileHeader, VerifiedFile, is_usage_file_name, read_details, verify_file
from adapters.chongqing.usage_record import CONTENT, UsageRecord, parse_record
from adapters.chongqing.usage_rules import CORRECTION, REVERSAL, check_record, identity_of, original_identity
from adapters.kit import Outbox, put_traced, step
from adapters.kit.ack_file import AckFile
from adapters.kit.telemetry import (
    LINE,
    LINE_REFUSED,
    LINES,
    NATIVE_CODE,
    READ_FILE_SPAN,
    REFUSAL,
    REFUSED_LINES,
    TRANSLATE_FILE_SPAN,
)
from adapters.kit.trace import Step
from adapters.kit.values import UNEXPECTED, where

# Two flushes to disk a batch: enough lines that they hardly count, few enough that a call in between hardly waits.
BATCH_EVENTS: Final = 1000


log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a file; `refusal` is None for one that was taken, whose version then is known."""

    file_name: str
    version: str = ""
    new_events: int = 0
    refused_lines: int = 0
    refusal: FileRefused | None = None


@dataclass(frozen=True, slots=True)
class _Prepared:
    source_key: str
    event: bytes
    fact: Fact


class UsageIntake:
    """The one place where usage files become events; one file at a time."""

    suffix = ".dat"

    def __init__(self, outbox: Outbox, ledger: Ledger, ack_dir: Path) -> None:
        """Takes where events, memory and acknowledgements go; makes the last, if need be."""
        ack_dir.mkdir(parents=True, exist_ok=True)
        self._outbox, self._ledger, self._ack_dir = outbox, ledger, ack_dir

    def is_name(self, name: str) -> bool:
        """Whether a file has the name of a usage file."""
        return is_usage_file_name(name)

    def take(self, path: Path, now: datetime) -> Outcome:
        """Takes the file at *path*, which no one else may write to; *now* dates a refusal."""
        with path.open("rb") as file:
            try:
                with step(READ_FILE_SPAN) as read:
                    verified = verify_file(file, path.name)
                    self._ledger.admit(verified)
                    read.attributes[LINES] = verified.count
            except FileRefused as refusal:
                self._put_rejection(path.name, refusal, now)
                with AckFile(self._ack_dir, path.name) as ack:
                    ack.refuse(refusal.line_no, refusal)
                return Outcome(path.name, refusal=refusal)
            with AckFile(self._ack_dir, path.name) as ack:
                ack.accept(verified.count, str(verified.sum_fen))
                with step(TRANSLATE_FILE_SPAN) as translated:
                    new_events = self._apply(file, verified.header, ack, translated)
                    translated.attributes[REFUSED_LINES] = ack.refused
                self._put_acceptance(verified, ack.refused)
            return Outcome(path.name, verified.header.version, new_events, ack.refused)

    def _apply(self, file: BinaryIO, header: FileHeader, ack: AckFile, translated: Step) -> int:
        new_events = 0
        batch: dict[str, _Prepared] = {}
        for line_no, raw in read_details(file):
            try:
                record = _record(raw)
                line = _line(record, raw, header)
                undone = original_identity(record) if record.txn_type == REVERSAL else ""
                # A line about a fact of this very batch must find it in the ledger.
                if len(batch) == BATCH_EVENTS or line.identity in batch or undone in batch:
                    new_events += self._flush(batch)
                prepared = self._prepare(record, header, line_no, line)
            except LineRefused as refusal:
                ack.refuse(line_no, refusal)
                translated.note(LINE_REFUSED, {LINE: line_no, NATIVE_CODE: refusal.code.value, REFUSAL: refusal.text})
                continue
            if prepared:
                batch[prepared.fact.identity] = prepared
        return new_events + self._flush(batch)

    def _prepare(self, record: UsageRecord, header: FileHeader, line_no: int, line: Fact) -> _Prepared | None:
        """Returns what to send for a line, None when it was sent before; raises LineRefused on a contradiction."""
        seen = self._ledger.facts(line.identity)
        if seen and not _changes(line, record.flag, seen):
            return None
        if seen and record.txn_type == REVERSAL:
            # An event corrects or reverses, never both: what a reversal gave back wrongly is a trip of its own.
            raise LineRefused(AckCode.CONTRADICTION, "冲正不可更正")
        original = self._original(record) if record.txn_type == REVERSAL else None
        event = _event(record, header, line_no, original)
        source_key = line.identity
        if seen:
            event.corrects.CopyFrom(EventRef(feed=FEED, sequence=seen[-1].sequence))
            source_key = f"{line.identity}@{line.file_id}.{line.version}.{line.seq}"
        return _Prepared(source_key, event.SerializeToString(deterministic=True), line)

    def _original(self, record: UsageRecord) -> tuple[EventRef, str] | None:
        originals = self._ledger.facts(original_identity(record)) if record.psam else []
        return (EventRef(feed=FEED, sequence=originals[-1].sequence), originals[-1].txn_type) if originals else None

    def _flush(self, batch: dict[str, _Prepared]) -> int:
        """Sends what waits, remembers it, empties *batch* and returns how many events are new."""
        items = [(prepared.source_key, prepared.event) for prepared in batch.values()]
        numbered = put_traced(self._outbox, FEED, items)
        self._ledger.remember(
            replace(prepared.fact, sequence=sequence) for prepared, (sequence, _) in zip(batch.values(), numbered, strict=True)
        )
        batch.clear()
        return sum(is_new for _, is_new in numbered)

    def _put_acceptance(self, verified: VerifiedFile, refused: int) -> None:
        header = verified.header
        accepted = FileAccepted(file_name=header.file_name, accepted_count=verified.count - refused, refused_count=refused)
        event = Event(occurred_at=instant(header.created_at), file_accepted=accepted, source=_source(header.file_name))
        self._put_once(f"accepted:{header.file_id}.{header.version}", event)

    def _put_rejection(self, name: str, refusal: FileRefused, now: datetime) -> None:
        event = Event(file_rejected=FileRejected(file_name=name[:64], reason_code=refusal.code), source=_source(name))
        event.occurred_at.FromDatetime(now)
        self._put_once(f"rejected:{name}:{refusal.code}:{refusal.line_no}", event)

    def _put_once(self, source_key: str, event: Event) -> None:
        put_traced(self._outbox, FEED, [(source_key, event.SerializeToString(deterministic=True))])


def _record(raw: bytes) -> UsageRecord:
    """Returns what a line says; raises LineRefused, whatever is wrong with it."""
    try:
        record = parse_record(raw)
        check_record(record)
    except UNEXPECTED as error:
        raise _unreadable(error) from error
    return record


def _event(record: UsageRecord, header: FileHeader, line_no: int, original: tuple[EventRef, str] | None) -> Event:
    """Returns the event of a line; raises LineRefused, whatever is wrong with it."""
    try:
        if record.txn_type == REVERSAL:
            return translate_reversal(record, header, line_no, original)
        return translate_usage(record, header, line_no)
    except UNEXPECTED as error:
        raise _unreadable(error) from error


def _unreadable(error: BaseException) -> LineRefused:
    log.error("a line cannot be read: %s", where(error))
    return LineRefused(AckCode.UNREADABLE, "记录无法读取")


def _line(record: UsageRecord, raw: bytes, header: FileHeader) -> Fact:
    """Returns what a line says, its sequence still to come."""
    return Fact(
        identity=identity_of(record, header),
        file_id=header.file_id,
        version=header.version,
        seq=record.seq,
        content=fingerprint(raw[CONTENT]),
        sequence=0,
        txn_type=record.txn_type,
    )


def _changes(line: Fact, flag: str, seen: list[Fact]) -> bool:
    """Says whether a line about a fact that was *seen* changes it, rather than repeating what was said at some time.

    It may do so as a later sending of the file that spoke last, or by its flag; otherwise it is refused.
    """
    last = seen[-1]
    if line.content == last.content:
        return False
    if last.file_id == line.file_id and last.version < line.version:
        return True
    if flag == CORRECTION:
        return not any(fact == replace(line, sequence=fact.sequence) for fact in seen)
    if line.content not in (fact.content for fact in seen):
        raise LineRefused(AckCode.CONTRADICTION, "同一笔交易内容不同，更正须标flag=2")
    return False


def _source(file_name: str) -> Source:
    return Source(system=SYSTEM, file_name=file_name[:128])

"""What a run offered, what became of it, and whether every planted fault was noticed by whom it should be."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from adapters.simulator.messages import ChongqingCall, Fault, Message, SichuanMessage

KEPT_SURPRISES = 20


@dataclass
class Tally:
    """Counts of one run; `events` is what the adapters' outboxes took since its beginning, by feed."""

    seed: int
    start: str
    messages: Counter[str] = field(default_factory=Counter)
    records: Counter[str] = field(default_factory=Counter)
    planted: Counter[str] = field(default_factory=Counter)
    replies: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    planned_events: int = 0
    lifecycle_events: int = 0
    planned_quarantined: int = 0
    quarantined: int = 0
    files_refused: int = 0
    lines_refused: int = 0
    surprises: list[str] = field(default_factory=list)
    settled: bool = False
    seconds: float = 0.0

    @property
    def events_total(self) -> int:
        """Returns the events of all feeds."""
        return sum(self.events.values())

    @property
    def lifecycle_share(self) -> float:
        """Returns the share of the planned events that come from messages about lives of cards."""
        return self.lifecycle_events / self.planned_events if self.planned_events else 0.0

    def offer(self, message: Message) -> None:
        """Counts a message that is about to be sent."""
        kind = kind_of(message)
        self.messages[kind] += 1
        self.records[kind] += message.records
        self.planned_events += message.events
        if isinstance(message, ChongqingCall) or kind.startswith("SBK1"):
            self.lifecycle_events += message.events
        self.planned_quarantined += message.quarantined
        if message.fault and message.fault is not Fault.FILE_RESENT:
            self.planted[message.fault] += 1

    def surprise(self, text: str) -> None:
        """Notes an answer that was not the planned one; the first few are kept."""
        if len(self.surprises) < KEPT_SURPRISES:
            self.surprises.append(text)

    def as_json(self) -> dict[str, Any]:
        """Returns everything, for --json."""
        counters = {name: dict(value) for name, value in vars(self).items() if isinstance(value, Counter)}
        return {**vars(self), **counters, "events_total": self.events_total, "lifecycle_share": self.lifecycle_share}


def kind_of(message: Message) -> str:
    """Returns the native name of a message: its transaction code, its operation, or B2."""
    if isinstance(message, SichuanMessage):
        return message.trans_code
    return f"B1 {message.fields['操作']}" if isinstance(message, ChongqingCall) else "B2"

"""What a client did in a trial: its calls as they were recorded, what the journal holds of its feed, and what it reported itself."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from chuanyu.exchange.v1 import event_pb2

from hub.conformance.instructions import Told
from hub.sandbox.faults import APPENDING, Fault
from hub.sandbox.recording import Exchange, Passed, info_of
from hub.sandbox.stages import pairs
from hub.words.outcomes import outcome_name


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _all_are(is_one: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(is_one, value))


def _is_receipt(value: Any) -> bool:
    return isinstance(value, dict) and _is_text(value.get("text")) and _is_text(value.get("signature"))


# What a client may report, and whether it has its form.
FORMS: dict[str, Callable[[Any], bool]] = {
    "acknowledged": _is_number,
    "quarantined": _all_are(_is_number),
    "receipts": _all_are(_is_receipt),
    "stopped": _is_text,
    "outcome": _is_text,
    "positions": _all_are(_is_number),
    "listed": _all_are(_is_text),
    "comparison": _is_text,
}


class Batch(NamedTuple):
    """A batch that was sent: in which call, what it carried, and its answer: an outcome for each event, or why it was refused."""

    exchange: Exchange
    passed: Passed
    first: int
    events: list[event_pb2.Event]
    outcomes: list[str]
    refused: str
    answered_s: float
    receipt: Any

    @property
    def last(self) -> int:
        """The number of its last event."""
        return self.first + len(self.events) - 1


class Held(NamedTuple):
    """What the journal holds under a number."""

    sequence: int
    kind: str
    message_id: str
    position: int


@dataclass(slots=False)
class Seen:
    """All that a trial is judged by; *results* are the lines that the client wrote, *ends* its exit codes, in order."""

    told: Told
    exchanges: list[Exchange]
    held: list[Held]
    results: list[dict[str, Any]]
    ends: list[int | None] = field(default_factory=list)
    second_fingerprint: str = ""
    unmet: list[Fault] = field(default_factory=list)

    @cached_property
    def batches(self) -> list[Batch]:
        """Every batch for the feed of the trial, in the order in which they came."""
        found = [batch for exchange in self.exchanges if exchange.method in APPENDING for batch in _batches(exchange)]
        return sorted(found, key=lambda batch: batch.passed.at_s)

    def calls(self, method: str) -> list[Exchange]:
        """The calls of a method."""
        return [exchange for exchange in self.exchanges if exchange.method == method]

    def asked(self, method: str) -> Iterator[tuple[Exchange, Any]]:
        """Gives the requests of a method."""
        for exchange in self.calls(method):
            for _, request in exchange.messages(is_request=True):
                yield exchange, request

    def result(self, name: str) -> list[Any]:
        """Returns what the client wrote under a name, from all its lines, where it has the form that it should have."""
        return [line[name] for line in self.results if name in line and FORMS[name](line[name])]

    @property
    def unfit(self) -> set[str]:
        """The names under which the client wrote something of another form."""
        return {name for line in self.results for name, value in line.items() if name in FORMS and not FORMS[name](value)}


_OUTCOMES = {1: "recorded", 2: "duplicate", 3: "quarantined"}


def _batches(exchange: Exchange) -> Iterator[Batch]:
    for passed, batch, answer in pairs(exchange):
        outcomes: list[str] = []
        refused, receipt = "", None
        if answer is None:
            refused = exchange.reason or exchange.code
        elif exchange.method == "StreamEvents" and answer[1].HasField("refused"):
            refused = info_of(answer[1].refused).reason
        else:
            appended = answer[1].appended if exchange.method == "StreamEvents" else answer[1]
            outcomes, receipt = [_OUTCOMES.get(outcome, "?") for outcome in appended.outcomes], appended.receipt
            if answer[0].made_by == "lost-answer":
                refused = "(lost)"
        answered_s = answer[0].at_s if answer else exchange.ended_s
        yield Batch(exchange, passed, batch.first_sequence, list(batch.events), outcomes, refused, answered_s, receipt)


def lines_of(seen: Seen) -> list[str]:
    """Returns the exchange as it was seen, a line each, in the notation of what is expected."""
    found = [(batch.passed.at_s, _line(batch)) for batch in seen.batches]
    found += [(exchange.began_s, _call(exchange)) for exchange in seen.exchanges if exchange.method not in APPENDING]
    lines = [line for _, line in sorted(found)]
    # What is repeated is said once.
    said: list[str] = []
    for line in lines:
        if said and said[-1].partition("  ×")[0] == line:
            said[-1] = f"{line}  ×{int(said[-1].partition('  ×')[2] or 1) + 1}"
        else:
            said.append(line)
    return said[:60]


def _line(batch: Batch) -> str:
    numbers = f"{batch.first}" if len(batch.events) == 1 else f"{batch.first}–{batch.last}"
    counts = [f"{name} {batch.outcomes.count(name)}" for name in ("duplicate", "recorded", "quarantined") if name in batch.outcomes]
    said = [batch.refused] * bool(batch.refused) + counts
    requests = [passed for passed in batch.exchange.passed if passed.is_request]
    if batch.passed is requests[-1] and batch.exchange.ended_by in ("stream-end", "stream-cut"):
        said.append(batch.exchange.ended_by)
    return f"→ {numbers} | ← {', '.join(said) or '(unanswered)'}{_door(batch.exchange)}"


def _call(exchange: Exchange) -> str:
    request = next(iter(exchange.messages(is_request=True)), None)
    about = ""
    if request is not None:
        names = {"CheckAcceptance": "request_id", "Subscribe": "from_position", "SubmitControlTotals": "version"}
        about = f" {getattr(request[1], names[exchange.method])}" if exchange.method in names else ""
    answers = sum(not passed.is_request for passed in exchange.passed)
    ended = exchange.reason or exchange.code
    for _, answer in exchange.messages(is_request=False) if exchange.method == "CheckAcceptance" and ended == "OK" else ():
        ended = outcome_name(answer.outcome)
    made_by = f" ({exchange.ended_by})" if exchange.ended_by not in ("", "client") else ""
    return f"{exchange.method}{about} | ← {ended}{f', {answers} answers' if answers > 1 else ''}{made_by}{_door(exchange)}"


def _door(exchange: Exchange) -> str:
    return f" (door {exchange.door + 1})" if exchange.door else ""

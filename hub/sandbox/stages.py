"""What was wrong with what came, every stage at once and in words: envelope, shape, meaning, numbering, quarantine.

A hub says of a batch that it refuses no more than why; of events behind a refusal it has not looked at the rest. Here the events of such a
batch are looked at all the same, by ValidateEvents, so that a developer mends everything in one go.
"""

from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from chuanyu.exchange.v1 import event_pb2, feed_service_pb2, hub_decisions_pb2
from google.rpc import error_details_pb2, status_pb2

from hub.api.edge.statuses import CODES
from hub.sandbox.faults import APPENDING, KINDS
from hub.sandbox.recording import Exchange, Passed, info_of
from hub.words.refusals import CHINESE

# Events of a batch whose faults are shown.
MOST_EVENTS = 20
# Batches of a stream that are shown.
MOST_BATCHES = 20
# Rules that look at what a field means, beside those of its shape.
MEANING = frozenset((
    "hub_only", "too_early", "in_the_future", "impossible_instant", "impossible_duration", "born_later", "impossible_date",
    "unknown_region", "unknown_scenario", "card_or_holder_required", "issuer_only", "role_missing", "role_scope", "contradicts_number",
    "other_province", "corrects_and_reverses", "not_your_feed", "money_sum", "clear_only", "identifier_in_clear", "unstorable"
))  # fmt: skip
_NUMBERING = frozenset({"SEQUENCE_GAP", "SEQUENCE_CONFLICT", "SEQUENCE_ARCHIVED"})
# What to change, by the reason of a refusal; {names} are those of its metadata.
ADVICE = {
    "SEQUENCE_GAP": (
        "从 {expected_sequence} 起发送：询问 GetFeed，把缺的补上，编号不跳。",
        "Send from {expected_sequence} on: ask GetFeed, send what is missing, and skip no number.",
    ),
    "SEQUENCE_CONFLICT": (
        "编号 {sequence} 已入账另一事件：停下该数据流，查明哪一份正确；编号永不改作他用。",
        "Number {sequence} holds another event: stop the feed and find out which is right; a number is never used for anything else.",
    ),
    "BATCH_TOO_LARGE": ("每批至多 {limit_events} 个事件、{limit_bytes} 字节：分批发送。", "At most {limit_events} events a batch: cut it."),
    "BATCH_EMPTY": ("没有事件就不要发批次。", "Send no batch while there is no event."),
    "FEED_UNKNOWN": ("用登记的数据流名称。", "Name the feed as it was registered."),
    "NOT_FEED_OWNER": ("只写本方的数据流。", "Write your own feeds alone."),
    "QUEUE_FULL": ("按 RetryInfo 等候，再原样重发。", "Wait as RetryInfo says, then send the same again."),
    "HELD_BACK": ("按 RetryInfo 等候，再原样重发。", "Wait as RetryInfo says, then send the same again."),
    "QUOTA_EXCEEDED": ("按 RetryInfo 等候，再原样重发。", "Wait as RetryInfo says, then send the same again."),
    "VIEW_BEHIND": ("稍候，以同一 request_id 再问。", "Wait a moment, and ask again under the same request_id."),
    "REQUEST_ID_REUSED": ("另一问题用另一 request_id。", "Another question needs another request_id."),
    "CERTIFICATE_WITHDRAWN": ("换用新证书连接。", "Connect with the newer certificate."),
}


class Step(NamedTuple):
    """A stage that an event passes, and what was wrong there; nothing where all is well, None where it was not come to."""

    name_zh: str
    name_en: str
    problems: list[str] | None


@dataclass(slots=True)
class Judged:
    """A request as the page shows it."""

    at_s: float
    participant: str
    method: str
    about: str
    outcome: str
    steps: list[Step] = field(default_factory=list)

    @property
    def has_problems(self) -> bool:
        """Whether anything was wrong."""
        return any(step.problems for step in self.steps)


# Says what of events would be quarantined, asked as their sender: by feed and events, in the order of the events.
Validate = Callable[[Exchange, str, Sequence[event_pb2.Event]], Awaitable[dict[int, list[hub_decisions_pb2.RuleViolation]]]]


async def judged(exchange: Exchange, validate: Validate) -> list[Judged]:
    """Returns what there is to say of a call, a batch each, or one for a call that has none."""
    if exchange.method not in APPENDING:
        return [_other(exchange)]
    return [await _batch(exchange, request, batch, answer, validate) for request, batch, answer in pairs(exchange, MOST_BATCHES)] or [
        _other(exchange)
    ]


def pairs(exchange: Exchange, newest: int = 0) -> Iterator[tuple[Passed, Any, tuple[Passed, Any] | None]]:
    """Gives each batch of a call, or the *newest* ones, with its answer as far as there is one: answers name the number they are for."""
    answers: dict[int, deque[tuple[Passed, Any]]] = defaultdict(deque)
    for passed, answer in exchange.messages(is_request=False):
        answers[answer.first_sequence].append((passed, answer))
    for passed, batch in list(exchange.messages(is_request=True))[-newest:]:
        of_batch = answers[batch.first_sequence]
        yield passed, batch, of_batch.popleft() if of_batch else None


def refusal_in_words(status: status_pb2.Status) -> list[str]:
    """Says in both languages why something was refused and what to change."""
    info = info_of(status)
    kind = next((kind for kind, (_, reason) in CODES.items() if reason == info.reason), None)
    chinese = CHINESE.get(kind.__name__, "") if kind is not None else ""
    said = [f"{info.reason or 'gRPC'}：{chinese} {status.message}".strip()]
    if info.reason in ADVICE:
        facts = _Facts(info.metadata)
        said += [text.format_map(facts) for text in ADVICE[info.reason]]
    if any(broken.field == "first_sequence" for broken in _fields(status)):
        said.append("编号从 1 起。Numbers begin with 1.")
    said += [f"{broken.field}：{broken.localized_message.message} {broken.description}" for broken in _fields(status)]
    return said


class _Facts(dict[str, str]):
    """Metadata, with a mark for what is not there."""

    def __missing__(self, key: str) -> str:
        return "…"


def _fields(status: status_pb2.Status) -> list[error_details_pb2.BadRequest.FieldViolation]:
    request = error_details_pb2.BadRequest()
    any(detail.Unpack(request) for detail in status.details)
    return list(request.field_violations)


def _other(exchange: Exchange) -> Judged:
    count = sum(not passed.is_request for passed in exchange.passed)
    outcome = exchange.code or "… 进行中 under way"
    about = " ".join(filter(None, (_feed_asked(exchange), f"{count} 个答复 answers" if count > 1 else "")))
    problems = refusal_in_words(exchange.status) if exchange.code not in ("", "OK", "CANCELLED") else []
    if exchange.ended_by in KINDS:
        problems.append(f"故障 fault: {KINDS[exchange.ended_by].text_zh} {KINDS[exchange.ended_by].text_en}")
    return Judged(exchange.at_s, exchange.participant, exchange.method, about, outcome, [Step("调用", "call", problems)])


def _feed_asked(exchange: Exchange) -> str:
    return next((str(getattr(request, "feed", "")) for _, request in exchange.messages(is_request=True)), "")


async def _batch(exchange: Exchange, passed: Passed, batch: Any, answer: tuple[Passed, Any] | None, validate: Validate) -> Judged:
    status, appended = _answered(exchange, answer)
    # A batch whose number is none, such as 0, is refused for the shape of its request.
    is_numbering = info_of(status).reason in _NUMBERING or any(broken.field == "first_sequence" for broken in _fields(status))
    found = await _faults(exchange, batch, appended, validate) if status.code not in (7, 16) else {}
    steps = [
        Step("信封", "envelope", _envelope(status, is_numbering, found)),
        Step("形状", "shape", _rules(batch, found, lambda path, rule: _is_of_kind(batch, path) and rule not in MEANING)),
        Step("含义", "meaning", _rules(batch, found, lambda _, rule: rule in MEANING)),
        Step("编号", "numbering", refusal_in_words(status) if is_numbering else [] if appended else None),
        Step("隔离", "quarantine", _quarantined(appended) if appended is not None else None),
    ]
    last = batch.first_sequence + len(batch.events) - 1
    about = f"{batch.feed} {batch.first_sequence}–{last}" if batch.events else f"{batch.feed} {batch.first_sequence}"
    return Judged(exchange.at_s, exchange.participant, exchange.method, about, _outcome(exchange, status, appended, passed, answer), steps)


def _answered(exchange: Exchange, answer: tuple[Passed, Any] | None) -> tuple[status_pb2.Status, Any]:
    """Returns how a batch was refused, and what it was answered with where it was not."""
    if answer is None:
        return (exchange.status if exchange.code not in ("OK", "CANCELLED") else status_pb2.Status()), None
    message = answer[1]
    if isinstance(message, feed_service_pb2.StreamEventsResponse):
        return (message.refused, None) if message.HasField("refused") else (status_pb2.Status(), message.appended)
    return status_pb2.Status(), message


async def _faults(exchange: Exchange, batch: Any, appended: Any, validate: Validate) -> dict[int, list[Any]]:
    if appended is not None:
        first = batch.first_sequence
        return {notice.sequence - first: list(notice.violations) for notice in appended.quarantined}
    return await validate(exchange, batch.feed, batch.events[:MOST_EVENTS]) if batch.events else {}


def _envelope(status: status_pb2.Status, is_numbering: bool, found: dict[int, list[Any]]) -> list[str]:
    said = refusal_in_words(status) if status.code and not is_numbering else []
    return said + [
        _said(index, broken)
        for index, rules in sorted(found.items())
        for broken in rules
        if broken.rule_id not in MEANING and broken.field_path.partition(".")[0] in _ENVELOPE
    ]


_ENVELOPE = frozenset(
    field.name for field in event_pb2.Event.DESCRIPTOR.fields if field.containing_oneof is None
) | {"kind", ""}  # fmt: skip


def _is_of_kind(batch: Any, path: str) -> bool:
    return path.partition(".")[0] not in _ENVELOPE


def _rules(batch: Any, found: dict[int, list[Any]], is_of: Callable[[str, str], bool]) -> list[str]:
    return [_said(index, broken) for index, rules in sorted(found.items()) for broken in rules if is_of(broken.field_path, broken.rule_id)]


def _said(index: int, broken: Any) -> str:
    return f"第 {index + 1} 个 event {index + 1}: {broken.field_path} {broken.rule_id}：{broken.text_zh} {broken.text_en}"


def _quarantined(appended: Any) -> list[str]:
    if not appended.quarantined:
        return []
    numbers = ", ".join(str(notice.sequence) for notice in appended.quarantined[:MOST_EVENTS])
    return [
        f"已隔离，编号 {numbers} 已占用：以新编号报送更正（corrects 指明数据流与编号），不要改发原编号。",
        f"Quarantined, and {numbers} are taken: report a correction under a new number, whose corrects names feed and number.",
    ]


def _outcome(exchange: Exchange, status: status_pb2.Status, appended: Any, passed: Passed, answer: tuple[Passed, Any] | None) -> str:
    fault = passed.made_by or (answer[0].made_by if answer else "") or (exchange.ended_by if answer is None else "")
    beside = f"（故障 fault: {fault}）" if fault in KINDS else ""
    if appended is None:
        return f"{info_of(status).reason or exchange.code or '… 未答复 unanswered'}{beside}"
    names = [feed_service_pb2.EventOutcome.Name(outcome).removeprefix("EVENT_OUTCOME_").lower() for outcome in appended.outcomes]
    counts = ", ".join(f"{names.count(name)} {name}" for name in ("recorded", "duplicate", "quarantined") if name in names)
    return f"{counts}，位置 position {appended.positions[-1]}{beside}"

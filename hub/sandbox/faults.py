"""What can go wrong between a client and the hub, on demand: each fault says in words what it does, and is armed so many times."""

import threading
from dataclasses import dataclass, replace
from typing import NamedTuple

from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2

from hub.api.edge.statuses import to_status
from hub.domain import errors

APPENDING = frozenset({"AppendEvents", "StreamEvents"})
# Names both of them where a fault is narrowed down to a method.
APPEND = "append"
ASKING = frozenset({"CheckAcceptance", "GetCard", "StreamAcceptance", "JudgeUse", "ExplainAcceptance"})
STREAMS = frozenset({"StreamEvents", "Subscribe", "StreamAcceptance", "StreamHotlistDeltas", "WatchCases"})


class FaultUnknown(errors.HubError):
    """没有这种故障 there is no such fault; the sandbox has:"""


class Kind(NamedTuple):
    """A fault in words, the methods that it meets (none for all), and when: as a request comes, as an answer goes, or at once."""

    text_zh: str
    text_en: str
    methods: frozenset[str]
    meets: str


KINDS = {
    "queue-full": Kind("队列已满：拒收一批，并告知何时再来", "a batch is refused with QUEUE_FULL and RetryInfo", APPENDING, "request"),
    "hold-back": Kind("视图跟不上：拒收一批", "a batch is refused with HELD_BACK and RetryInfo", APPENDING, "request"),
    "gap": Kind("缺号：拒收一批，要求从 1 起", "a batch is refused with SEQUENCE_GAP: 1 is expected", APPENDING, "request"),
    "view-behind": Kind("视图落后：拒答一问", "a question is refused with VIEW_BEHIND", ASKING, "request"),
    "unavailable": Kind("不可用：调用未到枢纽", "a call fails with UNAVAILABLE before the hub sees it", frozenset(), "request"),
    "lost-answer": Kind(
        "答复丢失：枢纽已入账，答复未到", "the hub has done it, and its answer is lost (UNAVAILABLE)", frozenset(), "answer"
    ),
    "slow-answers": Kind("答复迟缓：每个答复晚到", "each answer comes so many seconds late", frozenset(), "answer"),
    "spoiled-receipt": Kind("回执被改：签名对不上", "the signature of a receipt is spoiled", APPENDING, "answer"),
    "stream-end": Kind("流结束：以 OK 结束长流", "a stream ends with OK, as one does when an edge stops", STREAMS, "answer"),
    "stream-cut": Kind("流中断：长流突然断开", "a stream breaks off with UNAVAILABLE", STREAMS, "answer"),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that is armed: it meets *times* messages, once *after* others have passed; *feed* and *method* narrow it down."""

    kind: str
    times: int = 1
    after: int = 0
    seconds: float = 1.0
    feed: str = ""
    method: str = ""

    def fits(self, meets: str, method: str, feed: str) -> bool:
        """Whether it meets this kind of message."""
        kind = KINDS[self.kind]
        wanted = APPENDING if self.method == APPEND else {self.method or method}
        return kind.meets == meets and (not kind.methods or method in kind.methods) and method in wanted and self.feed in ("", feed)

    @property
    def status(self) -> status_pb2.Status:
        """What it refuses a message with."""
        refusals: dict[str, errors.HubError] = {
            "queue-full": errors.QueueFull(),
            "hold-back": errors.HeldBack(self.seconds),
            "gap": errors.SequenceGap(expected_sequence=1),
            "view-behind": errors.ViewsLate(lag_s=round(self.seconds)),
        }
        if self.kind not in refusals:
            return status_pb2.Status(code=14, message=f"sandbox: {KINDS[self.kind].text_en}")
        return _asking_to_wait(to_status(refusals[self.kind]), self.seconds)


class Faults:
    """Those that are armed, in order; safe to use from several threads."""

    def __init__(self) -> None:
        """Nothing is broken."""
        self._lock = threading.Lock()
        self._armed: list[Fault] = []

    def arm(self, fault: Fault) -> None:
        """Arms one; raises FaultUnknown."""
        if fault.kind not in KINDS:
            raise FaultUnknown(", ".join(KINDS))
        with self._lock:
            self._armed.append(fault)

    def armed(self) -> list[Fault]:
        """Returns those that have still to come."""
        with self._lock:
            return list(self._armed)

    def clear(self) -> None:
        """Disarms all."""
        with self._lock:
            self._armed.clear()

    def met(self, meets: str, method: str, feed: str) -> Fault | None:
        """Returns the fault that meets a message, which it then meets once less; one that lets others pass first counts them."""
        with self._lock:
            for number, fault in enumerate(self._armed):
                if not fault.fits(meets, method, feed):
                    continue
                if fault.after:
                    self._armed[number] = replace(fault, after=fault.after - 1)
                    continue
                if fault.times <= 1:
                    del self._armed[number]
                else:
                    self._armed[number] = replace(fault, times=fault.times - 1)
                return fault
        return None


def _asking_to_wait(status: status_pb2.Status, seconds: float) -> status_pb2.Status:
    """Puts so many seconds into the RetryInfo of a status that has one."""
    for detail in status.details:
        if detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            delay = duration_pb2.Duration()
            delay.FromNanoseconds(round(seconds * 1e9))
            packed = any_pb2.Any()
            packed.Pack(error_details_pb2.RetryInfo(retry_delay=delay))
            detail.CopyFrom(packed)
    return status

"""How a call ends, for operators: its metrics, its line in the access log, its spans if they are kept.

A stream counts by what goes through it: each batch and each question is a call of its own, with the stream's method as its name.
"""

import logging
import time

from google.rpc import code_pb2, status_pb2

from hub.api.edge.statuses import code_and_reason, internal
from hub.domain.errors import HubError
from hub.telemetry import logs, names, span_export
from hub.telemetry.logs import AccessLine
from hub.telemetry.spans import Call

log = logging.getLogger(__name__)

# Answers in the negative rather than refusals: questions about cards that nobody registered come all day long.
ORDINARY = frozenset({"CARD_NOT_FOUND"})
_CODES = {number: name for name, number in code_pb2.Code.items()}
# The access log has every refusal; in the security log a flood must not push the rest out.
_TOLD_EVERY_S = {code_pb2.UNAUTHENTICATED: 1.0, code_pb2.PERMISSION_DENIED: 1.0, code_pb2.RESOURCE_EXHAUSTED: 60.0}
_told_at_s: dict[tuple[str, str], float] = {}


def answered(call: Call, received_bytes: int = 0, sent_bytes: int = 0) -> None:
    """Ends a call that was answered."""
    _end(call, "OK", "", received_bytes, sent_bytes)


def refused(call: Call, error: HubError, received_bytes: int = 0) -> None:
    """Ends a call that was refused."""
    code, reason = code_and_reason(error)
    _end(call, _CODES[code], reason, received_bytes, 0)
    if code in _TOLD_EVERY_S:
        _tell_security(call, reason, _TOLD_EVERY_S[code])


def failed(call: Call, received_bytes: int = 0) -> status_pb2.Status:
    """Ends a call by a fault of ours, while it is being handled, and returns its status."""
    log.exception("rpc: fault of the hub", extra={"method": call.name, "trace_id": call.trace_id})
    _end(call, "INTERNAL", "INTERNAL", received_bytes, 0)
    return internal(call.trace_id)


def closed(call: Call, code: str = "OK") -> None:
    """Ends a stream that came to its end, or a call that its caller gave up (CANCELLED): how long that took says nothing of the hub."""
    span_export.ended(call, may_be_slow=True)
    _log(call, code, "", 0, 0)


def _tell_security(call: Call, reason: str, every_s: float) -> None:
    """Logs refusals for identity or quota, once in a while for each caller and reason."""
    now_s = time.monotonic()
    if now_s - _told_at_s.get((call.participant, reason), -every_s) >= every_s:
        if len(_told_at_s) > 10_000:
            _told_at_s.clear()
        _told_at_s[call.participant, reason] = now_s
        logs.security("call.refused", participant=call.participant, method=call.name, reason=reason, trace_id=call.trace_id)


def _end(call: Call, code: str, reason: str, received_bytes: int, sent_bytes: int) -> None:
    call.code = code
    span_export.ended(call, "" if reason in ORDINARY else reason)
    _log(call, code, reason, received_bytes, sent_bytes)
    names.CALL_DURATION.record((call.ended - call.began) / 1e9, call.name, code, call.participant)
    if reason and names.FEED in call.attributes:
        names.FEED_REFUSED.add(call.participant, str(call.attributes[names.FEED]), reason)
    if reason:
        names.REFUSALS.add(call.participant, call.name, reason)


def _log(call: Call, code: str, reason: str, received_bytes: int, sent_bytes: int) -> None:
    events, duration_s = int(call.attributes.get(names.MESSAGING_COUNT, 0)), (call.ended - call.began) / 1e9
    logs.access(
        AccessLine(time.time_ns(), call.participant, call.name, code, reason, duration_s, received_bytes, sent_bytes, events, call.trace_id)
    )
